//! What happened and what is going on: requests, traces, usage, metrics, health, sessions, route explanations.

use super::Admin;
use crate::access::key::KeyRecord;
use crate::access::roles::{Act, Role, own_policies};
use crate::access::{Grant, KeyIdentity};
use crate::account::ledger::query::{FindRequest, Found, ListRequest, MetricsPart, UsageRequest};
use crate::account::listing::{LedgerPage, RequestFilter, merge};
use crate::account::metrics;
use crate::account::rollup::{self, Grouping, UsagePart, UsageQuery};
use crate::catalog::money::usd;
use crate::catalog::registry::AuditRow;
use crate::catalog::{Catalog, ModelId, NanoUsd, PolicyId, PoolId};
use crate::edge::completions::{Preview, refusal};
use crate::edge::objects::client;
use crate::edge::objects::registry::{KeyPage, KeyQuery};
use crate::edge::objects::session::{Done, INDEX, ListSessions, RemoveSession, SessionRow};
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, config, health, isolate, ledger, listing, service};
use crate::route::health::gauges::Gauges;
use crate::route::pin::Pin;
use crate::route::{Hints, executable};
use crate::wire::json::RawJson;
use crate::wire::time::rfc3339;
use crate::wire::{ApiError, CallKind, Limits, Millis, chat, url};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Keys of one member whose requests are read.
const MAX_OWN_KEYS: u32 = 500;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    target: Option<String>,
}

/// `GET requests`: one page over all policies.
pub(super) async fn requests(admin: &Admin<'_>) -> Reply {
    let filter = filter(admin).await?;
    let question = |policy: &str| ListRequest {
        policy: policy.to_owned(),
        filter: filter.clone(),
    };
    let policies = ledgers_of(admin, &filter).await?;
    let pages: Vec<LedgerPage> = ledger::ask_all(&admin.incoming.env, &policies, "/requests", question).await?;
    reply::json(200, &merge(&filter, pages, clock::now()))
}

/// The filter that the query says, narrowed to what this person may read.
pub(super) async fn filter(admin: &Admin<'_>) -> Result<RequestFilter, ApiError> {
    let only_keys = own_keys(admin).await?;
    let pairs: Vec<(String, String)> = admin
        .incoming
        .query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (url::decode(name), url::decode(&value.replace('+', " "))))
        .collect();
    let filter = RequestFilter::parse(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .map_err(|error| ApiError::invalid_request(error.to_string(), Some(&error.parameter)))?;
    Ok(RequestFilter { only_keys, ..filter })
}

/// The policies whose Ledgers can hold what the filter finds.
pub(super) async fn ledgers_of(admin: &Admin<'_>, filter: &RequestFilter) -> Result<Vec<String>, ApiError> {
    let live = &admin.world.catalog.policies;
    match &filter.policy {
        Some(policy) if live.contains_key(policy.as_str()) => Ok(vec![policy.clone()]),
        _ => admin.policies_ever().await,
    }
}

/// `GET requests/{id}`
pub(super) async fn request(admin: &Admin<'_>, id: &str) -> Reply {
    let only_keys = own_keys(admin).await?;
    reply::json(200, &visible(admin, id, only_keys).await?.into_trace())
}

/// A request, if one of these keys made it.
///
/// # Errors
/// 404, for somebody else's too; 503 when a Ledger is away.
pub(super) async fn visible(
    admin: &Admin<'_>,
    id: &str,
    only_keys: Option<BTreeSet<String>>,
) -> Result<Found, ApiError> {
    let found = find(admin, id).await?;
    if only_keys.is_some_and(|only| !only.contains(&found.row.kid)) {
        return Err(no_request());
    }
    Ok(found)
}

/// A request by its id, in whichever Ledger it is.
///
/// # Errors
/// 404; 503 when a Ledger is away.
async fn find(admin: &Admin<'_>, id: &str) -> Result<Found, ApiError> {
    let question = |_: &str| FindRequest {
        request_id: id.to_owned(),
        kid: None,
    };
    let found: Vec<Option<Found>> =
        ledger::ask_all(&admin.incoming.env, &admin.policies_ever().await?, "/request", question).await?;
    found.into_iter().flatten().next().ok_or_else(no_request)
}

