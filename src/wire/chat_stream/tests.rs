//! What chunks of many providers say.

use super::*;
use crate::wire::event::Usage;
use proptest::prelude::*;

fn chunk(json: &str) -> Result<ChatChunk, MalformedChunk> {
    decode(&SseEvent {
        raw: Bytes::new(),
        name: None,
        data: Some(Bytes::copy_from_slice(json.as_bytes())),
    })
}

fn text(text: &str) -> StreamEvent {
    StreamEvent::Text {
        choice: 0,
        text: text.to_owned(),
    }
}

fn reasoning(text: &str) -> StreamEvent {
    StreamEvent::Reasoning {
        choice: 0,
        text: text.to_owned(),
    }
}

fn tool(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> StreamEvent {
    let owned = |text: &str| text.to_owned();
    StreamEvent::Tool {
        choice: 0,
        index,
        id: id.map(owned),
        name: name.map(owned),
        arguments: owned(arguments),
    }
}

fn finish(reason: FinishReason) -> StreamEvent {
    StreamEvent::Finish { choice: 0, reason }
}

#[test]
fn deltas_are_read() {
    fn check(delta: &str, expected: &[StreamEvent]) {
        let json = format!("{{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}");
        assert_eq!(chunk(&json).expect(delta).events, expected, "{delta}");
    }
    check("{\"role\":\"assistant\"}", &[StreamEvent::Begin]);
    check(
        "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}",
        &[StreamEvent::Begin],
    );
    check("{}", &[StreamEvent::Begin]);
    check("{\"content\":\"hi\"}", &[text("hi")]);
    check("{\"role\":\"assistant\",\"content\":\"h\\u00e9\"}", &[text("hé")]);
    check("{\"content\":\"\\ud83d\"}", &[text("\u{fffd}")]);
    check(
        "{\"refusal\":\"no\"}",
        &[StreamEvent::Refusal {
            choice: 0,
            text: "no".to_owned(),
        }],
    );
    check("{\"reasoning\":\"r\"}", &[reasoning("r")]);
    check("{\"reasoning_content\":\"r\",\"content\":null}", &[reasoning("r")]);
    check("{\"reasoning\":\"r\",\"reasoning_content\":\"r\"}", &[reasoning("r")]);
    check(
        "{\"reasoning\":\"r\",\"reasoning_details\":[{\"type\":\"reasoning.text\"}]}",
        &[reasoning("r")],
    );
    check(
        "{\"content\":\"\",\"reasoning_details\":[{\"type\":\"reasoning.encrypted\"}]}",
        &[StreamEvent::Other],
    );
    check("{\"content\":\"\",\"reasoning_details\":[]}", &[StreamEvent::Begin]);
    check("{\"audio\":{\"id\":\"a\",\"data\":\"AA\"}}", &[StreamEvent::Other]);
    check(
        "{\"content\":\"x\",\"images\":[{\"type\":\"image_url\"}]}",
        &[text("x"), StreamEvent::Other],
    );
    check(
        "{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"thinking\",\"thinking\":[]}]}",
        &[text("a"), StreamEvent::Other],
    );
    check(
        "{\"provider_specific_fields\":{\"a\":1},\"role\":\"assistant\"}",
        &[StreamEvent::Begin],
    );
    check(
        "{\"tool_calls\":[{\"index\":1,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}",
        &[tool(1, Some("c1"), Some("f"), "")],
    );
    check(
        "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\\\"a\"}}]}",
        &[tool(1, None, None, "{\"a")],
    );
    check(
        "{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\"}},{\"id\":\"b\",\"function\":{\"name\":\"g\"}}]}",
        &[tool(0, Some("a"), Some("f"), ""), tool(1, Some("b"), Some("g"), "")],
    );
    check(
        "{\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}}",
        &[tool(0, None, Some("f"), "{}")],
    );
}

#[test]
fn chunks_are_read() {
    fn check(json: &str, expected: &[StreamEvent], usage_only: bool) {
        assert_eq!(
            chunk(json).expect(json),
            ChatChunk {
                events: expected.to_vec(),
                usage_only
            },
            "{json}"
        );
    }
    let usage = StreamEvent::Usage(Usage {
        input_tokens: 3,
        output_tokens: 2,
        ..Usage::default()
    });
    let counts = "{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}";
    check(
        &format!("{{\"choices\":[],\"usage\":{counts}}}"),
        std::slice::from_ref(&usage),
        true,
    );
    check(&format!("{{\"usage\":{counts}}}"), std::slice::from_ref(&usage), true);
    check(
        &format!("{{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":{counts}}}"),
        &[finish(FinishReason::Stop), usage.clone()],
        false,
    );
    check(
        &format!("{{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"length\"}}],\"x_groq\":{{\"usage\":{counts}}}}}"),
        &[finish(FinishReason::Length), usage],
        false,
    );
    check(
        "{\"choices\":[],\"prompt_filter_results\":[]}",
        &[StreamEvent::Begin],
        false,
    );
    check(
        "{\"choices\":[{\"delta\":{\"content\":\"b\"},\"index\":2}]}",
        &[StreamEvent::Text {
            choice: 2,
            text: "b".to_owned(),
        }],
        false,
    );
    check(
        "{\"choices\":[{\"text\":\"legacy\",\"index\":0}]}",
        &[text("legacy")],
        false,
    );
    check(
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"\"}]}",
        &[StreamEvent::Begin],
        false,
    );
    for (word, reason) in [
        ("tool_calls", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
        ("error", FinishReason::Error),
        ("weird", FinishReason::Other("weird".to_owned())),
    ] {
        check(
            &format!("{{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{word}\"}}]}}"),
            &[finish(reason)],
            false,
        );
    }
}

#[test]
fn failures_inside_a_200_are_seen() {
    fn check(event: &str, expected: (&str, &str, Option<u16>)) {
        let mut decoder = crate::wire::sse::Decoder::default();
        decoder.feed(Bytes::copy_from_slice(event.as_bytes()));
        let event = decoder.next().expect("small").expect("whole");
        let chunk = decode(&event).expect("JSON");
        let error = chunk.events.iter().find_map(|event| match event {
            StreamEvent::Error(error) => Some((error.code.as_str(), error.message.as_str(), error.status)),
            _ => None,
        });
        assert_eq!(error, Some(expected), "{event:?}");
        assert!(!chunk.usage_only);
    }
    check(
        "data: {\"error\":{\"code\":\"server_error\",\"message\":\"m\"}}\n\n",
        ("server_error", "m", None),
    );
    check(
        "data: {\"error\":{\"code\":502,\"message\":\"m\",\"metadata\":{\"raw\":\"x\"}},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
        ("502", "m", Some(502)),
    );
    check(
        "data: {\"choices\":[{\"delta\":{},\"error\":{\"code\":429,\"message\":\"m\"}}]}\n\n",
        ("429", "m", Some(429)),
    );
    check(
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n",
        ("", "m", None),
    );
    check(
        "event: error\ndata: {\"message\":\"m\",\"code\":\"c\"}\n\n",
        ("c", "m", None),
    );
    check("event: error\ndata: broken text\n\n", ("", "", None));
    check(
        "data: {\"object\":\"error\",\"message\":\"m\",\"code\":400}\n\n",
        ("400", "m", Some(400)),
    );
    check("data: {\"detail\":\"m\"}\n\n", ("", "m", None));
}

#[test]
fn the_whole_error_is_kept_for_classification() {
    let chunk = chunk("{\"error\":{\"message\":\"m\",\"metadata\":{\"raw\":\"deep\"}}}").expect("JSON");
    let [StreamEvent::Error(error)] = chunk.events.as_slice() else {
        panic!("{chunk:?}")
    };
    assert_eq!(error.body, b"{\"message\":\"m\",\"metadata\":{\"raw\":\"deep\"}}");
}

#[test]
fn ends_pings_and_noise() {
    let event = |data: Option<&'static str>| SseEvent {
        raw: Bytes::new(),
        name: None,
        data: data.map(Bytes::from),
    };
    assert_eq!(decode(&event(None)).expect("a ping").events, [StreamEvent::Ping]);
    assert_eq!(
        decode(&event(Some("[DONE]"))).expect("done").events,
        [StreamEvent::Done]
    );
    assert_eq!(
        decode(&event(Some(" [DONE] "))).expect("done").events,
        [StreamEvent::Done]
    );
    for noise in [
        "",
        "hello",
        "[1]",
        "7",
        "{\"choices\":[{\"delta\":{\"content\":\"cu",
        "{\"choices\":[]}x",
        "<html>",
    ] {
        assert_eq!(chunk(noise), Err(MalformedChunk), "{noise}");
    }
}

