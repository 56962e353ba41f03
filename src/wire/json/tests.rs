//! The scanner against `serde_json`, and edits against the same edits on a tree.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

fn accepts(text: &[u8]) -> bool {
    let mut cursor = Cursor::new(text);
    cursor.skip().and_then(|_| cursor.end()).is_ok()
}

fn walk(text: &[u8]) -> Result<(), JsonError> {
    fn value(cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        match cursor.kind()? {
            Kind::Object => {
                cursor.object()?;
                while cursor.key()?.is_some() {
                    value(cursor)?;
                }
                Ok(())
            }
            Kind::Array => {
                cursor.array()?;
                while cursor.item()? {
                    value(cursor)?;
                }
                Ok(())
            }
            Kind::String => cursor.string().map(drop),
            Kind::Bool => cursor.boolean().map(drop),
            _ => cursor.skip().map(drop),
        }
    }
    let mut cursor = Cursor::new(text);
    value(&mut cursor)?;
    cursor.end()
}

#[test]
fn errors_name_line_and_column() {
    fn check(text: &str, expected: (u32, u32), reason: &str) {
        let fault = scan(text.as_bytes()).expect_err(text);
        assert_eq!(
            (position(text.as_bytes(), fault.at), fault.reason),
            (expected, reason),
            "{text}"
        );
    }
    check("", (1, 1), "expected an object");
    check("  []", (1, 3), "expected an object");
    check("{\"a\":1", (1, 7), "expected `,` or `}`");
    check("{\n \"a\": tru }", (2, 7), "expected `true`, `false` or `null`");
    check("{\n\n  \"ä\": 01}", (3, 9), "a number begins with a superfluous zero");
    check("{\"a\":1,}", (1, 8), "expected a member name in double quotes");
    check("{,}", (1, 2), "expected a member name in double quotes");
    check("{\"a\" 1}", (1, 6), "expected `:`");
    check("{\"a\":[1,]}", (1, 9), "expected a value");
    check("{\"a\":[,]}", (1, 7), "expected a value");
    check("{\"a\":{\"b\":1]}", (1, 12), "expected `,` or `}`");
    check(
        "{\"a\":\"x\ny\"}",
        (1, 8),
        "a control character must be escaped in a string",
    );
    check("{\"a\":\"\\x\"}", (1, 8), "unknown escape in a string");
    check(
        "{\"a\":\"\\u12g4\"}",
        (1, 11),
        "expected four hexadecimal digits after `\\u`",
    );
    check("{\"a\":\"abc", (1, 10), "the text ends inside a string");
    check("{} x", (1, 4), "expected the end of the text");
    check("{\"a\":", (1, 6), "the text ends where a value should begin");
}

#[test]
fn strings_must_be_utf8() {
    let fault = scan(b"{\"a\":\"long enough to fill a word \xff\"}").expect_err("not UTF-8");
    assert_eq!((fault.at, fault.reason), (33, "a string is not UTF-8"));
}

#[test]
fn nesting_is_bounded_alike_on_both_ways_of_reading() {
    for (depth, fits) in [(127, true), (128, true), (129, false), (100_000, false)] {
        let arrays = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let objects = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert_eq!(accepts(arrays.as_bytes()), fits, "arrays {depth}");
        assert_eq!(accepts(objects.as_bytes()), fits, "objects {depth}");
        assert_eq!(scan(objects.as_bytes()).is_ok(), fits, "scan {depth}");
        if depth < 1000 {
            assert_eq!(walk(arrays.as_bytes()).is_ok(), fits, "walk {depth}");
        }
    }
}

