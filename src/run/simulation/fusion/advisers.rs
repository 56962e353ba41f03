//! Advisers and judge: who is waited for, for how long, and what becomes of a request when they fail.

use super::both;
use crate::route::Stage;
use crate::run::fusion::fence::Fence;
use crate::run::machine::Machine;
use crate::run::report::{AttemptAction, Outcome};
use crate::run::simulation::acts::{Act, Answer, answer, error, text, unavailable};
use crate::run::simulation::panel::{Panel, SEED, Told, after, says};
use crate::wire::Millis;
use serde_json::{Value, json};

#[test]
fn advisers_draft_side_by_side_and_the_synthesizer_answers() {
    both(|mut panel| {
        let told = panel.ask();
        told.story.assert_answer(&text(5));
        assert_eq!(told.path(), "a1 a2 a3 s");
        for name in ["a1", "a2", "a3"] {
            assert_eq!(told.called(name), Some(Millis(0)));
            let body: Value = serde_json::from_slice(&told.body(name)).unwrap();
            assert_eq!((&body["stream"], &body["tools"]), (&json!(true), &Value::Null));
        }
        assert_eq!(told.called("s"), Some(Millis(20)));
        assert_eq!(told.fusion_header(), ["advisers", "3", "0"]);
        assert_eq!(told.story.header("x-clawrouter-fusion-latency-ms"), Some("20"));
        assert_eq!(told.story.header("x-clawrouter-target"), Some("s/model"));
        let injected = told.injected();
        for (label, draft) in [("A", "draft 1"), ("B", "draft 2"), ("C", "draft 3")] {
            let fence = Fence::new(SEED);
            assert!(
                injected.contains(&fence.around(&format!("draft {label}"), draft)),
                "{injected}"
            );
        }
        let stages: Vec<(Stage, u32)> = told
            .fusion
            .stages()
            .iter()
            .map(|part| (part.stage, part.index))
            .collect();
        assert_eq!(
            stages,
            [
                (Stage::Adviser, 0),
                (Stage::Adviser, 1),
                (Stage::Adviser, 2),
                (Stage::Synthesizer, 0)
            ]
        );
        assert_eq!(
            (told.story.report.outcome, told.story.report.status),
            (Outcome::Answered, 200)
        );
        assert!(!told.fusion.degraded());
        told.assert_closed();
    });
}

#[test]
fn a_hanging_adviser_costs_the_grace_and_its_socket_is_closed() {
    both(|panel| {
        let mut panel = panel
            .set("quorum", 2)
            .set("straggler_grace_ms", 2_000)
            .act("a3", Act::Silence);
        let told = panel.ask();
        told.story.assert_answer(&text(5));
        assert_eq!(told.called("s"), Some(Millis(2_020)));
        assert!(told.story.took < Millis(2_200), "{:?}", told.story.took);
        assert!(told.story.cancelled.contains(&told.id_of("a3")));
        assert_eq!(
            told.fusion_header(),
            if told.story.began < Some(Millis(2_000)) {
                ["-"; 3]
            } else {
                ["advisers", "2", "1"]
            }
        );
        let hung = &told.reports(Stage::Adviser)[2];
        assert_eq!(
            (hung.attempts[0].action, hung.attempts[0].class),
            (AttemptAction::Cancelled, None)
        );
        told.assert_closed();
    });
}

#[test]
fn a_straggler_within_the_grace_is_read() {
    let mut panel = Panel::new()
        .set("quorum", 1)
        .set("straggler_grace_ms", 500)
        .act("a2", after(300, 2))
        .act("a3", after(900, 2));
    let told = panel.ask();
    assert_eq!(told.called("s"), Some(Millis(520)));
    assert!(told.injected().contains("begin draft B") && !told.injected().contains("begin draft C"));
    // What is known of the straggler's cost stays in its report.
    assert_eq!(
        told.reports(Stage::Adviser)[2].attempts[0].action,
        AttemptAction::Cancelled
    );
}

#[test]
fn without_any_draft_the_callers_own_bytes_go_out() {
    for failing in [unavailable(), Act::Silence, says("  "), error(400, "no", "bad")] {
        both(|panel| {
            let mut panel = panel
                .act("a1", failing.clone())
                .act("a2", failing.clone())
                .act("a3", failing.clone());
            panel.profile["early_flush_ms"] = json!(0);
            let told = panel.ask();
            told.story.assert_answer(&text(5));
            assert_eq!(told.fusion_header(), ["aggregator-only", "0", "3"]);
            assert_eq!(told.body("s"), panel.directly().bodies[0], "as a direct call");
            assert!(told.fusion.degraded());
            told.assert_closed();
        });
    }
}

