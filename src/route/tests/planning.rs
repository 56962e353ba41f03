//! Who is tried, in which order, and who is refused before any call.

use super::support::{Deployment, NOW, chain, targets};
use crate::catalog::{ModelId, NanoUsd};
use crate::route::health::FailureClass as C;
use crate::wire::Millis;
use serde_json::{Value, json};

#[test]
fn names_become_chains() {
    let world = Deployment::new(&json!({ "policies": [{ "id": "default", "fallbacks": ["f/c", "nobody/knows"] }] }));
    for (body, expected) in [
        (json!({ "model": "p/a" }), vec!["p/a", "f/c"]),
        (json!({ "model": "p/a", "models": ["p/b"] }), vec!["p/a", "p/b", "f/c"]),
        (
            json!({ "model": "p/a", "models": ["p/b", "p/a", "no/such"], "fallbacks": ["f/c"] }),
            vec!["p/a", "p/b", "f/c"],
        ),
        (json!({ "model": "clawrouter/smart" }), vec!["p/a", "f/c"]),
        (
            json!({ "model": "clawrouter/smart", "models": ["p/b"] }),
            vec!["p/a", "f/c", "p/b"],
        ),
        // A fallback that cannot run is skipped.
        (json!({ "model": "p/a", "models": ["poor/m"] }), vec!["p/a", "f/c"]),
        // A caller that names fallbacks knows that the first may be missing.
        (json!({ "model": "poor/m", "models": ["p/b"] }), vec!["p/b", "f/c"]),
    ] {
        assert_eq!(world.order(&body), expected, "{body}");
    }
    // What is not set up does not exist; what fails for the moment is served by the policy's fallback.
    assert_eq!(
        world.refusal(&json!({ "model": "poor/m" })),
        (404, "model_not_found", "no_credential")
    );
    let mut world = world;
    world.fail("p/a", "k1", C::Billing, None);
    world.fail("p/a", "k2", C::Billing, None);
    assert_eq!(world.order(&json!({ "model": "p/a" })), ["f/c"]);
}

#[test]
fn what_cannot_run_is_refused_with_its_reason() {
    let world = Deployment::new(&json!({
        "providers": [
            { "id": "off", "dialects": { "chat": "/c" }, "base_url": "https://off.example", "pool": "p", "enabled": false },
            { "id": "unset", "dialects": { "chat": "/c" }, "base_url": "https://${UNSET_HOST}/v1", "pool": "p" },
            { "id": "bound", "dialects": { "chat": "/c" }, "transport": { "kind": "binding", "name": "GPU" }, "auth": { "scheme": "none" } },
            { "id": "embedder", "dialects": { "chat": "/c" }, "base_url": "https://e.example", "pool": "p" },
        ],
        "models": [
            { "id": "off/m", "provider": "off", "upstream": "m", "capabilities": ["chat"] },
            { "id": "bound/m", "provider": "bound", "upstream": "m", "capabilities": ["chat"] },
            { "id": "embedder/m", "provider": "embedder", "upstream": "m", "capabilities": ["embeddings"] },
            { "id": "p/off", "provider": "p", "upstream": "off", "capabilities": ["chat"], "enabled": false },
        ],
        "routes": [
            { "id": "closed", "targets": [{ "model": "p/a" }], "enabled": false },
            { "id": "dead", "targets": [{ "model": "poor/m" }, { "model": "off/m" }] },
        ],
    }));
    for (model, status, code, reason) in [
        ("no/such", 404, "model_not_found", "unknown_model"),
        ("a", 404, "model_not_found", "unknown_model"),
        ("off/m", 404, "model_not_found", "provider_disabled"),
        ("p/off", 404, "model_not_found", "model_disabled"),
        ("poor/m", 404, "model_not_found", "no_credential"),
        ("bound/m", 404, "model_not_found", "no_binding"),
        ("embedder/m", 400, "capability_unsupported", "wrong_kind"),
        ("clawrouter/auto", 404, "model_not_found", "not_available"),
        ("clawrouter/nothing", 404, "route_not_found", "unknown_route"),
        ("clawrouter/closed", 404, "route_not_found", "route_disabled"),
        ("clawrouter/dead", 503, "no_executable_target", "no_target"),
        ("clawrouter/fusion:nobody", 404, "model_not_found", "unknown_profile"),
    ] {
        assert_eq!(
            world.refusal(&json!({ "model": model })),
            (status, code, reason),
            "{model}"
        );
    }
}

