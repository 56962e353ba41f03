//! `GET candidates`: every model as a policy may execute it now, with the reason where it may not. The call path's own answer.

use super::{Admin, observe};
use crate::access::Grant;
use crate::catalog::{Model, ModelId, PicoUsd};
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, discovery, isolate, listing};
use crate::route::{Refusal, World, executable};
use crate::wire::CallKind;
use crate::wire::time::rfc3339;
use serde::Serialize;
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
        let virtual_models = virtual_models.map(|entry| Candidate {
            model: entry.id,
            provider: "clawrouter".to_owned(),
            executable: true,
            virtual_model: true,
            capabilities: entry.capabilities,
            context_window: entry.context_window,
            ..Candidate::default()
        });
        known.chain(found).chain(virtual_models).collect::<Vec<_>>()
    });
    let as_of = rfc3339(clock::now());
    reply::json(200, &Candidates { items, as_of })
}

/// Written from the types, like everything that holds money: a tree of JSON would read prices as floats.
#[derive(Serialize)]
struct Candidates {
    items: Vec<Candidate>,
    as_of: String,
}

#[derive(Default, Serialize)]
struct Candidate {
    model: String,
    provider: String,
    executable: bool,
    reason: Option<Refusal>,
    dynamic: bool,
    #[serde(rename = "virtual")]
    virtual_model: bool,
    capabilities: Vec<String>,
    context_window: Option<u64>,
    price: Option<TokenPrice>,
    family: Option<String>,
    verified_at: Option<String>,
    p50_ms: Option<u64>,
}

/// Dollars per million tokens.
#[derive(Serialize)]
struct TokenPrice {
    input: PicoUsd,
    output: PicoUsd,
}

fn candidate(model: &Model, dynamic: bool, grant: &Grant, world: &World<'_>) -> Candidate {
    let kind = if model.capabilities.iter().any(|capability| capability == "chat") {
        CallKind::Chat
    } else {
        CallKind::Embeddings
    };
    let reason = executable(kind, model, grant, world).err();
    Candidate {
        model: model.id.to_string(),
        provider: model.provider.to_string(),
        executable: reason.is_none(),
        reason,
        dynamic,
        virtual_model: false,
        capabilities: model.capabilities.clone(),
        context_window: model.context_window,
        price: model.price.as_ref().map(|price| TokenPrice {
            input: price.input,
            output: price.output,
        }),
        family: model.family.clone(),
        verified_at: isolate::verified_at(&model.id).map(rfc3339),
        p50_ms: None,
    }
}