#[test]
fn no_adviser_is_an_error_where_the_profile_says_so() {
    both(|panel| {
        let mut panel = panel
            .set("on_no_adviser", "error")
            .act("a1", unavailable())
            .act("a2", unavailable())
            .act("a3", unavailable());
        let told = panel.ask();
        assert_eq!(
            (told.story.status(), told.story.error_code().as_str()),
            (502, "upstream_error")
        );
        assert_eq!(told.story.json()["error"]["clawrouter"]["reason"], "no_adviser");
        assert_eq!(
            (told.path().as_str(), told.fusion_header()),
            ("a1 a2 a3", ["aggregator-only", "0", "3"])
        );
        assert_eq!(
            (told.story.report.outcome, told.story.report.status),
            (Outcome::Failed, 502)
        );
    });
    // After the early bytes it is an event.
    let mut panel = Panel::new()
        .set("on_no_adviser", "error")
        .act("a1", Act::Silence)
        .act("a2", Act::Silence)
        .act("a3", Act::Silence);
    let told = panel.ask();
    assert_eq!(told.story.status(), 200);
    assert_eq!(told.story.events().last().unwrap()["error"]["code"], "upstream_error");
    assert!(!told.story.body.contains("[DONE]"));
    assert_eq!(
        (told.story.report.outcome, told.story.report.status),
        (Outcome::FailedInStream, 200)
    );
}

#[test]
fn the_judge_compares_and_never_fails_the_request() {
    let notes = |told: &Told| told.injected().contains("===== begin notes ");
    let cases: [(Act, bool); 5] = [
        (says("{\"best\":\"B\",\"consensus\":[\"all agree\"]}"), true),
        (says("Here: ```{\"best\":\"A\"}```"), true),
        (says("I cannot compare these."), false),
        (unavailable(), false),
        (Act::Broken(crate::run::machine::TransportFault::Reset), false),
    ];
    for (act, expected) in cases {
        let told = Panel::new().judged().act("j", act.clone()).ask();
        told.story.assert_answer(&text(5));
        assert_eq!(
            (told.path().as_str(), notes(&told)),
            ("a1 a2 a3 j s", expected),
            "{act:?}"
        );
        assert!(told.story.calls[3].2["tools"].is_null());
    }
    // One draft, or the same one everywhere: nothing to compare.
    let told = Panel::new()
        .judged()
        .act("a1", unavailable())
        .act("a2", unavailable())
        .ask();
    assert_eq!(told.path(), "a1 a2 a3 s");
    let same = |panel: Panel| panel.judged().act("a2", says("Draft 1!")).act("a3", says("draft 1"));
    assert_eq!(same(Panel::new()).ask().path(), "a1 a2 a3 j s");
    assert_eq!(same(Panel::new().set("agree_exit", true)).ask().path(), "a1 a2 a3 s");
}

#[test]
fn one_deadline_holds_for_the_whole_tree() {
    // Advisers may use 60 percent of it, the judge what they leave.
    let slow = |panel: Panel| {
        panel
            .set("deadline_ms", 10_000)
            .set("adviser_timeout_ms", 60_000)
            .set("adviser_first_token_ms", 60_000)
    };
    let told = slow(Panel::new()).act("a3", Act::Silence).ask();
    assert_eq!(told.called("s"), Some(Millis(6_000)));
    assert!(told.injected().contains("draft 1"), "what is in is used");
    let told = slow(Panel::new().judged())
        .act("a3", after(4_000, 2))
        .act("j", Act::Silence)
        .ask();
    assert_eq!(told.called("s"), Some(Millis(6_000)));
    assert!(told.story.cancelled.contains(&told.id_of("j")));
    // A synthesizer that hangs ends with it.
    let told = slow(Panel::new())
        .set("on_synthesizer_error", "error")
        .act("s", Act::Silence)
        .streaming(false)
        .ask();
    assert_eq!((told.story.status(), told.story.took), (504, Millis(10_000)));
    // The caller may ask for less, never for more.
    for (asked, expected) in [(5_000, 5_000), (50_000, 10_000)] {
        let panel = slow(Panel::new())
            .set("on_synthesizer_error", "error")
            .act("s", Act::Silence)
            .streaming(false);
        let told = panel.asking("clawrouter", json!({"deadline_ms": asked})).ask();
        assert_eq!(told.story.took, Millis(expected));
    }
}

#[test]
fn each_adviser_has_its_own_time() {
    let panel = || {
        Panel::new()
            .set("adviser_timeout_ms", 3_000)
            .set("adviser_first_token_ms", 1_000)
    };
    let silent = panel().act("a3", Act::Silence).ask();
    assert_eq!(silent.called("s"), Some(Millis(1_000)));
    let endless = Act::Answer(Answer {
        interval: Millis(500),
        ..answer(100)
    });
    let told = panel().act("a3", endless).ask();
    assert_eq!(told.called("s"), Some(Millis(3_000)));
    assert!(told.story.cancelled.contains(&told.id_of("a3")));
    // A long one is cut while it is read.
    let told = panel()
        .set("max_proposal_chars", 256)
        .act(
            "a3",
            Act::Answer(Answer {
                interval: Millis(1),
                ..answer(1_000)
            }),
        )
        .ask();
    assert!(told.called("s") < Some(Millis(200)), "{:?}", told.called("s"));
    assert!(told.story.cancelled.contains(&told.id_of("a3")));
}
