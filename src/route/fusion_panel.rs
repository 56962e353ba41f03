//! Whom a fusion may ask beside its synthesizer: advisers and judge that can run, and that budget and cap pay for.

use super::candidates::{Asker, Ready, Sorted, Wish, learned_ratio, sort_out};
use super::estimate::{Estimate, estimate, worst_case};
use super::explanation::Candidate;
use super::lookup::{find_model, shown};
use super::planner::Draft;
use super::refusal::{Refusal, RefusalCode};
use crate::catalog::document::AdviseOn;
use crate::catalog::{FusionProfile, NanoUsd};
use crate::wire::conversation::Conversation;
use crate::wire::{Call, CallKind, Controls, Needs, ProviderPreferences, SizeHints};
use bytes::Bytes;

/// Output tokens of the judge, as room `run` asks for them.
pub const JUDGE_OUTPUT_TOKENS: u64 = 1_024;

/// Tokens of fences and instructions around the drafts that a synthesizer reads, per draft.
const FENCES: u64 = 120;

/// Tokens of an adviser's or judge's own instructions, at most.
const INSTRUCTIONS: u64 = 500;

/// Advisers and judge that could be called, and those that could not.
#[derive(Default)]
pub(super) struct Panel {
    pub(super) advisers: Vec<(u32, Ready)>,
    pub(super) left_out: Vec<(u32, String, Refusal)>,
    pub(super) judge: Option<Ready>,
    pub(super) judge_refused: Option<(String, Refusal)>,
}

pub(super) fn panel(draft: &Draft, profile: &FusionProfile) -> Panel {
    let mut panel = Panel::default();
    let idle = profile.advise_on == AdviseOn::UserTurns && draft.call.continues_tool_loop;
    let call = private_call(&draft.call.controls.provider, Some(profile.max_output_tokens));
    let estimate = excerpt(&draft.call.size, profile.max_input_chars);
    let asker = Asker {
        call: &call,
        estimate: &estimate,
        cap: None,
        ..draft.asker()
    };
    for (slot, adviser) in (0..).zip(&profile.advisers) {
        let found = if draft.hints.depth > 0 {
            Err(Refusal::new(
                RefusalCode::Recursion,
                "A fusion of another router asks; fusions do not nest.",
            ))
        } else if idle {
            Err(Refusal::new(
                RefusalCode::ToolLoop,
                "A tool loop goes on; advisers run on user turns.",
            ))
        } else {
            one(draft, &asker, adviser.model.as_str())
        };
        match found {
            Ok(ready) => panel.advisers.push((slot, ready)),
            Err(refusal) => panel.left_out.push((slot, adviser.model.to_string(), refusal)),
        }
    }
    if let Some(judge) = profile
        .judge
        .as_ref()
        .filter(|judge| judge.enabled && !idle && draft.hints.depth == 0)
    {
        let call = private_call(&draft.call.controls.provider, Some(JUDGE_OUTPUT_TOKENS));
        let drafts = drafts_tokens(profile, panel.advisers.len());
        let estimate = more(&estimate, drafts);
        match one(
            draft,
            &Asker {
                call: &call,
                estimate: &estimate,
                ..asker
            },
            judge.model.as_str(),
        ) {
            Ok(ready) => panel.judge = Some(ready),
            Err(refusal) => panel.judge_refused = Some((judge.model.to_string(), refusal)),
        }
    }
    panel
}

/// One model as adviser or judge: no fallback, and nothing that is cooling.
fn one(draft: &Draft, asker: &Asker, name: &str) -> Result<Ready, Refusal> {
    let model = find_model(draft.world.catalog, name)?;
    let sorted = sort_out(&[Wish::of_model(model, 0)], asker);
    match (sorted.ready.into_iter().next(), sorted.refused.into_iter().next()) {
        (Some(mut ready), _) if ready.cooling.is_none() => {
            ready.target.last_resort = false;
            Ok(ready)
        }
        (Some(ready), _) => {
            let class = ready.class.unwrap_or("cooling");
            Err(Refusal::new(
                RefusalCode::Cooling,
                format!("{} is cooling ({class}).", ready.target.model.id),
            ))
        }
        (None, Some((_, refusal))) => Err(refusal),
        (None, None) => Err(Refusal::new(
            RefusalCode::NoTarget,
            format!("{} cannot run now.", shown(name)),
        )),
    }
}

/// A call as advisers and judge get it: text only, no tools, our own output limit. Privacy preferences of the caller hold for it too.
pub(super) fn private_call(preferences: &ProviderPreferences, max_output_tokens: Option<u64>) -> Call {
    let preferences = ProviderPreferences {
        require_parameters: false,
        allow_fallbacks: None,
        sort: None,
        order: Vec::new(),
        ..preferences.clone()
    };
    Call {
        kind: CallKind::Chat,
        body: Bytes::new(),
        fields: Vec::new(),
        model: "clawrouter/fusion".to_owned(),
        stream: true,
        include_usage: true,
        max_output_tokens,
        choices: 1,
        needs: Needs::default(),
        conversation: Conversation::default(),
        size: SizeHints::default(),
        continues_tool_loop: false,
        session: None,
        controls: Controls {
            provider: preferences,
            ..Controls::default()
        },
    }
}

