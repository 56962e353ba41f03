//! Why the Registry does not do what was asked.

use super::list::Stored;
use crate::catalog::document::{DocumentError, DocumentErrorCode, DocumentName};
use crate::wire::ApiError;

/// Errors listed in one answer.
const MAX_ERRORS: usize = 20;

/// The one error of the Registry.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegistryError {
    /// No such document.
    #[error("There is no {name}.")]
    NotFound {
        /// Which.
        name: DocumentName,
    },
    /// A write without a condition.
    #[error("Writing {name} needs `If-Match: \"<revision>\"`, or `If-None-Match: *` to create it.")]
    RevisionRequired {
        /// Which.
        name: DocumentName,
    },
    /// Somebody else wrote in between.
    #[error("{name} has changed since it was read; the current document is in `error.clawrouter.current`.")]
    Stale {
        /// Which.
        name: DocumentName,
        /// As it is now.
        current: Box<Option<Stored>>,
    },
    /// The act contradicts the present state.
    #[error("{message}")]
    Conflict {
        /// One sentence that says what to do.
        message: String,
    },
    /// Keys name the policy.
    #[error(
        "{} still named by {keys} live {}: revoke {} first (GET keys?policy=… lists them), or set the policy's `enabled` to false to stop all of its keys at once.",
        subject(.name), if *.keys == 1 { "key" } else { "keys" }, if *.keys == 1 { "it" } else { "them" }
    )]
    InUse {
        /// Which.
        name: DocumentName,
        /// Keys that would stop to work.
        keys: u64,
    },
    /// The document, or the catalog that would result, is wrong.
    #[error("The document is not valid.")]
    Invalid {
        /// What is wrong, at least one.
        errors: Vec<DocumentError>,
    },
    /// Path and body name different documents.
    #[error("The document's `id` is `{found}` but the path says `{expected}`.")]
    WrongId {
        /// In the path.
        expected: String,
        /// In the document.
        found: String,
    },
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let message = error.to_string();
        match error {
            RegistryError::NotFound { .. } => Self::not_found(message),
            RegistryError::RevisionRequired { .. } => Self::new("revision_required", message),
            RegistryError::Stale { current, .. } => Self::new("revision_mismatch", message).with("current", *current),
            RegistryError::Conflict { .. } => Self::new("conflict", message),
            RegistryError::InUse { keys, .. } => Self::new("conflict", message)
                .because("policy_in_use")
                .with("keys", keys),
            RegistryError::WrongId { .. } => Self::new("invalid_document", message).about("/id"),
            RegistryError::Invalid { errors } => invalid_document(&errors),
        }
    }
}

fn subject(name: &DocumentName) -> String {
    format!("Policy {} is", name.id)
}

/// 422 that names the first of `errors` in its sentence and lists them all; 400 when the text was not even JSON.
pub fn invalid_document(errors: &[DocumentError]) -> ApiError {
    let first = errors.first();
    let sentence = first.map_or_else(
        || "The document is not valid.".to_owned(),
        |error| {
            if error.path.is_empty() {
                error.message.clone()
            } else {
                format!("{}: {}", error.path, error.message)
            }
        },
    );
    let listed: Vec<_> = errors.iter().take(MAX_ERRORS).collect();
    let is_json = first.is_none_or(|error| error.code != DocumentErrorCode::InvalidJson);
    let code = if is_json { "invalid_document" } else { "invalid_json" };
    let answer = ApiError::new(code, sentence).with("errors", listed);
    match first {
        Some(error) => answer.about(error.path.clone()).because(error.code.as_str()),
        None => answer,
    }
}
