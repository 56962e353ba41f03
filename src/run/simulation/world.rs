//! The world: catalog, scripts, clock, and what the caller saw.

use super::acts::{Act, Step, steps_of};
use crate::catalog::document::CatalogDocument;
use crate::catalog::{Catalog, Credential, CredentialId, PoolId, Secret, Vault};
use crate::route::health::Health;
use crate::route::plan::{Chain, Target};
use crate::run::engine::{AnswerAs, Limits, Run, RunInput};
use crate::run::machine::{Action, CallId, Event, Machine, ResponseHead, UpstreamRequest};
use crate::run::report::Report;
use crate::wire::call::Limits as BodyLimits;
use crate::wire::{Call, Millis, chat};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// The moment at which every simulation begins.
pub(super) const START: Millis = Millis(1_795_197_570_000);

/// One target of the chain under test.
#[derive(Clone, Debug)]
pub(super) struct TargetSpec {
    /// Provider id and host.
    pub(super) name: &'static str,
    pub(super) keys: Vec<&'static str>,
    pub(super) order: u32,
    pub(super) window: Option<u64>,
    pub(super) variants: Value,
    pub(super) capabilities: Vec<&'static str>,
    pub(super) quota_group: Option<&'static str>,
    pub(super) lane: &'static str,
}

/// A target with one key.
pub(super) fn target(name: &'static str) -> TargetSpec {
    TargetSpec {
        name,
        keys: vec!["k1"],
        order: u32::from(name != "p"),
        window: Some(128_000),
        variants: json!([]),
        capabilities: vec!["chat", "tools"],
        quota_group: None,
        lane: "main",
    }
}

/// How the world is set up.
pub(super) struct World {
    pub(super) targets: Vec<TargetSpec>,
    /// Acts by target name, or `target/key`; the last repeats.
    pub(super) scripts: BTreeMap<String, Vec<Act>>,
    pub(super) estimated: u64,
    pub(super) chain: Box<dyn Fn(&mut Chain)>,
    pub(super) deadline: Option<Millis>,
    pub(super) answer: AnswerAs,
    pub(super) health: Health,
    pub(super) now: Millis,
    pub(super) body: Value,
    pub(super) seed: u64,
    pub(super) timeouts: Value,
    /// Further fields of every pool.
    pub(super) pool: Value,
    /// Requests and tokens a minute of every credential; 0: no limit.
    pub(super) limits: (u32, u32),
    pub(super) session: Option<String>,
    /// Targets (first) that live on the host of another one (second).
    pub(super) hosts: Vec<(&'static str, &'static str)>,
    /// The caller hangs up so long after its request.
    pub(super) hang_up: Option<Millis>,
    counts: BTreeMap<String, usize>,
}

/// What happened in one request.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) head: Option<ResponseHead>,
    pub(super) body: String,
    pub(super) report: Report,
    pub(super) took: Millis,
    /// When the head went out.
    pub(super) began: Option<Millis>,
    /// `target/key` of each call, when it was sent, and the body sent.
    pub(super) calls: Vec<(String, Millis, Value)>,
    /// Its bytes.
    pub(super) bodies: Vec<Bytes>,
    /// Its id.
    pub(super) ids: Vec<CallId>,
    pub(super) headers: Vec<Vec<(String, String)>>,
    pub(super) cancelled: Vec<CallId>,
    /// Calls whose answers may come in larger pieces.
    pub(super) in_pieces: Vec<CallId>,
    /// What went out, and when.
    pub(super) emitted: Vec<(Millis, Bytes)>,
    pub(super) kept: Option<String>,
}

