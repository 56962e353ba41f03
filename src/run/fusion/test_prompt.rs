//! A test prompt: a fusion as a stream of `TestEvent`s (docs/admin-api.md) for the person who tries a profile, optionally with the
//! synthesizer alone beside it. The events carry drafts and answers; they go to that person only.

use super::machine::{Fusion, FusionInput};
use super::output::PING_EVERY;
use super::part::Part;
use super::progress::{self, Progress, Slot};
use super::stages;
use crate::catalog::NanoUsd;
use crate::route::Stage;
use crate::route::health::Health;
use crate::run::machine::{Action, Event, Machine, ResponseHead, StageReport};
use crate::run::report::{Outcome, Report};
use crate::wire::{Millis, Usage, chat_encode};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Everything a test prompt is made of.
#[derive(Clone, Debug)]
pub struct TestPromptInput {
    /// The fusion; `as_test` is taken to be true.
    pub fusion: FusionInput,
    /// Call the synthesizer alone, too.
    pub baseline: bool,
    /// What was reserved for all calls together; `None`: nothing.
    pub reserved: Option<NanoUsd>,
}

/// A test prompt in flight. Its response is always a 200 stream that begins at once.
#[derive(Debug)]
pub struct TestPrompt {
    fusion: Fusion,
    baseline: Option<Part>,
    request_id: String,
    began: Millis,
    /// The calls in the order of their numbers.
    calls: Vec<Slot>,
    /// When the fusion was over.
    fusion_over: Option<Millis>,
    actions: VecDeque<Action>,
    ping_at: Millis,
    over: bool,
    report: Report,
}

impl TestPrompt {
    /// Begins: the stream's head, the estimate, and the first calls.
    pub fn new(input: TestPromptInput, now: Millis, health: &mut Health) -> Self {
        let fusion = FusionInput {
            as_test: true,
            ..input.fusion
        };
        let plan = &fusion.plan;
        let calls = plan.advisers.len() + usize::from(plan.judge.is_some()) + 1 + usize::from(input.baseline);
        let estimate = json!({"type": "estimate", "calls": calls, "reserve_usd": usd(input.reserved)});
        let head = ResponseHead {
            status: 200,
            headers: vec![
                ("content-type".to_owned(), "text/event-stream; charset=utf-8".to_owned()),
                ("cache-control".to_owned(), "no-cache".to_owned()),
            ],
            stream: true,
        };
        let alone = stages::baseline(&fusion, now.plus(fusion.time()));
        let baseline = input.baseline.then(|| Part::start(alone, &fusion, now, health));
        let mut prompt = Self {
            request_id: fusion.request_id.clone(),
            fusion: Fusion::new(fusion, now, health),
            baseline,
            began: now,
            calls: Vec::new(),
            fusion_over: None,
            actions: VecDeque::from([Action::Start(head)]),
            ping_at: now.plus(PING_EVERY),
            over: false,
            report: Report {
                started: now,
                status: 200,
                ..Report::default()
            },
        };
        prompt.emit(&estimate, now);
        prompt.advance(now);
        prompt
    }

    fn advance(&mut self, now: Millis) {
        while let Some(action) = self.fusion.poll() {
            if matches!(action, Action::Call(_) | Action::Cancel(_)) {
                self.actions.push_back(action);
            }
        }
        let mut steps = self.fusion.take_progress();
        if let Some(part) = &mut self.baseline {
            if !self.calls.contains(&part.slot) {
                steps.extend(part.called(self.began));
            }
            part.drain(&mut self.actions);
            let ended = part.is_in().then(|| part.said().is_some());
            part.observe(true, ended, self.began, now, &mut steps);
        }
        for step in steps {
            let event = self.event(step);
            self.emit(&event, now);
        }
        if self.fusion.is_over() {
            self.fusion_over.get_or_insert(now);
        }
        if self.fusion.is_over() && self.baseline.as_ref().is_none_or(Part::ended) {
            self.finish(now);
        } else if now >= self.ping_at {
            self.actions
                .push_back(Action::Emit(Bytes::from_static(chat_encode::PING)));
            self.ping_at = now.plus(PING_EVERY);
        }
    }

