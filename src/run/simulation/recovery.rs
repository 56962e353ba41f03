//! Streams that break after the caller has read something.

use super::acts::{Act, Answer, Mishap, Prefill, answer, mishap, ok, text};
use super::world::{World, target};
use crate::run::report::{Outcome, Recovery};
use serde_json::json;

fn mishaps() -> Vec<Mishap> {
    let event = "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\"}}\n\n";
    vec![
        Mishap::Reset,
        Mishap::End,
        Mishap::Silence,
        Mishap::Event(event.to_owned()),
    ]
}

#[test]
fn every_way_of_breaking_is_continued() {
    for mishap_kind in mishaps() {
        for at in [1, 2, 3, 40, 59, 60] {
            let broken = mishap(60, at, mishap_kind.clone());
            let story = World::pf().act("p", [broken.clone()]).act("f", [ok(60)]).request();
            story.assert_answer(&text(60));
            assert_eq!(story.path(), "p/k1 f/k1");
            assert_eq!(story.report.recovery, Some(Recovery::Splice));
            assert_eq!(story.report.outcome, Outcome::Answered);
            // Alone: the same target again.
            let story = World::new(vec![target("p")]).act("p", [broken, ok(60)]).request();
            story.assert_answer(&text(60));
        }
    }
}

#[test]
fn a_prefill_that_is_ignored_is_noticed() {
    for prefill in [Prefill::Ignore, Prefill::Continue] {
        for at in [1, 2, 40, 60] {
            let mut fallback = target("f");
            fallback.capabilities.push("prefill");
            let whole = Act::Answer(Answer { prefill, ..answer(60) });
            let story = World::new(vec![target("p"), fallback])
                .act("p", [mishap(60, at, Mishap::Reset)])
                .act("f", [whole])
                .request();
            story.assert_answer(&text(60));
            assert_eq!(story.path(), "p/k1 f/k1");
            let begun = story.calls[1].2["messages"][1]["content"].as_str().unwrap();
            assert!(!begun.ends_with(' '), "some models refuse white space at the end");
        }
    }
}

#[test]
fn another_answer_ends_with_an_error_not_with_a_mixture() {
    let other = Act::Answer(Answer { seed: 7, ..answer(60) });
    let story = World::pf()
        .act("p", [mishap(60, 40, Mishap::Reset)])
        .act("f", [other])
        .request();
    assert_eq!(story.text(), text(40));
    assert_eq!(story.report.recovery, Some(Recovery::Diverged));
    let last = story.events().pop().unwrap();
    assert_eq!(
        (&last["error"]["code"], &last["choices"][0]["finish_reason"]),
        (&json!("upstream_error"), &json!("error"))
    );
    assert!(!story.done());
    assert_eq!(story.report.outcome, Outcome::FailedInStream);
    assert_eq!(story.cancelled.len(), 1, "the other answer is not paid for");
    // Shorter than what was read.
    let story = World::pf()
        .act("p", [mishap(60, 40, Mishap::Reset)])
        .act("f", [ok(20)])
        .request();
    assert_eq!((story.text(), story.done()), (text(40), false));
}

#[test]
fn recovery_happens_once() {
    let broken = mishap(60, 40, Mishap::Reset);
    let story = World::pf().act("p", [broken.clone()]).act("f", [broken]).request();
    assert_eq!(story.path(), "p/k1 f/k1");
    assert_eq!((story.text(), story.done()), (text(40), false));
    assert!(story.events().last().unwrap()["error"].is_object());
}

#[test]
fn what_cannot_be_continued_ends_with_an_error() {
    let tools = Act::Answer(Answer {
        tools: true,
        finish: false,
        done: false,
        ..answer(10)
    });
    let cut = mishap(60, 40, Mishap::Reset);
    let off = World::pf()
        .act("p", [cut.clone()])
        .with(|world| world.chain = Box::new(|chain| chain.stream_recovery = false));
    let two = World::pf().act("p", [cut]).with(|world| world.body["n"] = json!(2));
    for world in [World::pf().act("p", [tools]), off, two] {
        let story = world.act("f", [ok(60)]).request();
        assert_eq!(story.path(), "p/k1");
        assert!(!story.done());
        assert_eq!(story.events().last().unwrap()["error"]["code"], "upstream_error");
    }
}

#[test]
fn thinking_alone_is_no_obstacle() {
    let cut = Act::Answer(Answer {
        reasoning: 5,
        after: Some((1, Mishap::Reset)),
        ..answer(20)
    });
    let whole = Act::Answer(Answer {
        reasoning: 3,
        ..answer(20)
    });
    let story = World::pf().act("p", [cut]).act("f", [whole]).request();
    story.assert_answer(&text(20));
    assert_eq!(story.body.matches("thought").count(), 5, "read once");
}

#[test]
fn after_the_last_word_nothing_is_continued() {
    // The finish has come; only usage and [DONE] are missing.
    let raw = "data: {\"id\":\"chatcmpl-0\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let failed = "data: {\"error\":{\"message\":\"late\",\"type\":\"server_error\"}}\n\n";
    for raw in [raw.to_owned(), format!("{raw}{failed}")] {
        let cut = Answer {
            after: Some((20, Mishap::Event(raw))),
            finish: false,
            usage: false,
            done: false,
            ..answer(20)
        };
        let story = World::pf().act("p", [Act::Answer(cut)]).act("f", [ok(20)]).request();
        story.assert_answer(&text(20));
        assert_eq!(story.path(), "p/k1");
    }
}