#[test]
fn policy_forbids_before_anything_else_is_told() {
    for (policy, body, expected) in [
        (
            json!({ "allow": { "providers": ["f"] } }),
            json!({ "model": "p/a", "models": ["f/c"] }),
            (403, "provider_not_allowed", "provider_not_allowed"),
        ),
        (
            json!({ "deny": { "models": ["p/a*"] } }),
            json!({ "model": "p/a" }),
            (403, "model_not_allowed", "model_not_allowed"),
        ),
        (
            json!({ "allow": { "virtual": ["fusion"] } }),
            json!({ "model": "clawrouter/smart" }),
            (403, "model_not_allowed", "model_not_allowed"),
        ),
        (
            json!({ "deny": { "providers": ["*"] } }),
            json!({ "model": "clawrouter/smart" }),
            (403, "provider_not_allowed", "provider_not_allowed"),
        ),
        (
            json!({ "enabled": false }),
            json!({ "model": "p/a" }),
            (403, "policy_disabled", "policy_disabled"),
        ),
    ] {
        let mut document = policy.clone();
        document["id"] = json!("default");
        assert_eq!(
            Deployment::new(&json!({ "policies": [document] })).refusal(&body),
            expected,
            "{policy} {body}"
        );
    }
    // A forbidden fallback is skipped, not served.
    let world = Deployment::new(&json!({ "policies": [{ "id": "default", "deny": { "providers": ["f"] } }] }));
    assert_eq!(world.order(&json!({ "model": "p/a", "models": ["f/c"] })), ["p/a"]);
    assert_eq!(world.order(&json!({ "model": "clawrouter/smart" })), ["p/a"]);
}

#[test]
fn a_target_that_cannot_do_it_is_skipped_without_a_call() {
    let world = Deployment::new(&json!({ "models": [{ "id": "f/c", "capabilities": ["chat", "vision"] }] }));
    let image = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "https://x.example/i.png" } }] }]);
    assert_eq!(
        world.order(&json!({ "model": "clawrouter/smart", "messages": image })),
        ["f/c"]
    );
    let tools = json!([{ "type": "function", "function": { "name": "t", "parameters": {} } }]);
    assert_eq!(
        world.order(&json!({ "model": "clawrouter/smart", "tools": tools })),
        ["p/a"]
    );
    let both = json!({ "model": "clawrouter/smart", "tools": tools, "messages": image });
    assert_eq!(
        world.refusal(&both),
        (400, "capability_unsupported", "lacks_capability")
    );
}

fn about(tokens: usize) -> Value {
    json!([{ "role": "user", "content": "word ".repeat(tokens * 36 / 50) }])
}

#[test]
fn the_window_decides_who_is_asked() {
    let world = Deployment::new(&json!({}));
    // p/a has 8,000 tokens, f/c 200,000.
    assert_eq!(
        world.order(&json!({ "model": "clawrouter/smart", "messages": about(6_000) })),
        ["p/a", "f/c"]
    );
    assert_eq!(
        world.order(&json!({ "model": "clawrouter/smart", "messages": about(9_000) })),
        ["f/c"]
    );
    assert_eq!(
        world.order(&json!({ "model": "clawrouter/smart", "messages": about(7_900), "max_tokens": 900 })),
        ["f/c"]
    );
    // Doubtful and alone: the provider decides.
    assert_eq!(
        world.order(&json!({ "model": "p/a", "messages": about(9_000) })),
        ["p/a"]
    );
    // Certain: no call.
    assert_eq!(
        world.refusal(&json!({ "model": "p/a", "messages": about(60_000) })),
        (400, "context_length_exceeded", "too_long")
    );
    let tiers = Deployment::new(
        &json!({ "models": [{ "id": "p/a", "context_variants": [{ "max_input": 1_000_000, "add_header": { "x": "1m" } }, { "max_input": 8_000 }] }] }),
    );
    assert_eq!(
        tiers.order(&json!({ "model": "p/a", "messages": about(60_000) })),
        ["p/a"]
    );
}

