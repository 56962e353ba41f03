//! From a call to a plan and its explanation. Every refusal is found here, before any upstream is called; how one is told is
//! `refusing`'s.

use super::candidates::{Asker, Ready, Sorted, Wish, sort_out};
use super::error::Refused;
use super::estimate::{Estimate, estimate, reserved_output};
use super::executable::{World, policy_allows_virtual};
use super::explanation::{Explanation, PinReport, PinState, pipeline};
use super::lookup::{Named, find, find_model};
use super::pin::{CACHE_WORTHY_TOKENS, Pin, Session};
use super::plan::{Chain, Plan, PlannedCall, Shape, Stage, ToolLoop};
use super::refusal::{FixKind, Refusal, RefusalCode};
use super::refusing::fatal;
use super::tool_loop::{Found, keep_to_loop, sort_out_in_loop};
use super::{dice, fusion_planner};
use crate::access::Grant;
use crate::catalog::document::{ContextDowngrade, FallbackOn, Hedge, Retry};
use crate::catalog::{Model, ModelId, NanoUsd, ProviderId, Route};
use crate::wire::Call;
use std::sync::Arc;

/// A request that has come through so many routers goes in a circle.
const MAX_DEPTH: u32 = 4;

/// What a request brings besides its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// Its session.
    pub session: Option<Session<'a>>,
    /// The session's live pin under this model name.
    pub pin: Option<&'a Pin>,
    /// Randomness; the same seed gives the same plan.
    pub seed: u64,
    /// Routers that have handed this request on because a fusion asked ([`crate::wire::headers::DEPTH`]).
    pub depth: u32,
}

/// Plans a request.
///
/// # Errors
/// [`Refused`] with what the caller is told; nothing has been called.
pub fn plan(call: &Call, world: &World, grant: &Grant, hints: &Hints) -> Result<(Plan, Explanation), Box<Refused>> {
    let world = World {
        dry_run: world.dry_run || call.controls.dry_run,
        ..*world
    };
    let draft = Draft {
        call,
        world: &world,
        grant,
        hints,
        estimate: estimate(&call.size),
    };
    if hints.depth >= MAX_DEPTH {
        let text = format!(
            "This request has come through {} routers that ask each other: take the circle out of their fusion profiles.",
            hints.depth
        );
        return Err(draft.refused(Refusal::new(RefusalCode::Recursion, text), Vec::new()));
    }
    match find(world.catalog, &call.model) {
        Err(refusal) => Err(draft.refused(refusal, Vec::new())),
        Ok(Named::Fusion(profile)) => fusion_planner::plan_named(&draft, profile),
        Ok(Named::Model(model)) => match &call.controls.fusion {
            Some(overrides) if overrides.from_plugin => fusion_planner::plan_plugin(&draft, &model),
            overrides => {
                fusion_planner::only_of_fusions(&draft, overrides.as_ref())?;
                draft.plan_model(&model)
            }
        },
        Ok(Named::Route(route)) => {
            fusion_planner::only_of_fusions(&draft, call.controls.fusion.as_ref())?;
            draft.plan_route(&route)
        }
    }
}

/// A request being planned.
pub(super) struct Draft<'a> {
    pub(super) call: &'a Call,
    pub(super) world: &'a World<'a>,
    pub(super) grant: &'a Grant,
    pub(super) hints: &'a Hints<'a>,
    pub(super) estimate: Estimate,
}

/// What a plan has besides its targets.
struct Setting<'r> {
    strategy: &'static str,
    why: String,
    route: Option<&'r Route>,
    name: String,
    tool_loop: Option<Found>,
}

