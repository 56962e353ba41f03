//! From models that might answer to targets: what each must pass, without a call. [`super::ordering`] then sorts them.

use super::estimate::{Estimate, worst_case};
use super::executable::{World, affordable, allowed_credentials, usable};
use super::explanation::Candidate as Report;
use super::host::host_of;
use super::ordering::{demotions, order};
use super::plan::Target;
use super::refusal::{FixKind, Refusal, RefusalCode};
use super::select::{Want, availability};
use crate::access::Grant;
use crate::catalog::document::RouteTarget;
use crate::catalog::{ContextVariant, Model, NanoUsd, PicoUsd, PoolId, Provider};
use crate::wire::pattern::matches;
use crate::wire::{Call, Millis};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A model that might answer.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) model: Arc<Model>,
    /// Position among the models that the caller named; targets of one route share one.
    pub(super) level: u32,
    pub(super) order: u32,
    pub(super) weight: u32,
    pub(super) pool: Option<PoolId>,
    pub(super) context_window: Option<u64>,
    pub(super) context_variants: Vec<ContextVariant>,
}

impl Wish {
    /// A model named by itself.
    pub(super) fn of_model(model: Arc<Model>, level: u32) -> Self {
        Self {
            model,
            level,
            order: 0,
            weight: 1,
            pool: None,
            context_window: None,
            context_variants: Vec::new(),
        }
    }

    /// A target of a route, with the route's overrides.
    pub(super) fn of_target(model: Arc<Model>, target: &RouteTarget) -> Self {
        Self {
            order: target.order,
            weight: target.weight,
            pool: target.pool.clone(),
            context_window: target.context_window,
            context_variants: target.context_variants.clone(),
            ..Self::of_model(model, 0)
        }
    }
}

/// What decides about wishes.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) call: &'a Call,
    pub(super) grant: &'a Grant,
    pub(super) world: &'a World<'a>,
    pub(super) estimate: &'a Estimate,
    pub(super) seed: u64,
    /// The most that one call may cost.
    pub(super) cap: Option<NanoUsd>,
}

/// A wish that passed.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) target: Target,
    pub(super) worst: Option<NanoUsd>,
    /// When it may be used again, when everything that leads to it is cooling; `Millis(u64::MAX)` when nobody knows.
    pub(super) cooling: Option<Millis>,
    pub(super) class: Option<&'static str>,
    pub(super) notes: Vec<String>,
    pub(super) weight: u32,
    pub(super) level: u32,
}

/// Targets in order and what was refused.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) ready: Vec<Ready>,
    pub(super) refused: Vec<(String, Refusal)>,
}

/// Passes wishes through every gate and orders what is left.
pub(super) fn sort_out(wishes: &[Wish], asker: &Asker) -> Sorted {
    let mut sorted = Sorted::default();
    let mut seen = BTreeSet::new();
    let mut away: Vec<(u32, u32)> = Vec::new();
    for wish in wishes {
        let id = wish.model.id.as_str();
        let repeated = !seen.insert((id, wish.pool.as_ref()));
        let passed = if repeated {
            Err(Refusal::new(
                RefusalCode::Duplicate,
                format!("{id} is already in the chain."),
            ))
        } else {
            pass(wish, asker)
        };
        match passed {
            Ok(ready) => sorted.ready.push(ready),
            Err(refusal) => {
                if may_come_back(refusal.code) {
                    away.push((wish.level, wish.order));
                }
                sorted.refused.push((id.to_owned(), refusal));
            }
        }
    }
    drop_unaffordable(&mut sorted, asker);
    drop_too_small(&mut sorted, asker);
    order(&mut sorted.ready, asker);
    // Who answers for a target that is away is its fallback, also when it is never tried: the session returns to it.
    for ready in &mut sorted.ready {
        let place = (ready.level, ready.target.order);
        let before = away.iter().filter(|other| **other < place).count();
        ready.target.index = ready
            .target
            .index
            .saturating_add(u32::try_from(before).unwrap_or(u32::MAX));
    }
    if asker.call.controls.provider.allow_fallbacks == Some(false) {
        keep_primary(&mut sorted);
    }
    sorted
}

