//! The classification rules as data, in the order in which they are asked. The first rule that matches decides.

use super::QUOTA_WINDOW_HINT;
use super::rule::{Evidence, Rule, Status};
use crate::route::health::FailureClass;

/// The class of the first rule that matches.
pub(super) fn first_match(evidence: &Evidence<'_>) -> FailureClass {
    RULES
        .iter()
        .find(|rule| rule.matches(evidence))
        .map_or(FailureClass::Unknown, |rule| rule.class)
}

/// What an error by status and text is; faults of transport are classified before there is any text.
const RULES: &[Rule] = &[
    Rule {
        codes: &[
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
            "content_policy",
            "safety",
            "prohibited_content",
            "moderation_blocked",
        ],
        phrases: &[
            "content management policy",
            "safety system",
            "content policy",
            "usage policies",
            "flagged by",
            "was flagged",
            "violates our",
            "blocked by the safety",
        ],
        ..Rule::new(
            FailureClass::ContentPolicy,
            Status::Exactly(&[400, 403, 404, 422, 451, 500]),
        )
    },
    Rule {
        pairs: &[("extra usage", "long context")],
        also: Some(long_context_not_spurious),
        ..Rule::new(FailureClass::LongContext429, Status::Exactly(&[429]))
    },
    Rule {
        pairs: &[
            ("long context beta", "not yet available"),
            ("long context beta", "not available"),
            ("long context", "not supported on your"),
        ],
        ..Rule::new(FailureClass::LongContext429, Status::Exactly(&[400, 403, 429]))
    },
    Rule {
        phrases: &["request too large", "requested tokens exceed", "tokens must be reduced"],
        also: Some(requested_exceeds_limit),
        ..Rule::new(FailureClass::LongContext429, Status::Exactly(&[413, 429]))
    },
    Rule {
        also: Some(token_limit_below_estimate),
        unless: &["per day", "insufficient_quota"],
        ..Rule::new(FailureClass::LongContext429, Status::Exactly(&[429]))
    },
    // A 402 that says when it resets is a window, not an empty account.
    Rule {
        phrases: &[
            "usage limit",
            "daily limit",
            "weekly limit",
            "session limit",
            "limit reached",
        ],
        also: Some(|evidence| evidence.hint.is_some()),
        ..Rule::new(FailureClass::QuotaWindow, Status::Exactly(&[402]))
    },
    Rule::new(FailureClass::Billing, Status::Exactly(&[402])),
    Rule {
        codes: &[
            "insufficient_quota",
            "billing_not_active",
            "billing_hard_limit_reached",
            "account_deactivated",
            "insufficient_balance",
            "payment_required",
            "billing_error",
        ],
        phrases: &[
            "credit balance",
            "insufficient credits",
            "insufficient balance",
            "insufficient funds",
            "spending limit",
            "spend limit",
            "billing hard limit",
            "billing not active",
            "account is not active",
            "key limit exceeded",
            "payment required",
            "check your billing details",
            "out of credits",
            "purchase credits",
            "account has been deactivated",
        ],
        ..Rule::new(FailureClass::Billing, Status::Client)
    },
    Rule {
        phrases: &["exceeded your current quota"],
        also: Some(|evidence| !evidence.facts.has_code(&["resource_exhausted"]) && evidence.hint.is_none()),
        ..Rule::new(FailureClass::Billing, Status::Client)
    },
    Rule {
        also: Some(|evidence| evidence.facts.per_day),
        ..Rule::new(FailureClass::QuotaWindow, Status::Exactly(&[403, 429]))
    },
    Rule {
        codes: &["usage_limit_reached", "quota_exceeded"],
        phrases: &[
            "usage limit",
            "daily limit",
            "weekly limit",
            "session limit",
            "monthly limit",
            "daily quota",
            "weekly quota",
        ],
        ..Rule::new(FailureClass::QuotaWindow, Status::Exactly(&[403, 429]))
    },
    Rule {
        also: Some(|evidence| evidence.hint.is_some_and(|hint| hint > QUOTA_WINDOW_HINT)),
        ..Rule::new(FailureClass::QuotaWindow, Status::Exactly(&[429]))
    },
    // Compatible servers wrap it into a 5xx; the rules below take every other 5xx.
    Rule {
        codes: &["context_length_exceeded"],
        phrases: CONTEXT_PHRASES,
        ..Rule::new(FailureClass::ContextOverflow, Status::Exactly(&[500, 502]))
    },
    Rule::new(FailureClass::Overloaded, Status::Exactly(&[503, 529])),
    Rule {
        codes: &["overloaded_error", "engine_overloaded"],
        phrases: &[
            "overloaded",
            "over capacity",
            "at capacity",
            "no capacity",
            "capacity exceeded",
            "server is busy",
        ],
        ..Rule::new(FailureClass::Overloaded, Status::Not(&[400, 401, 403, 404, 413, 422]))
    },
    Rule {
        also: Some(|evidence| evidence.facts.relayed),
        ..Rule::new(FailureClass::UpstreamRateLimit, Status::Exactly(&[429]))
    },
    Rule {
        phrases: &[
            "rate-limited upstream",
            "rate limited upstream",
            "upstream rate limit",
            "exceeded upstream",
        ],
        ..Rule::new(FailureClass::UpstreamRateLimit, Status::Exactly(&[429]))
    },
    Rule::new(FailureClass::RateLimit, Status::Exactly(&[429])),
    Rule {
        codes: &[
            "rate_limit_exceeded",
            "rate_limit_error",
            "too_many_requests",
            "throttlingexception",
            "ratelimitreached",
        ],
        phrases: &["rate limit", "too many requests", "requests too quickly", "throttl"],
        ..Rule::new(FailureClass::RateLimit, Status::Not(&[401, 403]))
    },
    Rule::new(FailureClass::Auth, Status::Exactly(&[401])),
    Rule {
        codes: &[
            "authentication_error",
            "unauthenticated",
            "invalid_api_key",
            "api_key_invalid",
            "expiredtokenexception",
        ],
        phrases: AUTH_PHRASES,
        ..Rule::new(FailureClass::Auth, Status::Exactly(&[400, 403, 407]))
    },
    Rule {
        codes: &["unsupported_country_region_territory", "request_forbidden"],
        phrases: &[
            "unsupported country",
            "country, region, or territory not supported",
            "location is not supported",
            "not available in your",
            "not available on your plan",
            "not available on the current plan",
            "not included in your plan",
            "upgrade your plan",
            "requires a paid",
        ],
        ..Rule::new(FailureClass::Entitlement, Status::Client)
    },
    Rule {
        codes: &["unsupported_parameter", "unsupported_value", "unknown_parameter"],
        phrases: &[
            "unsupported parameter",
            "unsupported value",
            "unknown parameter",
            "unrecognized request argument",
            "unexpected keyword argument",
            "extra inputs are not permitted",
            "is not supported with this model",
            "does not support parameter",
        ],
        unless: &["prefill"],
        ..Rule::new(FailureClass::UnsupportedParam, Status::Exactly(&[400, 422]))
    },
    Rule {
        codes: &["context_length_exceeded", "string_above_max_length"],
        phrases: CONTEXT_PHRASES,
        ..Rule::new(FailureClass::ContextOverflow, Status::Exactly(&[400, 413, 422]))
    },
    Rule {
        phrases: &["token"],
        ..Rule::new(FailureClass::ContextOverflow, Status::Exactly(&[413]))
    },
    Rule::new(FailureClass::PayloadTooLarge, Status::Exactly(&[413])),
    Rule {
        codes: &["request_too_large", "image_too_large"],
        phrases: &[
            "image too large",
            "image exceeds",
            "request entity too large",
            "payload too large",
            "body size exceeded",
            "file too large",
        ],
        ..Rule::new(FailureClass::PayloadTooLarge, Status::Exactly(&[400, 422]))
    },
    Rule {
        phrases: &[
            "no endpoints found matching your data policy",
            "data policy",
            "no allowed providers",
            "no endpoints found that",
        ],
        ..Rule::new(FailureClass::ProviderPolicy, Status::Exactly(&[400, 403, 404]))
    },
    Rule::new(FailureClass::ModelGone, Status::Exactly(&[410])),
    Rule {
        codes: &["model_decommissioned", "model_deprecated"],
        phrases: &[
            "decommissioned",
            "has been retired",
            "has been deprecated and is no longer",
            "been sunset",
            "no longer available",
        ],
        ..Rule::new(FailureClass::ModelGone, Status::Exactly(&[400, 403, 404]))
    },
    Rule {
        codes: &[
            "model_not_found",
            "deploymentnotfound",
            "not_found_error",
            "model_not_available",
            "model_access_denied",
        ],
        phrases: &["model", "deployment", "does not have access", "no endpoints found"],
        ..Rule::new(FailureClass::ModelAccess, Status::Exactly(&[404]))
    },
    Rule {
        codes: &["model_not_found", "model_access_denied", "model_not_available"],
        phrases: &[
            "does not have access to model",
            "do not have access to the model",
            "not have access to it",
        ],
        ..Rule::new(FailureClass::ModelAccess, Status::Exactly(&[400, 403]))
    },
    Rule::new(FailureClass::Entitlement, Status::Exactly(&[403])),
    Rule {
        phrases: &[
            "validation error",
            "field required",
            "invalid_request_error",
            "badrequesterror",
        ],
        ..Rule::new(FailureClass::InvalidRequest, Status::Exactly(&[500, 502]))
    },
    Rule {
        codes: &["badrequesterror", "invalid_request_error"],
        also: Some(|evidence| evidence.facts.has_code(&["400", "422"])),
        ..Rule::new(FailureClass::InvalidRequest, Status::Exactly(&[500, 502]))
    },
    // Without a word about the request it is anybody's guess: rule 22.
    Rule {
        also: Some(|evidence| evidence.facts.says_anything),
        ..Rule::new(
            FailureClass::InvalidRequest,
            Status::Exactly(&[400, 405, 406, 415, 422]),
        )
    },
    Rule {
        codes: &["invalid_request_error"],
        ..Rule::new(FailureClass::InvalidRequest, Status::Exactly(&[409]))
    },
    Rule::new(FailureClass::ServerError, Status::Server),
    Rule::new(FailureClass::ServerError, Status::Exactly(&[404, 408, 409])),
];

