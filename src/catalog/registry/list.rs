//! How documents are shown: one, or a page of a collection.

use super::Registry;
use crate::catalog::document::{Collection, DocumentName};
use crate::wire::time::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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

impl Registry {
    /// A document with its revision and state of publication; null when it does not exist.
    pub fn stored(&self, name: &DocumentName) -> Value {
        let Some(document) = self.document(name) else {
            return Value::Null;
        };
        let json: Value = serde_json::from_str(&document.to_json()).unwrap_or_default();
        let row = self.live(name);
        let at = row.map(|row| rfc3339(row.updated_at));
        json!({
            "document": json,
            "revision": row.map_or(0, |row| row.revision),
            "source": if row.is_some() { "admin" } else { "bundled" },
            "updated_at": at,
            "updated_by": row.map(|row| row.updated_by.as_str()),
            "effective_at": at,
            "propagation": {"store": "kv", "max_seconds": PROPAGATION_SECONDS},
        })
    }

    /// A page of a collection, by id.
    pub fn page(&self, collection: Collection, query: &PageQuery) -> Value {
        let wanted = query.q.as_deref().unwrap_or_default().to_lowercase();
        let mut names = self.documents().names_in(collection);
        names.retain(|name| name.id.to_lowercase().contains(&wanted));
        names.sort();
        let total = names.len();
        let limit = if query.limit == 0 {
            100
        } else {
            query.limit.min(MAX_PAGE)
        };
        let after = |name: &DocumentName| query.cursor.as_ref().is_none_or(|cursor| name.id > *cursor);
        let mut rest = names.into_iter().filter(after);
        let page: Vec<DocumentName> = rest.by_ref().take(limit).collect();
        let next = rest.next().and(page.last()).map(|name| name.id.clone());
        let items: Vec<Value> = page.iter().map(|name| self.stored(name)).collect();
        json!({"items": items, "next": next, "total": {"value": total, "exact": true}})
    }
}
