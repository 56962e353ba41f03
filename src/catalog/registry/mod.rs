//! The decisions of the `Registry` Durable Object: who may replace which document by what, and what follows.
//!
//! The state is the set of documents that administrators wrote, laid over the bundled ones. Every decision checks the *whole* catalog
//! that would result. Storage, time and identity are parameters; keys and admin sessions are kept beside this by the same object.

pub mod audit;
pub mod diff;
pub mod draft;
pub mod error;
pub mod list;
pub mod snapshot;
#[cfg(test)]
mod tests;

pub use audit::AuditRow;
pub use diff::{Difference, diff};
pub use error::RegistryError;
pub use snapshot::{Sealed, Snapshot};

use super::document::{Collection, Document, DocumentName};
use super::{Catalog, DocumentError, bundled, document::CatalogDocument};
use crate::wire::Millis;
use crate::wire::json::RawJson;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a write demands of the document's present state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// `If-Match: "<revision>"`
    Revision(u64),
    /// `If-None-Match: *`
    Absent,
    /// Neither header: refused.
    Unstated,
}

/// Who writes, when, in which request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// E-mail or `local-admin`.
    pub actor: String,
    /// Request id.
    pub request_id: String,
    /// Now.
    pub at: Millis,
    /// Why, in the author's words; at most 500 characters are kept.
    pub note: Option<String>,
}

/// A document as the Registry keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which document.
    pub name: DocumentName,
    /// Catalog revision that wrote it.
    pub revision: u64,
    /// Canonical JSON; `None`: deleted, kept for its history.
    pub json: Option<String>,
    /// When.
    pub updated_at: Millis,
    /// By whom.
    pub updated_by: String,
}

/// One entry of a document's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Which document.
    pub name: DocumentName,
    /// Catalog revision.
    pub revision: u64,
    /// When.
    pub at: Millis,
    /// By whom.
    pub actor: String,
    /// Why.
    pub note: Option<String>,
    /// The document after the change; `None`: deleted.
    pub json: Option<String>,
    /// What changed, secrets masked.
    pub diff: Vec<Difference>,
}

/// What a decision changes. The object stores it in one go; nothing is stored when a decision is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The catalog's new revision.
    pub revision: u64,
    /// Rows to write.
    pub rows: Vec<Row>,
    /// History to append.
    pub history: Vec<HistoryRow>,
    /// Audit rows to append, without their hashes.
    pub audit: Vec<AuditRow>,
}

impl Change {
    /// Policies that were turned on or off, made or deleted: their Ledgers must know.
    pub fn switched_policies(&self) -> impl Iterator<Item = &str> {
        let policies = self
            .history
            .iter()
            .filter(|row| row.name.collection == Collection::Policies);
        // A line without a path stands for the whole document, or for lines that were left out.
        let switched = |row: &&HistoryRow| {
            row.diff
                .iter()
                .any(|line| matches!(line.path.as_str(), "" | "/enabled"))
        };
        policies.filter(switched).map(|row| row.name.id.as_str())
    }
}

/// Deleted policies whose usage is still read, the latest ones.
const MAX_RETIRED: usize = 100;

/// Everything that administrators wrote.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    revision: u64,
    rows: BTreeMap<DocumentName, Row>,
    bundled: CatalogDocument,
}

impl Registry {
    /// The state from its stored rows.
    pub fn new(revision: u64, rows: impl IntoIterator<Item = Row>) -> Self {
        // The bundled files are held right by tests; should one not parse, administrators can still work on their own documents.
        let bundled = bundled().unwrap_or_default();
        Self {
            revision,
            rows: rows.into_iter().map(|row| (row.name.clone(), row)).collect(),
            bundled,
        }
    }

    /// The catalog's revision; 0 when nobody wrote anything.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Documents that administrators wrote: what a snapshot carries.
    pub fn overlay(&self) -> CatalogDocument {
        let mut overlay = CatalogDocument::default();
        for row in self.rows.values() {
            if let Some(document) = row
                .json
                .as_deref()
                .and_then(|json| Document::parse(row.name.collection, json).ok())
            {
                overlay.put(document);
            }
        }
        overlay
    }

    /// Ids of policies that were deleted and not made again, the latest first: their Ledgers still hold what was spent.
    pub fn retired_policies(&self) -> Vec<String> {
        let rows = self.rows.values();
        let mut gone: Vec<&Row> = rows
            .filter(|row| row.name.collection == Collection::Policies && self.document(&row.name).is_none())
            .collect();
        gone.sort_by_key(|row| std::cmp::Reverse(row.revision));
        gone.into_iter()
            .take(MAX_RETIRED)
            .map(|row| row.name.id.clone())
            .collect()
    }

