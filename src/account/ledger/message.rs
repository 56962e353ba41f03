//! What the Worker asks a `Ledger` and what it answers. Money inside messages counts nano-dollars unless a field ends in `_usd`.
//!
//! Enums here are externally tagged on purpose: amounts with nine decimals do not survive serde's buffering of tagged content.

use super::rate::RateState;
use crate::account::calendar;
use crate::account::trace::TraceBody;
use crate::account::usage::{RequestRow, provider_of};
use crate::catalog::document::{Budget, BudgetScope, BudgetWindow, RateLimit};
use crate::catalog::{NanoUsd, Policy};
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long a reservation holds without a heartbeat. Longer than [`HEARTBEAT_EVERY`] by three missed ones.
pub const LEASE: Millis = Millis(90_000);
/// How often a running stream reports its known usage and extends its lease.
pub const HEARTBEAT_EVERY: Millis = Millis(20_000);
/// Lines of one reservation: the largest fusion has 8 advisers, a judge and a synthesizer.
pub const MAX_LINES: usize = 16;
/// Reservations open at once in one Ledger; about 1 KB of memory each.
pub const MAX_OPEN: usize = 10_000;

/// Part that a call plays in its request. The order is the order of funding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The one call of a plain request. Must be funded.
    #[default]
    Request,
    /// The synthesizer of a fusion. Must be funded.
    Synthesizer,
    /// An adviser: left out when it does not fit.
    Adviser,
    /// The judge: left out when it does not fit.
    Judge,
}

impl Stage {
    /// True when the request is refused if this line cannot be funded.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::Request | Self::Synthesizer)
    }
}

/// The worst case of one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Names the call within the request.
    pub call: u32,
    /// Its part.
    pub stage: Stage,
    /// Model id of the target, the first of its chain.
    pub target: String,
    /// Worst case over the call's chain, nano-dollars.
    pub amount: NanoUsd,
}

/// A spending limit that the request must respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRule {
    /// Calendar window.
    pub window: BudgetWindow,
    /// Whose spending counts.
    pub scope: BudgetScope,
    /// False: counted and reported, never refused.
    pub hard: bool,
    /// Limit, nano-dollars.
    pub limit: NanoUsd,
}

impl From<&Budget> for BudgetRule {
    fn from(budget: &Budget) -> Self {
        Self {
            window: budget.window,
            scope: budget.scope,
            hard: budget.hard,
            limit: budget.limit_usd,
        }
    }
}

/// Speed limits of the policy or of each of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateRule {
    /// Whose requests count.
    pub scope: BudgetScope,
    /// The limits.
    pub limits: RateLimit,
}

impl RateRule {
    /// The limits that a policy sets: for all its keys together, and for each on its own.
    pub fn of(policy: &Policy) -> Vec<Self> {
        [(BudgetScope::Policy, policy.rate), (BudgetScope::Key, policy.key_rate)]
            .into_iter()
            .filter(|(_, limits)| !limits.is_none())
            .map(|(scope, limits)| Self { scope, limits })
            .collect()
    }
}

/// A provider's monthly cap over all policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderCap {
    /// Provider id.
    pub provider: String,
    /// Monthly limit, nano-dollars.
    pub limit: NanoUsd,
    /// The most that this request can spend there.
    pub amount: NanoUsd,
    /// True: without this provider the request cannot be answered. False: it is reported in [`Granted::capped_providers`] and the
    /// caller drops the provider's targets.
    pub required: bool,
}

/// Asks for all calls of one request at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveRequest {
    /// Names the reservation. Made by the router, never taken from a caller: who may choose it could ride on somebody else's.
    pub id: String,
    /// Policy, for names of budgets.
    pub policy: String,
    /// The key.
    pub kid: String,
    /// At most [`MAX_LINES`]; empty when only speed is limited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Estimated tokens, input and output, for tokens-per-minute limits.
    #[serde(default)]
    pub tokens: u64,
    /// All budgets of the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetRule>,
    /// All speed limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateRule>,
    /// Caps of providers that the plan may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderCap>,
    /// How long the reservation holds without a heartbeat; [`LEASE`].
    pub lease: Millis,
}

/// Names an open reservation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// [`ReserveRequest::id`].
    pub id: String,
    /// Its number in the Ledger: makes "settled already" decidable without keeping every id for ever.
    pub seq: u64,
}

/// The Ledger's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReserveAnswer {
    /// Go.
    Granted(Granted),
    /// Stop.
    Refused(Refusal),
}

