//! Who keeps its target: shares by weight, sessions, pins.

use super::support::{Deployment, NOW, chain, targets};
use crate::catalog::{ModelId, NanoUsd};
use crate::route::explanation::PinState;
use crate::route::health::FailureClass as C;
use crate::route::pin::{Served, after_answer};
use crate::route::{Hints, Pin, Session};
use crate::wire::Millis;
use serde_json::json;

#[test]
fn weights_share_and_sessions_stay() {
    let targets = json!([{ "model": "p/a", "weight": 3 }, { "model": "p/b", "weight": 1 }]);
    let world = Deployment::new(&json!({ "routes": [{ "id": "smart", "targets": targets }] }));
    let body = json!({ "model": "clawrouter/smart" });
    let first = |hints: &Hints| super::support::targets(&world.plan_with(&body, hints).unwrap().0)[0].clone();
    let heavy = (0..1_000)
        .filter(|seed| {
            first(&Hints {
                seed: *seed,
                ..Hints::default()
            }) == "p/a"
        })
        .count();
    assert!((690..810).contains(&heavy), "{heavy} of 1000 at weight 3 of 4");
    let session = |key, named| Hints {
        session: Some(Session { key, named }),
        seed: 1,
        pin: None,
        ..Hints::default()
    };
    let stays = |seed| Hints {
        seed,
        ..session("t:s", true)
    };
    assert!((0..50).all(|seed| first(&stays(seed)) == first(&stays(0))));
    // A session that nobody named does not bend the weights.
    let anonymous = (0..1_000)
        .filter(|seed| {
            first(&Hints {
                seed: *seed,
                ..session("t:x", false)
            }) == "p/a"
        })
        .count();
    assert!((690..810).contains(&anonymous), "{anonymous}");
}

#[test]
fn the_answers_so_far_are_the_pins_or_the_primarys() {
    let world = Deployment::new(&json!({}));
    let session = Session {
        key: "kid1/s",
        named: true,
    };
    let pin = |target: &str| Pin {
        route: "clawrouter/smart".to_owned(),
        target: ModelId::parse(target).unwrap(),
        credential: None,
        created_at: NOW,
        last_used_at: NOW,
        turns: 1,
        cost: NanoUsd(0),
        explanation: None,
        fallback_since: None,
    };
    let other_route = Pin {
        route: "clawrouter/other".to_owned(),
        ..pin("f/c")
    };
    let cases = [
        (None, "p"),
        (Some(pin("p/a")), "p"),
        (Some(pin("f/c")), "f"),
        // No target of the route any more, but the one who spoke last.
        (Some(pin("poor/m")), "poor"),
        (Some(pin("gone/m")), "p"),
        (Some(other_route), "p"),
    ];
    for (pin, issuer) in cases {
        let hints = Hints {
            session: Some(session),
            pin: pin.as_ref(),
            seed: 0,
            ..Hints::default()
        };
        let (plan, _) = world
            .plan_with(&json!({ "model": "clawrouter/smart" }), &hints)
            .unwrap();
        assert_eq!(chain(&plan).issuer.as_ref().unwrap().as_str(), issuer, "{pin:?}");
    }
}

#[test]
fn who_answers_for_a_target_that_is_away_is_its_fallback() {
    let mut world = Deployment::new(&json!({}));
    let first = |world: &Deployment| {
        let (plan, _) = world.plan(&json!({ "model": "clawrouter/smart" })).unwrap();
        let target = &chain(&plan).targets[0];
        (target.model.id.to_string(), target.index)
    };
    assert_eq!(first(&world), ("p/a".to_owned(), 0));
    world.fail("p/a", "k1", C::Auth, None);
    world.fail("p/a", "k2", C::Auth, None);
    assert_eq!(first(&world), ("f/c".to_owned(), 1));
    // An operator's decision is no absence: what is left is the primary.
    let world = Deployment::new(&json!({ "models": [{ "id": "p/a", "enabled": false }] }));
    assert_eq!(first(&world), ("f/c".to_owned(), 0));
}

#[test]
fn a_pin_decides_while_its_target_can_be_used() {
    let mut world = Deployment::new(&json!({}));
    let body = json!({ "model": "clawrouter/smart" });
    let served = |model: &str, fell_back| Served {
        target: ModelId::parse(model).unwrap(),
        credential: Some("k1".to_owned()),
        fell_back,
        cost: NanoUsd(0),
        explanation: None,
    };
    let pin = after_answer(None, "clawrouter/smart", served("f/c", false), NOW);
    let hints = Hints {
        session: Some(Session {
            key: "t:s",
            named: true,
        }),
        pin: Some(&pin),
        seed: 0,
        ..Hints::default()
    };
    let (plan, explanation) = world.plan_with(&body, &hints).unwrap();
    assert_eq!(targets(&plan), ["f/c", "p/a"]);
    assert!(plan.pinned && chain(&plan).pinned_credential.as_deref() == Some("k1"));
    assert_eq!(explanation.pin.state, PinState::Used);
    // Another model of the same session is not its business.
    let direct = world.plan_with(&json!({ "model": "p/a" }), &hints).unwrap();
    assert_eq!(direct.1.pin.state, PinState::None);
    world.fail("f/c", "k1", C::Overloaded, None);
    let (plan, explanation) = world.plan_with(&body, &hints).unwrap();
    assert_eq!(
        (targets(&plan)[0].as_str(), plan.pinned, explanation.pin.state),
        ("p/a", false, PinState::Skipped)
    );
    // A pin that a failure made does not hold a small session, named or not, except in the midst of a loop of tool calls.
    world.now = NOW.plus(Millis(60_000));
    let pin = after_answer(None, "clawrouter/smart", served("f/c", true), world.now);
    let loops = json!({ "model": "clawrouter/smart", "messages": [
        { "role": "user", "content": "pay" },
        { "role": "assistant", "content": null, "tool_calls": [{ "id": "t", "type": "function", "function": { "name": "pay", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "t", "content": "done" },
    ] });
    for named in [true, false] {
        let hints = Hints {
            session: Some(Session { key: "t:s", named }),
            pin: Some(&pin),
            seed: 0,
            ..Hints::default()
        };
        for (body, state) in [(&body, PinState::Returned), (&loops, PinState::Used)] {
            assert_eq!(world.plan_with(body, &hints).unwrap().1.pin.state, state, "{named}");
        }
    }
}
