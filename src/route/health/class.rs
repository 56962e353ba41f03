//! What can go wrong with an upstream attempt, and what each kind of failure says about the future.
//!
//! A class says what happened and whose fault it was; the [`Rule`] table says what is remembered. What the running request does
//! about it is room `run`'s table. Must not know how a class is recognised on the wire.

use crate::wire::Millis;
use serde::{Deserialize, Serialize};

/// Why an attempt failed. The order of the variants is the order of classification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The caller hung up: nobody's failure.
    ClientAbort,
    /// The host's certificate was refused.
    TlsCert,
    /// The host's name did not resolve.
    Dns,
    /// No connection.
    Connect,
    /// The connection broke before an answer.
    Reset,
    /// No response headers in time.
    HeadersTimeout,
    /// No first content event in time.
    FirstTokenTimeout,
    /// A running stream said nothing for too long.
    StallTimeout,
    /// A running stream ended without its end.
    StreamCut,
    /// The provider's safety filter refused.
    ContentPolicy,
    /// A 429 about the length of this request.
    #[serde(rename = "long_context_429")]
    LongContext429,
    /// The account has no money or is not active.
    Billing,
    /// A daily, weekly or session quota is used up.
    QuotaWindow,
    /// The provider is overloaded.
    Overloaded,
    /// An aggregator passed on a rate limit of its own upstream.
    UpstreamRateLimit,
    /// This credential is too fast for this model.
    RateLimit,
    /// The credential is refused.
    Auth,
    /// This credential may not use this model, here or at all.
    Entitlement,
    /// The upstream does not take a parameter.
    UnsupportedParam,
    /// The request does not fit the model's window.
    ContextOverflow,
    /// The body or an image is too large.
    PayloadTooLarge,
    /// An aggregator has no endpoint that matches the privacy preferences.
    ProviderPolicy,
    /// The model has been retired.
    ModelGone,
    /// This credential does not see the model.
    ModelAccess,
    /// The request itself is wrong.
    InvalidRequest,
    /// Any other 5xx, 408, 409.
    ServerError,
    /// A 2xx that is no answer.
    BadResponse,
    /// Nothing of the above.
    Unknown,
}

/// Every class, for tables and tests.
pub const ALL: [FailureClass; 28] = {
    use FailureClass as C;
    [
        C::ClientAbort,
        C::TlsCert,
        C::Dns,
        C::Connect,
        C::Reset,
        C::HeadersTimeout,
        C::FirstTokenTimeout,
        C::StallTimeout,
        C::StreamCut,
        C::ContentPolicy,
        C::LongContext429,
        C::Billing,
        C::QuotaWindow,
        C::Overloaded,
        C::UpstreamRateLimit,
        C::RateLimit,
        C::Auth,
        C::Entitlement,
        C::UnsupportedParam,
        C::ContextOverflow,
        C::PayloadTooLarge,
        C::ProviderPolicy,
        C::ModelGone,
        C::ModelAccess,
        C::InvalidRequest,
        C::ServerError,
        C::BadResponse,
        C::Unknown,
    ]
};

/// Which of the levels that are never mixed a failure is remembered at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// `K`: the credential, whatever it is used for.
    Credential,
    /// `KM`: the credential for one model.
    CredentialModel,
    /// `T`: the target, whoever pays.
    Target,
    /// `H`: the network host.
    Host,
    /// `C`: the learned context ceiling.
    Ceiling,
    /// Nothing is remembered.
    Nothing,
}

/// How a failure of one class is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where.
    pub level: Level,
    /// First cooldown when the upstream gave no hint.
    pub base: Millis,
    /// Largest cooldown without a hint.
    pub cap: Millis,
    /// Largest hint that is believed.
    pub hint_cap: Millis,
    /// Strikes that one failure counts.
    pub strikes: u32,
    /// Opens only when a request gives up on the target, and for a sole target only after several of them.
    pub breaker: bool,
    /// A cooldown that a last-resort attempt must not break through.
    pub hard: bool,
    /// For a sole usable credential without a further target: after this long one probe may go although the cooldown lasts.
    pub sole_probe: Millis,
    /// This many strikes make it dead until its secret or the catalog changes; 0: never.
    pub dead_after: u32,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Smallest hint that is believed.
pub const HINT_FLOOR: Millis = Millis(250);

const fn soft(level: Level, base: u64, cap: u64, hint_cap: u64) -> Rule {
    Rule {
        level,
        base: Millis(base),
        cap: Millis(cap),
        hint_cap: Millis(hint_cap),
        strikes: 1,
        breaker: false,
        hard: false,
        sole_probe: Millis(15 * SECOND),
        dead_after: 0,
    }
}

