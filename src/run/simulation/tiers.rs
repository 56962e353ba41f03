//! Long requests: tiers, output limits, learned ceilings.

use super::acts::{error, limited, ok, text};
use super::world::{TargetSpec, World, target};
use crate::catalog::document::ContextDowngrade;
use crate::wire::Millis;
use serde_json::json;

fn long_context() -> TargetSpec {
    TargetSpec {
        window: Some(1_000_000),
        variants: json!([{"max_input": 1_000_000, "add_header": {"anthropic-beta": "context-1m"}}, {"max_input": 200_000}]),
        keys: vec!["k1", "k2"],
        ..target("p")
    }
}

const EXTRA_USAGE: &str = "Extra usage is required for long context requests.";

fn beta(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, _)| name == "anthropic-beta")
}

#[test]
fn the_tier_is_dropped_before_the_key() {
    let mut world = World::new(vec![long_context(), target("f")]).act("p", [error(429, EXTRA_USAGE, ""), ok(20)]);
    world.estimated = 150_000;
    let story = world.request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "p/k1 p/k1");
    assert_eq!((beta(&story.headers[0]), beta(&story.headers[1])), (true, false));
    assert_eq!(story.header("x-clawrouter-context-tier"), Some("1000000>200000"));
    assert_eq!(story.calls[1].1.since(story.calls[0].1).0, 20, "at once");
    // The key is not blamed, and the next request of this size does not try the tier again.
    let story = world.request();
    assert_eq!(story.path(), "p/k1");
    assert!(!beta(&story.headers[0]));
    // One that needs the tier does.
    world.estimated = 300_000;
    assert!(beta(&world.request().headers[0]));
}

#[test]
fn a_request_that_fits_no_lower_tier_moves_on() {
    let mut world = World::new(vec![long_context(), target("f")])
        .act("p", [error(429, EXTRA_USAGE, "")])
        .act("f", [ok(20)]);
    world.estimated = 400_000;
    let story = world.request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "p/k1 p/k2 f/k1");
    // Learned: later large requests skip these keys, small ones do not.
    assert_eq!(world.request().path(), "f/k1");
    world.estimated = 1_000;
    world = world.act("p", [ok(20)]);
    assert_eq!(world.request().path(), "p/k1");
}

#[test]
fn keys_of_one_organisation_are_not_tried_for_the_same_limit() {
    let spec = TargetSpec {
        quota_group: Some("org"),
        ..long_context()
    };
    let mut world = World::new(vec![spec, target("f")])
        .act("p", [error(429, EXTRA_USAGE, "")])
        .act("f", [ok(20)]);
    world.estimated = 400_000;
    assert_eq!(world.request().path(), "p/k1 f/k1");
}

#[test]
fn without_any_way_the_caller_is_told_to_shorten() {
    let mut world = World::new(vec![TargetSpec {
        keys: vec!["k1"],
        ..long_context()
    }])
    .act("p", [error(429, EXTRA_USAGE, "")]);
    world.estimated = 400_000;
    let story = world.request();
    assert_eq!(
        (story.status(), story.error_code().as_str()),
        (400, "context_tier_unavailable")
    );
}

#[test]
fn the_output_limit_is_lowered_when_it_is_counted() {
    let too_large = error(
        429,
        "Request too large for gpt-4.1 on tokens per min (TPM): Limit 30000, Requested 61337. The input or output tokens must be reduced.",
        "rate_limit_exceeded",
    );
    let mut world = World::pf().act("p", [too_large, ok(20)]).act("f", [ok(20)]);
    world.estimated = 30_000;
    world.body["max_tokens"] = json!(32_000);
    let story = world.request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "p/k1 p/k1");
    assert_eq!(story.calls[1].2["max_tokens"], 1024);
}

