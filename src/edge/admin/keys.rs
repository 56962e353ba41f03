//! Caller keys: minted and shown once, listed, rotated, revoked.

use super::Admin;
use crate::access::admin::{Act, Role};
use crate::access::key::{KeyRecord, KeyWish, MINT_BYTES, mint as mint_key};
use crate::catalog::PolicyId;
use crate::edge::objects::registry::{KeyPage, KeyQuery, MintCall, RevokeCall, overlap_end};
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, isolate, ledger};
use crate::wire::time::{parse_rfc3339, rfc3339};
use crate::wire::{ApiError, Millis};
use serde::Deserialize;
use serde_json::{Value, json};

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
        principal: (admin.actor.role == Role::Member).then(|| admin.actor.name.clone()),
    };
    let page: KeyPage = admin.registry("/keys/list", &query).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for record in &page.items {
        items.push(shown(admin, record).await);
    }
    reply::json(
        200,
        &json!({"items": items, "next": page.next, "total": {"value": page.total, "exact": true}, "as_of": rfc3339(clock::now())}),
    )
}

/// `POST keys`: 201 with the only sight of the key. Members mint for themselves.
pub(super) async fn mint(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Own)?;
    let wish: Wish = admin.body().await?;
    let member = admin.actor.role == Role::Member;
    if !member {
        admin.may(Act::MintKeys).or_else(|refused| {
            if wish.principal.as_deref() == Some(admin.actor.name.as_str()) {
                Ok(())
            } else {
                Err(refused)
            }
        })?;
    }
    let wish = KeyWish {
        policy: PolicyId::parse(&wish.policy)
            .map_err(|error| ApiError::new("invalid_document", error.to_string()).about("/policy"))?,
        label: bounded(wish.label, 100, "/label")?,
        principal: if member {
            Some(admin.actor.name.clone())
        } else {
            wish.principal
                .map(|text| bounded(text, 254, "/principal"))
                .transpose()?
        },
        expires: wish.expires.as_deref().map(moment).transpose()?,
        test: wish.test,
    };
    issue(admin, &wish, None).await
}

/// `POST keys/{kid}/rotate`: a new key like the old one, which ends after the overlap.
pub(super) async fn rotate(admin: &Admin<'_>, kid: &str) -> Reply {
    let old = own(admin, kid).await?;
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
    let record = own(admin, kid).await?;
    let revoked: KeyRecord = admin
        .registry(
            "/keys/revoke",
            &RevokeCall {
                kid: kid.to_owned(),
                author: admin.author(None),
            },
        )
        .await?;
    isolate::forget_key(kid);
    ledger::revoke(&admin.incoming.env, record.policy.as_str(), kid, clock::now()).await;
    reply::json(200, &json!({"kid": kid, "revoked_at": revoked.revoked_at.map(rfc3339)}))
}

async fn issue(admin: &Admin<'_>, wish: &KeyWish, replaces: Option<(String, Millis)>) -> Reply {
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
    let mine = |record: &KeyRecord| {
        admin.actor.role > Role::Member || record.principal.as_deref() == Some(admin.actor.name.as_str())
    };
    record
        .filter(mine)
        .ok_or_else(|| ApiError::not_found(format!("There is no key {kid}.")))
}

async fn shown(admin: &Admin<'_>, record: &KeyRecord) -> Value {
    let policy = admin.world.catalog.policies.get(&record.policy);
    let budgets = match policy.filter(|policy| !policy.budgets.is_empty()) {
        Some(policy) => ledger::budgets(&admin.incoming.env, policy, Some(&record.kid))
            .await
            .unwrap_or_default(),
        None => Vec::new(),
    };
    json!({"kid": record.kid, "label": record.label, "policy": record.policy, "principal": record.principal, "prefix": record.prefix(),
        "last4": record.last4, "created_at": rfc3339(record.created_at), "expires_at": record.expires.map(rfc3339), "enabled": record.enabled,
        "revoked_at": record.revoked_at.map(rfc3339), "last_used_at": Value::Null, "budgets": budgets})
}

fn moment(text: &str) -> Result<Millis, ApiError> {
    parse_rfc3339(text).ok_or_else(|| {
        ApiError::new(
            "invalid_document",
            "`expires` must be a time like 2027-01-31T00:00:00Z.",
        )
        .about("/expires")
    })
}

fn bounded(text: String, most: usize, param: &str) -> Result<String, ApiError> {
    if text.chars().count() <= most && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    Err(ApiError::new(
        "invalid_document",
        format!("`{param}` has at most {most} characters, without control characters."),
    )
    .about(param))
}
