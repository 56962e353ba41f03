//! The request's `provider` object: it narrows and orders, never widens.

use super::support::Deployment;
use crate::catalog::ModelId;
use crate::route::health::Dispatch;
use crate::wire::Millis;
use serde_json::{Value, json};

fn deployment() -> Deployment {
    Deployment::new(&json!({
        "providers": [{ "id": "f", "data_policy": { "zdr": true } }, { "id": "p", "data_policy": { "trains": true } }],
        "models": [
            { "id": "p/a", "quantization": "fp8", "performance": { "throughput": { "p50": 20 }, "latency": { "p50": 4.0 } } },
            { "id": "f/c", "quantization": "bf16", "performance": { "throughput": { "p50": 90 }, "latency": { "p50": 0.5 } } },
        ],
        "routes": [{ "id": "level", "targets": [{ "model": "p/a", "weight": 1000 }, { "model": "f/c", "weight": 1 }, { "model": "p/b", "weight": 1 }] }],
    }))
}

#[test]
fn preferences_narrow_and_order() {
    let world = deployment();
    for (provider, expected) in [
        (json!({ "only": ["f"] }), vec!["f/c"]),
        (json!({ "only": ["F "] }), vec!["f/c"]),
        (json!({ "ignore": ["p"] }), vec!["f/c"]),
        (json!({ "order": ["f"] }), vec!["f/c", "p/a"]),
        (json!({ "order": ["f"], "allow_fallbacks": false }), vec!["f/c"]),
        (json!({ "allow_fallbacks": false }), vec!["p/a"]),
        (json!({ "zdr": true }), vec!["f/c"]),
        (json!({ "data_collection": "deny" }), vec!["f/c"]),
        (
            json!({ "max_price": { "prompt": 1.0, "completion": 2.0 } }),
            vec!["p/a"],
        ),
        (json!({ "quantizations": ["bf16"] }), vec!["f/c"]),
        (json!({ "preferred_max_latency": 1.0 }), vec!["f/c", "p/a"]),
        (json!({ "preferred_min_throughput": 50 }), vec!["f/c", "p/a"]),
        (json!({ "preferred_min_throughput": 10 }), vec!["p/a", "f/c"]),
    ] {
        let body = json!({ "model": "clawrouter/smart", "provider": provider });
        assert_eq!(world.order(&body), expected, "{provider}");
    }
}

#[test]
fn sort_orders_within_a_group() {
    let world = deployment();
    for (sort, expected) in [
        ("price", ["p/a", "p/b", "f/c"]),
        ("throughput", ["f/c", "p/a", "p/b"]),
        ("latency", ["f/c", "p/a", "p/b"]),
    ] {
        let body = json!({ "model": "clawrouter/level", "provider": { "sort": sort } });
        assert_eq!(world.order(&body), expected, "{sort}");
    }
}

#[test]
fn what_nothing_meets_is_refused_without_a_call() {
    let world = deployment();
    for provider in [
        json!({ "only": ["nobody"] }),
        json!({ "ignore": ["p", "f"] }),
        json!({ "max_price": { "prompt": 0.01, "completion": 0.01 } }),
        json!({ "only": ["p"], "zdr": true }),
        json!({ "quantizations": ["int4"] }),
    ] {
        for model in ["clawrouter/smart", "p/a"] {
            let body = json!({ "model": model, "provider": provider });
            assert_eq!(
                world.refusal(&body),
                (404, "model_not_found", "preference"),
                "trying again cannot help: {body}"
            );
        }
    }
    let direct = json!({ "model": "p/a", "provider": { "zdr": true } });
    assert_eq!(world.refusal(&direct), (404, "model_not_found", "preference"));
}

#[test]
fn targets_that_the_request_excludes_in_different_ways_are_its_own_mistake() {
    let world = deployment();
    let image = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "https://x.example/a.png" } }] }]);
    let body = json!({ "model": "clawrouter/smart", "provider": { "only": ["p"] }, "messages": image });
    let (status, code, _) = world.refusal(&body);
    assert_eq!((status, code), (400, "capability_unsupported"));
}

#[test]
fn a_parameter_that_a_target_refuses_matters_only_when_it_is_required() {
    let mut world =
        Deployment::new(&json!({ "providers": [{ "id": "p", "param_rules": [{ "models": "a", "drop": ["seed"] }] }] }));
    let body = |required: bool, extra: Value| {
        let mut body = json!({ "model": "clawrouter/smart", "provider": { "require_parameters": required } });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    assert_eq!(world.order(&body(false, json!({ "seed": 1 }))), ["p/a", "f/c"]);
    assert_eq!(world.order(&body(true, json!({ "seed": 1 }))), ["f/c"]);
    assert_eq!(world.order(&body(true, json!({ "top_p": 1 }))), ["p/a", "f/c"]);
    world
        .health
        .learn_unsupported(&ModelId::parse("f/c").unwrap(), "top_p", world.now);
    assert_eq!(world.order(&body(true, json!({ "top_p": 1 }))), ["p/a"]);
}

#[test]
fn measured_figures_win_over_imported_ones() {
    let mut world = deployment();
    let dispatch = Dispatch {
        target: ModelId::parse("p/a").unwrap(),
        credential: None,
        host: "p.example".to_owned(),
        quota_group: None,
        estimated_tokens: 100,
        started_at: world.now,
    };
    for _ in 0..20 {
        world.health.record_first_token(&dispatch, Millis(200), world.now);
    }
    let body = json!({ "model": "clawrouter/smart", "provider": { "preferred_max_latency": 1.0 } });
    assert_eq!(world.order(&body), ["p/a", "f/c"]);
}
