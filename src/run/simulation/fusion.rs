//! Every row of docs/fusion.md "What happens when", with a virtual clock.

use super::acts::{Act, Answer, Mishap, answer, error, mishap, ok, text, unavailable};
use super::panel::{Panel, Told, after, says};
use super::world::target;
use crate::route::Stage;
use crate::run::machine::{Action, CallId, Event, Machine};
use crate::run::report::{AttemptAction, Outcome};
use crate::wire::Millis;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PING: &str = ": ping\n\n";

fn both(mut check: impl FnMut(Panel)) {
    check(Panel::new());
    check(Panel::new().streaming(false));
}

fn pings(told: &Told) -> Vec<u64> {
    let pings = told
        .story
        .emitted
        .iter()
        .filter(|(_, bytes)| bytes.as_ref() == PING.as_bytes());
    pings.map(|(at, _)| at.0).collect()
}

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
            assert!(
                injected.contains(&format!("===== begin draft {label} =====\n{draft}\n=====")),
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
    let notes = |told: &Told| told.injected().contains("===== begin notes =====");
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
fn advice_that_makes_the_request_too_long_is_left_out() {
    let overflow = error(
        400,
        "This model's maximum context length is 8192 tokens",
        "context_length_exceeded",
    );
    both(|panel| {
        let mut panel = panel;
        panel.world = panel.world.act("s", [overflow.clone(), ok(5)]);
        let told = panel.ask();
        told.story.assert_answer(&text(5));
        assert_eq!(told.path(), "a1 a2 a3 s s");
        assert_eq!(told.messages("s").len(), 1, "the caller's own messages");
        told.assert_closed();
    });
    // Too long without it: the upstream's own words.
    let told = Panel::new().act("s", overflow).ask();
    assert_eq!((told.path().as_str(), told.story.status()), ("a1 a2 a3 s s", 400));
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
fn an_agents_tool_loop_costs_one_adviser_round() {
    let mut messages = vec![json!({"role": "user", "content": "fix it"})];
    let mut panel = Panel::new().asking(
        "tools",
        json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]),
    );
    let mut calls = Vec::new();
    for turn in 0..10 {
        panel = panel.asking("messages", json!(messages));
        let told = panel.ask();
        calls.push(told.path());
        if turn > 0 {
            assert_eq!(told.body("s"), panel.directly().bodies[0]);
            assert_eq!(told.fusion_header(), ["aggregator-only", "0", "0"]);
            assert!(!told.fusion.degraded());
        }
        let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": "c", "content": "done"}));
    }
    assert_eq!(calls[0], "a1 a2 a3 s");
    assert!(calls[1..].iter().all(|path| path == "s"), "{calls:?}");
    let told = panel.set("advise_on", "every_turn").ask();
    assert_eq!(told.path(), "a1 a2 a3 s");
    assert!(
        told.messages("a1")
            .iter()
            .all(|message| message["role"] != "tool" && message["tool_calls"].is_null())
    );
}

/// The synthesizer's bytes without the one message that was added.
fn without_injection(told: &Told) -> String {
    let body = String::from_utf8(told.body("s").to_vec()).unwrap();
    let start = body
        .find("{\"role\":\"system\",\"content\":\"Several models drafted")
        .expect("the injected message");
    let end = body[start..].find("\"},").expect("its end") + start + 3;
    format!("{}{}", &body[..start], &body[end..])
}

#[test]
fn what_the_caller_sent_reaches_the_synthesizer_byte_for_byte() {
    let raw = "{ \"model\" : \"m\",\"n\":1,\"seed\":7, \"temperature\": 1e-1,\n\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"z\":1,\"a\":2.50}}}],\
        \"tool_choice\":\"auto\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{}}},\"stream\": true,\
        \"stream_options\":{\"include_usage\":true},\"messages\":[ {\"role\":\"system\",\"content\":\"Be \\u00e9xact.\"} , {\"role\":\"user\",\"content\":\
        [{\"type\":\"text\",\"text\":\"What?\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}]}],\"x_unknown\":{\"k\":[1,2, 3]}}";
    let mut panel = Panel::new().act(
        "s",
        Act::Answer(Answer {
            tools: true,
            ..answer(0)
        }),
    );
    panel.raw = Some(raw.to_owned());
    let told = panel.ask();
    let direct = panel.directly();
    assert_eq!(without_injection(&told), raw.replace("\"m\"", "\"s-upstream\""));
    assert_eq!(without_injection(&told).as_bytes(), direct.bodies[0]);
    assert_eq!(told.messages("s")[1]["role"], "system");
    // The caller gets the synthesizer's own tool calls.
    let same_ids = |body: &str, call: CallId| body.replace(&format!("chatcmpl-{}", call.0), "chatcmpl-x");
    assert!(told.story.body.contains("\"tool_calls\""));
    assert_eq!(
        same_ids(&told.story.body, told.id_of("s")),
        same_ids(&direct.body, direct.ids[0])
    );
    // Advisers see words only.
    let seen = told.messages("a1");
    assert!(
        seen.iter()
            .any(|message| message["content"] == "What?\n[image omitted]"),
        "{seen:?}"
    );
    assert!(!String::from_utf8_lossy(&told.body("a1")).contains("base64"));
}

