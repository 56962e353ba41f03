//! What an upstream does with one call, as data.

use crate::run::machine::{CallId, Event, TransportFault};
use crate::wire::Millis;
use bytes::Bytes;
use serde_json::{Value, json};

/// What an upstream does with one call.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A correct answer.
    Answer(Answer),
    /// An HTTP error.
    Error {
        status: u16,
        headers: Vec<(&'static str, &'static str)>,
        body: Value,
    },
    /// A whole body of any kind with status 200.
    Raw { content_type: &'static str, body: String },
    /// The connection fails before headers.
    Broken(TransportFault),
    /// Accepts and never answers.
    Silence,
    /// Plays one act until so long after the simulation began, then another.
    Until(Millis, Box<Act>, Box<Act>),
}

/// A correct answer, or almost.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "options of one act")]
pub(super) struct Answer {
    pub(super) tokens: usize,
    /// Before the headers.
    pub(super) head: Millis,
    /// Between role chunk and first token.
    pub(super) first_token: Millis,
    /// Between tokens.
    pub(super) interval: Millis,
    /// A comment that often during waits; 0: none.
    pub(super) pings: Millis,
    /// After so many tokens, this.
    pub(super) after: Option<(usize, Mishap)>,
    pub(super) done: bool,
    pub(super) finish: bool,
    pub(super) usage: bool,
    pub(super) prefill: Prefill,
    pub(super) tools: bool,
    pub(super) reasoning: usize,
    pub(super) seed: usize,
    /// Further response headers.
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

/// What goes wrong inside a stream.
#[derive(Clone, Debug)]
pub(super) enum Mishap {
    Reset,
    End,
    Stall(Millis),
    Event(String),
    Silence,
}

/// What happens when the last message is the assistant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefill {
    Ignore,
    Continue,
    Reject,
}

/// One step of a call.
pub(super) enum Step {
    Wait(Millis),
    Happen(Event),
}

/// An answer of so many tokens.
pub(super) fn answer(tokens: usize) -> Answer {
    Answer {
        tokens,
        head: Millis(20),
        first_token: Millis(10),
        interval: Millis(5),
        pings: Millis(0),
        after: None,
        done: true,
        finish: true,
        usage: true,
        prefill: Prefill::Ignore,
        tools: false,
        reasoning: 0,
        seed: 0,
        headers: Vec::new(),
    }
}

/// An answer that goes well.
pub(super) fn ok(tokens: usize) -> Act {
    Act::Answer(answer(tokens))
}

/// An answer to which something happens after `at` tokens.
pub(super) fn mishap(tokens: usize, at: usize, mishap: Mishap) -> Act {
    Act::Answer(Answer {
        after: Some((at, mishap)),
        ..answer(tokens)
    })
}

/// An error with a message in OpenAI's shape.
pub(super) fn error(status: u16, message: &str, code: &str) -> Act {
    error_with(status, &[], message, code)
}

/// The same with headers.
pub(super) fn error_with(status: u16, headers: &[(&'static str, &'static str)], message: &str, code: &str) -> Act {
    let body = json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}});
    Act::Error {
        status,
        headers: headers.to_vec(),
        body,
    }
}

/// A plain 429.
pub(super) fn limited(retry_after: &'static str) -> Act {
    error_with(
        429,
        &[("retry-after", retry_after)],
        "Rate limit reached for requests",
        "rate_limit_exceeded",
    )
}

/// A wrong key.
pub(super) fn wrong_key() -> Act {
    error(401, "Incorrect API key provided: secret-p-k1.", "invalid_api_key")
}

/// A 503.
pub(super) fn unavailable() -> Act {
    error(503, "The engine is currently overloaded, please try again later", "")
}

/// Token `index`; all differ, some are wide.
pub(super) fn token(index: usize, seed: usize) -> String {
    let wide = ["", "é", "☃", "🦀"][index % 4];
    format!("w{seed}.{index}{wide} ")
}

/// The text of the first `tokens` tokens.
pub(super) fn text(tokens: usize) -> String {
    (0..tokens).map(|index| token(index, 0)).collect()
}

fn chunk(call: CallId, model: &str, delta: &Value, finish: Option<&str>) -> String {
    let json = json!({
        "id": format!("chatcmpl-{}", call.0), "object": "chat.completion.chunk", "created": 1_760_000_000_u64, "model": model,
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
    });
    format!("data: {json}\n\n")
}

