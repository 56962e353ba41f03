//! Inside an agent's tool loop the model is swapped only when the route allows it, and the explanation says so.

use super::support::{Deployment, NOW, chain, targets};
use crate::catalog::{ModelId, NanoUsd};
use crate::route::explanation::{LoopKnownBy, PinState, ToolLoopRule};
use crate::route::health::FailureClass as C;
use crate::route::pin::{Served, after_answer};
use crate::route::{Hints, Pin, Session};
use crate::wire::Millis;
use serde_json::{Value, json};

/// p/a (with f/a, the same model at another provider) before f/c; one route allows swaps, one does not.
fn world() -> Deployment {
    let targets = json!([{ "model": "p/a" }, { "model": "f/c", "order": 1 }, { "model": "f/a", "order": 2 }]);
    Deployment::new(&json!({
        "models": [{ "id": "f/a", "provider": "f", "upstream": "vendor/A", "capabilities": ["chat", "tools"],
                     "context_window": 8_000, "max_output_tokens": 1000, "price": { "input": 1, "output": 2 } }],
        "routes": [{ "id": "free", "targets": targets, "context_targets": ["p/b"] },
                   { "id": "strict", "targets": targets, "context_targets": ["p/b"], "swap_in_tool_loop": false }],
    }))
}

fn body(model: &str, in_loop: bool) -> Value {
    let mut messages = vec![json!({ "role": "user", "content": "hi" })];
    if in_loop {
        messages.extend([
            json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }] }),
            json!({ "role": "tool", "tool_call_id": "c", "content": "ok" }),
        ]);
    }
    json!({ "model": model, "messages": messages })
}

fn pin(route: &str, target: &str, fell_back: bool) -> Pin {
    let served = Served {
        target: ModelId::parse(target).unwrap(),
        credential: None,
        fell_back,
        cost: NanoUsd(0),
        explanation: None,
    };
    after_answer(None, route, served, NOW)
}

