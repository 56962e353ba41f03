//! Names of the models that local servers offer, asked of their own listing and believed for 60 s.

use super::incoming::Incoming;
use super::isolate::{self, Listing, World};
use super::listing::dynamic_id;
use super::{clock, config, upstream};
use crate::catalog::{ModelId, Provider};
use crate::run::machine::{CallId, UpstreamRequest};
use crate::run::request;
use crate::wire::Millis;
use bytes::Bytes;
use futures::future::{Either, join_all, select};
use serde::Deserialize;
use std::sync::Arc;
use worker::Env;

/// How long a listing is believed.
const BELIEVE: Millis = Millis(60_000);

/// How long a listing may take; a server that is away only leaves its models out.
const PATIENCE: Millis = Millis(1_500);

/// Bytes of a listing that are read, and names that are kept.
const MAX_BYTES: usize = 1024 * 1024;
const MAX_MODELS: usize = 500;

#[derive(Deserialize)]
struct OpenAiList {
    data: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

/// Ids of all dynamic models that can be listed now.
pub(super) async fn models(incoming: &Incoming, world: &World) -> Vec<ModelId> {
    let providers = world
        .catalog
        .providers
        .values()
        .filter(|provider| provider.enabled && provider.discover.models);
    let listings = join_all(providers.map(|provider| names(&incoming.env, world, provider))).await;
    listings.into_iter().flatten().collect()
}

async fn names(env: &Env, world: &World, provider: &Arc<Provider>) -> Vec<ModelId> {
    let now = clock::now();
    let known = isolate::listing(&provider.id).filter(|listing| now.since(listing.read_at) < BELIEVE);
    let names = match known {
        Some(listing) => listing.models,
        None => {
            let models = Arc::new(fetch(env, world, provider).await.unwrap_or_default());
            isolate::set_listing(
                provider.id.clone(),
                Listing {
                    models: Arc::clone(&models),
                    read_at: now,
                },
            );
            models
        }
    };
    names
        .iter()
        .filter_map(|name| dynamic_id(provider.id.as_str(), name))
        .collect()
}

/// Asks a provider for its listing.
///
/// # Errors
/// A sentence for operators.
pub(super) async fn fetch(env: &Env, world: &World, provider: &Provider) -> Result<Vec<String>, String> {
    let request = request::listing(CallId(0), provider, &world.vault).map_err(|error| error.to_string())?;
    get(env, &request, PATIENCE).await
}

/// The names in a listing.
pub(super) async fn get(env: &Env, request: &UpstreamRequest, patience: Millis) -> Result<Vec<String>, String> {
    let (_socket, answer) = upstream::open(env, request).map_err(|_| "the address was refused".to_owned())?;
    let read = async {
        let answer = answer.await.map_err(|fault| format!("no answer ({fault:?})"))?;
        match answer.status {
            200 => {}
            status @ (401 | 403) => {
                return Err(format!("the server refuses the credential (status {status}); check it"));
            }
            status => return Err(format!("status {status}")),
        }
        let body = body_of(answer, MAX_BYTES).await?;
        let list: OpenAiList =
            serde_json::from_slice(&body).map_err(|_| "the listing is not an OpenAI model list".to_owned())?;
        Ok(list.data.into_iter().take(MAX_MODELS).map(|named| named.id).collect())
    };
    match select(std::pin::pin!(read), std::pin::pin!(clock::sleep(patience))).await {
        Either::Left((names, _)) => names,
        Either::Right(_) => Err(format!("no answer within {} ms", patience.0)),
    }
}

/// A whole body of at most `limit` bytes.
pub(super) async fn body_of(answer: upstream::Answer, limit: usize) -> Result<Bytes, String> {
    let Some(mut stream) = answer.body else {
        return Ok(Bytes::new());
    };
    let mut body = Vec::new();
    while let Some(chunk) = stream
        .read(false)
        .await
        .map_err(|fault| format!("the answer broke off ({fault:?})"))?
    {
        body.extend_from_slice(&chunk);
        if body.len() > limit {
            return Err("the answer is too long".to_owned());
        }
    }
    Ok(Bytes::from(body))
}

/// Is a `LOCAL_OPENAI_BASE_URL` set? For the setup checklist.
pub(super) fn is_configured(env: &Env) -> bool {
    config::variable(env, "LOCAL_OPENAI_BASE_URL").is_some()
}
