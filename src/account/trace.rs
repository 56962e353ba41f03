//! What the trace page shows beyond the usage row: the waterfall of calls and the explanation of the plan. Bounded, metadata only.

use super::calendar;
use super::usage::{Outcome, RequestRow, cut};
use crate::catalog::NanoUsd;
use crate::wire::Usage;
use crate::wire::json::RawJson;
use serde::{Deserialize, Serialize};

/// Spans of one trace.
pub const MAX_SPANS: usize = 96;
/// Bytes of the explanation as JSON; a longer one is replaced by a note.
pub const MAX_EXPLANATION: usize = 32 * 1024;

/// The part of a trace that is stored beside the row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TraceBody {
    /// What was reserved.
    #[serde(with = "crate::catalog::money::usd")]
    pub reserved_usd: NanoUsd,
    /// Stages and upstream calls, at most [`MAX_SPANS`].
    pub spans: Vec<Span>,
    /// Why this plan, as JSON: a stored one may be of an older build.
    pub explanation: Option<RawJson>,
    /// Whether prompts and answers were kept.
    pub content: ContentNote,
    /// W3C trace id that the caller sent: names this request in the caller's own tracing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// One bar of the waterfall. Times count from the request's arrival.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Names it within the trace.
    pub id: u32,
    /// The span that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// What it is.
    pub stage: SpanStage,
    /// Slot within the stage.
    pub index: u32,
    /// Number of the upstream call within the stage, from 1; 0: not a call.
    pub attempt: u32,
    /// Model id.
    pub target: String,
    /// Label of the credential.
    pub credential: Option<String>,
    /// Begin.
    pub start_ms: u64,
    /// First content.
    pub first_token_ms: Option<u64>,
    /// End.
    pub end_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status of the upstream.
    pub status: Option<u16>,
    /// Class of its failure.
    pub class: Option<String>,
    /// What was done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Cooldown that it caused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_ms: Option<u64>,
    /// Thinking signatures and encrypted reasoning of another provider were left out of its request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub state_left_out: bool,
    /// It went on with another model's tool loop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub model_swapped: bool,
    /// Tokens.
    pub usage: Option<Usage>,
    /// Cost.
    #[serde(with = "crate::catalog::money::usd")]
    pub cost_usd: NanoUsd,
}

/// What a span is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanStage {
    /// Planning.
    Route,
    /// Fusion.
    Adviser,
    /// Fusion.
    Judge,
    /// Fusion.
    Synthesizer,
    /// One upstream call.
    #[default]
    Attempt,
}

/// Whether prompts and answers were kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentNote {
    /// True: they can be opened.
    pub kept: bool,
    /// Why, or why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Name of the kept object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// When it is deleted, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "calendar::optional_moment")]
    pub expires_at: Option<crate::wire::Millis>,
}

/// The `Trace` of the admin API and of `GET /v1/traces/{request_id}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// The usage row.
    #[serde(flatten)]
    pub row: RequestRow,
    /// The rest.
    #[serde(flatten)]
    pub body: TraceBody,
}

impl TraceBody {
    /// Cuts what is too long.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.spans.truncate(MAX_SPANS);
        for span in &mut self.spans {
            cut(&mut span.target);
            for text in [&mut span.credential, &mut span.class, &mut span.action]
                .into_iter()
                .flatten()
            {
                cut(text);
            }
        }
        let bytes = self
            .explanation
            .as_ref()
            .map_or(0, |explanation| explanation.text().len());
        if bytes > MAX_EXPLANATION {
            let note = format!("the explanation had {bytes} bytes; {MAX_EXPLANATION} are kept");
            self.explanation = Some(RawJson::of(&serde_json::json!({ "left_out": note })));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_bounded() {
        let body = TraceBody {
            spans: vec![
                Span {
                    target: "x".repeat(1000),
                    ..Span::default()
                };
                1000
            ],
            explanation: Some(RawJson::of(&"x".repeat(MAX_EXPLANATION))),
            ..TraceBody::default()
        }
        .closed();
        assert_eq!(body.spans.len(), MAX_SPANS);
        assert!(serde_json::to_string(&body).unwrap().len() < 64 * 1024);
        assert!(body.explanation.unwrap().text().contains("left_out"));
    }

    #[test]
    fn a_trace_reads_as_one_object() {
        let trace = Trace {
            row: RequestRow::default(),
            body: TraceBody {
                reserved_usd: NanoUsd(5),
                ..TraceBody::default()
            },
        };
        let text = serde_json::to_string(&trace).unwrap();
        for member in [
            r#""request_id":"""#,
            r#""reserved_usd":0.000000005"#,
            r#""content":{"kept":false}"#,
            r#""explanation":null"#,
        ] {
            assert!(text.contains(member), "{member} in {text}");
        }
    }
}
