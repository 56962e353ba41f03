//! Errors inside streams, answers that are none, and mistakes of the caller.

use super::acts::{Act, Mishap, answer, error, mishap, ok, text};
use super::world::{World, target};
use crate::route::health::FailureClass;
use crate::run::report::Outcome;
use serde_json::json;

const OVERLOADED_EVENT: &str =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";

#[test]
fn an_error_before_content_is_a_silent_fallback() {
    let early = mishap(20, 0, Mishap::Event(OVERLOADED_EVENT.to_owned()));
    for stream in [true, false] {
        let story = World::pf()
            .act("p", [early.clone()])
            .act("f", [ok(20)])
            .streaming(stream)
            .request();
        story.assert_answer(&text(20));
        assert_eq!(story.report.attempts[0].class.unwrap().as_str(), "overloaded");
        assert!(!story.body.contains("Overloaded"));
        let roles = story.body.matches("\"role\":\"assistant\"").count();
        assert_eq!(roles, 1, "one beginning");
    }
}

#[test]
fn an_error_before_content_without_a_fallback_is_an_http_status() {
    let early = mishap(20, 0, Mishap::Event(OVERLOADED_EVENT.to_owned()));
    let story = World::new(vec![target("p")]).act("p", [early.clone()]).request();
    assert_eq!((story.status(), story.error_code().as_str()), (503, "overloaded"));
    assert!(story.header("retry-after").is_some());
    assert!(!story.head.unwrap().stream);
    let story = World::pf().act("p", [early.clone()]).act("f", [early]).request();
    assert_eq!(story.status(), 503);
    assert!(!story.body.contains("data:"), "no event was sent");
}

#[test]
fn a_2xx_that_is_no_answer_keeps_its_status() {
    for status in [200, 202, 204, 206] {
        let act = Act::Error {
            status,
            headers: Vec::new(),
            body: json!(null),
        };
        for stream in [true, false] {
            let story = World::new(vec![target("p")])
                .act("p", [act.clone()])
                .streaming(stream)
                .request();
            let attempts = story.report.attempts.iter();
            let told: Vec<_> = attempts
                .map(|attempt| (attempt.status, attempt.class.map(FailureClass::as_str)))
                .collect();
            assert_eq!(told, [(Some(status), Some("bad_response")); 2]);
            assert_eq!(story.status(), 502);
            assert!(story.body.contains(&format!("\"status\":{status}")), "{}", story.body);
        }
    }
}

#[test]
fn what_is_no_answer_is_tried_once_more_and_then_elsewhere() {
    let raw = |content_type, body: serde_json::Value| Act::Raw {
        content_type,
        body: body.as_str().map_or_else(|| body.to_string(), str::to_owned),
    };
    let cases = [
        raw("text/html", json!("<html><body>It works!</body></html>")),
        raw(
            "application/json",
            json!({"error": {"message": "Something went wrong", "type": "server_error"}}),
        ),
        raw("application/json", json!({"id": "x", "choices": []})),
        raw("application/json", json!({"id": "x", "object": "chat.completion"})),
        raw("application/json", json!("{\"id\":\"chatcmpl-1\",\"choices\":[{\"mess")),
        raw("application/json", json!("")),
        raw("text/event-stream", json!("")),
        raw("text/event-stream", json!("data: [DONE]\n\n")),
        raw(
            "text/event-stream",
            json!("data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n"),
        ),
        raw(
            "text/event-stream",
            json!("data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}]}\n\n"),
        ),
    ];
    for act in cases {
        for stream in [true, false] {
            let story = World::pf()
                .act("p", [act.clone()])
                .act("f", [ok(20)])
                .streaming(stream)
                .request();
            story.assert_answer(&text(20));
            assert_eq!(story.path(), "p/k1 p/k1 f/k1", "{act:?}");
            let story = World::new(vec![target("p")])
                .act("p", [act.clone(), ok(20)])
                .streaming(stream)
                .request();
            story.assert_answer(&text(20));
            let story = World::new(vec![target("p")])
                .act("p", [act.clone()])
                .streaming(stream)
                .request();
            assert_eq!(
                (story.status(), story.error_code().as_str()),
                (502, "upstream_error"),
                "{act:?}"
            );
        }
    }
}

