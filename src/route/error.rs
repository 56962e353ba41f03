//! Why a request was not planned, and the table from that to an HTTP status and code (docs/errors.md).

use super::explanation::Explanation;
use super::refusal::{Refusal, RefusalCode};
use crate::wire::Millis;

/// A request that makes no upstream call.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RouteError {
    /// What was named cannot be used by this caller.
    #[error("{}", .refusal.text)]
    Refused {
        /// Why.
        refusal: Refusal,
        /// When it may be different, for what only waits for a credential.
        retry_at: Option<Millis>,
    },
    /// A synthesizer cannot be used, so the fusion is not offered.
    #[error("{name} cannot run: {}", .refusal.text)]
    FusionRefused {
        /// The virtual model.
        name: String,
        /// Why.
        refusal: Refusal,
    },
    /// Several targets, each refused for its own reason.
    #[error("{name} has no target that can run now: {}", list(.refusals))]
    NoTarget {
        /// The route or model.
        name: String,
        /// Model and reason of each.
        refusals: Vec<(String, Refusal)>,
        /// When one may be usable again.
        retry_at: Option<Millis>,
    },
    /// A control of the request is wrong.
    #[error("{text}")]
    BadControl {
        /// Path of the field.
        param: &'static str,
        /// One sentence.
        text: String,
    },
}

fn list(refusals: &[(String, Refusal)]) -> String {
    let shown: Vec<String> = refusals
        .iter()
        .take(4)
        .map(|(_, refusal)| refusal.text.clone())
        .collect();
    shown.join(" ")
}

/// A refused request with the explanation of what was considered.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// What the caller is told.
    pub error: RouteError,
    /// What was considered.
    pub explanation: Explanation,
}

impl RouteError {
    /// HTTP status and `error.code`.
    pub fn status_and_code(&self) -> (u16, &'static str) {
        match self {
            Self::Refused { refusal, .. } => of_refusal(refusal.code),
            Self::FusionRefused { .. } => (404, "model_not_found"),
            Self::NoTarget { refusals, .. } => {
                let answers = || refusals.iter().map(|(_, refusal)| of_refusal(refusal.code));
                let first = answers().next();
                match first {
                    // One and the same reason says more than "no target".
                    Some(first) if answers().all(|other| other == first) && first.1 != "model_not_found" => first,
                    // The request excludes them all, each in its own way: trying again cannot help.
                    Some(_) if refusals.iter().all(|(_, refusal)| is_of_the_request(refusal.code)) => {
                        let preferred = (404, "model_not_found");
                        answers().find(|answer| *answer != preferred).unwrap_or(preferred)
                    }
                    _ => (503, "no_executable_target"),
                }
            }
            Self::BadControl { .. } => (400, "invalid_request"),
        }
    }

    /// `error.clawrouter.reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused { refusal, .. } | Self::FusionRefused { refusal, .. } => refusal.code.as_str(),
            Self::NoTarget { refusals, .. } => {
                let mut codes = refusals.iter().map(|(_, refusal)| refusal.code);
                let first = codes.next().unwrap_or(RefusalCode::NoTarget);
                let one = codes.all(|other| other == first);
                if one { first } else { RefusalCode::NoTarget }.as_str()
            }
            Self::BadControl { .. } => "bad_control",
        }
    }

    /// `error.param`.
    pub fn param(&self) -> Option<&'static str> {
        match self {
            Self::Refused { refusal, .. } => match refusal.code {
                RefusalCode::Preference => Some("provider"),
                RefusalCode::TooLong => Some("messages"),
                RefusalCode::CostCap => Some("clawrouter.max_cost_usd"),
                _ => Some("model"),
            },
            Self::NoTarget { refusals, .. } => {
                let by_preference = refusals
                    .iter()
                    .all(|(_, refusal)| refusal.code == RefusalCode::Preference);
                Some(if by_preference { "provider" } else { "model" })
            }
            Self::FusionRefused { .. } => Some("model"),
            Self::BadControl { param, .. } => Some(param),
        }
    }

    /// When a repeat may go through; for `Retry-After`. A mistake of the request is one at any time.
    pub fn retry_at(&self) -> Option<Millis> {
        let (status, _) = self.status_and_code();
        match self {
            Self::Refused { retry_at, .. } | Self::NoTarget { retry_at, .. } if status == 429 || status >= 500 => {
                *retry_at
            }
            _ => None,
        }
    }
}

/// Does the request itself exclude the target, whatever state the target is in?
const fn is_of_the_request(code: RefusalCode) -> bool {
    use RefusalCode as C;
    matches!(
        code,
        C::Preference | C::WrongKind | C::LacksCapability | C::TooLong | C::CostCap
    )
}

fn of_refusal(code: RefusalCode) -> (u16, &'static str) {
    use RefusalCode as C;
    match code {
        C::UnknownRoute | C::RouteDisabled => (404, "route_not_found"),
        C::UnknownModel
        | C::UnknownProfile
        | C::ProfileDisabled
        | C::NotAvailable
        | C::VirtualModel
        | C::ModelDisabled
        | C::ProviderDisabled
        | C::UnresolvedVariable
        | C::EndpointRefused
        | C::NoBinding
        | C::NoCredential
        | C::TargetGone
        | C::NoAccess
        // OpenRouter answers preferences that nothing meets the same way.
        | C::Preference
        | C::Duplicate => (404, "model_not_found"),
        C::PolicyDisabled => (403, "policy_disabled"),
        C::ProviderNotAllowed => (403, "provider_not_allowed"),
        C::ModelNotAllowed => (403, "model_not_allowed"),
        C::WrongKind | C::LacksCapability => (400, "capability_unsupported"),
        // The code that OpenAI's own clients know.
        C::TooLong => (400, "context_length_exceeded"),
        C::Unpriced => (400, "pricing_required"),
        C::CostCap | C::Recursion => (400, "invalid_request"),
        C::Budget => (402, "budget_exceeded"),
        C::QuotaExhausted => (429, "rate_limited"),
        C::CredentialsExhausted => (502, "upstream_credentials_exhausted"),
        C::NoTarget | C::Unverified | C::Narrowed | C::ToolLoop | C::ToolLoopModel | C::Cooling => (503, "no_executable_target"),
    }
}
