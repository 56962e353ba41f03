//! Caller keys: minted and shown once, listed, rotated, revoked.

use super::Admin;
use super::documents::{Rollback, condition, tagged};
use crate::access::key::{KeyRecord, KeyWish, MINT_BYTES, mint as mint_key};
use crate::access::key_document::{KeyDocument, KeyHistoryRow, MAX_LABEL, MAX_PRINCIPAL, ahead, bounded, moment};
use crate::access::roles::Act;
use crate::account::ledger::message::BudgetState;
use crate::account::ledger::query::{KeyState, MAX_KIDS};
use crate::catalog::PolicyId;
use crate::catalog::registry::Condition;
use crate::edge::isolate::Known;
use crate::edge::objects::registry::{
    ChangeKeyCall, KeyHistoryQuery, KeyPage, KeyQuery, KeyWrite, MintCall, RevokeCall, overlap_end,
};
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, isolate, ledger};
use crate::wire::json::RawJson;
use crate::wire::time::rfc3339;
use crate::wire::{ApiError, Millis};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    policy: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    principal: Option<String>,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    test: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    #[serde(default)]
    overlap_hours: u64,
}

/// `GET keys`. Members see their own.
pub(super) async fn list(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Own)?;
    let query = KeyQuery {
        limit: admin.limit(100, 500)?,
        cursor: admin.query("cursor"),
        q: admin.query("q").unwrap_or_default(),
        policy: admin.query("policy"),
        principal: admin.actor.only_principal().map(str::to_owned),
    };
    let page: KeyPage = admin.registry("/keys/list", &query).await?;
    let states = states(admin, &page.items).await;
    let items: Vec<KeyItem<'_>> = page
        .items
        .iter()
        .map(|record| shown(record, states.get(&record.kid)))
        .collect();
    reply::json(
        200,
        &KeyList {
            items,
            next: page.next.as_deref(),
            total: Total {
                value: page.total,
                exact: true,
            },
            as_of: rfc3339(clock::now()),
        },
    )
}

/// `POST keys`: 201 with the only sight of the key. Members mint for themselves.
pub(super) async fn mint(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Own)?;
    let wish: Wish = admin.body().await?;
    let policy = PolicyId::parse(&wish.policy)
        .map_err(|error| ApiError::new("invalid_document", error.to_string()).about("/policy"))?;
    let principal = wish
        .principal
        .map(|text| bounded(&text, MAX_PRINCIPAL, "/principal"))
        .transpose()?;
    let wish = KeyWish {
        principal: may_mint(admin, &policy, principal)?,
        policy,
        label: bounded(&wish.label, MAX_LABEL, "/label")?,
        expires: wish.expires.as_deref().map(moment).transpose()?,
        test: wish.test,
    };
    issue(admin, &wish, None).await
}

/// `GET keys/{kid}`. Members see their own.
pub(super) async fn one(admin: &Admin<'_>, kid: &str) -> Reply {
    let record = own(admin, kid).await?;
    let states = states(admin, std::slice::from_ref(&record)).await;
    let answer = StoredKey {
        item: shown(&record, states.get(kid)),
        document: KeyDocument::of(&record),
        revision: record.revision,
    };
    tagged(200, &RawJson::of(&answer))
}

/// `PUT keys/{kid}`: label, principal, policy, expiry and whether it works; never the secret.
pub(super) async fn put(admin: &Admin<'_>, kid: &str) -> Reply {
    admin.may(Act::MintKeys)?;
    let document: KeyDocument = admin.body().await?;
    let wish = KeyWrite::Document(document, condition(admin)?);
    change(admin, kid, wish, None).await
}

/// `POST keys/{kid}/rollback`: as it was at a revision. A revoked key stays revoked.
pub(super) async fn rollback(admin: &Admin<'_>, kid: &str) -> Reply {
    admin.may(Act::MintKeys)?;
    let wish: Rollback = admin.body().await?;
    change(admin, kid, KeyWrite::Rollback(wish.revision), wish.note).await
}

