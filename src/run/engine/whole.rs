//! Reads what an upstream answers: its headers decide how the body is read; a whole body is validated before it is anyone's answer.

use super::Run;
use super::deliver::Form;
use super::leg::{FAILURE_BYTES, FAILURE_TIME, Leg, LegState, WHOLE_BYTES};
use super::stream::StreamReader;
use crate::route::health::Health;
use crate::run::classify::{Symptom, header};
use crate::run::machine::{Action, CallId};
use crate::run::quota;
use crate::wire::completion::{Completion, Embeddings};
use crate::wire::event::{EmbeddedError, FinishReason};
use crate::wire::{CallKind, Millis, Usage, chat_encode};
use bytes::Bytes;
use serde_json::{Value, json};

/// What a whole answer said.
struct Validated {
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    text: String,
    /// No choice says anything.
    silent: bool,
}

impl Run {
    /// Response headers have arrived.
    pub(super) fn headers(
        &mut self,
        call: CallId,
        status: u16,
        headers: Vec<(String, String)>,
        now: Millis,
        health: &mut Health,
    ) {
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.call == call) else {
            return;
        };
        let LegState::Headers { stream } = leg.state else {
            return;
        };
        leg.last_byte = now;
        if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
            attempt.status = Some(status);
            attempt.headers_at = Some(now);
        }
        if let (Some(id), Some(left)) = (&leg.dispatch.credential, quota::remaining(&headers)) {
            health.record_remaining(id, left, now);
        }
        if !(200..300).contains(&status) {
            leg.state = LegState::Failure {
                status,
                headers,
                body: Vec::new(),
                until: now.plus(FAILURE_TIME),
            };
            return;
        }
        let content_type = header(&headers, "content-type").map(str::to_owned);
        let events = match content_type.as_deref() {
            Some(kind) => kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"),
            None => stream,
        };
        leg.state = if events {
            LegState::Stream(Box::default())
        } else {
            LegState::Whole {
                content_type,
                body: Vec::new(),
            }
        };
    }

    /// Body bytes have arrived.
    pub(super) fn data(&mut self, call: CallId, bytes: Bytes, now: Millis, health: &mut Health) {
        let Some(mut leg) = self.take_leg(call) else { return };
        match &mut leg.state {
            LegState::Stream(_) => return self.stream_data(leg, bytes, now, health),
            LegState::Failure { body, .. } => {
                let room = FAILURE_BYTES.saturating_sub(body.len());
                body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
                if body.len() >= FAILURE_BYTES {
                    self.outbox.push_back(Action::Cancel(call));
                    return self.failure_read(leg, now, health);
                }
            }
            LegState::Whole { body, .. } => {
                leg.last_byte = now;
                if body.len() + bytes.len() > WHOLE_BYTES {
                    self.outbox.push_back(Action::Cancel(call));
                    return self.failed(leg, &Symptom::NoAnswer { body: b"" }, now, health);
                }
                body.extend_from_slice(&bytes);
            }
            LegState::Headers { .. } | LegState::Draining { .. } => {}
        }
        self.legs.push(leg);
    }

    /// The body is over.
    pub(super) fn body_ended(&mut self, call: CallId, now: Millis, health: &mut Health) {
        let Some(leg) = self.take_leg(call) else { return };
        match leg.state {
            LegState::Stream(_) => self.stream_ended(leg, None, now, health),
            LegState::Failure { .. } => self.failure_read(leg, now, health),
            LegState::Whole { .. } => self.whole_ended(leg, now, health),
            LegState::Headers { .. } => {
                self.failed(
                    leg,
                    &Symptom::Transport(crate::run::machine::TransportFault::Reset),
                    now,
                    health,
                );
            }
            LegState::Draining { .. } => self.drained(now),
        }
    }

    fn whole_ended(&mut self, mut leg: Leg, now: Millis, health: &mut Health) {
        let LegState::Whole { content_type, body } = &mut leg.state else {
            return;
        };
        let body = without_mark(Bytes::from(std::mem::take(body)));
        let content_type = content_type.take();
        let Some(said) = validate(self.input.call.kind, &body).filter(|_| leg.continues.is_none()) else {
            return self.failed(leg, &Symptom::NoAnswer { body: &body }, now, health);
        };
        // A filter that left nothing of the answer is a refusal, when the route wants to know.
        if said.silent && said.finish == Some(FinishReason::ContentFilter) && self.content_policy_falls_back() {
            let error = EmbeddedError {
                code: "content_filter".to_owned(),
                ..EmbeddedError::default()
            };
            return self.failed(leg, &Symptom::Embedded(&error), now, health);
        }
        if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
            attempt.usage = said.usage;
            attempt.emitted_bytes = u64::try_from(said.text.len()).unwrap_or(u64::MAX);
        }
        match self.delivery.form {
            Form::Whole => {
                let kind = content_type.as_deref().unwrap_or("application/json");
                self.commit(&leg, kind, false, now, health);
                self.outbox.push_back(Action::Emit(body));
            }
            Form::Stream => {
                let Some(events) = as_events(&body, self.input.call.include_usage) else {
                    return self.failed(leg, &Symptom::NoAnswer { body: &body }, now, health);
                };
                self.commit(&leg, "text/event-stream; charset=utf-8", true, now, health);
                self.outbox.push_back(Action::Emit(events));
            }
            Form::Text { .. } => {
                self.delivery.keep(&said.text);
                self.commit(&leg, "", false, now, health);
            }
        }
        leg.state = LegState::Stream(Box::new(StreamReader::after_whole(said.usage, said.finish)));
        self.answered(leg, false, false, now, health);
    }
}

