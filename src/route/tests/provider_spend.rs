//! What a plan can spend at whom, and what is left of it when a provider's cap is reached.

use super::support::Deployment;
use crate::route::{Plan, Shape, Stage};
use serde_json::{Value, json};

fn deployment() -> Deployment {
    Deployment::new(&json!({
        "routes": [
            { "id": "smart", "targets": [{ "model": "p/a", "order": 0 }, { "model": "f/c", "order": 1 }] },
            { "id": "home", "targets": [{ "model": "p/a", "order": 0 }, { "model": "p/b", "order": 1 }], "context_targets": ["f/c"] },
        ],
        "fusion_profiles": [{ "id": "default", "enabled": true, "advisers": [{ "model": "p/a" }, { "model": "p/b" }],
            "judge": { "model": "f/c", "enabled": true }, "synthesizer": { "model": "f/c", "fallbacks": ["p/b"] } }],
    }))
}

fn planned(body: &Value) -> Plan {
    deployment().plan(body).unwrap().0
}

/// `provider`, how many of the plan's calls count there, required.
fn spends(plan: &Plan) -> Vec<(String, u64, bool)> {
    let told = plan.provider_spend().into_iter().map(|spend| {
        let id = spend.provider.id.to_string();
        (id, spend.most.0, spend.required)
    });
    told.collect()
}

#[test]
fn every_target_of_a_chain_counts_at_its_provider() {
    // (body, provider and whether the answer needs it)
    let cases: [(Value, &[(&str, bool)]); 5] = [
        (json!({ "model": "p/a" }), &[("p", true)]),
        (
            json!({ "model": "p/a", "models": ["f/c"] }),
            &[("p", false), ("f", false)],
        ),
        (json!({ "model": "p/a", "models": ["p/b"] }), &[("p", true)]),
        (json!({ "model": "clawrouter/smart" }), &[("p", false), ("f", false)]),
        // What is asked only after an overflow may spend, but cannot stand in for the others.
        (json!({ "model": "clawrouter/home" }), &[("p", true), ("f", false)]),
    ];
    for (body, expected) in cases {
        let plan = planned(&body);
        let worst = plan.calls[0].worst_case.unwrap().0;
        let expected: Vec<_> = expected
            .iter()
            .map(|(id, needed)| ((*id).to_owned(), worst, *needed))
            .collect();
        assert_eq!(spends(&plan), expected, "{body}");
    }
}

#[test]
fn the_calls_of_a_fusion_add_up() {
    let plan = planned(&json!({ "model": "clawrouter/fusion" }));
    let at = |stage: Stage| -> u64 {
        let own = plan.calls.iter().filter(|call| call.stage == stage);
        own.map(|call| call.worst_case.unwrap().0).sum()
    };
    let (write, advise, judge) = (at(Stage::Synthesizer), at(Stage::Adviser), at(Stage::Judge));
    assert!(write > 0 && advise > 0 && judge > 0);
    let expected = [
        ("f".to_owned(), write + judge, false),
        ("p".to_owned(), write + advise, false),
    ];
    assert_eq!(spends(&plan), expected);
}

#[test]
fn a_capped_provider_leaves_the_others() {
    let none: [(Stage, u32); 0] = [];
    // (model, capped, targets left)
    let cases: [(&str, &[&str], &[&str]); 5] = [
        ("clawrouter/smart", &[], &["p/a", "f/c"]),
        ("clawrouter/smart", &["p"], &["f/c"]),
        ("clawrouter/smart", &["f"], &["p/a"]),
        ("clawrouter/smart", &["p", "f"], &[]),
        ("clawrouter/home", &["p"], &[]),
    ];
    for (model, capped, left) in cases {
        let mut plan = planned(&json!({ "model": model }));
        let capped: Vec<String> = capped.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(plan.leave_out(&none, &capped), !left.is_empty(), "{model} {capped:?}");
        let Shape::Chain(chain) = &plan.shape else {
            panic!("a chain")
        };
        let ids: Vec<&str> = chain.targets.iter().map(|target| target.model.id.as_str()).collect();
        assert_eq!(ids, left, "{model} {capped:?}");
        let told = chain.skipped.iter().filter(|(_, code)| code == "budget").count();
        assert_eq!(told > 0, !capped.is_empty(), "the trace names who was left out");
    }
}

#[test]
fn a_fusion_loses_what_is_not_paid() {
    let mut plan = planned(&json!({ "model": "clawrouter/fusion" }));
    assert!(plan.leave_out(&[(Stage::Adviser, 1)], &["f".to_owned()]));
    let Shape::Fusion(fusion) = &plan.shape else {
        panic!("a fusion")
    };
    let slots: Vec<u32> = fusion.advisers.iter().map(|(slot, _)| *slot).collect();
    assert_eq!(slots, [0]);
    assert_eq!(
        fusion.left_out.last().unwrap(),
        &(1, "p/b".to_owned(), "budget".to_owned())
    );
    assert!(fusion.judge.is_none());
    let writers: Vec<&str> = fusion
        .synthesizer
        .targets
        .iter()
        .map(|target| target.model.id.as_str())
        .collect();
    assert_eq!(writers, ["p/b"]);
    let mut plan = planned(&json!({ "model": "clawrouter/fusion" }));
    assert!(!plan.leave_out(&[], &["f".to_owned(), "p".to_owned()]));
}
