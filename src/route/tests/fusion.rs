//! Fusion plans: the synthesizer decides whether, money and health decide with whom.

use super::support::{Deployment, call, fusion, targets};
use crate::catalog::NanoUsd;
use crate::route::health::FailureClass as C;
use crate::route::{Hints, Plan, Stage, plan};
use serde_json::{Value, json};

const FUSION: &str = "clawrouter/fusion";

fn advisers(plan: &Plan) -> Vec<String> {
    fusion(plan)
        .advisers
        .iter()
        .map(|(_, target)| target.model.id.to_string())
        .collect()
}

fn left_out(plan: &Plan) -> Vec<(u32, String)> {
    fusion(plan)
        .left_out
        .iter()
        .map(|(slot, _, code)| (*slot, code.clone()))
        .collect()
}

#[test]
fn everybody_takes_part() {
    let (plan, explanation) = Deployment::new(&json!({})).plan(&json!({ "model": FUSION })).unwrap();
    assert_eq!(
        (advisers(&plan), targets(&plan)),
        (vec!["p/a".to_owned(), "p/b".to_owned()], vec!["f/c".to_owned()])
    );
    assert!(fusion(&plan).judge.is_some());
    let stages: Vec<Stage> = plan.calls.iter().map(|call| call.stage).collect();
    assert_eq!(
        stages,
        [Stage::Synthesizer, Stage::Adviser, Stage::Adviser, Stage::Judge]
    );
    let sum = plan.calls.iter().map(|call| call.worst_case.unwrap().0).sum::<u64>();
    assert_eq!(plan.worst_case, Some(NanoUsd(sum)));
    assert_eq!(explanation.strategy, "fusion");
    assert_eq!(
        explanation.verdict,
        "clawrouter/fusion asks 2 of 2 advisers and a judge; f/c writes the answer."
    );
}

#[test]
fn a_refused_synthesizer_means_that_the_fusion_does_not_exist() {
    for (changes, reason) in [
        (
            json!({ "policies": [{ "id": "default", "deny": { "providers": ["f"] } }] }),
            "provider_not_allowed",
        ),
        (
            json!({ "fusion_profiles": [{ "id": "default", "synthesizer": { "model": "poor/m", "fallbacks": ["f/c"] } }] }),
            "no_credential",
        ),
        (
            json!({ "fusion_profiles": [{ "id": "default", "enabled": false }] }),
            "profile_disabled",
        ),
        (
            json!({ "models": [{ "id": "f/c", "enabled": false }] }),
            "model_disabled",
        ),
        (
            json!({ "models": [{ "id": "f/c", "price": null }], "policies": [{ "id": "default", "budgets": [{ "window": "day", "limit_usd": 1 }] }] }),
            "unpriced",
        ),
    ] {
        let refusal = Deployment::new(&changes).refusal(&json!({ "model": FUSION }));
        assert_eq!(refusal, (404, "model_not_found", reason), "{changes}");
    }
    let mut world = Deployment::new(&json!({}));
    world.fail("f/c", "k1", C::Billing, None);
    assert_eq!(
        world.refusal(&json!({ "model": FUSION })),
        (404, "model_not_found", "credentials_exhausted")
    );
    let denied = Deployment::new(&json!({ "policies": [{ "id": "default", "deny": { "virtual": ["fusion*"] } }] }));
    assert_eq!(
        denied.refusal(&json!({ "model": FUSION })),
        (403, "model_not_allowed", "model_not_allowed")
    );
}

#[test]
fn advisers_fail_open() {
    let mut world = Deployment::new(
        &json!({ "fusion_profiles": [{ "id": "default", "advisers": [{ "model": "poor/m" }, { "model": "p/a" }, { "model": "p/b" }] }] }),
    );
    world.fail("p/b", "k1", C::Overloaded, None);
    let (plan, _) = world.plan(&json!({ "model": FUSION })).unwrap();
    assert_eq!(advisers(&plan), ["p/a"]);
    assert_eq!(
        left_out(&plan),
        [(0, "no_credential".to_owned()), (2, "cooling".to_owned())]
    );
}

