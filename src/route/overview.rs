//! How each provider and model stands across all policies: who may execute it now, by the call path's own gates, and where it is named.

use super::executable::World;
use super::health::verified::Verified;
use super::listing::{any_kind, known_models};
use super::refusal::Refusal;
use crate::access::{Grant, KeyIdentity};
use crate::catalog::uses::{Use, uses};
use crate::catalog::{Model, ModelId, Policy, ProviderId};
use crate::wire::Millis;
use crate::wire::time::rfc3339;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The body of `GET models/overview`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Policies that are on.
    pub policies: usize,
    /// Every provider by id.
    pub providers: Vec<ProviderOverview>,
    /// Every model of the catalog by id, found ones and those that only a profile, route or policy names included.
    pub models: Vec<ModelOverview>,
    /// When this was true.
    pub as_of: String,
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderOverview {
    /// Provider id.
    pub provider: ProviderId,
    /// Models that are known.
    pub models: usize,
    /// Those with a price.
    pub priced: usize,
    /// Policies that can execute one of them.
    pub policies: usize,
    /// Last success of a real call of one of them.
    pub verified_at: Option<String>,
    /// Median of what its models usually take to their first content.
    pub p50_ms: Option<u64>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelOverview {
    /// Model id.
    pub model: ModelId,
    /// Policies whose callers are shown it.
    pub listed: usize,
    /// Last success of a real call.
    pub verified_at: Option<String>,
    /// Profiles, routes and policies that name it.
    pub used_in: Vec<Use>,
}

/// One policy of the body of `GET models/{id}/policies`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyOverview {
    /// Policy id.
    pub policy: String,
    /// Its callers are shown the model.
    pub listed: bool,
    /// Why not.
    pub reason: Option<Refusal>,
}

/// The overview. `dynamic`: names that providers' own listings gave; `first_content`: what a target usually takes to its first content,
/// where that is known.
pub fn overview(
    verified: &Verified,
    dynamic: &[ModelId],
    first_content: impl Fn(&ModelId) -> Option<Millis>,
    world: &World,
) -> Overview {
    let grants: Vec<Grant> = policies(world).map(grant).collect();
    let mut places = uses(world.catalog);
    let named: Vec<ModelId> = places.keys().chain(dynamic).cloned().collect();
    let known = known_models(world, &named);
    let mut users: BTreeMap<&ProviderId, BTreeSet<usize>> = BTreeMap::new();
    let models: Vec<ModelOverview> = known
        .values()
        .map(|model| {
            let runs: Vec<usize> = (0..)
                .zip(&grants)
                .filter(|(_, grant)| any_kind(model, grant, world).is_ok())
                .map(|(index, _)| index)
                .collect();
            users.entry(&model.provider).or_default().extend(&runs);
            ModelOverview {
                model: model.id.clone(),
                listed: runs.len(),
                verified_at: verified.at(&model.id).map(rfc3339),
                used_in: places.remove(&model.id).unwrap_or_default(),
            }
        })
        .collect();
    let provider = |id: &ProviderId| {
        let own: Vec<&Arc<Model>> = known.values().filter(|model| model.provider == *id).collect();
        let mut usual: Vec<Millis> = own.iter().filter_map(|model| first_content(&model.id)).collect();
        usual.sort_unstable();
        ProviderOverview {
            provider: id.clone(),
            models: own.len(),
            priced: own.iter().filter(|model| model.price.is_some()).count(),
            policies: users.get(id).map_or(0, BTreeSet::len),
            verified_at: own.iter().filter_map(|model| verified.at(&model.id)).max().map(rfc3339),
            p50_ms: usual.get(usual.len().saturating_sub(1) / 2).map(|ms| ms.0),
        }
    };
    Overview {
        policies: grants.len(),
        providers: world.catalog.providers.keys().map(provider).collect(),
        models,
        as_of: rfc3339(world.now),
    }
}

/// How one model stands with every policy that is on.
pub fn of_model(model: &Model, world: &World) -> Vec<PolicyOverview> {
    let row = |policy: &Arc<Policy>| {
        let reason = any_kind(model, &grant(policy), world).err();
        PolicyOverview {
            policy: policy.id.to_string(),
            listed: reason.is_none(),
            reason,
        }
    };
    policies(world).map(row).collect()
}

fn policies<'a>(world: &'a World) -> impl Iterator<Item = &'a Arc<Policy>> {
    world.catalog.policies.values().filter(|policy| policy.enabled)
}

/// Any key of the policy with money left.
fn grant(policy: &Arc<Policy>) -> Grant {
    Grant {
        key: KeyIdentity {
            kid: String::new(),
            label: String::new(),
            principal: None,
        },
        policy: Arc::clone(policy),
        remaining: None,
    }
}
