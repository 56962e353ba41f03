//! What the caller sees: early bytes, errors, the draft in a dead synthesizer's place, the trace and the sum it asked for.

use super::both;
use crate::run::machine::Machine;
use crate::run::report::{AttemptAction, Outcome};
use crate::run::simulation::acts::{Act, Answer, Mishap, answer, error, mishap, ok, text, unavailable};
use crate::run::simulation::panel::{Panel, Told, after};
use crate::run::simulation::world::target;
use crate::wire::Millis;
use serde_json::{Value, json};

const PING: &str = ": ping\n\n";

fn pings(told: &Told) -> Vec<u64> {
    let pings = told
        .story
        .emitted
        .iter()
        .filter(|(_, bytes)| bytes.as_ref() == PING.as_bytes());
    pings.map(|(at, _)| at.0).collect()
}

#[test]
fn a_waiting_stream_begins_early_and_stays_alive() {
    let slow = |panel: Panel| panel.act("a1", after(7_000, 2)).act("s", after(6_000, 5));
    let told = slow(Panel::new()).ask();
    told.story.assert_answer(&text(5));
    assert_eq!(
        (told.story.began, pings(&told).first()),
        (Some(Millis(1_000)), Some(&1_000))
    );
    assert!(pings(&told).len() > 20);
    assert!(pings(&told).windows(2).all(|two| two[1] - two[0] == 400));
    assert_eq!(
        told.story.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    let told = slow(Panel::new()).set("early_flush_ms", 0).ask();
    assert_eq!(
        (told.story.began, pings(&told)),
        (told.called("s").map(|at| at.plus(Millis(6_010))), Vec::new())
    );
    let told = slow(Panel::new()).streaming(false).ask();
    told.story.assert_answer(&text(5));
    assert_eq!(told.fusion_header(), ["advisers", "3", "0"]);
    // Nobody to wait for: an ordinary answer.
    let mut panel = Panel::new().act("s", after(6_000, 5));
    panel.left_out = (0..3)
        .map(|index| (index, "m".to_owned(), "budget".to_owned()))
        .collect();
    let told = panel.ask();
    assert_eq!((told.story.began, told.path().as_str()), (Some(Millis(6_010)), "s"));
    assert_eq!(told.fusion_header(), ["aggregator-only", "0", "3"]);
}

#[test]
fn errors_are_statuses_before_the_early_bytes_and_events_after_them() {
    let refuse = error(400, "Invalid 'messages'", "invalid_value");
    let told = Panel::new().act("s", refuse.clone()).ask();
    assert_eq!(
        (told.story.status(), told.story.error_code().as_str()),
        (400, "invalid_value")
    );
    assert_eq!(told.fusion_header(), ["advisers", "3", "0"]);
    let told = Panel::new().act("a1", after(2_000, 2)).act("s", refuse).ask();
    assert_eq!(told.story.status(), 200);
    let last = told.story.events().last().unwrap().clone();
    assert_eq!(
        (&last["error"]["code"], &last["choices"][0]["finish_reason"]),
        (&json!("invalid_value"), &json!("error"))
    );
    assert!(!told.story.body.contains("[DONE]"));
    assert_eq!(
        (told.story.report.outcome, told.story.report.status),
        (Outcome::FailedInStream, 200)
    );
}

#[test]
fn the_best_draft_answers_for_a_dead_synthesizer() {
    for slow in [false, true] {
        for (stream, judged, best) in [
            (true, false, "draft 1"),
            (false, false, "draft 1"),
            (true, true, "draft 2"),
            (false, true, "draft 2"),
        ] {
            let mut panel = Panel::new().streaming(stream).act("s", unavailable());
            panel.judged = judged;
            if slow {
                panel = panel.act("a3", after(2_000, 2));
            }
            let told = panel.ask();
            told.story.assert_answer(best);
            let early = slow && stream;
            if !early {
                assert_eq!(told.fusion_header(), ["best-draft", "3", "0"]);
                let author = if judged { "a2/model" } else { "a1/model" };
                assert_eq!(told.story.header("x-clawrouter-target"), Some(author));
                assert_eq!(told.story.header("retry-after"), None);
            }
            let bodies = if stream {
                told.story.events()
            } else {
                vec![told.story.json()]
            };
            assert!(
                bodies.iter().any(|body| body["clawrouter"]["fusion"] == "best-draft"),
                "{}",
                told.story.body
            );
            assert_eq!(
                (told.story.report.outcome, told.story.report.status),
                (Outcome::Answered, 200)
            );
            assert!(told.fusion.degraded());
            told.assert_closed();
        }
    }
    // Its own fallback chain comes first.
    let mut panel = Panel::new().act("s", unavailable()).act("f", ok(5));
    panel.world.targets.push(target("f"));
    let told = panel.ask();
    told.story.assert_answer(&text(5));
    assert!(told.path().ends_with(" f"), "{}", told.path());
    // Usage is told where it is asked for.
    let told = Panel::new()
        .act("s", unavailable())
        .asking("stream_options", json!({"include_usage": true}))
        .ask();
    assert_eq!(told.story.events().last().unwrap()["usage"]["total_tokens"], 10);
}

#[test]
fn no_draft_answers_where_it_could_not_keep_the_form() {
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {}}});
    let asked: [(&str, Value); 5] = [
        ("tools", tools),
        ("response_format", schema),
        ("response_format", json!({"type": "json_object"})),
        ("functions", json!([{"name": "f"}])),
        ("n", json!(2)),
    ];
    for (field, value) in asked {
        both(|panel| {
            let told = panel.act("s", unavailable()).asking(field, value.clone()).ask();
            assert_eq!(told.story.status(), 503, "{field}: {}", told.story.body);
        });
    }
    let told = Panel::new()
        .act("s", unavailable())
        .asking("response_format", json!({"type": "text"}))
        .ask();
    told.story.assert_answer("draft 1");
    let told = Panel::new()
        .act("s", unavailable())
        .set("on_synthesizer_error", "error")
        .ask();
    assert_eq!(
        (told.story.status(), told.story.header("x-clawrouter-fusion")),
        (503, Some("advisers"))
    );
    // A stream that broke off after it had begun is never followed by another text.
    let told = Panel::new().act("s", mishap(5, 3, Mishap::Reset)).ask();
    assert!(!told.story.body.contains("draft 1"));
}

