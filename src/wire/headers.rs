//! What headers say, in and out. Header names are lower case; `get` gives a request's header by name.

use super::call::{SessionHint, SessionSource};
use super::session;

/// Longest header value that is looked at, bytes.
pub const MAX_HEADER_VALUE: usize = 8 * 1024;

/// Headers that may carry a caller's key, in order.
pub const KEY_HEADERS: [&str; 4] = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];

/// Headers that name a session, strongest first.
const SESSION_HEADERS: [&str; 6] = [
    "x-clawrouter-session-id",
    "x-session-id",
    "session-id",
    "session_id",
    "thread-id",
    "x-claude-code-session-id",
];

/// Tells how many routers a request has come through since a fusion asked, so that fusions that name each other end.
pub const DEPTH: &str = "x-clawrouter-depth";

/// Headers of an upstream's response that a caller must not see: hop-by-hop ones, those that the platform writes anew, those that
/// speak about us instead of the caller, and those that could set state in a browser.
const DROPPED_RESPONSE_HEADERS: [&str; 31] = [
    "accept-ranges",
    "age",
    "alt-svc",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "date",
    "keep-alive",
    "nel",
    "openai-organization",
    "openai-project",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "report-to",
    "reporting-endpoints",
    "retry-after",
    "server",
    "server-timing",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-powered-by",
    "x-request-id",
];

/// And every header that begins so.
const DROPPED_RESPONSE_PREFIXES: [&str; 7] = [
    "access-control-",
    "anthropic-ratelimit-",
    "anthropic-organization",
    "cf-",
    "x-clawrouter-",
    "x-envoy-",
    "x-ratelimit-",
];

/// The keys that a request presents, in the order in which they are tried.
pub fn presented_keys(get: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut keys = Vec::new();
    for name in KEY_HEADERS {
        let Some(value) = get(name).filter(|value| value.len() <= MAX_HEADER_VALUE) else {
            continue;
        };
        let key = if name == "authorization" {
            bearer(&value)
        } else {
            Some(value.trim())
        };
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            keys.push(key.to_owned());
        }
    }
    keys
}

/// The token of an `Authorization: Bearer` value; the scheme in any case.
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The session of a request: the strongest of what its body and its headers name.
pub fn session(body: Option<&SessionHint>, get: impl Fn(&str) -> Option<String>) -> Option<SessionHint> {
    if let Some(hint) = body.filter(|hint| hint.source == SessionSource::Body) {
        return Some(hint.clone());
    }
    let named = SESSION_HEADERS.iter().find_map(|name| {
        let value = get(name).filter(|value| value.len() <= MAX_HEADER_VALUE)?;
        session::named(&value, SessionSource::Header)
    });
    named.or_else(|| body.cloned())
}

/// What [`DEPTH`] says; 0 when it is absent, and 1 when it is no number: somebody did ask.
pub fn depth(value: Option<&str>) -> u32 {
    value.map_or(0, |value| value.trim().parse().unwrap_or(1))
}

/// May this text be a request id?
pub fn is_request_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._~:/@+=-".contains(&b))
}

/// A request id from random bytes.
pub fn request_id(random: [u8; 16]) -> String {
    format!("req_{}", session::hex(&random))
}

/// Does a header of an upstream's response go on to the caller? `name` is lower case.
pub fn passes_to_caller(name: &str) -> bool {
    !DROPPED_RESPONSE_HEADERS.contains(&name)
        && !DROPPED_RESPONSE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// W3C trace context of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// 32 lower-case hex digits, not all zero.
    pub trace_id: String,
    /// 16 lower-case hex digits, not all zero: the span that called.
    pub parent_id: String,
    /// Flags; bit 0: sampled.
    pub flags: u8,
}

impl TraceParent {
    /// Parses a `traceparent` value; `None` when it is not a valid one, and then it is not forwarded.
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let mut fields = value.split('-');
        let (version, trace_id, parent_id, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let named = |text: &str| text.bytes().any(|b| b != b'0');
        // Version 00 has four fields; later versions may have more.
        let valid = hex(version, 2)
            && version != "ff"
            && (version != "00" || fields.next().is_none())
            && hex(trace_id, 32)
            && hex(parent_id, 16)
            && hex(flags, 2)
            && named(trace_id)
            && named(parent_id);
        valid.then(|| Self {
            trace_id: trace_id.to_owned(),
            parent_id: parent_id.to_owned(),
            flags: u8::from_str_radix(flags, 16).unwrap_or_default(),
        })
    }

    /// The value for one upstream call: its span follows from the request and the call, so that repeating a decision repeats it.
    pub fn of_call(&self, request_id: &str, call: u32) -> String {
        let digest = session::sha256(format!("{call}\n{request_id}").as_bytes());
        let mut span = [0; 8];
        for (to, from) in span.iter_mut().zip(digest) {
            *to = from;
        }
        self.forward(span)
    }