impl World {
    pub(super) fn new(targets: Vec<TargetSpec>) -> Self {
        Self {
            targets,
            scripts: BTreeMap::new(),
            estimated: 100,
            chain: Box::new(|_| {}),
            deadline: None,
            answer: AnswerAs::Asked,
            health: Health::new(1),
            now: START,
            body: json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true}),
            seed: 42,
            timeouts: json!({}),
            pool: json!({}),
            limits: (0, 0),
            session: None,
            hosts: Vec::new(),
            hang_up: None,
            counts: BTreeMap::new(),
        }
    }

    /// P with a fallback F, one key each.
    pub(super) fn pf() -> Self {
        Self::new(vec![target("p"), target("f")])
    }

    pub(super) fn act(mut self, who: &str, acts: impl Into<Vec<Act>>) -> Self {
        self.scripts.insert(who.to_owned(), acts.into());
        self.counts.remove(who);
        self
    }

    pub(super) fn streaming(mut self, stream: bool) -> Self {
        self.body["stream"] = json!(stream);
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn document(&self) -> (Catalog, Vault) {
        let mut document = json!({"providers": [], "models": [], "pools": []});
        let mut vault = Vault::default();
        for spec in &self.targets {
            let moved = self.hosts.iter().find(|(name, _)| *name == spec.name);
            let host = moved.map_or(spec.name, |(_, host)| host);
            document["providers"].as_array_mut().unwrap().push(json!({
                "id": spec.name, "base_url": format!("https://{host}.example"), "pool": spec.name,
                "dialects": {"chat": "/v1/chat/completions", "embeddings": "/v1/embeddings"}, "timeouts": self.timeouts,
            }));
            document["models"].as_array_mut().unwrap().push(json!({
                "id": format!("{}/model", spec.name), "provider": spec.name, "upstream": format!("{}-upstream", spec.name),
                "capabilities": spec.capabilities, "context_window": spec.window, "context_variants": spec.variants,
                "max_output_tokens": 4096,
            }));
            let mut pool = json!({"id": spec.name, "discover": "X_API_KEY"});
            pool.as_object_mut()
                .unwrap()
                .extend(self.pool.as_object().unwrap().clone());
            document["pools"].as_array_mut().unwrap().push(pool);
            let credentials = spec.keys.iter().map(|key| Credential {
                label: (*key).to_owned(),
                id: CredentialId(format!("{}-{key}", spec.name)),
                secret: Secret::new(format!("secret-{}-{key}", spec.name)),
                weight: 1,
                quota_group: spec.quota_group.map(str::to_owned),
                models: vec!["*".to_owned()],
                rpm: self.limits.0,
                tpm: self.limits.1,
            });
            vault
                .pools
                .insert(PoolId::parse(spec.name).unwrap(), credentials.collect());
        }
        let document: CatalogDocument = serde_json::from_value(document).unwrap();
        let catalog = Catalog {
            providers: document
                .providers
                .into_iter()
                .map(|p| (p.id.clone(), Arc::new(p)))
                .collect(),
            models: document
                .models
                .into_iter()
                .map(|m| (m.id.clone(), Arc::new(m)))
                .collect(),
            pools: document
                .pools
                .into_iter()
                .map(|p| (p.id.clone(), Arc::new(p)))
                .collect(),
            ..Catalog::default()
        };
        (catalog, vault)
    }

    pub(super) fn lane(&self, catalog: &Catalog, wanted: &str) -> Vec<Target> {
        let specs = self.targets.iter().enumerate().filter(|(_, spec)| spec.lane == wanted);
        specs
            .map(|(index, spec)| {
                let model = catalog
                    .models
                    .values()
                    .find(|m| m.provider.as_str() == spec.name)
                    .unwrap();
                let provider = catalog.providers.values().find(|p| p.id.as_str() == spec.name).unwrap();
                Target {
                    model: model.clone(),
                    provider: provider.clone(),
                    pool: provider.pool.clone(),
                    allowed_credentials: Vec::new(),
                    order: spec.order,
                    context_window: spec.window,
                    context_variants: model.context_variants.clone(),
                    index: u32::try_from(index).unwrap(),
                    last_resort: false,
                }
            })
            .collect()
    }

    pub(super) fn chain_of(&self, catalog: &Catalog) -> Chain {
        let mut chain = Chain {
            targets: self.lane(catalog, "main"),
            context_targets: self.lane(catalog, "context"),
            content_policy_targets: self.lane(catalog, "content_policy"),
            retry: crate::catalog::document::Retry::default(),
            downgrade: crate::catalog::document::ContextDowngrade::Auto,
            trim: false,
            stream_recovery: true,
            fallback_on: crate::catalog::document::FallbackOn::default(),
            hedge: crate::catalog::document::Hedge::default(),
            estimated_input_tokens: self.estimated,
            pinned_credential: None,
            issuer: None,
            tool_loop: None,
            skipped: Vec::new(),
        };
        (self.chain)(&mut chain);
        chain
    }

    pub(super) fn call(&self) -> Call {
        chat::parse(Bytes::from(self.body.to_string()), &BodyLimits::default()).expect("a valid request")
    }

    /// Starts a run in this world.
    pub(super) fn start(&mut self) -> Run {
        let call = self.call();
        self.start_with(call)
    }

    /// Starts a run for this request.
    pub(super) fn start_with(&mut self, call: Call) -> Run {
        let (catalog, vault) = self.document();
        let input = RunInput {
            chain: self.chain_of(&catalog),
            call: Arc::new(call),
            catalog: Arc::new(catalog),
            vault: Arc::new(vault),
            request_id: "req-1".to_owned(),
            session: self.session.clone(),
            route: None,
            strategy: "route",
            pinned: false,
            deadline: self.deadline.map(|deadline| self.now.plus(deadline)),
            seed: self.seed,
            first_call: CallId(0),
            answer: self.answer,
            limits: Limits::default(),
        };
        Run::start(input, self.now, &mut self.health)
    }

    /// Runs one request to its end. The clock goes on from where the last one ended.
    pub(super) fn request(&mut self) -> Story {
        let mut run = self.start();
        let mut story = self.drive(&mut run);
        story.kept = run.text().map(str::to_owned);
        story
    }

    /// Drives any machine to its end.
    pub(super) fn drive(&mut self, run: &mut impl Machine) -> Story {
        let started = self.now;
        let mut story = Story {
            head: None,
            body: String::new(),
            report: Report::default(),
            took: Millis(0),
            began: None,
            calls: Vec::new(),
            bodies: Vec::new(),
            ids: Vec::new(),
            headers: Vec::new(),
            cancelled: Vec::new(),
            in_pieces: Vec::new(),
            emitted: Vec::new(),
            kept: None,
        };
        let mut queue: BinaryHeap<Scheduled> = BinaryHeap::new();
        let mut order = 0;
        let mut finished = false;
        let mut hang_up = self.hang_up.map(|after| started.plus(after));
        let (mut idle, mut last_tick) = (0, None);
        for _ in 0..200_000 {
            while let Some(action) = run.poll() {
                assert!(!finished, "{action:?} after Finish");
                match action {
                    Action::Call(request) => self.answer(&request, &mut story, &mut queue, &mut order),
                    Action::Cancel(call) => story.cancelled.push(call),
                    Action::InPieces(call) => story.in_pieces.push(call),
                    Action::Start(head) => {
                        assert!(story.head.is_none(), "two Starts");
                        story.began = Some(self.now.since(started));
                        story.head = Some(head);
                    }
                    Action::Emit(bytes) => {
                        assert!(story.head.is_some(), "Emit before Start");
                        story.body.push_str(std::str::from_utf8(&bytes).expect("whole events"));
                        story.emitted.push((self.now.since(started), bytes));
                    }
                    Action::Finish => finished = true,
                }
            }
            if finished {
                break;
            }
            let wake = run.next_wake();
            let due = queue.peek().map(|next| next.at);
            let next = [wake, due, hang_up]
                .into_iter()
                .flatten()
                .min()
                .expect("a run never waits for nothing");
            self.now = self.now.max(next);
            let event = if hang_up.is_some_and(|at| at <= self.now) {
                hang_up = None;
                Event::CallerGone
            } else if due.is_some_and(|at| at <= self.now) {
                let scheduled = queue.pop().unwrap();
                if story.cancelled.contains(&scheduled.call) {
                    continue;
                }
                scheduled.event
            } else {
                Event::Tick
            };
            // A timer that is due again at once would keep an isolate busy for nothing.
            idle = if matches!(event, Event::Tick) && wake <= last_tick {
                idle + 1
            } else {
                0
            };
            assert!(idle < 10, "the timer spins");
            if matches!(event, Event::Tick) {
                last_tick = Some(self.now);
            }
            run.handle(self.now, event, &mut self.health);
        }
        assert!(finished, "the run never ended");
        story.took = self.now.since(started);
        story.report = run.report().clone();
        story
    }

    fn answer(
        &mut self,
        request: &UpstreamRequest,
        story: &mut Story,
        queue: &mut BinaryHeap<Scheduled>,
        order: &mut u64,
    ) {
        let name = request
            .url
            .expose()
            .trim_start_matches("https://")
            .split('.')
            .next()
            .unwrap()
            .to_owned();
        let bearer = request
            .headers
            .iter()
            .find(|(name, _)| name == "authorization")
            .unwrap()
            .1
            .expose();
        let key = bearer.rsplit('-').next().unwrap();
        let who = format!("{name}/{key}");
        let body: Value = serde_json::from_slice(&request.body).expect("a JSON body");
        assert_eq!(body["model"], format!("{name}-upstream"), "only the model is replaced");
        let script = if self.scripts.contains_key(&who) {
            who.clone()
        } else {
            name
        };
        let count = self.counts.entry(script.clone()).or_default();
        let acts = self
            .scripts
            .get(&script)
            .unwrap_or_else(|| panic!("no script for {script}"));
        let act = acts.get(*count).or(acts.last()).unwrap().clone();
        *count += 1;
        let mut at = self.now;
        for step in steps_of(&act, &body, request.call, self.now) {
            match step {
                Step::Wait(time) => at = at.plus(time),
                Step::Happen(event) => {
                    *order += 1;
                    queue.push(Scheduled {
                        at,
                        order: *order,
                        call: request.call,
                        event,
                    });
                }
            }
        }
        story.calls.push((who, self.now, body));
        story.bodies.push(request.body.clone());
        story.ids.push(request.call);
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()));
        story.headers.push(headers.collect());
    }
}

