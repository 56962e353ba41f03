//! Calls about caller keys: minted, listed, revoked. Values are never here, only records.

use super::store::{NEWEST, now, number};
use super::{Failure, Handled, Registry, asked, said};
use crate::access::key::KeyRecord;
use crate::access::key_document::{KeyDocument, KeyHistoryRow};
use crate::catalog::document::{Collection, DocumentName};
use crate::catalog::registry::{AuditRow, Author, Condition};
use crate::wire::{ApiError, Millis};
use serde::{Deserialize, Serialize};

/// Keys on a page at most.
const PAGE: u32 = 500;

/// Keys of a deployment at most.
const MAX_KEYS: u32 = 100_000;

/// A record to keep.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct MintCall {
    pub(in crate::edge) record: KeyRecord,
    /// The key that this one replaces, and when that one stops to work.
    pub(in crate::edge) replaces: Option<(String, Millis)>,
    pub(in crate::edge) author: Author,
}

/// A key to revoke.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct RevokeCall {
    pub(in crate::edge) kid: String,
    /// Of a DELETE; `None`: whatever its revision.
    pub(in crate::edge) condition: Option<Condition>,
    pub(in crate::edge) author: Author,
}

/// A key to change.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct ChangeKeyCall {
    pub(in crate::edge) kid: String,
    pub(in crate::edge) wish: KeyWrite,
    pub(in crate::edge) author: Author,
}

/// How a key shall become.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) enum KeyWrite {
    /// A PUT.
    Document(KeyDocument, Condition),
    /// As it was at that revision.
    Rollback(u64),
}

/// A page of a key's history.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct KeyHistoryQuery {
    pub(in crate::edge) kid: String,
    pub(in crate::edge) before: Option<u64>,
    pub(in crate::edge) limit: u32,
}

/// Which keys.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct KeyQuery {
    pub(in crate::edge) limit: u32,
    pub(in crate::edge) cursor: Option<String>,
    pub(in crate::edge) q: String,
    pub(in crate::edge) policy: Option<String>,
    pub(in crate::edge) principal: Option<String>,
}

/// A page of keys.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct KeyPage {
    pub(in crate::edge) items: Vec<KeyRecord>,
    pub(in crate::edge) next: Option<String>,
    pub(in crate::edge) total: u64,
}

#[derive(Deserialize)]
struct Count {
    n: f64,
}

impl Registry {
    pub(super) fn keys_call(&self, path: &str, body: &str) -> Result<Handled, Failure> {
        match path {
            "/keys/get" => {
                let kid: String = asked(body)?;
                said(&self.key(&kid)?)
            }
            "/keys/list" => self.key_page(&asked(body)?),
            "/keys/mint" => self.mint(&asked(body)?),
            "/keys/revoke" => {
                let call: RevokeCall = asked(body)?;
                let before = self.existing(&call.kid)?;
                if let Some(condition) = call.condition {
                    before.expect(condition)?;
                }
                let after = before.revoked(call.author.at);
                self.change(Some(&before), &after, "revoke", &call.author)
            }
            "/keys/change" => {
                let call: ChangeKeyCall = asked(body)?;
                let before = self.existing(&call.kid)?;
                let (document, action) = match call.wish {
                    KeyWrite::Document(document, condition) => {
                        before.expect(condition)?;
                        (document, "put")
                    }
                    KeyWrite::Rollback(revision) => (self.key_at(&call.kid, revision)?, "rollback"),
                };
                self.known_policy(document.policy.as_str())?;
                let after = before.changed(&document, call.author.at)?;
                self.change(Some(&before), &after, action, &call.author)
            }
            "/keys/history" => said(&self.key_history(&asked(body)?)?),
            _ => Err(ApiError::not_found("the Registry object has no such path").into()),
        }
    }

    fn key(&self, kid: &str) -> worker::Result<Option<KeyRecord>> {
        self.store().one("SELECT row FROM keys WHERE kid = ?", vec![kid.into()])
    }

    fn existing(&self, kid: &str) -> Result<KeyRecord, Failure> {
        self.key(kid)?
            .ok_or_else(|| ApiError::not_found(format!("There is no key {kid}.")).into())
    }

    /// Stores a changed key with its history and audit row.
    fn change(
        &self,
        before: Option<&KeyRecord>,
        after: &KeyRecord,
        action: &str,
        author: &Author,
    ) -> Result<Handled, Failure> {
        let row = KeyHistoryRow::of(before, after, author);
        self.keep(after)?;
        self.store().run(
            "INSERT OR REPLACE INTO history (collection, id, revision, row) VALUES ('keys', ?, ?, ?)",
            vec![
                after.kid.as_str().into(),
                number(after.revision),
                serde_json::to_string(&row)?.into(),
            ],
        )?;
        self.audit(&AuditRow::of(
            author,
            action,
            &format!("keys/{}", after.kid),
            None,
            row.diff,
        ))?;
        published(after)
    }

    fn key_history(&self, query: &KeyHistoryQuery) -> worker::Result<Vec<KeyHistoryRow>> {
        self.store().all(
            "SELECT row FROM history WHERE collection = 'keys' AND id = ? AND revision < ? ORDER BY revision DESC LIMIT ?",
            vec![
                query.kid.as_str().into(),
                number(query.before.unwrap_or(NEWEST)),
                f64::from(query.limit.clamp(1, PAGE)).into(),
            ],
        )
    }

