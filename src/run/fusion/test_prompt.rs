//! A test prompt: a fusion as a stream of `TestEvent`s (docs/admin-api.md) for the person who tries a profile, optionally with the
//! synthesizer alone beside it. The events carry drafts and answers; they go to that person only.

use super::input::FusionInput;
use super::judge::Notes;
use super::machine::Fusion;
use super::output::PING_EVERY;
use super::part::Part;
use super::progress::{self, Progress, Slot};
use super::stages;
use crate::catalog::money::optional_usd;
use crate::catalog::{ModelId, NanoUsd};
use crate::route::Stage;
use crate::route::health::Health;
use crate::run::machine::{Action, Event, Machine, ResponseHead, StageReport};
use crate::run::report::{Outcome, Report};
use crate::wire::json::RawJson;
use crate::wire::{Millis, Usage, chat_encode};
use bytes::Bytes;
use serde::Serialize;
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

/// One event of the stream (docs/admin-api.md `TestEvent`). Written from the types: a tree of JSON would read money as floats.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum TestEvent<'a> {
    Estimate {
        calls: usize,
        #[serde(with = "optional_usd")]
        reserve_usd: Option<NanoUsd>,
    },
    Call {
        call: usize,
        slot: String,
        stage: Stage,
        model: &'a ModelId,
        at_ms: u64,
    },
    FirstToken {
        call: usize,
        at_ms: u64,
    },
    Text {
        call: usize,
        text: &'a str,
    },
    End {
        call: usize,
        at_ms: u64,
        ok: bool,
        usage: Option<Counts>,
        #[serde(with = "optional_usd")]
        cost_usd: Option<NanoUsd>,
        #[serde(skip_serializing_if = "Option::is_none")]
        class: Option<&'static str>,
    },
    Notes {
        notes: &'a Notes,
    },
    Injected {
        message: &'a str,
    },
    Result {
        at_ms: u64,
        #[serde(with = "optional_usd")]
        cost_usd: Option<NanoUsd>,
        calls: usize,
        degraded: bool,
        request_id: String,
    },
    Error {
        code: String,
        message: &'static str,
    },
}

/// Tokens of one call.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "names of the JSON")]
struct Counts {
    input_tokens: u64,
    output_tokens: u64,
    cached_tokens: u64,
    reasoning_tokens: u64,
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
        let estimate = TestEvent::Estimate {
            calls,
            reserve_usd: input.reserved,
        };
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
            let event = self.event(&step);
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
    fn result(&self) -> TestEvent<'static> {
        let stages = self.fusion.stages();
        TestEvent::Result {
            at_ms: self.fusion_over.unwrap_or(self.began).since(self.began).0,
            cost_usd: progress::sum(stages.iter().map(|stage| stage.report)).1,
            calls: stages.len(),
            degraded: self.fusion.degraded(),
            request_id: self.request_id.clone(),
        }
    }

    fn error(&self, code: &str) -> TestEvent<'static> {
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
        TestEvent::Error {
            code: code.to_owned(),
            message,
        }
    }

    fn event<'s>(&mut self, step: &'s Progress) -> TestEvent<'s> {
        match step {
            Progress::Called { slot, model, at } => {
                let call = self.calls.len();
                self.calls.push(*slot);
                TestEvent::Call {
                    call,
                    slot: slot.name(),
                    stage: match slot.stage {
                        Stage::Answer => Stage::Synthesizer,
                        stage => stage,
                    },
                    model,
                    at_ms: at.0,
                }
            }
            Progress::FirstToken { slot, at } => TestEvent::FirstToken {
                call: self.number(*slot),
                at_ms: at.0,
            },
            Progress::Text { slot, text } => TestEvent::Text {
                call: self.number(*slot),
                text,
            },
            Progress::Ended {
                slot,
                at,
                ok,
                usage,
                cost,
                class,
            } => TestEvent::End {
                call: self.number(*slot),
                at_ms: at.0,
                ok: *ok,
                usage: usage.as_ref().map(Counts::of),
                cost_usd: *cost,
                class: *class,
            },
            Progress::Notes(notes) => TestEvent::Notes { notes },
            Progress::Injected(message) => TestEvent::Injected { message },
        }
    }

    /// The number of the slot's latest call.
    fn number(&self, slot: Slot) -> usize {
        self.calls.iter().rposition(|known| *known == slot).unwrap_or_default()
    }

    fn emit(&mut self, event: &TestEvent<'_>, now: Millis) {
        let event = RawJson::of(event);
        self.actions
            .push_back(Action::Emit(chat_encode::event(event.text().as_bytes())));
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

    fn degraded(&self) -> bool {
        self.fusion.degraded()
    }

    fn stages(&self) -> Vec<StageReport<'_>> {
        let mut stages = self.fusion.stages();
        stages.extend(self.baseline.as_ref().map(Part::stage));
        stages
    }
}

impl Counts {
    fn of(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_tokens: usage.cached_tokens,
            reasoning_tokens: usage.reasoning_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_write_money_as_numbers_with_all_digits() {
        let check = |event: &TestEvent<'_>, expected: &str| assert_eq!(RawJson::of(event).text(), expected);
        check(
            &TestEvent::Estimate {
                calls: 2,
                reserve_usd: Some(NanoUsd(9_007_199_254_740_993)),
            },
            r#"{"type":"estimate","calls":2,"reserve_usd":9007199.254740993}"#,
        );
        check(
            &TestEvent::End {
                call: 0,
                at_ms: 1,
                ok: false,
                usage: None,
                cost_usd: None,
                class: Some("timeout"),
            },
            r#"{"type":"end","call":0,"at_ms":1,"ok":false,"usage":null,"cost_usd":null,"class":"timeout"}"#,
        );
    }
}