fn no_request() -> ApiError {
    ApiError::not_found("There is no request of that id; rows are kept for a limited time.")
}

/// The keys whose requests this person may read; `None`: everybody's. Members read what their own keys did.
async fn own_keys(admin: &Admin<'_>) -> Result<Option<BTreeSet<String>>, ApiError> {
    let Some(principal) = admin.actor.only_principal() else {
        admin.may(Act::Read)?;
        return Ok(None);
    };
    Ok(Some(kids(keys_of(admin, principal).await?)))
}

/// The ids of keys.
pub(super) fn kids(keys: Vec<KeyRecord>) -> BTreeSet<String> {
    keys.into_iter().map(|record| record.kid).collect()
}

/// Somebody's own keys.
pub(super) async fn keys_of(admin: &Admin<'_>, principal: &str) -> Result<Vec<KeyRecord>, ApiError> {
    admin.may(Act::Own)?;
    let query = KeyQuery {
        limit: MAX_OWN_KEYS,
        cursor: None,
        q: String::new(),
        policy: None,
        principal: Some(principal.to_owned()),
    };
    let page: KeyPage = admin.registry("/keys/list", &query).await?;
    Ok(page.items)
}

/// `GET usage`
pub(super) async fn usage(admin: &Admin<'_>) -> Reply {
    let only_keys = own_keys(admin).await?;
    let group = match admin.query("group").as_deref() {
        None | Some("policy") => Grouping::Policy,
        Some("key") => Grouping::Key,
        Some("model") => Grouping::Model,
        Some("provider") => Grouping::Provider,
        Some("day") => Grouping::Day,
        Some(_) => {
            return Err(ApiError::invalid_request(
                "`group` is policy, key, model, provider or day.",
                Some("group"),
            ));
        }
    };
    let query = UsageQuery {
        kids: only_keys,
        ..service::period(admin.incoming, group)?
    };
    let question = |policy: &str| UsageRequest {
        policy: policy.to_owned(),
        query: query.clone(),
    };
    let parts: Vec<UsagePart> =
        ledger::ask_all(&admin.incoming.env, &admin.policies_ever().await?, "/usage", question).await?;
    reply::json(200, &rollup::report(&query, parts, clock::now()))
}

/// `GET metrics`: Prometheus text.
pub(super) async fn metrics(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Read)?;
    let policies = admin.policies_ever().await?;
    let parts: Vec<MetricsPart> = ledger::ask_all(&admin.incoming.env, &policies, "/metrics", |_| ()).await?;
    let named: Vec<(String, MetricsPart)> = policies.into_iter().zip(parts).collect();
    health::hear(admin.incoming).await;
    let (world, now) = (&admin.world, clock::now());
    let gauges = Gauges {
        hub_lag: health::hub_lag(now),
        ..isolate::with_health(|health| health.gauges(&world.catalog, &world.vault, now))
    };
    reply::text_of(
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        &metrics::render(&named, &gauges),
        &[],
    )
}

/// `GET health/targets`: this isolate's memory, which the hub keeps close to everybody's.
pub(super) fn targets(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Read)?;
    let report = isolate::with_health(|health| health.report(&admin.world.catalog, &admin.world.vault, clock::now()));
    let mut answer = serde_json::to_value(report).unwrap_or_default();
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("providers".to_owned(), providers(admin)?.into());
    }
    reply::json(200, &answer)
}

