//! Why bytes from a caller are not a request. What the caller is told follows from it in [`super::api_error`].

use super::json::{JsonError, position};

/// The one error of this room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The body is not JSON, or not UTF-8, or nested too deeply.
    #[error("The body is not valid JSON: {reason} (line {line}, column {column}).")]
    InvalidJson {
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
        /// What was wrong there.
        reason: &'static str,
    },
    /// A field has a wrong type or breaks a bound.
    #[error("{message}")]
    InvalidRequest {
        /// Path of the field, `messages[3].content`.
        param: Option<String>,
        /// One sentence that says what to do.
        message: String,
    },
    /// No `model`.
    #[error("Name a model in `model`; GET /v1/models lists those that this key can use.")]
    ModelRequired,
    /// A field that the router cannot honour; ignoring it would change what the caller asked for.
    #[error("{message}")]
    UnsupportedParameter {
        /// Path of the field.
        param: String,
        /// One sentence that says what to do.
        message: String,
    },
    /// The body has too many bytes.
    #[error("The body is larger than {limit} bytes; send less, or raise `max_body_bytes` in the settings.")]
    TooLarge {
        /// The bound, bytes.
        limit: u64,
    },
}

impl WireError {
    /// A fault of the scanner, with its place in `body`.
    pub fn json(body: &[u8], fault: JsonError) -> Self {
        let (line, column) = position(body, fault.at);
        Self::InvalidJson {
            line,
            column,
            reason: fault.reason,
        }
    }

    /// A field that is not what it must be: `` `param` must be … ``
    pub fn field(param: impl Into<String>, must: &str) -> Self {
        let param = param.into();
        Self::InvalidRequest {
            message: format!("`{param}` {must}."),
            param: Some(param),
        }
    }
}

/// What can go wrong while reading: the text or its meaning. The place of a text fault is named once the whole body is at hand.
pub(crate) enum Fault {
    Json(JsonError),
    Meaning(WireError),
}

impl Fault {
    pub(crate) fn placed(self, body: &[u8]) -> WireError {
        match self {
            Self::Json(fault) => WireError::json(body, fault),
            Self::Meaning(error) => error,
        }
    }
}

impl From<JsonError> for Fault {
    fn from(fault: JsonError) -> Self {
        Self::Json(fault)
    }
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        Self::Meaning(error)
    }
}
