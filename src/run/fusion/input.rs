//! What a fusion begins with.

use crate::catalog::{Catalog, Vault};
use crate::route::FusionPlan;
use crate::wire::{Call, Millis};
use std::sync::Arc;

/// Everything a fusion is made of.
#[derive(Clone, Debug)]
pub struct FusionInput {
    /// What will be called.
    pub plan: FusionPlan,
    /// What the caller asked.
    pub call: Arc<Call>,
    /// Pools and their strategies.
    pub catalog: Arc<Catalog>,
    /// Credentials and variables.
    pub vault: Arc<Vault>,
    /// Names the request.
    pub request_id: String,
    /// Session key, already namespaced by tenant.
    pub session: Option<String>,
    /// Decides every jitter.
    pub seed: u64,
    /// A test prompt: the synthesizer's text becomes progress, and nothing of it a response.
    pub as_test: bool,
}

impl FusionInput {
    /// How long the whole tree may take, a duration.
    pub(super) fn time(&self) -> Millis {
        let most = self.plan.profile.deadline_ms;
        self.call.controls.deadline.map_or(most, |asked| asked.min(most))
    }
}