/// Which providers can be called under the admin policy, and why not.
fn providers(admin: &Admin<'_>) -> Result<Vec<Value>, ApiError> {
    let grant = grant(admin, &admin.world.catalog.settings.admin_policy)?;
    let catalog = &admin.world.catalog;
    Ok(listing::decide(admin.incoming, &admin.world, |world| {
        let state = |provider: &std::sync::Arc<crate::catalog::Provider>| {
            let models: Vec<_> = catalog
                .models
                .values()
                .filter(|model| model.provider == provider.id)
                .collect();
            let kind = |model: &crate::catalog::Model| {
                if model.capabilities.iter().any(|word| word == "embeddings") {
                    CallKind::Embeddings
                } else {
                    CallKind::Chat
                }
            };
            let verdicts: Vec<_> = models
                .iter()
                .map(|model| executable(kind(model), model, &grant, world))
                .collect();
            let listed = isolate::listing(&provider.id).map_or(0, |listing| listing.models.len());
            let connected = listed > 0 || verdicts.iter().any(Result::is_ok);
            let reason = verdicts.into_iter().find_map(Result::err).filter(|_| !connected);
            json!({"provider": provider.id, "connected": connected, "reason": reason, "models": models.len() + listed})
        };
        catalog.providers.values().map(state).collect()
    }))
}

/// `POST pools/{id}/reset`: forgets cooldowns of a pool, one of its credentials, or a target.
pub(super) async fn reset(admin: &Admin<'_>, pool: &str) -> Reply {
    admin.may(Act::Operate)?;
    let wish: Reset = admin.body().await?;
    let unknown = || ApiError::not_found(format!("There is no pool {pool}."));
    let pool_id = PoolId::parse(pool).map_err(|_| unknown())?;
    if !admin.world.catalog.pools.contains_key(&pool_id) {
        return Err(unknown());
    }
    let now = clock::now();
    let cleared = match wish.target.as_deref() {
        Some(target) => {
            let target = ModelId::parse(target)
                .map_err(|_| ApiError::invalid_request("`target` is `provider/model`.", Some("target")))?;
            let host = admin
                .world
                .catalog
                .model(target.as_str())
                .and_then(|model| admin.world.catalog.providers.get(&model.provider).cloned());
            let host = host.map(|provider| crate::route::host_of(&provider, &admin.world.vault));
            isolate::with_health(|health| health.reset_target(&target, host.as_deref(), now))
        }
        None => {
            isolate::with_health(|health| health.reset_pool(&admin.world.vault, &pool_id, wish.label.as_deref(), now))
        }
    };
    let row = AuditRow::of(&admin.author(None), "reset", &format!("pools/{pool}"), None, Vec::new());
    let (): () = admin.registry("/audit/append", &row).await?;
    let env = admin.incoming.env.clone();
    admin.incoming.after_response(health::exchange(env));
    reply::json(200, &json!({"cleared": cleared}))
}

/// `GET sessions`
pub(super) async fn sessions(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Read)?;
    let list = ListSessions {
        limit: admin.limit(100, 200)?,
        cursor: admin.query("cursor"),
    };
    let rows: Vec<SessionRow> = client::call(&admin.incoming.env, config::SESSION, INDEX, "/index/list", &list)
        .await
        .map_err(|_| away())?;
    let full = rows.len() >= list.limit as usize;
    let next = if full {
        rows.last().map(|row| row.name.clone())
    } else {
        None
    };
    let items = rows.iter().filter_map(session).collect();
    reply::json(200, &Sessions { items, next })
}

/// Written from the types, like everything that holds money: a tree of JSON would read it as floats.
#[derive(Serialize)]
struct Sessions<'a> {
    items: Vec<SessionItem<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct SessionItem<'a> {
    session: &'a str,
    tenant: &'a str,
    target: ModelId,
    credential: Option<String>,
    route: String,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    turns: u64,
    #[serde(with = "usd")]
    cost_usd: NanoUsd,
}

fn session(row: &SessionRow) -> Option<SessionItem<'_>> {
    let pin: Pin = serde_json::from_str(&row.pin).ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds that came from a u64 below 2^53"
    )]
    let expires_at = Millis(row.expires_at as u64);
    Some(SessionItem {
        session: &row.name,
        tenant: &row.tenant,
        target: pin.target,
        credential: pin.credential,
        route: pin.route,
        created_at: rfc3339(pin.created_at),
        last_used_at: rfc3339(pin.last_used_at),
        expires_at: rfc3339(expires_at),
        turns: pin.turns,
        cost_usd: pin.cost,
    })
}