#[test]
fn strings_are_counted_by_meaning() {
    fn check(literal: &str, meaning: &str, ascii: u64, wide: u64) {
        let mut cursor = Cursor::new(literal.as_bytes());
        let text = cursor.string().expect(literal);
        assert_eq!(
            (cursor.decode(&text).as_ref(), text.ascii, text.wide),
            (meaning, ascii, wide),
            "{literal}"
        );
    }
    check("\"\"", "", 0, 0);
    check("\"hello world, sixteen+\"", "hello world, sixteen+", 21, 0);
    check("\"größer als acht Bytes\"", "größer als acht Bytes", 19, 2);
    check("\"日本語テキスト\"", "日本語テキスト", 0, 7);
    check("\"a\\n\\\"b\\u0041\"", "a\n\"bA", 5, 0);
    check("\"\\ud83d\\ude00!\"", "😀!", 1, 1);
    check("\"\\ud83d!\"", "\u{fffd}!", 1, 1);
    check("\"\\ud83d\\u0041\"", "\u{fffd}A", 1, 1);
    check("\"\\ude00\"", "\u{fffd}", 0, 0);
}

#[test]
fn numbers_are_read_whole_or_not_at_all() {
    for (text, expected) in [
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("1e3", Some(1000)),
        ("12.0", Some(12)),
        ("12.5", None),
        ("-1", None),
        ("1e300", None),
    ] {
        assert_eq!(number_u64(text.as_bytes(), &(0..text.len())), expected, "{text}");
    }
}

#[test]
fn edits_touch_only_what_they_name() {
    fn check(body: &str, edits: &[Edit], expected: &str) {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let fields = scan(&bytes).expect(body);
        assert_eq!(rewrite(&bytes, &fields, edits), expected.as_bytes(), "{body} {edits:?}");
    }
    let set = |name: &str, value: &str| Edit::Set(name.to_owned(), value.to_owned());
    let remove = |name: &str| Edit::Remove(name.to_owned());
    let rename = |from: &str, to: &str| Edit::Rename(from.to_owned(), to.to_owned());
    let body = "{ \"a\" : 1 ,\n \"b\":[ 2 ], \"c\":\"x\" }";
    check(body, &[], body);
    check(body, &[set("a", "7")], "{ \"a\" : 7 ,\n \"b\":[ 2 ], \"c\":\"x\" }");
    check(body, &[remove("a")], "{ \"b\":[ 2 ], \"c\":\"x\" }");
    check(body, &[remove("b")], "{ \"a\" : 1, \"c\":\"x\" }");
    check(body, &[remove("c")], "{ \"a\" : 1 ,\n \"b\":[ 2 ] }");
    check(body, &[remove("a"), remove("b")], "{ \"c\":\"x\" }");
    check(body, &[remove("a"), remove("c")], "{ \"b\":[ 2 ] }");
    check(body, &[remove("b"), remove("c")], "{ \"a\" : 1 }");
    check(body, &[remove("a"), remove("b"), remove("c")], "{  }");
    check(
        body,
        &[remove("a"), remove("b"), remove("c"), set("d", "null")],
        "{ \"d\":null }",
    );
    check(
        body,
        &[remove("c"), set("d", "{}")],
        "{ \"a\" : 1 ,\n \"b\":[ 2 ],\"d\":{} }",
    );
    check("{}", &[set("d", "1"), set("e", "2")], "{\"d\":1,\"e\":2}");
    check("{}", &[set("d", "1"), set("d", "2")], "{\"d\":2}");
    check("{\"a\":1,\"a\":2}", &[set("a", "3")], "{\"a\":3,\"a\":3}");
    check("{\"a\":1,\"b\":0,\"a\":2}", &[remove("a")], "{\"b\":0}");
    check("{\"\\u0061\":1}", &[set("a", "3")], "{\"\\u0061\":3}");
    check(body, &[rename("a", "z")], "{ \"z\" : 1 ,\n \"b\":[ 2 ], \"c\":\"x\" }");
    check(body, &[rename("a", "b")], "{ \"b\":[ 2 ], \"c\":\"x\" }");
    check(
        body,
        &[set("a", "7"), rename("a", "z")],
        "{ \"z\" : 7 ,\n \"b\":[ 2 ], \"c\":\"x\" }",
    );
    check("{\"k\":1}", &[set("a", "7"), rename("a", "z")], "{\"k\":1,\"z\":7}");
}

