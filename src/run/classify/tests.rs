//! Tables of classes and hints beyond the fixtures of `tests/core/upstream_fixtures.rs`.

use super::FailureClass as C;
use super::*;
use proptest::prelude::*;
use serde_json::json;

const NOW: Millis = Millis(1_795_197_570_000);

fn circumstances(estimated: u64) -> Circumstances {
    Circumstances {
        estimated_input_tokens: estimated,
        window: Some(200_000),
        on_larger_tier: false,
        refuses_long_ones: false,
        now: NOW,
    }
}

fn http(status: u16, headers: &[(&str, &str)], body: &str, estimated: u64) -> Verdict {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let symptom = Symptom::Http {
        status,
        headers: &headers,
        body: body.as_bytes(),
    };
    classify(&symptom, &circumstances(estimated))
}

#[test]
fn hints_in_their_order() {
    let check = |headers: &[(&str, &str)], body: serde_json::Value, expected: Option<u64>| {
        let verdict = http(429, headers, &body.to_string(), 0);
        assert_eq!(verdict.hint, expected.map(Millis), "{headers:?} {body}");
    };
    let none = json!({"error": {"message": "slow down"}});
    let said = |text: &str| json!({"error": {"message": text}});
    check(&[], none.clone(), None);
    check(&[("retry-after-ms", "150")], none.clone(), Some(250));
    check(
        &[("retry-after", "Fri, 20 Nov 2026 18:00:00 GMT")],
        none.clone(),
        Some(30_000),
    );
    check(
        &[
            ("retry-after-ms", "150"),
            ("retry-after", "Fri, 20 Nov 2026 18:00:00 GMT"),
        ],
        none.clone(),
        Some(250),
    );
    check(
        &[("x-ms-retry-after-ms", "1500"), ("retry-after", "9")],
        none.clone(),
        Some(1_500),
    );
    check(&[("retry-after", "1.5")], none.clone(), Some(1_500));
    check(&[("retry-after", "soon")], none.clone(), None);
    check(&[("retry-after", "-1")], none.clone(), None);
    check(
        &[("retry-after", "99999999999")],
        none.clone(),
        Some(7 * 24 * 3_600_000),
    );
    check(
        &[("retry-after", "999999999999999999999")],
        none.clone(),
        Some(7 * 24 * 3_600_000),
    );
    check(&[("retry-after", "nan")], none.clone(), None);
    check(
        &[("retry-after", "Fri, 20 Nov 2015 18:00:00 GMT")],
        none.clone(),
        Some(250),
    );
    check(&[], json!({"error": {"message": "m", "retry_after": 3}}), Some(3_000));
    check(&[], json!({"retry_after_ms": 3500, "error": {}}), Some(3_500));
    check(&[], json!({"error": {"resets_in_seconds": 60}}), Some(60_000));
    check(&[], json!({"error": {"resets_at": NOW.0 + 5_000}}), Some(5_000));
    check(&[], json!({"error": {"resets_at": NOW.0 / 1000 + 7}}), Some(7_000));
    check(
        &[],
        json!({"error": {"reset_at": "2026-11-20T18:00:00Z"}}),
        Some(30_000),
    );
    check(&[], said("Please try again in 6m0s."), Some(360_000));
    check(&[], said("Please try again in 644ms. Visit"), Some(644));
    check(&[], said("Please retry after 2 seconds."), Some(2_000));
    check(&[], said("Please retry after 30."), Some(30_000));
    check(&[], said("retry in 1h2m3.4s"), Some(3_723_400));
    check(&[], said("try again in a while"), None);
    check(
        &[
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "1m3s"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "20ms"),
        ],
        none.clone(),
        Some(63_000),
    );
    check(
        &[
            ("x-ratelimit-remaining-tokens", "7"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ],
        none.clone(),
        None,
    );
    check(
        &[
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-20T17:59:42Z"),
        ],
        none,
        Some(12_000),
    );
}

