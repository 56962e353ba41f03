//! What a chat request says. What is refused has its rows in `refused`.

mod refused;

use super::*;
use crate::wire::call::{FusionOverrides, MaxPrice, ProviderSort};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(body: &Value) -> Result<Call, WireError> {
    parse(Bytes::from(body.to_string()), &Limits::default())
}

/// A minimal request with `extra` members.
fn request(extra: &Value) -> Value {
    let mut body = json!({"model": "openai/gpt-4.1-mini", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in extra.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

fn call(extra: &Value) -> Call {
    read(&request(extra)).expect("valid")
}

#[test]
fn plain_fields_are_read() {
    let plain = call(&json!({}));
    assert_eq!(
        (plain.model.as_str(), plain.stream, plain.include_usage),
        ("openai/gpt-4.1-mini", false, false)
    );
    assert_eq!(
        (plain.max_output_tokens, plain.choices, plain.continues_tool_loop),
        (None, 1, false)
    );
    let full = call(&json!({
        "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 7, "max_completion_tokens": 9, "n": 3,
    }));
    assert_eq!(
        (full.stream, full.include_usage, full.max_output_tokens, full.choices),
        (true, true, Some(9), 3)
    );
    assert_eq!(call(&json!({"max_tokens": -1})).max_output_tokens, None);
    assert_eq!(
        call(&json!({"max_tokens": null, "stream": null, "n": null, "tools": null})).choices,
        1
    );
}

#[test]
fn of_duplicates_the_last_counts() {
    let body = "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"long text\"}],\"model\":\"b\",\
                \"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
    let call = parse(Bytes::from_static(body.as_bytes()), &Limits::default()).expect("valid");
    assert_eq!(
        (call.model.as_str(), call.size.ascii_bytes, call.size.messages),
        ("b", 2, 1)
    );
    let sent = call.upstream_body(&crate::wire::BodyChanges {
        model: "c",
        ..Default::default()
    });
    assert!(
        !String::from_utf8_lossy(&sent).contains("\"a\""),
        "every duplicate is rewritten"
    );
}

#[test]
fn needs_follow_from_content() {
    fn check(extra: &Value, expected: Needs) {
        assert_eq!(call(extra).needs, expected, "{extra}");
    }
    let none = Needs::default();
    let user = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    check(&json!({"tools": []}), none);
    check(&json!({"tools": [{"type": "function"}]}), Needs { tools: true, ..none });
    check(&json!({"functions": [{"name": "f"}]}), Needs { tools: true, ..none });
    check(
        &user(json!({"type": "image_url", "image_url": {"url": "data:"}})),
        Needs { vision: true, ..none },
    );
    check(
        &user(json!({"type": "input_audio", "input_audio": {}})),
        Needs { audio: true, ..none },
    );
    check(&json!({"modalities": ["text", "audio"]}), Needs { audio: true, ..none });
    check(&json!({"response_format": {"type": "json_object"}}), none);
    check(
        &json!({"response_format": {"type": "json_schema", "json_schema": {}}}),
        Needs {
            json_schema: true,
            ..none
        },
    );
}

#[test]
fn sizes_follow_from_content() {
    let call = call(&json!({"messages": [
        {"role": "system", "content": "abcd"},
        {"role": "user", "content": [
            {"type": "text", "text": "größe"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAAAAAAAAAAAAAAAAAA"}},
            {"type": "file", "file": {"file_id": "f"}},
        ]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}},
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ], "tools": [{"a": 1}]}));
    // abcd, gr_e with two wide characters, look, {"a":1}, ok, the id of the tool result as written, the tools as written.
    assert_eq!(call.size.ascii_bytes, 4 + 3 + 4 + 7 + 2 + 4 + 9);
    assert_eq!(
        (call.size.wide_chars, call.size.images, call.size.unsized_parts),
        (2, 1, 1)
    );
    assert_eq!((call.size.messages, call.size.tools), (4, 1));
    assert!(call.continues_tool_loop);
}

#[test]
fn the_conversation_is_places_in_the_body() {
    let call = call(&json!({"messages": [
        {"role": "developer", "content": "be \"brief\""},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": "three"},
        {"role": "user", "content": "four"},
    ]}));
    let conversation = &call.conversation;
    let said: Vec<String> = conversation
        .messages
        .iter()
        .flat_map(|message| conversation.parts(message))
        .map(|part| {
            let text = crate::wire::json::decode(&call.body, &part.text);
            format!("{}{text}", crate::wire::json::decode(&call.body, &part.name))
        })
        .collect();
    assert_eq!(said, ["be \"brief\"", "one", "f{}", "two", "three", "four"]);
    for message in &conversation.messages {
        assert!(
            serde_json::from_slice::<Value>(&call.body[message.range.clone()])
                .expect("a message")
                .is_object()
        );
    }
    assert_eq!(
        (conversation.last_user_block(), conversation.after_instructions()),
        (Some(4), 1)
    );
}

#[test]
fn sessions_are_found_in_order() {
    fn check(extra: &Value, id: &str, source: SessionSource) {
        let session = call(extra).session.expect("a session");
        assert_eq!((session.id.as_str(), session.source), (id, source), "{extra}");
    }
    let user = json!({"user_id": "user_x_account_y_session_z"});
    check(
        &json!({"session_id": "a", "metadata": user, "prompt_cache_key": "c"}),
        "a",
        SessionSource::Body,
    );
    check(
        &json!({"session_id": "", "metadata": user, "prompt_cache_key": "c"}),
        "z",
        SessionSource::UserId,
    );
    check(
        &json!({"metadata": {"user_id": "ann"}, "prompt_cache_key": "c"}),
        "c",
        SessionSource::PromptCacheKey,
    );
    let implicit = call(&json!({})).session.expect("a session");
    assert_eq!((implicit.source, implicit.id.len()), (SessionSource::Implicit, 64));
    let later = call(&json!({"messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}, {"role": "user", "content": "go on"},
    ]}));
    assert_eq!(
        later.session.as_ref(),
        Some(&implicit),
        "a longer conversation with the same beginning"
    );
    let other = call(&json!({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]}));
    assert_ne!(other.session, Some(implicit));
    let silent = call(&json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}));
    assert_eq!(silent.session, None, "an image alone names no session");
}

