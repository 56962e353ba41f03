//! Keys: rotation, attribution, exhaustion, last resort.

use super::acts::{Act, error, error_with, limited, ok, text, unavailable, wrong_key};
use super::world::{START, TargetSpec, World, target};
use crate::wire::Millis;

fn keys(name: &'static str, keys: &[&'static str]) -> TargetSpec {
    TargetSpec {
        keys: keys.to_vec(),
        ..target(name)
    }
}

#[test]
fn one_call_when_nothing_fails() {
    let story = World::pf().act("p", [ok(20)]).request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "p/k1");
    assert_eq!(story.header("x-clawrouter-attempts"), Some("1"));
    assert_eq!(story.header("x-clawrouter-fallback-index"), Some("0"));
    let served = story.report.served.unwrap();
    assert_eq!(
        (served.model.as_str(), served.credential.as_deref()),
        ("p/model", Some("k1"))
    );
}

#[test]
fn another_key_is_used_at_once() {
    let cases: [(Act, &str); 6] = [
        (limited("600"), "rate_limit"),
        (limited("1"), "rate_limit"),
        (wrong_key(), "auth"),
        (
            error(400, "API key not valid. Please pass a valid API key.", ""),
            "auth",
        ),
        (
            error(429, "You exceeded your current quota.", "insufficient_quota"),
            "billing",
        ),
        (
            error(403, "You have reached your monthly spending limit.", ""),
            "billing",
        ),
    ];
    for (act, class) in cases {
        let world = World::new(vec![keys("p", &["k1", "k2"]), target("f")]);
        let mut world = world.act("p/k1", [act]).act("p/k2", [ok(20)]);
        let story = world.request();
        story.assert_answer(&text(20));
        assert_eq!(story.path(), "p/k1 p/k2", "{class}");
        assert_eq!(
            story.calls[1].1.since(story.calls[0].1),
            Millis(20),
            "{class}: no pause"
        );
        assert_eq!(story.report.attempts[0].class.unwrap().as_str(), class);
        assert_eq!(story.header("x-clawrouter-rotations"), Some("1"));
        assert_eq!(story.header("x-clawrouter-retries"), Some("0"));
        // The failed key is left alone by the next request.
        assert_eq!(world.request().path(), "p/k2", "{class}");
    }
}

#[test]
fn rotation_costs_no_retry_budget() {
    let all = ["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10"];
    let world = World::new(vec![keys("p", &all)]);
    let story = world.act("p", [wrong_key()]).act("p/k10", [ok(20)]).request();
    story.assert_answer(&text(20));
    assert_eq!(story.calls.len(), 10);
    assert_eq!(story.header("x-clawrouter-rotations"), Some("9"));
}

#[test]
fn no_request_makes_more_than_twelve_calls() {
    let all: Vec<&'static str> = (0..30).map(|n| &*format!("k{n}").leak()).collect();
    let story = World::new(vec![keys("p", &all), target("f")])
        .act("p", [wrong_key()])
        .act("f", [ok(1)])
        .request();
    assert_eq!(story.calls.len(), 12);
    assert_eq!(
        (story.status(), story.error_code().as_str()),
        (502, "upstream_credentials_exhausted")
    );
}

#[test]
fn a_dead_pool_is_skipped_by_the_next_request() {
    let mut world = World::new(vec![keys("p", &["k1", "k2"]), target("f")])
        .act("p", [wrong_key()])
        .act("f", [ok(20)]);
    let story = world.request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "p/k1 p/k2 f/k1");
    assert_eq!(world.request().path(), "f/k1");
    world.now = START.plus(Millis(299_000));
    assert_eq!(world.request().path(), "f/k1", "five minutes");
}

#[test]
fn our_own_refusals_never_look_like_the_callers() {
    let cases = [
        (wrong_key(), 502, "upstream_credentials_exhausted"),
        (
            error(402, "Insufficient credits", ""),
            502,
            "upstream_credentials_exhausted",
        ),
        (
            error(403, "Your API key does not have permission.", ""),
            502,
            "upstream_credentials_exhausted",
        ),
        (
            error(
                404,
                "The model `x` does not exist or you do not have access to it.",
                "model_not_found",
            ),
            404,
            "model_not_found",
        ),
        (limited("30"), 429, "rate_limited"),
        (
            error(
                429,
                "You have reached your weekly usage limit. It resets in 4hr 5min.",
                "",
            ),
            429,
            "rate_limited",
        ),
    ];
    for (act, status, code) in cases {
        for stream in [true, false] {
            let world = World::new(vec![keys("p", &["k1", "k2"])]).act("p", [act.clone()]);
            let story = world.streaming(stream).request();
            assert_eq!((story.status(), story.error_code().as_str()), (status, code), "{act:?}");
            assert!(!story.body.contains("secret-p"), "{}", story.body);
            assert_eq!(story.path(), "p/k1 p/k2");
            assert_eq!(story.header("retry-after").is_some(), status == 429);
            let attempts = story.json()["error"]["clawrouter"]["attempts"].clone();
            assert_eq!(attempts.as_array().unwrap().len(), 2);
        }
    }
}