async fn change(admin: &Admin<'_>, kid: &str, wish: KeyWrite, note: Option<String>) -> Reply {
    let call = ChangeKeyCall {
        kid: kid.to_owned(),
        wish,
        author: admin.author(note),
    };
    let record: KeyRecord = admin.registry("/keys/change", &call).await?;
    let answer = json!({"document": KeyDocument::of(&record), "revision": record.revision});
    remember(record);
    tagged(200, &RawJson::of(&answer))
}

/// `DELETE keys/{kid}`: revoked for good. Its row and its history stay, because requests name it.
pub(super) async fn delete(admin: &Admin<'_>, kid: &str) -> Reply {
    own(admin, kid).await?;
    let revoked = revoke_when(admin, kid, Some(condition(admin)?)).await?;
    reply::json(
        200,
        &json!({"id": kid, "deleted": true, "revoked_at": revoked.revoked_at.map(rfc3339)}),
    )
}

/// `GET keys/{kid}/history`. Members see that of their own.
pub(super) async fn history(admin: &Admin<'_>, kid: &str) -> Reply {
    own(admin, kid).await?;
    let before = admin.query("cursor").map(|text| {
        text.parse()
            .map_err(|_| ApiError::invalid_request("`cursor` is not one that this list gave.", Some("cursor")))
    });
    let query = KeyHistoryQuery {
        kid: kid.to_owned(),
        before: before.transpose()?,
        limit: admin.limit(50, 100)?,
    };
    let rows: Vec<KeyHistoryRow> = admin.registry("/keys/history", &query).await?;
    let full = rows.len() >= query.limit as usize;
    let next = rows.last().filter(|_| full).map(|row| row.revision.to_string());
    let items: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({"revision": row.revision, "at": rfc3339(row.at), "actor": row.actor, "note": row.note,
                "deleted": row.revoked, "diff": row.diff, "document": row.document})
        })
        .collect();
    reply::json(200, &json!({"items": items, "next": next}))
}

/// `POST keys/{kid}/rotate`: a new key like the old one, which ends after the overlap.
pub(super) async fn rotate(admin: &Admin<'_>, kid: &str) -> Reply {
    let old = own(admin, kid).await?;
    // A rotation shows a new secret: whoever may not make such a key may not rotate it either.
    may_mint(admin, &old.policy, old.principal.clone())?;
    let rotation: Rotation = admin.body().await?;
    let wish = KeyWish {
        policy: old.policy.clone(),
        label: old.label.clone(),
        principal: old.principal.clone(),
        expires: old.expires,
        test: old.test,
    };
    let until = overlap_end(rotation.overlap_hours);
    issue(admin, &wish, Some((kid.to_owned(), until))).await
}

/// `POST keys/{kid}/revoke`: at once in this isolate and for everything that reserves, within 60 s everywhere.
pub(super) async fn revoke(admin: &Admin<'_>, kid: &str) -> Reply {
    own(admin, kid).await?;
    let revoked = revoke_when(admin, kid, None).await?;
    reply::json(200, &json!({"kid": kid, "revoked_at": revoked.revoked_at.map(rfc3339)}))
}

async fn revoke_when(admin: &Admin<'_>, kid: &str, condition: Option<Condition>) -> Result<KeyRecord, ApiError> {
    let call = RevokeCall {
        kid: kid.to_owned(),
        condition,
        author: admin.author(None),
    };
    let revoked: KeyRecord = admin.registry("/keys/revoke", &call).await?;
    isolate::forget_key(kid);
    isolate::set_revoked(kid, revoked.revoked_at.unwrap_or_else(clock::now));
    Ok(revoked)
}

/// This isolate uses the changed key at once.
fn remember(record: KeyRecord) {
    let kid = record.kid.clone();
    let known = Known {
        record: Some(Arc::new(record)),
        read_at: clock::now(),
    };
    isolate::set_key(&kid, known);
}