#[test]
fn controls_are_taken_apart() {
    let call = call(&json!({
        "models": ["a", " ", "b", "openai/gpt-4.1-mini"], "fallbacks": ["b", {"model": "c"}],
        "provider": {"order": ["x"], "only": ["x", "y"], "ignore": ["z"], "sort": {"by": "latency"}, "max_price": {"prompt": "1.5"},
                     "allow_fallbacks": false, "require_parameters": true, "data_collection": "deny", "zdr": true,
                     "quantizations": ["fp8"], "preferred_min_throughput": 30, "preferred_max_latency": {"p90": 2.5}},
        "clawrouter": {"trace": true, "dry_run": true, "max_cost_usd": "0.02", "deadline_ms": 1500, "usage_total": true,
                       "cost_quality": 3, "advisers": ["p", "q"], "judge": null, "synthesizer": "s"},
    }));
    let controls = &call.controls;
    assert_eq!(controls.fallback_models, ["a", "b", "c"]);
    let provider = &controls.provider;
    assert_eq!(
        (provider.order.len(), provider.only.len(), provider.ignore.len()),
        (1, 2, 1)
    );
    assert_eq!(
        (provider.sort, provider.max_price),
        (
            Some(ProviderSort::Latency),
            Some(MaxPrice {
                input: Some(1_500_000),
                output: None
            })
        )
    );
    assert_eq!(
        (provider.allow_fallbacks, provider.require_parameters, provider.zdr),
        (Some(false), true, true)
    );
    assert!(provider.deny_data_collection);
    assert_eq!(
        (provider.preferred_min_throughput, provider.preferred_max_latency),
        (Some(30.0), Some(2.5))
    );
    assert_eq!(
        (controls.trace, controls.dry_run, controls.usage_total),
        (true, true, true)
    );
    assert_eq!(
        (controls.max_cost_nano_usd, controls.deadline),
        (Some(20_000_000), Some(crate::wire::Millis(1500)))
    );
    assert_eq!(
        controls.fusion,
        Some(FusionOverrides {
            profile: None,
            advisers: Some(vec!["p".to_owned(), "q".to_owned()]),
            judge: Some(None),
            synthesizer: Some("s".to_owned()),
            from_plugin: false,
        })
    );
    assert_eq!(
        controls.router_fields,
        ["clawrouter", "provider", "models", "fallbacks"]
    );
}