#[test]
fn hostile_drafts_add_exactly_one_message() {
    let orders: Vec<String> =
        serde_json::from_str(include_str!("../../../tests/fixtures/fusion/hostile_drafts.json")).unwrap();
    let messages = json!([{"role": "system", "content": "rules"}, {"role": "user", "content": "q"}]);
    for order in orders {
        let mut panel = Panel::new().judged().asking("messages", messages.clone());
        panel = panel
            .act("a1", says(&order))
            .act("a3", says(&order))
            .act("j", says(&order));
        let told = panel.ask();
        told.story.assert_answer(&text(5));
        let sent = told.messages("s");
        assert_eq!(
            (sent.len(), &sent[0], &sent[2]),
            (3, &messages[0], &messages[1]),
            "{order:?}"
        );
        assert_eq!(
            (&sent[1]["role"], sent[1].as_object().unwrap().len()),
            (&json!("system"), 2)
        );
        let fences = told.injected().lines().filter(|line| line.contains("=====")).count();
        assert!(fences == 6 || fences == 8, "{fences}: {order:?}");
        assert_eq!(told.messages("j").len(), 2);
        assert_eq!(without_injection(&told).as_bytes(), panel.directly().bodies[0]);
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

#[test]
fn the_same_seed_gives_the_same_story() {
    let play = || {
        let told = Panel::new()
            .judged()
            .act("a2", unavailable())
            .act("a3", after(400, 9))
            .ask();
        (told.path(), told.story.took, told.story.body)
    };
    assert_eq!(play(), play());
}

fn any_event() -> impl Strategy<Value = Event> {
    let calls = proptest::sample::select(vec![
        0_u32, 0, 1, 32, 32, 64, 64, 256, 256, 288, 288, 288, 289, 320, 7_000,
    ]);
    prop_oneof![40 => calls.prop_flat_map(super::fuzz::event), 1 => Just(Event::CallerGone)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_events_in_any_order(
        events in proptest::collection::vec((any_event(), 0_u64..2_000), 0..80),
        (stream, judged, traced, fatal, failing) in any::<(bool, bool, bool, bool, bool)>(),
        quorum in proptest::option::of(1_u32..4),
    ) {
        let mut panel = Panel::new().streaming(stream).set("quorum", json!(quorum)).set("straggler_grace_ms", 700);
        panel = panel.asking("clawrouter", json!({"trace": traced, "usage_total": traced}));
        panel = panel.set("on_no_adviser", if fatal { "error" } else { "synthesizer_alone" });
        panel = panel.set("on_synthesizer_error", if failing { "error" } else { "best_draft" });
        panel.judged = judged;
        let mut fusion = crate::run::fusion::machine::Fusion::new(panel.input(), panel.world.now, &mut panel.world.health);
        let (mut starts, mut finishes) = (0, 0);
        let mut open: BTreeSet<CallId> = BTreeSet::new();
        let mut now = panel.world.now;
        let mut check = |fusion: &mut crate::run::fusion::machine::Fusion, open: &mut BTreeSet<CallId>| {
            while let Some(action) = fusion.poll() {
                prop_assert_eq!(finishes, 0, "{:?} after Finish", action);
                match action {
                    Action::Call(request) => prop_assert!(open.insert(request.call), "a call id is used once"),
                    Action::Cancel(call) => { open.remove(&call); }
                    Action::InPieces(call) => prop_assert!(open.contains(&call), "only of a call that is open"),
                    Action::Start(_) => starts += 1,
                    Action::Emit(_) => prop_assert_eq!(starts, 1, "Emit without Start"),
                    Action::Finish => finishes += 1,
                }
            }
            prop_assert!(starts <= 1);
            prop_assert_eq!(finishes == 1, fusion.is_over());
            Ok(())
        };
        check(&mut fusion, &mut open)?;
        for (event, wait) in events {
            now = now.plus(Millis(wait));
            if let Event::End { call } | Event::Broken { call, .. } = &event { open.remove(call); }
            fusion.handle(now, event, &mut panel.world.health);
            check(&mut fusion, &mut open)?;
        }
        // Left alone it ends by its own deadline.
        for _ in 0..400 {
            let Some(wake) = fusion.next_wake() else { break };
            now = now.max(wake);
            fusion.handle(now, Event::Tick, &mut panel.world.health);
            check(&mut fusion, &mut open)?;
        }
        prop_assert!(fusion.is_over(), "a fusion ends");
        prop_assert!(open.is_empty(), "calls left open: {:?}", open);
        for part in fusion.stages() {
            let ended = part.report.attempts.iter().all(|attempt| attempt.ended.is_some());
            prop_assert!(ended, "{:#?}", part.report);
        }
        prop_assert!(fusion.report().outcome != Outcome::Running);
    }
}
