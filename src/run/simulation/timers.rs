//! Deadlines, hedging, and a caller that hangs up.

use super::acts::{Act, Answer, Mishap, answer, limited, mishap, ok, text};
use super::world::{TargetSpec, World, target};
use crate::catalog::document::Hedge;
use crate::run::engine::AnswerAs;
use crate::run::machine::{Action, CallId, Event, Machine};
use crate::run::report::{AttemptAction, Outcome};
use crate::wire::Millis;
use bytes::Bytes;
use serde_json::json;

fn slow(first_token: u64) -> Act {
    Act::Answer(Answer {
        first_token: Millis(first_token),
        pings: Millis(1_000),
        ..answer(20)
    })
}

#[test]
fn the_requests_own_deadline_holds() {
    for stream in [true, false] {
        let mut world = World::pf()
            .act("p", [Act::Silence])
            .act("f", [Act::Silence])
            .streaming(stream);
        world.deadline = Some(Millis(12_000));
        let story = world.request();
        assert_eq!((story.status(), story.error_code().as_str()), (504, "upstream_timeout"));
        assert_eq!(story.took, Millis(12_000));
        assert_eq!(story.cancelled.len(), 2, "both sockets are closed");
    }
    // A wait that does not fit is not begun.
    let mut world = World::new(vec![target("p")]).act("p", [limited("2"), ok(20)]);
    world.deadline = Some(Millis(1_000));
    assert_eq!(world.request().calls.len(), 1);
    // In a running stream it is an event.
    let act = Act::Answer(Answer {
        interval: Millis(500),
        ..answer(60)
    });
    let mut world = World::new(vec![target("p")]).act("p", [act]);
    world.deadline = Some(Millis(5_000));
    let story = world.request();
    assert_eq!(story.status(), 200);
    assert_eq!(story.events().last().unwrap()["error"]["code"], "upstream_timeout");
    assert!(!story.done());
    assert_eq!(story.report.outcome, Outcome::FailedInStream);
}

#[test]
fn models_that_think_get_longer() {
    let thinking = TargetSpec {
        capabilities: vec!["chat", "reasoning"],
        ..target("p")
    };
    let story = World::new(vec![thinking, target("f")])
        .act("p", [slow(40_000)])
        .act("f", [ok(20)])
        .request();
    assert_eq!(story.path(), "p/k1");
    // Each 20,000 estimated tokens add a second.
    let mut world = World::pf().act("p", [slow(12_000)]).act("f", [ok(20)]);
    world.estimated = 100_000;
    assert_eq!(world.request().path(), "p/k1");
    // So does a history of slow first tokens.
    let mut world = World::pf().act("p", [slow(9_000)]).act("f", [ok(20)]);
    for _ in 0..10 {
        assert_eq!(world.request().path(), "p/k1");
    }
    world = world.act("p", [slow(25_000)]);
    assert_eq!(world.request().path(), "p/k1");
}

#[test]
fn a_whole_answer_may_take_its_time() {
    let slow = Act::Answer(Answer {
        head: Millis(60_000),
        ..answer(20)
    });
    let story = World::new(vec![target("p")])
        .act("p", [slow])
        .streaming(false)
        .request();
    story.assert_answer(&text(20));
    let story = World::new(vec![target("p")])
        .act("p", [Act::Silence])
        .streaming(false)
        .request();
    assert_eq!((story.status(), story.error_code().as_str()), (504, "upstream_timeout"));
    assert_eq!(story.took, Millis(120_000));
}

#[test]
fn timeouts_of_the_provider_are_used() {
    let mut world = World::pf().act("p", [Act::Silence]).act("f", [ok(20)]);
    world.timeouts = json!({"headers_ms": 700, "first_token_ms": 700, "stall_ms": 900});
    let story = world.request();
    assert_eq!(story.calls[1].1.since(story.calls[0].1), Millis(700));
    let mut world = World::pf()
        .act("p", [mishap(60, 40, Mishap::Stall(Millis(4_000)))])
        .act("f", [ok(60)]);
    world.timeouts = json!({"headers_ms": 700, "first_token_ms": 700, "stall_ms": 900});
    let story = world.request();
    story.assert_answer(&text(60));
    assert!(story.took < Millis(2_500), "{:?}", story.took);
}

#[test]
fn a_caller_that_hangs_up_closes_everything_and_blames_nobody() {
    for at in [5, 100, 9_000] {
        let mut world = World::pf().act("p", [slow(8_950)]).act("f", [ok(20)]);
        world.hang_up = Some(Millis(at));
        let story = world.request();
        assert_eq!(story.report.outcome, Outcome::CallerGone);
        assert_eq!(story.cancelled.len(), 1);
        assert_eq!(story.path(), "p/k1", "no fallback");
        assert_eq!(world.health.entries(), 0);
        assert_eq!(story.report.attempts[0].action, AttemptAction::Cancelled);
        assert_eq!(story.report.status, if at == 9_000 { 200 } else { 499 });
    }
    // While it waits to try again, too.
    let mut world = World::new(vec![target("p")]).act("p", [limited("2"), ok(20)]);
    world.hang_up = Some(Millis(500));
    assert_eq!(world.request().calls.len(), 1);
}

