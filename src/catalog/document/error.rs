//! What is wrong with a document, and exactly where.

use super::collection::{Collection, DocumentName};
use serde::Serialize;

/// One thing that is wrong. Answered as 422 `invalid_document` with `path` in `param`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{path}: {message}")]
pub struct DocumentError {
    /// JSON pointer. Into the export format (`/models/3/price/input`), or into the document itself when only that was read (`/price/input`).
    pub path: String,
    /// One sentence for people; carries no secret.
    pub message: String,
    /// Stable word for programs.
    pub code: DocumentErrorCode,
    /// The document that has to change, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentName>,
}

/// Stable words for [`DocumentError::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentErrorCode {
    /// Not JSON.
    InvalidJson,
    /// A field that this version does not know.
    UnknownField,
    /// A required field is absent.
    MissingField,
    /// Wrong type or form.
    InvalidValue,
    /// Outside its bounds; never clamped.
    OutOfBounds,
    /// More than the bound of a list or a text.
    TooLarge,
    /// Names something that does not exist.
    UnknownReference,
    /// The same id or entry twice.
    Duplicate,
    /// An id that the router keeps for itself, or that contradicts another field.
    InvalidId,
    /// A virtual model where only a real one may stand.
    VirtualModel,
    /// An address that the rules of secured endpoints refuse.
    RefusedAddress,
}

impl DocumentErrorCode {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::UnknownField => "unknown_field",
            Self::MissingField => "missing_field",
            Self::InvalidValue => "invalid_value",
            Self::OutOfBounds => "out_of_bounds",
            Self::TooLarge => "too_large",
            Self::UnknownReference => "unknown_reference",
            Self::Duplicate => "duplicate",
            Self::InvalidId => "invalid_id",
            Self::VirtualModel => "virtual_model",
            Self::RefusedAddress => "refused_address",
        }
    }
}

impl DocumentError {
    /// The pointer inside the document: `/price/input` for `/models/3/price/input`, `/max_body_bytes` for `/settings/max_body_bytes`.
    /// Unchanged when the document is not known.
    pub fn pointer(&self) -> &str {
        let Some(document) = &self.document else {
            return &self.path;
        };
        let segments = if document.collection == Collection::Settings {
            1
        } else {
            2
        };
        let mut rest = self.path.as_str();
        for _ in 0..segments {
            rest = match rest.get(1..).and_then(|tail| tail.find('/').map(|at| at + 1)) {
                Some(next) => rest.get(next..).unwrap_or_default(),
                None => "",
            };
        }
        rest
    }

    /// The same error with the path it has where the document is element `index` of its array (an import, not the whole catalog).
    #[must_use]
    pub fn in_element(self, index: usize) -> Self {
        let path = match &self.document {
            Some(name) if name.collection != Collection::Settings => {
                format!("/{}/{index}{}", name.collection.field_name(), self.pointer())
            }
            _ => self.path.clone(),
        };
        Self { path, ..self }
    }

    /// The same error as seen by someone who holds only the document.
    #[must_use]
    pub fn within_document(self) -> Self {
        Self {
            path: self.pointer().to_owned(),
            document: None,
            ..self
        }
    }
}

/// Escapes one segment of a JSON pointer (RFC 6901).
pub(in crate::catalog) fn pointer_segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lose_what_leads_to_the_document() {
        let table = [
            (Collection::Models, "/models/3/price/input", "/price/input"),
            (Collection::Models, "/models/3", ""),
            (
                Collection::FusionProfiles,
                "/fusion_profiles/0/advisers/1/model",
                "/advisers/1/model",
            ),
            (Collection::Settings, "/settings/max_body_bytes", "/max_body_bytes"),
            (Collection::Settings, "/settings", ""),
        ];
        for (collection, path, expected) in table {
            let error = DocumentError {
                path: path.to_owned(),
                message: String::new(),
                code: DocumentErrorCode::InvalidValue,
                document: Some(DocumentName::new(collection, "x")),
            };
            assert_eq!(error.pointer(), expected);
            let elsewhere = error.clone().in_element(7);
            assert_eq!(
                (elsewhere.pointer(), elsewhere.path.contains("/7")),
                (expected, collection != Collection::Settings)
            );
            assert_eq!(error.within_document().pointer(), expected);
        }
        assert_eq!(pointer_segment("a/b~c"), "a~1b~0c");
    }

    #[test]
    fn codes_are_spelled_as_serialised() {
        for code in [
            DocumentErrorCode::InvalidJson,
            DocumentErrorCode::OutOfBounds,
            DocumentErrorCode::RefusedAddress,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
