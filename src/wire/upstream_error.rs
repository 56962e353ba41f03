//! Errors of upstreams in the shapes they come in: OpenAI, Anthropic, Google, relays with numeric codes, model servers with bare strings.

use super::event::EmbeddedError;
use super::json::{self, Cursor, Kind};
use super::object_view::ObjectView;
use std::ops::Range;

/// Bytes of an error object that are kept for classification.
pub const MAX_BODY: usize = 64 * 1024;

/// Reads `bytes`, a whole JSON text, as an error: `{"error": …}`, `{"type":"error", …}`, `{"object":"error", …}`, `{"detail": …}`, or
/// a list that begins with one of these. `None`: it is JSON that reports no failure, or no JSON.
pub fn read(bytes: &[u8]) -> Option<EmbeddedError> {
    let mut cursor = Cursor::new(bytes);
    if cursor.kind().ok()? == Kind::Array {
        cursor.array().ok()?;
        if !cursor.item().ok()? {
            return None;
        }
        cursor.kind().ok()?;
    }
    let at = cursor.offset();
    let value = cursor.skip().ok()?;
    let fields = json::scan_object(bytes, &(at..value.end)).ok()?;
    let top = ObjectView::top(bytes, &fields);
    if let Some(error) = top.value("error").filter(|error| error.kind != Kind::Bool) {
        return Some(object(bytes, &error.range));
    }
    let word = |name: &str| top.string(name).ok().flatten();
    let is_error = word("type").as_deref() == Some("error") || word("object").as_deref() == Some("error");
    if is_error || (top.has("detail") && !top.has("choices") && !top.has("data")) {
        return Some(object(bytes, &value));
    }
    None
}

/// Reads the value of an `error` member, whatever it is.
pub(crate) fn object(bytes: &[u8], value: &Range<usize>) -> EmbeddedError {
    let body = bytes
        .get(value.start..value.end.min(value.start.saturating_add(MAX_BODY)))
        .unwrap_or_default()
        .to_vec();
    let Ok(fields) = json::scan_object(bytes, value) else {
        let mut cursor = Cursor::at(bytes, value.start);
        let message = cursor
            .string()
            .map(|text| cursor.decode(&text).into_owned())
            .unwrap_or_default();
        return EmbeddedError {
            message,
            body,
            ..EmbeddedError::default()
        };
    };
    let view = ObjectView::top(bytes, &fields);
    if let Some(inner) = view.value("error").filter(|inner| inner.kind == Kind::Object) {
        return EmbeddedError {
            body,
            ..object(bytes, &inner.range)
        };
    }
    let word = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| view.string(name).ok().flatten())
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default()
    };
    let number = |name: &str| {
        let value = view.value(name)?;
        let number = match value.kind {
            Kind::String => value.string().ok()?.parse().ok()?,
            _ => value.whole(0..=u64::from(u16::MAX)).ok()?,
        };
        u16::try_from(number).ok().filter(|status| (400..600).contains(status))
    };
    let status = ["code", "status", "status_code"].iter().find_map(|name| number(name));
    let mut code = word(&["code"]);
    if code.is_empty() {
        code = status.map(|status| status.to_string()).unwrap_or_default();
    }
    EmbeddedError {
        code,
        kind: word(&["type", "status"]),
        message: word(&["message", "detail", "msg"]),
        status,
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_errors() {
        fn check(json: &str, expected: Option<(&str, &str, &str, Option<u16>)>) {
            let error = read(json.as_bytes());
            let got = error
                .as_ref()
                .map(|e| (e.code.as_str(), e.kind.as_str(), e.message.as_str(), e.status));
            assert_eq!(got, expected, "{json}");
        }
        check(
            "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"c\"}}",
            Some(("c", "t", "m", None)),
        );
        check(
            "{\"error\":{\"message\":\"m\",\"code\":429}}",
            Some(("429", "", "m", Some(429))),
        );
        check(
            "{\"error\":{\"message\":\"m\",\"code\":\"503\"}}",
            Some(("503", "", "m", Some(503))),
        );
        check(
            "{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"INVALID_ARGUMENT\"}}",
            Some(("400", "INVALID_ARGUMENT", "m", Some(400))),
        );
        check(
            "[{\"error\":{\"code\":429,\"message\":\"m\"}}]",
            Some(("429", "", "m", Some(429))),
        );
        check(
            "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}",
            Some(("", "overloaded_error", "m", None)),
        );
        check(
            "{\"object\":\"error\",\"message\":\"m\",\"type\":\"NotFoundError\",\"code\":404}",
            Some(("404", "NotFoundError", "m", Some(404))),
        );
        check(
            "{\"error\":\"model is loading\"}",
            Some(("", "", "model is loading", None)),
        );
        check("{\"detail\":\"Not Found\"}", Some(("", "", "Not Found", None)));
        check("{\"error\":{\"error\":{\"message\":\"m\"}}}", Some(("", "", "m", None)));
        check("{\"error\":7}", Some(("", "", "", None)));
        check("{\"error\":null,\"choices\":[]}", None);
        check("{\"error\":false}", None);
        check("{\"choices\":[]}", None);
        check("[]", None);
        check("<html>", None);
    }
}
