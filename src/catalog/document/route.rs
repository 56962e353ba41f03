//! A configured route: an ordered fallback chain that callers name `clawrouter/<id>`.

use crate::catalog::{ContextVariant, ModelId, PoolId, RouteId};
use crate::wire::Millis;
use serde::{Deserialize, Serialize};

/// A route document (docs/routes.md "A route"), defaults filled in. What may be written is `route_form`'s business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "super::route_form::RouteForm")]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a document")]
pub struct Route {
    /// Id.
    pub id: RouteId,
    /// 1 to 16 targets; lower `order` first, weighted within one order.
    pub targets: Vec<RouteTarget>,
    /// Models to try only when a request does not fit a target's window.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context_targets: Vec<ModelId>,
    /// Models to try only after a content-policy refusal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content_policy_targets: Vec<ModelId>,
    /// How often and how long.
    pub retry: Retry,
    /// Context tier downgrade on 429.
    pub adaptive_context_downgrade: ContextDowngrade,
    /// May old turns be trimmed as the last context transform? Opt-in.
    pub trim: bool,
    /// May a stream cut after its commit be continued?
    pub stream_recovery: bool,
    /// Caller-fault classes that nevertheless fall back.
    pub fallback_on: FallbackOn,
    /// A second call when the first is slow to say anything.
    pub hedge: Hedge,
    /// May another model take over inside an agent's tool loop when the loop's own model fails?
    pub swap_in_tool_loop: bool,
    /// Of the whole request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<Millis>,
    /// False: as if it did not exist.
    pub enabled: bool,
}

/// One target of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteTarget {
    /// A catalog model.
    pub model: ModelId,
    /// Group; lower first.
    #[serde(default)]
    pub order: u32,
    /// Share within its group.
    #[serde(default = "one")]
    pub weight: u32,
    /// Another pool than the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolId>,
    /// Overrides the model's window, tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Overrides the model's context tiers, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context_variants: Vec<ContextVariant>,
}

fn one() -> u32 {
    1
}

/// How often and how long to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts that consume the retry budget, over all targets.
    pub max_attempts: u32,
    /// Retries on the same target.
    pub same_target: u32,
    /// First backoff.
    pub base_ms: Millis,
    /// Largest backoff.
    pub cap_ms: Millis,
    /// Longest `Retry-After` that is waited for instead of moving on.
    pub retry_after_wait_max_ms: Millis,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 6,
            same_target: 1,
            base_ms: Millis(500),
            cap_ms: Millis(4000),
            retry_after_wait_max_ms: Millis(2500),
        }
    }
}

/// When a context tier is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextDowngrade {
    /// Never.
    Off,
    /// On a 429 that is about long context.
    #[default]
    Auto,
    /// On any 429 of a target with a known window above 4,096 tokens.
    Always,
}

/// Caller-fault classes that nevertheless fall back. Opt-in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FallbackOn {
    /// 400 and 422 about the request.
    pub invalid_request: bool,
    /// Content filter.
    pub content_policy: bool,
}

/// A second call when the first is slow to say anything. Opt-in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hedge {
    /// On or off.
    pub enabled: bool,
    /// Largest share of requests that may be hedged, 0 to 1.
    pub budget: f64,
}

impl Default for Hedge {
    fn default() -> Self {
        Self {
            enabled: false,
            budget: 0.05,
        }
    }
}