async fn issue(admin: &Admin<'_>, wish: &KeyWish, replaces: Option<(String, Millis)>) -> Reply {
    ahead(wish.expires, clock::now())?;
    let random = clock::random::<MINT_BYTES>().map_err(|_| ApiError::internal("There is no randomness."))?;
    let minted = mint_key(wish, &random, clock::now());
    let call = MintCall {
        record: minted.record,
        replaces: replaces.clone(),
        author: admin.author(None),
    };
    let record: KeyRecord = admin.registry("/keys/mint", &call).await?;
    let mut answer = json!({"kid": record.kid, "key": minted.key, "policy": record.policy, "label": record.label,
        "principal": record.principal, "expires_at": record.expires.map(rfc3339), "created_at": rfc3339(record.created_at)});
    if let (Some(answer), Some((kid, until))) = (answer.as_object_mut(), replaces) {
        isolate::forget_key(&kid);
        answer.insert("replaces".to_owned(), kid.into());
        answer.insert("old_expires_at".to_owned(), rfc3339(until).into());
    }
    reply::json(201, &answer)
}

/// A key that this person may change: operators any, members their own.
async fn own(admin: &Admin<'_>, kid: &str) -> Result<KeyRecord, ApiError> {
    admin.may(Act::Own)?;
    let record: Option<KeyRecord> = admin.registry("/keys/get", &kid).await?;
    record
        .filter(|record| admin.actor.sees(record))
        .ok_or_else(|| ApiError::not_found(format!("There is no key {kid}.")))
}

/// Whose name a new key gets, if this person may make it.
fn may_mint(admin: &Admin<'_>, policy: &PolicyId, principal: Option<String>) -> Result<Option<String>, ApiError> {
    let members = &admin.world.catalog.settings.member_policies;
    admin.actor.mints(policy, principal, members)
}

/// Budgets and last use of these keys: one question to each policy's Ledger. A Ledger that is away leaves its keys out.
async fn states(admin: &Admin<'_>, records: &[KeyRecord]) -> BTreeMap<String, KeyState> {
    let mut by_policy: BTreeMap<&PolicyId, Vec<String>> = BTreeMap::new();
    for record in records {
        by_policy.entry(&record.policy).or_default().push(record.kid.clone());
    }
    let policies = &admin.world.catalog.policies;
    let questions = by_policy
        .iter()
        .filter_map(|(policy, kids)| Some((policies.get(*policy)?, kids)))
        .flat_map(|(policy, kids)| kids.chunks(MAX_KIDS).map(move |kids| (policy, kids)));
    let asked = questions.map(|(policy, kids)| async move {
        let states = ledger::key_states(&admin.incoming.env, policy, kids)
            .await
            .unwrap_or_default();
        kids.iter().cloned().zip(states).collect::<Vec<_>>()
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Written from the types: budgets hold money, which a tree of JSON would read as floats.
#[derive(Serialize)]
struct KeyList<'a> {
    items: Vec<KeyItem<'a>>,
    next: Option<&'a str>,
    total: Total,
    as_of: String,
}

#[derive(Serialize)]
struct Total {
    value: u64,
    exact: bool,
}

/// A key as people see it. `usage_known` is false when its Ledger could not be asked: then `last_used_at` and `budgets` say nothing.
#[derive(Serialize)]
struct KeyItem<'a> {
    kid: &'a str,
    label: &'a str,
    policy: &'a PolicyId,
    principal: Option<&'a str>,
    prefix: String,
    last4: &'a str,
    created_at: String,
    expires_at: Option<String>,
    enabled: bool,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
    budgets: &'a [BudgetState],
    usage_known: bool,
}

/// A key with the document that people change.
#[derive(Serialize)]
struct StoredKey<'a> {
    #[serde(flatten)]
    item: KeyItem<'a>,
    document: KeyDocument,
    revision: u64,
}

fn shown<'a>(record: &'a KeyRecord, state: Option<&'a KeyState>) -> KeyItem<'a> {
    KeyItem {
        kid: &record.kid,
        label: &record.label,
        policy: &record.policy,
        principal: record.principal.as_deref(),
        prefix: record.prefix(),
        last4: &record.last4,
        created_at: rfc3339(record.created_at),
        expires_at: record.expires.map(rfc3339),
        enabled: record.enabled,
        revoked_at: record.revoked_at.map(rfc3339),
        last_used_at: state.and_then(|state| state.last_used).map(rfc3339),
        budgets: state.map(|state| state.budgets.as_slice()).unwrap_or_default(),
        usage_known: state.is_some(),
    }
}
