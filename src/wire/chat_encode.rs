//! Writes events of a chat completion stream: what the router itself has to say.

use super::chat_stream::ChunkIdentity;
use super::event::{FinishReason, Usage};
use super::json::{quote, write_quoted};
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

/// The event that ends a stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Characters of an error body that are quoted when it is no JSON error.
const QUOTED: usize = 300;

/// The comment that keeps a connection alive.
pub const PING: &[u8] = b": ping\n\n";

/// `data: <json>` as a whole event. The JSON must be on one line.
pub fn event(json: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(json.len() + 8);
    out.put_slice(b"data: ");
    out.put_slice(json);
    out.put_slice(b"\n\n");
    out.freeze()
}

/// The first chunk of a choice: its role.
pub fn role(identity: &ChunkIdentity, choice: u32) -> Bytes {
    chunk(identity, choice, "{\"role\":\"assistant\",\"content\":\"\"}", None, "")
}

/// A piece of text.
pub fn text(identity: &ChunkIdentity, choice: u32, text: &str) -> Bytes {
    let mut delta = String::with_capacity(text.len() + 16);
    delta.push_str("{\"content\":");
    write_quoted(&mut delta, text);
    delta.push('}');
    chunk(identity, choice, &delta, None, "")
}

/// The last chunk of a choice.
pub fn finish(identity: &ChunkIdentity, choice: u32, reason: &FinishReason) -> Bytes {
    chunk(identity, choice, "{}", Some(reason.as_str()), "")
}

/// The failure of a stream that has begun: a chunk that SDKs raise as an error. No `[DONE]` follows. `error` is the JSON of the error
/// object, on one line.
pub fn error(identity: &ChunkIdentity, error: &str) -> Bytes {
    chunk(
        identity,
        0,
        "{}",
        Some(FinishReason::Error.as_str()),
        &format!(",\"error\":{error}"),
    )
}

/// The failure of a stream that has begun, from the error body that a caller would have got instead. Text that is no JSON error is
/// quoted, at most [`QUOTED`] characters of it.
pub fn error_of_body(identity: &ChunkIdentity, body: &[u8]) -> Bytes {
    let told = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|mut body| Some(body.get_mut("error")?.take()))
        .filter(Value::is_object);
    let object = told.unwrap_or_else(|| {
        let message: String = String::from_utf8_lossy(body).chars().take(QUOTED).collect();
        json!({"message": message, "type": "api_error", "param": null, "code": "upstream_error"})
    });
    error(identity, &object.to_string())
}

/// A chunk that says nothing and carries the router's own object: valid for strict SDKs, also for those that look at the first choice
/// without asking. `object` is JSON on one line.
pub fn clawrouter(identity: &ChunkIdentity, object: &str) -> Bytes {
    chunk(identity, 0, "{}", None, &format!(",\"clawrouter\":{object}"))
}

/// A whole answer that the router gives itself.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// What is said.
    pub text: &'a str,
    /// Why it ended.
    pub finish: &'a FinishReason,
    /// Token counts; `None`: none are told.
    pub usage: Option<&'a Usage>,
    /// The router's own object, JSON on one line.
    pub clawrouter: &'a str,
}

impl Answer<'_> {
    /// As events, `[DONE]` included.
    pub fn events(&self, identity: &ChunkIdentity) -> Bytes {
        let own = format!(",\"clawrouter\":{}", self.clawrouter);
        let mut out = BytesMut::new();
        out.put(role(identity, 0));
        out.put(text(identity, 0, self.text));
        out.put(chunk(identity, 0, "{}", Some(self.finish.as_str()), &own));
        if let Some(counts) = self.usage {
            out.put(usage(identity, counts));
        }
        out.put_slice(DONE);
        out.freeze()
    }

    /// As one body.
    pub fn body(&self, identity: &ChunkIdentity) -> Bytes {
        let usage = self
            .usage
            .map_or(String::new(), |usage| format!(",\"usage\":{}", usage_json(usage)));
        Bytes::from(format!(
            "{{\"id\":{},\"object\":\"chat.completion\",\"created\":{},\"model\":{},\"choices\":[{{\"index\":0,\"message\":\
             {{\"role\":\"assistant\",\"content\":{},\"refusal\":null}},\"logprobs\":null,\"finish_reason\":{}}}]{usage},\"clawrouter\":{}}}",
            quote(&identity.id),
            identity.created,
            quote(&identity.model),
            quote(self.text),
            quote(self.finish.as_str()),
            self.clawrouter,
        ))
    }
}

/// The usage chunk that `stream_options.include_usage` asks for.
pub fn usage(identity: &ChunkIdentity, usage: &Usage) -> Bytes {
    event(format!("{},\"choices\":[],\"usage\":{}}}", head(identity), usage_json(usage)).as_bytes())
}

/// Token counts as a chat completion spells them.
pub fn usage_json(usage: &Usage) -> String {
    format!(
        "{{\"prompt_tokens\":{},\"completion_tokens\":{},\"total_tokens\":{},\"prompt_tokens_details\":{{\"cached_tokens\":{}}},\
         \"completion_tokens_details\":{{\"reasoning_tokens\":{}}}}}",
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens.saturating_add(usage.output_tokens),
        usage.cached_tokens,
        usage.reasoning_tokens,
    )
}

