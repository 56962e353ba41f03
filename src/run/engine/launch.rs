//! How the next call is chosen and sent: target gate, learned ceiling, credential, request, deadlines.

use super::candidate::{Candidate, Lane, class_allows};
use super::leg::{Continues, Deadlines, Leg, LegState};
use super::{AnswerAs, PassedOver, Run, Waiting, With};
use crate::catalog::Credential;
use crate::catalog::document::Transport;
use crate::route::health::{FailureClass, Health};
use crate::route::select::{self, Selection, Want};
use crate::run::machine::{Action, CallId, UpstreamRequest};
use crate::run::recover::prefix_of;
use crate::run::report::{Attempt, AttemptAction};
use crate::run::request::{self, RequestShape};
use crate::wire::{Call, CallKind, Millis};
use std::collections::BTreeSet;

/// Why a candidate is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reason {
    pub(super) last_resort: bool,
    pub(super) hedge: bool,
    pub(super) continues: Option<Continues>,
}

/// A call that was decided on.
#[derive(Clone, Debug)]
struct Choice {
    candidate: usize,
    credential: Option<Credential>,
    probe: bool,
    last_resort: bool,
    reason: Reason,
}

/// A request that can be sent.
struct Built {
    request: UpstreamRequest,
    /// A stream is asked for.
    stream: bool,
    /// Another provider's state is not in it.
    state_left_out: bool,
}

/// What a failure asks of the next target.
#[derive(Clone, Copy, Debug)]
pub(super) struct After {
    pub(super) class: FailureClass,
    pub(super) candidate: usize,
    /// Input tokens that a window must hold after an overflow.
    pub(super) needed: u64,
}

impl Run {
    /// Asks the next target that may be asked; ends the run when there is none.
    pub(super) fn advance(&mut self, after: Option<After>, now: Millis, health: &mut Health) {
        for index in self.eligible(after) {
            if self.launch(index, Reason::default(), now, health) {
                return;
            }
        }
        if self.last_resort(after, now, health) {
            return;
        }
        self.exhausted(now, health);
    }

    /// Candidates that may still be asked, in order.
    fn eligible(&self, after: Option<After>) -> Vec<usize> {
        let lanes: &[Lane] = match after.map(|after| after.class) {
            Some(FailureClass::ContextOverflow | FailureClass::LongContext429) => &[Lane::Main, Lane::Context],
            Some(FailureClass::ContentPolicy) => &[Lane::ContentPolicy, Lane::Main],
            _ => &[Lane::Main],
        };
        let allowed = |to: &Candidate| {
            after.is_none_or(|after| {
                let from = self.candidates.get(after.candidate);
                from.is_none_or(|from| class_allows(after.class, from, to, after.needed))
            })
        };
        let open = |lane: Lane| {
            let all = self.candidates.iter().enumerate();
            all.filter(move |(_, to)| to.lane == lane && !to.tried && !to.left && allowed(to))
                .map(|(index, _)| index)
        };
        lanes.iter().flat_map(|lane| open(*lane).collect::<Vec<_>>()).collect()
    }

    /// When every target left is cooling for a soft reason, the one that is usable soonest gets one attempt.
    fn last_resort(&mut self, after: Option<After>, now: Millis, health: &mut Health) -> bool {
        if std::mem::replace(&mut self.last_resort_spent, true) {
            return false;
        }
        let eligible = self.eligible(after);
        let soonest = self
            .passed_over
            .iter()
            .filter(|passed| !passed.hard && eligible.contains(&passed.candidate))
            .min_by_key(|passed| (passed.next_at, passed.candidate))
            .map(|passed| passed.candidate);
        let reason = Reason {
            last_resort: true,
            ..Reason::default()
        };
        soonest.is_some_and(|index| self.launch(index, reason, now, health))
    }

    /// True when a call to this candidate could be sent now.
    pub(super) fn usable(&self, index: usize, now: Millis, health: &Health) -> bool {
        self.candidates.get(index).is_some_and(|candidate| {
            health
                .target_gate(&candidate.target.model.id, &candidate.host, now)
                .usable()
                && select::availability(
                    &self.input.vault,
                    health,
                    &self.want(candidate, &candidate.used, false, 0, now),
                )
                .is_ok()
        })
    }

    /// True when a candidate that has not been asked could take over.
    pub(super) fn further_target(&self, after: After, now: Millis, health: &Health) -> bool {
        self.eligible(Some(after))
            .into_iter()
            .any(|index| self.usable(index, now, health))
    }

