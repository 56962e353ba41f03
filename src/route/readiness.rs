//! Readiness of a fusion profile, draft or live: for every policy whether it would be listed, which calls would run and why not, what
//! it reserves and takes, and who gains or loses. Computed by the call path's own gates; nothing is called.

mod figures;
mod warnings;

use super::executable::World;
use super::fusion_planner::fusion_executable;
use super::fusion_slots::slots;
use super::health::verified::{VERIFIED_FOR, Verified};
use super::plan::Stage;
use super::refusal::{FixKind, Refusal, RefusalCode};
use crate::access::{Grant, KeyIdentity};
use crate::catalog::{FusionProfile, ModelId, NanoUsd, Policy};
use crate::wire::time::rfc3339;
use serde::Serialize;
use std::sync::Arc;

pub use figures::{Alone, Figures};
pub use warnings::Warning;

/// The body of `POST fusion-profiles/{id}/readiness`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Readiness {
    /// Profile id.
    pub profile: String,
    /// When it was computed.
    pub as_of: String,
    /// Every policy that was asked about.
    pub policies: Vec<PolicyReadiness>,
    /// Reserve, cost and time.
    pub figures: Figures,
    /// Policies that get the listing when this profile goes live.
    pub gains: Vec<String>,
    /// Policies that lose it.
    pub loses: Vec<String>,
    /// What works but may surprise.
    pub warnings: Vec<Warning>,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyReadiness {
    /// Policy id.
    pub policy: String,
    /// Keys of it.
    pub keys: u64,
    /// Would be listed with this profile enabled.
    pub listed: bool,
    /// Is listed now.
    pub listed_now: bool,
    /// Why it would not be.
    pub reason: Option<Refusal>,
    /// Advisers that would be called.
    pub ready_advisers: usize,
    /// Advisers of the profile.
    pub advisers: usize,
    /// What the tightest budget has left.
    #[serde(with = "crate::catalog::money::optional_usd")]
    pub remaining_budget_usd: Option<NanoUsd>,
    /// Every call of the profile.
    pub calls: Vec<CallReadiness>,
    /// Keys one by one, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_rows: Vec<KeyReadiness>,
}

/// One call of a fusion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallReadiness {
    /// `A1`, `A2`, …, `J`, `S`.
    pub slot: String,
    /// What it is for.
    pub stage: Stage,
    /// Model id.
    pub model: String,
    /// Whether it would run, and whether that was seen.
    pub state: CallState,
    /// Why it is blocked or unverified.
    pub reason: Option<Refusal>,
    /// Last success of a real call.
    pub verified_at: Option<String>,
    /// What it reserves.
    #[serde(with = "crate::catalog::money::optional_usd")]
    pub reserve_usd: Option<NanoUsd>,
    /// Usual duration.
    pub p50_ms: Option<u64>,
    /// Long duration.
    pub p95_ms: Option<u64>,
}

/// Would a call run?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Yes, and a real call succeeded in the last 24 hours.
    Verified,
    /// Yes, as far as can be known without a call.
    Unverified,
    /// No.
    Blocked,
}

/// One key of a policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyReadiness {
    /// Key id.
    pub kid: String,
    /// Label.
    pub label: String,
    /// Would be listed for it.
    pub listed: bool,
    /// Why not.
    pub reason: Option<Refusal>,
}

/// A policy to compute for.
#[derive(Clone, Debug)]
pub struct PolicyQuestion {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Keys of it.
    pub keys: u64,
    /// The least that a hard budget of the policy has left; `None`: unknown or unlimited.
    pub remaining: Option<NanoUsd>,
    /// Keys to answer for one by one, each with what its own budgets have left.
    pub key_rows: Vec<(KeyIdentity, Option<NanoUsd>)>,
}

/// Computes readiness. `live` is the published profile; `verified` when a real call of a model last succeeded.
pub fn readiness(
    profile: &FusionProfile,
    live: Option<&FusionProfile>,
    questions: &[PolicyQuestion],
    verified: &Verified,
    world: &World,
) -> Readiness {
    let mut enabled = profile.clone();
    enabled.enabled = true;
    let policies: Vec<PolicyReadiness> = questions
        .iter()
        .map(|question| of_policy(&enabled, live, question, verified, world))
        .collect();
    let changed = |listed: bool| {
        let rows = policies
            .iter()
            .filter(move |row| row.listed == listed && row.listed_now != listed);
        rows.map(|row| row.policy.clone()).collect()
    };
    Readiness {
        profile: profile.id.to_string(),
        as_of: rfc3339(world.now),
        figures: figures::figures(&enabled, world),
        gains: changed(true),
        loses: changed(false),
        warnings: warnings::warnings(profile, world),
        policies,
    }
}

fn of_policy(
    profile: &FusionProfile,
    live: Option<&FusionProfile>,
    question: &PolicyQuestion,
    verified: &Verified,
    world: &World,
) -> PolicyReadiness {
    let nobody = KeyIdentity {
        kid: String::new(),
        label: String::new(),
        principal: None,
    };
    let grant = |key: KeyIdentity, remaining| Grant {
        key,
        policy: Arc::clone(&question.policy),
        remaining,
    };
    let general = grant(nobody, question.remaining);
    let listed = fusion_executable(profile, &general, world);
    let calls: Vec<CallReadiness> = slots(profile, &general, world)
        .into_iter()
        .map(|slot| {
            let (p50_ms, p95_ms) =
                figures::durations(&slot.model, figures::usual(slot.stage, slot.output_tokens), world);
            let verified_at = verified.at(&slot.model);
            let (state, reason) = match slot.outcome {
                Err(refusal) => (CallState::Blocked, Some(refusal)),
                Ok(()) if verified_at.is_some_and(|at| world.now.since(at) < VERIFIED_FOR) => {
                    (CallState::Verified, None)
                }
                Ok(()) => (CallState::Unverified, Some(unverified(&slot.model))),
            };
            CallReadiness {
                slot: slot.name,
                stage: slot.stage,
                model: slot.model.to_string(),
                state,
                reason,
                verified_at: verified_at.map(rfc3339),
                reserve_usd: slot.reserve,
                p50_ms,
                p95_ms,
            }
        })
        .collect();
    let ready = |call: &&CallReadiness| call.stage == Stage::Adviser && call.state != CallState::Blocked;
    PolicyReadiness {
        policy: question.policy.id.to_string(),
        keys: question.keys,
        listed: listed.is_ok(),
        listed_now: live.is_some_and(|live| fusion_executable(live, &general, world).is_ok()),
        reason: listed.err(),
        ready_advisers: calls.iter().filter(ready).count(),
        advisers: profile.advisers.len(),
        remaining_budget_usd: question.remaining,
        calls,
        key_rows: question
            .key_rows
            .iter()
            .map(|(key, remaining)| {
                let least = match (question.remaining, *remaining) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
                let listed = fusion_executable(profile, &grant(key.clone(), least), world);
                KeyReadiness {
                    kid: key.kid.clone(),
                    label: key.label.clone(),
                    listed: listed.is_ok(),
                    reason: listed.err(),
                }
            })
            .collect(),
    }
}

fn unverified(model: &ModelId) -> Refusal {
    let text = "Executable, not verified by a live call in the last 24 h.";
    Refusal::new(RefusalCode::Unverified, text).fix(FixKind::Verify, model.as_str(), "Run verification (1 call)")
}
