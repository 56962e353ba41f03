//! Usage rows: one per request with one entry per upstream call. Metadata only: no prompt, no answer, no key, no upstream text.

use super::calendar;
use super::moves::Moves;
use crate::catalog::NanoUsd;
use crate::wire::{Millis, Usage};
use serde::{Deserialize, Serialize};

/// Upstream calls of one row; more than any plan makes.
pub const MAX_ATTEMPTS: usize = 64;
/// Bytes of any text in a row; longer text is cut.
pub const MAX_TEXT: usize = 256;

/// Strategy and counted model of a request that was refused before any call.
pub const REFUSED: &str = "refused";

/// One request, as the admin API lists it (`RequestRow`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestRow {
    /// `x-request-id`.
    pub request_id: String,
    /// When the request arrived.
    #[serde(with = "calendar::moment")]
    pub at: Millis,
    /// Policy that pays.
    pub policy: String,
    /// Tenant that sessions and learned memory belong to; the policy when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Label of the key.
    pub key_label: String,
    /// The key.
    pub kid: String,
    /// What the caller asked for.
    pub requested_model: String,
    /// Target that answered.
    pub served_model: Option<String>,
    /// Configured route, if one was named.
    pub route: Option<String>,
    /// `direct`, `route`, `fusion`, `auto`.
    pub strategy: String,
    /// HTTP status that the caller saw; 499: it hung up.
    pub status: u16,
    /// Class of the failure that decided the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Server-sent events?
    pub stream: bool,
    /// A fusion that answered without its advisers, or a cut stream.
    pub degraded: bool,
    /// Every upstream call in the order of sending, at most [`MAX_ATTEMPTS`].
    pub attempts: Vec<AttemptRow>,
    /// Time to the first content.
    pub ttft_ms: Option<u64>,
    /// Whole time.
    pub duration_ms: u64,
    /// Sum over the attempts.
    pub input_tokens: u64,
    /// Sum over the attempts, reasoning included.
    pub output_tokens: u64,
    /// Sum over the attempts.
    pub cached_tokens: u64,
    /// Sum over the attempts.
    #[serde(default)]
    pub reasoning_tokens: u64,
    /// Sum over the attempts: what was charged.
    #[serde(with = "crate::catalog::money::usd")]
    pub cost_usd: NanoUsd,
    /// Session, already namespaced by tenant.
    pub session: Option<String>,
    /// Who made it, when it was no caller: a test from the admin API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Where it went when something failed.
    #[serde(default, skip_serializing_if = "Moves::is_empty")]
    pub moves: Moves,
    /// Further refusals of the same kind that have no row of their own; 0 for every answered request.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u64,
}

/// Who asked for what, and when: what every row of a request begins with.
#[derive(Clone, Copy, Debug)]
pub struct Requested<'a> {
    /// `x-request-id`.
    pub request_id: &'a str,
    /// When it arrived.
    pub arrived: Millis,
    /// When it was over.
    pub ended: Millis,
    /// Policy that pays.
    pub policy: &'a str,
    /// The key.
    pub kid: &'a str,
    /// Its label.
    pub key_label: &'a str,
    /// What the caller asked for; empty where that was not understood.
    pub model: &'a str,
    /// Server-sent events?
    pub stream: bool,
    /// Session, namespaced by tenant.
    pub session: Option<&'a str>,
    /// Made by whom, when not by a caller.
    pub source: Option<Source>,
}

/// A test from the admin API. The policy that pays is a real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A test prompt of a fusion profile.
    TestPrompt,
    /// The verification of a model.
    Verify,
}

impl Source {
    /// What stands for the key's label: no key made the request.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TestPrompt => "test prompt",
            Self::Verify => "verification",
        }
    }
}

impl Requested<'_> {
    /// The part of the row that does not depend on how the request ended.
    pub(super) fn row(&self) -> RequestRow {
        RequestRow {
            request_id: self.request_id.to_owned(),
            at: self.arrived,
            policy: self.policy.to_owned(),
            key_label: self.key_label.to_owned(),
            kid: self.kid.to_owned(),
            requested_model: self.model.to_owned(),
            stream: self.stream,
            duration_ms: self.ended.since(self.arrived).0,
            session: self.session.map(str::to_owned),
            source: self.source,
            ..RequestRow::default()
        }
    }
}

/// One upstream call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Its part.
    pub role: Role,
    /// How it ended.
    pub outcome: Outcome,
    /// Class of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Model id.
    pub target: String,
    /// Label of the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Names the compound request (a fusion) of which this call is a part: all its calls have the same one, whichever row they are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compound_id: Option<String>,
    /// Slot within the stage (adviser 0, 1, …); 0 otherwise.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub index: u32,
    /// Number of slots of the stage; 0: not part of a compound request.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u32,
    /// Tokens.
    #[serde(default)]
    pub usage: Usage,
    /// Cost.
    #[serde(with = "crate::catalog::money::usd")]
    pub cost_usd: NanoUsd,
    /// Where the token counts come from.
    #[serde(default)]
    pub basis: Basis,
}

