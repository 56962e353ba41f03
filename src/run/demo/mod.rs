//! The built-in demo provider: an upstream that needs no network and no key.
//!
//! Deterministic, so that a first request, a tool loop, structured output, embeddings and a fusion can be tried anywhere. It answers
//! exactly as an OpenAI-compatible server would, bytes included; the engine cannot tell the difference.

mod chat;
mod embeddings;
mod schema;

use crate::wire::Millis;
use bytes::Bytes;
use serde_json::{Value, json};

/// What the demo provider answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoAnswer {
    /// HTTP status.
    pub status: u16,
    /// `application/json` or `text/event-stream`.
    pub content_type: &'static str,
    /// Body in the pieces in which it is sent.
    pub chunks: Vec<Bytes>,
    /// Pause before each piece.
    pub interval: Millis,
}

/// Answers a request body sent to `url`; only the end of the path is read.
pub fn answer(url: &str, body: &[u8]) -> DemoAnswer {
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return refuse("the body is not JSON");
    };
    if url.ends_with("/embeddings") {
        embeddings::answer(&request)
    } else {
        chat::answer(&request)
    }
}

/// An OpenAI-shaped 400.
fn refuse(message: &str) -> DemoAnswer {
    let body = json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": "invalid_request"}});
    DemoAnswer {
        status: 400,
        ..whole(&body)
    }
}

fn whole(body: &Value) -> DemoAnswer {
    DemoAnswer {
        status: 200,
        content_type: "application/json",
        chunks: vec![Bytes::from(body.to_string())],
        interval: Millis(0),
    }
}

/// About four characters a token; good enough for numbers that add up.
fn tokens(text: &str) -> u64 {
    u64::try_from(text.chars().count().div_ceil(4)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
