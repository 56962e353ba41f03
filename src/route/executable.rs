//! The one question of the house: can this model be executed for this caller now? Listing, catalog, readiness, fusion advertising and
//! the call path all ask it here, so that what is advertised runs and what cannot run is not advertised.

use super::estimate::{estimate, reserved_output};
use super::health::{FailureClass, Health};
use super::host::host_of;
use super::refusal::{FixKind, Refusal, RefusalCode};
use super::select::{Want, availability};
use crate::access::Grant;
use crate::catalog::endpoint::{EndpointRefusal, provider_url};
use crate::catalog::vault::expand;
use crate::catalog::{Auth, Catalog, Model, NanoUsd, Policy, PoolId, Provider, Transport, Vault};
use crate::wire::pattern::matches;
use crate::wire::{CallKind, Millis, SizeHints};
use std::sync::Arc;

/// Everything a decision reads besides the request and the grant.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The catalog.
    pub catalog: &'a Catalog,
    /// What secrets make usable.
    pub vault: &'a Vault,
    /// What happened lately.
    pub health: &'a Health,
    /// Now.
    pub now: Millis,
    /// Every provider is replaced by the demo provider; nothing leaves the Worker.
    pub dry_run: bool,
}

/// The request that "executable" is about: one user message of two letters, sixteen tokens of answer.
pub(super) const MINIMAL_SIZE: SizeHints = SizeHints {
    ascii_bytes: 2,
    pieces: 1,
    wide_chars: 0,
    images: 0,
    messages: 1,
    tools: 0,
    unsized_parts: 0,
};

/// Output tokens of the minimal call.
pub(super) const MINIMAL_OUTPUT: u64 = 16;

/// Can `model` do work of this kind for this caller now?
///
/// # Errors
/// The first reason why not, in the order: exists, policy, kind, endpoint, credentials, price, budget.
pub fn executable(kind: CallKind, model: &Model, grant: &Grant, world: &World) -> Result<(), Refusal> {
    executable_via(kind, model, None, grant, world)
}

/// The same, paid from a route's own pool.
pub(super) fn executable_via(
    kind: CallKind,
    model: &Model,
    pool: Option<&PoolId>,
    grant: &Grant,
    world: &World,
) -> Result<(), Refusal> {
    usable(kind, model, pool, grant, world)?;
    affordable(minimal_cost(kind, model, world), grant)
}

/// The same without the remaining budget, which on the call path is the Ledger's word, and with a route's own pool.
/// Gives the provider as it will be called.
pub(super) fn usable(
    kind: CallKind,
    model: &Model,
    pool: Option<&PoolId>,
    grant: &Grant,
    world: &World,
) -> Result<Arc<Provider>, Refusal> {
    let policy = &grant.policy;
    let provider = known(model, world)?;
    policy_allows(policy, model)?;
    serves(kind, model, &provider)?;
    let provider = if world.dry_run { demo_of(&provider) } else { provider };
    if !world.dry_run {
        // Credentials first: "add a key" says more than "this address needs a credential".
        payable_by(model, &provider, pool, policy, world)?;
        reachable(kind, &provider, pool, world)?;
    }
    if model.price.is_none() && has_hard_budget(policy) {
        let text = format!("{} has no price, and policy {} has a hard budget.", model.id, policy.id);
        return Err(Refusal::new(RefusalCode::Unpriced, text).fix(
            FixKind::Model,
            model.id.as_str(),
            format!("Set a price for {}", model.id),
        ));
    }
    Ok(provider)
}

/// Does the policy have a budget that refuses calls?
fn has_hard_budget(policy: &Policy) -> bool {
    policy.budgets.iter().any(|budget| budget.hard)
}

/// What the minimal call costs at most; `None`: unpriced.
pub(super) fn minimal_cost(kind: CallKind, model: &Model, world: &World) -> Option<NanoUsd> {
    if world.dry_run {
        return Some(NanoUsd(0));
    }
    let learned = world
        .health
        .target(&model.id)
        .and_then(|stats| stats.token_ratio.trusted());
    let input = estimate(&MINIMAL_SIZE).reserved_input(model, learned);
    Some(
        model
            .price
            .as_ref()?
            .worst_case(input, reserved_output(kind, model, Some(MINIMAL_OUTPUT), 1)),
    )
}

/// Does `cost` fit what the grant has left? Unknown counts as fits.
pub(super) fn affordable(cost: Option<NanoUsd>, grant: &Grant) -> Result<(), Refusal> {
    let (Some(cost), Some(remaining)) = (cost, grant.remaining) else {
        return Ok(());
    };
    if cost <= remaining {
        return Ok(());
    }
    let text = format!("One call reserves ${cost}, and ${remaining} of the budget are left.");
    let id = grant.policy.id.as_str();
    Err(Refusal::new(RefusalCode::Budget, text).fix(FixKind::Policy, id, format!("Raise the budget of {id}")))
}

