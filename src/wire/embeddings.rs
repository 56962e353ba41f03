//! `POST /v1/embeddings`: the body becomes a [`Call`]; inputs are counted, not copied.

use super::call::{Call, CallKind, Limits, Needs, SizeHints};
use super::chat::model;
use super::controls;
use super::conversation::Conversation;
use super::error::WireError;
use super::json::{self, Cursor, Kind};
use super::object_view::{ObjectView, ValueView};
use bytes::Bytes;

/// Parses the body of an embeddings request.
///
/// # Errors
/// Every [`WireError`]; each names the field and what it must be.
pub fn parse(body: Bytes, limits: &Limits) -> Result<Call, WireError> {
    if body.len() as u64 > limits.max_body_bytes {
        return Err(WireError::TooLarge {
            limit: limits.max_body_bytes,
        });
    }
    let fields = json::scan(&body).map_err(|fault| WireError::json(&body, fault))?;
    let top = ObjectView::top(&body, &fields);
    let model = model(&top)?;
    let input = top.value("input").ok_or_else(|| WireError::field("input", MUST))?;
    let size = sizes(&body, &input, limits)?;
    top.string("encoding_format")?;
    top.whole("dimensions", 1..=u64::from(u32::MAX))?;
    let controls = controls::read(&top, &model)?;
    Ok(Call {
        kind: CallKind::Embeddings,
        model,
        stream: false,
        include_usage: false,
        max_output_tokens: None,
        choices: 1,
        needs: Needs::default(),
        conversation: Conversation::default(),
        size,
        continues_tool_loop: false,
        session: None,
        controls,
        fields,
        body,
    })
}

const MUST: &str = "must be a string, a list of strings, a list of tokens or a list of such lists";

/// A token id is one token, which is what a character outside ASCII is estimated at.
fn sizes(body: &[u8], input: &ValueView<'_>, limits: &Limits) -> Result<SizeHints, WireError> {
    let mut size = SizeHints::default();
    let count = |at: usize, size: &mut SizeHints| {
        if let Ok(text) = Cursor::at(body, at).string() {
            size.add_text(&text);
        }
    };
    match input.kind {
        Kind::String => {
            count(input.range.start, &mut size);
            size.messages = 1;
        }
        Kind::Array => {
            let sort = first_kind(body, input.range.start);
            if sort == Some(Kind::Number) {
                size.wide_chars = tokens(body, input)?;
                size.messages = 1;
                return Ok(size);
            }
            let items = input.items(limits.max_messages)?;
            for item in &items {
                match item.kind {
                    Kind::String => count(item.range.start, &mut size),
                    Kind::Array => size.wide_chars += tokens(body, item)?,
                    _ => return Err(item.must("must be a string or a list of tokens")),
                }
            }
            if items.is_empty() {
                return Err(input.must(MUST));
            }
            size.messages = u32::try_from(items.len()).unwrap_or(u32::MAX);
        }
        _ => return Err(input.must(MUST)),
    }
    Ok(size)
}

fn first_kind(body: &[u8], at: usize) -> Option<Kind> {
    let mut cursor = Cursor::at(body, at);
    cursor.array().ok()?;
    if cursor.item().ok()? { cursor.kind().ok() } else { None }
}

fn tokens(body: &[u8], list: &ValueView<'_>) -> Result<u64, WireError> {
    let mut cursor = Cursor::at(body, list.range.start);
    let mut count = 0;
    if cursor.array().is_ok() {
        while cursor.item().unwrap_or(false) {
            if cursor.kind() != Ok(Kind::Number) || cursor.skip().is_err() {
                return Err(list.must("must be a list of tokens"));
            }
            count += 1;
        }
    }
    if count == 0 {
        Err(list.must("must be a list of tokens"))
    } else {
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_counted() {
        fn check(input: &str, expected: Result<(u64, u64, u32), &str>) {
            let body = Bytes::from(format!("{{\"model\":\"m\",\"input\":{input}}}"));
            let read = parse(body, &Limits::default());
            let got = read
                .as_ref()
                .map(|call| (call.size.ascii_bytes, call.size.wide_chars, call.size.messages))
                .map_err(ToString::to_string);
            assert_eq!(got, expected.map_err(str::to_owned), "{input}");
        }
        check("\"hällo\"", Ok((4, 1, 1)));
        check("[\"ab\",\"cde\"]", Ok((5, 0, 2)));
        check("[1,2,3]", Ok((0, 3, 1)));
        check("[[1,2],[3]]", Ok((0, 3, 2)));
        let must = format!("`input` {MUST}.");
        check("[]", Err(&must));
        check("7", Err(&must));
        check("null", Err(&must));
        check("[\"a\",7]", Err("`input[1]` must be a string or a list of tokens."));
        check("[1,\"a\"]", Err("`input` must be a list of tokens."));
        check("[[1],[]]", Err("`input[1]` must be a list of tokens."));
    }

    #[test]
    fn bodies_are_judged() {
        fn check(body: &str, expected: &str) {
            let error = parse(Bytes::copy_from_slice(body.as_bytes()), &Limits::default()).expect_err(body);
            assert_eq!(error.to_string(), expected, "{body}");
        }
        check("{\"input\":\"x\"}", &WireError::ModelRequired.to_string());
        check(
            "{\"model\":\"m\",\"input\":\"x\",\"dimensions\":0}",
            "`dimensions` must be a whole number from 1 to 4294967295.",
        );
        check(
            "{\"model\":\"m\" \"input\"}",
            "The body is not valid JSON: expected `,` or `}` (line 1, column 14).",
        );
    }
}
