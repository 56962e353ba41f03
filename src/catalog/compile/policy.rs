//! Bounds and references of a policy.

use super::findings::At;
use super::{Names, Reference, check_model};
use crate::catalog::Policy;
use crate::catalog::document::{DocumentErrorCode, PolicySet, RateLimit, pointer_segment};

/// Entries of one allow or deny list.
const MAX_PATTERNS: usize = 1000;
/// Budgets of one policy: four windows in two scopes.
const MAX_BUDGETS: usize = 8;
/// Fallback models (auto and direct calls use far fewer).
const MAX_FALLBACKS: usize = 16;

pub(super) fn check(at: &mut At<'_>, policy: &Policy, names: &Names<'_>) {
    check_set(at, "/allow", &policy.allow);
    check_set(at, "/deny", &policy.deny);
    at.at_most("/budgets", policy.budgets.len(), MAX_BUDGETS);
    for (index, budget) in policy.budgets.iter().enumerate() {
        let same =
            |other: &&crate::catalog::document::Budget| (other.window, other.scope) == (budget.window, budget.scope);
        if policy.budgets.iter().take(index).any(|other| same(&other)) {
            let message = "there is already a budget with this window and scope";
            at.error(format_args!("/budgets/{index}"), DocumentErrorCode::Duplicate, message);
        }
    }
    check_rate(at, "/rate", &policy.rate);
    check_rate(at, "/key_rate", &policy.key_rate);
    for (pool, labels) in &policy.pools {
        let pointer = format!("/pools/{}", pointer_segment(pool));
        if !names.pools.contains(pool.as_str()) {
            at.error(
                &pointer,
                DocumentErrorCode::UnknownReference,
                format!("there is no credential pool {pool}"),
            );
        }
        at.patterns(&pointer, labels, 64);
    }
    at.at_most("/fallbacks", policy.fallbacks.len(), MAX_FALLBACKS);
    for (index, model) in policy.fallbacks.iter().enumerate() {
        check_model(at, names, &format!("/fallbacks/{index}"), model, Reference::Fallback);
    }
}

/// The policy without fallbacks that were warned about.
pub(super) fn resolved(policy: &Policy, names: &Names<'_>) -> Policy {
    let mut resolved = policy.clone();
    resolved.fallbacks.retain(|model| names.has_model(model));
    resolved
}

fn check_rate(at: &mut At<'_>, pointer: &str, rate: &RateLimit) {
    for (field, limit) in [
        ("rpm", rate.rpm.map(u64::from)),
        ("tpm", rate.tpm),
        ("concurrent", rate.concurrent.map(u64::from)),
    ] {
        if limit == Some(0) {
            let message = "0 would refuse every request: leave it out for no limit, or disable the policy";
            at.error(
                format_args!("{pointer}/{field}"),
                DocumentErrorCode::OutOfBounds,
                message,
            );
        }
    }
}

fn check_set(at: &mut At<'_>, pointer: &str, set: &PolicySet) {
    for (field, patterns) in [
        ("providers", &set.providers),
        ("models", &set.models),
        ("virtual", &set.virtual_models),
    ] {
        if let Some(patterns) = patterns {
            at.patterns(&format!("{pointer}/{field}"), patterns, MAX_PATTERNS);
        }
    }
}