    /// All documents in force, bundled ones included.
    pub fn documents(&self) -> CatalogDocument {
        CatalogDocument::merge(self.bundled.clone(), self.overlay())
    }

    /// The row of a document that an administrator wrote and nobody deleted.
    fn live(&self, name: &DocumentName) -> Option<&Row> {
        self.rows.get(name).filter(|row| row.json.is_some())
    }

    /// The document in force.
    pub fn document(&self, name: &DocumentName) -> Option<Document> {
        match self.live(name).and_then(|row| row.json.as_deref()) {
            Some(json) => Document::parse(name.collection, json).ok(),
            None => self.bundled.get(name).or_else(|| implicit_settings(name)),
        }
    }

    /// Its revision: 0 for a bundled document that nobody changed.
    pub fn revision_of(&self, name: &DocumentName) -> Option<u64> {
        match self.live(name) {
            Some(row) => Some(row.revision),
            None => self.document(name).map(|_| 0),
        }
    }

    /// Replaces or creates a document.
    ///
    /// # Errors
    /// [`RegistryError`]: no or a stale condition, a document that is wrong, or a catalog that would be.
    pub fn put(
        &mut self,
        name: &DocumentName,
        text: &str,
        condition: Condition,
        author: &Author,
    ) -> Result<Change, RegistryError> {
        self.meet(name, condition)?;
        let document = parse_named(name, text)?;
        self.replace(document, "put", author)
    }

    /// Removes a document that an administrator wrote.
    ///
    /// # Errors
    /// [`RegistryError::Conflict`] for bundled documents: they can be disabled. [`RegistryError::InUse`] for a policy that `live_keys`
    /// keys still name: they would stop to work without anybody having revoked them. Else as [`Registry::put`].
    pub fn delete(
        &mut self,
        name: &DocumentName,
        condition: Condition,
        live_keys: u64,
        author: &Author,
    ) -> Result<Change, RegistryError> {
        self.meet(name, condition)?;
        if self.bundled.get(name).is_some() || name.collection == Collection::Settings {
            return Err(RegistryError::Conflict {
                message: format!(
                    "{name} comes with the router and cannot be deleted; set `enabled` to false, or roll it back to revision 0."
                ),
            });
        }
        if live_keys > 0 {
            return Err(RegistryError::InUse {
                name: name.clone(),
                keys: live_keys,
            });
        }
        let before = self.document(name);
        let mut next = self.documents();
        next.remove(name);
        self.check(next, std::slice::from_ref(name))
            .map_err(|errors| RegistryError::Invalid { errors })?;
        Ok(self.commit(vec![(name.clone(), before, None)], "delete", author))
    }

    /// Makes an older state of a document the present one. `json` is that state; revision 0 is the bundled one.
    ///
    /// # Errors
    /// As [`Registry::put`].
    pub fn rollback(
        &mut self,
        name: &DocumentName,
        json: Option<&str>,
        author: &Author,
    ) -> Result<Change, RegistryError> {
        let bundled = self.bundled.get(name).map(|document| document.to_json());
        let Some(text) = json.map(str::to_owned).or(bundled) else {
            return Err(RegistryError::Conflict {
                message: format!("{name} did not exist at that revision; delete it instead."),
            });
        };
        let document = parse_named(name, &text)?;
        self.replace(document, "rollback", author)
    }

    /// Takes over every document of an export that differs from the present one, all or nothing.
    ///
    /// # Errors
    /// As [`Registry::put`]; paths point into the import.
    pub fn import(&mut self, text: &str, author: &Author) -> Result<Change, RegistryError> {
        let import = CatalogDocument::parse(text).map_err(|error| RegistryError::Invalid { errors: vec![error] })?;
        let differing: Vec<Document> = import
            .names()
            .into_iter()
            .filter_map(|name| import.get(&name))
            .filter(|document| self.document(&document.name()).as_ref() != Some(document))
            .collect();
        if differing.is_empty() {
            return Ok(Change {
                revision: self.revision,
                rows: Vec::new(),
                history: Vec::new(),
                audit: Vec::new(),
            });
        }
        self.replace_all(differing, "import", author, |error| match &error.document {
            Some(name) => match import.names_in(name.collection).iter().position(|it| it == name) {
                Some(index) => error.in_element(index),
                None => error,
            },
            None => error,
        })
    }

