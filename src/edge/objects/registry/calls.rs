//! Calls about documents, drafts, sealed credentials and the audit log.

use super::store::NEWEST;
use super::{Failure, Handled, Registry, asked, said};
use crate::access::allowance::Allowance;
use crate::catalog::document::{Collection, DocumentName};
use crate::catalog::registry::draft::{Draft, profile_name};
use crate::catalog::registry::list::PageQuery;
use crate::catalog::registry::{AuditRow, Author, Change, Condition, Difference, RegistryError, Sealed};
use crate::wire::json::RawJson;
use crate::wire::time::rfc3339;
use crate::wire::{ApiError, Millis};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Entries of a history or audit page.
const PAGE: u32 = 100;

/// About one document.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct DocumentCall {
    pub(in crate::edge) name: DocumentName,
    /// Body of a PUT.
    pub(in crate::edge) text: String,
    pub(in crate::edge) condition: Condition,
    pub(in crate::edge) author: Author,
}

/// A page of a collection.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct PageCall {
    pub(in crate::edge) collection: Collection,
    pub(in crate::edge) query: PageQuery,
}

/// A page of a document's history, or of the audit log.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct HistoryPage {
    pub(in crate::edge) name: Option<DocumentName>,
    pub(in crate::edge) cursor: Option<u64>,
    pub(in crate::edge) q: String,
    pub(in crate::edge) limit: u32,
}

/// Back to an older revision.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct RollbackCall {
    pub(in crate::edge) name: DocumentName,
    pub(in crate::edge) revision: u64,
    pub(in crate::edge) author: Author,
}

/// A whole catalog.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct ImportCall {
    pub(in crate::edge) text: String,
    pub(in crate::edge) author: Author,
}

/// About a fusion profile's draft.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct DraftCall {
    pub(in crate::edge) id: String,
    pub(in crate::edge) text: String,
    pub(in crate::edge) base_revision: u64,
    pub(in crate::edge) author: Author,
}

/// A sealed credential to keep or to forget.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct SealCall {
    pub(in crate::edge) pool: String,
    pub(in crate::edge) label: String,
    /// Nonce and ciphertext, base64; `None`: forget it.
    pub(in crate::edge) ciphertext: Option<String>,
    pub(in crate::edge) last4: String,
    pub(in crate::edge) fingerprint: String,
    pub(in crate::edge) author: Author,
}

/// What may be shown of a sealed credential.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct SealedInfo {
    pub(in crate::edge) label: String,
    pub(in crate::edge) set: bool,
    pub(in crate::edge) last4: String,
    pub(in crate::edge) fingerprint: String,
    pub(in crate::edge) updated_at: String,
    pub(in crate::edge) updated_by: String,
}

/// What a write answers: the stored document, and the snapshot for the isolate that served it.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct Applied {
    pub(in crate::edge) answer: RawJson,
    pub(in crate::edge) created: bool,
    pub(in crate::edge) snapshot: String,
}

/// A page.
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct Listed {
    pub(in crate::edge) items: Vec<RawJson>,
    pub(in crate::edge) next: Option<String>,
}

type Outcome = Result<Handled, Failure>;

/// Rows about refused writes and sign-ins in an hour: a flood of them must not drown the rest of the log.
pub(super) fn refusals_audited() -> Allowance {
    Allowance::new(200, Millis(60 * 60 * 1000))
}