#[test]
fn a_tool_loop_goes_straight_to_the_synthesizer() {
    let messages = json!([
        { "role": "user", "content": "q" },
        { "role": "assistant", "tool_calls": [{ "id": "1", "type": "function", "function": { "name": "t", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "1", "content": "r" },
    ]);
    let body = json!({ "model": FUSION, "messages": messages });
    let (plan, _) = Deployment::new(&json!({})).plan(&body).unwrap();
    assert!(advisers(&plan).is_empty() && fusion(&plan).judge.is_none());
    assert_eq!(plan.calls.len(), 1);
    let always = Deployment::new(&json!({ "fusion_profiles": [{ "id": "default", "advise_on": "every_turn" }] }));
    assert_eq!(advisers(&always.plan(&body).unwrap().0).len(), 2);
}

#[test]
fn fusions_of_routers_that_ask_each_other_end() {
    let world = Deployment::new(&json!({}));
    let at = |depth, model: &str| {
        world.plan_with(
            &json!({ "model": model }),
            &Hints {
                depth,
                ..Hints::default()
            },
        )
    };
    let (inner, _) = at(1, FUSION).unwrap();
    assert!(advisers(&inner).is_empty() && fusion(&inner).judge.is_none());
    assert_eq!(left_out(&inner)[0].1, "recursion");
    assert_eq!(targets(&at(3, "p/a").unwrap().0), ["p/a"]);
    for model in [FUSION, "p/a"] {
        let refused = at(4, model).unwrap_err().error;
        assert_eq!((refused.status_and_code().0, refused.reason()), (400, "recursion"));
    }
}

#[test]
fn the_plugin_names_a_profile_of_its_own() {
    let world = Deployment::new(&json!({ "fusion_profiles": [
        { "id": "other", "enabled": true, "advisers": [{ "model": "p/b" }], "synthesizer": { "model": "f/c" } },
        { "id": "off", "enabled": false, "advisers": [{ "model": "p/b" }], "synthesizer": { "model": "f/c" } },
    ] }));
    let asked =
        |model: &str, preset: &str| json!({ "model": model, "plugins": [{ "id": "fusion", "preset": preset }] });
    for (model, synthesizer) in [(FUSION, "f/c"), ("clawrouter/fusion:other", "f/c"), ("p/a", "p/a")] {
        let (plan, _) = world.plan(&asked(model, "other")).unwrap();
        assert_eq!(
            (advisers(&plan), targets(&plan)),
            (vec!["p/b".to_owned()], vec![synthesizer.to_owned()])
        );
    }
    let (plan, _) = world.plan(&asked(FUSION, "default")).unwrap();
    assert_eq!(advisers(&plan).len(), 2);
    for (model, preset, expected) in [
        (
            "clawrouter/fusion:other",
            "default",
            (400, "invalid_request", "bad_control"),
        ),
        (FUSION, "none", (400, "invalid_request", "bad_control")),
        ("p/a", "none", (400, "invalid_request", "bad_control")),
        (FUSION, "off", (404, "model_not_found", "profile_disabled")),
    ] {
        assert_eq!(world.refusal(&asked(model, preset)), expected, "{model} {preset}");
    }
}

#[test]
fn what_belongs_to_a_fusion_is_refused_elsewhere() {
    let world = Deployment::new(&json!({ "routes": [{ "id": "r", "targets": [{ "model": "p/a" }] }] }));
    for (model, field, value, param) in [
        (
            "p/a",
            "clawrouter",
            json!({ "advisers": ["p/b"] }),
            "clawrouter.advisers",
        ),
        ("p/a", "clawrouter", json!({ "judge": null }), "clawrouter.judge"),
        (
            "clawrouter/r",
            "clawrouter",
            json!({ "synthesizer": "p/b" }),
            "clawrouter.synthesizer",
        ),
        ("clawrouter/r", "plugins", json!([{ "id": "fusion" }]), "plugins"),
    ] {
        let body = json!({ "model": model, field: value });
        let error = world.plan(&body).unwrap_err().error;
        assert_eq!(
            (error.status_and_code(), error.param()),
            ((400, "invalid_request"), Some(param)),
            "{body}"
        );
    }
    assert!(
        world
            .plan(&json!({ "model": "p/a", "plugins": [{ "id": "fusion", "enabled": false }] }))
            .is_ok()
    );
}

#[test]
fn the_requests_own_fallbacks_stand_behind_the_synthesizer() {
    let world = Deployment::new(&json!({}));
    let asked = |more: Value| {
        let mut body = json!({ "model": FUSION, "models": ["p/a", "f/c", "no/such", "clawrouter/auto"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        targets(&world.plan(&body).unwrap().0)
    };
    assert_eq!(asked(json!({})), ["f/c", "p/a"]);
    assert_eq!(asked(json!({ "provider": { "allow_fallbacks": false } })), ["f/c"]);
}

#[test]
fn a_baseline_is_reserved_too() {
    let (mut plan, _) = Deployment::new(&json!({})).plan(&json!({ "model": FUSION })).unwrap();
    let (calls, whole) = (plan.calls.len(), plan.worst_case.unwrap());
    plan.add_baseline();
    let baseline = &plan.calls[calls];
    assert_eq!((baseline.stage, baseline.model.as_str()), (Stage::Answer, "f/c"));
    assert_eq!(
        plan.worst_case,
        Some(whole.saturating_add(baseline.worst_case.unwrap()))
    );
}

#[test]
fn a_cap_of_the_profile_is_told_as_the_profiles() {
    let world = Deployment::new(&json!({ "fusion_profiles": [{ "id": "default", "max_cost_usd": "0.000001" }] }));
    let told = |body: Value| world.plan(&body).unwrap_err().error.to_string();
    assert!(told(json!({ "model": FUSION })).contains("fusion profile default allows"));
    let own = json!({ "model": FUSION, "clawrouter": { "max_cost_usd": "0.0000001" } });
    assert!(told(own).contains("raise the cap or lower max_tokens"));
}

#[test]
fn tools_and_images_are_the_synthesizers_business_only() {
    let tools = json!([{ "type": "function", "function": { "name": "t", "parameters": {} } }]);
    let world = Deployment::new(&json!({ "models": [{ "id": "p/a", "capabilities": ["chat"] }] }));
    assert_eq!(
        advisers(&world.plan(&json!({ "model": FUSION, "tools": tools })).unwrap().0).len(),
        2
    );
    let world = Deployment::new(&json!({ "models": [{ "id": "f/c", "capabilities": ["chat"] }] }));
    assert_eq!(
        world.refusal(&json!({ "model": FUSION, "tools": tools })),
        (400, "capability_unsupported", "lacks_capability")
    );
}

#[test]
fn who_cannot_be_paid_is_left_out() {
    let mut world = Deployment::new(&json!({}));
    let all = world.plan(&json!({ "model": FUSION })).unwrap().0.worst_case.unwrap();
    let team = |world: &Deployment, body: Value| {
        let (plan, _) = world.plan(&body).unwrap();
        (advisers(&plan).len(), fusion(&plan).judge.is_some())
    };
    let capped = |cap: NanoUsd| json!({ "model": FUSION, "clawrouter": { "max_cost_usd": cap.approximate_usd() } });
    assert_eq!(team(&world, capped(all)), (2, true));
    assert_eq!(team(&world, capped(NanoUsd(all.0 - 1))), (2, false));
    world.remaining = Some(NanoUsd(all.0 - 1));
    assert_eq!(team(&world, json!({ "model": FUSION })), (2, false));
    world.remaining = None;
    let alone = world.plan(&json!({ "model": "f/c" })).unwrap().0.worst_case.unwrap();
    assert_eq!(team(&world, capped(alone)), (0, false));
    assert_eq!(
        world.refusal(&capped(NanoUsd(alone.0 - 1))),
        (400, "invalid_request", "cost_cap")
    );
}

#[test]
fn a_request_changes_the_panel_but_never_widens() {
    let world = Deployment::new(&json!({ "policies": [{ "id": "default", "deny": { "models": ["p/b"] } }] }));
    let own = |controls: Value| json!({ "model": FUSION, "clawrouter": controls });
    let (plan, _) = world
        .plan(&own(
            json!({ "advisers": ["p/a"], "judge": null, "synthesizer": "f/c" }),
        ))
        .unwrap();
    assert_eq!((advisers(&plan).len(), fusion(&plan).judge.is_some()), (1, false));
    let (plan, _) = world.plan(&own(json!({ "synthesizer": "p/a" }))).unwrap();
    assert_eq!(targets(&plan), ["p/a"]);
    for (controls, expected) in [
        (json!({ "advisers": ["p/b"] }), (403, "model_not_allowed")),
        (json!({ "synthesizer": "p/b" }), (403, "model_not_allowed")),
        (json!({ "advisers": ["no/such"] }), (400, "invalid_request")),
        (json!({ "advisers": ["clawrouter/fusion"] }), (400, "invalid_request")),
        (json!({ "synthesizer": "clawrouter/smart" }), (400, "invalid_request")),
        (json!({ "advisers": ["f/c"] }), (400, "invalid_request")),
    ] {
        let error = world.plan(&own(controls.clone())).unwrap_err().error;
        assert_eq!(error.status_and_code(), expected, "{controls}: {error}");
    }
}

#[test]
fn the_plugin_makes_a_plain_model_the_synthesizer() {
    let world = Deployment::new(&json!({}));
    let body = json!({ "model": "p/b", "plugins": [{ "id": "fusion", "analysis_models": ["p/a"] }] });
    let (plan, _) = world.plan(&body).unwrap();
    assert_eq!(
        (targets(&plan), advisers(&plan)),
        (vec!["p/b".to_owned()], vec!["p/a".to_owned()])
    );
}

#[test]
fn privacy_preferences_hold_for_advisers_too() {
    let world = Deployment::new(&json!({ "providers": [{ "id": "f", "data_policy": { "zdr": true } }] }));
    let (plan, _) = world
        .plan(&json!({ "model": FUSION, "provider": { "zdr": true } }))
        .unwrap();
    assert!(advisers(&plan).is_empty());
    assert_eq!(
        left_out(&plan),
        [(0, "preference".to_owned()), (1, "preference".to_owned())]
    );
}

#[test]
fn every_policy_plans_for_itself() {
    let world = Deployment::new(&json!({ "policies": [{ "id": "narrow", "allow": { "models": ["f/*"] } }] }));
    let (plan, _) = plan(
        &call(&json!({ "model": FUSION })),
        &world.world(),
        &world.grant("narrow"),
        &Hints::default(),
    )
    .unwrap();
    assert!(advisers(&plan).is_empty());
}