fn usage(tokens: usize) -> Value {
    json!({"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens})
}

/// The steps of an act for one call.
pub(super) fn steps_of(act: &Act, body: &Value, call: CallId, now: Millis) -> Vec<Step> {
    match act {
        Act::Answer(answer) => answer_steps(answer, body, call),
        Act::Error { status, headers, body } => {
            whole(call, *status, headers_of("application/json", headers), body.to_string())
        }
        Act::Raw { content_type, body } => whole(
            call,
            200,
            vec![("content-type".to_owned(), (*content_type).to_owned())],
            body.clone(),
        ),
        Act::Broken(fault) => vec![
            Step::Wait(Millis(5)),
            Step::Happen(Event::Broken { call, fault: *fault }),
        ],
        Act::Silence => Vec::new(),
        Act::Until(until, during, after) => {
            let act = if now < super::world::START.plus(*until) {
                during
            } else {
                after
            };
            steps_of(act, body, call, now)
        }
    }
}

fn headers_of(content_type: &'static str, more: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
    let all = std::iter::once(("content-type", content_type)).chain(more.iter().copied());
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn whole(call: CallId, status: u16, headers: Vec<(String, String)>, body: String) -> Vec<Step> {
    vec![
        Step::Wait(Millis(20)),
        Step::Happen(Event::Headers { call, status, headers }),
        Step::Happen(Event::Data {
            call,
            bytes: Bytes::from(body),
        }),
        Step::Happen(Event::End { call }),
    ]
}

/// The tokens that are still to be said, given how the request ends; `None`: it is refused.
fn tokens_left(answer: &Answer, body: &Value) -> Option<Vec<String>> {
    let tokens: Vec<String> = (0..answer.tokens).map(|index| token(index, answer.seed)).collect();
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    let begun = last
        .filter(|last| last["role"] == "assistant")
        .and_then(|last| last["content"].as_str());
    match (begun, answer.prefill) {
        (None, _) | (_, Prefill::Ignore) => Some(tokens),
        (Some(_), Prefill::Reject) => None,
        (Some(begun), Prefill::Continue) => {
            let all = tokens.concat();
            let rest = all.strip_prefix(begun).expect("the prefill is the begin of the answer");
            Some(rest.split_inclusive(' ').map(str::to_owned).collect())
        }
    }
}

fn answer_steps(answer: &Answer, body: &Value, call: CallId) -> Vec<Step> {
    let Some(tokens) = tokens_left(answer, body) else {
        let message = "This model does not support assistant message prefill.";
        let body = json!({"error": {"message": message, "type": "invalid_request_error"}});
        return whole(call, 400, Vec::new(), body.to_string());
    };
    if body["stream"] == true {
        stream_steps(answer, body, &tokens, call)
    } else {
        whole_steps(answer, body, &tokens, call)
    }
}

/// One body, when all of it is there.
fn whole_steps(answer: &Answer, body: &Value, tokens: &[String], call: CallId) -> Vec<Step> {
    let json = json!({
        "id": format!("chatcmpl-{}", call.0), "object": "chat.completion", "created": 1_760_000_000_u64, "model": body["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": tokens.concat()}, "finish_reason": "stop"}],
        "usage": usage(tokens.len()),
    });
    let mut steps = vec![Step::Wait(
        answer.head.plus(Millis(answer.interval.0 * tokens.len() as u64)),
    )];
    let headers = headers_of("application/json", &answer.headers);
    steps.extend(whole(call, 200, headers, json.to_string()));
    steps
}

/// A stream, chunk by chunk, until its end or its mishap.
fn stream_steps(answer: &Answer, body: &Value, tokens: &[String], call: CallId) -> Vec<Step> {
    let model = body["model"].as_str().unwrap_or_default();
    let asked_usage = body["stream_options"]["include_usage"] == true;
    let headers = headers_of("text/event-stream", &answer.headers);
    let mut steps = vec![
        Step::Wait(answer.head),
        Step::Happen(Event::Headers {
            call,
            status: 200,
            headers,
        }),
    ];
    let send = |text: String| {
        Step::Happen(Event::Data {
            call,
            bytes: Bytes::from(text),
        })
    };
    if mishap_at(answer, 0, &mut steps, call) {
        return steps;
    }
    steps.push(send(chunk(
        call,
        model,
        &json!({"role": "assistant", "content": ""}),
        None,
    )));
    quiet(answer.first_token, answer.pings, call, &mut steps);
    for index in 0..answer.reasoning {
        steps.push(send(chunk(
            call,
            model,
            &json!({"reasoning_content": format!(" thought{index}")}),
            None,
        )));
    }
    for (index, token) in tokens.iter().enumerate() {
        steps.push(send(chunk(call, model, &json!({"content": token}), None)));
        if mishap_at(answer, index + 1, &mut steps, call) {
            return steps;
        }
        quiet(answer.interval, answer.pings, call, &mut steps);
    }
    if answer.tools {
        let piece = |json: Value| send(chunk(call, model, &json!({"tool_calls": [json]}), None));
        steps.push(piece(
            json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}),
        ));
        steps.push(piece(json!({"index": 0, "function": {"arguments": "{\"x\":1}"}})));
    }
    if answer.finish {
        steps.push(send(chunk(
            call,
            model,
            &json!({}),
            Some(if answer.tools { "tool_calls" } else { "stop" }),
        )));
    }
    if answer.usage && asked_usage {
        let json = json!({"id": format!("chatcmpl-{}", call.0), "object": "chat.completion.chunk", "created": 1_760_000_000_u64,
                          "model": model, "choices": [], "usage": usage(tokens.len())});
        steps.push(send(format!("data: {json}\n\n")));
    }
    if answer.done {
        steps.push(send("data: [DONE]\n\n".to_owned()));
    }
    steps.push(Step::Happen(Event::End { call }));
    steps
}

/// True when the call is over.
fn mishap_at(answer: &Answer, at: usize, steps: &mut Vec<Step>, call: CallId) -> bool {
    match &answer.after {
        Some((when, mishap)) if *when == at => match mishap {
            Mishap::Reset => {
                steps.push(Step::Happen(Event::Broken {
                    call,
                    fault: TransportFault::Reset,
                }));
                true
            }
            Mishap::End => {
                steps.push(Step::Happen(Event::End { call }));
                true
            }
            Mishap::Silence => true,
            Mishap::Stall(time) => {
                steps.push(Step::Wait(*time));
                false
            }
            Mishap::Event(raw) => {
                steps.push(Step::Happen(Event::Data {
                    call,
                    bytes: Bytes::from(raw.clone()),
                }));
                false
            }
        },
        _ => false,
    }
}

fn quiet(time: Millis, pings: Millis, call: CallId, steps: &mut Vec<Step>) {
    let mut left = time.0;
    while pings.0 > 0 && left > pings.0 {
        steps.push(Step::Wait(pings));
        steps.push(Step::Happen(Event::Data {
            call,
            bytes: Bytes::from_static(b": ping\n\n"),
        }));
        left -= pings.0;
    }
    steps.push(Step::Wait(Millis(left)));
}
