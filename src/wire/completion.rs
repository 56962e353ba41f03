//! Whole answers: what a completion or embeddings body says, read in one pass; the body itself is passed on as it is.

use super::event::{EmbeddedError, FinishReason, Usage};
use super::json::{self, Cursor, JsonError, Kind, Text};
use super::{upstream_error, usage};
use std::ops::Range;

/// What a chat completion body says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// Token counts.
    pub usage: Option<Usage>,
    /// Number of choices; an answer without any is no answer.
    pub choices: u32,
    /// Why each choice ended, as far as it says so.
    pub finish: Vec<FinishReason>,
    /// A failure inside the 200.
    pub error: Option<EmbeddedError>,
    /// A choice says anything: text, refusal, reasoning, tool call, audio.
    pub content: bool,
    /// A choice calls a tool.
    pub tool_calls: bool,
    /// Where the text of the first choice lies.
    text: Text,
}

/// What an embeddings body says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    /// Token counts.
    pub usage: Option<Usage>,
    /// Number of vectors.
    pub vectors: u32,
    /// A failure inside the 200.
    pub error: Option<EmbeddedError>,
}

impl Completion {
    /// Reads a body.
    ///
    /// # Errors
    /// [`JsonError`] when it is no JSON object.
    pub fn read(body: &[u8]) -> Result<Self, JsonError> {
        let mut read = Self::default();
        let mut cursor = Cursor::new(body);
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), kind) {
                ("choices", Kind::Array) => {
                    cursor.array()?;
                    while cursor.item()? {
                        read.choice(body, &mut cursor)?;
                    }
                }
                ("usage", Kind::Object) => read.usage = usage::read(body, &cursor.skip()?),
                _ => {
                    cursor.skip()?;
                }
            }
        }
        cursor.end()?;
        if read.error.is_none() {
            read.error = upstream_error::read(body);
        }
        Ok(read)
    }

    /// The text of the first choice, of the same `body`.
    pub fn text<'b>(&self, body: &'b [u8]) -> std::borrow::Cow<'b, str> {
        json::decode(body, &self.text)
    }

    fn choice(&mut self, body: &[u8], cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        self.choices = self.choices.saturating_add(1);
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), kind) {
                ("message", Kind::Object) => self.message(cursor)?,
                ("text", Kind::String) => {
                    let text = cursor.string()?;
                    self.say(text);
                }
                ("finish_reason", Kind::String) => {
                    let word = cursor.string()?;
                    self.finish.extend(FinishReason::parse(&cursor.decode(&word)));
                }
                ("error", Kind::Object | Kind::String) => {
                    let value = cursor.skip()?;
                    self.error = Some(upstream_error::object(body, &value));
                }
                _ => {
                    cursor.skip()?;
                }
            }
        }
        Ok(())
    }

    fn message(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), kind) {
                ("content", Kind::String) => {
                    let text = cursor.string()?;
                    self.say(text);
                }
                ("role" | "name", _) | (_, Kind::Null) => {
                    cursor.skip()?;
                }
                ("tool_calls", Kind::Array) | ("function_call", Kind::Object) => {
                    let called = !is_empty(&cursor.skip()?);
                    self.tool_calls |= called;
                    self.content |= called;
                }
                _ => self.content |= !is_empty(&cursor.skip()?),
            }
        }
        Ok(())
    }

    fn say(&mut self, text: Text) {
        self.content |= !text.range.is_empty();
        if self.choices == 1 {
            self.text = text;
        }
    }
}

/// `""`, `[]` and `{}` say nothing.
fn is_empty(value: &Range<usize>) -> bool {
    value.len() <= 2
}

impl Embeddings {
    /// Reads a body.
    ///
    /// # Errors
    /// [`JsonError`] when it is no JSON object.
    pub fn read(body: &[u8]) -> Result<Self, JsonError> {
        let mut read = Self::default();
        let mut cursor = Cursor::new(body);
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let kind = cursor.kind()?;
            match (cursor.decode(&key).as_ref(), kind) {
                ("data", Kind::Array) => {
                    cursor.array()?;
                    while cursor.item()? {
                        cursor.skip()?;
                        read.vectors = read.vectors.saturating_add(1);
                    }
                }
                ("usage", Kind::Object) => read.usage = usage::read(body, &cursor.skip()?),
                _ => {
                    cursor.skip()?;
                }
            }
        }
        cursor.end()?;
        read.error = upstream_error::read(body);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: &str = "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\
        \"content\":\"h\\u00e9\",\"refusal\":null},\"finish_reason\":\"stop\"},{\"index\":1,\"message\":{\"content\":\"two\"},\
        \"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}";

    #[test]
    fn answers_are_read() {
        let read = Completion::read(USUAL.as_bytes()).expect("JSON");
        assert_eq!((read.choices, read.text(USUAL.as_bytes()).as_ref()), (2, "hé"));
        assert_eq!(read.finish, [FinishReason::Stop, FinishReason::Length]);
        assert_eq!(
            read.usage.map(|usage| (usage.input_tokens, usage.output_tokens)),
            Some((3, 2))
        );
        assert_eq!((read.content, read.tool_calls, read.error), (true, false, None));
    }

    #[test]
    fn contents_are_told_apart() {
        fn check(message: &str, content: bool, tool_calls: bool) {
            let body = format!("{{\"choices\":[{{\"message\":{message}}}]}}");
            let read = Completion::read(body.as_bytes()).expect(message);
            assert_eq!((read.content, read.tool_calls), (content, tool_calls), "{message}");
        }
        check("{}", false, false);
        check(
            "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[]}",
            false,
            false,
        );
        check("{\"content\":null,\"refusal\":\"no\"}", true, false);
        check("{\"content\":null,\"reasoning_content\":\"r\"}", true, false);
        check("{\"content\":null,\"tool_calls\":[{\"id\":\"c\"}]}", true, true);
        check("{\"content\":null,\"function_call\":{\"name\":\"f\"}}", true, true);
        check("{\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}", true, false);
    }

    #[test]
    fn failures_in_a_200_are_seen() {
        fn check(body: &str, message: Option<&str>, choices: u32) {
            let read = Completion::read(body.as_bytes()).expect(body);
            assert_eq!(
                (read.error.as_ref().map(|e| e.message.as_str()), read.choices),
                (message, choices),
                "{body}"
            );
        }
        check("{\"error\":{\"message\":\"m\",\"code\":500}}", Some("m"), 0);
        check(
            "{\"choices\":[{\"message\":{\"content\":\"x\"},\"error\":{\"message\":\"m\"}}]}",
            Some("m"),
            1,
        );
        check("{\"choices\":[],\"error\":null}", None, 0);
        check("{}", None, 0);
        for wrong in ["", "<html>", "[]", "{\"choices\":[", "{} {}"] {
            assert!(Completion::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn vectors_are_counted() {
        let body = b"{\"data\":[{\"embedding\":[0.1]},{\"embedding\":\"AAA=\"}],\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5}}";
        let read = Embeddings::read(body).expect("JSON");
        assert_eq!(
            (read.vectors, read.usage.map(|usage| usage.input_tokens), read.error),
            (2, Some(5), None)
        );
    }

    proptest! {
        #[test]
        fn damaged_bodies_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut body = USUAL.as_bytes().to_vec();
            let at = at.index(body.len());
            if cut { body.truncate(at) } else { body[at] = byte }
            if let Ok(read) = Completion::read(&body) {
                prop_assert!(read.text(&body).len() <= body.len());
            }
            let _ = Embeddings::read(&body);
        }
    }
}