/// Is the target only away for a while, by no wish of the caller and no decision of an operator?
const fn may_come_back(code: RefusalCode) -> bool {
    use RefusalCode as C;
    matches!(
        code,
        C::CredentialsExhausted | C::QuotaExhausted | C::NoAccess | C::TargetGone | C::Cooling
    )
}

/// Without fallbacks the primary stays the only one, cooling or not.
fn keep_primary(sorted: &mut Sorted) {
    let (mut primary, rest): (Vec<Ready>, Vec<Ready>) = std::mem::take(&mut sorted.ready)
        .into_iter()
        .partition(|ready| ready.target.index == 0);
    for ready in &mut primary {
        ready.target.last_resort = ready.cooling.is_some();
    }
    sorted.ready = primary;
    sorted.refused.extend(rest.into_iter().map(|ready| {
        let refusal = Refusal::new(RefusalCode::Narrowed, "The request allows no fallbacks.");
        (ready.target.model.id.to_string(), refusal)
    }));
}

fn pass(wish: &Wish, asker: &Asker) -> Result<Ready, Refusal> {
    let Asker {
        call,
        grant,
        world,
        estimate,
        ..
    } = *asker;
    let model = &wish.model;
    let provider = usable(call.kind, model, wish.pool.as_ref(), grant, world)?;
    capable(model, call)?;
    prefer(model, &provider, asker)?;
    let window = window_of(wish);
    if window.is_some_and(|window| estimate.sure > window) {
        let text = format!(
            "The request has at least {} tokens, more than the {} of {}.",
            estimate.sure,
            window.unwrap_or_default(),
            model.id
        );
        return Err(Refusal::new(RefusalCode::TooLong, text));
    }
    let pool = if provider.pool.is_none() && world.dry_run {
        None
    } else {
        wish.pool.clone().or_else(|| provider.pool.clone())
    };
    let allowed = pool
        .as_ref()
        .map(|pool| allowed_credentials(&grant.policy, pool).to_vec())
        .unwrap_or_default();
    let variants = if wish.context_variants.is_empty() {
        model.context_variants.clone()
    } else {
        wish.context_variants.clone()
    };
    let target = Target {
        model: Arc::clone(model),
        provider,
        pool,
        allowed_credentials: allowed,
        order: wish.order,
        context_window: window,
        context_variants: variants,
        index: 0,
        last_resort: false,
    };
    let (cooling, class) = cooling(&target, asker);
    let ratio = learned_ratio(&target, world);
    let worst = if world.dry_run {
        Some(NanoUsd(0))
    } else {
        worst_case(call, estimate, model, ratio)
    };
    within(asker.cap, worst, model)?;
    Ok(Ready {
        worst,
        cooling,
        class,
        notes: demotions(&target, asker),
        weight: wish.weight,
        level: wish.level,
        target,
    })
}

fn within(cap: Option<NanoUsd>, worst: Option<NanoUsd>, model: &Model) -> Result<(), Refusal> {
    match (cap, worst) {
        (Some(_), None) => {
            let text = format!("{} has no price, so a cost cap cannot be kept.", model.id);
            let todo = format!("Set a price for {}", model.id);
            Err(Refusal::new(RefusalCode::Unpriced, text).fix(FixKind::Model, model.id.as_str(), todo))
        }
        (Some(cap), Some(worst)) if worst > cap => {
            let text = format!(
                "This request can cost up to ${worst} at {}, and its cap is ${cap}: raise the cap or lower max_tokens.",
                model.id
            );
            Err(Refusal::new(RefusalCode::CostCap, text))
        }
        _ => Ok(()),
    }
}

/// Real input tokens by estimated ones, once this target has taught enough.
pub(super) fn learned_ratio(target: &Target, world: &World) -> Option<f64> {
    world.health.target(&target.model.id)?.token_ratio.trusted()
}

