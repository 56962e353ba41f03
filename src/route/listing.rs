//! What a caller is shown: `/v1/models`, `/v1/models/{id}`, `/v1/catalog`. Exactly what [`executable`] lets through, virtual models
//! included; nothing else is advertised.

use super::executable::{World, executable};
use super::fusion_planner::fusion_executable;
use super::lookup::{Named, find, fusion_name};
use super::planner::route_is_open;
use super::refusal::{Refusal, RefusalCode};
use super::refusing::passing;
use crate::access::Grant;
use crate::catalog::{FusionProfile, Model, ModelId, PicoUsd, Price, Route};
use crate::wire::CallKind;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One entry of `/v1/models`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelEntry {
    /// What callers write as `model`.
    pub id: String,
    /// `model`.
    pub object: &'static str,
    /// Seconds since the Unix epoch: the day from which its price holds; 0 when unknown.
    pub created: u64,
    /// Provider id; `clawrouter` for virtual models.
    pub owned_by: String,
    /// Name for people.
    pub display_name: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Tokens, input plus output.
    pub context_window: Option<u64>,
    /// Tokens.
    pub max_output_tokens: Option<u64>,
    /// Prices; null when unpriced or when it depends on who answers.
    pub pricing: Option<Pricing>,
}

/// Prices in decimal dollars per token, in OpenRouter's field names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pricing {
    /// Per input token.
    pub prompt: String,
    /// Per output token.
    pub completion: String,
    /// Per input token read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_cache_read: Option<String>,
    /// Per input token written to the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_cache_write: Option<String>,
}

/// The body of `/v1/catalog`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CatalogListing {
    /// `catalog`.
    pub object: &'static str,
    /// Revision that decided.
    pub revision: u64,
    /// Providers that the policy allows.
    pub providers: Vec<ProviderEntry>,
    /// Everything that can be called, virtual models included; each carries `executable: true`.
    pub models: Vec<CatalogEntry>,
    /// Configured routes that can be called, with their targets that can.
    pub routes: Vec<RouteEntry>,
    /// Models that the policy allows and that cannot be called, with the reason.
    pub unavailable: Vec<UnavailableEntry>,
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderEntry {
    /// Its id.
    pub id: String,
    /// Dialects it speaks.
    pub dialects: Vec<&'static str>,
    /// At least one of its models can be called.
    pub executable: bool,
}

/// A model with the words of the machine contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CatalogEntry {
    /// As in `/v1/models`.
    #[serde(flatten)]
    pub entry: ModelEntry,
    /// Always true in this list.
    pub executable: bool,
}

/// A configured route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteEntry {
    /// What callers write.
    pub id: String,
    /// Targets that can be called, in configured order.
    pub targets: Vec<String>,
}

/// A model that cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnavailableEntry {
    /// Its id.
    pub id: String,
    /// Always false in this list.
    pub executable: bool,
    /// Why.
    pub reason: Refusal,
}

const KINDS: [CallKind; 2] = [CallKind::Chat, CallKind::Embeddings];

/// `/v1/models`: everything this caller can execute now, by id. `dynamic`: names that providers' own listings gave.
pub fn models(grant: &Grant, world: &World, dynamic: &[ModelId]) -> Vec<ModelEntry> {
    let mut entries: Vec<ModelEntry> = known_models(world, dynamic)
        .values()
        .filter(|model| any_kind(model, grant, world).is_ok())
        .map(|model| entry_of(model))
        .collect();
    entries.extend(virtual_models(grant, world));
    entries.sort_by(|one, other| one.id.cmp(&other.id));
    entries
}

/// `/v1/models/{id}`, static, dynamic or virtual.
///
/// # Errors
/// Why it is not listed; a caller is told 404 with that reason.
pub fn model(name: &str, grant: &Grant, world: &World) -> Result<ModelEntry, Refusal> {
    match find(world.catalog, name)? {
        Named::Model(model) => any_kind(&model, grant, world).map(|()| entry_of(&model)),
        Named::Route(route) => route_entry(&route, grant, world),
        Named::Fusion(profile) => fusion_entry(&profile, grant, world),
    }
}