    /// A new revision without a changed document: something beside the documents (a sealed credential) must reach the isolates.
    pub fn touch(&mut self) -> Change {
        self.revision = self.revision.saturating_add(1);
        Change {
            revision: self.revision,
            rows: Vec::new(),
            history: Vec::new(),
            audit: Vec::new(),
        }
    }

    /// Whole state as one export.
    pub fn export(&self) -> String {
        self.documents().export()
    }

    /// Is what is there what the writer has seen?
    fn meet(&self, name: &DocumentName, condition: Condition) -> Result<(), RegistryError> {
        let present = self.revision_of(name);
        match (condition, present) {
            (Condition::Unstated, _) => Err(RegistryError::RevisionRequired { name: name.clone() }),
            (Condition::Absent, None) => Ok(()),
            (Condition::Revision(seen), Some(revision)) if seen == revision => Ok(()),
            (Condition::Revision(_), None) => Err(RegistryError::NotFound { name: name.clone() }),
            (Condition::Absent | Condition::Revision(_), Some(_)) => Err(RegistryError::Stale {
                name: name.clone(),
                current: Box::new(self.stored(name)),
            }),
        }
    }

    /// Writes one document; errors about it are named by its own paths.
    fn replace(&mut self, document: Document, action: &'static str, author: &Author) -> Result<Change, RegistryError> {
        let name = document.name();
        let own = |error: DocumentError| match &error.document {
            Some(of) if *of == name => error.within_document(),
            _ => error,
        };
        self.replace_all(vec![document], action, author, own)
    }

    fn replace_all(
        &mut self,
        documents: Vec<Document>,
        action: &'static str,
        author: &Author,
        locate: impl Fn(DocumentError) -> DocumentError,
    ) -> Result<Change, RegistryError> {
        let mut next = self.documents();
        for document in &documents {
            next.put(document.clone());
        }
        let written: Vec<DocumentName> = documents.iter().map(Document::name).collect();
        self.check(next, &written).map_err(|errors| RegistryError::Invalid {
            errors: errors.into_iter().map(locate).collect(),
        })?;
        let changes = documents
            .into_iter()
            .map(|document| (document.name(), self.document(&document.name()), Some(document)))
            .collect();
        Ok(self.commit(changes, action, author))
    }

    /// Compiles the catalog that would result of changing `written`. What was wrong elsewhere before does not stand in the way.
    fn check(&self, next: CatalogDocument, written: &[DocumentName]) -> Result<(), Vec<DocumentError>> {
        let revision = self.revision.saturating_add(1);
        Catalog::compile_change(&self.documents(), next, written, revision).map(drop)
    }

    fn commit(
        &mut self,
        changes: Vec<(DocumentName, Option<Document>, Option<Document>)>,
        action: &'static str,
        author: &Author,
    ) -> Change {
        self.revision = self.revision.saturating_add(1);
        let mut change = Change {
            revision: self.revision,
            rows: Vec::new(),
            history: Vec::new(),
            audit: Vec::new(),
        };
        for (name, before, after) in changes {
            let diff = diff(&value_of(before.as_ref()), &value_of(after.as_ref()));
            let json = after.map(|document| document.to_json());
            let row = Row {
                name: name.clone(),
                revision: self.revision,
                json: json.clone(),
                updated_at: author.at,
                updated_by: author.actor.clone(),
            };
            self.rows.insert(name.clone(), row.clone());
            change.rows.push(row);
            change.audit.push(AuditRow::of(
                author,
                action,
                &name.to_string(),
                Some(self.revision),
                diff.clone(),
            ));
            change.history.push(HistoryRow {
                name,
                revision: self.revision,
                at: author.at,
                actor: author.actor.clone(),
                note: author.note.as_deref().map(|note| note.chars().take(500).collect()),
                json,
                diff,
            });
        }
        change
    }
}

/// Parses the document that the path names.
fn parse_named(name: &DocumentName, text: &str) -> Result<Document, RegistryError> {
    let invalid = |error: DocumentError| RegistryError::Invalid { errors: vec![error] };
    let document = Document::parse(name.collection, text).map_err(invalid)?;
    if document.name() != *name {
        return Err(RegistryError::WrongId {
            expected: name.id.clone(),
            found: document.name().id,
        });
    }
    Ok(document)
}

/// Settings exist before anybody wrote them.
fn implicit_settings(name: &DocumentName) -> Option<Document> {
    (name.collection == Collection::Settings && name.id == super::document::SETTINGS_ID)
        .then(|| Document::Settings(super::Settings::default()))
}

fn value_of(document: Option<&Document>) -> RawJson {
    document
        .map(|document| RawJson::of_text(&document.to_json()))
        .unwrap_or_default()
}
