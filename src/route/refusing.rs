//! What a caller is told when no plan can be made, and when it may ask again.
//!
//! It must not know how a plan is made.

use super::candidates::Sorted;
use super::error::{Refused, RouteError};
use super::explanation::{Candidate, Explanation, pipeline};
use super::planner::Draft;
use super::refusal::{Gate, Refusal, RefusalCode};
use super::select::{Want, availability};
use super::tool_loop::NOBODY_ELSE;
use crate::wire::Millis;

/// Nobody knows when an operator repairs a target; a client should not ask more often than this.
const REPAIR: Millis = Millis(30_000);

impl Draft<'_> {
    /// A refusal with what was considered.
    pub(super) fn refused(&self, refusal: Refusal, candidates: Vec<Candidate>) -> Box<Refused> {
        self.refuse_with(
            RouteError::Refused {
                refusal,
                retry_at: None,
            },
            candidates,
        )
    }

    /// Any error with what was considered.
    pub(super) fn refuse_with(&self, error: RouteError, candidates: Vec<Candidate>) -> Box<Refused> {
        let explanation = Explanation {
            verdict: format!("Refused without a call: {error}"),
            strategy: "refused".to_owned(),
            why: error.reason().to_owned(),
            pipeline: pipeline(&candidates),
            candidates,
            ..self.blank()
        };
        Box::new(Refused {
            error,
            explanation: explanation.bounded(),
        })
    }

    /// No target of `name` can run. `direct`: the request names a model, not a route.
    pub(super) fn nobody(&self, name: &str, direct: bool, sorted: &Sorted) -> Box<Refused> {
        let retry_at = sorted
            .refused
            .iter()
            .filter(|(_, refusal)| {
                matches!(
                    refusal.code,
                    RefusalCode::CredentialsExhausted | RefusalCode::QuotaExhausted
                )
            })
            .filter_map(|(model, _)| self.next_credential_at(model))
            .min();
        // Models that a tool loop leaves out are not why it cannot go on.
        let mut refusals = sorted.refused.clone();
        refusals.retain(|(_, refusal)| refusal.code != RefusalCode::ToolLoopModel);
        let left_out = refusals.len() < sorted.refused.len();
        if let Some((_, last)) = refusals.last_mut().filter(|_| left_out) {
            last.text = format!("{} {NOBODY_ELSE}", last.text);
        }
        let mut own = refusals
            .iter()
            .filter(|(_, refusal)| refusal.code != RefusalCode::Duplicate);
        let error = match (own.next(), own.next()) {
            (Some((_, refusal)), None) if direct => RouteError::Refused {
                refusal: refusal.clone(),
                retry_at,
            },
            (Some((_, refusal)), None) if refusal.code.gate() != Gate::Known => RouteError::Refused {
                refusal: refusal.clone(),
                retry_at,
            },
            _ => RouteError::NoTarget {
                name: name.to_owned(),
                refusals,
                retry_at: Some(retry_at.unwrap_or(self.world.now.plus(REPAIR))),
            },
        };
        self.refuse_with(error, sorted.reports("target"))
    }

    fn next_credential_at(&self, model: &str) -> Option<Millis> {
        let model = self.world.catalog.model(model)?;
        let provider = self.world.catalog.providers.get(&model.provider)?;
        let want = Want::planning(&model.id, provider.pool.as_ref(), self.world.now);
        availability(self.world.vault, self.world.health, &want).err()?.next_at
    }
}

/// Fallbacks help where the named model fails, not where policy forbids it. And what is not set up at all does not exist, whatever
/// fallbacks the policy names; a caller that names fallbacks itself knows that the first may be missing.
pub(super) fn fatal(refusal: &Refusal, alone: bool) -> bool {
    match refusal.code.gate() {
        Gate::Policy => true,
        Gate::Preference => false,
        _ => {
            alone
                && !passing(refusal.code)
                && !matches!(refusal.code, RefusalCode::LacksCapability | RefusalCode::TooLong)
        }
    }
}

/// Reasons that pass or that another target does not share: there a policy's fallbacks serve, and the model stays listed.
pub(super) fn passing(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::CredentialsExhausted
            | RefusalCode::QuotaExhausted
            | RefusalCode::NoAccess
            | RefusalCode::TargetGone
            | RefusalCode::Budget
    )
}
