//! What a caller is told when something does not work: one code, one sentence that says what to do, no secret.
//!
//! Lower rooms make errors of their own; each turns into this one type, and this table alone decides status and type.

use super::json::RawJson;
use super::{Millis, WireError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every code, its HTTP status and its OpenAI `type` (docs/errors.md).
const CODES: &[(&str, u16, &str)] = &[
    ("invalid_json", 400, "invalid_request_error"),
    ("invalid_request", 400, "invalid_request_error"),
    ("model_required", 400, "invalid_request_error"),
    ("unsupported_parameter", 400, "invalid_request_error"),
    ("capability_unsupported", 400, "invalid_request_error"),
    ("invalid_request_id", 400, "invalid_request_error"),
    ("pricing_required", 400, "invalid_request_error"),
    ("context_length_exceeded", 400, "invalid_request_error"),
    ("context_tier_unavailable", 400, "invalid_request_error"),
    ("invalid_api_key", 401, "authentication_error"),
    ("invalid_admin_token", 401, "authentication_error"),
    ("sign_in_required", 401, "authentication_error"),
    ("budget_exceeded", 402, "insufficient_quota"),
    ("key_revoked", 403, "permission_error"),
    ("policy_disabled", 403, "permission_error"),
    ("provider_not_allowed", 403, "permission_error"),
    ("model_not_allowed", 403, "permission_error"),
    ("role_required", 403, "permission_error"),
    ("cross_site_request", 403, "permission_error"),
    ("model_not_found", 404, "invalid_request_error"),
    ("route_not_found", 404, "invalid_request_error"),
    ("not_found", 404, "invalid_request_error"),
    ("method_not_allowed", 405, "invalid_request_error"),
    ("conflict", 409, "invalid_request_error"),
    ("revision_mismatch", 412, "invalid_request_error"),
    ("request_too_large", 413, "invalid_request_error"),
    ("unsupported_media_type", 415, "invalid_request_error"),
    ("invalid_document", 422, "invalid_request_error"),
    ("revision_required", 428, "invalid_request_error"),
    ("rate_limited", 429, "rate_limit_error"),
    ("internal_error", 500, "api_error"),
    ("upstream_error", 502, "api_error"),
    ("upstream_credentials_exhausted", 502, "api_error"),
    ("overloaded", 503, "api_error"),
    ("no_executable_target", 503, "api_error"),
    ("ledger_unavailable", 503, "api_error"),
    ("registry_unavailable", 503, "api_error"),
    ("admin_auth_not_configured", 503, "api_error"),
    ("sealing_not_configured", 503, "api_error"),
    ("content_not_configured", 503, "api_error"),
    ("upstream_timeout", 504, "api_error"),
];

/// An error as a caller sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Stable code of docs/errors.md.
    pub code: String,
    /// OpenAI's `type`.
    pub kind: String,
    /// One sentence that says what to do.
    pub message: String,
    /// The field it is about.
    #[serde(default)]
    pub param: Option<String>,
    /// A finer code, in `error.clawrouter.reason`.
    #[serde(default)]
    pub reason: Option<String>,
    /// What was tried, by class.
    #[serde(default)]
    pub attempts: Vec<AttemptSummary>,
    /// When it makes sense to try again, from now.
    #[serde(default)]
    pub retry_after: Option<Millis>,
    /// Further members of `error.clawrouter`.
    #[serde(default)]
    pub details: BTreeMap<String, RawJson>,
    /// Further response headers, lower-case names.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

/// An error as OpenAI's clients read it.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorObject<'e> {
    message: &'e str,
    #[serde(rename = "type")]
    kind: &'e str,
    param: Option<&'e str>,
    code: &'e str,
    clawrouter: OwnMember<'e>,
}

/// What OpenAI's shape has no place for.
#[derive(Clone, Debug, Serialize)]
struct OwnMember<'e> {
    #[serde(flatten)]
    details: &'e BTreeMap<String, RawJson>,
    request_id: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'e str>,
    #[serde(skip_serializing_if = "<[AttemptSummary]>::is_empty")]
    attempts: &'e [AttemptSummary],
}

/// One attempt in an error: classes only, no upstream text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptSummary {
    /// `provider/model`.
    pub target: String,
    /// Class of its failure.
    pub class: String,
    /// HTTP status, when there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// How long it took, milliseconds.
    pub ms: u64,
}