#[test]
fn identities_are_read_and_replaced() {
    let data = Bytes::from_static(
        b"{\"id\":\"x\",\"created\":5,\"model\":\"n\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"z\":1e1}",
    );
    assert_eq!(
        identity(&data),
        Some(ChunkIdentity {
            id: "x".to_owned(),
            model: "n".to_owned(),
            created: 5
        })
    );
    let own = ChunkIdentity {
        id: "first".to_owned(),
        model: "m".to_owned(),
        created: 1,
    };
    assert_eq!(
        with_identity(&data, &own).expect("JSON").as_ref(),
        b"data: {\"id\":\"first\",\"created\":1,\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"z\":1e1}\n\n"
    );
    assert_eq!(with_identity(&Bytes::from_static(b"nope"), &own), None);
}

proptest! {
    #[test]
    fn damaged_chunks_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut data = b"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"tool_calls\":[{\"index\":1,\"function\":{\"name\":\"f\"}}]},\
            \"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1},\"error\":{\"code\":429,\"message\":\"m\"}}".to_vec();
        let at = at.index(data.len());
        if cut { data.truncate(at) } else { data[at] = byte }
        if let Ok(chunk) = decode(&SseEvent { raw: Bytes::new(), name: None, data: Some(Bytes::from(data)) }) {
            prop_assert!(!chunk.events.is_empty());
        }
    }
}

#[test]
fn the_end_of_a_stream_is_told_apart() {
    fn check(events: &str, expected: Option<(&str, &str)>) {
        let apart = split_done(&Bytes::copy_from_slice(events.as_bytes()));
        let apart = apart.map(|(before, done)| {
            (
                String::from_utf8(before.to_vec()).unwrap(),
                String::from_utf8(done.to_vec()).unwrap(),
            )
        });
        assert_eq!(
            apart,
            expected.map(|(before, done)| (before.to_owned(), done.to_owned())),
            "{events:?}"
        );
    }
    check("data: [DONE]\n\n", Some(("", "data: [DONE]\n\n")));
    check(
        "data: {}\n\ndata: [DONE]\n\n",
        Some(("data: {}\n\n", "data: [DONE]\n\n")),
    );
    check("data: {}\r\n\r\ndata:[DONE]", Some(("data: {}\r\n\r\n", "data:[DONE]")));
    check("data: {}\n\n", None);
    check("event: end\ndata: [DONE]\n\n", None);
    check("data: {\"x\":\"data: [DONE]\"}\n\n", None);
    check("", None);
}
