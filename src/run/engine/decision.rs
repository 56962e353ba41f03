//! Gathers what the ladder must know to decide about a failed attempt.

use super::Run;
use super::ladder::{Change, Situation, Step, change_for, decide, trim_target};
use super::leg::Leg;
use crate::catalog::CredentialId;
use crate::route::health::{FailureClass, Health};
use crate::route::select;
use crate::run::classify::Verdict;
use crate::run::policy::{MAX_CALLS, Next, row_of};
use crate::run::trim;
use crate::wire::call::Limits;
use crate::wire::{Millis, chat};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is left of the pool of a failed attempt.
struct PoolLeft {
    /// Credentials that this request must not use again here.
    used: BTreeSet<CredentialId>,
    /// Another one is free.
    other: bool,
    /// All others belong to the quota group that has just refused.
    same_group: bool,
}

impl Run {
    /// What to do about a failed attempt.
    pub(super) fn decide(&mut self, leg: &Leg, verdict: &Verdict, now: Millis, health: &Health) -> Step {
        let left = self.pool_left(leg, verdict, now, health);
        let change = self.change_of(leg.candidate, verdict);
        let equal_target = self.equal_target(leg.candidate, now, health);
        let opted_in = self.opted_in(verdict.class);
        let Some(candidate) = self.candidates.get(leg.candidate) else {
            return Step::Stop;
        };
        let retry = &self.input.chain.retry;
        let situation = Situation {
            verdict,
            candidate,
            retry,
            single_shot: leg.single_shot,
            other_credential: left.other,
            same_group: left.same_group,
            equal_target,
            calls_left: self.calls < MAX_CALLS,
            budget_left: self.budgeted < retry.max_attempts,
            time_left: self.input.deadline.map(|deadline| deadline.since(now)),
            change,
            opted_in,
        };
        let step = decide(&situation, &mut self.random);
        if let Some(candidate) = self.candidates.get_mut(leg.candidate)
            && !matches!(step, Step::Again(_) | Step::Change(_))
        {
            candidate.used = left.used;
        }
        step
    }

    fn pool_left(&self, leg: &Leg, verdict: &Verdict, now: Millis, health: &Health) -> PoolLeft {
        let Some(candidate) = self.candidates.get(leg.candidate) else {
            return PoolLeft {
                used: BTreeSet::new(),
                other: false,
                same_group: false,
            };
        };
        let mut used = candidate.used.clone();
        used.extend(leg.credential.iter().map(|credential| credential.id.clone()));
        let pool = candidate.target.pool.as_ref();
        let pool = pool
            .and_then(|pool| self.input.vault.pools.get(pool))
            .into_iter()
            .flatten();
        let group = leg.dispatch.quota_group.as_ref();
        let free = pool.filter(|other| !used.contains(&other.id));
        let (in_group, elsewhere): (Vec<_>, Vec<_>) =
            free.partition(|other| group.is_some() && other.quota_group.as_ref() == group);
        let same_group = !in_group.is_empty() && elsewhere.is_empty();
        if verdict.class == FailureClass::LongContext429 {
            // The limit belongs to the organisation: its other keys would say the same.
            let told: Vec<CredentialId> = in_group.iter().map(|other| other.id.clone()).collect();
            used.extend(told);
        }
        let other = row_of(verdict.class).rotate
            && leg.credential.is_some()
            && select::availability(&self.input.vault, health, &self.want(candidate, &used, false, 0, now)).is_ok();
        PoolLeft {
            used,
            other,
            same_group,
        }
    }

    /// Could another target of the same order group take over?
    fn equal_target(&self, index: usize, now: Millis, health: &Health) -> bool {
        let Some(candidate) = self.candidates.get(index) else {
            return false;
        };
        self.candidates.iter().enumerate().any(|(other_index, other)| {
            let equal = other.lane == candidate.lane && other.target.order == candidate.target.order;
            equal && other_index != index && !other.tried && self.usable(other_index, now, health)
        })
    }

    fn opted_in(&self, class: FailureClass) -> bool {
        let chain = &self.input.chain;
        match row_of(class).next {
            Next::IfContentPolicyOptedIn => {
                chain.fallback_on.content_policy || !chain.content_policy_targets.is_empty()
            }
            Next::IfInvalidRequestOptedIn => chain.fallback_on.invalid_request,
            Next::OnlyOne => self.failures.iter().all(|failed| failed.class != class),
            Next::Any | Next::LargerWindow | Next::OtherProvider | Next::Never => true,
        }
    }

    /// How the request could be changed to have a chance at the same target.
    fn change_of(&mut self, index: usize, verdict: &Verdict) -> Option<Change> {
        let candidate = self.candidates.get(index)?;
        let chain = &self.input.chain;
        let asked = self.input.call.max_output_tokens;
        let change = change_for(verdict, candidate, chain.downgrade, chain.estimated_input_tokens, asked);
        if change.is_some() || !chain.trim {
            change
        } else {
            self.shorten(index, verdict)
        }
    }

    /// Leaves old turns out of the request, when something can be left out.
    fn shorten(&mut self, index: usize, verdict: &Verdict) -> Option<Change> {
        let estimated = self.input.chain.estimated_input_tokens;
        let candidate = self.candidates.get_mut(index)?;
        let call = candidate.shorter.as_ref().unwrap_or(&self.input.call);
        let target = trim_target(verdict, candidate, estimated, call.max_output_tokens)?;
        let shorter = trim::trimmed(call, candidate.nominal_tier.unwrap_or(estimated), target)?;
        // The whole body was within bounds, so its remainder is.
        let limits = Limits {
            max_body_bytes: u64::MAX,
            ..Limits::default()
        };
        candidate.shorter = Some(Arc::new(chat::parse(shorter, &limits).ok()?));
        Some(Change::Trim(target))
    }
}
