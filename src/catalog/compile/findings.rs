//! Collects what is wrong while a catalog is compiled: every error names document and field, so that one save shows all of them.

use crate::catalog::document::{Collection, DocumentError, DocumentErrorCode, DocumentName};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// Errors reported for one catalog; more would not be read.
const MAX_ERRORS: usize = 100;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Why the catalog cannot be used.
    pub(super) errors: Vec<DocumentError>,
    /// What was skipped; the rest works.
    pub(super) warnings: Vec<String>,
}

/// Findings about one document.
pub(super) struct At<'a> {
    findings: &'a mut Findings,
    name: DocumentName,
    prefix: String,
}

impl Findings {
    /// For the element `index` of a collection, or the settings.
    pub(super) fn at(&mut self, collection: Collection, index: usize, id: &str) -> At<'_> {
        let prefix = match collection {
            Collection::Settings => "/settings".to_owned(),
            other => format!("/{}/{index}", other.field_name()),
        };
        At {
            findings: self,
            name: DocumentName::new(collection, id),
            prefix,
        }
    }
}

impl At<'_> {
    /// Reports an error at `pointer` inside the document.
    pub(super) fn error(&mut self, pointer: impl Display, code: DocumentErrorCode, message: impl Into<String>) {
        if self.findings.errors.len() < MAX_ERRORS {
            self.findings.errors.push(DocumentError {
                path: format!("{}{pointer}", self.prefix),
                message: message.into(),
                code,
                document: Some(self.name.clone()),
            });
        }
    }

    /// Reports something that is skipped.
    pub(super) fn warn(&mut self, what: impl Display) {
        self.findings.warnings.push(format!("{}: {what}", self.name));
    }

    /// Reports a number outside its bounds.
    pub(super) fn within<T: Copy + PartialOrd + Display>(
        &mut self,
        pointer: impl Display,
        value: T,
        bounds: RangeInclusive<T>,
    ) {
        if !bounds.contains(&value) {
            let message = format!("must be from {} to {}, and is {value}", bounds.start(), bounds.end());
            self.error(pointer, DocumentErrorCode::OutOfBounds, message);
        }
    }

    /// Reports a list that is longer than `most`.
    pub(super) fn at_most(&mut self, pointer: impl Display, length: usize, most: usize) {
        if length > most {
            self.error(
                pointer,
                DocumentErrorCode::TooLarge,
                format!("at most {most} entries, and there are {length}"),
            );
        }
    }

    /// Reports a text that is empty, longer than `most` bytes, or has control characters.
    pub(super) fn text(&mut self, pointer: impl Display, text: &str, most: usize) {
        if text.trim().is_empty() || text.len() > most || text.chars().any(char::is_control) {
            let message = format!("must be a text of 1 to {most} bytes without control characters");
            self.error(pointer, DocumentErrorCode::InvalidValue, message);
        }
    }

    /// Reports entries that stand twice in a list, at the later one.
    pub(super) fn distinct<'t>(&mut self, pointer: &str, entries: impl IntoIterator<Item = &'t str>, field: &str) {
        let mut seen = std::collections::BTreeSet::new();
        for (index, entry) in entries.into_iter().enumerate() {
            if !seen.insert(entry) {
                let message = format!("{entry} stands here twice");
                self.error(
                    format_args!("{pointer}/{index}{field}"),
                    DocumentErrorCode::Duplicate,
                    message,
                );
            }
        }
    }

    /// Reports patterns that are empty or too long, and lists of more than `most`.
    pub(super) fn patterns(&mut self, pointer: &str, patterns: &[String], most: usize) {
        self.at_most(pointer, patterns.len(), most);
        for (index, pattern) in patterns.iter().take(most).enumerate() {
            self.text(format_args!("{pointer}/{index}"), pattern, 200);
        }
    }
}