#[test]
fn a_whole_answer_to_a_streaming_caller_becomes_events() {
    let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "x", "choices": [{"index": 0, "finish_reason": "tool_calls",
        "message": {"role": "assistant", "content": "hi", "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}});
    let act = Act::Raw {
        content_type: "application/json",
        body: body.to_string(),
    };
    let story = World::new(vec![target("p")]).act("p", [act]).request();
    story.assert_answer("hi");
    let first = &story.events()[0];
    assert_eq!(first["object"], "chat.completion.chunk");
    assert_eq!(first["choices"][0]["delta"]["tool_calls"][0]["index"], 0);
    assert_eq!(first["choices"][0]["finish_reason"], "tool_calls");
    assert!(!story.body.contains("usage"));
    assert_eq!(story.report.attempts[0].usage.unwrap().output_tokens, 2);
}

#[test]
fn mistakes_of_the_caller_come_back_unchanged() {
    let cases = [
        (
            400,
            "Invalid 'messages[0].role': expected one of 'system', 'user'.",
            "invalid_value",
        ),
        (422, "messages: field required", ""),
        (413, "Maximum request body size exceeded.", ""),
        (
            400,
            "Your request was rejected as a result of our safety system.",
            "content_policy_violation",
        ),
    ];
    for (status, message, code) in cases {
        for stream in [true, false] {
            let mut world = World::new(vec![target("p")])
                .act("p", [error(status, message, code)])
                .streaming(stream);
            let story = world.request();
            assert_eq!(story.status(), status);
            assert_eq!(story.json()["error"]["message"], message);
            assert_eq!(story.json()["error"]["code"], code);
            assert_eq!(story.header("content-type"), Some("application/json"));
            assert_eq!(story.calls.len(), 1);
            assert_eq!(story.report.outcome, Outcome::Failed);
            // Nothing cools.
            assert_eq!(world.health.entries(), 0);
        }
    }
}

#[test]
fn a_mistake_falls_back_only_when_the_route_says_so() {
    let act = error(400, "Invalid 'messages'", "invalid_value");
    let world = || World::pf().act("p", [act.clone()]).act("f", [ok(20)]);
    assert_eq!(world().request().path(), "p/k1");
    let mut opted_in = world();
    opted_in.chain = Box::new(|chain| chain.fallback_on.invalid_request = true);
    let story = opted_in.request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "p/k1 f/k1");
}

#[test]
fn an_upstream_cannot_show_our_secrets() {
    let act = error(
        400,
        "Bad request with Authorization: Bearer secret-p-k1 in it",
        "invalid_value",
    );
    let story = World::new(vec![target("p")]).act("p", [act]).request();
    assert_eq!(story.status(), 400);
    assert!(
        !story.body.contains("secret-p-k1") && story.body.contains("[redacted]"),
        "{}",
        story.body
    );
}

#[test]
fn a_refused_parameter_is_renamed_and_remembered() {
    let refused = error(
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "unsupported_parameter",
    );
    let mut world = World::pf().act("p", [refused.clone(), ok(20)]).act("f", [ok(20)]);
    world.body["max_tokens"] = json!(50);
    let story = world.request();
    story.assert_answer(&text(20));
    assert_eq!(story.path(), "p/k1 p/k1");
    assert_eq!(
        (
            &story.calls[1].2["max_completion_tokens"],
            &story.calls[1].2["max_tokens"]
        ),
        (&json!(50), &json!(null))
    );
    // The next request is spelled right at once.
    let story = world.request();
    assert_eq!(story.path(), "p/k1");
    assert_eq!(story.calls[0].2["max_completion_tokens"], 50);
    // Refused again: the caller sees it.
    let story = World::pf()
        .act("p", [refused])
        .with(|world| world.body["max_tokens"] = json!(50))
        .request();
    assert_eq!((story.status(), story.path().as_str()), (400, "p/k1 p/k1"));
    assert_eq!(story.error_code(), "unsupported_parameter");
}

#[test]
fn a_refused_parameter_that_matters_is_not_dropped() {
    let refused = error(
        400,
        "Unsupported parameter: 'tools' is not supported with this model.",
        "unsupported_parameter",
    );
    let story = World::pf().act("p", [refused]).act("f", [ok(20)]).request();
    assert_eq!((story.status(), story.path().as_str()), (400, "p/k1"));
}

#[test]
fn usage_is_stripped_unless_asked_for() {
    let story = World::pf().act("p", [ok(20)]).request();
    assert!(!story.body.contains("usage"), "{}", story.body);
    assert_eq!(story.calls[0].2["stream_options"]["include_usage"], true);
    assert_eq!(story.report.attempts[0].usage.unwrap().output_tokens, 20);
    let mut world = World::pf().act("p", [ok(20)]);
    world.body["stream_options"] = json!({"include_usage": true});
    let story = world.request();
    assert_eq!(story.events().last().unwrap()["usage"]["completion_tokens"], 20);
}

#[test]
fn a_single_target_gets_the_callers_own_body() {
    let story = World::new(vec![target("p")])
        .act("p", [ok(20)])
        .streaming(false)
        .request();
    story.assert_answer(&text(20));
    assert_eq!(story.calls[0].2["stream"], false, "nothing but the model is changed");
    assert_eq!(story.json()["object"], "chat.completion");
    let story = World::pf().act("p", [ok(20)]).streaming(false).request();
    assert_eq!(
        story.calls[0].2["stream"], true,
        "with a fallback a silent upstream must be noticed in time"
    );
    assert_eq!(story.json()["usage"]["completion_tokens"], 20);
}

#[test]
fn tool_calls_survive_both_ways() {
    let act = Act::Answer(super::acts::Answer {
        tools: true,
        ..answer(0)
    });
    let story = World::pf().act("p", [act.clone()]).request();
    assert!(story.done());
    let arguments: String = story
        .events()
        .iter()
        .filter_map(|event| {
            event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(arguments, "{\"x\":1}");
    let story = World::pf().act("p", [act]).streaming(false).request();
    assert_eq!(
        story.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
        "{\"x\":1}"
    );
    assert_eq!(story.json()["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn only_another_provider_helps_against_a_data_policy() {
    let act = error(404, "No endpoints found matching your data policy.", "");
    let story = World::pf().act("p", [act.clone()]).act("f", [ok(20)]).request();
    assert_eq!(story.path(), "p/k1 f/k1");
    let story = World::new(vec![target("p")]).act("p", [act]).request();
    assert_eq!((story.status(), story.error_code().as_str()), (404, "model_not_found"));
}

fn choice(index: u32, delta: &serde_json::Value, finish: Option<&str>) -> String {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}]});
    format!("data: {chunk}\n\n")
}

#[test]
fn an_answer_of_several_choices_is_whole_when_each_has_ended() {
    let words = choice(0, &json!({"content": "a"}), None) + &choice(1, &json!({"content": "b"}), None);
    let end = |index| choice(index, &json!({}), Some("stop"));
    let done = "data: [DONE]\n\n".to_owned();
    for (name, stream, whole) in [
        ("both ended", words.clone() + &end(0) + &end(1), true),
        (
            "the upstream says that it is done",
            words.clone() + &end(0) + &done,
            true,
        ),
        ("the second never ended", words.clone() + &end(0), false),
        ("the first never ended", words.clone() + &end(1), false),
        (
            "an upstream that knows no `n`",
            choice(0, &json!({"content": "a"}), None) + &end(0),
            true,
        ),
    ] {
        let raw = Act::Raw {
            content_type: "text/event-stream",
            body: stream,
        };
        let mut world = World::new(vec![target("p")]).act("p", [raw.clone()]);
        world.body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true, "n": 2});
        let story = world.request();
        assert_eq!(story.done(), whole, "{name}: {}", story.body);
        assert_eq!(story.body.contains("\"error\""), !whole, "{name}");
        // The caller that wants one body gets none that lacks the end of a choice.
        let mut world = World::new(vec![target("p"), target("f")])
            .act("p", [raw])
            .act("f", [ok(20)]);
        world.body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "n": 2});
        let story = world.request();
        assert_eq!(story.status(), 200);
        assert_eq!(story.path().contains("f/k1"), !whole, "{name}: {}", story.path());
    }
}

