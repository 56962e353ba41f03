//! The 16 public gateway crash scenarios in full time, for callers that stream and callers that do not.

use super::acts::{Act, Answer, Mishap, Prefill, answer, error, limited, mishap, ok, text, unavailable};
use super::world::{World, target};
use crate::run::machine::TransportFault;
use crate::wire::Millis;
use serde_json::json;

/// Runs one scenario both ways.
fn both(world: impl Fn() -> World, check: impl Fn(&mut World, bool)) {
    for stream in [true, false] {
        let mut world = world().streaming(stream);
        check(&mut world, stream);
    }
}

#[test]
fn retry_after_once() {
    both(
        || World::pf().act("p", [limited("2"), ok(20)]).act("f", [ok(20)]),
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1 p/k1");
            let gap = story.calls[1].1.since(story.calls[0].1);
            assert!((2_000..=2_600).contains(&gap.0), "{gap:?}");
            assert_eq!(story.header("x-clawrouter-retries"), Some("1"));
        },
    );
}

#[test]
fn persistent_429() {
    both(
        || World::pf().act("p", [limited("30")]).act("f", [ok(20)]),
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1 f/k1");
            assert!(story.began.unwrap() < Millis(300));
            // The key is left alone for as long as it was asked.
            assert_eq!(world.request().path(), "f/k1");
            world.now = super::world::START.plus(Millis(34_000));
            assert_eq!(world.request().calls[0].0, "p/k1");
        },
    );
}

#[test]
fn one_500() {
    both(
        || {
            World::pf()
                .act("p", [error(500, "The server had an error", "server_error"), ok(20)])
                .act("f", [ok(20)])
        },
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1 p/k1");
        },
    );
}

#[test]
fn outage_503() {
    both(
        || World::pf().act("p", [unavailable()]).act("f", [ok(20)]),
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(20));
            assert!(
                (1..=2).contains(&story.calls_to("p")) && story.calls_to("f") == 1,
                "{}",
                story.path()
            );
            assert_eq!(story.header("x-clawrouter-target"), Some("f/model"));
            assert_eq!(story.header("x-clawrouter-fallback-index"), Some("1"));
            // Within the cooldown the fallback is asked directly.
            assert_eq!(world.request().path(), "f/k1");
        },
    );
}

#[test]
fn tcp_reset() {
    both(
        || {
            World::pf()
                .act("p", [Act::Broken(TransportFault::Reset), ok(20)])
                .act("f", [ok(20)])
        },
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1 p/k1");
            assert!(story.began.unwrap() < Millis(250));
        },
    );
}

#[test]
fn silence() {
    both(
        || World::pf().act("p", [Act::Silence]).act("f", [ok(20)]),
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1 f/k1");
            assert_eq!(story.calls[1].1.since(story.calls[0].1), Millis(10_000));
            assert_eq!(story.cancelled.len(), 1, "the silent socket is closed");
        },
    );
}

#[test]
fn slow_first_token() {
    let slow = Act::Answer(Answer {
        first_token: Millis(20_000),
        pings: Millis(200),
        ..answer(20)
    });
    both(
        move || World::pf().act("p", [slow.clone()]).act("f", [ok(20)]),
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1 f/k1");
            assert!(
                story.took < Millis(15_000),
                "pings do not extend the deadline: {:?}",
                story.took
            );
        },
    );
}

/// P is cut by `how` after 40 of 60 tokens; F says that it continues an answer, and does so as `prefill` says.
fn cut_at_40_by(how: Mishap, prefill: Prefill) -> World {
    let mut fallback = target("f");
    fallback.capabilities.push("prefill");
    World::new(vec![target("p"), fallback])
        .act("p", [mishap(60, 40, how)])
        .act("f", [Act::Answer(Answer { prefill, ..answer(60) })])
}

#[test]
fn cut_at_40_of_60() {
    both(
        || cut_at_40_by(Mishap::Reset, Prefill::Continue),
        |world, stream| {
            let story = world.request();
            story.assert_answer(&text(60));
            if stream {
                assert_eq!(story.path(), "p/k1 f/k1");
                assert_eq!(story.calls[1].2["messages"][1]["role"], "assistant");
            }
        },
    );
}

#[test]
fn stall_mid_stream() {
    both(
        || {
            World::pf()
                .act("p", [mishap(60, 40, Mishap::Stall(Millis(30_000)))])
                .act("f", [ok(60)])
        },
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(60));
            assert!(story.took < Millis(20_000), "{:?}", story.took);
            // The next request is fine.
            world.request().assert_answer(&text(60));
        },
    );
}