/// A reservation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// To settle it with.
    pub ticket: Ticket,
    /// Sum of the funded lines.
    pub reserved: NanoUsd,
    /// Calls that did not fit and must not be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfunded: Vec<u32>,
    /// Providers that are over their cap and must not be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capped_providers: Vec<String>,
    /// Every budget after this reservation.
    pub budgets: Vec<BudgetState>,
    /// Every speed limit after this reservation.
    pub rates: Vec<RateState>,
}

impl Granted {
    /// The least that any hard budget still has; `None`: no hard budget.
    pub fn remaining(&self) -> Option<NanoUsd> {
        self.budgets
            .iter()
            .filter(|budget| budget.hard)
            .map(|budget| budget.remaining_usd)
            .min()
    }
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A hard budget cannot take the calls that must be funded.
    Budget {
        /// The tightest one.
        budget: Box<BudgetState>,
        /// What the calls that must be funded could cost.
        needed: NanoUsd,
    },
    /// A provider's cap cannot.
    ProviderBudget {
        /// The provider.
        provider: String,
        /// Its cap.
        budget: Box<BudgetState>,
        /// What this request could cost there.
        needed: NanoUsd,
    },
    /// A speed limit.
    Rate {
        /// Which.
        rate: RateState,
        /// Wait so long.
        retry_after: Millis,
    },
    /// The key was revoked.
    Revoked {
        /// When.
        at: Millis,
    },
    /// The key is paused: refused until it is on again.
    Paused,
    /// The policy is off: all its keys are refused until it is on again.
    PolicyOff,
    /// [`MAX_OPEN`] reservations are open, or the request has more than [`MAX_LINES`] lines.
    TooMany {
        /// Open reservations.
        open: u64,
    },
}

impl Refusal {
    /// HTTP status and error code of docs/errors.md.
    pub const fn status_and_code(&self) -> (u16, &'static str) {
        match self {
            Self::Budget { .. } | Self::ProviderBudget { .. } => (402, "budget_exceeded"),
            Self::Rate { .. } => (429, "rate_limited"),
            Self::Revoked { .. } | Self::Paused => (403, "key_revoked"),
            Self::PolicyOff => (403, "policy_disabled"),
            Self::TooMany { .. } => (503, "overloaded"),
        }
    }

    /// What `Retry-After` says, when waiting helps.
    pub const fn retry_after(&self) -> Option<Millis> {
        match self {
            Self::Rate { retry_after, .. } => Some(*retry_after),
            Self::TooMany { .. } => Some(Millis(1000)),
            Self::Budget { .. }
            | Self::ProviderBudget { .. }
            | Self::Revoked { .. }
            | Self::Paused
            | Self::PolicyOff => None,
        }
    }
}

/// One sentence for the caller: what is the matter and what to do.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget { budget, needed } => {
                write!(
                    f,
                    "Budget {} of ${} cannot take this request (up to ${needed}): ",
                    budget.budget, budget.limit_usd
                )?;
                over(f, budget)
            }
            Self::ProviderBudget {
                provider,
                budget,
                needed,
            } => {
                write!(
                    f,
                    "The monthly cap of provider {provider}, ${}, cannot take this request (up to ${needed}): ",
                    budget.limit_usd
                )?;
                over(f, budget)
            }
            Self::Rate { rate, retry_after } => {
                let (limit, seconds) = (rate.limit, retry_after.0.div_ceil(1000));
                write!(
                    f,
                    "Limit of {limit} {} reached for this {}: retry in {seconds} s.",
                    rate.kind.words(),
                    scope_word(rate.scope)
                )
            }
            Self::Revoked { .. } => f.write_str("This key was revoked: ask for a new one."),
            Self::Paused => f.write_str("This key is paused: ask the router's operator."),
            Self::PolicyOff => f.write_str("The policy of this key is off: ask the router's operator."),
            Self::TooMany { .. } => f.write_str("Too many requests are open under this policy: retry in 1 s."),
        }
    }
}

fn over(f: &mut fmt::Formatter<'_>, budget: &BudgetState) -> fmt::Result {
    write!(
        f,
        "${} spent, ${} reserved, ${} left",
        budget.spent_usd, budget.reserved_usd, budget.remaining_usd
    )?;
    match budget.resets_at {
        Some(at) => write!(f, "; it resets at {}.", calendar::rfc3339(at)),
        None => f.write_str("; raise it to go on."),
    }
}

