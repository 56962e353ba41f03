//! What is published to KV: the documents that administrators wrote and their sealed credentials, under one revision.
//!
//! Isolates lay it over the catalog bundled with their own code, so a deployment of newer code brings its newer defaults.

use super::Registry;
use crate::catalog::document::{CatalogDocument, Collection, Document};
use crate::catalog::{Catalog, PoolId, bundled};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A published state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Catalog revision.
    pub revision: u64,
    /// Documents over the bundled ones.
    pub documents: CatalogDocument,
    /// Credentials, encrypted.
    #[serde(default)]
    pub sealed: Vec<Sealed>,
    /// Documents that this code cannot read (newer code wrote them, and was rolled back), for people.
    #[serde(skip)]
    pub unreadable: Vec<String>,
}

/// The same, read document by document.
#[derive(Deserialize)]
struct Loose {
    revision: u64,
    documents: BTreeMap<String, Box<RawValue>>,
    #[serde(default)]
    sealed: Vec<Sealed>,
}

/// A credential that was typed into the admin page. Only the Worker's `SEAL_KEY` opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Its pool.
    pub pool: PoolId,
    /// Its label in that pool.
    pub label: String,
    /// Nonce and ciphertext, base64.
    pub ciphertext: String,
}

impl Snapshot {
    /// The present state.
    pub fn of(registry: &Registry, sealed: Vec<Sealed>) -> Self {
        Self {
            revision: registry.revision(),
            documents: registry.overlay(),
            sealed,
            unreadable: Vec::new(),
        }
    }

    /// Text for KV.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Snapshot::to_json`] wrote. A document that this code cannot read is left out and named in `unreadable`.
    ///
    /// # Errors
    /// A sentence for operators, when the text is no snapshot at all.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(snapshot) = serde_json::from_str(text) {
            return Ok(snapshot);
        }
        let loose: Loose =
            serde_json::from_str(text).map_err(|error| format!("the published catalog cannot be read: {error}"))?;
        let mut snapshot = Self {
            revision: loose.revision,
            sealed: loose.sealed,
            ..Self::default()
        };
        for (field, documents) in &loose.documents {
            let Some(collection) = Collection::ALL.into_iter().find(|it| it.field_name() == field) else {
                snapshot
                    .unreadable
                    .push(format!("{field} is left out: this version has no such collection"));
                continue;
            };
            for text in elements(collection, documents) {
                match Document::parse(collection, text) {
                    Ok(document) => snapshot.documents.put(document),
                    Err(error) => snapshot
                        .unreadable
                        .push(format!("a document of {field} is left out: {error}")),
                }
            }
        }
        Ok(snapshot)
    }

    /// The catalog in force. A published document that newer code no longer accepts is left out and named in the catalog's warnings:
    /// one bad document must not take the others down.
    pub fn compile(&self) -> Catalog {
        let documents = CatalogDocument::merge(bundled().unwrap_or_default(), self.documents.clone());
        let mut catalog = Catalog::compile_lenient(documents, self.revision);
        catalog.warnings.extend(self.unreadable.iter().cloned());
        catalog
    }
}

/// The texts of a collection's documents: an array of them, or the settings themselves.
fn elements(collection: Collection, documents: &RawValue) -> Vec<&str> {
    if collection == Collection::Settings {
        return vec![documents.get()];
    }
    let elements: Vec<&RawValue> = serde_json::from_str(documents.get()).unwrap_or_default();
    elements.into_iter().map(RawValue::get).collect()
}
