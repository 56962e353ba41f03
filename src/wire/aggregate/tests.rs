//! Streams and the completions they are.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn aggregate(chunks: &[Value]) -> Value {
    let mut aggregator = Aggregator::default();
    for chunk in chunks {
        aggregator.push(chunk.to_string().as_bytes()).expect("a chunk");
    }
    serde_json::from_slice(&aggregator.finish()).expect("JSON")
}

fn delta(delta: &Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "m",
           "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn end(reason: &str) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "m",
           "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

#[test]
fn a_text_answer() {
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let whole = aggregate(&[
        delta(&json!({"role": "assistant", "content": "", "refusal": null})),
        delta(&json!({"content": "Hel\"lo"})),
        delta(&json!({"content": " wörld\n"})),
        end("stop"),
        json!({"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": [], "usage": usage,
               "system_fingerprint": "fp", "service_tier": "default", "x_new": {"a": [1]}}),
    ]);
    assert_eq!(
        whole,
        json!({"id": "c", "object": "chat.completion", "created": 5, "model": "m",
               "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hel\"lo wörld\n", "refusal": null}, "finish_reason": "stop"}],
               "usage": usage, "system_fingerprint": "fp", "service_tier": "default", "x_new": {"a": [1]}})
    );
}

#[test]
fn tool_calls_come_together_by_index() {
    let whole = aggregate(&[
        delta(&json!({"role": "assistant", "content": ""})),
        delta(
            &json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
        ),
        delta(
            &json!({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}]}),
        ),
        delta(
            &json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"x\":"}}, {"index": 1, "function": {"arguments": "}"}}]}),
        ),
        delta(&json!({"tool_calls": [{"index": 0, "id": "", "function": {"name": "", "arguments": "1}"}}]})),
        end("tool_calls"),
    ]);
    assert_eq!(
        whole["choices"][0],
        json!({"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ]}, "finish_reason": "tool_calls"})
    );
}

#[test]
fn everything_else_is_kept() {
    let logprob = |token: &str| json!({"logprobs": {"content": [{"token": token, "logprob": -0.5}]}});
    let chunk = |extra: Value, delta: Value| {
        let mut choice = json!({"index": 1, "delta": delta});
        for (name, value) in extra.as_object().expect("an object") {
            choice[name] = value.clone();
        }
        json!({"id": "c", "choices": [choice]})
    };
    let whole = aggregate(&[
        chunk(logprob("a"), json!({"content": "a", "reasoning_content": "th"})),
        chunk(
            logprob("b"),
            json!({"content": "b", "reasoning_content": "ink", "annotations": [{"n": 1}]}),
        ),
        chunk(
            json!({"content_filter_results": {"hate": {"filtered": false}}}),
            json!({"refusal": "no", "annotations": [{"n": 2}]}),
        ),
        chunk(
            json!({"finish_reason": "stop", "logprobs": null}),
            json!({"audio": {"id": "x", "data": "AA"}}),
        ),
        chunk(json!({}), json!({"audio": {"data": "BB", "expires_at": 9}})),
        json!({"id": "c", "choices": [{"delta": {"content": "first"}}]}),
    ]);
    assert_eq!(
        whole["choices"][0],
        json!({"index": 0, "message": {"role": "assistant", "content": "first"}, "finish_reason": null})
    );
    assert_eq!(
        whole["choices"][1],
        json!({"index": 1, "message": {
                   "role": "assistant", "content": "ab", "reasoning_content": "think", "annotations": [{"n": 1}, {"n": 2}],
                   "refusal": "no", "audio": {"id": "x", "data": "AABB", "expires_at": 9}},
               "logprobs": {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -0.5}]},
               "content_filter_results": {"hate": {"filtered": false}}, "finish_reason": "stop"})
    );
}

#[test]
fn numbers_and_cut_surrogates_keep_their_spelling() {
    let mut aggregator = Aggregator::default();
    for chunk in [
        "{\"created\":1e3,\"big\":12345678901234567890123,\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"\\ude00\"}}]}",
    ] {
        aggregator.push(chunk.as_bytes()).expect("a chunk");
    }
    let text = String::from_utf8(aggregator.finish().to_vec()).expect("text");
    assert!(
        text.contains("\"created\":1e3") && text.contains("\"big\":12345678901234567890123"),
        "{text}"
    );
    assert_eq!(
        serde_json::from_str::<Value>(&text).expect("JSON")["choices"][0]["message"]["content"],
        "😀"
    );
}

#[test]
fn malformed_chunks_change_nothing() {
    let mut aggregator = Aggregator::default();
    aggregator
        .push(delta(&json!({"content": "a"})).to_string().as_bytes())
        .expect("a chunk");
    for noise in [
        "",
        "[1]",
        "{\"choices\":[{\"delta\":{\"content\":\"cut",
        "{\"choices\":[{\"delta\":{\"content\":\"x\"}}]} trailing",
    ] {
        assert!(
            matches!(aggregator.push(noise.as_bytes()), Err(AggregateError::Malformed(_))),
            "{noise}"
        );
    }
    aggregator
        .push(delta(&json!({"content": "b"})).to_string().as_bytes())
        .expect("a chunk");
    let whole: Value = serde_json::from_slice(&aggregator.finish()).expect("JSON");
    assert_eq!(whole["choices"][0]["message"]["content"], "ab");
}

#[test]
fn answers_are_bounded() {
    let mut aggregator = Aggregator::default();
    let chunk = delta(&json!({"content": "x".repeat(MAX_ANSWER_BYTES / 2)})).to_string();
    assert_eq!(aggregator.push(chunk.as_bytes()), Ok(()));
    assert_eq!(aggregator.push(chunk.as_bytes()), Err(AggregateError::TooLarge));
}

#[test]
fn nothing_is_still_json() {
    let aggregator = Aggregator::default();
    assert!(aggregator.is_empty());
    assert_eq!(
        aggregator.finish().as_ref(),
        b"{\"object\":\"chat.completion\",\"choices\":[]}"
    );
}

proptest! {
    #[test]
    fn text_is_joined_exactly(pieces in prop::collection::vec(any::<String>(), 1..8)) {
        let chunks: Vec<Value> = pieces.iter().map(|piece| delta(&json!({"content": piece}))).collect();
        let whole = aggregate(&chunks);
        prop_assert_eq!(&whole["choices"][0]["message"]["content"], &pieces.concat());
    }

    #[test]
    fn whatever_comes_the_answer_is_json(chunks in prop::collection::vec(noise(), 0..6)) {
        let mut aggregator = Aggregator::default();
        for chunk in &chunks {
            aggregator.push(chunk.to_string().as_bytes()).ok();
        }
        prop_assert!(serde_json::from_slice::<Value>(&aggregator.finish()).is_ok());
    }
}

/// Chunks whose members have wrong types.
fn noise() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<u8>().prop_map(Value::from),
        "[a\"\\\\]{0,3}".prop_map(Value::from),
        Just(json!([])),
        Just(json!([1, {"index": 1, "function": {"arguments": "x"}}, {"function": 7}])),
        Just(json!({"content": [1], "name": "n"})),
    ];
    let names = [
        "content",
        "role",
        "tool_calls",
        "function_call",
        "logprobs",
        "audio",
        "annotations",
        "finish_reason",
        "id",
    ];
    let members = prop::collection::btree_map(prop::sample::select(names.to_vec()), value, 0..4).prop_map(|members| {
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<serde_json::Map<_, _>>()
    });
    (members.clone(), members).prop_map(|(mut choice, delta)| {
        choice.insert("delta".to_owned(), Value::Object(delta));
        json!({"choices": [choice], "id": "c"})
    })
}
