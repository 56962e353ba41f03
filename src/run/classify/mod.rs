//! What went wrong with an upstream call: one class, the upstream's hints, and whose fault it was.
//!
//! The order of the rules is the order of [`tables::RULES`]; the first that matches wins. Says what happened, never what to do
//! about it: that is [`super::policy`]. Knows no target, no credential, no clock beyond `now`.

mod body;
mod hints;
mod rule;
mod tables;
#[cfg(test)]
mod tests;

use super::machine::TransportFault;
use crate::route::health::FailureClass;
use crate::wire::Millis;
use crate::wire::event::EmbeddedError;

pub use body::ErrorFacts;

/// A quota hint longer than this is a window, not a rate.
pub const QUOTA_WINDOW_HINT: Millis = Millis(15 * 60 * 1000);

/// What is known when an attempt has failed.
#[derive(Clone, Debug)]
pub enum Symptom<'a> {
    /// The call failed below HTTP before the answer was complete.
    Transport(TransportFault),
    /// No response headers in time.
    HeadersTimeout,
    /// No first content event in time.
    FirstTokenTimeout,
    /// A begun answer fell silent.
    Stalled,
    /// A begun answer ended without its end.
    Cut,
    /// An HTTP answer that is an error by its status.
    Http {
        /// HTTP status.
        status: u16,
        /// Lower-case names.
        headers: &'a [(String, String)],
        /// At most 64 KiB of the body.
        body: &'a [u8],
    },
    /// An error object inside a 200 stream.
    Embedded(&'a EmbeddedError),
    /// A 2xx that is no answer: not JSON, no choices, an error object, `finish_reason: error`.
    NoAnswer {
        /// The body as far as it was read.
        body: &'a [u8],
    },
}

/// What the rules need to know about the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// Estimated input tokens.
    pub estimated_input_tokens: u64,
    /// The target's window, tokens.
    pub window: Option<u64>,
    /// True when the request runs on a larger context tier than the lowest.
    pub on_larger_tier: bool,
    /// True when this credential has lately refused another request of about this length and taken one less than half as long.
    pub refuses_long_ones: bool,
    /// Now.
    pub now: Millis,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The class.
    pub class: FailureClass,
    /// HTTP status that says what was wrong; `None`: there was none, or it said that all was well.
    pub status: Option<u16>,
    /// How long the upstream asks to wait, at least 250 ms.
    pub hint: Option<Millis>,
    /// The upstream said `x-should-retry: false`.
    pub retry_forbidden: bool,
    /// The class is a conclusion from earlier requests; nobody said it.
    pub suspected: bool,
    /// Token limit named by the upstream.
    pub limit_tokens: Option<u64>,
    /// Tokens that the upstream counted in this request.
    pub requested_tokens: Option<u64>,
    /// Parameter named by the upstream, and the spelling it wants instead.
    pub param: Option<Param>,
}

/// A parameter that the upstream does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Top-level field.
    pub name: String,
    /// What the upstream wants instead.
    pub instead: Option<String>,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request itself: the caller must see why.
    Caller,
    /// Our credential, its money or its rights.
    Credential,
    /// The upstream or the network to it.
    Upstream,
    /// Nobody: the caller left.
    Nobody,
}

/// Whose fault a class is.
pub const fn fault(class: FailureClass) -> Fault {
    use FailureClass as C;
    match class {
        C::ClientAbort => Fault::Nobody,
        C::ContentPolicy | C::UnsupportedParam | C::ContextOverflow | C::PayloadTooLarge | C::InvalidRequest => {
            Fault::Caller
        }
        C::Billing | C::QuotaWindow | C::RateLimit | C::LongContext429 | C::Auth | C::Entitlement | C::ModelAccess => {
            Fault::Credential
        }
        C::TlsCert
        | C::Dns
        | C::Connect
        | C::Reset
        | C::HeadersTimeout
        | C::FirstTokenTimeout
        | C::StallTimeout
        | C::StreamCut
        | C::Overloaded
        | C::UpstreamRateLimit
        | C::ProviderPolicy
        | C::ModelGone
        | C::ServerError
        | C::BadResponse
        | C::Unknown => Fault::Upstream,
    }
}