/// `DELETE sessions/{id}`: the next turn is routed anew.
pub(super) async fn end_session(admin: &Admin<'_>, id: &str) -> Reply {
    admin.may(Act::Operate)?;
    let env = &admin.incoming.env;
    let _: Done = client::call(env, config::SESSION, id, "/delete", &())
        .await
        .map_err(|_| away())?;
    let _: Done = client::call(
        env,
        config::SESSION,
        INDEX,
        "/index/remove",
        &RemoveSession { name: id.to_owned() },
    )
    .await
    .map_err(|_| away())?;
    isolate::with_pins(|pins| pins.forget(id));
    let row = AuditRow::of(&admin.author(None), "unpin", "session", None, Vec::new());
    let (): () = admin.registry("/audit/append", &row).await?;
    reply::empty(204, &[])
}

/// `POST route/explain`: the explanation as a key of a policy would get it; nothing is called, nothing recorded.
pub(super) async fn explain(admin: &Admin<'_>) -> Reply {
    // Members as they were written: a tree would read the amounts of controls as floats.
    let mut body: BTreeMap<String, RawJson> = admin.body().await?;
    let policy = body.remove("policy").and_then(|policy| policy.string());
    let grant = acting(admin, policy).await?;
    let call = chat::parse(Bytes::from(RawJson::of(&body).text().to_owned()), &Limits::default())?;
    let planned = listing::decide(admin.incoming, &admin.world, |world| {
        crate::route::plan(&call, world, &grant, &Hints::default())
    });
    match planned {
        Ok((_, explanation)) => reply::json(200, &explanation),
        Err(refused) => {
            let error = refusal(&refused, clock::now());
            reply::json(
                200,
                &Preview {
                    refused: error.object(&admin.incoming.request_id),
                    status: error.status,
                    explanation: &refused.explanation,
                },
            )
        }
    }
}

/// The rights as which this person tries a request: of any policy for operators, of their own keys' policies for members.
pub(super) async fn acting(admin: &Admin<'_>, asked: Option<String>) -> Result<Grant, ApiError> {
    let catalog = &admin.world.catalog;
    let own = match admin.actor.only_principal() {
        None => None,
        Some(principal) => {
            let keys = keys_of(admin, principal).await?;
            let rules = &catalog.settings.member_policies;
            Some(own_policies(&keys, catalog.policies.keys(), rules, clock::now()))
        }
    };
    let policy = admin
        .actor
        .acts_as(asked, &catalog.settings.admin_policy, own.as_ref())?;
    grant(admin, &policy)
}

/// The rights of a policy, for people who test on its behalf.
pub(super) fn grant(admin: &Admin<'_>, policy: &str) -> Result<Grant, ApiError> {
    grant_in(admin, &admin.world.catalog, policy)
}

/// The same in another catalog.
pub(super) fn grant_in(admin: &Admin<'_>, catalog: &Catalog, policy: &str) -> Result<Grant, ApiError> {
    let unknown = || ApiError::invalid_request(format!("There is no policy {policy}."), Some("policy"));
    let id = PolicyId::parse(policy).map_err(|_| unknown())?;
    let policy = catalog.policies.get(&id).ok_or_else(unknown)?;
    let label = if admin.actor.role == Role::Member {
        "member"
    } else {
        "admin"
    };
    let key = KeyIdentity {
        kid: "admin".to_owned(),
        label: label.to_owned(),
        principal: Some(admin.actor.name.clone()),
    };
    Ok(Grant {
        key,
        policy: Arc::clone(policy),
        remaining: None,
    })
}

fn away() -> ApiError {
    ApiError::new(
        "registry_unavailable",
        "Sessions cannot be read at the moment; try again.",
    )
    .after(Millis(1_000))
}
