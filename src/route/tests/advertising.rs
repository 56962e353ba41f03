//! The invariant of the house: listed if and only if a minimal call is not refused before upstream.

use super::support::{Deployment, base, call, with};
use crate::catalog::{ModelId, NanoUsd};
use crate::route::executable::{MINIMAL_OUTPUT, MINIMAL_SIZE};
use crate::route::health::FailureClass as C;
use crate::route::listing;
use crate::route::{Explanation, Hints, Plan, plan};
use crate::wire::{Call, CallKind, Millis};
use proptest::prelude::*;
use serde_json::{Value, json};

fn minimal(model: &str) -> Call {
    let mut call = call(&json!({ "model": model, "max_tokens": MINIMAL_OUTPUT }));
    assert_eq!(
        call.size.ascii_bytes, MINIMAL_SIZE.ascii_bytes,
        "the minimal call is what the estimate says it is"
    );
    call.size = MINIMAL_SIZE;
    call
}

/// Everything that somebody could name.
fn names(world: &Deployment) -> Vec<String> {
    let catalog = &world.catalog;
    let models = catalog.models.keys().map(ToString::to_string);
    let routes = catalog.routes.keys().map(|id| format!("clawrouter/{id}"));
    let profiles = catalog.fusion_profiles.keys().map(|id| match id.as_str() {
        "default" => "clawrouter/fusion".to_owned(),
        other => format!("clawrouter/fusion:{other}"),
    });
    let others = ["clawrouter/auto", "local/anything", "no/such"].map(str::to_owned);
    models.chain(routes).chain(profiles).chain(others).collect()
}

fn listed_is_callable(world: &Deployment) {
    for policy in world.catalog.policies.keys() {
        let grant = world.grant(policy.as_str());
        let listed: Vec<String> = listing::models(&grant, &world.world(), &[])
            .into_iter()
            .map(|entry| entry.id)
            .collect();
        for name in names(world) {
            // Money is the Ledger's word: it would refuse what does not fit the remaining budget.
            let funded = |(plan, _): &(Plan, Explanation)| {
                let first = plan.calls.first().and_then(|call| call.worst_case);
                grant
                    .remaining
                    .is_none_or(|remaining| first.is_none_or(|cost| cost <= remaining))
            };
            let planned = [CallKind::Chat, CallKind::Embeddings].map(|kind| {
                let call = Call { kind, ..minimal(&name) };
                plan(&call, &world.world(), &grant, &Hints::default())
            });
            let callable = planned.iter().any(|planned| planned.as_ref().is_ok_and(funded));
            let shown = listed.contains(&name)
                || (name == "local/anything" && listing::model(&name, &grant, &world.world()).is_ok());
            assert_eq!(
                shown,
                callable,
                "{name} for {policy}: {:?}",
                planned.map(|planned| planned.err().map(|refused| refused.error.to_string()))
            );
        }
    }
}

#[test]
fn the_base_deployment_lists_what_it_can() {
    let world = Deployment::new(&json!({}));
    let listed: Vec<String> = listing::models(&world.grant("default"), &world.world(), &[])
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(listed, ["clawrouter/fusion", "clawrouter/smart", "f/c", "p/a", "p/b"]);
    listed_is_callable(&world);
}

#[test]
fn the_catalog_says_why_a_model_cannot_run_and_hides_what_policy_forbids() {
    let world = Deployment::new(&json!({ "policies": [{ "id": "default", "deny": { "models": ["p/b"] } }] }));
    let catalog = listing::catalog(&world.grant("default"), &world.world(), &[]);
    let unavailable: Vec<(&str, &str)> = catalog
        .unavailable
        .iter()
        .map(|entry| (entry.id.as_str(), entry.reason.code.as_str()))
        .collect();
    assert_eq!(unavailable, [("poor/m", "no_credential")]);
    let text = serde_json::to_string(&catalog).unwrap();
    assert!(!text.contains("p/b") && !text.contains("value-of") && !text.contains("p.example"));
    assert!(catalog.models.iter().all(|model| model.executable));
}

#[test]
fn dynamic_models_are_listed_as_their_provider_declares() {
    let local = json!({ "id": "local", "dialects": { "chat": "/v1/chat/completions" }, "base_url": "https://local.example", "auth": { "scheme": "bearer" }, "pool": "p",
        "discover": { "models": true }, "defaults": { "capabilities": ["chat"], "context_window": 8192, "max_output_tokens": 2048 } });
    let world = Deployment::new(
        &json!({ "providers": [local], "policies": [{ "id": "default", "budgets": [{ "window": "day", "limit_usd": 1 }] }] }),
    );
    let dynamic = [ModelId::parse("local/qwen3:8b").unwrap()];
    let entries = listing::models(&world.grant("default"), &world.world(), &dynamic);
    let entry = entries.iter().find(|entry| entry.id == "local/qwen3:8b").unwrap();
    assert_eq!(
        (
            entry.context_window,
            entry.pricing.as_ref().map(|price| price.prompt.as_str())
        ),
        (Some(8192), Some("0"))
    );
    listed_is_callable(&world);
}

