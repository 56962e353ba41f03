//! A panel under test: three advisers, a judge and a synthesizer, each at a provider of its own.

use super::acts::{Act, Answer, answer, ok};
use super::story::Story;
use super::world::{TargetSpec, World, target};
use crate::catalog::FusionProfile;
use crate::route::{FusionPlan, Stage};
use crate::run::fusion::input::FusionInput;
use crate::run::fusion::machine::Fusion;
use crate::run::machine::{CallId, Machine};
use crate::run::report::{AttemptAction, Report};
use crate::wire::call::Limits as BodyLimits;
use crate::wire::{Call, Millis, chat};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// Seed of every fusion here.
pub(super) const SEED: u64 = 7;

/// A fusion in a world.
pub(super) struct Panel {
    pub(super) world: World,
    pub(super) profile: Value,
    /// The caller's own bytes; `None`: the world's body.
    pub(super) raw: Option<String>,
    /// The planner left the judge out unless this is set.
    pub(super) judged: bool,
    pub(super) left_out: Vec<(u32, String, String)>,
}

/// What happened, and the machine that did it.
pub(super) struct Told {
    pub(super) story: Story,
    pub(super) fusion: Fusion,
}

/// A text as a stream of one token.
pub(super) fn says(text: &str) -> Act {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]});
    let usage =
        json!({"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}});
    Act::Raw {
        content_type: "text/event-stream",
        body: format!("data: {chunk}\n\ndata: {usage}\n\ndata: [DONE]\n\n"),
    }
}

/// An answer that takes so long to begin.
pub(super) fn after(wait: u64, tokens: usize) -> Act {
    Act::Answer(Answer {
        head: Millis(wait),
        ..answer(tokens)
    })
}

fn at(name: &'static str, lane: &'static str) -> TargetSpec {
    TargetSpec {
        lane,
        order: 0,
        ..target(name)
    }
}

impl Panel {
    /// Everything goes well: advisers say `draft 1` to `draft 3`, the synthesizer five tokens.
    pub(super) fn new() -> Self {
        let targets = vec![
            at("s", "main"),
            at("a1", "adviser"),
            at("a2", "adviser"),
            at("a3", "adviser"),
            at("j", "judge"),
        ];
        let advisers: Vec<Value> = ["a1", "a2", "a3"]
            .iter()
            .map(|name| json!({"model": format!("{name}/model")}))
            .collect();
        Self {
            world: World::new(targets)
                .act("a1", [says("draft 1")])
                .act("a2", [says("draft 2")])
                .act("a3", [says("draft 3")])
                .act("j", [says("{\"best\":\"B\",\"consensus\":[\"all\"]}")])
                .act("s", [ok(5)]),
            profile: json!({"id": "default", "enabled": true, "advisers": advisers, "synthesizer": {"model": "s/model"}}),
            raw: None,
            judged: false,
            left_out: Vec::new(),
        }
    }

    pub(super) fn act(mut self, who: &str, act: Act) -> Self {
        self.world = self.world.act(who, [act]);
        self
    }

    pub(super) fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.profile[field] = value.into();
        self
    }

    pub(super) fn streaming(mut self, stream: bool) -> Self {
        self.world = self.world.streaming(stream);
        self
    }

    pub(super) fn asking(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.world.body[field] = value.into();
        self
    }

    pub(super) fn judged(mut self) -> Self {
        self.judged = true;
        self
    }

    pub(super) fn call(&self) -> Call {
        match &self.raw {
            Some(raw) => chat::parse(Bytes::from(raw.clone()), &BodyLimits::default()).expect("a valid request"),
            None => self.world.call(),
        }
    }

    pub(super) fn input(&self) -> FusionInput {
        let (catalog, vault) = self.world.document();
        let profile: FusionProfile = serde_json::from_value(self.profile.clone()).unwrap();
        let left_out = |index: u32| self.left_out.iter().any(|(known, _, _)| *known == index);
        let advisers = (0..).zip(self.world.lane(&catalog, "adviser"));
        let plan = FusionPlan {
            profile: Arc::new(profile),
            advisers: advisers.filter(|(index, _)| !left_out(*index)).collect(),
            left_out: self.left_out.clone(),
            judge: self
                .world
                .lane(&catalog, "judge")
                .into_iter()
                .next()
                .filter(|_| self.judged),
            synthesizer: self.world.chain_of(&catalog),
        };
        FusionInput {
            plan,
            call: Arc::new(self.call()),
            catalog: Arc::new(catalog),
            vault: Arc::new(vault),
            request_id: "req-1".to_owned(),
            session: None,
            seed: SEED,
            as_test: false,
        }
    }

    /// Runs one request to its end.
    pub(super) fn ask(&mut self) -> Told {
        let mut fusion = Fusion::new(self.input(), self.world.now, &mut self.world.health);
        let story = self.world.drive(&mut fusion);
        Told { story, fusion }
    }

    /// What the synthesizer gets when it is called directly, and what the caller then gets.
    pub(super) fn directly(&self) -> Story {
        let mut world = Self::new().world;
        world.scripts.clone_from(&self.world.scripts);
        world.body = match &self.raw {
            Some(_) => Value::Null,
            None => self.world.body.clone(),
        };
        world.targets.clone_from(&self.world.targets);
        let mut run = world.start_with(self.call());
        world.drive(&mut run)
    }
}