impl Draft<'_> {
    /// The request's own cost cap.
    pub(super) fn cap(&self) -> Option<NanoUsd> {
        self.call.controls.max_cost_nano_usd.map(NanoUsd)
    }

    /// Named sessions draw alike on every isolate; others by the request's seed.
    pub(super) fn seed(&self) -> u64 {
        let named = self.hints.session.filter(|session| session.named);
        named.map_or(self.hints.seed, |session| {
            session
                .key
                .bytes()
                .fold(0, |hash, byte| dice::mix(hash ^ u64::from(byte)))
        })
    }

    pub(super) fn asker(&self) -> Asker<'_> {
        Asker {
            call: self.call,
            grant: self.grant,
            world: self.world,
            estimate: &self.estimate,
            seed: self.seed(),
            cap: self.cap(),
        }
    }

    fn plan_model(&self, model: &Arc<Model>) -> Result<(Plan, Explanation), Box<Refused>> {
        let mut skipped = Vec::new();
        let mut wishes = vec![Wish::of_model(Arc::clone(model), 0)];
        let requested = self.call.controls.fallback_models.iter().map(String::as_str);
        let by_policy = self.grant.policy.fallbacks.iter().map(ModelId::as_str);
        for name in requested.chain(by_policy) {
            match find_model(self.world.catalog, name) {
                Ok(fallback) if wishes.iter().any(|wish| wish.model.id == fallback.id) => {}
                Ok(fallback) => wishes.push(Wish::of_model(
                    fallback,
                    u32::try_from(wishes.len()).unwrap_or(u32::MAX),
                )),
                Err(refusal) => skipped.push((super::lookup::shown(name), refusal)),
            }
        }
        let (mut sorted, tool_loop) = sort_out_in_loop(self, &wishes, None);
        sorted.refused.extend(skipped);
        let own = sorted
            .refused
            .iter()
            .find(|(id, refusal)| *id == model.id.as_str() && refusal.code != RefusalCode::Duplicate);
        let alone = self.call.controls.fallback_models.is_empty();
        if let Some((_, refusal)) = own
            && fatal(refusal, alone)
        {
            return Err(self.refused(refusal.clone(), sorted.reports("target")));
        }
        let why = "The request names a model.".to_owned();
        self.assemble(
            sorted,
            Setting {
                strategy: "direct",
                why,
                route: None,
                name: model.id.to_string(),
                tool_loop,
            },
        )
    }

    fn plan_route(&self, route: &Route) -> Result<(Plan, Explanation), Box<Refused>> {
        let name = format!("clawrouter/{}", route.id);
        if let Err(refusal) = route_is_open(route, self.grant) {
            return Err(self.refused(refusal, Vec::new()));
        }
        let mut skipped = Vec::new();
        let mut wishes = Vec::new();
        for target in &route.targets {
            match find_model(self.world.catalog, target.model.as_str()) {
                Ok(model) => wishes.push(Wish::of_target(model, target)),
                Err(refusal) => skipped.push((target.model.to_string(), refusal)),
            }
        }
        for (level, name) in (1..).zip(&self.call.controls.fallback_models) {
            match find_model(self.world.catalog, name) {
                Ok(model) => wishes.push(Wish::of_model(model, level)),
                Err(refusal) => skipped.push((super::lookup::shown(name), refusal)),
            }
        }
        let (mut sorted, tool_loop) = sort_out_in_loop(self, &wishes, Some(route));
        sorted.refused.extend(skipped);
        let why = format!("The request names route {}.", route.id);
        self.assemble(
            sorted,
            Setting {
                strategy: "route",
                why,
                route: Some(route),
                name,
                tool_loop,
            },
        )
    }

    fn assemble(&self, mut sorted: Sorted, setting: Setting) -> Result<(Plan, Explanation), Box<Refused>> {
        if sorted.ready.is_empty() {
            return Err(self.nobody(&setting.name, setting.route.is_none(), &sorted));
        }
        let found = setting.tool_loop.as_ref();
        let tool_loop = found.map(|found| &found.tool_loop);
        let pin = self.apply_pin(&mut sorted.ready, tool_loop);
        let (for_length, for_policy) = match setting.route {
            Some(route) if self.call.controls.provider.allow_fallbacks != Some(false) => (
                self.side_lane(&route.context_targets, &sorted, tool_loop),
                self.side_lane(&route.content_policy_targets, &sorted, tool_loop),
            ),
            _ => (Sorted::default(), Sorted::default()),
        };
        let worst = [&sorted, &for_length, &for_policy]
            .map(Sorted::worst)
            .into_iter()
            .try_fold(NanoUsd(0), |most, worst| Some(most.max(worst?)));
        let Some(first) = sorted.ready.first() else {
            return Err(self.nobody(&setting.name, setting.route.is_none(), &sorted));
        };
        let mut explanation = self.explanation(&sorted, "target");
        setting.strategy.clone_into(&mut explanation.strategy);
        explanation.verdict = verdict(&sorted.ready, &setting.name, pin.state);
        explanation.why = setting.why;
        explanation.tool_loop = found.map(|found| found.report(&first.target.model));
        explanation.worst_cost_usd = worst;
        explanation.expected_cost_usd = self.expected(&first.target.model);
        explanation.context_fallbacks = ids(&for_length.ready);
        explanation.content_policy_fallbacks = ids(&for_policy.ready);
        let pinned = pin.state == PinState::Used;
        explanation.pin = pin;
        let calls = vec![PlannedCall {
            stage: Stage::Answer,
            index: 0,
            model: first.target.model.id.clone(),
            worst_case: worst,
        }];
        let chain = Chain {
            tool_loop: setting.tool_loop.map(|found| found.tool_loop),
            ..self.chain(sorted, &for_length, &for_policy, setting.route, pinned)
        };
        let deadlines = [
            self.call.controls.deadline,
            setting.route.and_then(|route| route.deadline_ms),
        ];
        let plan = Plan {
            kind: self.call.kind,
            shape: Shape::Chain(Box::new(chain)),
            route: setting.route.map(|route| route.id.clone()),
            strategy: setting.strategy,
            worst_case: worst,
            deadline: deadlines.into_iter().flatten().min(),
            calls,
            session: self.session(),
            pinned,
        };
        Ok((plan, explanation.bounded()))
    }

    /// The session by which credentials are chosen.
    pub(super) fn session(&self) -> Option<String> {
        let worth = self.estimate.typical > CACHE_WORTHY_TOKENS;
        self.hints
            .session
            .filter(|session| session.named || worth)
            .map(|session| session.key.to_owned())
    }

    /// A chain of what was sorted out.
    pub(super) fn chain(
        &self,
        sorted: Sorted,
        for_length: &Sorted,
        for_policy: &Sorted,
        route: Option<&Route>,
        pinned: bool,
    ) -> Chain {
        let targets = |sorted: &Sorted| sorted.ready.iter().map(|ready| ready.target.clone()).collect();
        let skipped = [&sorted, for_length, for_policy]
            .into_iter()
            .flat_map(|sorted| &sorted.refused);
        // A session that nobody named is a guess: it keeps its target, but who pays is the pool's own decision.
        let named = self.hints.session.is_some_and(|session| session.named);
        let pinned_credential = self
            .hints
            .pin
            .filter(|_| pinned && named)
            .and_then(|pin| pin.credential.clone());
        Chain {
            context_targets: targets(for_length),
            content_policy_targets: targets(for_policy),
            retry: route.map_or_else(Retry::default, |route| route.retry),
            downgrade: route.map_or_else(ContextDowngrade::default, |route| route.adaptive_context_downgrade),
            trim: route.is_some_and(|route| route.trim),
            stream_recovery: route.is_none_or(|route| route.stream_recovery),
            fallback_on: route.map_or_else(FallbackOn::default, |route| route.fallback_on),
            hedge: route.map_or_else(Hedge::default, |route| route.hedge),
            estimated_input_tokens: self.estimate.typical,
            pinned_credential,
            issuer: self.issuer(&sorted),
            tool_loop: None,
            skipped: skipped
                .map(|(model, refusal)| (model.clone(), refusal.code.as_str().to_owned()))
                .collect(),
            targets: sorted.ready.into_iter().map(|ready| ready.target).collect(),
        }
    }

    /// Whose answers the conversation carries, as far as anybody can tell.
    fn issuer(&self, sorted: &Sorted) -> Option<ProviderId> {
        let pin = self.hints.pin.filter(|pin| pin.route == self.call.model);
        let before = pin.and_then(|pin| self.world.catalog.model(pin.target.as_str()));
        let primary = || sorted.ready.iter().min_by_key(|ready| ready.target.index);
        before
            .map(|model| model.provider.clone())
            .or_else(|| primary().map(|ready| ready.target.provider.id.clone()))
    }

    fn side_lane(&self, models: &[ModelId], main: &Sorted, tool_loop: Option<&ToolLoop>) -> Sorted {
        let taken = |id: &ModelId| main.ready.iter().any(|ready| ready.target.model.id == *id);
        let found = models
            .iter()
            .filter(|id| !taken(id))
            .filter_map(|id| find_model(self.world.catalog, id.as_str()).ok());
        let wishes: Vec<Wish> = (0..)
            .zip(found)
            .map(|(level, model)| Wish::of_model(model, level))
            .collect();
        let (wishes, others) = keep_to_loop(wishes, tool_loop);
        let mut sorted = sort_out(&wishes, &self.asker());
        sorted.refused.extend(others);
        sorted
    }

    fn apply_pin(&self, ready: &mut [Ready], tool_loop: Option<&ToolLoop>) -> PinReport {
        let Some(pin) = self.hints.pin.filter(|pin| pin.route == self.call.model) else {
            return PinReport::default();
        };
        let report = |state, text: &str| PinReport {
            state,
            target: Some(pin.target.to_string()),
            text: text.to_owned(),
        };
        let preferences = &self.call.controls.provider;
        // Inside a tool loop no figure moves the session: neither a better price or latency, nor the primary's recovery.
        let kept = tool_loop.is_some();
        let forced = tool_loop.is_some_and(|tool_loop| !tool_loop.may_swap);
        if (!preferences.order.is_empty() && !forced) || (preferences.sort.is_some() && !kept) {
            return report(PinState::Skipped, "The request's own order of providers wins.");
        }
        if !pin.decides(kept, self.estimate.typical, self.world.now) {
            return report(
                PinState::Returned,
                "A fallback served this session; the primary is asked again.",
            );
        }
        let place = ready
            .iter()
            .position(|ready| ready.target.model.id == pin.target && ready.cooling.is_none());
        match place.and_then(|place| ready.get_mut(..=place)) {
            Some(front) => {
                front.rotate_right(1);
                if let Some(first) = front.first_mut() {
                    first.notes.push("pinned".to_owned());
                }
                report(PinState::Used, "This session stays with whom it was served by.")
            }
            None => report(
                PinState::Skipped,
                "The pinned target cannot be used now; the pin is kept.",
            ),
        }
    }

    /// Half of the output bound and the typical input: what such a request usually costs at this model.
    pub(super) fn expected(&self, model: &Model) -> Option<NanoUsd> {
        if self.world.dry_run {
            return Some(NanoUsd(0));
        }
        let output = reserved_output(self.call.kind, model, self.call.max_output_tokens, self.call.choices);
        // Without a limit of the caller's, the model's own says nothing about a usual answer.
        let usual = if self.call.max_output_tokens.is_some() {
            output / 2
        } else {
            output.min(800)
        };
        Some(model.price.as_ref()?.worst_case(self.estimate.typical, usual))
    }

    /// The explanation's common part.
    pub(super) fn explanation(&self, sorted: &Sorted, role: &'static str) -> Explanation {
        let ids = ids(&sorted.ready);
        let candidates = sorted.reports(role);
        Explanation {
            model: ids.first().cloned(),
            fallbacks: ids.into_iter().skip(1).collect(),
            pipeline: pipeline(&candidates),
            candidates,
            ..self.blank()
        }
    }

    /// Of a request for which nothing has been considered.
    pub(super) fn blank(&self) -> Explanation {
        Explanation {
            requested_model: super::lookup::shown(&self.call.model),
            kind: Some(self.call.kind),
            catalog_revision: self.world.catalog.revision,
            policy: self.grant.policy.id.to_string(),
            dry_run: self.world.dry_run,
            estimate: Some(self.estimate),
            budget_remaining_usd: self.grant.remaining,
            ..Explanation::default()
        }
    }
}

