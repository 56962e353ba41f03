//! The engine: one chain of targets, executed until one answers.
//!
//! `handle` takes an event, changes state and queues actions; nothing here waits. The files: [`input`] what a run is given, `launch`
//! how a call is sent, `leg` a call in flight, `stream` and `whole` how its answer is read, `deliver` how it reaches the caller,
//! `commit` and `continued` how a call becomes the answer, `failure` and `ladder` what happens when it fails, `ending` how a run ends.

mod candidate;
mod commit;
mod continued;
mod decision;
mod deliver;
mod ending;
mod failure;
mod hedging;
pub mod input;
mod ladder;
mod launch;
mod leg;
mod outgoing;
mod stream;
mod whole;

pub use input::{AnswerAs, CALLS_PER_RUN, Limits, RunInput};

use super::machine::{Action, CallId, Event, Machine};
use super::random::SplitMix;
use super::report::{AttemptAction, Outcome, Report};
use crate::catalog::Credential;
use crate::route::health::{FailureClass, Health};
use crate::wire::Millis;
use candidate::Candidate;
use deliver::Delivery;
use failure::Failed;
use leg::Leg;
use std::collections::VecDeque;

/// A run in progress.
#[derive(Debug)]
pub struct Run {
    input: RunInput,
    random: SplitMix,
    outbox: VecDeque<Action>,
    candidates: Vec<Candidate>,
    legs: Vec<Leg>,
    waiting: Option<Waiting>,
    hedge_at: Option<Millis>,
    calls: u32,
    budgeted: u32,
    failures: Vec<Failed>,
    passed_over: Vec<PassedOver>,
    last_resort_spent: bool,
    delivery: Delivery,
    report: Report,
}

/// A call that will be sent after a pause.
#[derive(Clone, Debug)]
struct Waiting {
    until: Millis,
    candidate: usize,
    with: With,
}

/// Which credential pays for a call that will be sent.
#[derive(Clone, Debug)]
enum With {
    /// The same as before; `None`: without authentication.
    Same(Option<Credential>),
    /// Another one.
    Another,
}

/// A candidate that was not called.
#[derive(Clone, Copy, Debug)]
struct PassedOver {
    candidate: usize,
    class: Option<FailureClass>,
    next_at: Option<Millis>,
    /// No last-resort attempt may break through.
    hard: bool,
}

impl Run {
    /// Starts a run: its first actions are ready to be polled.
    pub fn start(mut input: RunInput, now: Millis, health: &mut Health) -> Self {
        if input.call.is_stored() {
            // What is kept at the provider is not asked of it again; nor is it asked of two at once.
            input.chain.retry.same_target = 0;
            input.chain.hedge.enabled = false;
        }
        let primary = input.chain.primary().filter(|_| !input.pinned);
        let candidates = Candidate::all(&input.chain, &input.vault, health, now);
        let mut run = Self {
            random: SplitMix::new(input.seed),
            outbox: VecDeque::new(),
            candidates,
            legs: Vec::new(),
            waiting: None,
            hedge_at: None,
            calls: 0,
            budgeted: 0,
            failures: Vec::new(),
            passed_over: Vec::new(),
            last_resort_spent: false,
            delivery: Delivery::new(&input),
            report: Report {
                started: now,
                primary: primary.map(|target| target.model.id.clone()),
                skipped: input.chain.skipped.clone(),
                ..Report::default()
            },
            input,
        };
        run.advance(None, now, health);
        run
    }

    /// What the run kept of the answer when it was asked to keep its text.
    pub fn text(&self) -> Option<&str> {
        self.delivery.text()
    }

    /// True when nothing more will come.
    pub fn ended(&self) -> bool {
        self.report.outcome != Outcome::Running
    }

    fn take_leg(&mut self, call: CallId) -> Option<Leg> {
        let at = self.legs.iter().position(|leg| leg.call == call)?;
        Some(self.legs.remove(at))
    }

    /// Closes every call; nobody is blamed.
    fn cancel_all(&mut self, now: Millis, health: &mut Health) {
        for leg in std::mem::take(&mut self.legs) {
            self.cancel(&leg, now, health);
        }
        self.waiting = None;
        self.hedge_at = None;
    }

    /// Closes the calls of an answer that is complete; they have been recorded already.
    fn close_drained(&mut self) {
        let calls = std::mem::take(&mut self.legs)
            .into_iter()
            .map(|leg| Action::Cancel(leg.call));
        self.outbox.extend(calls);
    }

    fn cancel(&mut self, leg: &Leg, now: Millis, health: &mut Health) {
        self.outbox.push_back(Action::Cancel(leg.call));
        health.record_cancelled(&leg.dispatch);
        if let Some(attempt) = self.report.attempts.get_mut(leg.attempt) {
            attempt.ended = Some(now);
            attempt.action = AttemptAction::Cancelled;
        }
    }

    fn caller_gone(&mut self, now: Millis, health: &mut Health) {
        if self.delivery.complete {
            self.close_drained();
            return self.drained(now);
        }
        self.cancel_all(now, health);
        if self.report.status == 0 {
            self.report.status = 499;
        }
        self.end(Outcome::CallerGone, now);
    }

    fn end(&mut self, outcome: Outcome, now: Millis) {
        self.report.outcome = outcome;
        self.report.ended = Some(now);
        self.outbox.push_back(Action::Finish);
    }

    /// Deadlines and pauses that are over.
    fn check_time(&mut self, now: Millis, health: &mut Health) {
        if self.input.deadline.is_some_and(|deadline| now >= deadline) {
            return self.out_of_time(now, health);
        }
        while let Some(leg) = self.legs.iter().find(|leg| now >= leg.due().0) {
            let (call, late) = (leg.call, leg.due().1);
            self.late(call, late, now, health);
            if self.ended() {
                return;
            }
        }
        if let Some(waiting) = self.waiting.take_if(|waiting| now >= waiting.until) {
            self.resume(waiting, now, health);
        }
        if self.hedge_at.take_if(|at| now >= *at).is_some() {
            self.hedge(now, health);
        }
    }
}

impl Machine for Run {
    fn handle(&mut self, now: Millis, event: Event, health: &mut Health) {
        if self.ended() {
            return;
        }
        match event {
            Event::Headers { call, status, headers } => self.headers(call, status, headers, now, health),
            Event::Data { call, bytes } => self.data(call, bytes, now, health),
            Event::End { call } => self.body_ended(call, now, health),
            Event::Broken { call, fault } => self.broken(call, fault, now, health),
            Event::Tick => {}
            Event::CallerGone => self.caller_gone(now, health),
        }
        if !self.ended() {
            self.check_time(now, health);
        }
    }

    fn poll(&mut self) -> Option<Action> {
        self.outbox.pop_front()
    }

    fn next_wake(&self) -> Option<Millis> {
        if self.ended() {
            return None;
        }
        let legs = self.legs.iter().map(|leg| leg.due().0);
        let waiting = self.waiting.as_ref().map(|waiting| waiting.until);
        legs.chain(waiting)
            .chain(self.hedge_at)
            .chain(self.input.deadline)
            .min()
    }

    fn report(&self) -> &Report {
        &self.report
    }
}
