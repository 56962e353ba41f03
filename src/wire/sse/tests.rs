//! Events come out the same however the stream is cut, and their raw bytes are the stream.

use super::*;
use proptest::prelude::*;

type Seen = (Option<String>, Option<String>);

/// All events of a stream that is cut at `cuts`, and their raw bytes joined.
fn decode(stream: &[u8], cuts: &[usize]) -> (Vec<Seen>, Vec<u8>) {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([stream.len()]) {
        decoder.feed(Bytes::copy_from_slice(&stream[at..cut]));
        at = cut;
        while let Some(event) = decoder.next().expect("small events") {
            events.push(event);
        }
    }
    let raw = events.iter().flat_map(|event| event.raw.to_vec()).collect();
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    (
        events
            .iter()
            .map(|event| (event.name.clone(), event.data.as_ref().map(text)))
            .collect(),
        raw,
    )
}

fn seen(events: &[(&str, &str)]) -> Vec<Seen> {
    let some = |text: &str| (text != "-").then(|| text.to_owned());
    events.iter().map(|(name, data)| (some(name), some(data))).collect()
}

#[test]
fn streams_become_events() {
    fn check(stream: &str, expected: &[(&str, &str)]) {
        let (events, raw) = decode(stream.as_bytes(), &[]);
        assert_eq!(events, seen(expected), "{stream:?}");
        assert!(stream.as_bytes().starts_with(&raw), "{stream:?}");
        // Byte by byte the same. An empty line feed of a cut CRLF may stand alone.
        let (events, bytewise) = decode(stream.as_bytes(), &(1..stream.len()).collect::<Vec<_>>());
        assert_eq!(events, seen(expected), "bytewise {stream:?}");
        assert!(stream.as_bytes().starts_with(&bytewise), "bytewise {stream:?}");
    }
    check("data: a\n\n", &[("-", "a")]);
    check("data: a\r\n\r\ndata:b\r\n\r\n", &[("-", "a"), ("-", "b")]);
    check("data: a\r\rdata: b\r\r", &[("-", "a"), ("-", "b")]);
    check("data: a\n\r\ndata: b\r\n\n", &[("-", "a"), ("-", "b")]);
    check("event: x\ndata: a\ndata: b\n\n", &[("x", "a\nb")]);
    check("data\n\n", &[("-", "")]);
    check("data:\n\n", &[("-", "")]);
    check("data:  two\n\n", &[("-", " two")]);
    check("data: a:b\n\n", &[("-", "a:b")]);
    check(": ping\n\ndata: a\n\n", &[("-", "-"), ("-", "a")]);
    check("id: 7\nretry: 10\ndata: a\nunknown: x\n\n", &[("-", "a")]);
    check("\n\ndata: a\n\n", &[("-", "-"), ("-", "-"), ("-", "a")]);
    check("\u{feff}data: a\n\n", &[("-", "a")]);
    check("data: a\n\n\u{feff}data: b\n\n", &[("-", "a"), ("-", "-")]);
    check("event:\ndata: a\n\n", &[("-", "a")]);
    check("data: cut", &[]);
    check("data: größe 😀\n\n", &[("-", "größe 😀")]);
}

#[test]
fn a_forgotten_blank_line_is_supplied() {
    fn check(stream: &str, expected: Option<(&str, &str)>) {
        let mut decoder = Decoder::default();
        decoder.feed(Bytes::copy_from_slice(stream.as_bytes()));
        while decoder.next().expect("small").is_some() {}
        let last = decoder.finish();
        let got = last
            .as_ref()
            .map(|event| (event.data.as_deref().unwrap_or(b"-"), event.raw.as_ref()));
        assert_eq!(
            got,
            expected.map(|(data, raw)| (data.as_bytes(), raw.as_bytes())),
            "{stream:?}"
        );
    }
    check("", None);
    check("data: a\n\n", None);
    check("data: [DONE]", Some(("[DONE]", "data: [DONE]\n\n")));
    check("data: a\n\ndata: [DONE]\n", Some(("[DONE]", "data: [DONE]\n\n")));
    check("data: a\r", Some(("a", "data: a\r\n\n")));
    check(": c", Some(("-", ": c\n\n")));
}

#[test]
fn whole_events_in_a_chunk_are_not_copied() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
    let mut decoder = Decoder::default();
    decoder.feed(chunk.clone());
    let first = decoder.next().expect("small").expect("complete");
    assert_eq!(first.raw.as_ptr(), chunk.as_ptr());
}

#[test]
fn events_are_bounded() {
    let mut decoder = Decoder::new(16);
    decoder.feed(Bytes::from_static(b"data: 12345678\n\n"));
    assert!(decoder.next().expect("16 bytes fit").is_some());
    decoder.feed(Bytes::from_static(b"data: 1234567890"));
    assert_eq!(decoder.next(), Ok(None));
    decoder.feed(Bytes::from_static(b"1"));
    assert_eq!(decoder.next(), Err(SseError::EventTooLarge { limit: 16 }));
    let mut decoder = Decoder::new(16);
    decoder.feed(Bytes::from_static(b"data: 1234567890\n\n"));
    assert_eq!(decoder.next(), Err(SseError::EventTooLarge { limit: 16 }));
}

/// What the standard's line-by-line algorithm makes of a whole stream.
fn reference(stream: &str) -> Vec<Seen> {
    let text = stream
        .strip_prefix('\u{feff}')
        .unwrap_or(stream)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut events = Vec::new();
    let (mut name, mut data) = (None, None::<String>);
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop();
    for line in lines {
        if line.is_empty() {
            events.push((name.take().filter(|name: &String| !name.is_empty()), data.take()));
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data = Some(data.map_or(value.to_owned(), |data| data + "\n" + value)),
            "event" => name = Some(value.to_owned()),
            _ => {}
        }
    }
    events
}

fn stream() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n\n".to_owned()),
        Just("data: ".to_owned()),
        Just("data:".to_owned()),
        Just("event: ".to_owned()),
        Just(": ".to_owned()),
        Just("\u{feff}".to_owned()),
        "[a-zé😀:]{0,6}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_events(stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let bytes = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let (events, raw) = decode(bytes, &cuts);
        // A trailing CR line end is only known to be one when the next byte is there, so the last event may still be pending.
        let expected = reference(&stream);
        let missing = expected.len() - events.len();
        prop_assert!(missing <= usize::from(stream.ends_with('\r')), "{:?}", &stream);
        prop_assert_eq!(&events[..], &expected[..events.len()]);
        prop_assert!(bytes.starts_with(&raw));
    }
}