/// Is the route on, and may this caller use it?
pub(super) fn route_is_open(route: &Route, grant: &Grant) -> Result<(), Refusal> {
    if !route.enabled {
        let text = format!("Route {} is off.", route.id);
        let todo = format!("Enable {}", route.id);
        return Err(Refusal::new(RefusalCode::RouteDisabled, text).fix(FixKind::Route, route.id.as_str(), todo));
    }
    policy_allows_virtual(&grant.policy, route.id.as_str())
}

/// Model ids in order.
pub(super) fn ids(ready: &[Ready]) -> Vec<String> {
    ready.iter().map(|ready| ready.target.model.id.to_string()).collect()
}

fn verdict(ready: &[Ready], name: &str, pin: PinState) -> String {
    let Some(first) = ready.first() else {
        return String::new();
    };
    let id = &first.target.model.id;
    let asked = if id.as_str() == name {
        String::new()
    } else {
        format!(" for {name}")
    };
    let how = if pin == PinState::Used {
        ", as before in this session"
    } else {
        ""
    };
    let cooling = if first.cooling.is_some() {
        ", as a last resort while everything is cooling"
    } else {
        ""
    };
    let then = match ready.len() {
        0 | 1 => "no fallback follows".to_owned(),
        2 => "one fallback follows".to_owned(),
        more => format!("{} fallbacks follow", more - 1),
    };
    format!("{id} answers{asked}{how}{cooling}; {then}.")
}
