//! Documents: pages, one, write, delete, history, rollback; pasted credentials; import, export, audit log.

use super::Admin;
use crate::access::roles::Act;
use crate::catalog::document::{Collection, DocumentName};
use crate::catalog::registry::Condition;
use crate::catalog::registry::list::{Page, PageQuery};
use crate::edge::objects::registry::{
    Applied, DocumentCall, HistoryPage, ImportCall, Listed, PageCall, RollbackCall, SealCall,
};
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, sealing};
use crate::wire::ApiError;
use crate::wire::json::RawJson;
use crate::wire::time::rfc3339;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Characters of a pasted credential.
const CREDENTIAL_CHARS: std::ops::RangeInclusive<usize> = 8..=8_192;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    pub(super) revision: u64,
    #[serde(default)]
    pub(super) note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pasted {
    value: String,
}

/// `{collection}`, `{collection}/{id}`, `…/history`, `…/rollback`.
pub(super) async fn serve(admin: &Admin<'_>, path: &[&str]) -> Reply {
    let unknown = || ApiError::not_found("The admin API has no such path; docs/admin-api.md lists what it has.");
    let (name, rest) = path.split_first().ok_or_else(unknown)?;
    let collection = Collection::from_url_name(name).ok_or_else(unknown)?;
    let method = admin.incoming.method.as_str();
    match (rest, method) {
        ([], "GET") => page(admin, collection).await,
        ([id], "GET" | "HEAD") => one(admin, DocumentName::new(collection, *id)).await,
        ([id], "PUT") => put(admin, DocumentName::new(collection, *id)).await,
        ([id], "DELETE") => delete(admin, DocumentName::new(collection, *id)).await,
        ([id, "history"], "GET") => history(admin, DocumentName::new(collection, *id)).await,
        ([id, "rollback"], "POST") => rollback(admin, DocumentName::new(collection, *id)).await,
        ([], _) => Err(ApiError::method_not_allowed("GET")),
        ([_], _) => Err(ApiError::method_not_allowed("GET, PUT, DELETE")),
        _ => Err(unknown()),
    }
}

#[derive(Serialize)]
struct PageAnswer {
    #[serde(flatten)]
    page: Page,
    as_of: String,
}

async fn page(admin: &Admin<'_>, collection: Collection) -> Reply {
    admin.may(Act::Read)?;
    let query = PageQuery {
        limit: admin.limit(100, 1_000)? as usize,
        cursor: admin.query("cursor"),
        q: admin.query("q"),
    };
    let page: Page = admin
        .registry("/documents/page", &PageCall { collection, query })
        .await?;
    let as_of = rfc3339(clock::now());
    reply::json(200, &PageAnswer { page, as_of })
}

async fn one(admin: &Admin<'_>, name: DocumentName) -> Reply {
    admin.may(Act::Read)?;
    let stored: RawJson = admin.registry("/documents/get", &name).await?;
    tagged(200, &stored)
}

async fn put(admin: &Admin<'_>, name: DocumentName) -> Reply {
    admin.may(Act::WriteDocuments)?;
    let call = DocumentCall {
        name,
        text: admin.text().await?,
        condition: condition(admin)?,
        author: admin.author(None),
    };
    let applied: Applied = admin.registry("/documents/put", &call).await?;
    admin.adopt(&applied.snapshot).await;
    tagged(if applied.created { 201 } else { 200 }, &applied.answer)
}

async fn delete(admin: &Admin<'_>, name: DocumentName) -> Reply {
    admin.may(Act::WriteDocuments)?;
    let call = DocumentCall {
        name,
        text: String::new(),
        condition: condition(admin)?,
        author: admin.author(None),
    };
    let applied: Applied = admin.registry("/documents/delete", &call).await?;
    admin.adopt(&applied.snapshot).await;
    reply::json(200, &applied.answer)
}

async fn history(admin: &Admin<'_>, name: DocumentName) -> Reply {
    admin.may(Act::Read)?;
    let listed: Listed = admin
        .registry("/documents/history", &history_page(admin, Some(name))?)
        .await?;
    reply::json(200, &listed)
}

async fn rollback(admin: &Admin<'_>, name: DocumentName) -> Reply {
    admin.may(Act::WriteDocuments)?;
    let wish: Rollback = admin.body().await?;
    let call = RollbackCall {
        name,
        revision: wish.revision,
        author: admin.author(wish.note),
    };
    let applied: Applied = admin.registry("/documents/rollback", &call).await?;
    admin.adopt(&applied.snapshot).await;
    tagged(200, &applied.answer)
}

/// `GET pools/{id}/credentials`: labels and last characters, never values.
pub(super) async fn credentials(admin: &Admin<'_>, pool: &str) -> Reply {
    admin.may(Act::Read)?;
    let listed: Listed = admin.registry("/sealed/list", &pool).await?;
    let items = RawJson::of(&listed.items);
    reply::json(200, &BTreeMap::from([("items", items)]))
}

