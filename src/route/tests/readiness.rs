//! Readiness says what the call path would do.

use super::support::{Deployment, NOW};
use crate::access::KeyIdentity;
use crate::catalog::{FusionProfile, ModelId, NanoUsd};
use crate::route::health::FailureClass as C;
use crate::route::health::verified::Verified;
use crate::route::readiness::{CallState, PolicyQuestion, Readiness, readiness};
use crate::wire::Millis;
use serde_json::json;
use std::sync::Arc;

fn profile(world: &Deployment) -> FusionProfile {
    FusionProfile::clone(world.catalog.fusion_profiles.values().next().unwrap())
}

fn ask(world: &Deployment, draft: &FusionProfile) -> Readiness {
    let questions: Vec<PolicyQuestion> = world
        .catalog
        .policies
        .values()
        .map(|policy| PolicyQuestion {
            policy: Arc::clone(policy),
            keys: 1,
            remaining: world.remaining,
            key_rows: Vec::new(),
        })
        .collect();
    let mut verified = Verified::default();
    verified.note(ModelId::parse("p/a").unwrap(), Millis(NOW.0 - 3_600_000));
    verified.note(ModelId::parse("p/b").unwrap(), Millis(NOW.0 - 90_000_000));
    readiness(draft, Some(&profile(world)), &questions, &verified, &world.world())
}

fn rows(readiness: &Readiness) -> Vec<(String, CallState, Option<String>)> {
    let calls = readiness.policies[0].calls.iter();
    calls
        .map(|call| {
            (
                call.slot.clone(),
                call.state,
                call.reason.as_ref().map(|reason| reason.code.as_str().to_owned()),
            )
        })
        .collect()
}

#[test]
fn every_call_has_its_state() {
    let mut world = Deployment::new(
        &json!({ "fusion_profiles": [{ "id": "default", "advisers": [{ "model": "p/a" }, { "model": "p/b" }, { "model": "poor/m" }] }] }),
    );
    let now = ask(&world, &profile(&world));
    let code = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows(&now),
        [
            ("A1".to_owned(), CallState::Verified, None),
            ("A2".to_owned(), CallState::Unverified, code("unverified")),
            ("A3".to_owned(), CallState::Blocked, code("no_credential")),
            ("J".to_owned(), CallState::Unverified, code("unverified")),
            ("S".to_owned(), CallState::Unverified, code("unverified")),
        ]
    );
    assert_eq!(
        (
            now.policies[0].ready_advisers,
            now.policies[0].listed,
            now.figures.calls_max
        ),
        (2, true, 5)
    );
    assert!(now.policies[0].calls.iter().all(|call| call.reserve_usd.is_some()));
    assert!(now.figures.cost_multiple.unwrap() > 1.0);
    world.fail("f/c", "k1", C::Billing, None);
    let dead = ask(&world, &profile(&world));
    assert_eq!(
        rows(&dead)[4],
        ("S".to_owned(), CallState::Blocked, code("credentials_exhausted"))
    );
    assert!(!dead.policies[0].listed);
}

#[test]
fn a_draft_tells_who_gains_and_who_loses() {
    let world = Deployment::new(&json!({ "policies": [
        { "id": "default" }, { "id": "only-f", "allow": { "providers": ["f"] } }, { "id": "only-p", "allow": { "providers": ["p"] } },
    ] }));
    let mut draft = profile(&world);
    draft.enabled = false;
    draft.synthesizer.model = ModelId::parse("p/b").unwrap();
    let readiness = ask(&world, &draft);
    assert_eq!(
        (readiness.gains, readiness.loses),
        (vec!["only-p".to_owned()], vec!["only-f".to_owned()])
    );
}

#[test]
fn budgets_count_for_policies_and_for_single_keys() {
    let mut world = Deployment::new(&json!({}));
    world.remaining = Some(NanoUsd(1_000_000));
    let row = |kid: &str, remaining: u64| {
        (
            KeyIdentity {
                kid: kid.to_owned(),
                label: kid.to_owned(),
                principal: None,
            },
            Some(NanoUsd(remaining)),
        )
    };
    let question = PolicyQuestion {
        policy: Arc::clone(world.catalog.policies.values().next().unwrap()),
        keys: 2,
        remaining: world.remaining,
        key_rows: vec![row("rich", 1_000_000), row("spent", 1)],
    };
    let readiness = readiness(
        &profile(&world),
        None,
        &[question],
        &Verified::default(),
        &world.world(),
    );
    let keys: Vec<(bool, Option<&str>)> = readiness.policies[0]
        .key_rows
        .iter()
        .map(|row| (row.listed, row.reason.as_ref().map(|reason| reason.code.as_str())))
        .collect();
    assert_eq!(keys, [(true, None), (false, Some("budget"))]);
    // What is left pays for no adviser beside the synthesizer's reserve.
    assert_eq!(readiness.policies[0].ready_advisers, 0);
}

#[test]
fn what_may_surprise_is_a_warning() {
    let world = Deployment::new(&json!({
        "models": [{ "id": "p/a", "family": "x", "context_window": 1_000 }, { "id": "f/c", "family": "x", "price": null }],
        "fusion_profiles": [{ "id": "default", "adviser_timeout_ms": 20_000, "deadline_ms": 20_000, "advisers": [{ "model": "p/a" }, { "model": "f/c" }], "allow_self_judge": true }],
    }));
    let codes: Vec<(&str, String)> = ask(&world, &profile(&world))
        .warnings
        .into_iter()
        .map(|warning| (warning.code, warning.param))
        .collect();
    let expected = [
        ("small_context", "/advisers/0/model"),
        ("duplicate_model", "/advisers/1/model"),
        ("duplicate_model", "/judge/model"),
        ("same_family", "/judge/model"),
        ("adviser_timeout", "/adviser_timeout_ms"),
        ("unpriced", "/synthesizer/model"),
    ];
    assert_eq!(codes, expected.map(|(code, param)| (code, param.to_owned())));
}

#[test]
fn the_shape_is_what_the_page_reads() {
    let world = Deployment::new(&json!({}));
    let json = serde_json::to_value(ask(&world, &profile(&world))).unwrap();
    assert_eq!(json["policies"][0]["calls"][0]["stage"], "adviser");
    assert_eq!(json["policies"][0]["calls"][0]["state"], "verified");
    assert_eq!(json["policies"][0]["calls"][1]["reason"]["fix"]["kind"], "verify");
    assert!(json["figures"]["reserve_usd"].is_number());
    assert!(json["figures"]["synthesizer_alone"]["typical_ms"].is_null());
}

#[test]
fn the_time_of_a_call_is_that_of_a_usual_answer() {
    let fast = json!({ "throughput": { "p50": 100 }, "latency": { "p50": 0.5, "p90": 1.0 } });
    let world = Deployment::new(&json!({
        "models": [{ "id": "p/a", "performance": fast.clone() }, { "id": "p/b", "performance": fast.clone() }, { "id": "f/c", "performance": fast }],
        "fusion_profiles": [{ "id": "default", "max_output_tokens": 800 }],
    }));
    let readiness = ask(&world, &profile(&world));
    for call in &readiness.policies[0].calls {
        // Half of what an adviser (800) or a judge (1,000) may write, 500 of a synthesizer: never the whole of a large limit.
        let expected = if call.slot.starts_with('A') { 4_500 } else { 5_500 };
        assert_eq!(call.p50_ms, Some(expected), "{}", call.slot);
    }
}
