//! What reaches the synthesizer and the advisers: the caller's own bytes, one message of drafts, and nothing that a draft could order.

use super::both;
use crate::run::machine::{CallId, Machine as _};
use crate::run::simulation::acts::{Act, Answer, answer, error, ok, text};
use crate::run::simulation::panel::{Panel, Told, says};
use serde_json::json;

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
        serde_json::from_str(include_str!("../../../../tests/fixtures/fusion/hostile_drafts.json")).unwrap();
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
