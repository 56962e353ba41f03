//! The fusion as a machine: advisers side by side, then the judge, then the synthesizer, under one deadline.
//!
//! Every part is an ordinary run of a chain with its own range of call ids; this file only decides when which part starts, and whether
//! the synthesizer or a draft answers.

use super::adviser_queue::AdviserQueue;
use super::best_draft::{best_draft, wants_plain_text};
use super::conversation::{self, Line};
use super::inject::{self, Proposal};
use super::input::FusionInput;
use super::judge::{self, Notes};
use super::output::{Draft, Output};
use super::part::{Part, PartInput};
use super::parts::Parts;
use super::progress::{self, Progress};
use super::{chars, stages};
use crate::catalog::FusionProfile;
use crate::catalog::document::{AdviseOn, OnNoAdviser, OnSynthesizerError};
use crate::route::Stage;
use crate::route::health::{FailureClass, Health};
use crate::run::classify::{Fault, fault};
use crate::run::machine::{Action, Event, Machine, ResponseHead, StageReport};
use crate::run::report::{Outcome, Report};
use crate::wire::{Call, Millis};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// Advisers and judge may use this share of the whole deadline; the rest is the synthesizer's.
const ADVICE_PERCENT: u64 = 60;

/// A fusion in flight.
#[derive(Debug)]
pub struct Fusion {
    input: FusionInput,
    /// What advisers and judge read of the conversation.
    lines: Vec<Line>,
    began: Millis,
    advice_until: Millis,
    deadline: Millis,
    phase: Phase,
    /// This turn asks for advice.
    advised: bool,
    parts: Parts,
    failure: Option<(ResponseHead, Bytes)>,
    proposals: Vec<Proposal>,
    notes: Option<Notes>,
    drafted: bool,
    actions: VecDeque<Action>,
    output: Output,
    /// Steps since they were taken last; `None`: nobody wants them.
    progress: Option<Vec<Progress>>,
    report: Report,
}

/// Which part is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Advising,
    Judging,
    Synthesizing,
    Over,
}

impl Fusion {
    /// Begins: advisers are called at once, or the synthesizer when the turn needs no advice.
    pub fn new(input: FusionInput, now: Millis, health: &mut Health) -> Self {
        let profile = &input.plan.profile;
        let budget = input.time();
        let output = Output::new(&input.call, profile, &input.request_id, now);
        let watched = input.as_test || output.wants_progress();
        let mut fusion = Self {
            lines: Vec::new(),
            began: now,
            advice_until: now.plus(Millis(budget.0.saturating_mul(ADVICE_PERCENT) / 100)),
            deadline: now.plus(budget),
            phase: Phase::Advising,
            advised: profile.advise_on == AdviseOn::EveryTurn || !input.call.continues_tool_loop,
            parts: Parts::default(),
            failure: None,
            proposals: Vec::new(),
            notes: None,
            drafted: false,
            actions: VecDeque::new(),
            output,
            progress: watched.then(Vec::new),
            report: Report {
                started: now,
                ..Report::default()
            },
            input,
        };
        if fusion.advised && !fusion.input.plan.advisers.is_empty() {
            fusion.queue_advisers();
        }
        fusion.start_advisers(now, health);
        if fusion.parts.advisers.is_empty() {
            fusion.output.never_early();
        }
        fusion.advance(now, health);
        fusion
    }

