//! `GET candidates`: every model as a policy may execute it now, with the reason where it may not. The call path's own answer.

use super::{Admin, observe};
use crate::access::Grant;
use crate::catalog::{Model, ModelId};
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, discovery, isolate, listing};
use crate::route::{World, executable};
use crate::wire::CallKind;
use crate::wire::time::rfc3339;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Concrete models, dynamic ones included, then the virtual ones that are listed.
pub(super) async fn list(admin: &Admin<'_>) -> Reply {
    let grant = observe::acting(admin, admin.query("policy")).await?;
    let dynamic: BTreeSet<ModelId> = discovery::models(admin.incoming, &admin.world)
        .await
        .into_iter()
        .collect();
    let names: Vec<ModelId> = dynamic.iter().cloned().collect();
    let catalog = &admin.world.catalog;
    let items = listing::decide(admin.incoming, &admin.world, |world| {
        let known = catalog
            .models
            .values()
            .map(|model| candidate(model, false, &grant, world));
        let found = dynamic
            .iter()
            .filter(|id| !catalog.models.contains_key(*id))
            .filter_map(|id| catalog.model(id.as_str()));
        let found = found.map(|model| candidate(&model, true, &grant, world));
        let listed = crate::route::listing::models(&grant, world, &names);
        let virtual_models = listed.into_iter().filter(|entry| entry.id.starts_with("clawrouter/"));
        let virtual_models = virtual_models.map(|entry| json!({"model": entry.id, "provider": "clawrouter", "executable": true, "reason": null,
            "dynamic": false, "virtual": true, "capabilities": entry.capabilities, "context_window": entry.context_window, "price": null,
            "family": null, "verified_at": null, "p50_ms": null}));
        known.chain(found).chain(virtual_models).collect::<Vec<Value>>()
    });
    reply::json(200, &json!({"items": items, "as_of": rfc3339(clock::now())}))
}

fn candidate(model: &Model, dynamic: bool, grant: &Grant, world: &World<'_>) -> Value {
    let kind = if model.capabilities.iter().any(|capability| capability == "chat") {
        CallKind::Chat
    } else {
        CallKind::Embeddings
    };
    let reason = executable(kind, model, grant, world).err();
    let price = model
        .price
        .as_ref()
        .map(|price| json!({"input": price.input, "output": price.output}));
    let verified_at = isolate::verified_at(&model.id).map(rfc3339);
    json!({"model": model.id, "provider": model.provider, "executable": reason.is_none(), "reason": reason, "dynamic": dynamic, "virtual": false,
        "capabilities": model.capabilities, "context_window": model.context_window, "price": price, "family": model.family,
        "verified_at": verified_at, "p50_ms": null})
}