fn hints(pin: Option<&Pin>) -> Hints<'_> {
    Hints {
        session: Some(Session {
            key: "t/s",
            named: false,
        }),
        pin,
        seed: 0,
        ..Hints::default()
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_loops_model_goes_first_and_others_follow_where_the_route_lets_them() {
    use LoopKnownBy::{Pin as ByPin, Primary};
    use ToolLoopRule::{KeptUntilItFails, SameModelOnly, Swapped};
    let free = ["p/a", "f/a", "f/c"].as_slice();
    // (route, pin, failing, targets, the loop's model, known by, rule)
    let cases = [
        ("free", None, None, free, "p/a", Primary, KeptUntilItFails),
        (
            "free",
            Some("f/c"),
            None,
            &["f/c", "p/a", "f/a"],
            "f/c",
            ByPin,
            KeptUntilItFails,
        ),
        (
            "free",
            Some("p/a"),
            Some("p/a"),
            &["f/a", "f/c", "p/a"],
            "p/a",
            ByPin,
            KeptUntilItFails,
        ),
        (
            "free",
            Some("f/c"),
            Some("f/c"),
            &["p/a", "f/a", "f/c"],
            "f/c",
            ByPin,
            Swapped,
        ),
        ("strict", None, None, &["p/a", "f/a"], "p/a", Primary, SameModelOnly),
        (
            "strict",
            Some("f/a"),
            None,
            &["f/a", "p/a"],
            "f/a",
            ByPin,
            SameModelOnly,
        ),
        (
            "strict",
            Some("p/a"),
            Some("p/a"),
            &["f/a", "p/a"],
            "p/a",
            ByPin,
            SameModelOnly,
        ),
        ("strict", Some("f/c"), None, &["f/c"], "f/c", ByPin, SameModelOnly),
        // Its only target is cooling: that one is asked as a last resort, nobody else.
        (
            "strict",
            Some("f/c"),
            Some("f/c"),
            &["f/c"],
            "f/c",
            ByPin,
            SameModelOnly,
        ),
        // The route no longer names the pinned model: the loop could never go on.
        (
            "strict",
            Some("p/b"),
            None,
            &["p/a", "f/a"],
            "p/a",
            Primary,
            SameModelOnly,
        ),
    ];
    for (route, pinned, failing, expected, model, known_by, rule) in cases {
        let mut world = world();
        if let Some(failing) = failing {
            world.fail(failing, "k1", C::Overloaded, None);
        }
        let name = format!("clawrouter/{route}");
        let pin = pinned.map(|target| pin(&name, target, false));
        let (plan, explanation) = world.plan_with(&body(&name, true), &hints(pin.as_ref())).unwrap();
        let told = explanation.tool_loop.unwrap();
        let case = format!("{route} {pinned:?} {failing:?}: {}", told.text);
        assert_eq!(targets(&plan), expected, "{case}");
        assert_eq!(
            (told.model.as_str(), told.known_by, told.rule),
            (model, known_by, rule),
            "{case}"
        );
        let kept = chain(&plan).tool_loop.as_ref().unwrap();
        assert_eq!(
            (kept.model.id.as_str(), kept.may_swap),
            (model, route == "free"),
            "{case}"
        );
        let left_out = chain(&plan).skipped.iter().any(|(_, code)| code == "tool_loop_model");
        assert_eq!(left_out, route == "strict", "{case}");
        let last_resort = chain(&plan).targets.iter().filter(|target| target.last_resort).count();
        assert_eq!(last_resort, usize::from(failing.is_some()), "{case}");
        let for_length = chain(&plan).context_targets.len();
        assert_eq!(
            for_length,
            usize::from(route == "free"),
            "another model for length, too: {case}"
        );
    }
}

#[test]
fn a_user_turn_is_free_and_says_nothing_of_loops() {
    let world = world();
    for route in ["clawrouter/free", "clawrouter/strict"] {
        let pin = pin(route, "f/c", true);
        let (plan, explanation) = world.plan_with(&body(route, false), &hints(Some(&pin))).unwrap();
        assert_eq!(
            targets(&plan),
            ["p/a", "f/c", "f/a"],
            "a small session goes back to the primary"
        );
        assert_eq!(
            (explanation.pin.state, explanation.tool_loop),
            (PinState::Returned, None)
        );
        assert!(chain(&plan).tool_loop.is_none());
    }
}

#[test]
fn the_primarys_recovery_and_better_figures_wait_until_the_loop_is_over() {
    let mut world = world();
    world.now = NOW.plus(Millis(60_000));
    // (fields of the request, first target on the free route, on the strict one)
    for (fields, free, strict) in [
        (json!({}), "f/c", "f/c"),
        (json!({ "provider": { "sort": "price" } }), "f/c", "f/c"),
        // Who names an order of providers wants it, but not more than the route allows.
        (json!({ "provider": { "order": ["p"] } }), "p/a", "f/c"),
        (json!({ "models": ["p/b"] }), "f/c", "f/c"),
    ] {
        for (route, expected) in [("clawrouter/free", free), ("clawrouter/strict", strict)] {
            let pin = pin(route, "f/c", true);
            let mut body = body(route, true);
            for (name, value) in fields.as_object().unwrap() {
                body[name] = value.clone();
            }
            let (plan, _) = world.plan_with(&body, &hints(Some(&pin))).unwrap();
            assert_eq!(targets(&plan)[0], expected, "{route} {fields}");
        }
    }
    // A model that was named by itself: its caller names who may take over.
    let pin = pin("p/a", "f/c", true);
    let mut direct = body("p/a", true);
    direct["models"] = json!(["f/c"]);
    let (plan, explanation) = world.plan_with(&direct, &hints(Some(&pin))).unwrap();
    assert_eq!(targets(&plan), ["f/c", "p/a"]);
    assert_eq!(explanation.tool_loop.unwrap().rule, ToolLoopRule::KeptUntilItFails);
}

#[test]
fn a_loop_that_cannot_go_on_is_refused_for_its_own_models_reason() {
    let mut world = world();
    for label in ["k1", "k2"] {
        world.fail("p/a", label, C::QuotaWindow, Some(3_600_000));
    }
    world.fail("f/a", "k1", C::QuotaWindow, Some(3_600_000));
    let error = world.plan(&body("clawrouter/strict", true)).unwrap_err();
    assert_eq!(error.error.status_and_code(), (429, "rate_limited"), "{}", error.error);
    assert!(error.error.to_string().contains("swap_in_tool_loop"), "{}", error.error);
    assert!(error.error.retry_at().is_some());
    let excluded = error
        .explanation
        .candidates
        .iter()
        .filter_map(|candidate| candidate.excluded.as_ref());
    assert!(excluded.into_iter().any(|why| why.code.as_str() == "tool_loop_model"));
    // The same loop where swaps are allowed.
    let (plan, explanation) = world.plan(&body("clawrouter/free", true)).unwrap();
    assert_eq!(targets(&plan), ["f/c"]);
    let told = explanation.tool_loop.unwrap();
    assert_eq!((told.model.as_str(), told.rule), ("p/a", ToolLoopRule::Swapped));
}

#[test]
fn a_fusions_synthesizer_goes_on_with_its_loop() {
    let (plan, explanation) = world().plan(&body("clawrouter/fusion", true)).unwrap();
    assert_eq!(explanation.tool_loop.unwrap().model, "f/c");
    assert!(chain(&plan).tool_loop.as_ref().unwrap().may_swap);
}