    /// What is asked of the credential pool.
    pub(super) fn want<'a>(
        &'a self,
        candidate: &'a Candidate,
        used: &'a BTreeSet<crate::catalog::CredentialId>,
        last_resort: bool,
        seed: u64,
        now: Millis,
    ) -> Want<'a> {
        let first = candidate.lane == Lane::Main
            && self
                .candidates
                .first()
                .is_some_and(|first| std::ptr::eq(first, candidate));
        Want {
            model: &candidate.target.model.id,
            pool: candidate.target.pool.as_ref(),
            credential_optional: candidate.target.provider.credential_optional,
            allowed: &candidate.target.allowed_credentials,
            session: self.input.session.as_deref(),
            pinned: self.input.chain.pinned_credential.as_deref().filter(|_| first),
            used,
            estimated_tokens: self.input.chain.estimated_input_tokens,
            last_resort,
            seed,
            now,
        }
    }

    /// Sends a call to a candidate with a credential of its pool. False: it was passed over.
    pub(super) fn launch(&mut self, index: usize, reason: Reason, now: Millis, health: &mut Health) -> bool {
        let seed = self.random.next_u64();
        let Some(candidate) = self.candidates.get(index) else {
            return false;
        };
        // One for the whole request, whoever flagged it.
        let resort = reason.last_resort || (candidate.target.last_resort && !self.last_resort_spent);
        let gate = health.target_gate(&candidate.target.model.id, &candidate.host, now);
        if !gate.usable() && (!resort || gate.hard()) {
            let passed = PassedOver {
                candidate: index,
                class: gate.class(),
                next_at: gate.until(),
                hard: gate.hard(),
            };
            return self.pass_over(passed, "cooling");
        }
        let ceiling = health.ceiling(None, &candidate.target.model.id, now);
        if ceiling.is_some_and(|ceiling| self.input.chain.estimated_input_tokens > ceiling) {
            let passed = PassedOver {
                candidate: index,
                class: Some(FailureClass::ContextOverflow),
                next_at: None,
                hard: false,
            };
            return self.pass_over(passed, "too_long");
        }
        let want = self.want(candidate, &candidate.used, resort, seed, now);
        let selected = match select::select(&self.input.catalog, &self.input.vault, health, &want) {
            Selection::Anonymous => (None, false, false),
            Selection::Selected(chosen) => (Some(chosen.credential.clone()), chosen.probe, chosen.last_resort),
            Selection::NoneAvailable(none) => {
                let class = if none.too_long {
                    Some(FailureClass::LongContext429)
                } else {
                    none.class
                };
                let passed = PassedOver {
                    candidate: index,
                    class,
                    next_at: none.next_at,
                    hard: none.all_dead,
                };
                return self.pass_over(passed, "no_credential");
            }
        };
        let (credential, probe, credential_resort) = selected;
        let probe = probe || (!resort && gate.class().is_some());
        let last_resort = credential_resort || (resort && !gate.usable());
        self.last_resort_spent |= last_resort;
        let choice = Choice {
            candidate: index,
            credential,
            probe,
            last_resort,
            reason,
        };
        self.send(choice, now, health)
    }

    fn pass_over(&mut self, passed: PassedOver, code: &str) -> bool {
        if let Some(candidate) = self.candidates.get(passed.candidate) {
            let model = candidate.target.model.id.as_str().to_owned();
            let code = passed
                .class
                .map_or_else(|| code.to_owned(), |class| class.as_str().to_owned());
            if !self.report.skipped.iter().any(|(known, _)| *known == model) {
                self.report.skipped.push((model, code));
            }
        }
        self.passed_over.retain(|known| known.candidate != passed.candidate);
        self.passed_over.push(passed);
        false
    }

    /// After a pause: the same credential, or another one.
    pub(super) fn resume(&mut self, waiting: Waiting, now: Millis, health: &mut Health) {
        let sent = match waiting.with {
            With::Same(credential) => {
                let choice = Choice {
                    candidate: waiting.candidate,
                    credential,
                    probe: false,
                    last_resort: false,
                    reason: Reason::default(),
                };
                self.send(choice, now, health)
            }
            With::Another => self.launch(waiting.candidate, Reason::default(), now, health),
        };
        if !sent {
            self.advance(self.last_failure(), now, health);
        }
    }

    /// The next call's request. `None`: none can be built for this target.
    fn build(&self, call: CallId, candidate: &Candidate, choice: &Choice) -> Option<Built> {
        let asked = candidate.shorter.as_deref().unwrap_or(&self.input.call);
        let continued = choice.reason.continues == Some(Continues::Prefill);
        let (stream, state_left_out) = (self.asks_for_stream(candidate), self.crosses(candidate, asked));
        let shape = RequestShape {
            target: &candidate.target,
            credential: choice.credential.as_ref(),
            vault: &self.input.vault,
            call: asked,
            stream,
            tier: candidate.variant(),
            max_output_tokens: candidate.max_output_tokens,
            adjust: &candidate.adjust,
            prefill: continued.then(|| prefix_of(self.delivery.sent_text())),
            session: self.input.session.as_deref(),
            foreign: state_left_out,
        };
        let request = request::build(call, &shape).ok()?;
        Some(Built {
            request,
            stream,
            state_left_out,
        })
    }

    /// Sends one call. False: no request can be built for this target.
    fn send(&mut self, choice: Choice, now: Millis, health: &mut Health) -> bool {
        let call = CallId(self.input.first_call.0.saturating_add(self.calls));
        let Some(candidate) = self.candidates.get(choice.candidate) else {
            return false;
        };
        let Some(built) = self.build(call, candidate, &choice) else {
            let passed = PassedOver {
                candidate: choice.candidate,
                class: None,
                next_at: None,
                hard: true,
            };
            return self.pass_over(passed, "not_callable");
        };
        let Choice {
            candidate: index,
            credential,
            probe,
            last_resort,
            reason,
        } = choice;
        let p95 = health.ttft_p95(&candidate.target.model.id, self.input.chain.estimated_input_tokens);
        let deadlines = self.deadlines(candidate, built.stream, p95, now);
        let want = self.want(candidate, &candidate.used, last_resort, 0, now);
        let dispatch = select::dispatch(&want, &candidate.host, credential.as_ref());
        health.begin(&dispatch);
        let attempt = self.report.attempts.len();
        self.report.attempts.push(Attempt {
            call,
            model: candidate.target.model.id.clone(),
            provider: candidate.target.provider.id.clone(),
            index: candidate.target.index,
            pool: candidate.target.pool.clone(),
            credential: credential.as_ref().map(|credential| credential.label.clone()),
            credential_id: credential.as_ref().map(|credential| credential.id.clone()),
            started: now,
            headers_at: None,
            first_token_at: None,
            ended: None,
            status: None,
            class: None,
            action: AttemptAction::Running,
            delay: None,
            hint: None,
            usage: None,
            emitted_bytes: 0,
            committed: false,
            probe,
            hedge: reason.hedge,
            last_resort,
            recovery: reason.continues.is_some(),
            state_left_out: built.state_left_out,
            model_swapped: self
                .input
                .chain
                .tool_loop
                .as_ref()
                .is_some_and(|tool_loop| !tool_loop.stays_at(&candidate.target.model)),
            tier: candidate
                .nominal_tier
                .or_else(|| candidate.variant().map(|tier| tier.max_input)),
            price: candidate.target.model.price.clone(),
        });
        self.legs.push(Leg {
            call,
            candidate: index,
            attempt,
            credential,
            dispatch,
            deadlines,
            state: LegState::Headers { stream: built.stream },
            last_byte: now,
            last_content: None,
            single_shot: probe || last_resort,
            continues: reason.continues,
        });
        self.calls = self.calls.saturating_add(1);
        if let Some(candidate) = self.candidates.get_mut(index) {
            // A rotation or a change of the request costs no retry budget; a first call or a repetition does.
            self.budgeted += u32::from(!candidate.tried);
            candidate.tried = true;
        }
        if self.calls == 1 {
            self.arm_hedge(p95, now);
        }
        self.outbox.push_back(Action::Call(Box::new(built.request)));
        true
    }

    /// The target's deadlines, or tighter ones of a part of a compound request.
    fn deadlines(&self, candidate: &Candidate, stream: bool, p95: Option<Millis>, now: Millis) -> Deadlines {
        let estimated = self.input.chain.estimated_input_tokens;
        let mut deadlines = Deadlines::new(&candidate.target, stream, estimated, p95, now);
        if let Some(limit) = self.input.limits.first_token {
            deadlines.first_token = deadlines.first_token.min(now.plus(limit));
            deadlines.headers = deadlines.headers.min(now.plus(limit));
        }
        if let Some(limit) = self.input.limits.total {
            deadlines.total = deadlines.total.min(now.plus(limit));
        }
        deadlines
    }

    /// Does another provider's state have to be left out of a call to this candidate?
    fn crosses(&self, candidate: &Candidate, call: &Call) -> bool {
        let issuer = self.input.chain.issuer.as_ref();
        issuer.is_some_and(|issuer| *issuer != candidate.target.provider.id) && call.carries_provider_state()
    }

    /// A stream frees its connection slot at the headers and shows early that nothing comes, so it is asked for wherever that is
    /// harmless: always of local servers, and for callers that want one body whenever another target could take over.
    fn asks_for_stream(&self, candidate: &Candidate) -> bool {
        let call = &self.input.call;
        if call.kind != CallKind::Chat {
            return false;
        }
        let provider = &candidate.target.provider;
        let local = provider.discover.models || matches!(provider.transport, Transport::Binding { .. });
        let text = matches!(self.input.answer, AnswerAs::Text { .. });
        let alternatives = self.candidates.len() > 1 && !call.needs.audio;
        call.stream || text || local || alternatives
    }
}
