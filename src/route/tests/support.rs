//! A small deployment that tests change by JSON: two providers with keys, one without, a route, a fusion profile.

use crate::access::{Grant, KeyIdentity};
use crate::catalog::document::CatalogDocument;
use crate::catalog::{Catalog, CredentialId, ModelId, NanoUsd, PolicyId, Vault, vault};
use crate::route::health::{Dispatch, Failure, FailureClass, Health};
use crate::route::{Chain, Explanation, FusionPlan, Hints, Plan, Refused, Shape, World, plan};
use crate::wire::chat;
use crate::wire::{Call, Limits, Millis};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When everything happens unless a test says otherwise.
pub(super) const NOW: Millis = Millis(1_800_000_000_000);

pub(super) struct Deployment {
    pub(super) catalog: Catalog,
    pub(super) vault: Vault,
    pub(super) health: Health,
    pub(super) remaining: Option<NanoUsd>,
    pub(super) now: Millis,
    pub(super) dry_run: bool,
}

/// The base catalog.
pub(super) fn base() -> Value {
    let provider = |id: &str| json!({ "id": id, "dialects": { "chat": "/v1/chat/completions" }, "base_url": format!("https://{id}.example"), "pool": id });
    let pool = |id: &str, keys: &[&str]| {
        let keys: Vec<Value> = keys
            .iter()
            .map(|key| json!({ "label": key, "secret": format!("{id}_{key}").to_uppercase() }))
            .collect();
        json!({ "id": id, "keys": keys })
    };
    let model = |id: &str, window: u64, price: f64| {
        let provider = id.split_once('/').unwrap().0;
        json!({ "id": id, "provider": provider, "upstream": id.split_once('/').unwrap().1, "capabilities": ["chat", "tools"],
                "context_window": window, "max_output_tokens": 1000, "price": { "input": price, "output": price * 2.0 } })
    };
    json!({
        "providers": [provider("p"), provider("f"), provider("poor")],
        "pools": [pool("p", &["k1", "k2"]), pool("f", &["k1"]), pool("poor", &["none"])],
        "models": [model("p/a", 8_000, 1.0), model("p/b", 100_000, 2.0), model("f/c", 200_000, 3.0), model("poor/m", 8_000, 1.0)],
        "routes": [{ "id": "smart", "targets": [{ "model": "p/a", "order": 0 }, { "model": "f/c", "order": 1 }] }],
        "fusion_profiles": [{ "id": "default", "enabled": true, "advisers": [{ "model": "p/a" }, { "model": "p/b" }],
                              "judge": { "model": "f/c", "enabled": true }, "synthesizer": { "model": "f/c" } }],
        "policies": [{ "id": "default" }]
    })
}

/// Replaces (or adds) documents by id.
pub(super) fn with(mut catalog: Value, changes: &Value) -> Value {
    for (collection, documents) in changes.as_object().unwrap() {
        let list = catalog
            .as_object_mut()
            .unwrap()
            .entry(collection.clone())
            .or_insert_with(|| json!([]));
        for document in documents.as_array().unwrap() {
            match list
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .find(|old| old["id"] == document["id"])
            {
                Some(old) => {
                    for (field, value) in document.as_object().unwrap() {
                        old[field] = value.clone();
                    }
                }
                None => list.as_array_mut().unwrap().push(document.clone()),
            }
        }
    }
    catalog
}

impl Deployment {
    /// The base catalog with changes; every secret is set but `POOR_NONE`.
    pub(super) fn new(changes: &Value) -> Self {
        Self::of(&with(base(), changes))
    }

    pub(super) fn of(catalog: &Value) -> Self {
        let documents: CatalogDocument = serde_json::from_value(catalog.clone()).unwrap();
        let catalog = Catalog::compile(documents, 7).unwrap();
        let lookup = |name: &str| (name != "POOR_NONE").then(|| format!("value-of-{name}"));
        let vault = vault::resolve(&catalog, &lookup, &BTreeMap::default(), Vec::new(), false);
        Self {
            catalog,
            vault,
            health: Health::new(0),
            remaining: None,
            now: NOW,
            dry_run: false,
        }
    }

