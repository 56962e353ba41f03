//! How many connections a fusion waits for at once.

use super::acts::ok;
use super::panel::{Panel, Told, after};
use super::world::target;
use crate::wire::Millis;
use serde_json::{Value, json};

const WIDE: [&str; 8] = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"];

/// Eight advisers; each answers its headers so many milliseconds after it was called.
fn wide(heads: [u64; 8]) -> Panel {
    let mut panel = Panel::new();
    panel.world.targets = vec![target("s")];
    let lane = |name: &&'static str| super::world::TargetSpec {
        lane: "adviser",
        ..target(name)
    };
    panel.world.targets.extend(WIDE.iter().map(lane));
    let advisers: Vec<Value> = WIDE
        .iter()
        .map(|name| json!({"model": format!("{name}/model")}))
        .collect();
    panel = panel.set("advisers", advisers).act("s", ok(5));
    for (name, head) in WIDE.iter().zip(heads) {
        panel = panel.act(name, after(head, 2));
    }
    panel
}

fn called(told: &Told) -> [Option<Millis>; 8] {
    WIDE.map(|name| told.called(name))
}

#[test]
fn the_seventh_adviser_is_called_when_headers_free_a_connection() {
    let told = wide([100, 200, 300, 400, 500, 600, 10, 10]).ask();
    let zero = Some(Millis(0));
    assert_eq!(
        called(&told),
        [zero, zero, zero, zero, zero, zero, Some(Millis(100)), Some(Millis(110))]
    );
    assert_eq!(told.fusion_header()[1], "8");
    told.assert_closed();
}

#[test]
fn advisers_that_wait_when_the_quorum_is_in_are_never_called() {
    let mut panel = wide([5, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000]);
    panel = panel.set("quorum", 1).set("straggler_grace_ms", 0);
    let told = panel.ask();
    assert_eq!(called(&told)[7], None);
    assert_eq!(told.fusion_header(), ["advisers", "1", "7"]);
    told.assert_closed();
}

#[test]
fn advisers_that_wait_behind_silent_ones_get_their_turn_when_those_are_given_up() {
    let hung = 60_000;
    let mut panel = wide([hung, hung, hung, hung, hung, hung, 10, 10]).set("adviser_timeout_ms", 900);
    let told = panel.ask();
    assert_eq!(called(&told)[6..], [Some(Millis(900)); 2]);
    assert_eq!(told.fusion_header(), ["advisers", "2", "6"]);
    told.assert_closed();
}