impl Told {
    /// `a1 a2 a3 s`
    pub(super) fn path(&self) -> String {
        let names = self
            .story
            .calls
            .iter()
            .map(|(who, _, _)| who.split('/').next().unwrap());
        names.collect::<Vec<_>>().join(" ")
    }

    /// When the first call to `name` was sent.
    pub(super) fn called(&self, name: &str) -> Option<Millis> {
        let first = self.story.calls.first()?.1;
        let call = self
            .story
            .calls
            .iter()
            .find(|(who, _, _)| who.split('/').next() == Some(name))?;
        Some(call.1.since(first))
    }

    pub(super) fn id_of(&self, name: &str) -> CallId {
        let position = self
            .story
            .calls
            .iter()
            .position(|(who, _, _)| who.split('/').next() == Some(name));
        self.story.ids[position.expect(name)]
    }

    /// The last body sent to `name`.
    pub(super) fn body(&self, name: &str) -> Bytes {
        let position = self
            .story
            .calls
            .iter()
            .rposition(|(who, _, _)| who.split('/').next() == Some(name));
        self.story.bodies[position.expect(name)].clone()
    }

    pub(super) fn messages(&self, name: &str) -> Vec<Value> {
        let body: Value = serde_json::from_slice(&self.body(name)).unwrap();
        body["messages"].as_array().unwrap().clone()
    }

    /// The message that carries the drafts.
    pub(super) fn injected(&self) -> String {
        let texts = self.messages("s").into_iter();
        let texts = texts.filter_map(|message| message["content"].as_str().map(str::to_owned));
        texts
            .into_iter()
            .find(|text| text.contains("===== begin draft"))
            .unwrap_or_default()
    }

    pub(super) fn reports(&self, stage: Stage) -> Vec<Report> {
        let stages = self.fusion.stages().into_iter().filter(|part| part.stage == stage);
        stages.map(|part| part.report.clone()).collect()
    }

    /// Every call that was sent has ended or was cancelled, and each has its own id.
    pub(super) fn assert_closed(&self) {
        let mut ids = self.story.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), self.story.ids.len(), "ids are used once");
        for part in self.fusion.stages() {
            for attempt in &part.report.attempts {
                assert!(
                    attempt.ended.is_some() && attempt.action != AttemptAction::Running,
                    "{attempt:?}"
                );
            }
        }
    }

    pub(super) fn fusion_header(&self) -> [&str; 3] {
        [
            "x-clawrouter-fusion",
            "x-clawrouter-fusion-advisers",
            "x-clawrouter-fusion-failed",
        ]
        .map(|name| self.story.header(name).unwrap_or("-"))
    }
}