#[test]
fn classes_that_fixtures_do_not_show() {
    let check = |status: u16, message: &str, code: &str, estimated: u64, expected: FailureClass| {
        let body = json!({"error": {"message": message, "code": code}}).to_string();
        assert_eq!(
            http(status, &[], &body, estimated).class,
            expected,
            "{status} {message}"
        );
    };
    // The words of the long-context limit on a short request mean a passing limit.
    check(
        429,
        "Extra usage is required for long context requests.",
        "",
        23_000,
        C::RateLimit,
    );
    check(
        429,
        "Extra usage is required for long context requests.",
        "",
        190_000,
        C::LongContext429,
    );
    check(
        429,
        "Rate limit: Limit 30000 tokens per min",
        "",
        60_000,
        C::LongContext429,
    );
    check(429, "Rate limit: Limit 30000 tokens per min", "", 1_000, C::RateLimit);
    check(429, "Rate limit: Limit 50 requests per min", "", 60_000, C::RateLimit);
    check(402, "Payment Required", "", 0, C::Billing);
    check(400, "Your credit balance is too low", "", 0, C::Billing);
    check(403, "Key limit exceeded (total limit)", "", 0, C::Billing);
    check(500, "upstream is overloaded", "", 0, C::Overloaded);
    check(401, "rate limit", "", 0, C::Auth);
    check(403, "rate limit", "", 0, C::Entitlement);
    check(
        400,
        "The security token included in the request is expired",
        "",
        0,
        C::Auth,
    );
    check(
        400,
        "'temperature' is not supported with this model",
        "",
        0,
        C::UnsupportedParam,
    );
    check(422, "extra inputs are not permitted", "", 0, C::UnsupportedParam);
    check(413, "too many tokens in the request", "", 0, C::ContextOverflow);
    check(
        400,
        "Input image exceeds 20 MB: image too large",
        "",
        0,
        C::PayloadTooLarge,
    );
    check(
        404,
        "No endpoints found matching your data policy",
        "",
        0,
        C::ProviderPolicy,
    );
    check(404, "Not Found", "", 0, C::ServerError);
    check(408, "", "", 0, C::ServerError);
    check(409, "conflict", "", 0, C::ServerError);
    check(415, "", "", 0, C::InvalidRequest);
    check(599, "", "", 0, C::ServerError);
    check(418, "teapot", "", 0, C::Unknown);
    // A proxy's page says nothing about the request.
    assert_eq!(
        http(500, &[], "<html>rate limit, overloaded, context window</html>", 0).class,
        C::ServerError
    );
    assert_eq!(
        http(400, &[], "plain text: prompt is too long", 0).class,
        C::ContextOverflow
    );
    assert_eq!(http(429, &[("retry-after", "1000")], "{}", 0).class, C::QuotaWindow);
    assert_eq!(
        http(400, &[], "[{\"error\":{\"message\":\"API key not valid\"}}]", 0).class,
        C::Auth
    );
    assert_eq!(
        http(
            422,
            &[],
            "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\"}]}",
            0
        )
        .class,
        C::InvalidRequest
    );
    assert!(http(500, &[("x-should-retry", "false")], "{}", 0).retry_forbidden);
}

#[test]
fn a_400_without_a_word_is_no_verdict_about_the_request() {
    // Rule 19 wants a body; without one it is unknown what is wrong.
    for (body, class) in [
        ("", C::Unknown),
        (" \n", C::Unknown),
        ("<html>400 Bad Request</html>", C::Unknown),
        ("{}", C::InvalidRequest),
        ("bad", C::InvalidRequest),
    ] {
        assert_eq!(http(400, &[], body, 0).class, class, "{body}");
    }
}

#[test]
fn errors_inside_streams_go_through_the_same_rules() {
    let check = |code: &str, kind: &str, message: &str, expected: FailureClass| {
        let error = EmbeddedError {
            code: code.to_owned(),
            kind: kind.to_owned(),
            message: message.to_owned(),
            ..EmbeddedError::default()
        };
        assert_eq!(
            classify(&Symptom::Embedded(&error), &circumstances(0)).class,
            expected,
            "{code} {kind} {message}"
        );
    };
    check("", "overloaded_error", "Overloaded", C::Overloaded);
    check("rate_limit_exceeded", "requests", "Rate limit reached", C::RateLimit);
    check("server_error", "", "Provider disconnected", C::ServerError);
    check("", "api_error", "Internal server error", C::ServerError);
    check("", "authentication_error", "invalid x-api-key", C::Auth);
    check(
        "context_length_exceeded",
        "invalid_request_error",
        "too long",
        C::ContextOverflow,
    );
    check("content_filter", "", "", C::ContentPolicy);
    check("", "", "", C::ServerError);
    check("429", "", "", C::RateLimit);
}

