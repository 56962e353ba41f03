//! What an upstream gets: the caller's own bytes, with only those ranges replaced that must be.

use super::call::{Call, Limits};
use super::chat;
use super::error::WireError;
use super::json::{Edit, Splice, apply, object_splices, quote, scan_object};
use bytes::Bytes;

/// What must differ from the caller's body.
#[derive(Clone, Debug, Default)]
pub struct BodyChanges<'a> {
    /// The model's upstream name.
    pub model: &'a str,
    /// Force `stream` on or off; `None`: as the caller asked.
    pub stream: Option<bool>,
    /// Ask for the usage chunk; without effect on a body that does not stream.
    pub include_usage: bool,
    /// Router fields that belong to this upstream itself (OpenRouter knows `provider`, `models`, `plugins`, `session_id`).
    pub keep_fields: &'a [&'a str],
    /// Parameter spellings of this model and further changes, in order.
    pub edits: &'a [Edit],
    /// Messages to insert, in JSON, each before the caller's message of that index; an index past the end appends.
    pub messages: &'a [(usize, String)],
    /// Leave out what only the provider of earlier answers can read ([`super::provider_state`]).
    pub without_provider_state: bool,
}

impl Call {
    /// The body for an upstream. When nothing has to change it is the caller's own buffer, uncopied.
    pub fn upstream_body(&self, changes: &BodyChanges<'_>) -> Bytes {
        let mut splices = Vec::new();
        let mut edits: Vec<Edit> = Vec::with_capacity(4 + changes.edits.len());
        if !changes.model.is_empty() && changes.model != self.model {
            edits.push(Edit::Set("model".to_owned(), quote(changes.model)));
        }
        for name in &self.controls.router_fields {
            if !changes.keep_fields.contains(&name.as_str()) {
                edits.push(Edit::Remove(name.clone()));
            }
        }
        let streams = changes.stream.unwrap_or(self.stream);
        if streams != self.stream {
            edits.push(Edit::Set("stream".to_owned(), streams.to_string()));
        }
        self.stream_options(streams, changes.include_usage, &mut edits, &mut splices);
        edits.extend_from_slice(changes.edits);
        let open = self.body.iter().position(|b| *b == b'{').unwrap_or(0);
        object_splices(&self.body, open, &self.fields, &edits, &mut splices);
        self.insert_messages(changes.messages, &mut splices);
        if changes.without_provider_state {
            self.drop_provider_state(&mut splices);
        }
        apply(&self.body, splices)
    }

    /// The same request with one more message, in JSON, before the caller's message of that index; an index past the end appends.
    /// Who asks, and what the router itself was asked, stays.
    ///
    /// # Errors
    /// [`WireError`] when `message` is no message.
    pub fn with_message(&self, index: usize, message: String) -> Result<Self, WireError> {
        /// The caller's part has been measured already.
        const UNBOUNDED: Limits = Limits {
            max_body_bytes: u64::MAX,
            max_messages: usize::MAX,
            max_tools: usize::MAX,
        };
        let mut splices = Vec::new();
        self.insert_messages(&[(index, message)], &mut splices);
        Ok(Self {
            model: self.model.clone(),
            session: self.session.clone(),
            controls: self.controls.clone(),
            continues_tool_loop: self.continues_tool_loop,
            ..chat::parse(apply(&self.body, splices), &UNBOUNDED)?
        })
    }

    /// `stream_options` must be absent where nothing streams, and ask for usage where that is wanted.
    fn stream_options(&self, streams: bool, include_usage: bool, edits: &mut Vec<Edit>, splices: &mut Vec<Splice>) {
        if !streams {
            if self.stream {
                edits.push(Edit::Remove("stream_options".to_owned()));
            }
            return;
        }
        if !include_usage || self.include_usage {
            return;
        }
        let ask = Edit::Set("include_usage".to_owned(), "true".to_owned());
        let options = super::json::find(&self.fields, "stream_options");
        let nested = options.and_then(|field| Some((field.value.start, scan_object(&self.body, &field.value).ok()?)));
        match nested {
            Some((open, fields)) => object_splices(&self.body, open, &fields, &[ask], splices),
            None => edits.push(Edit::Set(
                "stream_options".to_owned(),
                "{\"include_usage\":true}".to_owned(),
            )),
        }
    }

