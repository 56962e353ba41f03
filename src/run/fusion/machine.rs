//! The fusion as a machine: advisers side by side, then the judge, then the synthesizer, under one deadline.
//!
//! Every part is an ordinary run of a chain with its own range of call ids; this file only decides when which part starts, and whether
//! the synthesizer or a draft answers.

use super::adviser;
use super::conversation::{self, Line};
use super::inject::{self, Proposal};
use super::judge::{self, Notes};
use super::output::{Draft, Output, Total};
use super::part::{ADVISERS, JUDGE_RANGE, Part, PartInput, SECOND_SYNTHESIZER_RANGE, SYNTHESIZER_RANGE, single};
use super::progress::{self, Progress, Slot};
use crate::catalog::document::{AdviseOn, OnNoAdviser, OnSynthesizerError};
use crate::catalog::{Catalog, FusionProfile, Vault};
use crate::route::estimate::estimate;
use crate::route::health::{FailureClass, Health};
use crate::route::{FusionPlan, Stage};
use crate::run::classify::{Fault, fault};
use crate::run::engine::{AnswerAs, Limits};
use crate::run::machine::{Action, Event, Machine, ResponseHead, StageReport};
use crate::run::report::{Outcome, Report};
use crate::wire::{Call, Millis, json};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// Advisers and judge may use this share of the whole deadline; the rest is the synthesizer's.
const ADVICE_PERCENT: u64 = 60;

/// Workers lets one request wait for the response headers of six connections at once; a further one would wait in the platform, unseen,
/// while its timers run (<https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>).
const MAX_UNANSWERED: usize = 6;

/// Characters of a synthesizer's answer that a test prompt keeps.
pub(super) const TEST_ANSWER_CHARS: usize = 200_000;

/// Everything a fusion is made of.
#[derive(Clone, Debug)]
pub struct FusionInput {
    /// What will be called.
    pub plan: FusionPlan,
    /// What the caller asked.
    pub call: Arc<Call>,
    /// Pools and their strategies.
    pub catalog: Arc<Catalog>,
    /// Credentials and variables.
    pub vault: Arc<Vault>,
    /// Names the request.
    pub request_id: String,
    /// Session key, already namespaced by tenant.
    pub session: Option<String>,
    /// Decides every jitter.
    pub seed: u64,
    /// A test prompt: the synthesizer's text becomes progress, and nothing of it a response.
    pub as_test: bool,
}

impl FusionInput {
    /// How long the whole tree may take, a duration.
    pub(super) fn time(&self) -> Millis {
        let most = self.plan.profile.deadline_ms;
        self.call.controls.deadline.map_or(most, |asked| asked.min(most))
    }
}

/// A fusion in flight.
#[derive(Debug)]
pub struct Fusion {
    input: FusionInput,
    /// What advisers and judge read of the conversation.
    lines: Vec<Line>,
    began: Millis,
    advice_until: Millis,
    deadline: Millis,
    quorum_until: Option<Millis>,
    phase: Phase,
    /// This turn asks for advice.
    advised: bool,
    /// Advisers that wait for a free connection.
    queue: VecDeque<PartInput>,
    advisers: Vec<Part>,
    judge: Option<Part>,
    /// The last one answers; a first one may have found the drafts too long.
    synthesizers: Vec<Part>,
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
            quorum_until: None,
            phase: Phase::Advising,
            advised: profile.advise_on == AdviseOn::EveryTurn || !input.call.continues_tool_loop,
            queue: VecDeque::new(),
            advisers: Vec::new(),
            judge: None,
            synthesizers: Vec::new(),
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
        fusion.queue_advisers();
        fusion.start_queued(now, health);
        if fusion.advisers.is_empty() {
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
        let profile = self.profile();
        if self.advised && !self.input.plan.advisers.is_empty() {
            self.lines = conversation::excerpt(&self.input.call, chars(profile.max_input_chars));
            let targets = self.input.plan.advisers.clone();
            for (range, (index, target)) in (0..ADVISERS).zip(targets) {
                let position = usize::try_from(index).unwrap_or(usize::MAX);
                let Some(adviser) = profile.advisers.get(position) else {
                    continue;
                };
                let body = adviser::body(&profile, position, adviser, &target.model, &self.lines);
                let Some((chain, call)) = single(&self.input.plan.synthesizer, target, body) else {
                    continue;
                };
                let part = PartInput {
                    slot: Slot {
                        stage: Stage::Adviser,
                        index,
                    },
                    range,
                    chain,
                    call,
                    answer: AnswerAs::Text {
                        max_chars: chars(profile.max_proposal_chars),
                    },
                    limits: Limits {
                        first_token: Some(profile.adviser_first_token_ms),
                        total: None,
                    },
                    deadline: self.advice_until,
                };
                self.queue.push_back(part);
            }
        }
    }