/// Decides what happened.
pub fn classify(symptom: &Symptom<'_>, circumstances: &Circumstances) -> Verdict {
    match symptom {
        Symptom::Transport(fault) => plain(match fault {
            TransportFault::Dns => FailureClass::Dns,
            TransportFault::Connect => FailureClass::Connect,
            TransportFault::Reset => FailureClass::Reset,
            TransportFault::Tls => FailureClass::TlsCert,
            // A redirect from a secured endpoint: a 3xx is no answer.
            TransportFault::Refused => {
                return Verdict {
                    retry_forbidden: true,
                    ..plain(FailureClass::BadResponse)
                };
            }
        }),
        Symptom::HeadersTimeout => plain(FailureClass::HeadersTimeout),
        Symptom::FirstTokenTimeout => plain(FailureClass::FirstTokenTimeout),
        Symptom::Stalled => plain(FailureClass::StallTimeout),
        Symptom::Cut => plain(FailureClass::StreamCut),
        Symptom::Http { status, headers, body } => {
            from_facts(&ErrorFacts::read(body), Some(*status), headers, circumstances)
        }
        Symptom::Embedded(error) => {
            let facts = ErrorFacts::embedded(error);
            let status = error.status.filter(|status| (400..600).contains(status));
            let status = status.unwrap_or_else(|| tables::status_surrogate(&facts.codes));
            from_facts(&facts, Some(status), &[], circumstances)
        }
        Symptom::NoAnswer { body } => {
            let facts = ErrorFacts::read(body);
            if facts.is_error {
                let verdict = from_facts(&facts, Some(tables::status_surrogate(&facts.codes)), &[], circumstances);
                if !matches!(verdict.class, FailureClass::ServerError | FailureClass::Unknown) {
                    return Verdict {
                        status: None,
                        ..verdict
                    };
                }
            }
            plain(FailureClass::BadResponse)
        }
    }
}

fn plain(class: FailureClass) -> Verdict {
    Verdict {
        class,
        status: None,
        hint: None,
        retry_forbidden: false,
        suspected: false,
        limit_tokens: None,
        requested_tokens: None,
        param: None,
    }
}

fn from_facts(
    facts: &ErrorFacts,
    status: Option<u16>,
    headers: &[(String, String)],
    circumstances: &Circumstances,
) -> Verdict {
    let evidence = rule::Evidence {
        status: status.unwrap_or(0),
        facts,
        hint: hints::hint(headers, facts, circumstances.now),
        header_token_limit: hints::token_limit(headers),
        circumstances,
    };
    let class = tables::first_match(&evidence);
    // Long requests are refused and short ones taken: believed only where nothing else explains the 429. One that names a time is
    // believed: waiting helps.
    let suspected = class == FailureClass::RateLimit
        && status == Some(429)
        && evidence.hint.is_none()
        && circumstances.refuses_long_ones;
    let class = if suspected { FailureClass::LongContext429 } else { class };
    Verdict {
        class,
        suspected,
        status,
        // A daily quota does not come back in the seconds that a per-minute field names.
        hint: evidence
            .hint
            .filter(|_| !(class == FailureClass::QuotaWindow && facts.per_day)),
        retry_forbidden: header(headers, "x-should-retry").is_some_and(|value| value.trim() == "false"),
        limit_tokens: facts.limit_tokens.or_else(|| {
            evidence
                .header_token_limit
                .filter(|limit| *limit < circumstances.estimated_input_tokens)
        }),
        requested_tokens: facts.requested_tokens,
        param: (class == FailureClass::UnsupportedParam)
            .then(|| facts.param())
            .flatten(),
    }
}

/// The value of a header; names are lower case already.
pub fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}