/// `policy` or `key`.
pub const fn scope_word(scope: BudgetScope) -> &'static str {
    match scope {
        BudgetScope::Policy => "policy",
        BudgetScope::Key => "key",
    }
}

/// `day`, `week`, `month` or `total`.
pub const fn window_word(window: BudgetWindow) -> &'static str {
    match window {
        BudgetWindow::Day => "day",
        BudgetWindow::Week => "week",
        BudgetWindow::Month => "month",
        BudgetWindow::Total => "total",
    }
}

/// A budget as people see it: the `BudgetState` of the admin API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetState {
    /// `team-research/month`; for a budget of each key `team-research/month/key`.
    pub budget: String,
    /// Whose spending counts.
    pub scope: BudgetScope,
    /// `policy team-research`.
    pub set_by: String,
    /// Calendar window.
    pub window: BudgetWindow,
    /// False: never refuses.
    pub hard: bool,
    /// Limit.
    #[serde(with = "crate::catalog::money::usd")]
    pub limit_usd: NanoUsd,
    /// Settled in this window.
    #[serde(with = "crate::catalog::money::usd")]
    pub spent_usd: NanoUsd,
    /// Held by open reservations.
    #[serde(with = "crate::catalog::money::usd")]
    pub reserved_usd: NanoUsd,
    /// Limit minus both, never below zero.
    #[serde(with = "crate::catalog::money::usd")]
    pub remaining_usd: NanoUsd,
    /// When the next window begins; `None`: never.
    #[serde(with = "calendar::optional_moment")]
    pub resets_at: Option<Millis>,
}

/// Reports what a running request has used so far and extends its lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatRequest {
    /// Which reservation.
    pub ticket: Ticket,
    /// Known cost so far by call; what is not named keeps its last known cost.
    pub known: Vec<KnownCost>,
    /// New lease from now on.
    pub lease: Millis,
}

/// Cost of one call as far as known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCost {
    /// [`Line::call`].
    pub call: u32,
    /// Nano-dollars.
    pub amount: NanoUsd,
}

/// Answer to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatAnswer {
    /// False: settled or expired already.
    pub open: bool,
}

/// Ends a request: releases its reservation, charges what it really cost, keeps its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettleRequest {
    /// As in [`ReserveRequest::id`]: made by the router for every request, reserved or not.
    pub id: String,
    /// The reservation's number; `None`: nothing was reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The key.
    pub kid: String,
    /// The usage row: the sum of its attempts is charged. `None`: nothing was called, the reservation is just let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Box<RequestRow>>,
    /// What the trace page shows beyond the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<TraceBody>>,
    /// Days for which rows are kept; setting `usage_days`.
    pub keep_days: u32,
}

impl SettleRequest {
    /// What is charged.
    pub fn total(&self) -> NanoUsd {
        let attempts = self.row.iter().flat_map(|row| &row.attempts);
        attempts.map(|attempt| attempt.cost_usd).sum()
    }

    /// Tokens really used, for tokens-per-minute limits.
    pub fn tokens(&self) -> u64 {
        let attempts = self.row.iter().flat_map(|row| &row.attempts);
        attempts.fold(0, |sum, attempt| {
            sum.saturating_add(attempt.usage.input_tokens)
                .saturating_add(attempt.usage.output_tokens)
        })
    }

    /// What is charged for calls to `provider`.
    pub fn total_of_provider(&self, provider: &str) -> NanoUsd {
        let attempts = self.row.iter().flat_map(|row| &row.attempts);
        attempts
            .filter(|attempt| provider_of(&attempt.target) == provider)
            .map(|attempt| attempt.cost_usd)
            .sum()
    }
}

/// Ends a reservation at a provider's cap; the rows are the policy's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleAmountRequest {
    /// Which reservation.
    pub ticket: Ticket,
    /// What it really cost, nano-dollars.
    pub amount: NanoUsd,
}

/// Answer to a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleAnswer {
    /// What happened.
    pub outcome: SettleOutcome,
    /// What was charged by this very call.
    pub charged: NanoUsd,
    /// Since when the key is revoked: an isolate that believes otherwise learns it here, whatever KV still says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Millis>,
}

/// What a settlement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettleOutcome {
    /// Charged now.
    Settled,
    /// The lease had expired and was settled at its last known usage; the rest was charged now.
    ToppedUp,
    /// Was settled before: nothing changed.
    AlreadySettled,
}