fn chunk(identity: &ChunkIdentity, choice: u32, delta: &str, finish: Option<&str>, rest: &str) -> Bytes {
    let finish = finish.map_or("null".to_owned(), quote);
    let head = head(identity);
    let json =
        format!("{head},\"choices\":[{{\"index\":{choice},\"delta\":{delta},\"finish_reason\":{finish}}}]{rest}}}");
    event(json.as_bytes())
}

fn head(identity: &ChunkIdentity) -> String {
    format!(
        "{{\"id\":{},\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":{}",
        quote(&identity.id),
        identity.created,
        quote(&identity.model)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::chat_stream::{self, decode};
    use crate::wire::event::StreamEvent;
    use crate::wire::sse::Decoder;
    use proptest::prelude::*;

    fn read_back(bytes: Bytes) -> (ChunkIdentity, Vec<StreamEvent>) {
        let mut decoder = Decoder::default();
        decoder.feed(bytes);
        let event = decoder.next().expect("small").expect("a whole event");
        assert!(decoder.finish().is_none(), "one event, nothing more");
        let identity = chat_stream::identity(event.data.as_deref().unwrap_or_default()).unwrap_or_default();
        (identity, decode(&event).expect("JSON").events)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(id in any::<String>(), model in any::<String>(), created in 0..1_u64 << 53, said in ".+", choice in 0..9_u32) {
            let identity = ChunkIdentity { id, model, created };
            let expected = vec![StreamEvent::Text { choice, text: said.clone() }];
            prop_assert_eq!(read_back(text(&identity, choice, &said)), (identity.clone(), expected));
            prop_assert_eq!(read_back(role(&identity, choice)).1, vec![StreamEvent::Begin]);
            let reason = FinishReason::Length;
            let expected = vec![StreamEvent::Finish { choice, reason: reason.clone() }];
            prop_assert_eq!(read_back(finish(&identity, choice, &reason)).1, expected);
        }
    }

    #[test]
    fn a_whole_answer_is_read_back_in_both_forms() {
        let identity = ChunkIdentity {
            id: "c\"1".to_owned(),
            model: "m".to_owned(),
            created: 7,
        };
        let counts = Usage {
            input_tokens: 9,
            output_tokens: 5,
            ..Usage::default()
        };
        let answer = Answer {
            text: "He said \"no\".\n☃",
            finish: &FinishReason::Length,
            usage: Some(&counts),
            clawrouter: "{\"fusion\":\"best-draft\"}",
        };
        let body = answer.body(&identity);
        let read = crate::wire::completion::Completion::read(&body).expect("JSON");
        assert_eq!((read.text(&body).as_ref(), read.usage), (answer.text, Some(counts)));
        assert_eq!(read.finish, [FinishReason::Length]);
        let mut decoder = Decoder::default();
        decoder.feed(answer.events(&identity));
        let mut said = Vec::new();
        while let Some(event) = decoder.next().expect("small") {
            said.extend(decode(&event).expect("JSON").events);
        }
        let text = answer.text.to_owned();
        let reason = FinishReason::Length;
        let expected = [
            StreamEvent::Begin,
            StreamEvent::Text { choice: 0, text },
            StreamEvent::Finish { choice: 0, reason },
            StreamEvent::Usage(counts),
            StreamEvent::Done,
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn an_error_body_becomes_an_error_event() {
        fn check(body: &str, code: &str, message: &str) {
            let events = read_back(error_of_body(&ChunkIdentity::default(), body.as_bytes())).1;
            let told = events.iter().find_map(|event| match event {
                StreamEvent::Error(error) => Some((error.code.as_str(), error.message.as_str())),
                _ => None,
            });
            assert_eq!(told, Some((code, message)), "{body}");
        }
        check(
            "{\"error\":{\n\"message\":\"Slow\\ndown\",\"code\":\"rate_limited\"}}",
            "rate_limited",
            "Slow\ndown",
        );
        check("Bad\r\nGateway", "upstream_error", "Bad\r\nGateway");
        check("{\"error\":\"no\"}", "upstream_error", "{\"error\":\"no\"}");
    }

    #[test]
    fn counts_and_failures_are_read() {
        let identity = ChunkIdentity {
            id: "c".to_owned(),
            model: "m".to_owned(),
            created: 7,
        };
        let counts = Usage {
            input_tokens: 9,
            output_tokens: 5,
            cached_tokens: 4,
            cache_write_tokens: 0,
            reasoning_tokens: 2,
        };
        assert_eq!(read_back(usage(&identity, &counts)).1, [StreamEvent::Usage(counts)]);
        assert_eq!(
            read_back(clawrouter(&identity, "{\"stage\":\"adviser\"}")).1,
            [StreamEvent::Begin]
        );
        let events = read_back(error(&identity, "{\"message\":\"m\",\"code\":\"upstream_error\"}")).1;
        assert!(
            matches!(events.as_slice(), [StreamEvent::Finish { .. }, StreamEvent::Error(e)] if e.code == "upstream_error"),
            "{events:?}"
        );
    }
}
