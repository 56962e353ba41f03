//! What keys may still spend: headers of quotas, local limits a minute.

use super::acts::{Act, Answer, answer, ok};
use super::world::{START, TargetSpec, World, target};
use crate::wire::Millis;
use serde_json::json;
use std::collections::BTreeSet;

fn pool(strategy: &str) -> World {
    let spec = TargetSpec {
        keys: vec!["k1", "k2"],
        ..target("p")
    };
    let mut world = World::new(vec![spec, target("f")]).act("f", [ok(3)]);
    world.pool = json!({"strategy": strategy, "sticky": "none"});
    world
}

/// An answer after which so many of a hundred requests are left.
fn leaves(left: &'static str) -> Act {
    Act::Answer(Answer {
        headers: vec![
            ("x-ratelimit-limit-requests", "100"),
            ("x-ratelimit-remaining-requests", left),
            ("x-ratelimit-limit-tokens", "1000"),
            ("x-ratelimit-remaining-tokens", "999"),
        ],
        ..answer(3)
    })
}

#[test]
fn most_remaining_learns_from_successes() {
    for stream in [true, false] {
        let mut world = pool("most_remaining")
            .streaming(stream)
            .act("p/k1", [leaves("60"), leaves("5"), leaves("90")])
            .act("p/k2", [leaves("50"), leaves("40"), leaves("30")]);
        // Nothing is known: one is drawn. Then the other, of which nothing is known yet, then always the fuller one.
        let mut path: Vec<String> = (0..2).map(|_| world.request().path()).collect();
        path.sort_unstable();
        assert_eq!(path, ["p/k1", "p/k2"], "{stream}");
        let path: Vec<String> = (0..4).map(|_| world.request().path()).collect();
        assert_eq!(path, ["p/k1", "p/k2", "p/k2", "p/k2"], "60 > 50, then 5 < 50, 40, 30");
        // After a minute the figures say nothing any more: both are drawn again.
        let mut world = world.act("p/k1", [ok(3)]).act("p/k2", [ok(3)]);
        world.now = world.now.plus(Millis(60_000));
        let drawn: BTreeSet<String> = (0..16)
            .map(|seed| {
                world.seed = seed;
                world.request().path()
            })
            .collect();
        assert_eq!(drawn.len(), 2, "{drawn:?}");
    }
}

#[test]
fn a_key_that_has_spent_its_minute_is_left_alone() {
    let mut world = pool("fill_first").act("p", [ok(3)]);
    world.limits = (3, 0);
    let path: Vec<String> = (0..8).map(|_| world.request().path()).collect();
    assert_eq!(path[..3], ["p/k1", "p/k1", "p/k1"]);
    assert_eq!(path[3..6], ["p/k2", "p/k2", "p/k2"]);
    assert_eq!(path[6..], ["f/k1", "f/k1"], "both are spent: the fallback");
    world.now = START.plus(Millis(180_000));
    assert_eq!(world.request().path(), "p/k1");
    // By tokens, too; a request that is larger than the whole limit still gets its turn on a fresh key.
    let mut world = pool("fill_first").act("p", [ok(3)]);
    world.limits = (0, 1_000);
    world.estimated = 700;
    let path: Vec<String> = (0..3).map(|_| world.request().path()).collect();
    assert_eq!(path, ["p/k1", "p/k2", "f/k1"]);
}

#[test]
fn isolates_share_what_a_key_allows() {
    // (isolates, requests of one minute that this isolate sends with the limited key)
    for (isolates, sent) in [(0, 12), (1, 12), (2, 6), (4, 3), (5, 2), (40, 1)] {
        let mut world = pool("fill_first").act("p", [ok(3)]);
        world.limits = (12, 0);
        world.health.record_isolates(isolates, world.now);
        let path: Vec<String> = (0..30).map(|_| world.request().path()).collect();
        let by_first = path.iter().filter(|who| *who == "p/k1").count();
        assert_eq!(by_first, sent, "{isolates} isolates");
    }
    // The hub is away: what it said is forgotten, and the whole limit is this isolate's.
    let mut world = pool("fill_first").act("p", [ok(3)]);
    world.limits = (12, 0);
    world.health.record_isolates(40, world.now);
    world.now = world.now.plus(Millis(60_000));
    let path: Vec<String> = (0..12).map(|_| world.request().path()).collect();
    assert!(path.iter().all(|who| who == "p/k1"), "{path:?}");
}