    fn key_at(&self, kid: &str, revision: u64) -> Result<KeyDocument, Failure> {
        let query = KeyHistoryQuery {
            kid: kid.to_owned(),
            before: Some(revision.saturating_add(1)),
            limit: 1,
        };
        let row = self.key_history(&query)?.into_iter().next();
        row.map(|row| row.document).ok_or_else(|| {
            let message = format!("keys/{kid} has no revision {revision} in its history.");
            ApiError::new("conflict", message).into()
        })
    }

    fn known_policy(&self, policy: &str) -> Result<(), Failure> {
        let known = self.with_documents(|documents| {
            documents
                .documents()
                .policies
                .iter()
                .any(|known| known.id.as_str() == policy)
        });
        if known {
            return Ok(());
        }
        Err(
            ApiError::new("invalid_document", format!("There is no policy {policy}."))
                .about("/policy")
                .into(),
        )
    }

    fn mint(&self, call: &MintCall) -> Result<Handled, Failure> {
        self.known_policy(call.record.policy.as_str())?;
        let count: Option<Count> = self
            .state
            .storage()
            .sql()
            .exec("SELECT COUNT(*) AS n FROM keys", None)?
            .to_array()?
            .into_iter()
            .next();
        if count.is_some_and(|count| count.n >= f64::from(MAX_KEYS)) || self.key(&call.record.kid)?.is_some() {
            return Err(ApiError::new(
                "conflict",
                "This deployment has as many keys as it can hold; revoke some.",
            )
            .into());
        }
        if let Some((kid, until)) = &call.replaces {
            let old = self.existing(kid)?;
            let ended = KeyRecord {
                expires: Some(old.expires.map_or(*until, |expires| expires.min(*until))),
                revision: old.revision.saturating_add(1),
                ..old.clone()
            };
            self.change(Some(&old), &ended, "replaced", &call.author)?;
        }
        let action = if call.replaces.is_some() { "rotate" } else { "mint" };
        self.change(None, &call.record, action, &call.author)
    }

    /// Stores the record and owes it to KV, which isolates read; they ask here when KV does not know a key yet.
    fn keep(&self, record: &KeyRecord) -> worker::Result<()> {
        let json = serde_json::to_string(record)?;
        self.store().run(
            "INSERT OR REPLACE INTO keys (kid, policy, label, principal, row) VALUES (?, ?, ?, ?, ?)",
            vec![
                record.kid.as_str().into(),
                record.policy.as_str().into(),
                record.label.to_lowercase().into(),
                record.principal.clone().unwrap_or_default().into(),
                json.into(),
            ],
        )?;
        self.owe(&format!("key/{}", record.kid))
    }

    /// Keys that work and name this policy; 0 for any other document.
    pub(super) fn live_keys(&self, name: &DocumentName, now: Millis) -> worker::Result<u64> {
        if name.collection != Collection::Policies {
            return Ok(0);
        }
        let records: Vec<KeyRecord> = self
            .store()
            .all("SELECT row FROM keys WHERE policy = ?", vec![name.id.as_str().into()])?;
        Ok(records.iter().filter(|record| record.is_live(now)).count() as u64)
    }

    fn key_page(&self, query: &KeyQuery) -> Result<Handled, Failure> {
        let limit = query.limit.clamp(1, PAGE);
        let filter = "(instr(label, ?1) > 0 OR instr(lower(kid), ?1) > 0 OR instr(lower(principal), ?1) > 0) \
             AND (?2 = '' OR policy = ?2) AND (?3 = '' OR lower(principal) = ?3)";
        let words = vec![
            query.q.to_lowercase().into(),
            query.policy.clone().unwrap_or_default().into(),
            query.principal.clone().unwrap_or_default().to_lowercase().into(),
        ];
        let count: Vec<Count> = self
            .state
            .storage()
            .sql()
            .exec(&format!("SELECT COUNT(*) AS n FROM keys WHERE {filter}"), words.clone())?
            .to_array()?;
        let mut bindings = words;
        bindings.push(query.cursor.clone().unwrap_or_default().into());
        bindings.push(f64::from(limit).into());
        let items: Vec<KeyRecord> = self.store().all(
            &format!("SELECT row FROM keys WHERE {filter} AND kid > ?4 ORDER BY kid LIMIT ?5"),
            bindings,
        )?;
        let full = items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let next = if full {
            items.last().map(|record| record.kid.clone())
        } else {
            None
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of at most 100,000 rows"
        )]
        let total = count.first().map_or(0, |count| count.n as u64);
        said(&KeyPage { items, next, total })
    }
}

/// The answer to a change that isolates must learn.
fn published(record: &KeyRecord) -> Result<Handled, Failure> {
    Ok(Handled {
        publish: true,
        ..said(record)?
    })
}

/// When a rotated key's predecessor stops to work.
pub(in crate::edge) fn overlap_end(hours: u64) -> Millis {
    now().plus(Millis::from_secs(hours.min(24 * 30).saturating_mul(3600)))
}
