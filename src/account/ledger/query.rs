//! What the admin page and callers ask a `Ledger` besides money: budgets, rows, traces, usage, metrics.

use super::message::{BudgetRule, BudgetState};
use crate::account::counters::Counters;
use crate::account::listing::RequestFilter;
use crate::account::rollup::{Rollup, UsageQuery};
use crate::account::trace::{Trace, TraceBody};
use crate::account::usage::RequestRow;
use crate::catalog::NanoUsd;
use crate::wire::Millis;
use serde::{Deserialize, Serialize};

/// Keys of one [`BudgetsRequest`].
pub const MAX_KIDS: usize = 200;

/// `/budgets`: how every budget stands for these keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetsRequest {
    /// Policy.
    pub policy: String,
    /// Keys, at most [`MAX_KIDS`]; an empty one asks for the policy's own budgets only.
    pub kids: Vec<String>,
    /// All budgets of the policy.
    pub rules: Vec<BudgetRule>,
}

/// Budgets of each key in the order asked.
pub type BudgetsAnswer = Vec<Vec<BudgetState>>;

/// `/keys`: budgets and last use of these keys.
pub type KeysAnswer = Vec<KeyState>;

/// How one key stands at its policy's Ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// Every budget that applies to it.
    pub budgets: Vec<BudgetState>,
    /// Arrival of its latest request that left a row, refused ones included.
    pub last_used: Option<Millis>,
}

/// `/revoke`: refuse this key from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeRequest {
    /// The key.
    pub kid: String,
    /// When it was revoked.
    pub at: Millis,
}

/// `/pause`: refuse from now on, or no longer. A revoked key stays refused either way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRequest {
    /// The key; `None`: the policy itself, with all its keys.
    pub kid: Option<String>,
    /// False: it works again.
    pub paused: bool,
}

/// `/requests`: a page of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRequest {
    /// Policy of the Ledger asked.
    pub policy: String,
    /// Which rows.
    pub filter: RequestFilter,
}

/// `/request`: one request with its trace, the newest of that id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindRequest {
    /// `x-request-id`.
    pub request_id: String,
    /// Only when this key made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

/// Answer to [`FindRequest`]; `None` when there is no such request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Row.
    pub row: RequestRow,
    /// Trace.
    pub trace: TraceBody,
}

impl Found {
    /// As the API shows it.
    pub fn into_trace(self) -> Trace {
        Trace {
            row: self.row,
            body: self.trace,
        }
    }
}

/// `/usage`: sums by group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRequest {
    /// Policy of the Ledger asked.
    pub policy: String,
    /// The question.
    pub query: UsageQuery,
}

/// Answer to `/metrics`: sums since the Ledger began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricsPart {
    /// Everything by key and model.
    pub ever: Rollup,
    /// Calls and moves by class.
    #[serde(default)]
    pub counters: Counters,
    /// Open reservations.
    pub open: u64,
    /// What they hold, nano-dollars.
    pub reserved: NanoUsd,
    /// Revoked keys.
    pub revoked: u64,
}