    pub(super) fn world(&self) -> World<'_> {
        World {
            catalog: &self.catalog,
            vault: &self.vault,
            health: &self.health,
            now: self.now,
            dry_run: self.dry_run,
        }
    }

    pub(super) fn grant(&self, policy: &str) -> Grant {
        let policy = self
            .catalog
            .policies
            .get(&PolicyId::parse(policy).unwrap())
            .cloned()
            .unwrap();
        let key = KeyIdentity {
            kid: "kid1".to_owned(),
            label: "test".to_owned(),
            principal: None,
        };
        Grant {
            key,
            policy: Arc::clone(&policy),
            remaining: self.remaining,
        }
    }

    pub(super) fn plan(&self, body: &Value) -> Result<(Plan, Explanation), Box<Refused>> {
        self.plan_with(body, &Hints::default())
    }

    pub(super) fn plan_with(&self, body: &Value, hints: &Hints) -> Result<(Plan, Explanation), Box<Refused>> {
        plan(&call(body), &self.world(), &self.grant("default"), hints)
    }

    /// Models of the planned chain, in order.
    pub(super) fn order(&self, body: &Value) -> Vec<String> {
        targets(&self.plan(body).unwrap().0)
    }

    /// Status, code and reason of a refusal.
    pub(super) fn refusal(&self, body: &Value) -> (u16, &'static str, &'static str) {
        let error = self.plan(body).unwrap_err().error;
        let (status, code) = error.status_and_code();
        (status, code, error.reason())
    }

    /// A failure of a model's target, or of one of its credentials.
    pub(super) fn fail(&mut self, model: &str, label: &str, class: FailureClass, hint: Option<u64>) {
        let model = ModelId::parse(model).unwrap();
        let provider = Arc::clone(&self.catalog.models[&model].provider_of(&self.catalog));
        let dispatch = Dispatch {
            target: model,
            credential: credential(&self.vault, provider.pool.as_ref().unwrap().as_str(), label),
            host: crate::route::host_of(&provider, &self.vault),
            quota_group: None,
            estimated_tokens: 100,
            started_at: self.now,
        };
        let failure = Failure {
            class,
            hint: hint.map(Millis),
            ceiling: None,
            suspected: false,
            gave_up: true,
            sole: false,
            jitter: 0.0,
        };
        self.health.record_failure(&dispatch, &failure, self.now);
    }
}

trait ProviderOf {
    fn provider_of(&self, catalog: &Catalog) -> Arc<crate::catalog::Provider>;
}

impl ProviderOf for Arc<crate::catalog::Model> {
    fn provider_of(&self, catalog: &Catalog) -> Arc<crate::catalog::Provider> {
        Arc::clone(&catalog.providers[&self.provider])
    }
}

fn credential(vault: &Vault, pool: &str, label: &str) -> Option<CredentialId> {
    let (_, credentials) = vault.pools.iter().find(|(id, _)| id.as_str() == pool)?;
    credentials
        .iter()
        .find(|credential| credential.label == label)
        .map(|credential| credential.id.clone())
}

/// A parsed chat call; messages default to one short one.
pub(super) fn call(body: &Value) -> Call {
    let mut body = body.clone();
    if body.get("messages").is_none() {
        body["messages"] = json!([{ "role": "user", "content": "hi" }]);
    }
    chat::parse(body.to_string().into(), &Limits::default()).unwrap()
}

pub(super) fn chain(plan: &Plan) -> &Chain {
    match &plan.shape {
        Shape::Chain(chain) => chain,
        Shape::Fusion(fusion) => &fusion.synthesizer,
    }
}

pub(super) fn fusion(plan: &Plan) -> &FusionPlan {
    match &plan.shape {
        Shape::Fusion(fusion) => fusion,
        Shape::Chain(_) => panic!("no fusion"),
    }
}

pub(super) fn targets(plan: &Plan) -> Vec<String> {
    chain(plan)
        .targets
        .iter()
        .map(|target| target.model.id.to_string())
        .collect()
}