impl Registry {
    pub(super) fn documents_call(&self, path: &str, body: &str) -> Outcome {
        match path {
            "/documents/page" => {
                let call: PageCall = asked(body)?;
                said(&self.with_documents(|documents| documents.page(call.collection, &call.query)))
            }
            "/documents/get" => {
                let name: DocumentName = asked(body)?;
                match self.with_documents(|documents| documents.stored(&name)) {
                    None => Err(RegistryError::NotFound { name }.into()),
                    Some(stored) => said(&stored),
                }
            }
            "/documents/put" => {
                let call: DocumentCall = asked(body)?;
                let created = self.with_documents(|documents| documents.revision_of(&call.name).is_none());
                self.decide(|documents| documents.put(&call.name, &call.text, call.condition, &call.author))?;
                self.applied(&call.name, created)
            }
            "/documents/delete" => {
                let call: DocumentCall = asked(body)?;
                let keys = self.live_keys(&call.name, call.author.at)?;
                let change =
                    self.decide(|documents| documents.delete(&call.name, call.condition, keys, &call.author))?;
                let answer = json!({"id": call.name.id, "deleted": true, "catalog_revision": change.revision});
                self.done(answer, false)
            }
            "/documents/rollback" => {
                let call: RollbackCall = asked(body)?;
                let then = self.store().state_at(&call.name, call.revision)?;
                let json = then.and_then(|row| row.json);
                self.decide(|documents| documents.rollback(&call.name, json.as_deref(), &call.author))?;
                self.applied(&call.name, false)
            }
            "/documents/history" => self.history(&asked(body)?),
            "/documents/import" => {
                let call: ImportCall = asked(body)?;
                let change = self.decide(|documents| documents.import(&call.text, &call.author))?;
                let changed: Vec<String> = change.rows.iter().map(|row| row.name.to_string()).collect();
                self.done(json!({"catalog_revision": change.revision, "changed": changed}), false)
            }
            "/documents/revision" => said(&self.with_documents(|documents| documents.revision())),
            "/documents/retired" => said(&self.with_documents(|documents| documents.retired_policies())),
            "/documents/export" => said(&self.with_documents(|documents| documents.export())),
            "/documents/snapshot" => said(&self.snapshot()?),
            _ => Err(ApiError::not_found("the Registry object has no such path").into()),
        }
    }

    pub(super) fn drafts_call(&self, path: &str, body: &str) -> Outcome {
        let call: DraftCall = asked(body)?;
        let draft = self.store().draft(&call.id)?;
        let view = |draft: Option<&Draft>| self.with_documents(|documents| documents.draft_view(&call.id, draft));
        match path {
            "/drafts/get" => said(&view(draft.as_ref())?),
            "/drafts/put" => {
                let draft =
                    self.with_documents(|documents| Draft::parse(documents, &call.id, &call.text, &call.author))?;
                self.store().put_draft(&call.id, &draft)?;
                said(&view(Some(&draft))?)
            }
            "/drafts/delete" => {
                self.store().delete_draft(&call.id)?;
                said(&view(None)?)
            }
            "/drafts/enable" => {
                self.decide(|documents| documents.enable(&call.id, draft.as_ref(), call.base_revision, &call.author))?;
                self.store().delete_draft(&call.id)?;
                self.applied(&profile_name(&call.id), false)
            }
            "/drafts/disable" => {
                self.decide(|documents| documents.disable(&call.id, &call.author))?;
                self.applied(&profile_name(&call.id), false)
            }
            _ => Err(ApiError::not_found("the Registry object has no such path").into()),
        }
    }

    pub(super) fn sealed_call(&self, path: &str, body: &str) -> Outcome {
        if path == "/sealed/list" {
            let pool: String = asked(body)?;
            return said(&Listed {
                items: self.store().sealed_info(&pool)?,
                next: None,
            });
        }
        let call: SealCall = asked(body)?;
        let pool = crate::catalog::PoolId::parse(&call.pool)
            .map_err(|error| ApiError::invalid_request(error.to_string(), Some("pool")))?;
        let object = format!("pools/{}/credentials/{}", call.pool, call.label);
        let changed = Difference {
            path: "/value".to_owned(),
            before: RawJson::default(),
            after: RawJson::of("changed"),
        };
        let info = match &call.ciphertext {
            Some(ciphertext) => {
                let info = json!(SealedInfo {
                    label: call.label.clone(),
                    set: true,
                    last4: call.last4.clone(),
                    fingerprint: call.fingerprint.clone(),
                    updated_at: rfc3339(call.author.at),
                    updated_by: call.author.actor.clone(),
                });
                let sealed = Sealed {
                    pool,
                    label: call.label.clone(),
                    ciphertext: ciphertext.clone(),
                };
                self.store().put_sealed(&sealed, &info)?;
                self.audit(&AuditRow::of(&call.author, "seal", &object, None, vec![changed]))?;
                info
            }
            None => {
                self.store().delete_sealed(&call.pool, &call.label)?;
                self.audit(&AuditRow::of(&call.author, "unseal", &object, None, vec![changed]))?;
                json!({"label": call.label, "set": false})
            }
        };
        let change = self.with_documents(crate::catalog::registry::Registry::touch);
        self.apply(&change)?;
        self.done(info, false)
    }

