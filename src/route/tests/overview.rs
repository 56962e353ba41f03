//! What a change of a policy would refuse, and how models stand across policies.

use super::support::{Deployment, NOW};
use crate::access::{Grant, KeyIdentity};
use crate::catalog::{ModelId, Policy};
use crate::route::effect::refused_by;
use crate::route::health::verified::Verified;
use crate::route::listing;
use crate::route::overview::{of_model, overview};
use crate::wire::Millis;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn grant(policy: &Value) -> Grant {
    let policy: Policy = serde_json::from_value(policy.clone()).unwrap();
    Grant {
        key: KeyIdentity {
            kid: "k".to_owned(),
            label: "k".to_owned(),
            principal: None,
        },
        policy: Arc::new(policy),
        remaining: None,
    }
}

#[test]
fn a_staged_policy_refuses_what_it_no_longer_runs() {
    let world = Deployment::new(&json!({}));
    let live = grant(&json!({ "id": "default" }));
    let asked: BTreeMap<String, u64> = [
        ("p/a", 5),
        ("f/c", 7),
        ("poor/m", 9),
        ("gone/model", 3),
        ("clawrouter/smart", 2),
        ("clawrouter/fusion", 1),
    ]
    .map(|(model, requests)| (model.to_owned(), requests))
    .into();
    let check = |staged: Value, expected: &[(&str, u64, &str)]| {
        let staged = grant(&staged);
        let refused = refused_by(&asked, &live, &staged, &world.world());
        let got: Vec<(&str, u64, &str)> = refused
            .iter()
            .map(|row| (row.model.as_str(), row.requests, row.reason.code.as_str()))
            .collect();
        assert_eq!(got, expected, "{:?}", staged.policy);
        // The listing says the same.
        for row in &refused {
            assert!(
                listing::models(&live, &world.world(), &[])
                    .iter()
                    .any(|entry| entry.id == row.model)
            );
            assert!(
                listing::models(&staged, &world.world(), &[])
                    .iter()
                    .all(|entry| entry.id != row.model)
            );
        }
    };
    check(json!({ "id": "default" }), &[]);
    check(
        json!({ "id": "default", "deny": { "providers": ["f"] } }),
        &[
            ("f/c", 7, "provider_not_allowed"),
            ("clawrouter/fusion", 1, "provider_not_allowed"),
        ],
    );
    check(
        json!({ "id": "default", "deny": { "models": ["p/a"] } }),
        &[("p/a", 5, "model_not_allowed")],
    );
    check(
        json!({ "id": "default", "allow": { "virtual": [] } }),
        &[
            ("clawrouter/smart", 2, "model_not_allowed"),
            ("clawrouter/fusion", 1, "model_not_allowed"),
        ],
    );
    check(
        json!({ "id": "default", "enabled": false }),
        &[
            ("f/c", 7, "policy_disabled"),
            ("p/a", 5, "policy_disabled"),
            ("clawrouter/smart", 2, "policy_disabled"),
            ("clawrouter/fusion", 1, "policy_disabled"),
        ],
    );
}

#[test]
fn models_and_providers_are_counted_over_the_policies_that_are_on() {
    let world = Deployment::new(&json!({ "policies": [
        { "id": "narrow", "allow": { "providers": ["p"], "models": ["p/a"] } },
        { "id": "off", "enabled": false },
    ] }));
    let mut verified = Verified::default();
    verified.note(ModelId::parse("p/a").unwrap(), Millis(NOW.0 - 1000));
    let usual = |model: &ModelId| match model.as_str() {
        "p/a" => Some(Millis(100)),
        "p/b" => Some(Millis(300)),
        _ => None,
    };
    let found = overview(&verified, &[], usual, &world.world());
    assert_eq!(found.policies, 2);
    let models: Vec<(&str, usize, bool, usize)> = found
        .models
        .iter()
        .map(|row| {
            (
                row.model.as_str(),
                row.listed,
                row.verified_at.is_some(),
                row.used_in.len(),
            )
        })
        .collect();
    assert_eq!(
        models,
        [
            ("f/c", 1, false, 3),
            ("p/a", 2, true, 2),
            ("p/b", 1, false, 1),
            ("poor/m", 0, false, 0)
        ]
    );
    let providers: Vec<(&str, usize, usize, usize, Option<u64>)> = found
        .providers
        .iter()
        .map(|row| (row.provider.as_str(), row.models, row.priced, row.policies, row.p50_ms))
        .collect();
    assert_eq!(
        providers,
        [("f", 1, 1, 1, None), ("p", 2, 2, 2, Some(100)), ("poor", 1, 1, 0, None)]
    );
    let model = world.catalog.models.get("f/c").unwrap();
    let rows: Vec<(String, bool, Option<&str>)> = of_model(model, &world.world())
        .iter()
        .map(|row| {
            (
                row.policy.clone(),
                row.listed,
                row.reason.as_ref().map(|reason| reason.code.as_str()),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("default".to_owned(), true, None),
            ("narrow".to_owned(), false, Some("provider_not_allowed"))
        ]
    );
}
