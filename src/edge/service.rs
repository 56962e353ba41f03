//! `/healthz`, `/v1`, and what a key may know about itself.

use super::incoming::Incoming;
use super::isolate::World;
use super::reply::{self, Reply};
use super::{callers, clock, ledger, world};
use crate::account::ledger::message::BudgetState;
use crate::account::ledger::query::{FindRequest, Found, UsageRequest};
use crate::account::rollup::{self, Grouping, UsageQuery, UsageReport};
use crate::catalog::PolicyId;
use crate::catalog::document::RateLimit;
use crate::wire::time::{parse_rfc3339, rfc3339};
use crate::wire::{ApiError, Millis, url};
use serde::Serialize;
use serde_json::json;

/// What a usage question covers when it names no period.
const THIRTY_DAYS: Millis = Millis(30 * 24 * 60 * 60 * 1000);

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Liveness, with what operators need at a glance.
pub(super) fn health(world: &World) -> Reply {
    let catalog = &world.catalog;
    reply::json(
        200,
        &json!({
            "status": if world.problem.is_none() { "ok" } else { "degraded" }, "service": "clawrouter", "version": VERSION,
            "catalog": {"revision": catalog.revision, "providers": catalog.providers.len(), "models": catalog.models.len(),
                "problem": world.problem, "warnings": catalog.warnings.len()},
        }),
    )
}

/// What is here.
pub(super) fn document(incoming: &Incoming) -> Reply {
    let origin = &incoming.origin;
    reply::json(
        200,
        &json!({
            "service": "clawrouter", "version": VERSION, "base_url": format!("{origin}/v1"), "admin": format!("{origin}/admin"),
            "endpoints": {
                "chat_completions": "POST /v1/chat/completions", "embeddings": "POST /v1/embeddings", "models": "GET /v1/models",
                "model": "GET /v1/models/{id}", "catalog": "GET /v1/catalog", "route": "POST /v1/route", "usage": "GET /v1/usage",
                "key": "GET /v1/key", "trace": "GET /v1/traces/{request_id}", "health": "GET /healthz",
            },
        }),
    )
}

/// Written from the types, like [`UsageAnswer`]: a tree of JSON would read money as floats.
#[derive(Serialize)]
struct KeyAnswer<'a> {
    kid: &'a str,
    label: &'a str,
    principal: Option<&'a str>,
    policy: &'a PolicyId,
    rate: RateLimit,
    key_rate: RateLimit,
    budgets: Vec<BudgetState>,
}

#[derive(Serialize)]
struct UsageAnswer<'a> {
    kid: &'a str,
    policy: &'a PolicyId,
    budgets: Vec<BudgetState>,
    usage: UsageReport,
    as_of: String,
}

/// What this key is.
pub(super) async fn key(incoming: &Incoming) -> Reply {
    let world = world::current(incoming).await;
    let grant = callers::authenticate(incoming, &world).await?;
    let budgets = ledger::budgets(&incoming.env, &grant.policy, Some(&grant.key.kid)).await?;
    reply::json(
        200,
        &KeyAnswer {
            kid: &grant.key.kid,
            label: &grant.key.label,
            principal: grant.key.principal.as_deref(),
            policy: &grant.policy.id,
            rate: grant.policy.rate,
            key_rate: grant.policy.key_rate,
            budgets,
        },
    )
}

/// This key's budgets and usage.
pub(super) async fn usage(incoming: &Incoming) -> Reply {
    let world = world::current(incoming).await;
    let grant = callers::authenticate(incoming, &world).await?;
    let budgets = ledger::budgets(&incoming.env, &grant.policy, Some(&grant.key.kid)).await?;
    let query = UsageQuery {
        kids: Some(std::iter::once(grant.key.kid.clone()).collect()),
        ..period(incoming, Grouping::Model)?
    };
    let policy = grant.policy.id.as_str();
    let part = ledger::ask(
        &incoming.env,
        policy,
        "/usage",
        &UsageRequest {
            policy: policy.to_owned(),
            query: query.clone(),
        },
    )
    .await?;
    let summary = rollup::report(&query, vec![part], clock::now());
    reply::json(
        200,
        &UsageAnswer {
            kid: &grant.key.kid,
            policy: &grant.policy.id,
            budgets,
            usage: summary,
            as_of: rfc3339(clock::now()),
        },
    )
}

/// The trace of one of this key's own requests.
pub(super) async fn trace(incoming: &Incoming, id: &str) -> Reply {
    let world = world::current(incoming).await;
    let grant = callers::authenticate(incoming, &world).await?;
    let id = url::decode(id);
    let find = FindRequest {
        request_id: id,
        kid: Some(grant.key.kid.clone()),
    };
    let found: Option<Found> = ledger::ask(&incoming.env, grant.policy.id.as_str(), "/request", &find).await?;
    let none = || ApiError::not_found("This key has no request of that id; rows are kept for a limited time.");
    reply::json(200, &found.map(Found::into_trace).ok_or_else(none)?)
}

/// The period of a usage question: `from` and `to`, by default the last thirty days.
///
/// # Errors
/// 400 for a time that is none.
pub(super) fn period(incoming: &Incoming, group: Grouping) -> Result<UsageQuery, ApiError> {
    let now = clock::now();
    let moment = |name: &str, otherwise: Millis| match url::query(&incoming.query, name) {
        None => Ok(otherwise),
        Some(text) => parse_rfc3339(&text).ok_or_else(|| {
            ApiError::invalid_request(
                format!("`{name}` must be a time like 2026-11-01T00:00:00Z."),
                Some(name),
            )
        }),
    };
    let to = moment("to", now.plus(Millis(1)))?;
    Ok(UsageQuery {
        group,
        from: moment("from", Millis(to.0.saturating_sub(THIRTY_DAYS.0)))?,
        to,
        kids: None,
    })
}