/// May the policy's keys use a virtual model? `name`: `fusion`, `fusion:<profile>`, `<route>`.
pub(super) fn policy_allows_virtual(policy: &Policy, name: &str) -> Result<(), Refusal> {
    policy_is_on(policy)?;
    let listed = |patterns: &[String]| {
        // The default profile has two spellings; a pattern means both.
        patterns
            .iter()
            .any(|pattern| matches(pattern, name) || (name == "fusion" && matches(pattern, "fusion:default")))
    };
    let allowed = policy.allow.virtual_models.as_deref().is_none_or(listed);
    let denied = policy.deny.virtual_models.as_deref().is_some_and(listed);
    if allowed && !denied {
        return Ok(());
    }
    let text = format!("Policy {} does not allow clawrouter/{name}.", policy.id);
    let todo = format!("Allow {name} in {}", policy.id);
    Err(Refusal::new(RefusalCode::ModelNotAllowed, text).fix(FixKind::Policy, policy.id.as_str(), todo))
}

fn known(model: &Model, world: &World) -> Result<Arc<Provider>, Refusal> {
    let id = model.provider.as_str();
    let Some(provider) = world.catalog.providers.get(&model.provider) else {
        let text = format!("Provider {id} of {} does not exist.", model.id);
        return Err(Refusal::new(RefusalCode::ProviderDisabled, text).fix(
            FixKind::Provider,
            id,
            format!("Add provider {id}"),
        ));
    };
    if !provider.enabled {
        let text = format!("Provider {id} is off.");
        return Err(Refusal::new(RefusalCode::ProviderDisabled, text).fix(
            FixKind::Provider,
            id,
            format!("Enable {id}"),
        ));
    }
    if !model.enabled {
        let text = format!("Model {} is off.", model.id);
        return Err(Refusal::new(RefusalCode::ModelDisabled, text).fix(
            FixKind::Model,
            model.id.as_str(),
            format!("Enable {}", model.id),
        ));
    }
    Ok(Arc::clone(provider))
}

fn policy_is_on(policy: &Policy) -> Result<(), Refusal> {
    if policy.enabled {
        return Ok(());
    }
    let text = format!("Policy {} is off.", policy.id);
    let todo = format!("Enable {}", policy.id);
    Err(Refusal::new(RefusalCode::PolicyDisabled, text).fix(FixKind::Policy, policy.id.as_str(), todo))
}

fn policy_allows(policy: &Policy, model: &Model) -> Result<(), Refusal> {
    policy_is_on(policy)?;
    let listed = |patterns: &[String], id: &str| patterns.iter().any(|pattern| matches(pattern, id));
    let passes = |allow: Option<&[String]>, deny: Option<&[String]>, id: &str| {
        allow.is_none_or(|patterns| listed(patterns, id)) && !deny.is_some_and(|patterns| listed(patterns, id))
    };
    let (allow, deny) = (&policy.allow, &policy.deny);
    let provider = model.provider.as_str();
    let refuse = |code, what: &str, id: &str| {
        let text = format!("Policy {} does not allow {what} {id}.", policy.id);
        Err(Refusal::new(code, text).fix(
            FixKind::Policy,
            policy.id.as_str(),
            format!("Allow {id} in {}", policy.id),
        ))
    };
    if !passes(allow.providers.as_deref(), deny.providers.as_deref(), provider) {
        return refuse(RefusalCode::ProviderNotAllowed, "provider", provider);
    }
    if !passes(allow.models.as_deref(), deny.models.as_deref(), model.id.as_str()) {
        return refuse(RefusalCode::ModelNotAllowed, "model", model.id.as_str());
    }
    Ok(())
}

fn serves(kind: CallKind, model: &Model, provider: &Provider) -> Result<(), Refusal> {
    let (capability, path, work) = match kind {
        CallKind::Chat => ("chat", &provider.dialects.chat, "chat completions"),
        CallKind::Embeddings => ("embeddings", &provider.dialects.embeddings, "embeddings"),
    };
    if !model.capabilities.iter().any(|owned| owned == capability) {
        return Err(Refusal::new(
            RefusalCode::WrongKind,
            format!("{} does not do {work}.", model.id),
        ));
    }
    if path.is_none() && provider.transport != Transport::Demo {
        let text = format!("Provider {} has no path for {work}.", provider.id);
        let todo = format!("Set dialects.{capability} of {}", provider.id);
        return Err(Refusal::new(RefusalCode::WrongKind, text).fix(FixKind::Provider, provider.id.as_str(), todo));
    }
    Ok(())
}