#[test]
fn what_happens_below_http() {
    let check = |symptom: Symptom<'_>, expected: FailureClass| {
        assert_eq!(classify(&symptom, &circumstances(0)).class, expected);
    };
    check(Symptom::Transport(TransportFault::Dns), C::Dns);
    check(Symptom::Transport(TransportFault::Connect), C::Connect);
    check(Symptom::Transport(TransportFault::Reset), C::Reset);
    check(Symptom::Transport(TransportFault::Tls), C::TlsCert);
    check(Symptom::Transport(TransportFault::Refused), C::BadResponse);
    check(Symptom::HeadersTimeout, C::HeadersTimeout);
    check(Symptom::FirstTokenTimeout, C::FirstTokenTimeout);
    check(Symptom::Stalled, C::StallTimeout);
    check(Symptom::Cut, C::StreamCut);
    check(Symptom::NoAnswer { body: b"<html>" }, C::BadResponse);
    check(
        Symptom::NoAnswer {
            body: b"{\"error\":{\"message\":\"x\",\"code\":429}}",
        },
        C::RateLimit,
    );
    check(
        Symptom::NoAnswer {
            body: b"{\"error\":\"model is loading\"}",
        },
        C::BadResponse,
    );
}

#[test]
fn parameters_and_their_replacements() {
    let check = |message: &str, name: &str, instead: Option<&str>| {
        let body = json!({"error": {"message": message, "code": "unsupported_parameter"}}).to_string();
        let param = http(400, &[], &body, 0).param.unwrap();
        assert_eq!(
            (param.name.as_str(), param.instead.as_deref()),
            (name, instead),
            "{message}"
        );
    };
    check(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "max_tokens",
        Some("max_completion_tokens"),
    );
    check("Unrecognized request argument supplied: logit_bias", "logit_bias", None);
    check("Unknown parameter: 'a.b'.", "a", None);
    check(
        "Unsupported value: 'temperature' does not support 0.2",
        "temperature",
        None,
    );
}

proptest! {
    #[test]
    fn any_answer_has_a_class(status in 0u16..1000, name in "[a-z-]{0,30}", value in "\\PC{0,30}", body in proptest::collection::vec(any::<u8>(), 0..300), estimated in any::<u64>()) {
        let headers = [(name, value.clone()), ("retry-after".to_owned(), value)];
        let verdict = classify(&Symptom::Http { status, headers: &headers, body: &body }, &circumstances(estimated));
        prop_assert!(verdict.hint.is_none_or(|hint| (250..=7 * 24 * 3_600_000).contains(&hint.0)));
    }

    #[test]
    fn any_json_is_survived(message in "\\PC{0,200}", depth in 0usize..12) {
        let mut body = json!({"message": message, "code": 429});
        for _ in 0..depth { body = json!({"error": body, "metadata": {"raw": body.to_string()}, "details": [body]}); if body.to_string().len() > 20_000 { break } }
        let facts = ErrorFacts::read(body.to_string().as_bytes());
        prop_assert!(facts.message.len() <= 8 * 1024 + 64);
    }
}

#[test]
fn a_429_without_a_reason_is_explained_by_what_came_before() {
    type Headers<'a> = &'a [(&'a str, &'a str)];
    // (status, headers, message, other requests tell, class, suspected)
    let retry: Headers<'_> = &[("retry-after", "2")];
    let empty: Headers<'_> = &[
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "1s"),
    ];
    let none: Headers<'_> = &[];
    let cases = [
        (429, none, "slow down", true, C::LongContext429, true),
        (429, none, "slow down", false, C::RateLimit, false),
        (429, retry, "slow down", true, C::RateLimit, false),
        (429, empty, "slow down", true, C::RateLimit, false),
        (429, none, "try again in 3s", true, C::RateLimit, false),
        (
            429,
            &[],
            "The service is temporarily overloaded.",
            true,
            C::Overloaded,
            false,
        ),
        (429, none, "insufficient_quota", true, C::Billing, false),
    ];
    for (status, headers, message, refuses_long_ones, class, suspected) in cases {
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let body = json!({"error": {"message": message, "code": message}}).to_string();
        let symptom = Symptom::Http {
            status,
            headers: &headers,
            body: body.as_bytes(),
        };
        let circumstances = Circumstances {
            refuses_long_ones,
            ..circumstances(50_000)
        };
        let verdict = classify(&symptom, &circumstances);
        assert_eq!((verdict.class, verdict.suspected), (class, suspected), "{message}");
    }
}
