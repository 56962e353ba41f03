//! What a run is given. Everything that could make two runs differ is in here: time, seed, ids are parameters.

use crate::catalog::{Catalog, RouteId, Vault};
use crate::route::Chain;
use crate::run::machine::CallId;
use crate::wire::{Call, Millis};
use std::sync::Arc;

/// A single chain to execute.
#[derive(Clone, Debug)]
pub struct RunInput {
    /// Targets in order, and the rules for moving along them.
    pub chain: Chain,
    /// What the caller asked.
    pub call: Arc<Call>,
    /// Pools and their strategies.
    pub catalog: Arc<Catalog>,
    /// Credentials and variables.
    pub vault: Arc<Vault>,
    /// Names the request in errors and headers.
    pub request_id: String,
    /// Session key, already namespaced by tenant.
    pub session: Option<String>,
    /// The configured route that was named, if any.
    pub route: Option<RouteId>,
    /// `x-clawrouter-strategy`.
    pub strategy: &'static str,
    /// A pin decided the first target.
    pub pinned: bool,
    /// When the request must have ended, a moment.
    pub deadline: Option<Millis>,
    /// Decides every jitter.
    pub seed: u64,
    /// Calls are numbered from here: machines that run side by side get ranges of [`CALLS_PER_RUN`].
    pub first_call: CallId,
    /// What becomes of the answer.
    pub answer: AnswerAs,
    /// Tighter deadlines than the provider's, for parts of a compound request.
    pub limits: Limits,
}

/// Room for the calls of one run, retries included.
pub const CALLS_PER_RUN: u32 = 32;

/// What becomes of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerAs {
    /// It goes to the caller as the caller asked for it: a stream or one body.
    Asked,
    /// Its text is kept in the machine and nothing is emitted: advisers, judges.
    Text {
        /// Characters kept; reaching it ends the call.
        max_chars: usize,
    },
}

/// Tighter deadlines than the provider's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// To the first content.
    pub first_token: Option<Millis>,
    /// Of each call.
    pub total: Option<Millis>,
}