#[test]
fn cooling_targets_go_behind_and_the_last_way_stays_open() {
    let mut world = Deployment::new(&json!({}));
    let smart = json!({ "model": "clawrouter/smart" });
    world.fail("p/a", "k1", C::Overloaded, None);
    let (plan, explanation) = world.plan(&smart).unwrap();
    assert_eq!(targets(&plan), ["f/c", "p/a"]);
    let flags: Vec<(u32, bool)> = chain(&plan)
        .targets
        .iter()
        .map(|target| (target.index, target.last_resort))
        .collect();
    assert_eq!(flags, [(1, false), (0, true)]);
    assert_eq!(explanation.model.as_deref(), Some("f/c"));
    // Without fallbacks the primary stays, cooling or not.
    let alone = json!({ "model": "clawrouter/smart", "provider": { "allow_fallbacks": false } });
    let (plan, _) = world.plan(&alone).unwrap();
    assert_eq!(
        (targets(&plan), chain(&plan).targets[0].last_resort),
        (vec!["p/a".to_owned()], true)
    );
    // Both cool: the soonest first, as a last resort.
    world.fail("f/c", "k1", C::RateLimit, Some(600_000));
    let (plan, explanation) = world.plan(&smart).unwrap();
    assert_eq!(targets(&plan), ["p/a", "f/c"]);
    assert!(chain(&plan).targets[0].last_resort && !chain(&plan).targets[1].last_resort);
    assert!(explanation.verdict.contains("last resort"));
}

#[test]
fn one_cooling_key_leaves_the_target_in_place() {
    let mut world = Deployment::new(&json!({}));
    world.fail("p/a", "k1", C::RateLimit, Some(600_000));
    assert_eq!(world.order(&json!({ "model": "clawrouter/smart" })), ["p/a", "f/c"]);
    world.fail("p/a", "k2", C::RateLimit, Some(600_000));
    assert_eq!(world.order(&json!({ "model": "clawrouter/smart" })), ["f/c", "p/a"]);
}

#[test]
fn dead_credentials_mean_no_call_until_a_probe() {
    let mut world = Deployment::new(&json!({}));
    world.fail("p/a", "k1", C::Billing, None);
    world.fail("p/a", "k2", C::Auth, None);
    assert_eq!(world.order(&json!({ "model": "clawrouter/smart" })), ["f/c"]);
    let refused = world.plan(&json!({ "model": "p/a" })).unwrap_err();
    assert_eq!(refused.error.status_and_code(), (502, "upstream_credentials_exhausted"));
    assert_eq!(refused.error.retry_at(), Some(NOW.plus(Millis(300_000))));
    world.now = NOW.plus(Millis(300_000));
    assert_eq!(world.order(&json!({ "model": "p/a" })), ["p/a"]);
    // A used-up quota is a rate limit, a missing entitlement a missing model.
    let mut other = Deployment::new(&json!({}));
    other.fail("f/c", "k1", C::QuotaWindow, Some(3_600_000));
    let refused = other.plan(&json!({ "model": "f/c" })).unwrap_err().error;
    assert_eq!(
        (refused.status_and_code(), refused.retry_at()),
        ((429, "rate_limited"), Some(NOW.plus(Millis(3_600_000))))
    );
    let mut other = Deployment::new(&json!({}));
    other.fail("f/c", "k1", C::ModelAccess, None);
    assert_eq!(
        other.refusal(&json!({ "model": "f/c" })),
        (404, "model_not_found", "no_access")
    );
    // A withdrawn model is like a missing one.
    world.fail("f/c", "k1", C::ModelGone, None);
    assert_eq!(
        world.refusal(&json!({ "model": "f/c" })),
        (404, "model_not_found", "target_gone")
    );
}

#[test]
fn a_cold_isolate_knows_what_is_dead_and_a_new_secret_is_usable_at_once() {
    let mut warm = Deployment::new(&json!({}));
    for _ in 0..3 {
        warm.fail("p/a", "k1", C::Billing, None);
        warm.fail("p/a", "k2", C::Auth, None);
    }
    let mut cold = Deployment::new(&json!({}));
    cold.health.merge(&warm.health.digest(NOW), NOW);
    assert_eq!(
        cold.refusal(&json!({ "model": "p/a" })),
        (502, "upstream_credentials_exhausted", "credentials_exhausted")
    );
    let lookup = |name: &str| Some(format!("another-{name}"));
    let sealed = std::collections::BTreeMap::default();
    cold.vault = crate::catalog::vault::resolve(&cold.catalog, &lookup, &sealed, Vec::new(), false);
    assert_eq!(cold.order(&json!({ "model": "p/a" })), ["p/a"]);
}