fn window_of(wish: &Wish) -> Option<u64> {
    let variants = if wish.context_variants.is_empty() {
        &wish.model.context_variants
    } else {
        &wish.context_variants
    };
    let largest = variants.iter().map(|variant| variant.max_input).max();
    wish.context_window.or(wish.model.context_window).max(largest)
}

fn capable(model: &Model, call: &Call) -> Result<(), Refusal> {
    let needs = call.needs;
    let owns = |name: &str| model.capabilities.iter().any(|owned| owned == name);
    for (needed, name, what) in [
        (needs.tools, "tools", "call tools"),
        (needs.vision, "vision", "read images"),
        (needs.json_schema, "json_schema", "keep to a JSON schema"),
        (needs.audio, "audio", "hear or speak"),
    ] {
        if needed && !owns(name) {
            let text = format!("{} does not {what}.", model.id);
            return Err(Refusal::new(RefusalCode::LacksCapability, text).fix(
                FixKind::Model,
                model.id.as_str(),
                format!("Declare capability {name}, if it has it"),
            ));
        }
    }
    Ok(())
}

fn prefer(model: &Model, provider: &Provider, asker: &Asker) -> Result<(), Refusal> {
    let preferences = &asker.call.controls.provider;
    let named = |names: &[String]| names.iter().any(|name| is_provider(name, provider));
    let refuse = |why: String| {
        Err(Refusal::new(
            RefusalCode::Preference,
            format!("No eligible target: {why}."),
        ))
    };
    if !preferences.only.is_empty() && !named(&preferences.only) {
        return refuse(format!("provider.only does not name {}", provider.id));
    }
    if named(&preferences.ignore) {
        return refuse(format!("provider.ignore names {}", provider.id));
    }
    if preferences.zdr && !provider.data_policy.zdr {
        return refuse(format!("{} keeps data, provider.zdr asks for none", provider.id));
    }
    if preferences.deny_data_collection && provider.data_policy.trains {
        return refuse(format!(
            "{} collects data, provider.data_collection denies it",
            provider.id
        ));
    }
    if !preferences.quantizations.is_empty() {
        let own = model.quantization.as_deref().unwrap_or("unknown");
        if !preferences
            .quantizations
            .iter()
            .any(|wanted| wanted.eq_ignore_ascii_case(own))
        {
            return refuse(format!(
                "{} has quantization {own}, which provider.quantizations does not name",
                model.id
            ));
        }
    }
    if let Some(most) = preferences.max_price {
        let Some(price) = &model.price else {
            return refuse(format!("{} has no price, provider.max_price sets one", model.id));
        };
        let above = |most: Option<u64>, price: PicoUsd| most.is_some_and(|most| price.0 > most);
        if above(most.input, price.input) || above(most.output, price.output) {
            return refuse(format!("{} costs more than provider.max_price", model.id));
        }
    }
    if preferences.require_parameters
        && let Some(parameter) = refused_parameter(model, provider, asker)
    {
        return refuse(format!(
            "{} does not take {parameter}, provider.require_parameters asks for it",
            model.id
        ));
    }
    Ok(())
}

pub(super) fn is_provider(name: &str, provider: &Provider) -> bool {
    name.trim().eq_ignore_ascii_case(provider.id.as_str())
}

fn refused_parameter(model: &Model, provider: &Provider, asker: &Asker) -> Option<String> {
    let uses = |name: &str| asker.call.fields.iter().any(|field| field.name == name);
    let rules = provider
        .param_rules
        .iter()
        .filter(|rule| matches(&rule.models, &model.upstream));
    let dropped = rules.flat_map(|rule| &rule.drop).find(|name| uses(name));
    let refused = || {
        asker
            .world
            .health
            .unsupported(&model.id, asker.world.now)
            .into_iter()
            .find(|name| uses(name))
    };
    dropped.cloned().or_else(refused)
}

