//! The plan of a fusion: synthesizer first (without it nothing is called), then whom it may ask, within budget and cap.

use super::candidates::{Asker, Ready, Sorted, Wish, sort_out};
use super::error::{Refused, RouteError};
use super::executable::{World, executable, minimal_cost, policy_allows_virtual};
use super::explanation::{Explanation, pipeline};
use super::fusion_panel::{Team, afford, panel, panel_reports};
use super::lookup::{find_model, find_profile, fusion_name, shown};
use super::plan::{Chain, FusionPlan, Plan, PlannedCall, Shape, Stage};
use super::planner::Draft;
use super::refusal::{FixKind, Gate, Refusal, RefusalCode};
use super::tool_loop;
use crate::access::Grant;
use crate::catalog::document::{Adviser, Judge};
use crate::catalog::{FusionProfile, Model, NanoUsd};
use crate::wire::CallKind;
use crate::wire::call::FusionOverrides;
use std::sync::Arc;

/// Where a request's plugin names a profile.
const PRESET: &str = "plugins[0].preset";

/// Most advisers of one request.
const MAX_ADVISERS: usize = 8;

/// Is the fusion offered to this caller? Exactly when a minimal call would not be refused before upstream.
pub(super) fn fusion_executable(profile: &FusionProfile, grant: &Grant, world: &World) -> Result<(), Refusal> {
    profile_is_open(profile, grant)?;
    let model = find_model(world.catalog, profile.synthesizer.model.as_str())?;
    executable(CallKind::Chat, &model, grant, world)?;
    let cost = minimal_cost(CallKind::Chat, &model, world);
    match (profile.max_cost_usd, cost) {
        (Some(cap), cost) if cost.is_none_or(|cost| cost > cap) => {
            let text = format!("The profile's max_cost_usd does not cover one call of {}.", model.id);
            let id = profile.id.as_str();
            Err(Refusal::new(RefusalCode::CostCap, text).fix(
                FixKind::Profile,
                id,
                format!("Raise max_cost_usd of {id}"),
            ))
        }
        _ => Ok(()),
    }
}

/// Is the profile on, and may this caller use it?
pub(super) fn profile_is_open(profile: &FusionProfile, grant: &Grant) -> Result<(), Refusal> {
    if !profile.enabled {
        let text = format!("Fusion profile {} is off.", profile.id);
        let todo = format!("Enable {}", profile.id);
        return Err(Refusal::new(RefusalCode::ProfileDisabled, text).fix(FixKind::Profile, profile.id.as_str(), todo));
    }
    policy_allows_virtual(&grant.policy, &fusion_name(profile.id.as_str()))
}

/// `clawrouter/fusion`, with the profile that a plugin's `preset` names, or `clawrouter/fusion:<profile>`.
pub(super) fn plan_named(draft: &Draft, profile: Arc<FusionProfile>) -> Result<(Plan, Explanation), Box<Refused>> {
    match preset(draft) {
        Some(preset) if preset != profile.id.as_str() => {
            if profile.id.as_str() != "default" {
                let text = format!(
                    "The model names profile {}, and `preset` another one: leave one out.",
                    profile.id
                );
                return Err(draft.refuse_with(RouteError::BadControl { param: PRESET, text }, Vec::new()));
            }
            plan(draft, preset_profile(draft, preset)?, None)
        }
        _ => plan(draft, profile, None),
    }
}

/// A plain model with OpenRouter's fusion plugin: the model synthesizes unless the plugin names another.
pub(super) fn plan_plugin(draft: &Draft, model: &Arc<Model>) -> Result<(Plan, Explanation), Box<Refused>> {
    match preset(draft) {
        Some(preset) => plan(draft, preset_profile(draft, preset)?, Some(model)),
        None => match find_profile(draft.world.catalog, "default") {
            Ok(profile) => plan(draft, profile, Some(model)),
            Err(refusal) => Err(draft.refused(refusal, Vec::new())),
        },
    }
}

