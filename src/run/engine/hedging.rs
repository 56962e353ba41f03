//! Starts the second call of a hedge.

use super::Run;
use super::candidate::{Candidate, Lane};
use super::deliver::Form;
use super::launch::Reason;
use crate::route::health::{Gate, Health};
use crate::run::hedge;
use crate::wire::Millis;

impl Run {
    /// After the first call was sent: decides whether and when a second may join it.
    pub(super) fn arm_hedge(&mut self, p95: Option<Millis>, now: Millis) {
        if self.delivery.form == Form::Stream && self.candidates.len() > 1 {
            let delay = hedge::delay(&self.input.chain.hedge, p95, &mut self.random);
            self.hedge_at = delay.map(|delay| now.plus(delay));
        }
    }

    /// Usable without being a probe: a hedge costs nobody's recovery anything.
    fn is_untroubled(&self, index: usize, now: Millis, health: &Health) -> bool {
        let ready = self.candidates.get(index).is_some_and(|candidate| {
            health.target_gate(&candidate.target.model.id, &candidate.host, now) == Gate::Ready
        });
        ready && self.usable(index, now, health)
    }

    /// The first call has said nothing for long: another host is asked as well. Never after a failure, never more than two at once.
    pub(super) fn hedge(&mut self, now: Millis, health: &mut Health) {
        let [leg] = self.legs.as_slice() else { return };
        // A probe or a last resort: what it asks was limited or overloaded a moment ago, and more calls would not help.
        if self.delivery.begun() || !self.failures.is_empty() || leg.single_shot {
            return;
        }
        let Some(first) = self.candidates.get(leg.candidate) else {
            return;
        };
        let host = first.host.clone();
        // A slow model is no reason to swap it inside a tool loop.
        let stays = |candidate: &Candidate| {
            let tool_loop = self.input.chain.tool_loop.as_ref();
            tool_loop.is_none_or(|tool_loop| tool_loop.stays_at(&candidate.target.model))
        };
        let other = (0..self.candidates.len()).find(|index| {
            let fresh = self.candidates.get(*index).is_some_and(|candidate| {
                candidate.lane == Lane::Main
                    && !candidate.tried
                    && !candidate.left
                    && candidate.host != host
                    && stays(candidate)
            });
            fresh && self.is_untroubled(*index, now, health)
        });
        if let Some(index) = other {
            self.launch(
                index,
                Reason {
                    hedge: true,
                    ..Reason::default()
                },
                now,
                health,
            );
        }
    }
}
