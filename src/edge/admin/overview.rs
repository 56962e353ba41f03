//! How things stand across policies and keys: models and providers, what one key is shown, and whether this edge location has heard
//! of the latest change.

use super::{Admin, fusion};
use crate::access::key::{KeyRecord, rights};
use crate::access::roles::Act;
use crate::catalog::ModelId;
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, discovery, health, isolate, ledger, listing, world};
use crate::route::listing::ModelEntry;
use crate::route::{fusion_model, overview};
use crate::wire::ApiError;
use crate::wire::json::RawJson;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// `GET models/overview`: providers and models with the policies that can execute them, and where they are named.
pub(super) async fn models(admin: &Admin<'_>) -> Reply {
    admin.may(Act::Read)?;
    health::hear(admin.incoming).await;
    let dynamic = discovery::models(admin.incoming, &admin.world).await;
    let verified = isolate::with_verified(|verified| verified.clone());
    let report = isolate::with_health(|health| health.report(&admin.world.catalog, &admin.world.vault, clock::now()));
    let usual: BTreeMap<String, _> = report
        .targets
        .into_iter()
        .filter_map(|target| Some((target.target, target.ttft_p50_ms?)))
        .collect();
    let answer = listing::decide(admin.incoming, &admin.world, |world| {
        overview::overview(&verified, &dynamic, |model| usual.get(model.as_str()).copied(), world)
    });
    reply::json(200, &answer)
}

/// `GET models/{id}/policies`: who is shown one model, and why not.
pub(super) fn policies(admin: &Admin<'_>, id: &str) -> Reply {
    admin.may(Act::Read)?;
    let model = admin.world.catalog.model(id);
    let model = model.ok_or_else(|| ApiError::not_found(format!("There is no model {id}.")))?;
    let rows = listing::decide(admin.incoming, &admin.world, |world| overview::of_model(&model, world));
    reply::json(200, &json!({"model": id, "policies": rows}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Previewed {
    key: String,
    #[serde(default)]
    draft: Option<RawJson>,
}

/// `POST fusion-profiles/{id}/preview`: what a key's `GET /v1/models` would list with the draft in force.
pub(super) async fn preview(admin: &Admin<'_>, id: &str) -> Reply {
    admin.may(Act::Read)?;
    let asked: Previewed = admin.body().await?;
    let draft = fusion::profile(admin, id, asked.draft).await?;
    let record: Option<KeyRecord> = admin.registry("/keys/get", &asked.key).await?;
    let record = record.ok_or_else(|| ApiError::not_found(format!("There is no key {}.", asked.key)))?;
    let policy = admin.world.catalog.policies.get(&record.policy);
    let mut grant = rights(&record, policy, clock::now())?;
    let states = ledger::key_states(&admin.incoming.env, &grant.policy, std::slice::from_ref(&record.kid)).await?;
    grant.remaining = states.first().and_then(|state| fusion::least(&state.budgets));
    let dynamic: Vec<ModelId> = discovery::models(admin.incoming, &admin.world).await;
    let list = |world: &isolate::World| {
        listing::decide(admin.incoming, world, |world| {
            crate::route::listing::models(&grant, world, &dynamic)
        })
    };
    let now: BTreeSet<String> = list(&admin.world).into_iter().map(|entry| entry.id).collect();
    let then = list(&fusion::with_draft(admin, &draft));
    let ids: BTreeSet<&str> = then.iter().map(|entry| entry.id.as_str()).collect();
    let gone: Vec<&String> = now.iter().filter(|id| !ids.contains(id.as_str())).collect();
    let row = |entry: &ModelEntry| json!({"id": entry.id, "owned_by": entry.owned_by, "display_name": entry.display_name, "is_new": !now.contains(&entry.id)});
    let models: Vec<_> = then.iter().map(row).collect();
    reply::json(
        200,
        &json!({"key": record.kid, "label": record.label, "policy": record.policy, "model": fusion_model(id), "models": models, "gone": gone}),
    )
}

/// `GET fusion-profiles/{id}/listing`: has this edge location heard of the newest revision, and which policies does it list the profile
/// for? One read of KV, and no other work unless there is something new.
pub(super) async fn edge_listing(admin: &Admin<'_>, id: &str) -> Reply {
    admin.may(Act::Read)?;
    let newest: u64 = admin.registry("/documents/revision", &()).await?;
    let here = world::published(&admin.incoming.env).await;
    let name = fusion_model(id);
    let policies = here.catalog.policies.keys().filter(|policy| {
        let grant = super::observe::grant_in(admin, &here.catalog, policy.as_str());
        grant.is_ok_and(|grant| {
            listing::decide(admin.incoming, &here, |world| {
                crate::route::listing::model(&name, &grant, world).is_ok()
            })
        })
    });
    let policies: Vec<String> = policies.map(ToString::to_string).collect();
    let revision = here.catalog.revision;
    reply::json(
        200,
        &json!({"model": name, "revision": newest, "edge_revision": revision, "current": revision >= newest, "policies": policies}),
    )
}
