//! Requests on several isolates, and several requests on one: what is the same everywhere, what is spread, what nobody may read.

use super::acts::{error, limited, ok, unavailable, wrong_key};
use super::world::{START, TargetSpec, World, target};
use crate::route::health::Health;
use crate::wire::Millis;
use serde_json::json;

fn three_keys() -> World {
    World::new(vec![TargetSpec {
        keys: vec!["k1", "k2", "k3"],
        ..target("p")
    }])
    .act("p", [ok(3)])
}

#[test]
fn a_session_has_the_same_key_on_every_isolate_and_returns_to_it() {
    // Case 56.
    for session in ["kid/one", "kid/two", "kid/three", "kid/four"] {
        let on_fresh_isolates = |act: &dyn Fn(World) -> World| -> Vec<String> {
            (0..3)
                .map(|isolate| {
                    let mut world = act(three_keys());
                    world.health = Health::new(isolate);
                    world.seed = isolate;
                    world.session = Some(session.to_owned());
                    world.request();
                    world.request().path()
                })
                .collect()
        };
        let home = on_fresh_isolates(&|world| world);
        assert!(home.iter().all(|key| *key == home[0]), "{session}: {home:?}");
        let limited_home = home[0].clone();
        let moved = on_fresh_isolates(&|world| world.act(&limited_home, [limited("60")]));
        assert!(
            moved.iter().all(|key| *key == moved[0] && *key != home[0]),
            "{session}: {moved:?}"
        );
        // Recovered: back home.
        let mut world = three_keys().act(&home[0], [limited("60"), ok(3)]);
        world.session = Some(session.to_owned());
        assert!(world.request().path().ends_with(&moved[0]));
        assert_eq!(world.request().path(), moved[0]);
        world.now = START.plus(Millis(70_000));
        assert_eq!(world.request().path(), home[0], "{session}");
    }
}

#[test]
fn least_used_spreads_requests_of_one_isolate() {
    // Case 55: the count is taken when a key is chosen, so the second request sees the first.
    let mut world = World::new(vec![TargetSpec {
        keys: vec!["k1", "k2"],
        ..target("p")
    }])
    .act("p", [ok(3)]);
    world.pool = json!({"strategy": "least_used", "sticky": "none"});
    let path: Vec<String> = (0..2).map(|_| world.request().path()).collect();
    assert_eq!(path, ["p/k1", "p/k2"]);
    // Ten that overlap: none has ended when the last begins.
    let mut world = World::new(vec![TargetSpec {
        keys: vec!["k1", "k2"],
        ..target("p")
    }])
    .act("p", [ok(3)]);
    world.pool = json!({"strategy": "least_used", "sticky": "none"});
    let mut on = [0, 0];
    let runs: Vec<_> = (0..10)
        .map(|seed| {
            world.seed = seed;
            let run = world.start();
            let key = crate::run::machine::Machine::report(&run).attempts[0]
                .credential
                .clone();
            on[usize::from(key.as_deref() == Some("k2"))] += 1;
            run
        })
        .collect();
    assert_eq!((on, runs.len()), ([5, 5], 10));
}

#[test]
fn a_hint_is_kept_and_money_that_is_gone_is_a_long_cooldown() {
    // Cases 3 and 38, on the level of what is remembered.
    for (act, class, at_least) in [
        (limited("30"), "rate_limit", 30_000),
        (wrong_key(), "auth", 300_000),
        (
            error(429, "You exceeded your current quota.", "insufficient_quota"),
            "billing",
            3_600_000,
        ),
        (
            error(410, "This model has been decommissioned.", "model_decommissioned"),
            "model_gone",
            6 * 3_600_000,
        ),
    ] {
        let mut world = World::pf().act("p", [act]).act("f", [ok(3)]);
        world.request();
        let facts = serde_json::to_value(world.health.digest(START)).unwrap();
        let transitions = serde_json::to_value(world.health.drain_transitions()).unwrap();
        let told = transitions
            .as_array()
            .unwrap()
            .iter()
            .find(|fact| fact["class"] == class);
        let until = told.unwrap_or_else(|| panic!("{class}: {transitions}"))["until"]
            .as_u64()
            .unwrap();
        assert!(until >= START.0 + at_least, "{class}: {}", until - START.0);
        // What lasts longer than a minute is what a cold isolate is told.
        assert_eq!(
            !facts.as_array().unwrap().is_empty(),
            at_least > 60_000,
            "{class}: {facts}"
        );
        let mut cold = World::pf().act("p", [ok(3)]).act("f", [ok(3)]);
        cold.now = world.now;
        cold.health
            .merge(&serde_json::from_value::<Vec<_>>(facts).unwrap(), cold.now);
        assert_eq!(
            cold.request().path(),
            if at_least > 60_000 { "f/k1" } else { "p/k1" },
            "{class}"
        );
    }
}

#[test]
fn nothing_that_is_kept_or_told_holds_a_secret_or_a_prompt() {
    // Case 76.
    for act in [
        wrong_key(),
        limited("30"),
        unavailable(),
        error(400, "bad secret-p-k1", "invalid_value"),
        ok(3),
    ] {
        let mut world = World::pf().act("p", [act]).act("f", [ok(3)]);
        world.body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "tell nobody"}],
            "clawrouter": {"trace": true}});
        let (body, before) = (world.body.clone(), world.call());
        let mut run = world.start();
        let asked = format!("{run:?}");
        let story = world.drive(&mut run);
        let facts = serde_json::to_string(&world.health.digest(START)).unwrap();
        let news = serde_json::to_string(&world.health.drain_transitions()).unwrap();
        let kept = [
            asked,
            format!("{:?}", story.report),
            format!("{:?}", world.health),
            facts,
            news,
            format!("{:?}", story.head),
        ];
        for text in &kept {
            assert!(!text.contains("secret-p") && !text.contains("secret-f"), "{text}");
        }
        for text in &kept[1..] {
            assert!(!text.contains("tell nobody"), "{text}");
        }
        assert!(!story.body.contains("secret-p"), "{}", story.body);
        assert_eq!(
            (world.body, before.body),
            (body.clone(), world_body(&body)),
            "the caller's request is not changed"
        );
    }
}

fn world_body(body: &serde_json::Value) -> bytes::Bytes {
    bytes::Bytes::from(body.to_string())
}