#[test]
fn the_fusion_plugin_is_read_and_others_stay() {
    let fusion =
        call(&json!({"plugins": [{"id": "fusion", "analysis_models": ["a"], "model": "s", "preset": "review"}]}));
    let overrides = fusion.controls.fusion.expect("a fusion");
    assert_eq!(
        (overrides.from_plugin, overrides.profile.as_deref()),
        (true, Some("review"))
    );
    assert_eq!(
        (overrides.advisers, overrides.synthesizer),
        (Some(vec!["a".to_owned()]), Some("s".to_owned()))
    );
    assert_eq!(fusion.controls.router_fields, ["plugins"]);
    let off = call(&json!({"plugins": [{"id": "fusion", "enabled": false}]}));
    assert_eq!(
        (off.controls.fusion, off.controls.router_fields),
        (None, vec!["plugins".to_owned()])
    );
    let other = call(&json!({"plugins": [{"id": "web", "max_results": 3}]}));
    assert_eq!((other.controls.fusion, other.controls.router_fields.len()), (None, 0));
}

proptest! {
    #[test]
    fn damaged_bodies_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = request(&json!({
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {}}]},
                         {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}],
            "stream": true, "stream_options": {"include_usage": false}, "tools": [{"a": 1}], "provider": {"order": ["a"]},
            "clawrouter": {"trace": true}, "models": ["a"], "n": 2,
        })).to_string().into_bytes();
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        if let Ok(call) = parse(Bytes::from(body), &Limits::default()) {
            let changes = crate::wire::BodyChanges { model: "m2", include_usage: true, stream: Some(true), ..Default::default() };
            let sent: Value = serde_json::from_slice(&call.upstream_body(&changes)).unwrap_or(json!({"model": "m2"}));
            prop_assert_eq!(&sent["model"], "m2");
        }
    }

    #[test]
    fn unknown_fields_survive(names in prop::collection::btree_set("[a-z]{9,12}", 0..5), text in any::<String>()) {
        let mut extra = json!({});
        for name in &names {
            extra[name] = json!({"deep": [text, 1, null]});
        }
        let body = request(&extra);
        let call = read(&body).expect("valid");
        let sent: Value = serde_json::from_slice(&call.upstream_body(&crate::wire::BodyChanges { model: "m2", ..Default::default() }))
            .expect("still JSON");
        let mut expected = body;
        expected["model"] = json!("m2");
        prop_assert_eq!(sent, expected);
    }
}

#[test]
fn a_tool_loop_is_seen_by_its_last_messages() {
    let ask = json!({"role": "user", "content": "hi"});
    let says = json!({"role": "assistant", "content": "hello"});
    let calls = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]});
    let result = json!({"role": "tool", "tool_call_id": "1", "content": "ok"});
    let older = json!({"role": "function", "name": "f", "content": "ok"});
    let uses = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]});
    let block = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "ok"}]});
    let block_and_more = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "ok"}, {"type": "text", "text": "go on"}]});
    // (messages, inside a tool loop, no user has spoken since the last answer)
    for (messages, in_loop, continues) in [
        (vec![&ask], false, false),
        (vec![&ask, &says], false, true),
        (vec![&ask, &says, &ask], false, false),
        (vec![&ask, &calls], false, true),
        (vec![&ask, &calls, &result], true, true),
        (vec![&ask, &calls, &result, &result], true, true),
        (vec![&ask, &calls, &result, &calls, &result], true, true),
        (vec![&ask, &calls, &result, &says], false, true),
        (vec![&ask, &calls, &result, &says, &ask], false, false),
        (vec![&ask, &calls, &result, &ask], false, false),
        (vec![&ask, &calls, &older], true, true),
        (vec![&ask, &uses, &block], true, true),
        (vec![&ask, &uses, &block_and_more], true, true),
        // Results of nobody's calls.
        (vec![&ask, &result], false, true),
        (vec![&result], false, true),
        (vec![&block], false, false),
    ] {
        let call = call(&json!({ "messages": messages }));
        assert_eq!(call.conversation.in_tool_loop(), in_loop, "{messages:?}");
        assert_eq!(call.continues_tool_loop, continues, "{messages:?}");
    }
}

#[test]
fn amounts_are_read_by_their_digits() {
    for (written, nano) in [
        ("0", 0),
        ("0.3", 300_000_000),
        ("\"0.3\"", 300_000_000),
        ("1e-9", 1),
        ("0.000000001", 1),
        ("0.100000001", 100_000_001),
        ("0.10000000000000000", 100_000_000),
        ("123456.789012345", 123_456_789_012_345),
        ("999999.999999999", 999_999_999_999_999),
        ("1000000", 1_000_000_000_000_000),
    ] {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"clawrouter":{{"max_cost_usd":{written}}}}}"#
        );
        let call = parse(Bytes::from(body), &Limits::default()).unwrap();
        assert_eq!(call.controls.max_cost_nano_usd, Some(nano), "{written}");
    }
}