fn reachable(kind: CallKind, provider: &Provider, pool: Option<&PoolId>, world: &World) -> Result<(), Refusal> {
    let id = provider.id.as_str();
    match &provider.transport {
        Transport::Demo => return Ok(()),
        Transport::Binding { name } if !world.vault.bindings.contains(name) => {
            let text = format!("Provider {id} is reached by binding {name}, which this deployment does not have.");
            let todo = format!("Add binding {name} to wrangler.toml");
            return Err(Refusal::new(RefusalCode::NoBinding, text).fix(FixKind::Provider, id, todo));
        }
        Transport::Binding { .. } | Transport::Fetch => {}
    }
    let unset = |name: &str| {
        let text = format!("Provider {id} needs {name}, which is not set.");
        let todo = format!("Set the secret or variable {name}");
        Refusal::new(RefusalCode::UnresolvedVariable, text).fix(FixKind::Provider, id, todo)
    };
    if let Auth::AccessServiceToken {
        id_secret,
        secret_secret,
    } = &provider.auth
        && let Some(name) = [id_secret, secret_secret]
            .into_iter()
            .find(|name| !world.vault.variables.contains_key(*name))
    {
        return Err(unset(name));
    }
    let path = match kind {
        CallKind::Chat => provider.dialects.chat.as_deref(),
        CallKind::Embeddings => provider.dialects.embeddings.as_deref(),
    };
    let url = provider_url(provider, world.vault, pool, path.unwrap_or("/"));
    url.map_err(|refusal| match refusal {
        EndpointRefusal::MissingVariable { name } => unset(&name),
        refusal => {
            let text = format!("Provider {id} cannot be called: {refusal}.");
            let todo = format!("Correct the address of {id}");
            Refusal::new(RefusalCode::EndpointRefused, text).fix(FixKind::Provider, id, todo)
        }
    })?;
    let missing = provider
        .headers
        .values()
        .find_map(|value| expand(value, world.vault).err());
    missing.map_or(Ok(()), |missing| Err(unset(&missing.name)))
}

fn payable_by(
    model: &Model,
    provider: &Provider,
    pool: Option<&PoolId>,
    policy: &Policy,
    world: &World,
) -> Result<(), Refusal> {
    let host = host_of(provider, world.vault);
    let gate = world.health.target_gate(&model.id, &host, world.now);
    if gate.hard() {
        let class = gate.class().map_or("unknown", FailureClass::as_str);
        let text = format!("{} was withdrawn by its provider ({class}).", model.id);
        return Err(Refusal::new(RefusalCode::TargetGone, text).fix(
            FixKind::Model,
            model.id.as_str(),
            "Replace the model or reset its state",
        ));
    }
    let pool = pool.or(provider.pool.as_ref());
    let Some(pool) = pool else {
        return if provider.auth == Auth::None
            || matches!(provider.auth, Auth::AccessServiceToken { .. })
            || provider.credential_optional
        {
            Ok(())
        } else {
            let text = format!("Provider {} has no credential pool.", provider.id);
            let todo = format!("Name a pool in {}", provider.id);
            Err(Refusal::new(RefusalCode::NoCredential, text).fix(FixKind::Provider, provider.id.as_str(), todo))
        };
    };
    let want = Want {
        credential_optional: provider.credential_optional,
        allowed: allowed_credentials(policy, pool),
        ..Want::planning(&model.id, Some(pool), world.now)
    };
    match availability(world.vault, world.health, &want) {
        Err(missing) if missing.members == 0 => {
            let empty = world.vault.pools.get(pool).is_none_or(Vec::is_empty);
            let secret = world.catalog.pools.get(pool).and_then(|pool| pool.discover.as_deref());
            let text = match secret.filter(|_| empty) {
                Some(secret) => format!(
                    "Pool {pool} has no credential for {}: set the secret {secret}.",
                    model.id
                ),
                None => format!("Pool {pool} has no credential that may be used for {}.", model.id),
            };
            let todo = format!("Add a credential to pool {pool}");
            Err(Refusal::new(RefusalCode::NoCredential, text).fix(FixKind::Pool, pool.as_str(), todo))
        }
        Err(missing) if missing.all_dead => {
            let (code, what) = match missing.class {
                Some(FailureClass::QuotaWindow) => (RefusalCode::QuotaExhausted, "has used up its quota"),
                Some(FailureClass::Entitlement | FailureClass::ModelAccess) => (RefusalCode::NoAccess, "has no access"),
                _ => (RefusalCode::CredentialsExhausted, "is refused or out of money"),
            };
            let text = format!("Every credential of pool {pool} {what} for {}.", model.id);
            let todo = format!("Renew the credentials of pool {pool} or reset it");
            Err(Refusal::new(code, text).fix(FixKind::Pool, pool.as_str(), todo))
        }
        _ => Ok(()),
    }
}

/// Labels and quota groups that the policy allows in a pool; empty: all.
pub(super) fn allowed_credentials<'a>(policy: &'a Policy, pool: &PoolId) -> &'a [String] {
    policy.pools.get(pool.as_str()).map(Vec::as_slice).unwrap_or_default()
}

/// The provider as a dry run calls it: same name, same rules, but nothing leaves the Worker.
fn demo_of(provider: &Provider) -> Arc<Provider> {
    let mut demo = provider.clone();
    demo.transport = Transport::Demo;
    demo.auth = Auth::None;
    demo.pool = None;
    demo.base_url = None;
    demo.headers.clear();
    Arc::new(demo)
}
