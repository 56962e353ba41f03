//! What belongs to one provider does not cross to another.

use super::acts::{limited, ok, text};
use super::world::{World, target};
use crate::catalog::ProviderId;
use serde_json::json;

fn with_thoughts() -> World {
    let mut world = World::pf();
    world.body["messages"] = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello", "reasoning_details": [{"type": "reasoning.encrypted", "data": "sealed"}]},
        {"role": "user", "content": "go on"},
    ]);
    world.body["clawrouter"] = json!({"trace": true});
    world
}

#[test]
fn thoughts_stay_with_whom_they_came_from() {
    // (who wrote the answers so far, what P gets, what F gets)
    for (issuer, to_primary, to_fallback) in [
        (Some("p"), true, false),
        (Some("f"), false, true),
        (Some("x"), false, false),
        (None, true, true),
    ] {
        let mut world = with_thoughts().act("p", [limited("30")]).act("f", [ok(20)]);
        let issuer_id = issuer.map(|id| ProviderId::parse(id).unwrap());
        world.chain = Box::new(move |chain| chain.issuer.clone_from(&issuer_id));
        let story = world.request();
        story.assert_answer(&text(20));
        assert_eq!(story.path(), "p/k1 f/k1");
        let sealed = |call: usize| story.calls[call].2["messages"][1].get("reasoning_details").is_some();
        assert_eq!((sealed(0), sealed(1)), (to_primary, to_fallback), "{issuer:?}");
        assert_eq!(story.calls[1].2["messages"][1]["content"], "hello", "the text stays");
        let trace = story.header("x-clawrouter-trace").unwrap();
        let told: Vec<bool> = trace.split(';').map(|call| call.contains(",state-left-out")).collect();
        assert_eq!(told, [!to_primary, !to_fallback], "{trace}");
    }
}

#[test]
fn a_conversation_without_thoughts_crosses_byte_for_byte() {
    let mut world = World::new(vec![target("p"), target("f")])
        .act("p", [limited("30")])
        .act("f", [ok(20)]);
    world.chain = Box::new(|chain| chain.issuer = Some(ProviderId::parse("p").unwrap()));
    world.body["clawrouter"] = json!({"trace": true});
    let story = world.request();
    assert_eq!(story.calls[0].2["messages"], story.calls[1].2["messages"]);
    assert!(!story.header("x-clawrouter-trace").unwrap().contains("state-left-out"));
}
