//! The calls of a fusion profile one by one, for readiness: would each run, and what does it reserve for a reference request.
//! The same panel, gates and estimates as on the call path; nothing is planned for a real caller.

use super::candidates::{Asker, Wish, sort_out};
use super::estimate::{Estimate, estimate, reserved_output, worst_case};
use super::executable::{World, executable};
use super::fusion_panel::{JUDGE_OUTPUT_TOKENS, afford, drafts_tokens, excerpt, more, panel, private_call};
use super::lookup::find_model;
use super::plan::Stage;
use super::planner::{Draft, Hints};
use super::refusal::Refusal;
use crate::access::Grant;
use crate::catalog::{FusionProfile, ModelId, NanoUsd};
use crate::wire::{Call, CallKind, ProviderPreferences, SizeHints};

/// The request that readiness figures are about: about 1,000 tokens in three messages, no limit on the answer.
const REFERENCE_SIZE: SizeHints = SizeHints {
    ascii_bytes: 3_600,
    pieces: 1_000,
    wide_chars: 0,
    images: 0,
    messages: 3,
    tools: 0,
    unsized_parts: 0,
};

/// One call of a profile for one caller.
pub(super) struct Slot {
    /// `A1`, `J`, `S`.
    pub(super) name: String,
    pub(super) stage: Stage,
    pub(super) model: ModelId,
    pub(super) outcome: Result<(), Refusal>,
    pub(super) reserve: Option<NanoUsd>,
    pub(super) output_tokens: u64,
}

/// What one call of a profile reserves and usually costs, whoever asks.
#[derive(Clone)]
pub(super) struct PricedSlot {
    pub(super) name: String,
    pub(super) stage: Stage,
    pub(super) model: ModelId,
    pub(super) reserve: Option<NanoUsd>,
    pub(super) typical: Option<NanoUsd>,
    pub(super) output_tokens: u64,
}

/// Every call of the profile for a caller, advisers first, the synthesizer last.
pub(super) fn slots(profile: &FusionProfile, grant: &Grant, world: &World) -> Vec<Slot> {
    let call = reference_call();
    let hints = Hints::default();
    let draft = Draft {
        call: &call,
        world,
        grant,
        hints: &hints,
        estimate: estimate(&REFERENCE_SIZE),
    };
    let synthesizer = find_model(world.catalog, profile.synthesizer.model.as_str());
    let open = synthesizer.and_then(|model| executable(CallKind::Chat, &model, grant, world).map(|()| model));
    let mut panel = panel(&draft, profile);
    if let Ok(model) = &open {
        let alone = sort_out(
            &[Wish::of_model(std::sync::Arc::clone(model), 0)],
            &Asker {
                cap: None,
                ..draft.asker()
            },
        );
        panel = afford(&draft, profile, &alone, panel, profile.max_cost_usd).panel;
    }
    let (priced, _) = priced_slots(profile, world);
    priced
        .into_iter()
        .enumerate()
        .map(|(index, slot)| {
            let outcome = match slot.stage {
                Stage::Adviser => {
                    let left_out = panel
                        .left_out
                        .iter()
                        .find(|(left, _, _)| usize::try_from(*left) == Ok(index));
                    left_out.map_or(Ok(()), |(_, _, refusal)| Err(refusal.clone()))
                }
                Stage::Judge => panel
                    .judge_refused
                    .as_ref()
                    .map_or(Ok(()), |(_, refusal)| Err(refusal.clone())),
                Stage::Synthesizer | Stage::Answer => open.as_ref().map(|_| ()).map_err(Clone::clone),
            };
            Slot {
                name: slot.name,
                stage: slot.stage,
                model: slot.model,
                outcome,
                reserve: slot.reserve,
                output_tokens: slot.output_tokens,
            }
        })
        .collect()
}

/// Every call of the profile with its price, and the synthesizer without advisers.
pub(super) fn priced_slots(profile: &FusionProfile, world: &World) -> (Vec<PricedSlot>, PricedSlot) {
    let call = reference_call();
    let input = estimate(&REFERENCE_SIZE);
    let adviser_call = private_call(&call.controls.provider, Some(profile.max_output_tokens));
    let adviser_input = excerpt(&REFERENCE_SIZE, profile.max_input_chars);
    let drafts = drafts_tokens(profile, profile.advisers.len());
    let mut slots: Vec<PricedSlot> = (1..)
        .zip(&profile.advisers)
        .map(|(number, adviser)| {
            priced(
                format!("A{number}"),
                Stage::Adviser,
                &adviser.model,
                &adviser_call,
                &adviser_input,
                world,
            )
        })
        .collect();
    let judge = profile.judge.as_ref().filter(|judge| judge.enabled);
    if let Some(judge) = judge {
        let judge_call = private_call(&call.controls.provider, Some(JUDGE_OUTPUT_TOKENS));
        let judge_input = more(&adviser_input, drafts);
        slots.push(priced(
            "J".to_owned(),
            Stage::Judge,
            &judge.model,
            &judge_call,
            &judge_input,
            world,
        ));
    }
    let notes = if judge.is_some() { JUDGE_OUTPUT_TOKENS } else { 0 };
    let of_synthesizer = |input: &Estimate| {
        priced(
            "S".to_owned(),
            Stage::Synthesizer,
            &profile.synthesizer.model,
            &call,
            input,
            world,
        )
    };
    slots.push(of_synthesizer(&more(&input, drafts + notes)));
    (slots, of_synthesizer(&input))
}

fn priced(name: String, stage: Stage, id: &ModelId, call: &Call, input: &Estimate, world: &World) -> PricedSlot {
    let model = world.catalog.model(id.as_str());
    let output_tokens = model.as_ref().map_or(0, |model| {
        reserved_output(CallKind::Chat, model, call.max_output_tokens, 1)
    });
    // A usual answer: half of a small limit, never the whole of a large one.
    let usual = (output_tokens / 2).min(500);
    let price = model.as_ref().and_then(|model| model.price.as_ref());
    PricedSlot {
        name,
        stage,
        model: id.clone(),
        reserve: model.as_ref().and_then(|model| worst_case(call, input, model, None)),
        typical: price.map(|price| price.worst_case(input.typical, usual)),
        output_tokens,
    }
}

fn reference_call() -> Call {
    let mut call = private_call(&ProviderPreferences::default(), None);
    call.size = REFERENCE_SIZE;
    call
}