/// Refuses controls of a fusion where there is none: left unread, they would seem to have worked.
pub(super) fn only_of_fusions(draft: &Draft, overrides: Option<&FusionOverrides>) -> Result<(), Box<Refused>> {
    let Some(overrides) = overrides else { return Ok(()) };
    let param = match overrides {
        overrides if overrides.from_plugin => "plugins",
        overrides if overrides.advisers.is_some() => "clawrouter.advisers",
        overrides if overrides.judge.is_some() => "clawrouter.judge",
        _ => "clawrouter.synthesizer",
    };
    let text = if overrides.from_plugin {
        format!(
            "The fusion plugin goes with a model, not with the route {}: name the model that writes the answer.",
            shown(&draft.call.model)
        )
    } else {
        format!(
            "`{param}` belongs to a fusion, and {} is none: ask clawrouter/fusion, or leave it out.",
            shown(&draft.call.model)
        )
    };
    Err(draft.refuse_with(RouteError::BadControl { param, text }, Vec::new()))
}

fn preset<'d>(draft: &'d Draft) -> Option<&'d str> {
    draft.call.controls.fusion.as_ref()?.profile.as_deref()
}

fn preset_profile(draft: &Draft, preset: &str) -> Result<Arc<FusionProfile>, Box<Refused>> {
    find_profile(draft.world.catalog, preset).map_err(|refusal| {
        let error = RouteError::BadControl {
            param: PRESET,
            text: refusal.text,
        };
        draft.refuse_with(error, Vec::new())
    })
}

/// Plans a fusion.
fn plan(
    draft: &Draft,
    profile: Arc<FusionProfile>,
    synthesizer: Option<&Arc<Model>>,
) -> Result<(Plan, Explanation), Box<Refused>> {
    let name = format!("clawrouter/{}", fusion_name(profile.id.as_str()));
    if draft.call.kind != CallKind::Chat {
        let text = format!("{name} answers chat completions only.");
        return Err(draft.refused(Refusal::new(RefusalCode::WrongKind, text), Vec::new()));
    }
    if let Err(refusal) = profile_is_open(&profile, draft.grant) {
        return Err(draft.refused(refusal, Vec::new()));
    }
    let profile = narrowed(draft, profile, synthesizer).map_err(|error| draft.refuse_with(error, Vec::new()))?;
    let cap = match (draft.cap(), profile.max_cost_usd) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let synthesizers = synthesizers(draft, &profile, cap, &name)?;
    let panel = panel(draft, &profile);
    let team = afford(draft, &profile, &synthesizers, panel, cap);
    Ok(assemble(draft, profile, synthesizers, team, &name))
}

/// The profile with the request's own changes.
fn narrowed(
    draft: &Draft,
    profile: Arc<FusionProfile>,
    synthesizer: Option<&Arc<Model>>,
) -> Result<Arc<FusionProfile>, RouteError> {
    let none = FusionOverrides::default();
    let overrides = draft.call.controls.fusion.as_ref().unwrap_or(&none);
    if *overrides == none && synthesizer.is_none() {
        return Ok(profile);
    }
    let bad = |param, text: String| RouteError::BadControl { param, text };
    let model = |param, name: &str| {
        let model = find_model(draft.world.catalog, name).map_err(|refusal| bad(param, refusal.text))?;
        // A request narrows: what policy forbids is refused, not silently left out.
        match executable(CallKind::Chat, &model, draft.grant, draft.world) {
            Err(refusal) if refusal.code.gate() == Gate::Policy => Err(RouteError::Refused {
                refusal,
                retry_at: None,
            }),
            _ => Ok(model),
        }
    };
    let mut changed = FusionProfile::clone(&profile);
    if let Some(names) = &overrides.advisers {
        if names.is_empty() || names.len() > MAX_ADVISERS {
            return Err(bad(
                "clawrouter.advisers",
                format!("Name 1 to {MAX_ADVISERS} advisers."),
            ));
        }
        changed.advisers.clear();
        for name in names {
            let model = model("clawrouter.advisers", name)?;
            if changed.advisers.iter().any(|adviser| adviser.model == model.id) {
                return Err(bad("clawrouter.advisers", format!("{} is named twice.", model.id)));
            }
            changed.advisers.push(Adviser {
                model: model.id.clone(),
                role: None,
                temperature: None,
            });
        }
    }
    match &overrides.judge {
        None => {}
        Some(None) => changed.judge = None,
        Some(Some(name)) => {
            let model = model("clawrouter.judge", name)?;
            changed.judge = Some(Judge {
                model: model.id.clone(),
                enabled: true,
            });
        }
    }
    if let Some(name) = &overrides.synthesizer {
        changed.synthesizer.model = model("clawrouter.synthesizer", name)?.id.clone();
        changed.synthesizer.fallbacks.clear();
    } else if let Some(model) = synthesizer {
        changed.synthesizer.model = model.id.clone();
        changed.synthesizer.fallbacks.clear();
    }
    let judges_itself = changed
        .judge
        .as_ref()
        .filter(|judge| judge.enabled)
        .is_some_and(|judge| changed.advisers.iter().any(|adviser| adviser.model == judge.model));
    if judges_itself && !changed.allow_self_judge && changed != *profile {
        return Err(bad(
            "clawrouter.judge",
            "The judge is one of the advisers; name another judge.".to_owned(),
        ));
    }
    Ok(Arc::new(changed))
}

