//! One part of a fusion: an ordinary run of a chain with its own range of call ids.

use super::input::FusionInput;
use super::progress::{Progress, Slot, Standing, Watch};
use crate::catalog::ModelId;
use crate::route::Chain;
use crate::route::health::Health;
use crate::run::engine::{AnswerAs, CALLS_PER_RUN, Limits, Run, RunInput};
use crate::run::machine::{Action, CallId, Event, Machine, StageReport};
use crate::run::report::Report;
use crate::wire::{Call, Millis};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// What a part is made of.
#[derive(Debug)]
pub(super) struct PartInput {
    pub(super) slot: Slot,
    /// Its range of call ids.
    pub(super) range: u32,
    pub(super) chain: Chain,
    pub(super) call: Arc<Call>,
    pub(super) answer: AnswerAs,
    pub(super) limits: Limits,
    /// A moment.
    pub(super) deadline: Millis,
}

/// One part at work.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) slot: Slot,
    range: u32,
    model: Option<ModelId>,
    run: Run,
    watch: Watch,
    /// Calls whose response headers are awaited.
    unanswered: BTreeSet<CallId>,
    /// What it said has been taken over, or it was given up.
    pub(super) closed: bool,
}

impl Part {
    pub(super) fn start(part: PartInput, whole: &FusionInput, now: Millis, health: &mut Health) -> Self {
        let input = RunInput {
            call: part.call,
            catalog: Arc::clone(&whole.catalog),
            vault: Arc::clone(&whole.vault),
            request_id: whole.request_id.clone(),
            session: whole.session.clone(),
            route: None,
            strategy: "fusion",
            pinned: false,
            deadline: Some(part.deadline),
            seed: whole.seed.wrapping_add(u64::from(part.range)),
            first_call: CallId(part.range.saturating_mul(CALLS_PER_RUN)),
            answer: part.answer,
            limits: part.limits,
            chain: part.chain,
        };
        Self {
            slot: part.slot,
            range: part.range,
            model: input.chain.targets.first().map(|target| target.model.id.clone()),
            run: Run::start(input, now, health),
            watch: Watch::default(),
            unanswered: BTreeSet::new(),
            closed: false,
        }
    }

    /// Is the event for this part? Those without a call are for every part.
    pub(super) fn concerns(&self, event: &Event) -> bool {
        call_of(event).is_none_or(|call| call.0 / CALLS_PER_RUN == self.range)
    }

    pub(super) fn handle(&mut self, now: Millis, event: Event, health: &mut Health) {
        if let Some(call) = call_of(&event) {
            self.unanswered.remove(&call);
        }
        self.run.handle(now, event, health);
    }

    /// Closes its calls; nobody is blamed.
    pub(super) fn cancel(&mut self, now: Millis, health: &mut Health) {
        self.run.handle(now, Event::CallerGone, health);
    }

    pub(super) fn poll(&mut self) -> Option<Action> {
        self.run.poll()
    }

    /// Hands calls and cancellations on; what a part that keeps its text says to nobody is dropped.
    pub(super) fn drain(&mut self, actions: &mut VecDeque<Action>) {
        while let Some(action) = self.run.poll() {
            match &action {
                Action::Call(request) => drop(self.unanswered.insert(request.call)),
                Action::Cancel(call) => drop(self.unanswered.remove(call)),
                Action::InPieces(_) => {}
                Action::Start(_) | Action::Emit(_) | Action::Finish => continue,
            }
            actions.push_back(action);
        }
    }

    /// Connections that wait for their response headers.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    pub(super) fn next_wake(&self) -> Option<Millis> {
        self.run.next_wake()
    }

    pub(super) fn report(&self) -> &Report {
        self.run.report()
    }

    pub(super) fn stage(&self) -> StageReport<'_> {
        StageReport {
            stage: self.slot.stage,
            index: self.slot.index,
            report: self.run.report(),
        }
    }

    /// Nothing more will come; its connection may still be closing.
    pub(super) fn is_in(&self) -> bool {
        self.run.ended() || self.run.report().served.is_some()
    }

    pub(super) fn ended(&self) -> bool {
        self.run.ended()
    }

    /// Its whole text, when it answered with any.
    pub(super) fn said(&self) -> Option<&str> {
        self.run.report().served.as_ref()?;
        self.run.text().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The step of its begin.
    pub(super) fn called(&self, began: Millis) -> Option<Progress> {
        Some(Progress::Called {
            slot: self.slot,
            model: self.model.clone()?,
            at: self.run.report().started.since(began),
        })
    }

    /// What is new. `texts`: its text too.
    pub(super) fn observe(
        &mut self,
        texts: bool,
        ended: Option<bool>,
        began: Millis,
        now: Millis,
        out: &mut Vec<Progress>,
    ) {
        let standing = Standing {
            slot: self.slot,
            report: self.run.report(),
            text: self.run.text().filter(|_| texts),
            ended,
            began,
            now,
        };
        self.watch.look(&standing, out);
    }
}

fn call_of(event: &Event) -> Option<CallId> {
    match event {
        Event::Headers { call, .. } | Event::Data { call, .. } | Event::End { call } | Event::Broken { call, .. } => {
            Some(*call)
        }
        Event::Tick | Event::CallerGone => None,
    }
}