#[test]
fn retry_after_names_the_soonest_key() {
    let world = World::new(vec![keys("p", &["k1", "k2"]), target("f")]);
    let story = world
        .act("p/k1", [limited("600")])
        .act("p/k2", [limited("40")])
        .act("f", [limited("90")])
        .request();
    assert_eq!(story.status(), 429);
    let seconds: u64 = story.header("retry-after").unwrap().parse().unwrap();
    assert!((40..=45).contains(&seconds), "{seconds}");
}

#[test]
fn only_the_key_that_was_used_is_blamed() {
    let mut world = World::new(vec![keys("p", &["k1", "k2"]), target("f")]);
    world = world
        .act("p", [unavailable()])
        .act("f", [error(402, "Insufficient credits", "")]);
    world.request();
    world = world.act("p", [ok(20)]);
    world.now = START.plus(Millis(60_000));
    let story = world.request();
    assert_eq!(
        story.path(),
        "p/k1",
        "the fallback's money says nothing about the primary's keys"
    );
}

#[test]
fn when_all_are_cooling_the_soonest_gets_one_attempt() {
    let mut world = World::pf()
        .act("p", [limited("60"), ok(20)])
        .act("f", [limited("30"), ok(20)]);
    assert_eq!(world.request().status(), 429);
    let story = world.request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "f/k1");
    assert!(story.report.attempts[0].last_resort);
}

#[test]
fn only_a_lower_order_stands_behind_the_primary() {
    for (order, behind) in [(0, false), (1, true)] {
        let other = TargetSpec { order, ..target("f") };
        let mut world = World::new(vec![target("p"), other])
            .act("p", [error(500, "broken", "")])
            .act("f", [ok(20)]);
        world.on_route = true;
        let served = world.request().report.served.unwrap();
        assert_eq!((served.index, served.behind), (1, behind), "order {order}");
    }
}

#[test]
fn a_request_has_one_last_attempt_and_not_one_for_each_cooling_target() {
    let mut world = World::new(vec![target("p"), target("f"), target("g")])
        .act("p", [limited("60")])
        .act("f", [limited("30")])
        .act("g", [error(500, "broken", "")]);
    assert_eq!(world.request().path(), "p/k1 f/k1 g/k1 g/k1");
    // Whether a target that is free fails first or none is: one of those that cool is asked, the soonest.
    for _ in 0..2 {
        let story = world.request();
        let resorts = story
            .report
            .attempts
            .iter()
            .filter(|attempt| attempt.last_resort)
            .count();
        assert_eq!(resorts, 1, "{}", story.path());
        assert!(!story.path().contains("p/k1"), "{}", story.path());
    }
}

#[test]
fn money_that_is_gone_is_not_asked_for_again() {
    let mut world = World::new(vec![target("p")]).act("p", [error(402, "Insufficient credits", "")]);
    assert_eq!(world.request().calls.len(), 1);
    let mut calls = 0;
    for second in 0..60 {
        world.now = START.plus(Millis(1_000 + second * 1_000));
        let story = world.request();
        assert_eq!(
            (story.status(), story.error_code().as_str()),
            (502, "upstream_credentials_exhausted")
        );
        calls += story.calls.len();
    }
    assert!(calls <= 2, "one probe in 30 s, not {calls} in a minute");
}

#[test]
fn a_model_that_one_key_cannot_see_is_seen_by_another() {
    let gone = error(
        404,
        "The model `x` does not exist or you do not have access to it.",
        "model_not_found",
    );
    let mut world = World::new(vec![keys("p", &["k1", "k2"])])
        .act("p/k1", [gone])
        .act("p/k2", [ok(20)]);
    assert_eq!(world.request().path(), "p/k1 p/k2");
    assert_eq!(world.request().path(), "p/k2");
}

#[test]
fn overload_and_relayed_limits_do_not_rotate() {
    let relayed = super::acts::Act::Error {
        status: 429,
        headers: Vec::new(),
        body: serde_json::json!({"error": {"message": "Provider returned error", "code": 429,
            "metadata": {"raw": "{\"error\":{\"message\":\"Rate limit exceeded upstream\"}}", "provider_name": "X"}}}),
    };
    let overloaded = error(
        429,
        "The service is temporarily overloaded. Please try again later.",
        "",
    );
    for (act, class) in [(relayed, "upstream_rate_limit"), (overloaded, "overloaded")] {
        let world = World::new(vec![keys("p", &["k1", "k2"]), target("f")]);
        let mut world = world.act("p/k1", [act]).act("p/k2", [ok(20)]).act("f", [ok(20)]);
        let story = world.request();
        assert_eq!(story.calls.last().unwrap().0, "f/k1", "{class}: {}", story.path());
        assert_eq!(story.report.attempts[0].class.unwrap().as_str(), class);
        assert!(!story.path().contains("k2"), "{class}");
        assert_eq!(world.request().path(), "f/k1", "{class}: the target cools");
    }
}

#[test]
fn should_retry_false_is_obeyed() {
    let act = error_with(500, &[("x-should-retry", "false")], "boom", "");
    let story = World::pf().act("p", [act]).act("f", [ok(20)]).request();
    assert_eq!(story.path(), "p/k1 f/k1");
}
