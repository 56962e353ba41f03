//! Which requests are refused, by which field and with which words.

use super::{read, request};
use crate::wire::WireError;
use crate::wire::call::Limits;
use crate::wire::chat::parse;
use bytes::Bytes;
use serde_json::{Value, json};

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn wrong_requests_are_refused_by_field() {
    fn check(body: &Value, param: Option<&str>, message: &str) {
        let error = read(body).expect_err(&body.to_string());
        let got = match &error {
            WireError::InvalidRequest { param, .. } => param.as_deref(),
            WireError::UnsupportedParameter { param, .. } => Some(param.as_str()),
            _ => None,
        };
        assert_eq!((got, error.to_string().as_str()), (param, message), "{body}");
    }
    let with = |name: &str, value: Value| {
        let mut extra = json!({});
        extra[name] = value;
        request(&extra)
    };
    let required = WireError::ModelRequired.to_string();
    check(&json!({"messages": []}), None, &required);
    check(&with("model", json!("  ")), None, &required);
    check(&with("model", json!(null)), None, &required);
    check(&with("model", json!(7)), Some("model"), "`model` must be a string.");
    check(
        &with("messages", json!([])),
        Some("messages"),
        "`messages` must be a list of at least one message.",
    );
    check(
        &with("messages", json!(null)),
        Some("messages"),
        "`messages` must be a list of messages.",
    );
    check(
        &with("messages", json!("hi")),
        Some("messages"),
        "`messages` must be a list of messages.",
    );
    check(
        &with("messages", json!(["hi"])),
        Some("messages[0]"),
        "`messages[0]` must be an object.",
    );
    check(
        &with("messages", json!([{"content": "x"}])),
        Some("messages[0].role"),
        "`messages[0].role` must be a string.",
    );
    check(
        &with("messages", json!([{"role": "user", "content": 7}])),
        Some("messages[0].content"),
        "`messages[0].content` must be a string or a list of parts.",
    );
    check(
        &with("messages", json!([{"role": "user", "content": ["x"]}])),
        Some("messages[0].content[0]"),
        "`messages[0].content[0]` must be an object.",
    );
    check(
        &with(
            "messages",
            json!([{"role": "user"}, {"role": "user", "content": [{"type": "text", "text": 1}]}]),
        ),
        Some("messages[1].content[0].text"),
        "`messages[1].content[0].text` must be a string.",
    );
    check(
        &with("messages", json!([{"role": "assistant", "tool_calls": {}}])),
        Some("messages[0].tool_calls"),
        "`messages[0].tool_calls` must be a list.",
    );
    check(
        &with("messages", json!([{"role": "assistant", "tool_calls": [{"id": "c"}]}])),
        Some("messages[0].tool_calls[0].function"),
        "`messages[0].tool_calls[0].function` must be an object with `name` and `arguments`.",
    );
    check(
        &with("stream", json!("yes")),
        Some("stream"),
        "`stream` must be true or false.",
    );
    check(
        &with("stream_options", json!([])),
        Some("stream_options"),
        "`stream_options` must be an object.",
    );
    check(
        &with("stream_options", json!({"include_usage": 1})),
        Some("stream_options.include_usage"),
        "`stream_options.include_usage` must be true or false.",
    );
    check(
        &with("temperature", json!("hot")),
        Some("temperature"),
        "`temperature` must be a number.",
    );
    check(
        &with("stop", json!(7)),
        Some("stop"),
        "`stop` must be a string or a list of strings.",
    );
    check(
        &with("n", json!(0)),
        Some("n"),
        "`n` must be a whole number from 1 to 128.",
    );
    check(
        &with("n", json!(129)),
        Some("n"),
        "`n` must be a whole number from 1 to 128.",
    );
    check(
        &with("n", json!(1.5)),
        Some("n"),
        "`n` must be a whole number from 1 to 128.",
    );
    check(
        &with("max_tokens", json!(0)),
        Some("max_tokens"),
        "`max_tokens` must be a whole number of at least 1.",
    );
    check(
        &with("max_tokens", json!("9")),
        Some("max_tokens"),
        "`max_tokens` must be a whole number of at least 1.",
    );
    check(&with("tools", json!({})), Some("tools"), "`tools` must be a list.");
    check(
        &with("tools", json!([{}, 1])),
        Some("tools[1]"),
        "`tools[1]` must be an object.",
    );
    check(
        &with("tools", json!(vec![json!({}); 513])),
        Some("tools"),
        "`tools` has more than 512 elements.",
    );
    check(
        &with("messages", json!(vec![json!({"role": "user"}); 2049])),
        Some("messages"),
        "`messages` has more than 2048 elements.",
    );
    check(
        &with("response_format", json!("json")),
        Some("response_format"),
        "`response_format` must be an object.",
    );
    check(
        &with("session_id", json!(1)),
        Some("session_id"),
        "`session_id` must be a string.",
    );
    check(&with("models", json!("a")), Some("models"), "`models` must be a list.");
    check(
        &with("models", json!([1])),
        Some("models[0]"),
        "`models[0]` must be a string.",
    );
    let many: Vec<String> = (0..17).map(|i| format!("m{i}")).collect();
    check(
        &with("models", json!(many)),
        Some("models"),
        "`models` and its like may name at most 16 models.",
    );
    check(
        &with("provider", json!("openai")),
        Some("provider"),
        "`provider` must be an object.",
    );
    check(
        &with("provider", json!({"region": "eu"})),
        Some("provider.region"),
        "`provider.region` is not known here; `provider` may have: order, only, ignore, sort, max_price, allow_fallbacks, \
         require_parameters, data_collection, zdr, quantizations, preferred_min_throughput, preferred_max_latency.",
    );
    check(
        &with("provider", json!({"sort": "beauty"})),
        Some("provider.sort"),
        "`provider.sort` must be \"price\", \"throughput\" or \"latency\".",
    );
    check(
        &with("provider", json!({"max_price": {"prompt": -1}})),
        Some("provider.max_price.prompt"),
        "`provider.max_price.prompt` must be a price in dollars per million tokens, 0 or more.",
    );
    check(
        &with("provider", json!({"max_price": {"completion": "0.0000001"}})),
        Some("provider.max_price.completion"),
        "`provider.max_price.completion` must be a price in dollars per million tokens with at most 6 decimals.",
    );
    for (cost, told) in [
        (json!(0.000_000_000_1), "an amount in dollars with at most 9 decimals"),
        (
            json!("0.30000000000000004"),
            "an amount in dollars with at most 9 decimals",
        ),
        (json!(-0.5), "an amount in dollars, 0 or more"),
        (json!(true), "an amount in dollars, 0 or more"),
        (json!("a lot"), "an amount in dollars, 0 or more"),
        (json!(1e300), "an amount in dollars; this one is too large"),
        (json!(1_000_000.5), "an amount in dollars, from 0 to 1000000"),
    ] {
        check(
            &with("clawrouter", json!({"max_cost_usd": cost})),
            Some("clawrouter.max_cost_usd"),
            &format!("`clawrouter.max_cost_usd` must be {told}."),
        );
    }
    check(
        &with("clawrouter", json!({"traces": true})),
        Some("clawrouter.traces"),
        "`clawrouter.traces` is not known here; `clawrouter` may have: trace, dry_run, cost_quality, advisers, judge, synthesizer, \
         max_cost_usd, deadline_ms, usage_total.",
    );
    check(
        &with("clawrouter", json!({"deadline_ms": 0})),
        Some("clawrouter.deadline_ms"),
        "`clawrouter.deadline_ms` must be a whole number from 1 to 3600000.",
    );
    check(
        &with("clawrouter", json!({"advisers": []})),
        Some("clawrouter.advisers"),
        "`clawrouter.advisers` must name at least one model.",
    );
    check(
        &with("plugins", json!([{"id": "fusion"}, {"id": "web"}])),
        Some("plugins"),
        "The fusion plugin cannot be combined with other plugins; send it alone.",
    );
}

#[test]
fn broken_bodies_are_placed() {
    fn check(body: &str, line: u32, column: u32) {
        match parse(Bytes::copy_from_slice(body.as_bytes()), &Limits::default()) {
            Err(WireError::InvalidJson { line: l, column: c, .. }) => assert_eq!((l, c), (line, column), "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    check("", 1, 1);
    check("hello", 1, 1);
    check("[1]", 1, 1);
    check("{\"model\":\"m\",\n \"messages\":[{\"role\":\"user\",}]}", 2, 29);
    check("{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]", 1, 42);
}

#[test]
fn large_bodies_are_refused_before_reading() {
    let limits = Limits {
        max_body_bytes: 10,
        ..Limits::default()
    };
    assert_eq!(
        parse(Bytes::from_static(b"not JSON at all"), &limits).err(),
        Some(WireError::TooLarge { limit: 10 })
    );
}