/// What the known rest of the budget does not pay for goes when another target fits; else the Ledger refuses with all details.
fn drop_unaffordable(sorted: &mut Sorted, asker: &Asker) {
    let fits = |ready: &Ready| affordable(ready.worst, asker.grant).is_ok();
    if !sorted.ready.iter().any(fits) {
        return;
    }
    let (paid, dear): (Vec<Ready>, Vec<Ready>) = std::mem::take(&mut sorted.ready).into_iter().partition(fits);
    sorted.ready = paid;
    sorted.refused.extend(dear.into_iter().filter_map(|ready| {
        let refusal = affordable(ready.worst, asker.grant).err()?;
        Some((ready.target.model.id.to_string(), refusal))
    }));
}

/// A target too small for the request goes when another fits; a target that learned so, goes to the end.
fn drop_too_small(sorted: &mut Sorted, asker: &Asker) {
    let call = asker.call;
    let wanted = asker
        .estimate
        .typical
        .saturating_add(call.max_output_tokens.unwrap_or(0));
    let fits = |ready: &Ready| ready.target.context_window.is_none_or(|window| wanted <= window);
    if !sorted.ready.iter().any(fits) {
        return;
    }
    let (fitting, small): (Vec<Ready>, Vec<Ready>) = std::mem::take(&mut sorted.ready)
        .into_iter()
        .partition(|ready| fits(ready));
    sorted.ready = fitting;
    sorted.refused.extend(small.into_iter().map(|ready| {
        let id = ready.target.model.id.to_string();
        let window = ready.target.context_window.unwrap_or_default();
        let text = format!("About {wanted} tokens are needed, {id} has {window}, and another target has more.");
        (id, Refusal::new(RefusalCode::TooLong, text))
    }));
}

/// When every way to the target is cooling: until when and why.
fn cooling(target: &Target, asker: &Asker) -> (Option<Millis>, Option<&'static str>) {
    let world = asker.world;
    let host = host_of(&target.provider, world.vault);
    let gate = world.health.target_gate(&target.model.id, &host, world.now);
    let want = Want {
        credential_optional: target.provider.credential_optional,
        allowed: &target.allowed_credentials,
        estimated_tokens: asker.estimate.typical,
        ..Want::planning(&target.model.id, target.pool.as_ref(), world.now)
    };
    let keys = availability(world.vault, world.health, &want).err();
    let too_long = world
        .health
        .ceiling(None, &target.model.id, world.now)
        .is_some_and(|most| asker.estimate.typical > most);
    let keys_until = keys.map(|keys| keys.next_at.unwrap_or(Millis(u64::MAX)));
    let until = gate
        .until()
        .filter(|_| !gate.usable())
        .max(keys_until)
        .max(too_long.then_some(Millis(u64::MAX)));
    let class = gate.class().or_else(|| keys.and_then(|keys| keys.class));
    (until, class.map(super::health::FailureClass::as_str))
}

impl Sorted {
    /// Candidates for the explanation.
    pub(super) fn reports(&self, role: &'static str) -> Vec<Report> {
        let called = self.ready.iter().enumerate().map(|(place, ready)| Report {
            model: ready.target.model.id.to_string(),
            role: role.to_owned(),
            chosen: place == 0,
            state: Some(if ready.cooling.is_some() { "cooling" } else { "ready" }.to_owned()),
            class: ready.class.map(str::to_owned),
            order: Some(ready.target.order),
            context_window: ready.target.context_window,
            worst_cost_usd: ready.worst,
            notes: ready.notes.clone(),
            excluded: None,
        });
        let refused = self
            .refused
            .iter()
            .map(|(model, refusal)| Report::refused(model, role, refusal));
        called.chain(refused).collect()
    }

    /// The most that one answer of these can cost; `None`: one is unpriced.
    pub(super) fn worst(&self) -> Option<NanoUsd> {
        self.ready
            .iter()
            .map(|ready| ready.worst)
            .try_fold(NanoUsd(0), |most, worst| Some(most.max(worst?)))
    }
}