/// `PUT pools/{id}/credentials/{label}`: seals a pasted credential; the value is never returned.
pub(super) async fn seal(admin: &Admin<'_>, pool: &str, label: &str) -> Reply {
    admin.may(Act::WriteDocuments)?;
    let pasted: Pasted = admin.body().await?;
    let value = pasted.value.trim();
    if !CREDENTIAL_CHARS.contains(&value.len()) || !value.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ApiError::invalid_request(
            "A credential has 8 to 8192 printable ASCII characters without spaces.",
            Some("value"),
        ));
    }
    known_place(admin, pool, label)?;
    let ciphertext = sealing::seal(&admin.incoming.env, pool, label, value).await?;
    let call = SealCall {
        pool: pool.to_owned(),
        label: label.to_owned(),
        ciphertext: Some(ciphertext),
        last4: value
            .get(value.len().saturating_sub(4)..)
            .unwrap_or_default()
            .to_owned(),
        fingerprint: crate::catalog::vault::credential_id(pool, value).0,
        author: admin.author(None),
    };
    sealed(admin, &call).await
}

/// `DELETE pools/{id}/credentials/{label}`
pub(super) async fn unseal(admin: &Admin<'_>, pool: &str, label: &str) -> Reply {
    admin.may(Act::WriteDocuments)?;
    let call = SealCall {
        pool: pool.to_owned(),
        label: label.to_owned(),
        ciphertext: None,
        last4: String::new(),
        fingerprint: String::new(),
        author: admin.author(None),
    };
    sealed(admin, &call).await
}

async fn sealed(admin: &Admin<'_>, call: &SealCall) -> Reply {
    let applied: Applied = admin.registry("/sealed/put", call).await?;
    admin.adopt(&applied.snapshot).await;
    reply::json(200, &applied.answer)
}

/// A value without a place in its pool would never be used.
fn known_place(admin: &Admin<'_>, pool: &str, label: &str) -> Result<(), ApiError> {
    let Some(document) = admin.world.catalog.pools.get(pool) else {
        return Err(ApiError::not_found(format!("There is no pool {pool}.")));
    };
    if document.keys.iter().any(|key| key.label == label && key.sealed) {
        return Ok(());
    }
    Err(ApiError::new(
        "conflict",
        format!("Pool {pool} has no key with label {label} and `sealed: true`; add it to the pool first."),
    ))
}

/// `GET audit`
pub(super) async fn audit(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Read)?;
    let listed: Listed = admin.registry("/audit/list", &history_page(admin, None)?).await?;
    reply::json(200, &listed)
}

/// `GET export`
pub(super) async fn export(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Read)?;
    let text: String = admin.registry("/documents/export", &()).await?;
    let name = (
        "content-disposition".to_owned(),
        "attachment; filename=\"clawrouter-catalog.json\"".to_owned(),
    );
    reply::text_of(200, "application/json", &text, &[name])
}

/// `POST import`
pub(super) async fn import(admin: &Admin<'_>) -> Reply {
    admin.may(Act::WriteDocuments)?;
    let call = ImportCall {
        text: admin.text().await?,
        author: admin.author(None),
    };
    let applied: Applied = admin.registry("/documents/import", &call).await?;
    admin.adopt(&applied.snapshot).await;
    reply::json(200, &applied.answer)
}

fn history_page(admin: &Admin<'_>, name: Option<DocumentName>) -> Result<HistoryPage, ApiError> {
    let cursor = match admin.query("cursor") {
        None => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| ApiError::invalid_request("`cursor` is not one that this list gave.", Some("cursor")))?,
        ),
    };
    Ok(HistoryPage {
        name,
        cursor,
        q: admin.query("q").unwrap_or_default(),
        limit: admin.limit(50, 100)?,
    })
}

/// `If-Match: "<revision>"` or `If-None-Match: *`.
pub(super) fn condition(admin: &Admin<'_>) -> Result<Condition, ApiError> {
    if admin.incoming.header("if-none-match").as_deref() == Some("*") {
        return Ok(Condition::Absent);
    }
    match admin.incoming.header("if-match") {
        None => Ok(Condition::Unstated),
        Some(text) => {
            let revision = text.trim().trim_start_matches("W/").trim_matches('"').parse();
            revision.map(Condition::Revision).map_err(|_| {
                ApiError::invalid_request(
                    "`If-Match` must be the revision that was read, in quotes.",
                    Some("if-match"),
                )
            })
        }
    }
}

pub(super) fn tagged(status: u16, stored: &RawJson) -> Reply {
    #[derive(Default, Deserialize)]
    struct Revision {
        revision: u64,
    }
    let Revision { revision } = serde_json::from_str(stored.text()).unwrap_or_default();
    reply::text_of(
        status,
        "application/json",
        stored.text(),
        &[("etag".to_owned(), format!("\"{revision}\""))],
    )
}
