//! One rule says whether an answer is less than what was planned; usage rows and test prompts both ask it.

use super::acts::{Act, Mishap, mishap, ok, unavailable};
use super::panel::{Panel, after, says};
use super::world::World;
use crate::catalog::NanoUsd;
use crate::run::fusion::test_prompt::{TestPrompt, TestPromptInput};
use crate::run::machine::Machine;
use serde_json::json;

#[test]
fn a_fusion_is_degraded_when_it_got_less_than_its_profile_asks() {
    type Change = fn(Panel) -> Panel;
    let left_out = |mut panel: Panel, slots: &[u32]| {
        panel.left_out = slots
            .iter()
            .map(|slot| (*slot, format!("a{slot}/model"), "budget".to_owned()))
            .collect();
        panel
    };
    // (what happens, degraded)
    let cases: [(&str, Change, bool); 9] = [
        ("all advisers answer", |panel| panel, false),
        ("one fails", |panel| panel.act("a2", unavailable()), true),
        ("one says nothing", |panel| panel.act("a2", says("  ")), true),
        (
            "all fail",
            |panel| {
                panel
                    .act("a1", unavailable())
                    .act("a2", unavailable())
                    .act("a3", unavailable())
            },
            true,
        ),
        (
            "one is not awaited, and the quorum is met",
            |panel| {
                panel
                    .set("quorum", 2)
                    .set("straggler_grace_ms", 100)
                    .act("a3", after(5_000, 2))
            },
            false,
        ),
        (
            "the quorum is not met",
            |panel| panel.set("quorum", 3).act("a2", unavailable()),
            true,
        ),
        ("a draft answers", |panel| panel.act("s", unavailable()), true),
        (
            "a turn of a tool loop needs no advice",
            |panel| {
                panel.act("a1", Act::Silence).asking(
                    "messages",
                    json!([
                        {"role": "user", "content": "go"},
                        {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                        {"role": "tool", "tool_call_id": "c", "content": "done"},
                    ]),
                )
            },
            false,
        ),
        (
            "advice on every turn",
            |panel| panel.set("advise_on", "every_turn"),
            false,
        ),
    ];
    let check = |name: &str, mut panel: Panel, expected: bool| {
        let told = panel.ask();
        assert_eq!(told.fusion.degraded(), expected, "{name}");
        // The same as a test prompt: its own event and its usage row.
        let input = TestPromptInput {
            fusion: panel.input(),
            baseline: false,
            reserved: Some(NanoUsd(1)),
        };
        let mut world = World::new(panel.world.targets.clone());
        world.scripts.clone_from(&panel.world.scripts);
        let mut test = TestPrompt::new(input, world.now, &mut world.health);
        let story = world.drive(&mut test);
        let result = story
            .events()
            .into_iter()
            .find(|event| event["type"] == "result")
            .expect(name);
        assert_eq!(
            (&result["degraded"], test.degraded()),
            (&json!(expected), expected),
            "{name}"
        );
    };
    for (name, change, expected) in cases {
        check(name, change(Panel::new()), expected);
    }
    check("the plan left one adviser out", left_out(Panel::new(), &[1]), false);
    check(
        "the plan left all advisers out",
        left_out(Panel::new(), &[0, 1, 2]),
        true,
    );
}

#[test]
fn a_plain_answer_is_degraded_when_its_stream_was_cut() {
    for (act, expected) in [(ok(20), false), (mishap(20, 12, Mishap::Reset), true)] {
        let mut world = World::pf().act("p", [act]).act("f", [ok(20)]);
        let mut run = world.start();
        world.drive(&mut run);
        assert_eq!(run.degraded(), expected);
    }
}