    pub(super) fn audit_call(&self, path: &str, body: &str) -> Outcome {
        match path {
            "/audit/append" => {
                self.audit(&asked(body)?)?;
                said(&())
            }
            "/audit/refused" => {
                self.audit_refused(&asked(body)?)?;
                said(&())
            }
            "/audit/list" => {
                let page: HistoryPage = asked(body)?;
                let limit = page.limit.clamp(1, PAGE);
                let rows = self.store().audit(page.cursor.unwrap_or(NEWEST), &page.q, limit)?;
                let next = next_of(rows.len(), limit, rows.last().map(|(id, _)| *id));
                let items = rows.iter().map(|(id, row)| audit_item(*id, row)).collect();
                said(&Listed { items, next })
            }
            _ => Err(ApiError::not_found("the Registry object has no such path").into()),
        }
    }

    /// A refused write or sign-in: bounded, because anybody can cause one.
    fn audit_refused(&self, row: &AuditRow) -> worker::Result<()> {
        let mut allowance = self.refusals_audited.borrow_mut();
        if !allowance.take(row.at) {
            return Ok(());
        }
        let missed = allowance.missed();
        if missed > 0 {
            self.audit(&AuditRow {
                action: "refused".to_owned(),
                object: "audit".to_owned(),
                result: format!("{missed} more refusals left no row"),
                ..row.clone()
            })?;
        }
        self.audit(row)
    }

    /// Lets the core decide and stores what it decided.
    fn decide(
        &self,
        decision: impl FnOnce(&mut crate::catalog::registry::Registry) -> Result<Change, RegistryError>,
    ) -> Result<Change, Failure> {
        let change = self.with_documents(decision)?;
        if let Err(error) = self.apply(&change) {
            // Nothing was stored: forget the decided state, the next call reads what is there.
            self.documents.replace(None);
            return Err(error.into());
        }
        Ok(change)
    }

    fn applied(&self, name: &DocumentName, created: bool) -> Outcome {
        let answer = self.with_documents(|documents| documents.stored(name));
        self.done(answer, created)
    }

    fn done(&self, answer: impl Serialize, created: bool) -> Outcome {
        let applied = Applied {
            answer: RawJson::of(&answer),
            created,
            snapshot: self.snapshot()?.to_json(),
        };
        Ok(Handled {
            publish: true,
            ..said(&applied)?
        })
    }

    fn history(&self, page: &HistoryPage) -> Outcome {
        let Some(name) = &page.name else {
            return Err(ApiError::not_found("no document named").into());
        };
        let limit = page.limit.clamp(1, PAGE);
        let rows = self.store().history(name, page.cursor.unwrap_or(NEWEST), limit)?;
        let next = next_of(rows.len(), limit, rows.last().map(|row| row.revision));
        let items = rows
            .iter()
            .map(|row| {
                RawJson::of(&HistoryItem {
                    revision: row.revision,
                    at: rfc3339(row.at),
                    actor: &row.actor,
                    note: row.note.as_deref(),
                    deleted: row.json.is_none(),
                    diff: &row.diff,
                    document: row.json.as_deref().map(RawJson::of_text),
                })
            })
            .collect();
        said(&Listed { items, next })
    }
}

#[derive(Serialize)]
struct HistoryItem<'a> {
    revision: u64,
    at: String,
    actor: &'a str,
    note: Option<&'a str>,
    deleted: bool,
    diff: &'a [Difference],
    document: Option<RawJson>,
}

/// A full page may have a successor.
fn next_of(rows: usize, limit: u32, last: Option<u64>) -> Option<String> {
    (rows >= usize::try_from(limit).unwrap_or(usize::MAX))
        .then_some(last)?
        .map(|last| last.to_string())
}

/// Written from the types: a tree of JSON would read amounts in differences as floats.
#[derive(Serialize)]
struct AuditItem<'a> {
    id: String,
    at: String,
    actor: &'a str,
    action: &'a str,
    object: &'a str,
    result: &'a str,
    revision: Option<u64>,
    diff: &'a [Difference],
    request_id: &'a str,
}

fn audit_item(id: u64, row: &AuditRow) -> RawJson {
    RawJson::of(&AuditItem {
        id: id.to_string(),
        at: rfc3339(row.at),
        actor: &row.actor,
        action: &row.action,
        object: &row.object,
        result: &row.result,
        revision: row.revision,
        diff: &row.diff,
        request_id: &row.request_id,
    })
}