#[test]
fn a_caller_that_hangs_up_closes_everything() {
    let cases = [
        (
            Panel::new().act("a1", Act::Silence).act("a3", after(5_000, 9)),
            500,
            "a1 a2 a3",
        ),
        (Panel::new().act("a1", Act::Silence), 3_000, "a1 a2 a3"),
        (Panel::new().judged().act("j", Act::Silence), 500, "a1 a2 a3 j"),
        (Panel::new().act("s", Act::Silence), 500, "a1 a2 a3 s"),
        (
            Panel::new().act(
                "s",
                Act::Answer(Answer {
                    interval: Millis(100),
                    ..answer(50)
                }),
            ),
            500,
            "a1 a2 a3 s",
        ),
    ];
    for (mut panel, at, path) in cases {
        panel.world.hang_up = Some(Millis(at));
        let told = panel.ask();
        assert_eq!((told.path().as_str(), told.story.took), (path, Millis(at)));
        assert_eq!(told.story.report.outcome, Outcome::CallerGone);
        assert_eq!(
            told.story.report.status,
            if told.story.head.is_some() { 200 } else { 499 }
        );
        for part in told.fusion.stages() {
            for attempt in &part.report.attempts {
                let closed = attempt.action == AttemptAction::Answered || told.story.cancelled.contains(&attempt.call);
                assert!(closed, "{attempt:?}");
            }
        }
        told.assert_closed();
    }
}

#[test]
fn the_phases_are_told_in_valid_chunks_when_asked() {
    let panel = || Panel::new().judged().asking("clawrouter", json!({"trace": true}));
    for slow in [false, true] {
        let mut panel = panel();
        if slow {
            panel = panel.act("a3", after(2_000, 2));
        }
        let told = panel.ask();
        assert!(told.story.done(), "{}", told.story.body);
        assert_eq!(told.story.text(), text(5));
        let events = told.story.events();
        assert!(
            events
                .iter()
                .all(|event| event["choices"][0]["delta"].is_object() || !event["usage"].is_null())
        );
        let steps: Vec<String> = events
            .iter()
            .filter_map(|event| {
                Some(format!(
                    "{} {}",
                    event["clawrouter"]["type"].as_str()?,
                    event["clawrouter"]["slot"].as_str().unwrap_or("-")
                ))
            })
            .collect();
        for step in [
            "call A1",
            "first_token A2",
            "end A3",
            "call J",
            "end J",
            "notes -",
            "call S",
        ] {
            assert!(steps.iter().any(|known| known == step), "{step} in {steps:?}");
        }
        assert!(!told.story.body.contains("draft 1"), "no texts in a trace");
        // Live after the early bytes, not at the end.
        let early = told
            .story
            .emitted
            .iter()
            .filter(|(at, bytes)| *at < Millis(1_500) && bytes.starts_with(b"data: "))
            .count();
        assert_eq!(slow, early > 3 && told.story.began == Some(Millis(1_000)));
    }
    assert!(!Panel::new().ask().story.body.contains("clawrouter"));
    assert!(
        Panel::new().ask().fusion.take_progress().is_empty(),
        "nobody wants it, nothing is kept"
    );
}

#[test]
fn the_sum_over_all_calls_is_told_when_asked() {
    let asked = json!({"usage_total": true});
    for dead in [false, true] {
        both(|mut panel| {
            panel = panel.asking("clawrouter", asked.clone());
            if dead {
                panel = panel.act("s", unavailable());
            }
            let stream = panel.world.body["stream"] == true;
            let told = panel.ask();
            told.story
                .assert_answer_text(&if dead { "draft 1".to_owned() } else { text(5) });
            let bodies = if stream {
                told.story.events()
            } else {
                vec![told.story.json()]
            };
            let total = bodies
                .iter()
                .find(|body| !body["clawrouter"]["usage_total"].is_null())
                .expect("the sum");
            let own = if dead { 0 } else { 14 };
            assert_eq!(total["clawrouter"]["usage_total"]["total_tokens"], 30 + own, "{total}");
        });
    }
}