/// The synthesizer and its fallbacks; refuses when the synthesizer itself cannot run.
fn synthesizers(
    draft: &Draft,
    profile: &FusionProfile,
    cap: Option<NanoUsd>,
    name: &str,
) -> Result<Sorted, Box<Refused>> {
    let refuse = |refusal: Refusal, candidates| {
        // What the request itself asks too much of is told as such; everything else means that the fusion is not offered.
        let own = matches!(
            refusal.code,
            RefusalCode::LacksCapability
                | RefusalCode::TooLong
                | RefusalCode::Preference
                | RefusalCode::CostCap
                | RefusalCode::Budget
        );
        let error = if own {
            RouteError::Refused {
                refusal,
                retry_at: None,
            }
        } else {
            RouteError::FusionRefused {
                name: name.to_owned(),
                refusal,
            }
        };
        draft.refuse_with(error, candidates)
    };
    let id = &profile.synthesizer.model;
    let model = find_model(draft.world.catalog, id.as_str()).map_err(|refusal| refuse(refusal, Vec::new()))?;
    let mut wishes = vec![Wish::of_model(model, 0)];
    for (level, fallback) in (1..).zip(&profile.synthesizer.fallbacks) {
        wishes.extend(
            find_model(draft.world.catalog, fallback.as_str())
                .ok()
                .map(|model| Wish::of_model(model, level)),
        );
    }
    // The request's own fallbacks come behind the profile's.
    let mut skipped = Vec::new();
    for name in &draft.call.controls.fallback_models {
        match find_model(draft.world.catalog, name) {
            Ok(found) if wishes.iter().any(|wish| wish.model.id == found.id) => {}
            Ok(found) => wishes.push(Wish::of_model(found, u32::try_from(wishes.len()).unwrap_or(u32::MAX))),
            Err(refusal) => skipped.push((shown(name), refusal)),
        }
    }
    let mut sorted = sort_out(&wishes, &Asker { cap, ..draft.asker() });
    sorted.refused.extend(skipped);
    if sorted.ready.iter().any(|ready| ready.target.model.id == *id) {
        return Ok(sorted);
    }
    // A healthy fallback does not change what is advertised; but a longer request may go to the one with the larger window.
    let own = sorted
        .refused
        .iter()
        .find(|(model, _)| *model == id.as_str())
        .map(|(_, refusal)| refusal.clone());
    match own {
        Some(refusal) if refusal.code == RefusalCode::TooLong && !sorted.ready.is_empty() => Ok(sorted),
        Some(refusal) => Err(refuse(
            of_profile_cap(draft, profile, refusal),
            sorted.reports("synthesizer"),
        )),
        None => {
            let refusal = Refusal::new(RefusalCode::NoTarget, format!("{id} cannot run now."));
            Err(refuse(refusal, sorted.reports("synthesizer")))
        }
    }
}

