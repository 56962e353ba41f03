//! A chat completion stream: each server-sent event becomes neutral [`StreamEvent`]s. No tree is built; only text that is said is copied.

use super::call::Field;
use super::event::{FinishReason, StreamEvent};
use super::json::{Cursor, JsonError, Kind};
use super::sse::SseEvent;
use super::{json, upstream_error, usage};
use bytes::Bytes;
use std::ops::Range;

/// What one event of the stream says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatChunk {
    /// What was said, in order. Never empty.
    pub events: Vec<StreamEvent>,
    /// It carries token counts and no choices: a caller that did not ask for usage must not see it.
    pub usage_only: bool,
}

/// An event whose data is not a JSON object: to be dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is not JSON")]
pub struct MalformedChunk;

/// What all chunks of one stream share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkIdentity {
    /// `id`
    pub id: String,
    /// `model`
    pub model: String,
    /// `created`, seconds since the epoch.
    pub created: u64,
}

/// Decodes one server-sent event.
///
/// # Errors
/// [`MalformedChunk`] when its data is no JSON object.
pub fn decode(event: &SseEvent) -> Result<ChatChunk, MalformedChunk> {
    let Some(data) = &event.data else {
        return Ok(ChatChunk {
            events: vec![StreamEvent::Ping],
            usage_only: false,
        });
    };
    if data.trim_ascii() == b"[DONE]" {
        return Ok(ChatChunk {
            events: vec![StreamEvent::Done],
            usage_only: false,
        });
    }
    if event.name.as_deref() == Some("error") {
        let error = upstream_error::read(data).unwrap_or_else(|| upstream_error::object(data, &(0..data.len())));
        return Ok(ChatChunk {
            events: vec![StreamEvent::Error(error)],
            usage_only: false,
        });
    }
    let mut reader = Reader {
        bytes: data,
        events: Vec::with_capacity(2),
    };
    let seen = reader.chunk().map_err(|_| MalformedChunk)?;
    let mut events = reader.events;
    if !seen.choices
        && let Some(error) = upstream_error::read(data)
        && !events.iter().any(|event| matches!(event, StreamEvent::Error(_)))
    {
        events.push(StreamEvent::Error(error));
    }
    let counts = events
        .iter()
        .filter(|event| matches!(event, StreamEvent::Usage(_)))
        .count();
    let usage_only = !seen.choices && counts > 0 && counts == events.len();
    if events.is_empty() {
        events.push(StreamEvent::Begin);
    }
    Ok(ChatChunk { events, usage_only })
}

/// The identity that a chunk carries; absent members stay empty.
pub fn identity(data: &[u8]) -> Option<ChunkIdentity> {
    let fields = json::scan(data).ok()?;
    let text = |name: &str| {
        let field = json::find(&fields, name)?;
        let mut cursor = Cursor::at(data, field.value.start);
        let text = cursor.string().ok()?;
        Some(cursor.decode(&text).into_owned())
    };
    Some(ChunkIdentity {
        id: text("id").unwrap_or_default(),
        model: text("model").unwrap_or_default(),
        created: json::find(&fields, "created")
            .and_then(|field| json::number_u64(data, &field.value))
            .unwrap_or_default(),
    })
}

/// A chunk of another stream under this stream's identity, as a whole event: a continued answer stays one answer.
pub fn with_identity(data: &Bytes, identity: &ChunkIdentity) -> Option<Bytes> {
    let fields: Vec<Field> = json::scan(data).ok()?;
    let edits = [
        json::Edit::Set("id".to_owned(), json::quote(&identity.id)),
        json::Edit::Set("model".to_owned(), json::quote(&identity.model)),
        json::Edit::Set("created".to_owned(), identity.created.to_string()),
    ];
    Some(super::chat_encode::event(&json::rewrite(data, &fields, &edits)))
}

/// Events and the `[DONE]` that ends them, apart; `None` when they do not end so.
pub fn split_done(events: &Bytes) -> Option<(Bytes, Bytes)> {
    let said = events.trim_ascii_end().strip_suffix(b"[DONE]")?.trim_ascii_end();
    let before = said.strip_suffix(b"data:")?;
    let alone = before.is_empty()
        || [b"\n\n".as_slice(), b"\r\n\r\n", b"\r\r"]
            .iter()
            .any(|end| before.ends_with(end));
    alone.then(|| (events.slice(..before.len()), events.slice(before.len()..)))
}