    /// The value to send on: the same trace, with the router's own span as the parent.
    pub fn forward(&self, span: [u8; 8]) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, session::hex(&span), self.flags & 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers<'h>(list: &'h [(&'h str, &'h str)]) -> impl Fn(&str) -> Option<String> + 'h {
        |name| {
            list.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn depth_counts_routers() {
        for (value, expected) in [
            (None, 0),
            (Some("0"), 0),
            (Some(" 3 "), 3),
            (Some("many"), 1),
            (Some("-1"), 1),
            (Some("99999999999999"), 1),
        ] {
            assert_eq!(depth(value), expected, "{value:?}");
        }
    }

    #[test]
    fn keys_come_in_order() {
        fn check(list: &[(&str, &str)], expected: &[&str]) {
            assert_eq!(presented_keys(headers(list)), expected, "{list:?}");
        }
        check(&[], &[]);
        check(&[("authorization", "Bearer  k1 ")], &["k1"]);
        check(&[("authorization", "bearer k1"), ("x-api-key", "k2")], &["k1", "k2"]);
        check(&[("authorization", "Basic abc"), ("api-key", " k4 ")], &["k4"]);
        check(&[("x-goog-api-key", "k3"), ("x-api-key", "k2")], &["k2", "k3"]);
        check(&[("authorization", "k1"), ("x-api-key", " ")], &[]);
        let long = "k".repeat(MAX_HEADER_VALUE + 1);
        check(&[("x-api-key", &long)], &[]);
    }

    #[test]
    fn the_strongest_session_wins() {
        fn check(body: Option<(&str, SessionSource)>, list: &[(&str, &str)], expected: Option<&str>) {
            let hint = body.map(|(id, source)| SessionHint {
                id: id.to_owned(),
                source,
            });
            let got = session(hint.as_ref(), headers(list));
            assert_eq!(got.as_ref().map(|hint| hint.id.as_str()), expected, "{body:?} {list:?}");
        }
        let all = [
            ("x-claude-code-session-id", "cc"),
            ("session-id", "s"),
            ("x-session-id", "x"),
            ("x-clawrouter-session-id", "own"),
        ];
        check(Some(("b", SessionSource::Body)), &all, Some("b"));
        check(Some(("u", SessionSource::UserId)), &all, Some("own"));
        check(None, &all[..3], Some("x"));
        check(Some(("p", SessionSource::PromptCacheKey)), &all[..2], Some("s"));
        check(Some(("p", SessionSource::PromptCacheKey)), &all[..1], Some("cc"));
        check(
            Some(("p", SessionSource::PromptCacheKey)),
            &[("x-session-id", "  ")],
            Some("p"),
        );
        check(Some(("i", SessionSource::Implicit)), &[("thread-id", "t")], Some("t"));
        check(None, &[], None);
    }

    #[test]
    fn request_ids_are_judged() {
        for (text, expected) in [
            ("a", true),
            ("req_1:2/3@4+5=6-7.8~9", true),
            ("", false),
            ("two words", false),
            ("<script>", false),
            ("zwölf", false),
            (&"a".repeat(128), true),
            (&"a".repeat(129), false),
        ] {
            assert_eq!(is_request_id(text), expected, "{text}");
        }
        assert_eq!(request_id([0xAB; 16]), format!("req_{}", "ab".repeat(16)));
    }

    #[test]
    fn upstream_headers_are_filtered() {
        for (name, expected) in [
            ("content-type", true),
            ("openai-processing-ms", true),
            ("openai-version", true),
            ("x-my-header", true),
            ("set-cookie", false),
            ("server", false),
            ("transfer-encoding", false),
            ("content-length", false),
            ("content-encoding", false),
            ("cf-ray", false),
            ("x-ratelimit-remaining-requests", false),
            ("openai-organization", false),
            ("x-clawrouter-target", false),
            ("access-control-allow-origin", false),
            ("retry-after", false),
        ] {
            assert_eq!(passes_to_caller(name), expected, "{name}");
        }
    }

    #[test]
    fn trace_parents_are_judged() {
        fn check(value: &str, valid: bool) {
            assert_eq!(TraceParent::parse(value).is_some(), valid, "{value}");
        }
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        check(&format!("00-{trace}-{span}-01"), true);
        check(&format!("00-{trace}-{span}-01-x"), false);
        check(&format!("cc-{trace}-{span}-01-x"), true);
        check(&format!("ff-{trace}-{span}-01"), false);
        check(&format!("00-{}-{span}-01", "0".repeat(32)), false);
        check(&format!("00-{trace}-{}-01", "0".repeat(16)), false);
        check(&format!("00-{}-{span}-01", trace.to_uppercase()), false);
        check("", false);
        let parsed = TraceParent::parse(&format!("00-{trace}-{span}-03")).expect("valid");
        assert_eq!(parsed.forward([0x11; 8]), format!("00-{trace}-{}-01", "11".repeat(8)));
    }

    #[test]
    fn every_call_has_a_span_of_its_own_in_the_same_trace() {
        let parent = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").expect("valid");
        let values: Vec<String> = [("req_1", 0), ("req_1", 1), ("req_2", 0)]
            .into_iter()
            .map(|(id, call)| parent.of_call(id, call))
            .collect();
        for value in &values {
            let sent = TraceParent::parse(value).expect("valid");
            assert_eq!((&sent.trace_id, sent.flags), (&parent.trace_id, 1));
            assert_ne!(sent.parent_id, parent.parent_id);
            assert_eq!(values.iter().filter(|other| *other == value).count(), 1);
        }
        assert_eq!(parent.of_call("req_1", 0), values[0]);
    }

    proptest! {
        #[test]
        fn a_generated_id_is_an_id(random in any::<[u8; 16]>()) {
            prop_assert!(is_request_id(&request_id(random)));
        }

        #[test]
        fn trace_parents_never_panic(value in ".{0,80}") {
            if let Some(parsed) = TraceParent::parse(&value) {
                prop_assert!(TraceParent::parse(&parsed.forward([1; 8])).is_some());
            }
        }
    }
}