#[test]
fn nothing_to_do_copies_nothing() {
    let body = Bytes::from_static(b"{\"model\":\"m\"}");
    let fields = scan(&body).expect("valid");
    let same = rewrite(
        &body,
        &fields,
        &[Edit::Set("model".into(), "\"m\"".into()), Edit::Remove("x".into())],
    );
    assert_eq!(same.as_ptr(), body.as_ptr());
}

/// Any JSON value, small, with awkward names and strings.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        ".{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-e\"\\\\é]{0,3}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[a-f]{1,2}", json(), 0..8).prop_map(|members| members.into_iter().collect())
}

fn edit() -> impl Strategy<Value = (String, Option<Value>)> {
    ("[a-f]{1,2}", prop::option::of(json()))
}

proptest! {
    #[test]
    fn valid_text_is_accepted_and_places_are_exact(value in object(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.expect("writable");
        let fields = scan(&text).expect("valid");
        prop_assert!(walk(&text).is_ok());
        prop_assert_eq!(fields.len(), value.len());
        for field in &fields {
            let read: Value = serde_json::from_slice(&text[field.value.clone()]).expect("a value");
            prop_assert_eq!(&read, &value[&field.name]);
            let member = format!("{{{}}}", std::str::from_utf8(&text[field.member.clone()]).expect("text"));
            prop_assert!(serde_json::from_str::<Map<String, Value>>(&member).expect("a member").contains_key(&field.name));
        }
    }

    #[test]
    fn damaged_text_is_judged_as_serde_json_judges_it(
        value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut text = serde_json::to_vec(&value).expect("writable");
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        // `IgnoredAny` does not look at UTF-8 inside strings; we do.
        let expected = std::str::from_utf8(&text).is_ok() && serde_json::from_slice::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(accepts(&text), expected, "{:?}", String::from_utf8_lossy(&text));
        prop_assert_eq!(walk(&text).is_ok(), expected, "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn json_like_noise_never_panics(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\utrfalsn \n]{0,60}") {
        let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(accepts(text.as_bytes()), expected);
        prop_assert_eq!(walk(text.as_bytes()).is_ok(), expected);
    }

    #[test]
    fn strings_survive_quoting_and_reading(text in any::<String>()) {
        let literal = quote(&text);
        prop_assert_eq!(&serde_json::from_str::<String>(&literal).expect("a literal"), &text);
        let escaped = serde_json::to_string(&text).expect("writable");
        for spelled in [literal, escaped] {
            let mut cursor = Cursor::new(spelled.as_bytes());
            let read = cursor.string().expect("a string");
            prop_assert_eq!(cursor.decode(&read), text.as_str());
            prop_assert_eq!(read.ascii, text.chars().filter(char::is_ascii).count() as u64);
            prop_assert_eq!(read.wide, text.chars().filter(|c| !c.is_ascii()).count() as u64);
        }
    }

    #[test]
    fn rewriting_means_the_same_edits_on_a_tree(value in object(), edits in prop::collection::vec(edit(), 0..4)) {
        let body = Bytes::from(serde_json::to_vec(&value).expect("writable"));
        let fields = scan(&body).expect("valid");
        let mut expected = value;
        let mut list = Vec::new();
        for (name, change) in &edits {
            if let Some(value) = change {
                expected.insert(name.clone(), value.clone());
                list.push(Edit::Set(name.clone(), value.to_string()));
            } else {
                expected.remove(name);
                list.push(Edit::Remove(name.clone()));
            }
        }
        let written = rewrite(&body, &fields, &list);
        prop_assert_eq!(serde_json::from_slice::<Map<String, Value>>(&written).expect("still JSON"), expected);
    }
}