const CONTEXT_PHRASES: &[&str] = &[
    "maximum context length",
    "context length exceeded",
    "exceeds the context",
    "exceed context",
    "exceeds the model's context",
    "exceeds the maximum number of tokens",
    "exceed the maximum number of tokens",
    "exceeds maximum context",
    "context window",
    "context size",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input length and `max_tokens` exceed",
    "input token count",
    "too many tokens",
    "reduce the length of the messages",
    "reduce the length of the prompt",
    "requested token count exceeds",
    "max context",
];

const AUTH_PHRASES: &[&str] = &[
    "api key not valid",
    "api key expired",
    "invalid api key",
    "incorrect api key",
    "invalid x-api-key",
    "invalid token",
    "token expired",
    "token has expired",
    "security token",
    "signature expired",
    "credentials expired",
    "unauthenticated",
    "invalid authentication",
    "missing api key",
    "no auth credentials",
];

/// The words also appear on short requests, where they mean a passing limit; unless there is a tier to leave.
fn long_context_not_spurious(evidence: &Evidence<'_>) -> bool {
    /// Where Anthropic's long-context tier begins, tokens.
    const LONG_CONTEXT_FROM: u64 = 200_000;
    let lower = evidence
        .circumstances
        .window
        .unwrap_or(LONG_CONTEXT_FROM)
        .min(LONG_CONTEXT_FROM);
    evidence.circumstances.on_larger_tier || evidence.circumstances.estimated_input_tokens > lower / 10 * 8
}