#[test]
fn bodies_that_say_nothing_are_no_answers() {
    for (body, answers) in [
        (r#"{"choices":[{}]}"#.to_owned(), false),
        (
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":null}}]}"#.to_owned(),
            false,
        ),
        (
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"length"}]}"#
                .to_owned(),
            true,
        ),
        (
            r#"{"choices":[{"index":0,"message":{"content":"x"}}]}"#.to_owned(),
            true,
        ),
        (
            "\u{feff}{\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}"
                .to_owned(),
            true,
        ),
    ] {
        let raw = Act::Raw {
            content_type: "application/json",
            body: body.clone(),
        };
        let story = World::pf()
            .act("p", [raw])
            .act("f", [ok(20)])
            .streaming(false)
            .request();
        assert_eq!(story.path() == "p/k1", answers, "{body}: {}", story.path());
        assert!(!story.body.starts_with('\u{feff}'));
    }
}

#[test]
fn an_answer_that_the_provider_keeps_is_asked_of_it_once() {
    for stream in [true, false] {
        let mut world = World::pf()
            .act("p", [error(500, "broken", ""), ok(20)])
            .act("f", [ok(20)])
            .streaming(stream);
        world.body["store"] = json!(true);
        let story = world.request();
        story.assert_answer(&text(20));
        assert_eq!(story.path(), "p/k1 f/k1");
    }
    // Nor is a cut one asked of the same provider again.
    let mut world = World::new(vec![target("p")]).act("p", [mishap(60, 40, Mishap::Reset), ok(60)]);
    world.body["store"] = json!(true);
    let story = world.request();
    assert_eq!(
        (story.path().as_str(), story.report.outcome),
        ("p/k1", Outcome::FailedInStream)
    );
    let mut world = World::pf().act("p", [error(500, "broken", ""), ok(20)]);
    world.body["store"] = json!(false);
    assert_eq!(world.request().path(), "p/k1 p/k1");
}

#[test]
fn a_whole_answer_that_a_filter_emptied_falls_back_when_the_route_wants_it() {
    let body =
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":null},"finish_reason":"content_filter"}]}"#;
    for wanted in [true, false] {
        let raw = Act::Raw {
            content_type: "application/json",
            body: body.to_owned(),
        };
        let mut world = World::pf().act("p", [raw]).act("f", [ok(20)]).streaming(false);
        world.chain = Box::new(move |chain| chain.fallback_on.content_policy = wanted);
        let story = world.request();
        assert_eq!(story.path().contains("f/k1"), wanted, "{}", story.path());
    }
}
