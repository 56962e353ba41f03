//! What happened in one request: what the upstreams were sent, and what the caller saw.

use crate::run::machine::{CallId, ResponseHead};
use crate::run::report::Report;
use crate::wire::Millis;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeSet;

/// What happened in one request.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) head: Option<ResponseHead>,
    pub(super) body: String,
    pub(super) report: Report,
    pub(super) took: Millis,
    /// When the head went out.
    pub(super) began: Option<Millis>,
    /// `target/key` of each call, when it was sent, and the body sent.
    pub(super) calls: Vec<(String, Millis, Value)>,
    /// Its bytes.
    pub(super) bodies: Vec<Bytes>,
    /// Its id.
    pub(super) ids: Vec<CallId>,
    pub(super) headers: Vec<Vec<(String, String)>>,
    pub(super) cancelled: Vec<CallId>,
    /// Calls whose answers may come in larger pieces.
    pub(super) in_pieces: Vec<CallId>,
    /// What went out, and when.
    pub(super) emitted: Vec<(Millis, Bytes)>,
    pub(super) kept: Option<String>,
}

impl Story {
    pub(super) fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let head = self.head.as_ref()?;
        head.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// `p/k1 p/k1 f/k1`
    pub(super) fn path(&self) -> String {
        self.calls
            .iter()
            .map(|(who, _, _)| who.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(super) fn calls_to(&self, name: &str) -> usize {
        self.calls
            .iter()
            .filter(|(who, _, _)| who.split('/').next() == Some(name))
            .count()
    }

    /// The visible text, of a stream or of one body.
    pub(super) fn text(&self) -> String {
        if self.head.as_ref().is_some_and(|head| head.stream) {
            self.events()
                .iter()
                .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
                .collect()
        } else {
            self.json()["choices"][0]["message"]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The JSON events of the stream.
    pub(super) fn events(&self) -> Vec<Value> {
        let data = self.body.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).expect("JSON events"))
            .collect()
    }

    pub(super) fn done(&self) -> bool {
        self.body.matches("data: [DONE]\n\n").count() == 1 && self.body.ends_with("data: [DONE]\n\n")
    }

    pub(super) fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// An answer arrived whole: status, text once, the stream properly ended.
    pub(super) fn assert_answer_text(&self, text: &str) {
        assert_eq!(self.status(), 200, "{self:#?}");
        assert_eq!(self.text(), text, "{}", self.body);
        let stream = self.head.as_ref().is_some_and(|head| head.stream);
        assert!(!stream || self.done(), "{}", self.body);
    }

    /// The same, and all of it is one stream.
    pub(super) fn assert_answer(&self, text: &str) {
        self.assert_answer_text(text);
        if self.head.as_ref().is_some_and(|head| head.stream) {
            let identities: BTreeSet<String> = self.events().iter().map(|event| event["id"].to_string()).collect();
            assert_eq!(identities.len(), 1, "one stream has one id: {identities:?}");
        }
    }
}