#[test]
fn malformed_event() {
    both(
        || {
            let bad = "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"delta\":{\"con\n\n";
            World::pf()
                .act("p", [mishap(20, 10, Mishap::Event(bad.to_owned()))])
                .act("f", [ok(20)])
        },
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1");
            assert_eq!(story.report.dropped_events, 1);
        },
    );
}

#[test]
fn missing_done() {
    let act = Act::Answer(Answer {
        done: false,
        ..answer(20)
    });
    both(
        move || World::pf().act("p", [act.clone()]).act("f", [ok(20)]),
        |world, _| {
            let story = world.request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1");
            assert!(story.took < Millis(1_500));
            assert_eq!(story.report.attempts[0].usage.unwrap().output_tokens, 20);
        },
    );
}

#[test]
fn context_length_exceeded() {
    let overflow = error(
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 10024 tokens.",
        "context_length_exceeded",
    );
    for (window, path) in [(128_000, "p/k1 f/k1"), (4_096, "p/k1")] {
        let overflow = overflow.clone();
        both(
            move || {
                let mut fallback = target("f");
                fallback.window = Some(window);
                World::new(vec![target("p"), fallback])
                    .act("p", [overflow.clone(), ok(20)])
                    .act("f", [ok(20)])
            },
            |world, _| {
                let story = world.request();
                assert_eq!(story.path(), path);
                if window > 8_192 {
                    story.assert_answer(&text(20));
                } else {
                    assert_eq!(story.status(), 400);
                    assert_eq!(story.error_code(), "context_length_exceeded", "unchanged");
                }
                assert!(
                    world
                        .health
                        .target_gate(&"p/model".to_owned().try_into().unwrap(), "p.example", world.now)
                        .usable()
                );
            },
        );
    }
}

#[test]
fn content_filter() {
    both(
        || {
            let refused = error(
                400,
                "Your request was rejected as a result of our safety system.",
                "content_policy_violation",
            );
            World::pf().act("p", [refused]).act("f", [ok(20)])
        },
        |world, _| {
            let story = world.request();
            assert_eq!(
                (story.status(), story.error_code().as_str()),
                (400, "content_policy_violation")
            );
            assert_eq!(story.path(), "p/k1");
            world.chain = Box::new(|chain| chain.fallback_on.content_policy = true);
            let story = world.request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1 f/k1");
        },
    );
}

#[test]
fn cut_prefill_rejected() {
    both(
        || cut_at_40_by(Mishap::End, Prefill::Reject),
        |world, stream| {
            let story = world.request();
            story.assert_answer(&text(60));
            if stream {
                assert_eq!(story.path(), "p/k1 f/k1 f/k1");
                // It is remembered: the next cut goes to the splice at once.
                world.health = {
                    let mut health = crate::route::health::Health::new(1);
                    health.learn_unsupported(&"f/model".to_owned().try_into().unwrap(), "prefill:", world.now);
                    health
                };
                let story = world.request();
                story.assert_answer(&text(60));
                assert_eq!(story.path(), "p/k1 f/k1");
            }
        },
    );
}

#[test]
fn outage_and_return() {
    both(
        || {
            let act = Act::Until(Millis(60_000), Box::new(unavailable()), Box::new(ok(20)));
            World::pf().act("p", [act]).act("f", [ok(20)])
        },
        |world, _| {
            let (mut primary, mut requests) = (0, 0);
            let mut returned = None;
            while returned.is_none() && requests < 400 {
                let story = world.request();
                story.assert_answer(&text(20));
                requests += 1;
                let now = world.now.since(super::world::START);
                if now < Millis(60_000) {
                    primary += story.calls_to("p");
                } else if story.report.served.as_ref().unwrap().index == 0 {
                    returned = Some(now);
                }
                world.now = world.now.plus(Millis(300));
            }
            assert!(returned.unwrap() < Millis(90_000), "back within 30 s: {returned:?}");
            assert!(primary <= 9, "{primary} calls into the outage");
        },
    );
}

#[test]
fn fallback_reported() {
    both(
        || World::pf().act("p", [unavailable()]).act("f", [ok(20)]),
        |world, stream| {
            world.body["stream_options"] = json!({"include_usage": true});
            if !stream {
                world.body.as_object_mut().unwrap().remove("stream_options");
            }
            let story = world.request();
            let (model, usage) = if stream {
                let events = story.events();
                (events[0]["model"].clone(), events.last().unwrap()["usage"].clone())
            } else {
                (story.json()["model"].clone(), story.json()["usage"].clone())
            };
            assert_eq!(model, "f-upstream");
            assert_eq!(usage["completion_tokens"], 20);
            let served = story.report.served.unwrap();
            assert_eq!(story.report.attempts[served.attempt].usage.unwrap().output_tokens, 20);
        },
    );
}