#[test]
fn modes_of_the_downgrade() {
    // (mode, window, estimate, path)
    let cases = [
        (
            ContextDowngrade::Always,
            512_000,
            2_000,
            "p/k1 p/k1 p/k2",
            Some("512000>256000"),
        ),
        (ContextDowngrade::Always, 4_096, 100, "p/k1 p/k2", None),
        (ContextDowngrade::Auto, 1_000_000, 2_000, "p/k1 p/k2", None),
        (ContextDowngrade::Off, 1_000_000, 2_000, "p/k1 p/k2", None),
    ];
    for (mode, window, estimated, path, tier) in cases {
        let spec = TargetSpec {
            keys: vec!["k1", "k2"],
            window: Some(window),
            ..target("p")
        };
        let mut world = World::new(vec![spec, target("f")])
            .act("p/k1", [limited("30")])
            .act("p/k2", [ok(20)]);
        world.estimated = estimated;
        world.chain = Box::new(move |chain| chain.downgrade = mode);
        let story = world.request();
        assert_eq!(story.path(), path, "{mode:?} {window}");
        assert_eq!(story.header("x-clawrouter-context-tier"), tier);
    }
    // The smallest window: the ordinary ladder.
    let mut world = World::new(vec![
        TargetSpec {
            window: Some(4_096),
            ..target("p")
        },
        target("f"),
    ]);
    world = world.act("p", [error(429, "slow down", "")]).act("f", [ok(20)]);
    world.chain = Box::new(|chain| chain.downgrade = ContextDowngrade::Always);
    assert_eq!(world.request().path(), "p/k1 p/k1 f/k1");
}

#[test]
fn context_targets_are_for_overflows_only() {
    let big = TargetSpec {
        lane: "context",
        window: Some(1_000_000),
        ..target("f")
    };
    let overflow = error(400, "prompt is too long: 210381 tokens > 200000 maximum", "");
    let world = || World::new(vec![target("p"), big.clone()]);
    let story = world().act("p", [overflow]).act("f", [ok(20)]).request();
    assert_eq!(story.path(), "p/k1 f/k1");
    let story = world().act("p", [error(500, "boom", "")]).act("f", [ok(20)]).request();
    assert_eq!((story.path().as_str(), story.status()), ("p/k1 p/k1", 502));
}

#[test]
fn old_turns_are_left_out_only_where_the_route_allows_it() {
    let overflow = error(
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 10024 tokens.",
        "context_length_exceeded",
    );
    let long = "x".repeat(18_000);
    let messages = json!([
        {"role": "system", "content": "be kind"}, {"role": "user", "content": long}, {"role": "assistant", "content": "ok"},
        {"role": "user", "content": long}, {"role": "assistant", "content": "ok"}, {"role": "user", "content": "now"},
    ]);
    for trim in [false, true] {
        let mut world = World::new(vec![target("p")]).act("p", [overflow.clone(), ok(20)]);
        world.estimated = 10_024;
        world.body["messages"] = messages.clone();
        world.chain = Box::new(move |chain| chain.trim = trim);
        let story = world.request();
        if trim {
            story.assert_answer(&text(20));
            let sent = story.calls[1].2["messages"].as_array().unwrap();
            assert_eq!(
                (sent.len(), &sent[0], &sent[3]["content"]),
                (4, &messages[0], &json!("now"))
            );
            assert_eq!(story.header("x-clawrouter-context-tier"), Some("128000>7371"));
        } else {
            assert_eq!((story.status(), story.calls.len()), (400, 1));
        }
    }
}

#[test]
fn refusals_of_long_requests_between_short_successes_are_about_length() {
    let mute = || error(429, "slow down", "");
    let spec = TargetSpec {
        window: Some(128_000),
        ..target("p")
    };
    let mut world = World::new(vec![spec, target("f")]).act("f", [ok(20)]);
    // A short one passes; then long ones are refused without a word why.
    world = world.act("p", [ok(20), mute()]);
    assert_eq!(world.request().path(), "p/k1");
    world.estimated = 60_000;
    let story = world.request();
    assert_eq!(story.path(), "p/k1 p/k1 f/k1", "the second refusal explains both");
    let classes: Vec<&str> = story.report.attempts[..2]
        .iter()
        .map(|a| a.class.unwrap().as_str())
        .collect();
    assert_eq!(classes, ["rate_limit", "long_context_429"]);
    // Learned for as long as the evidence is fresh: long requests go past, short ones do not.
    world = world.act("p", [ok(20)]);
    world.now = world.now.plus(Millis(20_000));
    assert_eq!(world.request().path(), "f/k1");
    world.estimated = 100;
    assert_eq!(world.request().path(), "p/k1");
    world.estimated = 60_000;
    world.now = world.now.plus(Millis(60_000));
    assert_eq!(world.request().path(), "p/k1");
    // A refusal that names a time is what it says.
    let mut world = World::pf().act("p", [ok(20), limited("30")]).act("f", [ok(20)]);
    world.request();
    world.estimated = 60_000;
    assert_eq!(world.request().path(), "p/k1 f/k1");
    world.now = world.now.plus(Millis(40_000));
    world = world.act("p", [limited("30")]);
    let story = world.request();
    assert_eq!(story.report.attempts[0].class.unwrap().as_str(), "rate_limit");
}
