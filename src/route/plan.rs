//! What will be tried, in which order, within which bounds. Made by [`super`], executed by room `run`.

use crate::catalog::{
    ContextVariant, FusionProfile, Model, ModelId, NanoUsd, PoolId, Provider, ProviderId, RouteId,
    document::{ContextDowngrade, FallbackOn, Hedge, Retry},
};
use crate::wire::{CallKind, Millis};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A decided request.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is asked for.
    pub kind: CallKind,
    /// One chain, or a fusion.
    pub shape: Shape,
    /// The configured route that was named, if any.
    pub route: Option<RouteId>,
    /// `direct`, `route`, `fusion`, `auto`…: response header `x-clawrouter-strategy`.
    pub strategy: &'static str,
    /// The most this request can cost if everything that may be billed once is billed once; `None`: a target is unpriced.
    pub worst_case: Option<NanoUsd>,
    /// The request must have ended by then, duration from its start.
    pub deadline: Option<Millis>,
    /// Every call that may be billed, for the one reservation: the answer, or a fusion's synthesizer first, then its advisers and judge.
    pub calls: Vec<PlannedCall>,
    /// Session key, already namespaced by tenant, by which credentials are chosen. A session that nobody named (a hash of the
    /// conversation's beginning) is in here only when the conversation is so long that its prompt cache is worth keeping.
    pub session: Option<String>,
    /// True when a pin decided the first target.
    pub pinned: bool,
}

/// One call to reserve money for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedCall {
    /// What it is for.
    pub stage: Stage,
    /// Slot within its stage.
    pub index: u32,
    /// Who is asked first.
    pub model: ModelId,
    /// The most it can cost, over all targets that may answer; `None`: one is unpriced.
    pub worst_case: Option<NanoUsd>,
}

impl Plan {
    /// The synthesizer is asked a second time beside the fusion, for comparison: reserved like the synthesizer, which reads more.
    pub fn add_baseline(&mut self) {
        let Some(first) = self.calls.first().cloned() else {
            return;
        };
        self.worst_case = self
            .worst_case
            .zip(first.worst_case)
            .map(|(whole, alone)| whole.saturating_add(alone));
        self.calls.push(PlannedCall {
            stage: Stage::Answer,
            ..first
        });
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The only call of a request.
    Answer,
    /// A fusion's adviser.
    Adviser,
    /// A fusion's judge.
    Judge,
    /// A fusion's synthesizer.
    Synthesizer,
}

/// What a plan executes.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Targets in order until one answers.
    Chain(Box<Chain>),
    /// Advisers, optional judge, synthesizer.
    Fusion(Box<FusionPlan>),
}

/// Targets in order, with the rules for moving along them.
#[derive(Clone, Debug)]
pub struct Chain {
    /// At least one; already ordered (cooling ones behind).
    pub targets: Vec<Target>,
    /// Tried only when a request does not fit a target's window.
    pub context_targets: Vec<Target>,
    /// Tried only after a content-policy refusal.
    pub content_policy_targets: Vec<Target>,
    /// How often and how long.
    pub retry: Retry,
    /// Context tier downgrade.
    pub downgrade: ContextDowngrade,
    /// Opt-in trimming of old turns.
    pub trim: bool,
    /// May a cut stream be continued?
    pub stream_recovery: bool,
    /// Caller-fault classes that fall back.
    pub fallback_on: FallbackOn,
    /// Hedging.
    pub hedge: Hedge,
    /// Estimated input tokens.
    pub estimated_input_tokens: u64,
    /// Label of the credential that a pin asks for on the first target.
    pub pinned_credential: Option<String>,
    /// Who wrote the answers that the conversation carries: whom the session's pin names, else the primary's provider.
    pub issuer: Option<ProviderId>,
    /// The agent's tool loop that the request goes on with; `None`: it is none.
    pub tool_loop: Option<ToolLoop>,
    /// Targets that were skipped without a call: model id and reason code.
    pub skipped: Vec<(String, String)>,
}

impl Chain {
    /// The first target before cooling ones were moved behind.
    pub fn primary(&self) -> Option<&Target> {
        self.targets.iter().min_by_key(|target| target.index)
    }
}

/// An agent's tool loop: whose tool calls were answered, and whether another model may go on with them.
#[derive(Clone, Debug)]
pub struct ToolLoop {
    /// Whose loop it is, as far as anybody can tell: whom the session's pin names, else the primary.
    pub model: Arc<Model>,
    /// True: another model may take over when this one fails.
    pub may_swap: bool,
}

impl ToolLoop {
    /// Would the loop stay with its model here? One model may be offered by several providers: what stands behind the last slash of
    /// the upstream's own name decides, upper and lower case alike.
    pub fn stays_at(&self, model: &Model) -> bool {
        let name = |model: &Model| {
            let upstream = model.upstream.as_str();
            upstream
                .rsplit_once('/')
                .map_or(upstream, |(_, name)| name)
                .to_ascii_lowercase()
        };
        self.model.id == model.id || name(&self.model) == name(model)
    }
}

/// One model at one provider paid by one pool.
#[derive(Clone, Debug)]
pub struct Target {
    /// Model, which names the target for people (`provider/model`).
    pub model: Arc<Model>,
    /// Its provider.
    pub provider: Arc<Provider>,
    /// Pool that pays; `None`: no authentication.
    pub pool: Option<PoolId>,
    /// Credential labels or quota groups that policy allows; empty: all.
    pub allowed_credentials: Vec<String>,
    /// Group.
    pub order: u32,
    /// Effective context window, tokens.
    pub context_window: Option<u64>,
    /// Context tiers, largest first.
    pub context_variants: Vec<ContextVariant>,
    /// Position in the plan before cooling targets were moved: 0 is the primary.
    pub index: u32,
    /// True: every way to it is cooling; it gets one attempt as a last resort.
    pub last_resort: bool,
}

/// A fusion as it will run for this caller.
#[derive(Clone, Debug)]
pub struct FusionPlan {
    /// Its profile, per-request overrides applied.
    pub profile: Arc<FusionProfile>,
    /// Advisers that will be called: slot index in the profile and target.
    pub advisers: Vec<(u32, Target)>,
    /// Advisers left out: slot index, model and reason code.
    pub left_out: Vec<(u32, String, String)>,
    /// The judge, when on and executable.
    pub judge: Option<Target>,
    /// The synthesizer's own chain.
    pub synthesizer: Chain,
}