/// The conversation as text, cut to `max_chars`, plus our instructions.
pub(super) fn excerpt(size: &SizeHints, max_chars: u64) -> Estimate {
    let text = estimate(&SizeHints {
        images: 0,
        tools: 0,
        unsized_parts: 0,
        ..*size
    });
    Estimate {
        typical: text.typical.min(max_chars / 3) + INSTRUCTIONS,
        bound: text.bound.min(max_chars.saturating_mul(3) / 2) + INSTRUCTIONS,
        sure: 0,
        unsized_content: false,
    }
}

pub(super) fn drafts_tokens(profile: &FusionProfile, drafts: usize) -> u64 {
    let each = profile.max_output_tokens.min(profile.max_proposal_chars) + FENCES;
    each.saturating_mul(u64::try_from(drafts).unwrap_or(u64::MAX))
}

pub(super) fn more(estimate: &Estimate, tokens: u64) -> Estimate {
    Estimate {
        typical: estimate.typical.saturating_add(tokens),
        bound: estimate.bound.saturating_add(tokens).saturating_add(INSTRUCTIONS),
        ..*estimate
    }
}

/// Who takes part, and what the synthesizer then costs at most.
pub(super) struct Team {
    pub(super) panel: Panel,
    pub(super) synthesizer: Option<NanoUsd>,
}

/// Keeps as many advisers, in slot order, as cap and known budget pay for beside the synthesizer.
pub(super) fn afford(
    draft: &Draft,
    profile: &FusionProfile,
    synthesizers: &Sorted,
    mut panel: Panel,
    cap: Option<NanoUsd>,
) -> Team {
    let limit = match (cap, draft.grant.remaining) {
        (Some(cap), Some(remaining)) => Some(cap.min(remaining)),
        (cap, remaining) => cap.or(remaining),
    };
    loop {
        let synthesizer = synthesizer_cost(draft, profile, synthesizers, &panel);
        let Some(limit) = limit else {
            return Team { panel, synthesizer };
        };
        let others = panel
            .advisers
            .iter()
            .map(|(_, ready)| ready)
            .chain(&panel.judge)
            .map(|ready| ready.worst);
        let total = others
            .chain([synthesizer])
            .try_fold(NanoUsd(0), |sum, worst| Some(sum.saturating_add(worst?)));
        if total.is_some_and(|total| total <= limit) {
            return Team { panel, synthesizer };
        }
        let short = |model: &Ready| {
            let text = format!(
                "The budget or cap of this request does not pay for {} too.",
                model.target.model.id
            );
            Refusal::new(RefusalCode::Budget, text)
        };
        if let Some(judge) = panel.judge.take() {
            panel.judge_refused = Some((judge.target.model.id.to_string(), short(&judge)));
        } else if let Some((slot, adviser)) = panel.advisers.pop() {
            let refusal = short(&adviser);
            panel
                .left_out
                .push((slot, adviser.target.model.id.to_string(), refusal));
        } else {
            return Team { panel, synthesizer };
        }
    }
}

fn synthesizer_cost(draft: &Draft, profile: &FusionProfile, synthesizers: &Sorted, panel: &Panel) -> Option<NanoUsd> {
    if draft.world.dry_run {
        return Some(NanoUsd(0));
    }
    let drafts =
        drafts_tokens(profile, panel.advisers.len()) + if panel.judge.is_some() { JUDGE_OUTPUT_TOKENS } else { 0 };
    // Without drafts the caller's own bytes go out.
    let estimate = if drafts == 0 {
        draft.estimate
    } else {
        more(&draft.estimate, drafts)
    };
    synthesizers.ready.iter().try_fold(NanoUsd(0), |most, ready| {
        let ratio = learned_ratio(&ready.target, draft.world);
        Some(most.max(worst_case(draft.call, &estimate, &ready.target.model, ratio)?))
    })
}

/// Candidates for the explanation.
pub(super) fn panel_reports(panel: &Panel) -> Vec<Candidate> {
    let called = |role: &str, ready: &Ready| Candidate {
        model: ready.target.model.id.to_string(),
        role: role.to_owned(),
        chosen: true,
        state: Some("ready".to_owned()),
        context_window: ready.target.context_window,
        worst_cost_usd: ready.worst,
        ..Candidate::default()
    };
    let advisers = panel.advisers.iter().map(|(_, ready)| called("adviser", ready));
    let judge = panel.judge.iter().map(|ready| called("judge", ready));
    let left_out = panel
        .left_out
        .iter()
        .map(|(_, model, refusal)| Candidate::refused(model, "adviser", refusal));
    let judge_refused = panel
        .judge_refused
        .iter()
        .map(|(model, refusal)| Candidate::refused(model, "judge", refusal));
    advisers.chain(judge).chain(left_out).chain(judge_refused).collect()
}
