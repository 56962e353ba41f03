//! What somebody who tries a model is told of its upstream.

use super::acts::{Act, ok};
use super::world::{World, target};
use crate::run::engine::AnswerAs;
use crate::run::witness::{ErrorAnswer, Said, Witness};
use serde_json::{Value, json};

fn said(acts: &[Act]) -> Said {
    let mut world = World::new(vec![target("p")]).act("p", acts).with(|world| {
        world.answer = AnswerAs::Text { max_chars: 1000 };
        world.chain = Box::new(|chain| chain.retry.same_target = 0);
    });
    let run = world.start();
    let (mut witness, said) = Witness::of(run);
    world.drive(&mut witness);
    said.take()
}

#[test]
fn an_answer_is_told_and_an_error_as_the_upstream_wrote_it() {
    let answer = said(&[ok(3)]);
    assert!(
        answer.answer.as_ref().is_some_and(|text| !text.is_empty()),
        "{answer:?}"
    );
    assert_eq!(answer.error, None);
    let check =
        |status: u16, headers: Vec<(&'static str, &'static str)>, body: Value, expected: (&str, &str, Option<&str>)| {
            let failed = said(&[Act::Error { status, headers, body }]);
            let (code, message, request_id) = expected;
            let expected = ErrorAnswer {
                status,
                code: code.to_owned(),
                message: message.to_owned(),
                request_id: request_id.map(str::to_owned),
            };
            assert_eq!((failed.answer, failed.error), (None, Some(expected)));
        };
    check(
        404,
        vec![("x-request-id", "up-1")],
        json!({"error": {"message": "No such model.", "type": "invalid_request_error", "code": "model_not_found"}}),
        ("model_not_found", "No such model.", Some("up-1")),
    );
    check(
        529,
        vec![("request-id", "up-2")],
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        ("overloaded_error", "Overloaded", Some("up-2")),
    );
    check(400, vec![], json!({"reason": "odd"}), ("", r#"{"reason":"odd"}"#, None));
    check(
        401,
        vec![],
        json!({"error": {"message": "Incorrect API key provided: secret-p-k1."}}),
        ("", "Incorrect API key provided: [credential].", None),
    );
}