const fn breaker(level: Level, strikes: u32) -> Rule {
    // A server's own Retry-After is believed up to two minutes: beyond that a probe is cheaper than an outage.
    let mut rule = soft(level, 2 * SECOND, 20 * SECOND, 2 * MINUTE);
    rule.strikes = strikes;
    rule.breaker = true;
    rule
}

const fn hard(level: Level, base: u64, cap: u64, hint_cap: u64, sole_probe: u64) -> Rule {
    let mut rule = soft(level, base, cap, hint_cap);
    rule.hard = true;
    rule.sole_probe = Millis(sole_probe);
    rule
}

const NOTHING: Rule = soft(Level::Nothing, 0, 0, 0);

impl FailureClass {
    /// What is remembered.
    pub const fn rule(self) -> Rule {
        match self {
            Self::Auth => {
                let mut rule = hard(Level::Credential, 5 * MINUTE, HOUR, HOUR, 30 * SECOND);
                rule.dead_after = 3;
                rule
            }
            Self::Billing => hard(Level::Credential, HOUR, DAY, DAY, 30 * SECOND),
            // Sole probes of quotas, entitlements, retired models: rare enough to cost nothing, often enough to notice a repair.
            Self::QuotaWindow => hard(Level::CredentialModel, 15 * MINUTE, 6 * HOUR, 7 * DAY, 5 * MINUTE),
            Self::Entitlement | Self::ModelAccess => hard(Level::CredentialModel, 30 * MINUTE, DAY, DAY, 5 * MINUTE),
            // A longer hint makes it a quota window.
            Self::RateLimit => soft(Level::CredentialModel, 2 * SECOND, 5 * MINUTE, 15 * MINUTE),
            Self::UpstreamRateLimit => soft(Level::Target, 5 * SECOND, 2 * MINUTE, 15 * MINUTE),
            Self::Overloaded
            | Self::ServerError
            | Self::BadResponse
            | Self::Unknown
            | Self::StallTimeout
            | Self::StreamCut => breaker(Level::Target, 1),
            Self::HeadersTimeout | Self::FirstTokenTimeout => breaker(Level::Target, 2),
            Self::Reset | Self::Connect | Self::Dns => breaker(Level::Host, 1),
            Self::TlsCert => soft(Level::Host, 5 * MINUTE, 5 * MINUTE, 5 * MINUTE),
            Self::ProviderPolicy => hard(Level::Target, 10 * MINUTE, 10 * MINUTE, 10 * MINUTE, MINUTE),
            Self::ModelGone => hard(Level::Target, 6 * HOUR, 6 * HOUR, 6 * HOUR, 10 * MINUTE),
            Self::LongContext429 | Self::ContextOverflow => soft(Level::Ceiling, 0, 0, 0),
            Self::ClientAbort
            | Self::ContentPolicy
            | Self::UnsupportedParam
            | Self::PayloadTooLarge
            | Self::InvalidRequest => NOTHING,
        }
    }

    /// The word used in headers, traces and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientAbort => "client_abort",
            Self::TlsCert => "tls_cert",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::HeadersTimeout => "headers_timeout",
            Self::FirstTokenTimeout => "first_token_timeout",
            Self::StallTimeout => "stall_timeout",
            Self::StreamCut => "stream_cut",
            Self::ContentPolicy => "content_policy",
            Self::LongContext429 => "long_context_429",
            Self::Billing => "billing",
            Self::QuotaWindow => "quota_window",
            Self::Overloaded => "overloaded",
            Self::UpstreamRateLimit => "upstream_rate_limit",
            Self::RateLimit => "rate_limit",
            Self::Auth => "auth",
            Self::Entitlement => "entitlement",
            Self::UnsupportedParam => "unsupported_param",
            Self::ContextOverflow => "context_overflow",
            Self::PayloadTooLarge => "payload_too_large",
            Self::ProviderPolicy => "provider_policy",
            Self::ModelGone => "model_gone",
            Self::ModelAccess => "model_access",
            Self::InvalidRequest => "invalid_request",
            Self::ServerError => "server_error",
            Self::BadResponse => "bad_response",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_the_serde_name() {
        for class in ALL {
            let json = serde_json::to_string(&class).unwrap();
            assert_eq!(json, format!("\"{}\"", class.as_str()));
        }
    }

    #[test]
    fn rules_keep_their_order_of_sizes() {
        for class in ALL {
            let rule = class.rule();
            assert!(rule.base <= rule.cap, "{class:?}");
            assert!(
                !rule.breaker || matches!(rule.level, Level::Target | Level::Host),
                "{class:?}"
            );
            assert!(rule.hard || rule.dead_after == 0, "{class:?}");
        }
    }
}