impl Story {
    pub(super) fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let head = self.head.as_ref()?;
        head.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// `p/k1 p/k1 f/k1`
    pub(super) fn path(&self) -> String {
        self.calls
            .iter()
            .map(|(who, _, _)| who.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(super) fn calls_to(&self, name: &str) -> usize {
        self.calls
            .iter()
            .filter(|(who, _, _)| who.split('/').next() == Some(name))
            .count()
    }

    /// The visible text, of a stream or of one body.
    pub(super) fn text(&self) -> String {
        if self.head.as_ref().is_some_and(|head| head.stream) {
            self.events()
                .iter()
                .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
                .collect()
        } else {
            self.json()["choices"][0]["message"]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The JSON events of the stream.
    pub(super) fn events(&self) -> Vec<Value> {
        let data = self.body.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).expect("JSON events"))
            .collect()
    }

    pub(super) fn done(&self) -> bool {
        self.body.matches("data: [DONE]\n\n").count() == 1 && self.body.ends_with("data: [DONE]\n\n")
    }

    pub(super) fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// An answer arrived whole: status, text once, the stream properly ended.
    pub(super) fn assert_answer_text(&self, text: &str) {
        assert_eq!(self.status(), 200, "{self:#?}");
        assert_eq!(self.text(), text, "{}", self.body);
        let stream = self.head.as_ref().is_some_and(|head| head.stream);
        assert!(!stream || self.done(), "{}", self.body);
    }

    /// The same, and all of it is one stream.
    pub(super) fn assert_answer(&self, text: &str) {
        self.assert_answer_text(text);
        if self.head.as_ref().is_some_and(|head| head.stream) {
            let identities: std::collections::BTreeSet<String> =
                self.events().iter().map(|event| event["id"].to_string()).collect();
            assert_eq!(identities.len(), 1, "one stream has one id: {identities:?}");
        }
    }
}

/// An event that will happen.
#[derive(Debug)]
struct Scheduled {
    at: Millis,
    order: u64,
    call: CallId,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    /// The earliest is the greatest, so that a heap gives it first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}