impl ApiError {
    /// An error of a known code. An unknown code is a mistake of ours and answers as `internal_error`.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let known = CODES.iter().find(|(name, ..)| *name == code);
        let (code, status, kind) = known.copied().unwrap_or(("internal_error", 500, "api_error"));
        Self {
            status,
            code: code.to_owned(),
            kind: kind.to_owned(),
            message: message.into(),
            param: None,
            reason: None,
            attempts: Vec::new(),
            retry_after: None,
            details: BTreeMap::new(),
            headers: Vec::new(),
        }
    }

    /// Names the field.
    #[must_use]
    pub fn about(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Adds a finer reason code.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn after(mut self, wait: Millis) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds response headers.
    #[must_use]
    pub fn telling(mut self, headers: Vec<(String, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Adds a member to `error.clawrouter`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.details.insert(name.to_owned(), RawJson::of(&value));
        self
    }

    /// The caller's request id cannot be used; it is never reflected.
    pub fn invalid_request_id() -> Self {
        Self::new(
            "invalid_request_id",
            "`x-request-id` must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ : / + @ = and -.",
        )
    }

    /// The body is larger than `limit` bytes.
    pub fn request_too_large(limit: u64) -> Self {
        WireError::TooLarge { limit }.into()
    }

    /// A field or the whole request is wrong.
    pub fn invalid_request(message: impl Into<String>, param: Option<&str>) -> Self {
        let error = Self::new("invalid_request", message);
        match param {
            Some(param) => error.about(param),
            None => error,
        }
    }

    /// Nothing at this path.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("not_found", message)
    }

    /// The path exists, the method does not; `allowed` lists those that do.
    pub fn method_not_allowed(allowed: &str) -> Self {
        Self::new("method_not_allowed", format!("This path answers {allowed}.")).with("allow", allowed)
    }

    /// Something of ours broke.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("internal_error", message)
    }

    /// The error object in OpenAI's shape, for bodies and for events of a stream that has begun.
    pub fn object<'e>(&'e self, request_id: &'e str) -> ErrorObject<'e> {
        ErrorObject {
            message: &self.message,
            kind: &self.kind,
            param: self.param.as_deref(),
            code: &self.code,
            clawrouter: OwnMember {
                details: &self.details,
                request_id,
                reason: self.reason.as_deref(),
                attempts: &self.attempts,
            },
        }
    }

    /// `Retry-After` in whole seconds, rounded up, at least 1.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|wait| wait.0.div_ceil(1000).max(1))
    }

    /// The whole body in OpenAI's shape.
    pub fn to_json(&self, request_id: &str) -> String {
        #[derive(Serialize)]
        struct Body<'e> {
            error: ErrorObject<'e>,
        }
        let error = self.object(request_id);
        // Strings, numbers and text that is JSON already can always be written.
        serde_json::to_string(&Body { error }).unwrap_or_default()
    }
}

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        let message = error.to_string();
        match error {
            WireError::InvalidJson { line, column, .. } => Self::new("invalid_json", message)
                .with("line", line)
                .with("column", column),
            WireError::InvalidRequest { param, .. } => Self::invalid_request(message, param.as_deref()),
            WireError::ModelRequired => Self::new("model_required", message).about("model"),
            WireError::UnsupportedParameter { param, .. } => Self::new("unsupported_parameter", message).about(param),
            WireError::TooLarge { .. } => Self::new("request_too_large", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn codes_are_unique_and_have_client_or_server_statuses() {
        let mut codes: Vec<&str> = CODES.iter().map(|(code, ..)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
        assert!(CODES.iter().all(|(_, status, _)| (400..600).contains(status)));
    }

    #[test]
    fn the_guide_names_every_code_that_a_caller_can_get() {
        let guide = include_str!("../../docs/errors.md");
        let admin = include_str!("../../docs/admin-api.md");
        let missing: Vec<_> = CODES
            .iter()
            .filter(|(code, ..)| !guide.contains(code) && !admin.contains(code))
            .map(|(code, ..)| *code)
            .collect();
        assert_eq!(missing, Vec::<&str>::new());
    }

    #[test]
    fn an_error_is_written_in_the_openai_shape() {
        let error = ApiError::new("model_not_found", "No such model.")
            .about("model")
            .because("synthesizer_refused")
            .after(Millis(10));
        let body: Value = serde_json::from_str(&error.to_json("req_1")).unwrap();
        let expected = json!({"error": {"message": "No such model.", "type": "invalid_request_error", "param": "model",
            "code": "model_not_found", "clawrouter": {"request_id": "req_1", "reason": "synthesizer_refused"}}});
        assert_eq!((error.status, body), (404, expected));
    }

    #[test]
    fn unreadable_json_names_its_place() {
        let error = ApiError::from(WireError::InvalidJson {
            line: 3,
            column: 7,
            reason: "a comma is missing",
        });
        assert_eq!(
            (
                error.status,
                error.details["line"].text(),
                error.details["column"].text()
            ),
            (400, "3", "7")
        );
    }
}