/// What a chunk had at its top level.
struct Seen {
    /// At least one choice.
    choices: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    events: Vec<StreamEvent>,
}

impl Reader<'_> {
    fn chunk(&mut self) -> Result<Seen, JsonError> {
        let mut cursor = Cursor::new(self.bytes);
        let mut seen = Seen { choices: false };
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), kind) {
                ("choices", Kind::Array) => {
                    cursor.array()?;
                    while cursor.item()? {
                        self.choice(&mut cursor)?;
                        seen.choices = true;
                    }
                }
                ("usage", Kind::Object) => {
                    let value = cursor.skip()?;
                    self.usage(&value);
                }
                ("x_groq", Kind::Object) => {
                    let value = cursor.skip()?;
                    let inner = json::scan_object(self.bytes, &value)?;
                    if let Some(usage) = json::find(&inner, "usage") {
                        self.usage(&usage.value.clone());
                    }
                }
                ("error", kind) if !matches!(kind, Kind::Null | Kind::Bool) => {
                    let value = cursor.skip()?;
                    self.events
                        .push(StreamEvent::Error(upstream_error::object(self.bytes, &value)));
                }
                _ => {
                    cursor.skip()?;
                }
            }
        }
        cursor.end()?;
        Ok(seen)
    }

    fn usage(&mut self, value: &Range<usize>) {
        if let Some(usage) = usage::read(self.bytes, value) {
            self.events.push(StreamEvent::Usage(usage));
        }
    }

    fn choice(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        // `index` may come after `delta`, so the delta is passed over first and read when the index is known.
        let (mut choice, mut delta, mut finish, mut error, mut text) = (0, None, None, None, None);
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), kind) {
                ("index", Kind::Number) => choice = number(self.bytes, &cursor.skip()?),
                ("delta" | "message", Kind::Object) => delta = Some(cursor.skip()?),
                ("text", Kind::String) => text = Some(cursor.string()?),
                ("finish_reason", Kind::String) => {
                    let word = cursor.string()?;
                    finish = FinishReason::parse(&cursor.decode(&word));
                }
                ("error", Kind::Object | Kind::String) => error = Some(cursor.skip()?),
                _ => {
                    cursor.skip()?;
                }
            }
        }
        if let Some(delta) = delta {
            self.delta(&delta, choice)?;
        }
        if let Some(text) = text.filter(|text| !text.range.is_empty()) {
            self.events.push(StreamEvent::Text {
                choice,
                text: cursor.decode(&text).into_owned(),
            });
        }
        if let Some(error) = error {
            self.events
                .push(StreamEvent::Error(upstream_error::object(self.bytes, &error)));
        }
        if let Some(reason) = finish {
            self.events.push(StreamEvent::Finish { choice, reason });
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Range<usize>, choice: u32) -> Result<(), JsonError> {
        let before = self.events.len();
        let (mut role, mut reasoned, mut other) = (false, false, false);
        let mut cursor = Cursor::at(self.bytes, delta.start);
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            let name = cursor.decode(&key);
            match (name.as_ref(), kind) {
                ("role", Kind::String) => {
                    cursor.skip()?;
                    role = true;
                }
                ("content" | "refusal" | "reasoning" | "reasoning_content" | "thinking", Kind::String) => {
                    let text = cursor.string()?;
                    let reasons = !matches!(name.as_ref(), "content" | "refusal");
                    // The same reasoning under two names is said once.
                    let repeated = reasons && std::mem::replace(&mut reasoned, true);
                    if !text.range.is_empty() && !repeated {
                        let text = cursor.decode(&text).into_owned();
                        self.events.push(match name.as_ref() {
                            "content" => StreamEvent::Text { choice, text },
                            "refusal" => StreamEvent::Refusal { choice, text },
                            _ => StreamEvent::Reasoning { choice, text },
                        });
                    }
                }
                ("content", Kind::Array) => self.content_parts(&mut cursor, choice)?,
                ("tool_calls", Kind::Array) => {
                    cursor.array()?;
                    let mut position = 0;
                    while cursor.item()? {
                        self.tool_call(&mut cursor, choice, position)?;
                        position += 1;
                    }
                }
                ("function_call", Kind::Object) => {
                    let (name, arguments) = function(&mut cursor)?;
                    self.events.push(StreamEvent::Tool {
                        choice,
                        index: 0,
                        id: None,
                        name,
                        arguments,
                    });
                }
                (_, Kind::Null) | ("name" | "token_ids" | "provider_specific_fields" | "obfuscation", _) => {
                    cursor.skip()?;
                }
                _ => {
                    let value = cursor.skip()?;
                    // `""`, `[]`, `{}`, `false` and zero say nothing.
                    other |= value.len() > 2 && self.bytes.get(value) != Some(b"false");
                }
            }
        }
        let silent = self.events.len() == before;
        if other && (silent || !reasoned) {
            self.events.push(StreamEvent::Other);
        } else if role && silent {
            self.events.push(StreamEvent::Begin);
        }
        Ok(())
    }

    /// `content` as a list of parts: text is text, everything else is content that has no name here.
    fn content_parts(&mut self, cursor: &mut Cursor<'_>, choice: u32) -> Result<(), JsonError> {
        cursor.array()?;
        while cursor.item()? {
            if cursor.kind()? != Kind::Object {
                cursor.skip()?;
                continue;
            }
            let mut said = None;
            cursor.object()?;
            while let Some(key) = cursor.key()? {
                if cursor.kind()? == Kind::String && cursor.decode(&key) == "text" {
                    let text = cursor.string()?;
                    said = Some(cursor.decode(&text).into_owned());
                } else {
                    cursor.skip()?;
                }
            }
            self.events
                .push(said.map_or(StreamEvent::Other, |text| StreamEvent::Text { choice, text }));
        }
        Ok(())
    }

    fn tool_call(&mut self, cursor: &mut Cursor<'_>, choice: u32, position: u32) -> Result<(), JsonError> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        let (mut index, mut id, mut name, mut arguments) = (position, None, None, String::new());
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), kind) {
                ("index", Kind::Number) => index = number(self.bytes, &cursor.skip()?),
                ("id", Kind::String) => {
                    let text = cursor.string()?;
                    id = Some(cursor.decode(&text).into_owned()).filter(|id| !id.is_empty());
                }
                ("function" | "custom", Kind::Object) => (name, arguments) = function(cursor)?,
                _ => {
                    cursor.skip()?;
                }
            }
        }
        self.events.push(StreamEvent::Tool {
            choice,
            index,
            id,
            name,
            arguments,
        });
        Ok(())
    }
}