pub(super) fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// Part of an upstream call in its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// First target of a plain request.
    #[default]
    Primary,
    /// Any further call of it.
    Fallback,
    /// Fusion.
    Adviser,
    /// Fusion.
    Judge,
    /// Fusion.
    Synthesizer,
}

/// How an upstream call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It answered.
    #[default]
    Ok,
    /// It did not.
    Failed,
    /// It was no longer wanted.
    Cancelled,
}

/// Where token counts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The upstream told them.
    #[default]
    Reported,
    /// Counted from what was sent and what streamed.
    Counted,
    /// Last known usage of a reservation that was never settled.
    LastKnown,
    /// Nothing was billed.
    None,
}

impl RequestRow {
    /// Fills the sums from the attempts and cuts what is too long, so that a row's total is always the sum of its parts.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.attempts.truncate(MAX_ATTEMPTS);
        let sum = |field: fn(&Usage) -> u64| {
            self.attempts
                .iter()
                .fold(0_u64, |sum, attempt| sum.saturating_add(field(&attempt.usage)))
        };
        self.input_tokens = sum(|usage| usage.input_tokens);
        self.output_tokens = sum(|usage| usage.output_tokens);
        self.cached_tokens = sum(|usage| usage.cached_tokens);
        self.reasoning_tokens = sum(|usage| usage.reasoning_tokens);
        self.cost_usd = self.attempts.iter().map(|attempt| attempt.cost_usd).sum();
        for text in [
            &mut self.request_id,
            &mut self.policy,
            &mut self.key_label,
            &mut self.kid,
            &mut self.requested_model,
            &mut self.strategy,
        ] {
            cut(text);
        }
        for text in [
            &mut self.tenant,
            &mut self.served_model,
            &mut self.route,
            &mut self.class,
            &mut self.session,
        ]
        .into_iter()
        .flatten()
        {
            cut(text);
        }
        self.moves.close();
        for attempt in &mut self.attempts {
            cut(&mut attempt.target);
            for text in [&mut attempt.class, &mut attempt.credential, &mut attempt.compound_id]
                .into_iter()
                .flatten()
            {
                cut(text);
            }
        }
        self
    }

    /// True when the caller did not get an answer. A caller that hung up is no error.
    pub const fn is_error(&self) -> bool {
        self.status >= 400 && self.status != 499
    }

    /// Model to which the request counts in groups by model: the one that answered, else the last one tried, else the one asked for.
    /// A refused request counts as [`REFUSED`]: what it asked for may be a name that nobody knows, and such names have no end.
    pub fn counted_model(&self) -> &str {
        if self.strategy == REFUSED {
            return REFUSED;
        }
        let last = || self.attempts.last().map(|attempt| attempt.target.as_str());
        self.served_model
            .as_deref()
            .or_else(last)
            .unwrap_or(&self.requested_model)
    }
}

/// Provider id of a model id: `openai` of `openai/gpt-4.1-mini`.
pub fn provider_of(model: &str) -> &str {
    model.split_once('/').map_or(model, |(provider, _)| provider)
}

/// Cuts text to [`MAX_TEXT`] bytes at a character boundary.
pub(super) fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_row_is_the_sum_of_its_attempts_and_bounded() {
        let attempt = |cost, input_tokens| AttemptRow {
            cost_usd: NanoUsd(cost),
            usage: Usage {
                input_tokens,
                ..Usage::default()
            },
            class: Some("é".repeat(MAX_TEXT)),
            ..AttemptRow::default()
        };
        let row = RequestRow {
            attempts: vec![attempt(7, 3); MAX_ATTEMPTS + 1],
            cost_usd: NanoUsd(1),
            ..RequestRow::default()
        }
        .closed();
        assert_eq!(row.attempts.len(), MAX_ATTEMPTS);
        assert_eq!((row.cost_usd, row.input_tokens), (NanoUsd(7 * 64), 3 * 64));
        assert!(
            row.attempts
                .iter()
                .all(|attempt| attempt.class.as_ref().is_some_and(|class| class.len() == MAX_TEXT))
        );
    }

    #[test]
    fn a_row_survives_json() {
        let row = RequestRow {
            at: Millis(1_795_197_612_345),
            cost_usd: NanoUsd(1_100_000),
            attempts: vec![AttemptRow {
                cost_usd: NanoUsd(1_100_000),
                role: Role::Adviser,
                size: 3,
                ..AttemptRow::default()
            }],
            ..RequestRow::default()
        };
        let text = serde_json::to_string(&row).unwrap();
        assert!(text.contains(r#""at":"2026-11-20T18:00:12.345Z""#), "{text}");
        assert_eq!(serde_json::from_str::<RequestRow>(&text).unwrap(), row);
    }
}