#[test]
fn a_hedge_starts_late_and_the_first_content_wins() {
    let hedged = || {
        let mut world = World::pf().act("f", [ok(20)]);
        world.chain = Box::new(|chain| {
            chain.hedge = Hedge {
                enabled: true,
                budget: 1.0,
            }
        });
        world
    };
    let mut world = hedged().act("p", [slow(500)]);
    for _ in 0..10 {
        assert_eq!(world.request().path(), "p/k1");
    }
    world = world.act("p", [slow(5_000)]);
    let story = world.request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "p/k1 f/k1");
    let delay = story.calls[1].1.since(story.calls[0].1);
    assert!((800..1_100).contains(&delay.0), "{delay:?}");
    assert_eq!(story.cancelled.len(), 1, "the loser is closed");
    assert_eq!(story.report.attempts[0].action, AttemptAction::Cancelled);
    assert!(story.report.attempts[1].hedge);
    // The first may still win.
    let late = Act::Answer(Answer {
        head: Millis(3_000),
        ..answer(20)
    });
    let mut world = hedged().act("p", [slow(500)]);
    for _ in 0..10 {
        world.request();
    }
    world = world.act("p", [slow(1_500)]).act("f", [late]);
    let story = world.request();
    story.assert_answer(&text(20));
    assert_eq!((story.calls.len(), story.report.served.unwrap().index), (2, 0));
    // Never after a failure, never for callers that do not stream.
    let mut world = hedged().act("p", [limited("2"), slow(9_000)]);
    assert_eq!(world.request().calls_to("f"), 0);
    let mut world = hedged().act("p", [slow(5_000)]).streaming(false);
    assert_eq!(world.request().path(), "p/k1");
}

#[test]
fn when_one_of_two_fails_the_other_goes_on() {
    let mut world = World::pf()
        .act("p", [mishap(20, 0, Mishap::Stall(Millis(2_000)))])
        .act("f", [slow(4_000)]);
    world.chain = Box::new(|chain| {
        chain.hedge = Hedge {
            enabled: true,
            budget: 1.0,
        }
    });
    world.timeouts = json!({"headers_ms": 9_000, "first_token_ms": 9_000});
    let cut = Answer {
        head: Millis(20),
        first_token: Millis(8_500),
        after: Some((0, Mishap::Stall(Millis(9_500)))),
        ..answer(20)
    };
    world = world.act("p", [Act::Answer(cut)]);
    let story = world.request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "p/k1 f/k1");
    assert_eq!(story.report.attempts[0].class.unwrap().as_str(), "first_token_timeout");
    assert_eq!(story.report.served.unwrap().index, 1);
}

#[test]
fn text_is_collected_up_to_a_bound() {
    let mut world = World::pf().act("p", [ok(60)]);
    world.answer = AnswerAs::Text { max_chars: 10_000 };
    let story = world.request();
    assert_eq!(story.kept.as_deref(), Some(text(60).as_str()));
    assert!(story.head.is_none(), "nothing is sent");
    assert_eq!(story.in_pieces, story.ids, "nobody watches it grow");
    assert_eq!(story.report.outcome, Outcome::Answered);
    assert_eq!(story.report.attempts[0].usage.unwrap().output_tokens, 60);
    let mut world = World::pf().act("p", [ok(60)]).streaming(false);
    world.answer = AnswerAs::Text { max_chars: 20 };
    let story = world.request();
    assert_eq!(story.kept.unwrap().chars().count(), 20);
    assert_eq!(story.cancelled.len(), 1, "the rest is not read");
    // What a failed call said does not count.
    let mut world = World::pf().act("p", [mishap(60, 30, Mishap::Reset)]).act("f", [ok(20)]);
    world.answer = AnswerAs::Text { max_chars: 10_000 };
    assert_eq!(world.request().kept.as_deref(), Some(text(20).as_str()));
    let mut world = World::new(vec![target("p")]).act("p", [Act::Silence]);
    world.answer = AnswerAs::Text { max_chars: 10_000 };
    let story = world.request();
    assert_eq!(
        (story.report.outcome, story.kept.as_deref()),
        (Outcome::Failed, Some(""))
    );
}

#[test]
fn one_body_is_complete_before_it_leaves() {
    // Everything about it is known when its head goes out: usage, cost, who answered.
    let mut world = World::pf().act("p", [ok(20)]).streaming(false);
    let mut run = world.start();
    let (mut begun, mut finished) = (false, false);
    let call = CallId(0);
    let events = [
        Event::Headers { call, status: 200, headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())] },
        Event::Data {
            call,
            bytes: Bytes::from_static(
                b"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
            ),
        },
        Event::Tick,
    ];
    for event in events {
        run.handle(world.now, event, &mut world.health);
        while let Some(action) = run.poll() {
            begun |= matches!(action, Action::Start(_));
            finished |= matches!(action, Action::Finish);
        }
    }
    assert!(!begun, "the upstream's body has not ended yet");
    let wake = run.next_wake().unwrap();
    assert_eq!(wake.since(world.now), Millis(100), "but it is not waited for long");
    run.handle(wake, Event::Tick, &mut world.health);
    while let Some(action) = run.poll() {
        begun |= matches!(action, Action::Start(_));
        finished |= matches!(action, Action::Finish);
    }
    assert!(begun && finished);
    assert_eq!(run.report().outcome, Outcome::Answered);
}
