//! What happens when a call fails: it is classified, remembered where it belongs, and the next step is taken.

use super::candidate::{adjustment_memo, tier_memo};
use super::ladder::{Change, Step, tokens_needed};
use super::launch::After;
use super::leg::{Late, Leg, LegState};
use super::{Run, Waiting, With};
use crate::route::health::{self, FailureClass, Health};
use crate::run::classify::{Circumstances, Symptom, Verdict, classify, header};
use crate::run::machine::{Action, CallId, TransportFault};
use crate::run::policy::{Exhausted, row_of};
use crate::run::report::AttemptAction;
use crate::wire::Millis;
use bytes::Bytes;
use serde_json::json;

/// A failed attempt, as far as the error for the caller needs it.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) class: FailureClass,
    pub(super) candidate: usize,
    pub(super) needed: u64,
    /// Earliest moment at which asking again may help.
    pub(super) next_at: Option<Millis>,
    /// The upstream's own answer, kept only where the caller must see it.
    pub(super) original: Option<Original>,
}

/// An upstream's error answer.
#[derive(Clone, Debug)]
pub(super) struct Original {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
}

impl Run {
    /// A deadline of a call has passed.
    pub(super) fn late(&mut self, call: CallId, late: Late, now: Millis, health: &mut Health) {
        let Some(mut leg) = self.take_leg(call) else { return };
        self.outbox.push_back(Action::Cancel(call));
        match late {
            Late::End => match leg.state {
                LegState::Draining { .. } => self.drained(now),
                _ => self.stream_complete(leg, true, now, health),
            },
            Late::Failure => self.failure_read(leg, now, health),
            Late::Headers => self.failed(leg, &Symptom::HeadersTimeout, now, health),
            Late::FirstToken => self.failed(leg, &Symptom::FirstTokenTimeout, now, health),
            Late::Stall => self.failed(leg, &Symptom::Stalled, now, health),
            Late::Total => {
                let symptom = match leg.state {
                    LegState::Headers { .. } => Symptom::HeadersTimeout,
                    _ => Symptom::Stalled,
                };
                leg.single_shot = true;
                self.failed(leg, &symptom, now, health);
            }
        }
    }

    /// A call was lost below HTTP.
    pub(super) fn broken(&mut self, call: CallId, fault: TransportFault, now: Millis, health: &mut Health) {
        let Some(leg) = self.take_leg(call) else { return };
        match &leg.state {
            LegState::Failure { .. } => self.failure_read(leg, now, health),
            LegState::Stream(_) => self.stream_ended(leg, Some(fault), now, health),
            LegState::Headers { .. } | LegState::Whole { .. } => {
                self.failed(leg, &Symptom::Transport(fault), now, health);
            }
            LegState::Draining { .. } => self.drained(now),
        }
    }

    /// An error body is complete, or as complete as it will be.
    pub(super) fn failure_read(&mut self, mut leg: Leg, now: Millis, health: &mut Health) {
        let state = std::mem::replace(&mut leg.state, LegState::Headers { stream: false });
        let LegState::Failure {
            status, headers, body, ..
        } = state
        else {
            return;
        };
        self.failed(
            leg,
            &Symptom::Http {
                status,
                headers: &headers,
                body: &body,
            },
            now,
            health,
        );
    }