/// `/v1/catalog`.
pub fn catalog(grant: &Grant, world: &World, dynamic: &[ModelId]) -> CatalogListing {
    let known = known_models(world, dynamic);
    let mut unavailable = Vec::new();
    let mut alive = BTreeSet::new();
    let mut allowed = BTreeSet::new();
    for model in known.values() {
        match any_kind(model, grant, world) {
            Ok(()) => {
                alive.insert(model.provider.clone());
                allowed.insert(model.provider.clone());
            }
            Err(reason) if hidden(&reason) => {}
            Err(reason) => {
                allowed.insert(model.provider.clone());
                unavailable.push(UnavailableEntry {
                    id: model.id.to_string(),
                    executable: false,
                    reason,
                });
            }
        }
    }
    let providers = world
        .catalog
        .providers
        .values()
        .filter(|provider| allowed.contains(&provider.id));
    CatalogListing {
        object: "catalog",
        revision: world.catalog.revision,
        providers: providers
            .map(|provider| ProviderEntry {
                id: provider.id.to_string(),
                dialects: [
                    ("chat", provider.dialects.chat.is_some()),
                    ("embeddings", provider.dialects.embeddings.is_some()),
                ]
                .into_iter()
                .filter_map(|(name, speaks)| speaks.then_some(name))
                .collect(),
                executable: alive.contains(&provider.id),
            })
            .collect(),
        models: models(grant, world, dynamic)
            .into_iter()
            .map(|entry| CatalogEntry {
                entry,
                executable: true,
            })
            .collect(),
        routes: world
            .catalog
            .routes
            .values()
            .filter(|route| route_executable(route, grant, world).is_ok())
            .map(|route| RouteEntry {
                id: format!("clawrouter/{}", route.id),
                targets: route_models(route, grant, world)
                    .into_iter()
                    .map(|model| model.id.to_string())
                    .collect(),
            })
            .collect(),
        unavailable,
    }
}

/// Is a configured route offered to this caller? Exactly when one of its targets can be executed.
///
/// # Errors
/// Why not.
pub fn route_executable(route: &Route, grant: &Grant, world: &World) -> Result<(), Refusal> {
    route_is_open(route, grant)?;
    if route_models(route, grant, world).is_empty() {
        let text = format!("Route {} has no target that can run now.", route.id);
        return Err(Refusal::new(RefusalCode::NoTarget, text));
    }
    Ok(())
}

/// What a policy forbids is not even shown as unavailable.
fn hidden(reason: &Refusal) -> bool {
    matches!(
        reason.code,
        RefusalCode::ProviderNotAllowed | RefusalCode::ModelNotAllowed | RefusalCode::PolicyDisabled
    )
}

pub(super) fn known_models(world: &World, dynamic: &[ModelId]) -> BTreeMap<ModelId, std::sync::Arc<Model>> {
    let mut known = world.catalog.models.clone();
    for id in dynamic {
        if let Some(model) = world.catalog.model(id.as_str()) {
            known.entry(id.clone()).or_insert(model);
        }
    }
    known
}

/// Offered for chat or for embeddings; the first reason is chat's unless the model is no chat model.
pub(super) fn any_kind(model: &Model, grant: &Grant, world: &World) -> Result<(), Refusal> {
    let [chat, embeddings] = KINDS.map(|kind| offered(kind, model, grant, world));
    match (chat, embeddings) {
        (Ok(()), _) | (_, Ok(())) => Ok(()),
        (Err(chat), Err(embeddings)) if chat.code == RefusalCode::WrongKind => Err(embeddings),
        (Err(chat), Err(_)) => Err(chat),
    }
}

/// Executable by itself, or failing for the moment while one of the policy's fallbacks would answer.
fn offered(kind: CallKind, model: &Model, grant: &Grant, world: &World) -> Result<(), Refusal> {
    let own = executable(kind, model, grant, world);
    match own {
        Err(refusal) if passing(refusal.code) => {
            let mut fallbacks = grant
                .policy
                .fallbacks
                .iter()
                .filter_map(|id| world.catalog.model(id.as_str()));
            let saved = fallbacks.any(|fallback| executable(kind, &fallback, grant, world).is_ok());
            if saved { Ok(()) } else { Err(refusal) }
        }
        own => own,
    }
}

fn virtual_models(grant: &Grant, world: &World) -> Vec<ModelEntry> {
    let routes = world
        .catalog
        .routes
        .values()
        .filter_map(|route| route_entry(route, grant, world).ok());
    let fusions = world
        .catalog
        .fusion_profiles
        .values()
        .filter_map(|profile| fusion_entry(profile, grant, world).ok());
    routes.chain(fusions).collect()
}