    /// Starts waiting advisers while connections are free; each has its whole time from then on.
    fn start_queued(&mut self, now: Millis, health: &mut Health) {
        let patience = self.input.plan.profile.adviser_timeout_ms;
        while self.advisers.iter().map(Part::unanswered).sum::<usize>() < MAX_UNANSWERED {
            let Some(mut part) = self.queue.pop_front() else { return };
            part.deadline = now.plus(patience).min(self.advice_until);
            let mut part = self.start(part, now, health);
            part.drain(&mut self.actions);
            self.advisers.push(part);
        }
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
        for part in self.advisers.iter_mut().chain(&mut self.judge) {
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
            self.queue.clear();
        }
        if !self.queue.is_empty() {
            self.start_queued(now, health);
            self.collect(now);
        }
        if !self.queue.is_empty() || self.advisers.iter().any(|part| !part.closed) {
            let quorum = profile.quorum.map_or(usize::MAX, |quorum| chars(quorum.into()));
            if self.quorum_until.is_none() && self.proposals.len() >= quorum {
                self.quorum_until = Some(now.plus(profile.straggler_grace_ms));
            }
            if self.quorum_until.is_none_or(|until| now < until) {
                return false;
            }
            self.queue.clear();
            for part in self.advisers.iter_mut().filter(|part| !part.closed) {
                part.cancel(now, health);
            }
            self.collect(now);
        }
        self.quorum_until = None;
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
        let Some(target) = self.input.plan.judge.clone() else {
            return false;
        };
        let question = conversation::question(&self.lines);
        let body = judge::body(profile, &target.model, question, &self.proposals);
        let Some((chain, call)) = single(&self.input.plan.synthesizer, target, body) else {
            return false;
        };
        let part = PartInput {
            slot: Slot {
                stage: Stage::Judge,
                index: 0,
            },
            range: JUDGE_RANGE,
            chain,
            call,
            answer: AnswerAs::Text {
                max_chars: judge::MAX_CHARS,
            },
            limits: Limits::default(),
            deadline: self.advice_until,
        };
        self.judge = Some(self.start(part, now, health));
        self.phase = Phase::Judging;
        true
    }