    /// A call has failed. Its leg is no longer among the run's.
    pub(super) fn failed(&mut self, leg: Leg, symptom: &Symptom<'_>, now: Millis, health: &mut Health) {
        let verdict = classify(symptom, &self.circumstances(&leg, now, health));
        if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
            attempt.ended = Some(now);
            attempt.status = verdict.status.or(attempt.status);
            attempt.class = Some(verdict.class);
            attempt.hint = verdict.hint;
        }
        if self.delivery.begun() {
            return self.failed_after_commit(&leg, &verdict, now, health);
        }
        self.delivery.forget_kept();
        let original = original_of(symptom, &verdict);
        let step = if self.legs.is_empty() {
            self.decide(&leg, &verdict, now, health)
        } else {
            Step::Next
        };
        self.remember(&leg, &verdict, &step, now, health);
        self.keep(&leg, &verdict, original, now);
        // A second call of a hedge is still running: it is the next attempt.
        if self.legs.is_empty() {
            self.take(step, leg, &verdict, now, health);
        } else if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
            attempt.action = AttemptAction::MovedOn;
        }
    }

    fn circumstances(&self, leg: &Leg, now: Millis, health: &Health) -> Circumstances {
        let candidate = self.candidates.get(leg.candidate);
        let estimated = self.input.chain.estimated_input_tokens;
        let credential = leg.dispatch.credential.as_ref();
        Circumstances {
            estimated_input_tokens: estimated,
            refuses_long_ones: credential
                .is_some_and(|id| health.refuses_long_ones(id, &leg.dispatch.target, estimated, now)),
            window: candidate.and_then(super::Candidate::window),
            on_larger_tier: candidate.is_some_and(super::Candidate::on_larger_tier),
            now,
        }
    }

    /// Tells health what happened, on the levels that the class concerns.
    fn remember(&mut self, leg: &Leg, verdict: &Verdict, step: &Step, now: Millis, health: &mut Health) {
        let after = self.after(leg.candidate, verdict);
        let sole = !matches!(step, Step::Rotate(_)) && !self.further_target(after, now, health);
        let estimated = self.input.chain.estimated_input_tokens;
        let ceiling = match (verdict.class, step) {
            // The request is made smaller: nothing has been learned about requests of this length yet.
            (FailureClass::LongContext429, Step::Change(_)) => None,
            (FailureClass::LongContext429 | FailureClass::ContextOverflow, _) => {
                Some(verdict.limit_tokens.unwrap_or(estimated / 100 * 95))
            }
            _ => None,
        };
        let failure = health::Failure {
            class: verdict.class,
            hint: verdict.hint,
            ceiling,
            suspected: verdict.suspected,
            gave_up: !matches!(step, Step::Again(_)),
            sole,
            jitter: self.random.unit(),
        };
        health.record_failure(&leg.dispatch, &failure, now);
        if let (Some(candidate), Step::Change(change)) = (self.candidates.get(leg.candidate), step) {
            let memo = match change {
                Change::Tier => candidate.variant().map(|tier| tier_memo(tier.max_input)),
                Change::Parameter(name, instead) => Some(adjustment_memo(name, instead.as_deref())),
                Change::NominalTier(_) | Change::Output(_) | Change::Trim(_) => None,
            };
            if let Some(memo) = memo {
                health.learn_unsupported(&candidate.target.model.id, &memo, now);
            }
        }
    }

    fn after(&self, index: usize, verdict: &Verdict) -> After {
        let estimated = self.input.chain.estimated_input_tokens;
        let candidate = self.candidates.get(index);
        let needed = candidate.map_or(estimated, |candidate| tokens_needed(verdict, candidate, estimated));
        After {
            class: verdict.class,
            candidate: index,
            needed,
        }
    }

    /// What the last failure asks of the next target.
    pub(super) fn last_failure(&self) -> Option<After> {
        let failed = self.failures.last()?;
        Some(After {
            class: failed.class,
            candidate: failed.candidate,
            needed: failed.needed,
        })
    }

    fn keep(&mut self, leg: &Leg, verdict: &Verdict, original: Option<Original>, now: Millis) {
        let needed = self.after(leg.candidate, verdict).needed;
        let next_at = verdict.hint.map(|hint| now.plus(hint));
        self.failures.push(Failed {
            class: verdict.class,
            candidate: leg.candidate,
            needed,
            next_at,
            original,
        });
    }

    fn take(&mut self, step: Step, leg: Leg, verdict: &Verdict, now: Millis, health: &mut Health) {
        let (action, delay) = match &step {
            Step::Again(pause) => (AttemptAction::Retried, Some(*pause)),
            Step::Rotate(pause) => (AttemptAction::Rotated, Some(*pause)),
            Step::Change(Change::Parameter(..)) => (AttemptAction::Adjusted, None),
            Step::Change(_) => (AttemptAction::Downgraded, None),
            Step::Next => (AttemptAction::MovedOn, None),
            Step::Stop => (AttemptAction::GaveUp, None),
        };
        if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
            attempt.action = action;
            attempt.delay = delay;
        }
        let index = leg.candidate;
        let candidate = self.candidates.get_mut(index);
        let with = match step {
            Step::Again(_) => {
                self.budgeted = self.budgeted.saturating_add(1);
                if let Some(candidate) = candidate {
                    candidate.same_used = candidate.same_used.saturating_add(1);
                }
                With::Same(leg.credential)
            }
            Step::Rotate(_) => {
                if let Some(candidate) = candidate {
                    candidate.rotations = candidate.rotations.saturating_add(1);
                }
                With::Another
            }
            Step::Change(change) => {
                if let Some(candidate) = candidate {
                    candidate.change(change);
                }
                With::Same(leg.credential)
            }
            Step::Next => {
                let after = self.after(index, verdict);
                return self.advance(Some(after), now, health);
            }
            Step::Stop => return self.exhausted(now, health),
        };
        let waiting = Waiting {
            until: now.plus(delay.unwrap_or_default()),
            candidate: index,
            with,
        };
        if now >= waiting.until {
            self.resume(waiting, now, health);
        } else {
            self.waiting = Some(waiting);
        }
    }
}

/// The upstream's answer, where the caller shall see it unchanged.
fn original_of(symptom: &Symptom<'_>, verdict: &Verdict) -> Option<Original> {
    if !matches!(
        row_of(verdict.class).exhausted,
        Exhausted::Unchanged | Exhausted::ContentPolicy
    ) {
        return None;
    }
    let json = Some("application/json".to_owned());
    match symptom {
        Symptom::Http { status, headers, body } => Some(Original {
            status: *status,
            content_type: header(headers, "content-type").map(str::to_owned),
            body: Bytes::copy_from_slice(body),
        }),
        Symptom::Embedded(error) => {
            let body =
                json!({"error": {"message": error.message, "type": error.kind, "param": null, "code": error.code}});
            Some(Original {
                status: verdict.status.unwrap_or(400),
                content_type: json,
                body: Bytes::from(body.to_string()),
            })
        }
        Symptom::NoAnswer { body } => Some(Original {
            status: 400,
            content_type: json,
            body: Bytes::copy_from_slice(body),
        }),
        _ => None,
    }
}