/// Targets of a route that can be executed, each through the pool that the route pays with.
fn route_models(route: &Route, grant: &Grant, world: &World) -> Vec<std::sync::Arc<Model>> {
    let targets = route.targets.iter().filter_map(|target| {
        let model = world.catalog.model(target.model.as_str())?;
        let runs = KINDS
            .iter()
            .any(|kind| super::executable::executable_via(*kind, &model, target.pool.as_ref(), grant, world).is_ok());
        runs.then_some(model)
    });
    targets.collect()
}

fn route_entry(route: &Route, grant: &Grant, world: &World) -> Result<ModelEntry, Refusal> {
    route_executable(route, grant, world)?;
    let models = route_models(route, grant, world);
    let capabilities: BTreeSet<String> = models
        .iter()
        .flat_map(|model| model.capabilities.iter().cloned())
        .collect();
    Ok(ModelEntry {
        id: format!("clawrouter/{}", route.id),
        object: "model",
        owned_by: "clawrouter".to_owned(),
        display_name: format!("Route {}", route.id),
        capabilities: capabilities.into_iter().collect(),
        context_window: models.iter().filter_map(|model| model.context_window).max(),
        max_output_tokens: models.iter().filter_map(|model| model.max_output_tokens).max(),
        ..ModelEntry::default()
    })
}

fn fusion_entry(profile: &FusionProfile, grant: &Grant, world: &World) -> Result<ModelEntry, Refusal> {
    fusion_executable(profile, grant, world)?;
    let synthesizer = super::lookup::find_model(world.catalog, profile.synthesizer.model.as_str())?;
    let name = fusion_name(profile.id.as_str());
    Ok(ModelEntry {
        id: format!("clawrouter/{name}"),
        owned_by: "clawrouter".to_owned(),
        display_name: if name == "fusion" {
            "Fusion".to_owned()
        } else {
            format!("Fusion {}", profile.id)
        },
        pricing: None,
        created: 0,
        ..entry_of(&synthesizer)
    })
}

fn entry_of(model: &Model) -> ModelEntry {
    ModelEntry {
        id: model.id.to_string(),
        object: "model",
        created: model
            .price
            .as_ref()
            .and_then(|price| seconds_of_day(price.effective.as_deref()?))
            .unwrap_or(0),
        owned_by: model.provider.to_string(),
        display_name: model.display_name.clone().unwrap_or_else(|| model.id.to_string()),
        capabilities: model.capabilities.clone(),
        context_window: model.context_window,
        max_output_tokens: model.max_output_tokens,
        pricing: model.price.as_ref().map(pricing_of),
    }
}

fn pricing_of(price: &Price) -> Pricing {
    Pricing {
        prompt: per_token(price.input),
        completion: per_token(price.output),
        input_cache_read: price.cached_input.map(per_token),
        input_cache_write: price.cache_write.map(per_token),
    }
}

/// Exact decimal dollars of a price per token: twelve places, without trailing zeros.
fn per_token(price: PicoUsd) -> String {
    const PER_DOLLAR: u64 = 1_000_000_000_000;
    let text = format!("{}.{:012}", price.0 / PER_DOLLAR, price.0 % PER_DOLLAR);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Unix seconds of midnight UTC of `YYYY-MM-DD`; `None` when it is no such text or before 1970.
fn seconds_of_day(day: &str) -> Option<u64> {
    let mut parts = day.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from civil (proleptic Gregorian calendar), years beginning on 1 March.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era)
        .checked_sub(719_468)
        .map(|days| days * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_per_token_are_exact() {
        for (pico, expected) in [
            (0, "0"),
            (400_000, "0.0000004"),
            (3_625, "0.000000003625"),
            (1_000_000_000_000, "1"),
            (1, "0.000000000001"),
        ] {
            assert_eq!(per_token(PicoUsd(pico)), expected);
        }
    }

    #[test]
    fn days_become_seconds() {
        for (day, expected) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2026-03-01", Some(1_772_323_200)),
            ("2026-13-01", None),
            ("soon", None),
            ("2026", None),
        ] {
            assert_eq!(seconds_of_day(day), expected, "{day}");
        }
    }
}