/// The upstream's own figures say so.
fn requested_exceeds_limit(evidence: &Evidence<'_>) -> bool {
    match (evidence.facts.requested_tokens, evidence.facts.limit_tokens) {
        (Some(requested), Some(limit)) => requested > limit,
        _ => false,
    }
}

/// A limit for one minute below this one request can never let it pass. Only a limit that is about tokens counts.
fn token_limit_below_estimate(evidence: &Evidence<'_>) -> bool {
    let about_tokens = evidence.facts.message.contains("token") || evidence.facts.has_code(&["tokens"]);
    let in_body = evidence.facts.limit_tokens.filter(|_| about_tokens);
    let limit = in_body.into_iter().chain(evidence.header_token_limit).min();
    // The upstream's own count outranks our estimate.
    let counted = evidence.facts.requested_tokens;
    let refuted = counted.zip(in_body).is_some_and(|(counted, limit)| counted <= limit);
    !refuted && limit.is_some_and(|limit| limit > 0 && limit < evidence.circumstances.estimated_input_tokens)
}

/// HTTP status that an error without one would have had, by its type or code.
pub(super) fn status_surrogate(codes: &[String]) -> u16 {
    const BY_CODE: &[(&[&str], u16)] = &[
        (&["overloaded_error", "overloaded", "unavailable"], 529),
        (
            &[
                "rate_limit_error",
                "rate_limit_exceeded",
                "rate_limited",
                "resource_exhausted",
                "too_many_requests",
                "requests",
                "tokens",
            ],
            429,
        ),
        (&["authentication_error", "invalid_api_key", "unauthenticated"], 401),
        (&["permission_error", "permission_denied"], 403),
        (&["not_found_error", "model_not_found"], 404),
        (&["request_too_large"], 413),
        (
            &[
                "invalid_request_error",
                "invalid_argument",
                "context_length_exceeded",
                "content_filter",
                "content_policy_violation",
            ],
            400,
        ),
        (&["timeout_error", "deadline_exceeded"], 504),
    ];
    let numeric = codes
        .iter()
        .filter_map(|code| code.parse().ok())
        .find(|status| (400..600).contains(status));
    numeric.unwrap_or_else(|| {
        BY_CODE
            .iter()
            .find(|(names, _)| codes.iter().any(|code| names.contains(&code.as_str())))
            .map_or(500, |(_, status)| *status)
    })
}