    /// Waits for the judge's notes; true when it is over.
    fn judge(&mut self, now: Millis, health: &mut Health) -> bool {
        let Some(judge) = self.judge.as_ref().filter(|judge| judge.closed) else {
            return self.judge.is_none();
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
        let mut chain = self.input.plan.synthesizer.clone();
        let added = estimate(&call.size)
            .typical
            .saturating_sub(estimate(&self.input.call.size).typical);
        chain.estimated_input_tokens = chain.estimated_input_tokens.saturating_add(added);
        let first = self.synthesizers.is_empty();
        let part = PartInput {
            slot: Slot {
                stage: Stage::Synthesizer,
                index: 0,
            },
            range: if first {
                SYNTHESIZER_RANGE
            } else {
                SECOND_SYNTHESIZER_RANGE
            },
            chain,
            call,
            answer: if self.input.as_test {
                AnswerAs::Text {
                    max_chars: TEST_ANSWER_CHARS,
                }
            } else {
                AnswerAs::Asked
            },
            limits: Limits::default(),
            deadline: self.deadline,
        };
        let part = self.start(part, now, health);
        self.synthesizers.push(part);
        self.phase = Phase::Synthesizing;
    }

    /// The caller's bytes with the drafts in one further system message; without drafts the caller's bytes as they are.
    fn advised_call(&mut self) -> Arc<Call> {
        let own = &self.input.call;
        if self.proposals.is_empty() {
            return Arc::clone(own);
        }
        let profile = &self.input.plan.profile;
        let notes = self.notes.as_ref().and_then(|notes| serde_json::to_string(notes).ok());
        let text = inject::message(
            &self.proposals,
            notes.as_deref(),
            profile.anonymise,
            chars(profile.max_proposal_chars),
        );
        let message = format!("{{\"role\":\"system\",\"content\":{}}}", json::quote(&text));
        let advised = own.with_message(conversation::injection_index(&own.conversation), message);
        if let Some(progress) = &mut self.progress {
            progress.push(Progress::Injected(text));
        }
        advised.map_or_else(|_| Arc::clone(own), Arc::new)
    }

    fn failed_advisers(&self) -> usize {
        let asked = self.input.plan.advisers.len() + self.input.plan.left_out.len();
        asked.saturating_sub(self.proposals.len())
    }

    /// Hands the synthesizer's answer on; true when it is called once more.
    fn synthesize(&mut self, now: Millis, health: &mut Health) -> bool {
        while let Some(action) = self.synthesizers.last_mut().and_then(Part::poll) {
            match action {
                Action::Finish => {}
                // An error comes as a whole; whether the caller sees it is decided below.
                Action::Start(head) if head.status >= 400 => self.failure = Some((head, Bytes::new())),
                Action::Start(head) => self.output.head(head, &mut self.actions),
                Action::Emit(bytes) => match &mut self.failure {
                    Some((_, body)) => *body = bytes,
                    None => {
                        let (advisers, judge, synthesizers) = (&self.advisers, &self.judge, &self.synthesizers);
                        let total = || total(advisers.iter().chain(judge).chain(synthesizers));
                        self.output.body(bytes, total, &mut self.actions);
                    }
                },
                other => self.actions.push_back(other),
            }
        }
        let Some(part) = self.synthesizers.last_mut() else {
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
        too_long && !self.proposals.is_empty() && self.synthesizers.len() == 1
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
            .advisers
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
        let (advisers, judge, synthesizers) = (&self.advisers, &self.judge, &self.synthesizers);
        let total = || total(advisers.iter().chain(judge).chain(synthesizers));
        self.output.draft(&draft, head, total, &mut self.actions);
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
        for part in self
            .advisers
            .iter_mut()
            .chain(&mut self.judge)
            .chain(&mut self.synthesizers)
        {
            part.cancel(now, health);
            part.drain(&mut self.actions);
        }
        if let Some(part) = self.synthesizers.last() {
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
        let answering = self.synthesizers.last_mut().map(|part| {
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
        let parts = self
            .advisers
            .iter_mut()
            .chain(&mut self.judge)
            .chain(&mut self.synthesizers);
        for part in parts.filter(|part| part.concerns(&event)) {
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
        let parts = self.advisers.iter().chain(&self.judge).chain(&self.synthesizers);
        let own = self.quorum_until.into_iter().chain(self.output.next_wake());
        parts.filter_map(Part::next_wake).chain(own).min()
    }

    fn report(&self) -> &Report {
        &self.report
    }

    fn stages(&self) -> Vec<StageReport<'_>> {
        let parts = self.advisers.iter().chain(&self.judge).chain(&self.synthesizers);
        parts.map(Part::stage).collect()
    }

    fn degraded(&self) -> bool {
        let cut = self.report.recovery.is_some() || self.report.outcome == Outcome::FailedInStream;
        // A draft in the synthesizer's place, or less advice than asked for.
        cut || self.drafted || self.lacks_advice()
    }
}

fn total<'a>(parts: impl Iterator<Item = &'a Part> + Clone) -> Total {
    let (usage, cost) = progress::sum(parts.clone().map(Part::report));
    Total {
        usage: usage.unwrap_or_default(),
        cost,
        calls: parts.map(|part| part.report().attempts.len()).sum(),
    }
}

/// The draft that answers when no synthesizer does: the judge's best, else the first adviser's.
fn best_draft<'a>(proposals: &'a [Proposal], notes: Option<&Notes>, anonymise: bool) -> Option<&'a Proposal> {
    let best = notes.and_then(|notes| {
        proposals
            .iter()
            .find(|draft| inject::label(draft, anonymise) == notes.best)
    });
    best.or_else(|| proposals.first())
}

/// A draft is one plain text: it calls no tool and was held to no format.
fn wants_plain_text(call: &Call) -> bool {
    let format = json::find(&call.fields, "response_format").and_then(|field| call.body.get(field.value.clone()));
    let free = format.is_none_or(|format| {
        let format: Option<serde_json::Value> = serde_json::from_slice(format).ok();
        format.is_some_and(|format| format.is_null() || format.get("type").is_some_and(|kind| kind == "text"))
    });
    let functions = json::find(&call.fields, "functions").is_some();
    free && !functions && !call.needs.tools && !call.needs.json_schema && call.choices == 1 && !audio_output(call)
}

fn audio_output(call: &Call) -> bool {
    json::find(&call.fields, "audio").is_some()
}

fn chars(bound: u64) -> usize {
    usize::try_from(bound).unwrap_or(usize::MAX)
}
