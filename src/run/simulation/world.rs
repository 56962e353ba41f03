//! The world: catalog, scripts and clock.

use super::acts::{Act, Step, steps_of};
use super::story::Story;
use crate::catalog::document::CatalogDocument;
use crate::catalog::{Catalog, Credential, CredentialId, PoolId, Secret, Vault};
use crate::route::health::Health;
use crate::route::plan::{Chain, Target};
use crate::run::engine::{AnswerAs, Limits, Run, RunInput};
use crate::run::machine::{Action, CallId, Event, Machine, UpstreamRequest};
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
    /// The request names a configured route.
    pub(super) on_route: bool,
    /// Targets (first) that live on the host of another one (second).
    pub(super) hosts: Vec<(&'static str, &'static str)>,
    /// The caller hangs up so long after its request.
    pub(super) hang_up: Option<Millis>,
    counts: BTreeMap<String, usize>,
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
            on_route: false,
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
            route: self.on_route.then(|| crate::catalog::RouteId::parse("smart").unwrap()),
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
        let mut story = Story::default();
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
        let (name, key) = asked(request);
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

/// Target name and key of a request, by its host and its bearer.
fn asked(request: &UpstreamRequest) -> (String, String) {
    let host = request.url.expose().trim_start_matches("https://");
    let bearer = request.headers.iter().find(|(name, _)| name == "authorization");
    let (_, secret) = bearer.expect("a bearer");
    let name = host.split('.').next().unwrap_or_default();
    let key = secret.expose().rsplit('-').next().unwrap_or_default();
    (name.to_owned(), key.to_owned())
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
