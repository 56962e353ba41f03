//! An agent's tool loop stays with its model: whose loop it is, who may go on with it, and the words for that.
//!
//! A model that is handed the tool calls of another one works with a plan that is not its own. So inside a loop the model that made
//! the calls is asked first, other ways to the same model come next, and other models only where the route lets them.

use super::candidates::{Sorted, Wish, sort_out};
use super::explanation::{LoopKnownBy, ToolLoopReport, ToolLoopRule};
use super::plan::ToolLoop;
use super::planner::Draft;
use super::refusal::{Refusal, RefusalCode};
use super::refusing::passing;
use crate::catalog::{Model, Route};
use std::sync::Arc;

/// A tool loop and how it is known whose it is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) tool_loop: ToolLoop,
    pub(super) known_by: LoopKnownBy,
}

/// Passes wishes through every gate; inside a tool loop its own model goes first, and others are left out where the route says so.
pub(super) fn sort_out_in_loop(draft: &Draft, wishes: &[Wish], route: Option<&Route>) -> (Sorted, Option<Found>) {
    let mut sorted = sort_out(wishes, &draft.asker());
    let Some(found) = find(draft, wishes, &sorted, route) else {
        return (sorted, None);
    };
    let tool_loop = &found.tool_loop;
    if !tool_loop.may_swap {
        let (own, others): (Vec<Wish>, Vec<Wish>) =
            wishes.iter().cloned().partition(|wish| tool_loop.stays_at(&wish.model));
        sorted = sort_out(&own, &draft.asker());
        sorted.refused.extend(
            others
                .iter()
                .map(|wish| (wish.model.id.to_string(), other_model(tool_loop, &wish.model))),
        );
    }
    if !tool_loop.may_swap || draft.call.controls.provider.order.is_empty() {
        // Stable: cooling targets stay behind, and each group keeps its order.
        sorted
            .ready
            .sort_by_key(|ready| (ready.cooling.is_some(), !tool_loop.stays_at(&ready.target.model)));
    }
    (sorted, Some(found))
}

/// Leaves other models out of a side lane where the route says so.
pub(super) fn keep_to_loop(wishes: Vec<Wish>, tool_loop: Option<&ToolLoop>) -> (Vec<Wish>, Vec<(String, Refusal)>) {
    let Some(tool_loop) = tool_loop.filter(|tool_loop| !tool_loop.may_swap) else {
        return (wishes, Vec::new());
    };
    let (own, others): (Vec<Wish>, Vec<Wish>) = wishes.into_iter().partition(|wish| tool_loop.stays_at(&wish.model));
    let refused = others
        .iter()
        .map(|wish| (wish.model.id.to_string(), other_model(tool_loop, &wish.model)));
    (own, refused.collect())
}

/// Why nobody else answers, to follow the reason for which the loop's own model does not.
pub(super) const NOBODY_ELSE: &str =
    "The route keeps a tool loop with its model (swap_in_tool_loop is false), so no other model takes over.";

fn other_model(tool_loop: &ToolLoop, model: &Model) -> Refusal {
    let text = format!(
        "The route keeps the tool loop with {} (swap_in_tool_loop is false), and {} is another model.",
        tool_loop.model.id, model.id
    );
    Refusal::new(RefusalCode::ToolLoopModel, text)
}

/// Whose tool loop the request goes on with: whom the pin names, else the primary. `None`: it is inside no loop.
pub(super) fn find(draft: &Draft, wishes: &[Wish], sorted: &Sorted, route: Option<&Route>) -> Option<Found> {
    if !draft.call.conversation.in_tool_loop() {
        return None;
    }
    let may_swap = route.is_none_or(|route| route.swap_in_tool_loop);
    let found = |model, known_by| Found {
        tool_loop: ToolLoop { model, may_swap },
        known_by,
    };
    let pin = draft.hints.pin.filter(|pin| pin.route == draft.call.model);
    let pinned = pin
        .and_then(|pin| draft.world.catalog.model(pin.target.as_str()))
        .map(|model| found(model, LoopKnownBy::Pin));
    // A pin on a model that the route no longer names could keep the loop from ever going on.
    pinned
        .filter(|pinned| may_swap || wishes.iter().any(|wish| pinned.tool_loop.stays_at(&wish.model)))
        .or_else(|| primary(wishes, sorted).map(|model| found(model, LoopKnownBy::Primary)))
}

/// Who answers first when nothing is cooling and nobody's credentials are used up.
fn primary(wishes: &[Wish], sorted: &Sorted) -> Option<Arc<Model>> {
    let place = |model: &Model| {
        let wish = wishes.iter().find(|wish| wish.model.id == model.id);
        wish.map_or((u32::MAX, u32::MAX), |wish| (wish.level, wish.order))
    };
    let ready = sorted.ready.iter().min_by_key(|ready| ready.target.index);
    let ready = ready.map(|ready| Arc::clone(&ready.target.model));
    let away = wishes
        .iter()
        .filter(|wish| {
            let mut refused = sorted.refused.iter();
            refused.any(|(id, refusal)| *id == wish.model.id.as_str() && passing(refusal.code))
        })
        .min_by_key(|wish| (wish.level, wish.order))
        .map(|wish| Arc::clone(&wish.model));
    match (ready, away) {
        (Some(ready), Some(away)) if place(&away) < place(&ready) => Some(away),
        (ready, away) => ready.or(away),
    }
}

impl Found {
    /// The rule that applied, in words. `first`: who is asked first.
    pub(super) fn report(&self, first: &Model) -> ToolLoopReport {
        let ToolLoop { model, may_swap } = &self.tool_loop;
        let whose = match self.known_by {
            LoopKnownBy::Pin => format!(
                "This turn goes on with a tool loop of {}, whom the session's pin names",
                model.id
            ),
            LoopKnownBy::Primary => format!(
                "This turn goes on with a tool loop; without a pin it counts as that of {}",
                model.id
            ),
        };
        let stays = self.tool_loop.stays_at(first);
        let (rule, then) = match (may_swap, stays) {
            (false, _) => (
                ToolLoopRule::SameModelOnly,
                "the route lets no other model take over (swap_in_tool_loop is false)",
            ),
            (true, true) => (
                ToolLoopRule::KeptUntilItFails,
                "another model takes over only when it fails",
            ),
            (true, false) => (
                ToolLoopRule::Swapped,
                "it is not asked first now, so another model takes over",
            ),
        };
        ToolLoopReport {
            model: model.id.to_string(),
            known_by: self.known_by,
            rule,
            text: format!("{whose}; {then}."),
        }
    }
}
