//! How documents are shown: one, or a page of a collection.

use super::Registry;
use crate::catalog::document::{Collection, DocumentName};
use crate::wire::json::RawJson;
use crate::wire::time::rfc3339;
use serde::{Deserialize, Serialize};

/// Documents on a page at most.
pub const MAX_PAGE: usize = 1_000;

/// Seconds after which every isolate has seen a write (KV's `cacheTtl` and the isolate's own 30 s).
const PROPAGATION_SECONDS: u64 = 60;

/// What a page shall hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageQuery {
    /// Documents, at most [`MAX_PAGE`]; 0: 100.
    pub limit: usize,
    /// Id after which the page begins.
    pub cursor: Option<String>,
    /// Part of the id, in any case.
    pub q: Option<String>,
}

/// A document as the admin API shows it. Its text stays as it is, so that amounts of money keep their digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The document.
    pub document: RawJson,
    /// Its revision; 0: bundled.
    pub revision: u64,
    /// `bundled` or `admin`.
    pub source: String,
    /// When it was written, RFC 3339.
    pub updated_at: Option<String>,
    /// By whom.
    pub updated_by: Option<String>,
    /// Since when it is in force.
    pub effective_at: Option<String>,
    /// How it spreads.
    pub propagation: Propagation,
}

/// How a document spreads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propagation {
    /// `kv`
    pub store: String,
    /// Every isolate has it by then.
    pub max_seconds: u64,
}

/// One page of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Documents by id.
    pub items: Vec<Stored>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// How many there are.
    pub total: Total,
}

/// How many entries a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// So many.
    pub value: u64,
    /// False: at least.
    pub exact: bool,
}

impl Registry {
    /// A document with its revision and state of publication; `None` when it does not exist.
    pub fn stored(&self, name: &DocumentName) -> Option<Stored> {
        let document = self.document(name)?;
        let row = self.live(name);
        let at = row.map(|row| rfc3339(row.updated_at));
        Some(Stored {
            document: RawJson::of_text(&document.to_json()),
            revision: row.map_or(0, |row| row.revision),
            source: if row.is_some() { "admin" } else { "bundled" }.to_owned(),
            updated_at: at.clone(),
            updated_by: row.map(|row| row.updated_by.clone()),
            effective_at: at,
            propagation: Propagation {
                store: "kv".to_owned(),
                max_seconds: PROPAGATION_SECONDS,
            },
        })
    }

    /// A page of a collection, by id.
    pub fn page(&self, collection: Collection, query: &PageQuery) -> Page {
        let wanted = query.q.as_deref().unwrap_or_default().to_lowercase();
        let mut names = self.documents().names_in(collection);
        names.retain(|name| name.id.to_lowercase().contains(&wanted));
        names.sort();
        let total = names.len() as u64;
        let limit = if query.limit == 0 {
            100
        } else {
            query.limit.min(MAX_PAGE)
        };
        let after = |name: &DocumentName| query.cursor.as_ref().is_none_or(|cursor| name.id > *cursor);
        let mut rest = names.into_iter().filter(after);
        let page: Vec<DocumentName> = rest.by_ref().take(limit).collect();
        let next = rest.next().and(page.last()).map(|name| name.id.clone());
        Page {
            items: page.iter().filter_map(|name| self.stored(name)).collect(),
            next,
            total: Total {
                value: total,
                exact: true,
            },
        }
    }
}
