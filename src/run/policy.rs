//! What is done about each class of failure, as data. Recognising a class is [`super::classify`]'s business,
//! what is remembered of it `route::health`'s.

use crate::route::health::FailureClass;
use crate::wire::Millis;

/// Calls that one request may make, rotations and downgrades included.
pub const MAX_CALLS: u32 = 12;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The same credential again?
    pub same: Same,
    /// Another credential of the same pool?
    pub rotate: bool,
    /// The next target?
    pub next: Next,
    /// What the caller sees when nothing is left.
    pub exhausted: Exhausted,
}

/// May the same target be asked again with the same credential?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// No: it would fail again.
    No,
    /// Once, after a pause.
    Once(Pause),
    /// Once, after a pause, unless a target of the same order group is free.
    UnlessEqual(Pause),
    /// A rate limit: only without another free credential; a short hint is waited for, no hint means one pause, a long hint means no.
    Wait,
    /// Only with a changed request: a lower context tier, fewer output tokens, a parameter dropped.
    Changed,
}

/// How long to pause before asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// 0 to 100 ms: the connection was lost, not the service.
    Immediate,
    /// 250 to 750 ms.
    Short,
    /// 0 to `base * 2^n`, at most the cap.
    FullJitter,
}

/// May the next target be asked?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Any.
    Any,
    /// One with a larger window than this one's, or an unknown one; then the chain's context targets.
    LargerWindow,
    /// One of another provider.
    OtherProvider,
    /// Any, but only one.
    OnlyOne,
    /// Only when the route opted in; then the chain's content-policy targets.
    IfContentPolicyOptedIn,
    /// Only when the route opted in.
    IfInvalidRequestOptedIn,
    /// None.
    Never,
}

/// What the caller sees, in the order of precedence: of many failures the first of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exhausted {
    /// The upstream's own error, unchanged: the caller's request caused it.
    Unchanged,
    /// The upstream's own error, unchanged: its content policy caused it.
    ContentPolicy,
    /// 429 `rate_limited` with `Retry-After`.
    RateLimited,
    /// 400 `context_tier_unavailable`.
    ContextTier,
    /// 503 `overloaded` with `Retry-After`.
    Overloaded,
    /// 504 `upstream_timeout`.
    Timeout,
    /// 502 `upstream_credentials_exhausted`.
    Credentials,
    /// 502 `upstream_error`.
    Upstream,
    /// 404 `model_not_found`.
    NotFound,
}

const fn row(same: Same, rotate: bool, next: Next, exhausted: Exhausted) -> Row {
    Row {
        same,
        rotate,
        next,
        exhausted,
    }
}

/// The row of a class.
pub const fn row_of(class: FailureClass) -> Row {
    use FailureClass as C;
    match class {
        C::ClientAbort => row(Same::No, false, Next::Never, Exhausted::Upstream),
        C::Auth | C::Billing | C::Entitlement => row(Same::No, true, Next::Any, Exhausted::Credentials),
        C::QuotaWindow => row(Same::No, true, Next::Any, Exhausted::RateLimited),
        C::ModelAccess => row(Same::No, true, Next::Any, Exhausted::NotFound),
        C::RateLimit => row(Same::Wait, true, Next::Any, Exhausted::RateLimited),
        C::LongContext429 => row(Same::Changed, true, Next::Any, Exhausted::ContextTier),
        C::UpstreamRateLimit => row(Same::No, false, Next::Any, Exhausted::RateLimited),
        C::Overloaded => row(
            Same::UnlessEqual(Pause::FullJitter),
            false,
            Next::Any,
            Exhausted::Overloaded,
        ),
        C::ServerError | C::BadResponse => row(Same::Once(Pause::Short), false, Next::Any, Exhausted::Upstream),
        C::Reset | C::Connect | C::Dns | C::StreamCut => {
            row(Same::Once(Pause::Immediate), false, Next::Any, Exhausted::Upstream)
        }
        C::TlsCert => row(Same::No, false, Next::Any, Exhausted::Upstream),
        C::HeadersTimeout | C::FirstTokenTimeout | C::StallTimeout => {
            row(Same::No, false, Next::Any, Exhausted::Timeout)
        }
        C::ContextOverflow => row(Same::No, false, Next::LargerWindow, Exhausted::Unchanged),
        C::PayloadTooLarge => row(Same::No, false, Next::OnlyOne, Exhausted::Unchanged),
        C::UnsupportedParam => row(
            Same::Changed,
            false,
            Next::IfInvalidRequestOptedIn,
            Exhausted::Unchanged,
        ),
        C::ContentPolicy => row(Same::No, false, Next::IfContentPolicyOptedIn, Exhausted::ContentPolicy),
        C::ProviderPolicy => row(Same::No, false, Next::OtherProvider, Exhausted::NotFound),
        C::ModelGone => row(Same::No, false, Next::Any, Exhausted::NotFound),
        C::InvalidRequest => row(Same::No, false, Next::IfInvalidRequestOptedIn, Exhausted::Unchanged),
        C::Unknown => row(Same::Once(Pause::FullJitter), false, Next::Any, Exhausted::Upstream),
    }
}

/// Longest pause of [`Pause::Immediate`].
pub const IMMEDIATE: Millis = Millis(100);

/// Bounds of [`Pause::Short`].
pub const SHORT: (Millis, Millis) = (Millis(250), Millis(750));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::health::class::ALL;
    use crate::run::classify::{Fault, fault};

    #[test]
    fn a_fault_of_the_caller_is_never_retried_unchanged_and_never_hidden() {
        for class in ALL {
            let row = row_of(class);
            if fault(class) == Fault::Caller {
                assert!(matches!(row.same, Same::No | Same::Changed), "{class:?}");
                assert!(!row.rotate, "{class:?}");
                assert!(
                    matches!(row.exhausted, Exhausted::Unchanged | Exhausted::ContentPolicy),
                    "{class:?}"
                );
            }
        }
    }

    #[test]
    fn only_faults_of_a_credential_rotate() {
        for class in ALL {
            assert_eq!(row_of(class).rotate, fault(class) == Fault::Credential, "{class:?}");
        }
    }
}
