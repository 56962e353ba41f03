//! A tool loop that moves to another model is told; one that may not, ends with the error of its own model.

use super::acts::{Act, Answer, answer, limited, ok, text, unavailable};
use super::world::{World, target};
use crate::catalog::document::Hedge;
use crate::route::ToolLoop;
use crate::wire::Millis;
use serde_json::json;
use std::sync::Arc;

/// P and F of which F is another model, or another way to the same one.
fn looping(same: bool, may_swap: bool) -> World {
    let mut world = World::pf();
    world.body["clawrouter"] = json!({"trace": true});
    world.chain = Box::new(move |chain| {
        let mut model = Arc::clone(&chain.targets[0].model);
        if same {
            "vendor/F-Upstream".clone_into(&mut Arc::make_mut(&mut model).upstream);
        }
        chain.tool_loop = Some(ToolLoop { model, may_swap });
        chain.hedge = Hedge {
            enabled: true,
            budget: 1.0,
        };
    });
    world
}

#[test]
fn the_trace_tells_when_another_model_goes_on() {
    for same in [true, false] {
        let mut world = looping(same, true).act("p", [limited("30")]).act("f", [ok(20)]);
        let story = world.request();
        story.assert_answer(&text(20));
        assert_eq!(story.path(), "p/k1 f/k1");
        let swapped: Vec<bool> = story
            .report
            .attempts
            .iter()
            .map(|attempt| attempt.model_swapped)
            .collect();
        assert_eq!(swapped, [false, !same]);
        let trace = story.header("x-clawrouter-trace").unwrap();
        let told: Vec<bool> = trace.split(';').map(|call| call.contains(",model-swapped")).collect();
        assert_eq!(told, swapped, "{trace}");
    }
}

#[test]
fn slowness_does_not_swap_a_loops_model() {
    for same in [true, false] {
        let slow = Act::Answer(Answer {
            first_token: Millis(9_500),
            ..answer(5)
        });
        let mut world = looping(same, true).act("p", [slow]).act("f", [ok(5)]);
        assert_eq!(world.request().path(), if same { "p/k1 f/k1" } else { "p/k1" });
    }
}

#[test]
fn an_error_says_that_nobody_else_was_let_in() {
    for may_swap in [true, false] {
        let mut world = World::new(vec![target("p")]).act("p", [unavailable()]);
        world.chain = Box::new(move |chain| {
            let model = Arc::clone(&chain.targets[0].model);
            chain.tool_loop = Some(ToolLoop { model, may_swap });
        });
        let story = world.request();
        assert_eq!((story.status(), story.error_code().as_str()), (503, "overloaded"));
        assert_eq!(
            story.body.contains("keeps this tool loop with"),
            !may_swap,
            "{}",
            story.body
        );
    }
}
