//! `GET /v1/models`, `GET /v1/models/{id}`, `GET /v1/catalog`: what this key can execute now.

use super::incoming::Incoming;
use super::isolate::{self, World};
use super::reply::{self, Reply};
use super::{callers, clock, config, discovery, world};
use crate::access::Grant;
use crate::catalog::ModelId;
use crate::route::listing;
use crate::wire::{ApiError, url};
use serde_json::json;

/// Models as the OpenAI SDKs list them; in Anthropic's shape for callers that send `anthropic-version`.
pub(super) async fn models(incoming: &Incoming) -> Reply {
    let (world, grant) = caller(incoming).await?;
    let dynamic = discovery::models(incoming, &world).await;
    let models = decide(incoming, &world, |world| listing::models(&grant, world, &dynamic));
    if incoming.header("anthropic-version").is_some() {
        let data: Vec<_> = models
            .iter()
            .map(|model| json!({"type": "model", "id": model.id, "display_name": model.display_name, "created_at": "1970-01-01T00:00:00Z"}))
            .collect();
        let (first, last) = (
            models.first().map(|model| &model.id),
            models.last().map(|model| &model.id),
        );
        return reply::json(
            200,
            &json!({"data": data, "has_more": false, "first_id": first, "last_id": last}),
        );
    }
    reply::json(200, &json!({"object": "list", "data": models}))
}

/// One model.
pub(super) async fn model(incoming: &Incoming, id: &str) -> Reply {
    let (world, grant) = caller(incoming).await?;
    let id = url::decode(id);
    match decide(incoming, &world, |world| listing::model(&id, &grant, world)) {
        Ok(entry) => reply::json(200, &entry),
        Err(refusal) => Err(ApiError::new("model_not_found", refusal.text.clone())
            .about("model")
            .because(refusal.code.as_str())),
    }
}

/// The same as a machine contract.
pub(super) async fn catalog(incoming: &Incoming) -> Reply {
    let (world, grant) = caller(incoming).await?;
    let dynamic = discovery::models(incoming, &world).await;
    reply::json(
        200,
        &decide(incoming, &world, |world| listing::catalog(&grant, world, &dynamic)),
    )
}

async fn caller(incoming: &Incoming) -> Result<(World, Grant), ApiError> {
    let world = world::current(incoming).await;
    let grant = callers::authenticate(incoming, &world).await?;
    Ok((world, grant))
}

/// Lets the core decide against this isolate's health.
pub(super) fn decide<T>(incoming: &Incoming, world: &World, decision: impl FnOnce(&crate::route::World<'_>) -> T) -> T {
    isolate::with_health(|health| {
        decision(&crate::route::World {
            catalog: &world.catalog,
            vault: &world.vault,
            health,
            now: clock::now(),
            dry_run: config::is_dry_run(&incoming.env),
        })
    })
}

/// A dynamic model's id, when its name can be one.
pub(super) fn dynamic_id(provider: &str, name: &str) -> Option<ModelId> {
    ModelId::parse(&format!("{provider}/{name}")).ok()
}