/// The body without a byte order mark, which JSON does not have and some servers send.
fn without_mark(body: Bytes) -> Bytes {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    if body.starts_with(MARK) {
        body.slice(MARK.len()..)
    } else {
        body
    }
}

/// What an answer says, when it is one: choices for chat, vectors for embeddings, and no failure beside them.
fn validate(kind: CallKind, body: &Bytes) -> Option<Validated> {
    match kind {
        CallKind::Chat => {
            let read = Completion::read(body).ok()?;
            // A choice that neither says anything nor tells why it ended is no choice.
            let empty = read.choices == 0 || (!read.content && read.finish.is_empty());
            let failed = read.error.is_some() || read.finish.contains(&FinishReason::Error) || empty;
            (!failed).then(|| Validated {
                usage: read.usage,
                text: read.text(body).into_owned(),
                finish: read.finish.first().cloned(),
                silent: !read.content,
            })
        }
        CallKind::Embeddings => {
            let read = Embeddings::read(body).ok()?;
            (read.error.is_none() && read.vectors > 0).then(|| Validated {
                usage: read.usage,
                text: String::new(),
                finish: None,
                silent: false,
            })
        }
    }
}

/// A whole answer as the events of a stream, for an upstream that answered so although a stream was asked for.
fn as_events(body: &Bytes, include_usage: bool) -> Option<Bytes> {
    let Value::Object(mut body) = serde_json::from_slice(body).ok()? else {
        return None;
    };
    let usage = body.remove("usage").filter(|usage| include_usage && !usage.is_null());
    body.insert("object".to_owned(), json!("chat.completion.chunk"));
    for choice in body.get_mut("choices")?.as_array_mut()? {
        let choice = choice.as_object_mut()?;
        let mut delta = choice.remove("message").unwrap_or_else(|| json!({}));
        let calls = delta.get_mut("tool_calls").and_then(Value::as_array_mut);
        for (index, call) in calls.into_iter().flatten().enumerate() {
            if let Some(call) = call.as_object_mut() {
                call.entry("index").or_insert_with(|| json!(index));
            }
        }
        choice.insert("delta".to_owned(), delta);
    }
    let chunk = Value::Object(body);
    let mut events = chat_encode::event(chunk.to_string().as_bytes()).to_vec();
    if let (Some(usage), Value::Object(mut body)) = (usage, chunk) {
        body.insert("choices".to_owned(), json!([]));
        body.insert("usage".to_owned(), usage);
        events.extend_from_slice(&chat_encode::event(Value::Object(body).to_string().as_bytes()));
    }
    events.extend_from_slice(chat_encode::DONE);
    Some(Bytes::from(events))
}
