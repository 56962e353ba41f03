//! Demo chat completions.

use super::{DemoAnswer, refuse, schema, tokens, whole};
use crate::wire::Millis;
use bytes::Bytes;
use serde_json::{Value, json};

/// Time between two streamed pieces: slow enough to be seen, fast enough not to be waited for.
const INTERVAL: Millis = Millis(8);

/// Longest echo of the caller's words, characters.
const ECHO_CHARS: usize = 280;

/// One finished answer, before it is cut into a body or a stream.
struct Reply {
    reasoning: String,
    content: String,
    tool: Option<(String, String)>,
    finish: &'static str,
}

pub(super) fn answer(request: &Value) -> DemoAnswer {
    let Some(messages) = at(request, "/messages")
        .as_array()
        .filter(|messages| !messages.is_empty())
    else {
        return refuse("messages must be a list with at least one message");
    };
    let model = at(request, "/model").as_str().unwrap_or("fast");
    let prompt: String = messages.iter().map(text_of).collect::<Vec<_>>().join("\n");
    let mut reply = compose(model, request, messages);
    let limit = at(request, "/max_completion_tokens")
        .as_u64()
        .or_else(|| at(request, "/max_tokens").as_u64());
    if let Some(limit) = limit.filter(|limit| tokens(&reply.content) > *limit) {
        let keep = usize::try_from(limit.saturating_mul(4)).unwrap_or(usize::MAX);
        reply.content = reply.content.chars().take(keep).collect();
        reply.finish = "length";
    }
    let written = reply
        .tool
        .as_ref()
        .map_or_else(|| reply.content.clone(), |(_, arguments)| arguments.clone());
    let (input, reasoning) = (tokens(&prompt), tokens(&reply.reasoning));
    let output = tokens(&written).saturating_add(reasoning);
    let usage = json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input.saturating_add(output),
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    });
    if at(request, "/stream").as_bool() == Some(true) {
        stream(
            model,
            &reply,
            &usage,
            at(request, "/stream_options/include_usage").as_bool() == Some(true),
        )
    } else {
        completion(model, &reply, &usage)
    }
}

fn compose(model: &str, request: &Value, messages: &[Value]) -> Reply {
    let last = messages.last().cloned().unwrap_or_default();
    let asked = messages
        .iter()
        .rev()
        .find(|message| at(message, "/role") == "user")
        .map(text_of)
        .unwrap_or_default();
    let reasoning = if model.contains("reasoner") {
        format!("The question has {} words. ", asked.split_whitespace().count())
    } else {
        String::new()
    };
    let reply = |content: String| Reply {
        reasoning: reasoning.clone(),
        content,
        tool: None,
        finish: "stop",
    };
    if at(&last, "/role") == "tool" {
        return reply(format!("The tool answered: {}", shorten(&text_of(&last))));
    }
    if let Some(tool) = wanted_tool(request, &asked) {
        let arguments = schema::example(at(tool, "/function/parameters"), &asked).to_string();
        let name = at(tool, "/function/name").as_str().unwrap_or("tool").to_owned();
        return Reply {
            reasoning,
            content: String::new(),
            tool: Some((name, arguments)),
            finish: "tool_calls",
        };
    }
    match at(request, "/response_format/type").as_str() {
        Some("json_schema") => {
            reply(schema::example(at(request, "/response_format/json_schema/schema"), &asked).to_string())
        }
        Some("json_object") => reply(json!({"answer": shorten(&asked)}).to_string()),
        _ => reply(format!(
            "This is the clawrouter demo model \u{201c}{model}\u{201d}, which runs inside the router and needs no key. You said: {}",
            shorten(&asked)
        )),
    }
}

/// A tool is called when the caller forces one, or names one in the question.
fn wanted_tool<'a>(request: &'a Value, asked: &str) -> Option<&'a Value> {
    let tools = at(request, "/tools").as_array()?;
    let choice = at(request, "/tool_choice");
    if choice == "none" {
        return None;
    }
    let by_name = |name: &str| tools.iter().find(|tool| at(tool, "/function/name") == name);
    if let Some(name) = at(choice, "/function/name").as_str() {
        return by_name(name);
    }
    let asked = asked.to_lowercase();
    let mentioned = tools.iter().find(|tool| {
        let name = at(tool, "/function/name").as_str().unwrap_or_default().to_lowercase();
        let words: Vec<&str> = name.split(['_', '-', '.']).filter(|word| word.len() > 3).collect();
        !name.is_empty() && (asked.contains(&name) || words.iter().any(|word| asked.contains(word)))
    });
    if choice == "required" {
        mentioned.or_else(|| tools.first())
    } else {
        mentioned
    }
}

/// The text of a message, whether its content is a string or a list of parts.
fn text_of(message: &Value) -> String {
    match at(message, "/content") {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| at(part, "/text").as_str())
            .collect::<Vec<_>>()
            .join(" "),
        _ => String::new(),
    }
}

/// The value at a JSON pointer, null when there is none.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(ECHO_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn completion(model: &str, reply: &Reply, usage: &Value) -> DemoAnswer {
    let mut message = json!({"role": "assistant", "content": reply.content, "refusal": null});
    if let Some((name, arguments)) = &reply.tool {
        put(&mut message, "content", Value::Null);
        put(
            &mut message,
            "tool_calls",
            json!([{"id": "call_demo_0", "type": "function", "function": {"name": name, "arguments": arguments}}]),
        );
    }
    if !reply.reasoning.is_empty() {
        put(&mut message, "reasoning_content", reply.reasoning.clone());
    }
    whole(&json!({
        "id": "chatcmpl-demo", "object": "chat.completion", "created": 0, "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": reply.finish}],
        "usage": usage,
    }))
}

fn stream(model: &str, reply: &Reply, usage: &Value, with_usage: bool) -> DemoAnswer {
    let envelope = |choices: Value| json!({"id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": choices});
    let delta = |delta: Value| envelope(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]));
    let mut events = vec![delta(json!({"role": "assistant", "content": ""}))];
    events.extend(pieces(&reply.reasoning).map(|piece| delta(json!({"reasoning_content": piece}))));
    if let Some((name, arguments)) = &reply.tool {
        let call =
            json!({"index": 0, "id": "call_demo_0", "type": "function", "function": {"name": name, "arguments": ""}});
        events.push(delta(json!({"tool_calls": [call]})));
        events.extend(
            pieces(arguments)
                .map(|piece| delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))),
        );
    }
    events.extend(pieces(&reply.content).map(|piece| delta(json!({"content": piece}))));
    events.push(envelope(
        json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": reply.finish}]),
    ));
    if with_usage {
        let mut last = envelope(json!([]));
        put(&mut last, "usage", usage.clone());
        events.push(last);
    }
    let mut chunks: Vec<Bytes> = events
        .iter()
        .map(|event| Bytes::from(format!("data: {event}\n\n")))
        .collect();
    chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
    DemoAnswer {
        status: 200,
        content_type: "text/event-stream",
        chunks,
        interval: INTERVAL,
    }
}

/// Words with the space that follows them.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}