#[test]
fn the_bundled_catalog_lists_what_secrets_make_usable() {
    let documents = serde_json::to_value(crate::catalog::bundled().unwrap()).unwrap();
    let world = Deployment::of(&documents);
    listed_is_callable(&world);
    let policy = world.catalog.policies.keys().next().unwrap().to_string();
    let listed = listing::models(&world.grant(&policy), &world.world(), &[]);
    assert!(listed.len() > 20, "{} with every secret set", listed.len());
    let mut bare = world;
    bare.vault = crate::catalog::vault::resolve(
        &bare.catalog,
        &|_| None,
        &std::collections::BTreeMap::default(),
        Vec::new(),
        false,
    );
    listed_is_callable(&bare);
    let ids: Vec<String> = listing::models(&bare.grant(&policy), &bare.world(), &[])
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    assert!(
        !ids.is_empty()
            && ids
                .iter()
                .all(|id| id.starts_with("demo/") || id.starts_with("clawrouter/")),
        "{ids:?}"
    );
}

fn patterns() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(Value::Null),
        1 => Just(json!(["p"])),
        1 => Just(json!(["f*"])),
        1 => Just(json!(["*a", "*c", "smart"])),
        1 => Just(json!([])),
        1 => Just(json!(["fusion*", "*"])),
    ]
}

fn fallbacks() -> impl Strategy<Value = Value> {
    prop_oneof![3 => Just(json!([])), 1 => Just(json!(["f/c"])), 1 => Just(json!(["poor/m", "p/b"]))]
}

fn policy() -> impl Strategy<Value = Value> {
    (
        patterns(),
        patterns(),
        patterns(),
        patterns(),
        any::<bool>(),
        0u8..8,
        fallbacks(),
    )
        .prop_map(|(providers, models, virtuals, denied, hard, off, fallbacks)| {
            let mut policy =
                json!({ "id": "default", "allow": {}, "deny": {}, "enabled": off != 0, "fallbacks": fallbacks });
            for (set, name, value) in [
                ("allow", "providers", providers),
                ("allow", "models", models),
                ("allow", "virtual", virtuals),
                ("deny", "models", denied),
            ] {
                if !value.is_null() {
                    policy[set][name] = value;
                }
            }
            if hard {
                policy["budgets"] = json!([{ "window": "day", "limit_usd": 1 }]);
            }
            policy
        })
}

prop_compose! {
    fn catalog()(
        policy in policy(),
        off in proptest::collection::vec(0u8..6, 6),
        priced in proptest::collection::vec(any::<bool>(), 3),
        window in prop_oneof![Just(1u64), Just(40), Just(8_000)],
        synthesizer in prop_oneof![Just("p/a"), Just("p/b"), Just("f/c"), Just("poor/m")],
        cap in prop_oneof![3 => Just(None), 1 => Just(Some(0.000_001)), 1 => Just(Some(0.00005)), 1 => Just(Some(1.0))],
        first in prop_oneof![Just("p/a"), Just("poor/m")],
    ) -> Value {
        let on = |index: usize| off[index] != 0;
        let mut changes = json!({
            "policies": [policy],
            "providers": [{ "id": "p", "enabled": on(0) }, { "id": "f", "enabled": on(1) }],
            "models": [{ "id": "p/a", "enabled": on(2), "context_window": window }, { "id": "f/c", "enabled": on(3) }],
            "routes": [{ "id": "smart", "enabled": on(4), "targets": [{ "model": first, "order": 0 }, { "model": "f/c", "order": 1 }] }],
            "fusion_profiles": [{ "id": "default", "enabled": on(5), "advisers": [{ "model": "p/b" }, { "model": "poor/m" }], "judge": null, "synthesizer": { "model": synthesizer, "fallbacks": if synthesizer == "p/b" { json!([]) } else { json!(["p/b"]) } } }],
        });
        if let Some(cap) = cap {
            changes["fusion_profiles"][0]["max_cost_usd"] = json!(cap);
        }
        let mut catalog = with(base(), &changes);
        for model in catalog["models"].as_array_mut().unwrap().iter_mut().zip(&priced).filter(|(_, priced)| !**priced).map(|(model, _)| model) {
            model["price"] = Value::Null;
        }
        catalog
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn listed_if_and_only_if_callable(
        catalog in catalog(),
        remaining in prop_oneof![2 => Just(None), 1 => Just(Some(0u64)), 1 => Just(Some(90_000)), 1 => Just(Some(1_000_000_000))],
        failures in proptest::collection::vec((0usize..3, 0usize..28, 0u64..4, any::<bool>()), 0..6),
        pause in 0u64..4_000_000,
        dry_run in proptest::bool::weighted(0.1),
    ) {
        let mut world = Deployment::of(&catalog);
        world.remaining = remaining.map(NanoUsd);
        world.dry_run = dry_run;
        for (model, class, hint, second) in failures {
            let (model, label) = [("p/a", if second { "k2" } else { "k1" }), ("p/b", "k1"), ("f/c", "k1")][model];
            let class: C = crate::route::health::class::ALL[class];
            world.fail(model, label, class, (hint > 0).then_some(hint * 400_000));
        }
        world.now = world.now.plus(Millis(pause));
        listed_is_callable(&world);
    }
}