/// `{"name", "arguments"}`; empty names count as absent.
fn function(cursor: &mut Cursor<'_>) -> Result<(Option<String>, String), JsonError> {
    let (mut name, mut arguments) = (None, String::new());
    cursor.object()?;
    while let Some(key) = cursor.key()? {
        let kind = cursor.kind()?;
        match (cursor.decode(&key).as_ref(), kind) {
            ("name", Kind::String) => {
                let text = cursor.string()?;
                name = Some(cursor.decode(&text).into_owned()).filter(|name| !name.is_empty());
            }
            ("arguments" | "input", Kind::String) => {
                let text = cursor.string()?;
                arguments = cursor.decode(&text).into_owned();
            }
            _ => {
                cursor.skip()?;
            }
        }
    }
    Ok((name, arguments))
}

fn number(bytes: &[u8], value: &Range<usize>) -> u32 {
    json::number_u64(bytes, value)
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_default()
}

impl FinishReason {
    /// The word of a chat completion; an empty one is none.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "" => return None,
            "stop" | "eos" | "end_turn" => Self::Stop,
            "length" | "max_tokens" => Self::Length,
            "tool_calls" | "function_call" | "tool_use" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "error" => Self::Error,
            other => Self::Other(other.to_owned()),
        })
    }

    /// The word that a chat completion uses.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Error => "error",
            Self::Other(word) => word,
        }
    }
}

#[cfg(test)]
mod tests;