    /// Steps taken since the last call; none unless this is a test.
    pub fn take_progress(&mut self) -> Vec<Progress> {
        self.progress.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// True when nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// True when the synthesizer got fewer drafts than the profile asks of the advisers that may be called: its quorum, else all of
    /// them. Advisers that policy, health or budget left out are told by the plan; only when nobody was left does their lack count.
    fn lacks_advice(&self) -> bool {
        let called = self.input.plan.advisers.len();
        let quorum = self
            .input
            .plan
            .profile
            .quorum
            .map_or(called, |quorum| chars(quorum.into()));
        self.wanted_advice() && self.proposals.len() < quorum.min(called).max(1)
    }

    fn profile(&self) -> Arc<FusionProfile> {
        Arc::clone(&self.input.plan.profile)
    }

    fn wanted_advice(&self) -> bool {
        self.advised && !(self.input.plan.advisers.is_empty() && self.input.plan.left_out.is_empty())
    }

    fn queue_advisers(&mut self) {
        let most = chars(self.input.plan.profile.max_input_chars);
        self.lines = conversation::excerpt(&self.input.call, most);
        let advisers = stages::advisers(&self.input, &self.lines, self.advice_until);
        self.parts.advisers = AdviserQueue::new(advisers);
    }

    /// Calls waiting advisers while connections are free; each has its whole time from then on. True when one was called.
    fn start_advisers(&mut self, now: Millis, health: &mut Health) -> bool {
        let mut called = false;
        let patience = self.input.plan.profile.adviser_timeout_ms;
        while let Some(mut adviser) = self.parts.advisers.next() {
            adviser.deadline = now.plus(patience).min(self.advice_until);
            let mut part = self.start(adviser, now, health);
            part.drain(&mut self.actions);
            self.parts.advisers.called(part);
            called = true;
        }
        called
    }

    fn start(&mut self, part: PartInput, now: Millis, health: &mut Health) -> Part {
        let part = Part::start(part, &self.input, now, health);
        if let Some(progress) = &mut self.progress {
            progress.extend(part.called(self.began));
        }
        part
    }

    /// Collects what parts did and moves on to the next part when its time has come.
    fn advance(&mut self, now: Millis, health: &mut Health) {
        loop {
            self.collect(now);
            let moved = match self.phase {
                Phase::Advising => self.advise(now, health),
                Phase::Judging => self.judge(now, health),
                Phase::Synthesizing => self.synthesize(now, health),
                Phase::Over => return,
            };
            if !moved {
                break;
            }
        }
        self.tell_progress();
        self.output.tick(now, &mut self.actions);
    }

    /// Calls and cancellations of the parts that answer to nobody but us, and the drafts that have come in.
    fn collect(&mut self, now: Millis) {
        let texts = self.input.as_test;
        for part in self.parts.advice_mut() {
            part.drain(&mut self.actions);
            let first = part.is_in() && !part.closed;
            if let Some(progress) = &mut self.progress {
                let ended = first.then(|| part.said().is_some());
                part.observe(texts, ended, self.began, now, progress);
            }
            if !first {
                continue;
            }
            part.closed = true;
            if part.slot.stage == Stage::Adviser
                && let (Some(text), Some(served)) = (part.said(), &part.report().served)
            {
                self.proposals.push(Proposal {
                    slot: part.slot.index,
                    model: served.model.to_string(),
                    text: text.to_owned(),
                });
            }
        }
    }

    /// Waits for drafts; true when it is over.
    fn advise(&mut self, now: Millis, health: &mut Health) -> bool {
        let profile = self.profile();
        if now >= self.advice_until {
            self.parts.advisers.close();
        }
        if self.start_advisers(now, health) {
            self.collect(now);
        }
        let drafts = self.proposals.len();
        if self.parts.advisers.is_worth_waiting(drafts, &profile, now) {
            return false;
        }
        self.parts.advisers.give_up(now, health);
        self.collect(now);
        self.proposals.sort_by_key(|proposal| proposal.slot);
        if self.proposals.is_empty() && self.wanted_advice() && profile.on_no_adviser == OnNoAdviser::Error {
            self.output.advised(0, self.failed_advisers(), now.since(self.began));
            let outcome = self.failed_outcome();
            self.report.error_code = Some("upstream_error".to_owned());
            self.output.no_adviser(&mut self.actions);
            self.finish(outcome, now, health);
        } else if !self.start_judge(&profile, now, health) {
            self.start_synthesizer(now, health);
        }
        true
    }

    /// False: there is no judge, or nothing for it to compare.
    fn start_judge(&mut self, profile: &FusionProfile, now: Millis, health: &mut Health) -> bool {
        let agreed = profile.agree_exit && judge::agree(&self.proposals);
        if self.proposals.len() < 2 || agreed || now >= self.advice_until {
            return false;
        }
        let Some(part) = stages::judge(&self.input, &self.lines, &self.proposals, self.advice_until) else {
            return false;
        };
        self.parts.judge = Some(self.start(part, now, health));
        self.phase = Phase::Judging;
        true
    }

    /// Waits for the judge's notes; true when it is over.
    fn judge(&mut self, now: Millis, health: &mut Health) -> bool {
        let Some(judge) = self.parts.judge.as_ref().filter(|judge| judge.closed) else {
            return self.parts.judge.is_none();
        };
        let anonymise = self.input.plan.profile.anonymise;
        let labels: Vec<String> = self
            .proposals
            .iter()
            .map(|proposal| inject::label(proposal, anonymise))
            .collect();
        self.notes = judge.said().and_then(|text| judge::parse(text, &labels));
        if let (Some(progress), Some(notes)) = (&mut self.progress, &self.notes) {
            progress.push(Progress::Notes(notes.clone()));
        }
        self.start_synthesizer(now, health);
        true
    }

    fn start_synthesizer(&mut self, now: Millis, health: &mut Health) {
        if self.advised {
            self.output
                .advised(self.proposals.len(), self.failed_advisers(), now.since(self.began));
        } else {
            self.output.advised(0, 0, Millis(0));
        }
        let call = self.advised_call();
        self.call_synthesizer(call, now, health);
    }

    fn call_synthesizer(&mut self, call: Arc<Call>, now: Millis, health: &mut Health) {
        let again = !self.parts.synthesizers.is_empty();
        let part = stages::synthesizer(&self.input, call, again, self.deadline);
        let part = self.start(part, now, health);
        self.parts.synthesizers.push(part);
        self.phase = Phase::Synthesizing;
    }

    /// The request of the synthesizer; without drafts the caller's bytes as they are.
    fn advised_call(&mut self) -> Arc<Call> {
        let own = &self.input.call;
        if self.proposals.is_empty() {
            return Arc::clone(own);
        }
        let advice = stages::advice(&self.input, &self.proposals, self.notes.as_ref());
        let advised = stages::advised(own, &advice);
        if let Some(progress) = &mut self.progress {
            progress.push(Progress::Injected(advice));
        }
        advised
    }

    fn failed_advisers(&self) -> usize {
        let asked = self.input.plan.advisers.len() + self.input.plan.left_out.len();
        asked.saturating_sub(self.proposals.len())
    }

    /// Hands the synthesizer's answer on; true when it is called once more.
    fn synthesize(&mut self, now: Millis, health: &mut Health) -> bool {
        while let Some(action) = self.parts.synthesizers.last_mut().and_then(Part::poll) {
            match action {
                Action::Finish => {}
                // An error comes as a whole; whether the caller sees it is decided below.
                Action::Start(head) if head.status >= 400 => self.failure = Some((head, Bytes::new())),
                Action::Start(head) => self.output.head(head, &mut self.actions),
                Action::Emit(bytes) => match &mut self.failure {
                    Some((_, body)) => *body = bytes,
                    None => self.output.body(bytes, || self.parts.total(), &mut self.actions),
                },
                other => self.actions.push_back(other),
            }
        }
        let Some(part) = self.parts.synthesizers.last_mut() else {
            return false;
        };
        let ended = part.ended();
        if let Some(progress) = &mut self.progress {
            // A trace says nothing behind the answer's own end.
            let told = (ended && self.input.as_test).then(|| part.report().outcome == Outcome::Answered);
            part.observe(self.input.as_test, told, self.began, now, progress);
        }
        if !ended {
            return false;
        }
        let (outcome, class) = (part.report().outcome, part.report().error_class);
        if outcome == Outcome::Failed {
            if self.advice_was_too_long(class) {
                self.failure = None;
                self.call_synthesizer(Arc::clone(&self.input.call), now, health);
                return true;
            }
            return self.end_failed(class, now, health);
        }
        self.finish(outcome, now, health);
        false
    }

    /// Advice must never cost the answer: a request that only the drafts made too long goes out once more without them.
    fn advice_was_too_long(&self, class: Option<FailureClass>) -> bool {
        let too_long = matches!(
            class,
            Some(FailureClass::ContextOverflow | FailureClass::LongContext429 | FailureClass::PayloadTooLarge)
        );
        too_long && !self.proposals.is_empty() && self.parts.synthesizers.len() == 1
    }

    /// The synthesizer's whole chain failed: the best draft answers, or the caller sees the error.
    fn end_failed(&mut self, class: Option<FailureClass>, now: Millis, health: &mut Health) -> bool {
        let (head, body) = self.failure.take().unwrap_or_default();
        let allowed = self.input.plan.profile.on_synthesizer_error == OnSynthesizerError::BestDraft
            && class.is_none_or(|class| fault(class) != Fault::Caller)
            && wants_plain_text(&self.input.call);
        let best = best_draft(&self.proposals, self.notes.as_ref(), self.input.plan.profile.anonymise);
        let Some(best) = best.filter(|_| allowed) else {
            let outcome = self.failed_outcome();
            if !self.input.as_test {
                self.output.error(head, body, &mut self.actions);
            }
            self.finish(outcome, now, health);
            return false;
        };
        let author = self
            .parts
            .advisers
            .parts()
            .iter()
            .find(|part| part.slot.index == best.slot)
            .map(Part::report);
        let served = author.and_then(|report| report.served.clone());
        let usage = author.and_then(|report| progress::sum([report]).0);
        let draft = Draft {
            text: &best.text,
            model: &best.model,
            finish: served.as_ref().and_then(|served| served.finish.as_ref()),
            usage: usage.as_ref(),
        };
        self.output
            .draft(&draft, head, || self.parts.total(), &mut self.actions);
        self.drafted = true;
        self.finish(Outcome::Answered, now, health);
        self.report.served = served;
        false
    }

    /// A failure after the early bytes is told in the stream.
    fn failed_outcome(&self) -> Outcome {
        match self.output.status() {
            Some(_) => Outcome::FailedInStream,
            None => Outcome::Failed,
        }
    }

    /// Hands the steps of a trace on.
    fn tell_progress(&mut self) {
        if let Some(progress) = &mut self.progress
            && self.output.wants_progress()
            && !self.input.as_test
        {
            let steps = std::mem::take(progress);
            self.output.trace(&steps, &mut self.actions);
        }
    }

    /// The whole tree is over: connections that were still closing are closed.
    fn finish(&mut self, outcome: Outcome, now: Millis, health: &mut Health) {
        self.phase = Phase::Over;
        for part in self.parts.called_mut() {
            part.cancel(now, health);
            part.drain(&mut self.actions);
        }
        if let Some(part) = self.parts.synthesizers.last() {
            self.report = part.report().clone();
            self.report.started = self.began;
        }
        let seen = self.output.status().unwrap_or(match outcome {
            Outcome::CallerGone => 499,
            _ => self.report.status,
        });
        self.report.status = seen;
        self.report.outcome = outcome;
        self.report.ended = Some(now);
        self.actions.push_back(Action::Finish);
    }

    /// Closes everything; a synthesizer that has not been called is never called.
    fn caller_gone(&mut self, now: Millis, health: &mut Health) {
        let answering = self.parts.synthesizers.last_mut().map(|part| {
            part.cancel(now, health);
            part.report().outcome
        });
        // Where only the end of the connection was missing, the answer is whole.
        let outcome = answering.filter(|outcome| *outcome == Outcome::Answered);
        self.finish(outcome.unwrap_or(Outcome::CallerGone), now, health);
    }
}

impl Machine for Fusion {
    fn handle(&mut self, now: Millis, event: Event, health: &mut Health) {
        if self.phase == Phase::Over {
            return;
        }
        if matches!(event, Event::CallerGone) {
            return self.caller_gone(now, health);
        }
        for part in self.parts.called_mut().filter(|part| part.concerns(&event)) {
            part.handle(now, event.clone(), health);
        }
        self.advance(now, health);
    }

    fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn next_wake(&self) -> Option<Millis> {
        if self.phase == Phase::Over {
            return None;
        }
        let own = [self.parts.advisers.next_wake(), self.output.next_wake()];
        let parts = self.parts.called().filter_map(Part::next_wake);
        parts.chain(own.into_iter().flatten()).min()
    }

    fn report(&self) -> &Report {
        &self.report
    }

    fn stages(&self) -> Vec<StageReport<'_>> {
        self.parts.called().map(Part::stage).collect()
    }

    fn degraded(&self) -> bool {
        let cut = self.report.recovery.is_some() || self.report.outcome == Outcome::FailedInStream;
        // A draft in the synthesizer's place, or less advice than asked for.
        cut || self.drafted || self.lacks_advice()
    }
}