    fn insert_messages(&self, messages: &[(usize, String)], splices: &mut Vec<Splice>) {
        let own = &self.conversation.messages;
        for (index, json) in messages {
            let splice = match (own.get(*index), own.last()) {
                (Some(before), _) => Splice {
                    range: before.range.start..before.range.start,
                    with: format!("{json},").into_bytes(),
                },
                (None, Some(last)) => Splice {
                    range: last.range.end..last.range.end,
                    with: format!(",{json}").into_bytes(),
                },
                (None, None) => continue,
            };
            splices.push(splice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, changes: &BodyChanges<'_>, expected: &str) {
        let call = chat::parse(Bytes::copy_from_slice(body.as_bytes()), &Limits::default()).expect(body);
        assert_eq!(call.upstream_body(changes), expected.as_bytes(), "{body}");
    }

    const PLAIN: &str = "{ \"model\" : \"a/b\", \"x\": 1e2,\"messages\":[ {\"role\":\"user\",\"content\":\"hi\"} ] }";

    #[test]
    fn only_the_model_changes() {
        let changes = BodyChanges {
            model: "b-2026",
            ..BodyChanges::default()
        };
        check(PLAIN, &changes, &PLAIN.replace("a/b", "b-2026"));
        check(
            PLAIN,
            &BodyChanges {
                model: "q\"\\",
                ..BodyChanges::default()
            },
            &PLAIN.replace("a/b", "q\\\"\\\\"),
        );
    }

    #[test]
    fn an_unchanged_body_is_not_copied() {
        let call = chat::parse(Bytes::copy_from_slice(PLAIN.as_bytes()), &Limits::default()).expect("valid");
        let same = call.upstream_body(&BodyChanges {
            model: "a/b",
            ..BodyChanges::default()
        });
        assert_eq!(same.as_ptr(), call.body.as_ptr());
    }

    #[test]
    fn router_fields_go_unless_the_upstream_knows_them() {
        let body = "{\"session_id\":\"s\",\"model\":\"m\",\"provider\":{\"zdr\":true},\"messages\":[{\"role\":\"user\"}],\
                    \"clawrouter\":{\"trace\":true},\"models\":null,\"prompt_cache_key\":\"k\"}";
        let bare = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"prompt_cache_key\":\"k\"}";
        check(
            body,
            &BodyChanges {
                model: "m",
                ..BodyChanges::default()
            },
            bare,
        );
        let kept = "{\"model\":\"m\",\"provider\":{\"zdr\":true},\"messages\":[{\"role\":\"user\"}],\"prompt_cache_key\":\"k\"}";
        check(
            body,
            &BodyChanges {
                model: "m",
                keep_fields: &["provider"],
                ..BodyChanges::default()
            },
            kept,
        );
    }

    #[test]
    fn streaming_and_usage_are_forced_where_wanted() {
        let usage = BodyChanges {
            include_usage: true,
            ..BodyChanges::default()
        };
        let stream = BodyChanges {
            stream: Some(true),
            include_usage: true,
            ..BodyChanges::default()
        };
        let plain = BodyChanges {
            stream: Some(false),
            include_usage: true,
            ..BodyChanges::default()
        };
        let body = |rest: &str| format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\"}}]{rest}}}");
        check(&body(""), &usage, &body(""));
        check(
            &body(""),
            &stream,
            &body(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"),
        );
        check(
            &body(",\"stream\":false"),
            &stream,
            &body(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"),
        );
        check(
            &body(",\"stream\":true"),
            &usage,
            &body(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"),
        );
        check(
            &body(",\"stream\":true,\"stream_options\":null"),
            &usage,
            &body(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"),
        );
        check(
            &body(",\"stream\":true,\"stream_options\":{ \"include_usage\" : false, \"y\":2}"),
            &usage,
            &body(",\"stream\":true,\"stream_options\":{ \"include_usage\" : true, \"y\":2}"),
        );
        check(
            &body(",\"stream\":true,\"stream_options\":{\"y\":2}"),
            &usage,
            &body(",\"stream\":true,\"stream_options\":{\"y\":2,\"include_usage\":true}"),
        );
        let asked = body(",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
        check(&asked, &usage, &asked);
        check(&asked, &plain, &body(",\"stream\":false"));
    }

    #[test]
    fn parameters_are_spelled_as_the_model_wants_them() {
        let edits = [
            Edit::Rename("max_tokens".to_owned(), "max_completion_tokens".to_owned()),
            Edit::Remove("temperature".to_owned()),
        ];
        let changes = BodyChanges {
            edits: &edits,
            ..BodyChanges::default()
        };
        check(
            "{\"model\":\"m\",\"max_tokens\":5,\"temperature\":0,\"messages\":[{\"role\":\"user\"}]}",
            &changes,
            "{\"model\":\"m\",\"max_completion_tokens\":5,\"messages\":[{\"role\":\"user\"}]}",
        );
    }

    #[test]
    fn messages_are_inserted_in_place() {
        let body = "{\"model\":\"m\",\"messages\":[ {\"role\":\"system\"} , {\"role\":\"user\"}\n]}";
        let at = |index| {
            let messages = vec![(index, "{\"role\":\"system\",\"content\":\"x\"}".to_owned())];
            let call = chat::parse(Bytes::copy_from_slice(body.as_bytes()), &Limits::default()).expect(body);
            let changes = BodyChanges {
                messages: &messages,
                ..BodyChanges::default()
            };
            String::from_utf8(call.upstream_body(&changes).to_vec()).expect("text")
        };
        let new = "{\"role\":\"system\",\"content\":\"x\"}";
        assert_eq!(at(0), body.replace("[ {", &format!("[ {new},{{")));
        assert_eq!(
            at(1),
            body.replace(", {\"role\":\"user\"}", &format!(", {new},{{\"role\":\"user\"}}"))
        );
        assert_eq!(at(9), body.replace("\n]", &format!(",{new}\n]")));
    }

    #[test]
    fn a_further_message_leaves_everything_else_as_it_was() {
        let body = "{\"model\":\"m\",\"clawrouter\":{\"trace\":true},\"messages\":[ {\"role\":\"user\",\"content\":\"hi\"}],\"x\":1e2}";
        let call = chat::parse(Bytes::copy_from_slice(body.as_bytes()), &Limits::default()).expect(body);
        let message = "{\"role\":\"system\",\"content\":\"abc\"}";
        let more = call.with_message(0, message.to_owned()).expect("a message");
        assert_eq!(more.body, body.replace("[ ", &format!("[ {message},")).as_bytes());
        assert_eq!((more.conversation.messages.len(), more.size.messages), (2, 2));
        assert!(more.size.ascii_bytes > call.size.ascii_bytes);
        assert_eq!((&more.controls, &more.session), (&call.controls, &call.session));
        assert!(call.with_message(0, "7".to_owned()).is_err());
    }
}
