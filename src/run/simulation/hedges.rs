//! When a second call may start beside a slow first one, and when not.

use super::acts::{Act, Answer, answer, limited, ok, text, unavailable};
use super::world::{START, World, target};
use crate::catalog::document::Hedge;
use crate::wire::Millis;

/// An answer whose first token comes after this time.
fn slow(first_token: u64) -> Act {
    Act::Answer(Answer {
        first_token: Millis(first_token),
        ..answer(5)
    })
}

fn hedging(mut world: World, budget: f64) -> World {
    world.chain = Box::new(move |chain| chain.hedge = Hedge { enabled: true, budget });
    world
}

#[test]
fn a_silent_primary_is_joined_after_its_usual_time() {
    let mut world = hedging(World::pf(), 1.0).act("p", [slow(900)]).act("f", [ok(5)]);
    for _ in 0..10 {
        world.request();
    }
    world = world.act("p", [slow(2_000)]);
    let story = world.request();
    story.assert_answer(&text(5));
    assert_eq!(story.path(), "p/k1 f/k1");
    let delay = story.calls[1].1.since(story.calls[0].1);
    assert!((900..1_500).contains(&delay.0), "about its 95th percentile: {delay:?}");
    assert_eq!(story.cancelled, [story.ids[0]], "the loser is closed");
    assert!(story.report.attempts[1].hedge);
    assert_eq!(world.health.entries(), 0, "slowness is nobody's failure");
}

#[test]
fn the_share_of_hedged_requests_stays_within_the_budget() {
    // Every request is slow enough to be hedged, so only the budget holds them back.
    let mut hedged = 0;
    for seed in 0..2_000u64 {
        let mut world = hedging(World::pf(), 0.05).act("p", [slow(8_500)]).act("f", [ok(5)]);
        world.seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hedged += world.request().calls_to("f");
    }
    assert!((50..=120).contains(&hedged), "{hedged} of 2000 at 5 %");
}

#[test]
fn the_second_call_goes_to_another_host_or_nowhere() {
    // Of three targets the second shares the first one's host.
    let mut world = hedging(World::new(vec![target("p"), target("q"), target("f")]), 1.0)
        .act("p", [slow(9_500)])
        .act("q", [ok(5)])
        .act("f", [ok(5)]);
    world.hosts = vec![("q", "p")];
    assert_eq!(world.request().path(), "p/k1 f/k1");
    let mut world = hedging(World::pf(), 1.0).act("p", [slow(9_500)]).act("f", [ok(5)]);
    world.hosts = vec![("f", "p")];
    assert_eq!(world.request().path(), "p/k1");
}

#[test]
fn limits_and_overload_are_never_hedged() {
    // The second one is cooling for a rate limit or for overload, or may be probed again.
    for (act, later) in [(limited("60"), 1_000), (unavailable(), 1_000), (unavailable(), 30_000)] {
        let mut elsewhere = World::new(vec![target("f"), target("g")])
            .act("f", [act])
            .act("g", [ok(5)]);
        assert!(elsewhere.request().path().ends_with("g/k1"));
        let mut world = hedging(World::pf(), 1.0).act("p", [slow(9_500)]).act("f", [ok(5)]);
        world.health = elsewhere.health;
        world.now = elsewhere.now.plus(Millis(later));
        assert_eq!(world.request().path(), "p/k1", "after {later} ms");
    }
    // The first one was limited a moment ago: its probe is nobody's to race.
    let mut world = hedging(World::pf(), 1.0).act("p", [limited("30")]).act("f", [ok(5)]);
    world.request();
    world = world.act("p", [slow(9_500)]);
    world.now = START.plus(Millis(40_000));
    let story = world.request();
    assert_eq!(story.path(), "p/k1");
    assert!(story.report.attempts[0].probe);
    // After a failure in the same request nothing is raced.
    let mut world = hedging(World::pf(), 1.0)
        .act("p", [limited("2"), slow(9_500)])
        .act("f", [ok(5)]);
    assert_eq!(world.request().path(), "p/k1 p/k1");
    // At most two at once, and off unless asked for.
    let mut world = hedging(World::new(vec![target("p"), target("q"), target("f")]), 1.0)
        .act("p", [slow(9_500)])
        .act("q", [slow(9_500)])
        .act("f", [ok(5)]);
    assert_eq!(world.request().calls.len(), 2);
    let mut world = World::pf().act("p", [slow(9_500)]).act("f", [ok(5)]);
    assert_eq!(world.request().path(), "p/k1");
}