    fn finish(&mut self, now: Millis) {
        if self.over {
            return;
        }
        self.over = true;
        let report = self.fusion.report();
        let (outcome, code) = (report.outcome, report.error_code.clone());
        self.report = Report {
            status: 200,
            ended: Some(now),
            ..report.clone()
        };
        match outcome {
            Outcome::Answered => {
                let event = self.result();
                self.emit(&event, now);
            }
            Outcome::CallerGone => {}
            Outcome::Running | Outcome::Failed | Outcome::FailedInStream => {
                let event = self.error(code.as_deref().unwrap_or("upstream_error"));
                self.emit(&event, now);
            }
        }
        self.actions.push_back(Action::Finish);
    }

    /// What the fusion took, the synthesizer alone not counted.
    fn result(&self) -> Value {
        let stages = self.fusion.stages();
        let cost = progress::sum(stages.iter().map(|stage| stage.report)).1;
        json!({
            "type": "result",
            "at_ms": self.fusion_over.unwrap_or(self.began).since(self.began).0,
            "cost_usd": usd(cost),
            "calls": stages.len(),
            "degraded": self.fusion.is_degraded(),
            "request_id": self.request_id,
        })
    }

    fn error(&self, code: &str) -> Value {
        let called = self
            .fusion
            .stages()
            .iter()
            .any(|stage| stage.stage == Stage::Synthesizer);
        let message = if called {
            "The synthesizer did not answer; its call says why."
        } else {
            "No adviser answered, and the profile wants that to be an error; their calls say why."
        };
        json!({"type": "error", "code": code, "message": message})
    }

    fn event(&mut self, step: Progress) -> Value {
        match step {
            Progress::Called { slot, model, at } => {
                let call = self.calls.len();
                self.calls.push(slot);
                let stage = match slot.stage {
                    Stage::Answer => Stage::Synthesizer,
                    stage => stage,
                };
                json!({"type": "call", "call": call, "slot": slot.name(), "stage": stage, "model": model.as_str(), "at_ms": at.0})
            }
            Progress::FirstToken { slot, at } => {
                json!({"type": "first_token", "call": self.number(slot), "at_ms": at.0})
            }
            Progress::Text { slot, text } => json!({"type": "text", "call": self.number(slot), "text": text}),
            Progress::Ended {
                slot,
                at,
                ok,
                usage,
                cost,
                class,
            } => {
                let mut event = json!({
                    "type": "end", "call": self.number(slot), "at_ms": at.0, "ok": ok,
                    "usage": usage.as_ref().map(counts), "cost_usd": usd(cost),
                });
                if let (Some(class), Some(event)) = (class, event.as_object_mut()) {
                    event.insert("class".to_owned(), class.into());
                }
                event
            }
            Progress::Notes(notes) => json!({"type": "notes", "notes": notes}),
            Progress::Injected(message) => json!({"type": "injected", "message": message}),
        }
    }

    /// The number of the slot's latest call.
    fn number(&self, slot: Slot) -> usize {
        self.calls.iter().rposition(|known| *known == slot).unwrap_or_default()
    }

    fn emit(&mut self, event: &Value, now: Millis) {
        self.actions
            .push_back(Action::Emit(chat_encode::event(event.to_string().as_bytes())));
        self.ping_at = now.plus(PING_EVERY);
    }
}

impl Machine for TestPrompt {
    fn handle(&mut self, now: Millis, event: Event, health: &mut Health) {
        if self.over {
            return;
        }
        if let Some(part) = &mut self.baseline
            && part.concerns(&event)
        {
            part.handle(now, event.clone(), health);
        }
        self.fusion.handle(now, event, health);
        self.advance(now);
    }

    fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn next_wake(&self) -> Option<Millis> {
        if self.over {
            return None;
        }
        let baseline = self.baseline.as_ref().and_then(Part::next_wake);
        let parts = self.fusion.next_wake().into_iter().chain(baseline);
        parts.chain([self.ping_at]).min()
    }

    fn report(&self) -> &Report {
        &self.report
    }

    fn stages(&self) -> Vec<StageReport<'_>> {
        let mut stages = self.fusion.stages();
        stages.extend(self.baseline.as_ref().map(Part::stage));
        stages
    }
}

fn usd(amount: Option<NanoUsd>) -> Value {
    amount.map_or(Value::Null, |amount| amount.to_string().into())
}

fn counts(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    })
}
