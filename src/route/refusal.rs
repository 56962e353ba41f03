//! Why something cannot run: one code, one sentence, and where to repair it. Listing, readiness and the call path share it.

use serde::{Deserialize, Serialize};

/// Why a model cannot be executed for a caller, or was skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// Machine-readable.
    pub code: RefusalCode,
    /// One sentence for people.
    pub text: String,
    /// What to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

/// Where an operator repairs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// `policy`, `provider`, `model`, `pool`, `profile`, `route`, `verify`.
    pub kind: FixKind,
    /// Id of that document.
    pub id: String,
    /// What to do there.
    pub text: String,
}

/// Sort of document that repairs a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixKind {
    /// A policy.
    Policy,
    /// A provider.
    Provider,
    /// A model.
    Model,
    /// A credential pool.
    Pool,
    /// A fusion profile.
    Profile,
    /// A route.
    Route,
    /// A verification call of a model.
    Verify,
}

/// Reason codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// No such model.
    UnknownModel,
    /// No such route.
    UnknownRoute,
    /// No such fusion profile.
    UnknownProfile,
    /// The feature is not part of this deployment.
    NotAvailable,
    /// The model is off.
    ModelDisabled,
    /// The provider is off.
    ProviderDisabled,
    /// The route is off.
    RouteDisabled,
    /// The fusion profile is off.
    ProfileDisabled,
    /// A virtual model cannot be used inside another.
    VirtualModel,
    /// The policy is off.
    PolicyDisabled,
    /// The policy does not allow the provider.
    ProviderNotAllowed,
    /// The policy does not allow the model.
    ModelNotAllowed,
    /// A template of the endpoint has no value.
    UnresolvedVariable,
    /// The endpoint breaks the rules of secured endpoints.
    EndpointRefused,
    /// The binding that the transport names does not exist in this deployment.
    NoBinding,
    /// No credential is configured, or none that policy and model allow.
    NoCredential,
    /// Every credential is refused or out of money.
    CredentialsExhausted,
    /// Every credential has used up its quota of the day, week or session.
    QuotaExhausted,
    /// No credential may use this model.
    NoAccess,
    /// The target was withdrawn by its provider.
    TargetGone,
    /// Everything that leads to it is cooling.
    Cooling,
    /// The model does not do this kind of work, or the provider has no dialect for it.
    WrongKind,
    /// The model lacks something that the request needs.
    LacksCapability,
    /// The request does not fit the context window.
    TooLong,
    /// The caller has a hard budget and the model no price.
    Unpriced,
    /// The remaining budget is too small.
    Budget,
    /// The request's own cost cap is too small.
    CostCap,
    /// The request's `provider` preferences exclude it.
    Preference,
    /// Policy or request keep the chain shorter.
    Narrowed,
    /// The turn needs no advisers.
    ToolLoop,
    /// The route keeps a tool loop with its model, and this is another one.
    ToolLoopModel,
    /// Routers ask each other in a circle, or one fusion asks another.
    Recursion,
    /// Already in the chain.
    Duplicate,
    /// Every target of the route is refused.
    NoTarget,
    /// Nothing is known against it, but no real call has shown it lately.
    Unverified,
}

/// The steps that a candidate passes, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Exists and is on.
    Known,
    /// Policy allows it.
    Policy,
    /// Can do what the request needs.
    Capability,
    /// The request's preferences allow it.
    Preference,
    /// Its endpoint and credentials work.
    Health,
    /// It is priced and affordable.
    Budget,
}

impl RefusalCode {
    /// Which step refused.
    pub const fn gate(self) -> Gate {
        match self {
            Self::UnknownModel
            | Self::UnknownRoute
            | Self::UnknownProfile
            | Self::NotAvailable
            | Self::ModelDisabled
            | Self::ProviderDisabled
            | Self::RouteDisabled
            | Self::ProfileDisabled
            | Self::VirtualModel
            | Self::Duplicate => Gate::Known,
            Self::PolicyDisabled | Self::ProviderNotAllowed | Self::ModelNotAllowed => Gate::Policy,
            Self::WrongKind | Self::LacksCapability | Self::TooLong => Gate::Capability,
            Self::Preference | Self::Narrowed | Self::ToolLoop | Self::ToolLoopModel | Self::Recursion => {
                Gate::Preference
            }
            Self::UnresolvedVariable
            | Self::EndpointRefused
            | Self::NoBinding
            | Self::NoCredential
            | Self::CredentialsExhausted
            | Self::QuotaExhausted
            | Self::NoAccess
            | Self::TargetGone
            | Self::Cooling
            | Self::NoTarget
            | Self::Unverified => Gate::Health,
            Self::Unpriced | Self::Budget | Self::CostCap => Gate::Budget,
        }
    }

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownModel => "unknown_model",
            Self::UnknownRoute => "unknown_route",
            Self::UnknownProfile => "unknown_profile",
            Self::NotAvailable => "not_available",
            Self::ModelDisabled => "model_disabled",
            Self::ProviderDisabled => "provider_disabled",
            Self::RouteDisabled => "route_disabled",
            Self::ProfileDisabled => "profile_disabled",
            Self::VirtualModel => "virtual_model",
            Self::PolicyDisabled => "policy_disabled",
            Self::ProviderNotAllowed => "provider_not_allowed",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::UnresolvedVariable => "unresolved_variable",
            Self::EndpointRefused => "endpoint_refused",
            Self::NoBinding => "no_binding",
            Self::NoCredential => "no_credential",
            Self::CredentialsExhausted => "credentials_exhausted",
            Self::QuotaExhausted => "quota_exhausted",
            Self::NoAccess => "no_access",
            Self::TargetGone => "target_gone",
            Self::Cooling => "cooling",
            Self::WrongKind => "wrong_kind",
            Self::LacksCapability => "lacks_capability",
            Self::TooLong => "too_long",
            Self::Unpriced => "unpriced",
            Self::Budget => "budget",
            Self::CostCap => "cost_cap",
            Self::Preference => "preference",
            Self::Narrowed => "narrowed",
            Self::ToolLoop => "tool_loop",
            Self::ToolLoopModel => "tool_loop_model",
            Self::Recursion => "recursion",
            Self::Duplicate => "duplicate",
            Self::NoTarget => "no_target",
            Self::Unverified => "unverified",
        }
    }
}

impl Refusal {
    /// A refusal that no document repairs.
    pub fn new(code: RefusalCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            fix: None,
        }
    }

    /// Says where to repair it.
    #[must_use]
    pub fn fix(mut self, kind: FixKind, id: impl Into<String>, text: impl Into<String>) -> Self {
        self.fix = Some(Fix {
            kind,
            id: id.into(),
            text: text.into(),
        });
        self
    }
}