#[test]
fn a_learned_ceiling_sends_long_requests_elsewhere() {
    let mut world = Deployment::new(&json!({ "models": [{ "id": "p/a", "context_window": 200_000 }] }));
    world
        .health
        .learn_ceiling(&ModelId::parse("p/a").unwrap(), None, 30_000, NOW);
    assert_eq!(
        world.order(&json!({ "model": "clawrouter/smart", "messages": about(60_000) })),
        ["f/c", "p/a"]
    );
    assert_eq!(
        world.order(&json!({ "model": "clawrouter/smart", "messages": about(6_000) })),
        ["p/a", "f/c"]
    );
}

#[test]
fn money_is_checked_before_any_call() {
    let hard = json!([{ "id": "default", "budgets": [{ "window": "month", "limit_usd": 5 }] }]);
    let unpriced = json!([{ "id": "p/a", "price": null }]);
    let world = Deployment::new(&json!({ "policies": hard, "models": unpriced }));
    assert_eq!(
        world.refusal(&json!({ "model": "p/a" })),
        (400, "pricing_required", "unpriced")
    );
    assert_eq!(world.order(&json!({ "model": "clawrouter/smart" })), ["f/c"]);
    let world = Deployment::new(&json!({ "models": unpriced }));
    assert_eq!(world.plan(&json!({ "model": "p/a" })).unwrap().0.worst_case, None);
    // The request's own cap: 1,000 output tokens at p/a cost $0.002 and a little.
    let world = Deployment::new(&json!({}));
    let capped = |cap: f64, model: &str| json!({ "model": model, "clawrouter": { "max_cost_usd": cap } });
    assert_eq!(
        world.refusal(&capped(0.001, "p/a")),
        (400, "invalid_request", "cost_cap")
    );
    assert_eq!(world.order(&capped(0.003, "clawrouter/smart")), ["p/a"]);
    let (plan, _) = world
        .plan(&json!({ "model": "clawrouter/smart", "max_tokens": 10, "n": 3 }))
        .unwrap();
    // The dearer target counts: 30 output tokens at $6 and at most 20 input tokens at $3 per million.
    let worst = plan.worst_case.unwrap();
    assert!(worst > NanoUsd(180_000) && worst <= NanoUsd(240_000), "{worst:?}");
    assert_eq!(plan.calls.len(), 1);
    assert_eq!(plan.calls[0].worst_case, Some(worst));
}

#[test]
fn the_known_rest_of_a_budget_drops_what_it_does_not_pay() {
    let mut world = Deployment::new(&json!({}));
    let worst = |world: &Deployment, model: &str| world.plan(&json!({ "model": model })).unwrap().0.worst_case.unwrap();
    let cheap = worst(&world, "p/a");
    assert!(cheap < worst(&world, "f/c"));
    world.remaining = Some(cheap);
    let (plan, explanation) = world.plan(&json!({ "model": "clawrouter/smart" })).unwrap();
    assert_eq!((targets(&plan), plan.worst_case), (vec!["p/a".to_owned()], Some(cheap)));
    assert!(
        explanation
            .candidates
            .iter()
            .any(|one| one.excluded.as_ref().is_some_and(|why| why.code.as_str() == "budget"))
    );
    // Nothing fits: the Ledger says so, with limit and reset.
    world.remaining = Some(NanoUsd(1));
    assert_eq!(world.order(&json!({ "model": "clawrouter/smart" })), ["p/a", "f/c"]);
}

#[test]
fn a_dry_run_needs_no_credential_and_costs_nothing() {
    let world = Deployment::new(&json!({}));
    let (plan, explanation) = world
        .plan(&json!({ "model": "poor/m", "clawrouter": { "dry_run": true } }))
        .unwrap();
    assert_eq!(
        chain(&plan).targets[0].provider.transport,
        crate::catalog::Transport::Demo
    );
    assert_eq!((plan.worst_case, explanation.dry_run), (Some(NanoUsd(0)), true));
    assert_eq!(chain(&plan).targets[0].pool, None);
}

#[test]
fn the_same_request_gives_the_same_plan_and_a_bounded_explanation() {
    let world = Deployment::new(&json!({}));
    let body =
        json!({ "model": "p/a", "models": (0..16).map(|n| format!("no/{}{n}", "x".repeat(180))).collect::<Vec<_>>() });
    let [one, other] = [(); 2].map(|()| world.plan(&body).unwrap().1);
    assert_eq!(one, other);
    assert!(serde_json::to_string(&one).unwrap().len() <= crate::route::explanation::MAX_BYTES);
    assert_eq!(one.candidates.len(), 17);
    assert_eq!(one.pipeline.last().map(|step| step.count), Some(1));
}
