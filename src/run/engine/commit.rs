//! The moments at which a call becomes the answer: its commit, its end, and the continuation of a stream that was cut.

use super::Run;
use super::candidate::Candidate;
use super::deliver::Form;
use super::launch::{After, Reason};
use super::leg::{Continues, Leg, LegState};
use super::stream::AFTER_DONE;
use crate::route::health::{self, FailureClass, Health};
use crate::run::classify::{Fault, Verdict, fault};
use crate::run::headers;
use crate::run::machine::{Action, ResponseHead};
use crate::run::policy::MAX_CALLS;
use crate::run::recover::Joint;
use crate::run::report::{AttemptAction, Outcome, Recovery, Served};
use crate::wire::{Millis, chat_encode};
use bytes::Bytes;
use serde_json::json;

/// Remembers that a target refuses an assistant prefix; the colon keeps it apart from parameters.
const PREFILL_MEMO: &str = "prefill:";

impl Run {
    /// This call answers: every other one is closed, and status and headers go out.
    pub(super) fn commit(&mut self, leg: &Leg, content_type: &str, stream: bool, now: Millis, health: &mut Health) {
        for loser in std::mem::take(&mut self.legs) {
            self.cancel(&loser, now, health);
        }
        self.hedge_at = None;
        health.record_success(&leg.dispatch, false, now);
        // What was learned about lengths is refuted by a longer request that passes.
        let estimated = self.input.chain.estimated_input_tokens;
        health.forget_ceiling(&leg.dispatch.target, leg.dispatch.credential.as_ref(), estimated);
        self.report.status = 200;
        if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
            attempt.committed = true;
        }
        let Some(candidate) = self.candidates.get(leg.candidate) else {
            return;
        };
        self.report.served = Some(Served {
            model: candidate.target.model.id.clone(),
            provider: candidate.target.provider.id.clone(),
            credential: leg.credential.as_ref().map(|credential| credential.label.clone()),
            index: candidate.target.index,
            behind: self.stands_behind(candidate),
            attempt: leg.attempt,
            committed_at: now,
            finish: None,
            price: candidate.target.model.price.clone(),
        });
        if matches!(self.delivery.form, Form::Text { .. }) {
            return;
        }
        self.delivery.begun = true;
        let mut head = vec![("content-type".to_owned(), content_type.to_owned())];
        if stream {
            head.push(("cache-control".to_owned(), "no-cache".to_owned()));
        }
        head.extend(headers::of_answer(
            &self.input,
            &self.report,
            &candidate.tier_path(),
            now,
        ));
        self.outbox.push_back(Action::Start(ResponseHead {
            status: 200,
            headers: head,
            stream,
        }));
    }

    /// Is this a fallback rather than another target of the primary's own order group? Only routes have such groups.
    fn stands_behind(&self, candidate: &Candidate) -> bool {
        let equals = |primary: &Candidate| {
            self.input.route.is_some()
                && primary.lane == candidate.lane
                && primary.target.order == candidate.target.order
        };
        let primary = self.candidates.iter().find(|other| other.target.index == 0);
        candidate.target.index > 0 && !primary.is_some_and(equals)
    }

    /// The answer is complete. `wait`: its body may end by itself in a moment; otherwise an `open` one is closed.
    pub(super) fn answered(&mut self, mut leg: Leg, wait: bool, open: bool, now: Millis, health: &mut Health) {
        health.record_success(&leg.dispatch, true, now);
        if let LegState::Stream(reader) = &leg.state {
            if let Some(served) = &mut self.report.served {
                served.finish.clone_from(&reader.finish);
            }
            if let Some(usage) = reader.usage {
                let first = self
                    .report
                    .attempts
                    .get(leg.attempt)
                    .and_then(|attempt| attempt.first_token_at);
                let generating = first.map_or(Millis(0), |first| now.since(first));
                health.record_usage(&leg.dispatch, usage.input_tokens, usage.output_tokens, generating, now);
            }
        }
        if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
            attempt.ended = Some(now);
            attempt.action = AttemptAction::Answered;
        }
        self.delivery.complete = true;
        if wait {
            leg.state = LegState::Draining {
                until: now.plus(AFTER_DONE),
            };
            self.legs.push(leg);
            return;
        }
        if open {
            self.outbox.push_back(Action::Cancel(leg.call));
        }
        self.drained(now);
    }

    /// The answering call is over.
    pub(super) fn drained(&mut self, now: Millis) {
        self.end(Outcome::Answered, now);
    }

    /// A call failed after the caller had read something of its answer.
    pub(super) fn failed_after_commit(&mut self, leg: &Leg, verdict: &Verdict, now: Millis, health: &mut Health) {
        let class = verdict.class;
        let failure = health::Failure {
            class,
            hint: verdict.hint,
            ceiling: None,
            suspected: false,
            gave_up: true,
            sole: !self.further_target(
                After {
                    class: FailureClass::StreamCut,
                    candidate: leg.candidate,
                    needed: 0,
                },
                now,
                health,
            ),
            jitter: self.random.unit(),
        };
        let refused_prefill = leg.continues == Some(Continues::Prefill)
            && matches!(class, FailureClass::InvalidRequest | FailureClass::UnsupportedParam);
        if refused_prefill {
            // The target is well; it only does not continue answers.
            health.record_cancelled(&leg.dispatch);
            if let Some(candidate) = self.candidates.get(leg.candidate) {
                health.learn_unsupported(&candidate.target.model.id, PREFILL_MEMO, now);
            }
        } else {
            health.record_failure(&leg.dispatch, &failure, now);
        }
        let recoverable = fault(class) != Fault::Caller && self.delivery.recoverable && self.calls < MAX_CALLS;
        let continued = match leg.continues {
            None => recoverable && self.recover(leg.candidate, now, health),
            // A prefill that failed before it said anything leaves the other way open.
            Some(Continues::Prefill) if leg.last_content.is_none() && self.calls < MAX_CALLS => {
                self.splice(leg.candidate, now, health)
            }
            Some(_) => {
                self.report.recovery = Some(Recovery::Failed);
                false
            }
        };
        if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
            attempt.action = if continued {
                AttemptAction::Recovered
            } else {
                AttemptAction::GaveUp
            };
        }
        if !continued {
            let (code, message) = told_in_stream(class);
            self.fail_in_stream(code, message, now);
        }
    }

    /// Continues the answer: by a prefill where the target takes one, else by a splice. False: no call could be sent.
    fn recover(&mut self, cut: usize, now: Millis, health: &mut Health) -> bool {
        let has_text = !self.delivery.sent_text().trim().is_empty();
        for index in self.successors(cut) {
            let takes_prefill = self.candidates.get(index).is_some_and(|candidate| {
                let refused = health.unsupported(&candidate.target.model.id, now);
                let capable = candidate
                    .target
                    .model
                    .capabilities
                    .iter()
                    .any(|capability| capability == "prefill");
                capable && !refused.iter().any(|memo| memo == PREFILL_MEMO)
            });
            if !(has_text && takes_prefill) {
                continue;
            }
            self.delivery.joint = Some(Joint::prefill(self.delivery.sent_text()));
            let reason = Reason {
                last_resort: index == cut,
                hedge: false,
                continues: Some(Continues::Prefill),
            };
            if self.launch(index, reason, now, health) {
                self.report.recovery = Some(Recovery::Prefill);
                return true;
            }
        }
        self.splice(cut, now, health)
    }

    fn splice(&mut self, cut: usize, now: Millis, health: &mut Health) -> bool {
        self.delivery.joint = Some(Joint::splice(self.delivery.sent_text()));
        for index in self.successors(cut) {
            let reason = Reason {
                last_resort: index == cut,
                hedge: false,
                continues: Some(Continues::Splice),
            };
            if self.launch(index, reason, now, health) {
                self.report.recovery = Some(Recovery::Splice);
                return true;
            }
        }
        self.report.recovery = Some(Recovery::Failed);
        false
    }

    /// Who may continue an answer that `cut` began: targets with the same model first (the same words are likeliest there), then the
    /// others in order, at last the same target again, unless it would keep two answers.
    fn successors(&self, cut: usize) -> Vec<usize> {
        let upstream = self
            .candidates
            .get(cut)
            .map(|candidate| candidate.target.model.upstream.clone());
        let mut others: Vec<(bool, usize)> = self
            .candidates
            .iter()
            .enumerate()
            .filter(|(index, candidate)| {
                *index != cut && candidate.lane == super::candidate::Lane::Main && !candidate.left
            })
            .map(|(index, candidate)| (Some(&candidate.target.model.upstream) != upstream.as_ref(), index))
            .collect();
        others.sort_unstable();
        let again = (!self.input.call.is_stored()).then_some(cut);
        others.into_iter().map(|(_, index)| index).chain(again).collect()
    }

    /// The second answer is not the one that the caller has begun to read.
    pub(super) fn diverged(&mut self, leg: Leg, now: Millis, health: &mut Health) {
        // Nobody's failure: two answers differ.
        self.legs.push(leg);
        self.cancel_all(now, health);
        self.report.recovery = Some(Recovery::Diverged);
        self.fail_in_stream(
            "upstream_error",
            "The upstream broke off and the answer could not be continued; try again.",
            now,
        );
    }

    /// Tells the caller in its stream that the answer is not complete. No `[DONE]`.
    pub(super) fn fail_in_stream(&mut self, code: &str, message: &str, now: Millis) {
        self.report.error_code = Some(code.to_owned());
        if self.delivery.form == Form::Stream && !self.delivery.complete {
            let error = json!({
                "message": message, "type": "server_error", "param": null, "code": code,
                "clawrouter": { "request_id": self.input.request_id },
            });
            let event: Bytes = chat_encode::error(&self.delivery.identity, &error.to_string());
            self.outbox.push_back(Action::Emit(event));
        }
        self.end(Outcome::FailedInStream, now);
    }
}

/// Error code and sentence for a caller whose answer was cut by a failure of this class.
fn told_in_stream(class: FailureClass) -> (&'static str, &'static str) {
    match class {
        FailureClass::StallTimeout => (
            "upstream_timeout",
            "The upstream fell silent before the answer was complete; try again.",
        ),
        FailureClass::Overloaded => (
            "overloaded",
            "The upstream became overloaded before the answer was complete; try again.",
        ),
        FailureClass::RateLimit | FailureClass::UpstreamRateLimit => (
            "rate_limited",
            "The upstream's rate limit ended the answer before it was complete; try again.",
        ),
        _ => (
            "upstream_error",
            "The upstream broke off before the answer was complete; try again.",
        ),
    }
}