/// A cap that the profile sets is told as the profile's.
fn of_profile_cap(draft: &Draft, profile: &FusionProfile, refusal: Refusal) -> Refusal {
    match profile.max_cost_usd {
        Some(cap) if refusal.code == RefusalCode::CostCap && draft.cap().is_none_or(|own| cap < own) => {
            let id = profile.id.as_str();
            let text = format!(
                "This request can cost more at {} alone than the ${cap} that fusion profile {id} allows: shorten it or lower max_tokens.",
                profile.synthesizer.model
            );
            Refusal::new(RefusalCode::CostCap, text).fix(FixKind::Profile, id, format!("Raise max_cost_usd of {id}"))
        }
        _ => refusal,
    }
}

fn assemble(
    draft: &Draft,
    profile: Arc<FusionProfile>,
    synthesizers: Sorted,
    team: Team,
    name: &str,
) -> (Plan, Explanation) {
    let Team { mut panel, synthesizer } = team;
    panel.left_out.sort_by_key(|(slot, _, _)| *slot);
    let first = synthesizers.ready.first().map_or_else(
        || profile.synthesizer.model.clone(),
        |ready| ready.target.model.id.clone(),
    );
    let call = |stage, index, model, worst_case| PlannedCall {
        stage,
        index,
        model,
        worst_case,
    };
    let mut calls = vec![call(Stage::Synthesizer, 0, first.clone(), synthesizer)];
    calls.extend(
        panel
            .advisers
            .iter()
            .map(|(slot, ready)| call(Stage::Adviser, *slot, ready.target.model.id.clone(), ready.worst)),
    );
    calls.extend(
        panel
            .judge
            .iter()
            .map(|ready| call(Stage::Judge, 0, ready.target.model.id.clone(), ready.worst)),
    );
    let worst = calls
        .iter()
        .map(|call| call.worst_case)
        .try_fold(NanoUsd(0), |sum, worst| Some(sum.saturating_add(worst?)));

    let mut explanation = draft.explanation(&synthesizers, "synthesizer");
    explanation.candidates.extend(panel_reports(&panel));
    explanation.pipeline = pipeline(&explanation.candidates);
    "fusion".clone_into(&mut explanation.strategy);
    explanation.verdict = format!(
        "{name} asks {} of {} advisers{}; {first} writes the answer.",
        panel.advisers.len(),
        profile.advisers.len(),
        if panel.judge.is_some() { " and a judge" } else { "" },
    );
    explanation.why = format!("The request names fusion profile {}.", profile.id);
    explanation.worst_cost_usd = worst;
    // Sessions of a fusion have no pins: its synthesizer is whose loop it is.
    let tool_loop = tool_loop::find(draft, &[], &synthesizers, None);
    let told = |ready: &Ready| tool_loop.as_ref().map(|found| found.report(&ready.target.model));
    explanation.tool_loop = synthesizers.ready.first().and_then(told);
    let plan = Plan {
        kind: CallKind::Chat,
        route: None,
        strategy: "fusion",
        worst_case: worst,
        deadline: Some(
            draft
                .call
                .controls
                .deadline
                .map_or(profile.deadline_ms, |own| own.min(profile.deadline_ms)),
        ),
        calls,
        session: draft.session(),
        pinned: false,
        shape: Shape::Fusion(Box::new(FusionPlan {
            advisers: panel
                .advisers
                .into_iter()
                .map(|(slot, ready)| (slot, ready.target))
                .collect(),
            left_out: panel
                .left_out
                .into_iter()
                .map(|(slot, model, refusal)| (slot, model, refusal.code.as_str().to_owned()))
                .collect(),
            judge: panel.judge.map(|ready| ready.target),
            synthesizer: Chain {
                tool_loop: tool_loop.map(|found| found.tool_loop),
                ..draft.chain(synthesizers, &Sorted::default(), &Sorted::default(), None, false)
            },
            profile,
        })),
    };
    (plan, explanation.bounded())
}
