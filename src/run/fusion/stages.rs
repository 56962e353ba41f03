//! What each stage of a fusion is called with: its chain, its request, its range of call ids and its limits.
//!
//! It must not know when a stage begins, nor what became of the earlier ones beyond what they wrote.

use super::conversation::{self, Line};
use super::fence::Fence;
use super::inject::{self, Proposal};
use super::input::FusionInput;
use super::judge::{self, Notes};
use super::part::PartInput;
use super::progress::Slot;
use super::{adviser, chars};
use crate::route::estimate::estimate;
use crate::route::{Chain, Stage, Target};
use crate::run::engine::{AnswerAs, Limits};
use crate::wire::call::Limits as BodyLimits;
use crate::wire::{Call, Millis, chat, json};
use bytes::Bytes;
use std::sync::Arc;

/// Ranges of call ids: advisers 0 to 7 in the order of calling, then the others.
const ADVISERS: u32 = 8;
const JUDGE_RANGE: u32 = ADVISERS;
const SYNTHESIZER_RANGE: u32 = 9;
const SECOND_SYNTHESIZER_RANGE: u32 = 10;
/// The synthesizer alone, beside a test prompt.
const BASELINE_RANGE: u32 = 11;

/// How much of a synthesizer's answer a test prompt keeps.
const TEST_ANSWER: AnswerAs = AnswerAs::Text { max_chars: 200_000 };

/// The advisers in the order of calling. `lines`: what they read of the conversation; `deadline`: a moment.
pub(super) fn advisers(input: &FusionInput, lines: &[Line], deadline: Millis) -> Vec<PartInput> {
    let profile = &input.plan.profile;
    let asked = |(range, (index, target)): (u32, &(u32, Target))| {
        let position = usize::try_from(*index).unwrap_or(usize::MAX);
        let adviser = profile.advisers.get(position)?;
        let body = adviser::body(profile, position, adviser, &target.model, lines);
        let (chain, call) = single(&input.plan.synthesizer, target.clone(), body)?;
        Some(PartInput {
            slot: Slot {
                stage: Stage::Adviser,
                index: *index,
            },
            range,
            chain,
            call,
            answer: AnswerAs::Text {
                max_chars: chars(profile.max_proposal_chars),
            },
            limits: Limits {
                first_token: Some(profile.adviser_first_token_ms),
                total: None,
            },
            deadline,
        })
    };
    (0..ADVISERS).zip(&input.plan.advisers).filter_map(asked).collect()
}

/// The judge, where the plan has one. `deadline`: a moment.
pub(super) fn judge(
    input: &FusionInput,
    lines: &[Line],
    proposals: &[Proposal],
    deadline: Millis,
) -> Option<PartInput> {
    let target = input.plan.judge.clone()?;
    let question = conversation::question(lines);
    let body = judge::body(
        &input.plan.profile,
        &target.model,
        question,
        proposals,
        &Fence::new(input.seed),
    );
    let (chain, call) = single(&input.plan.synthesizer, target, body)?;
    Some(PartInput {
        slot: Slot {
            stage: Stage::Judge,
            index: 0,
        },
        range: JUDGE_RANGE,
        chain,
        call,
        answer: AnswerAs::Text {
            max_chars: judge::MAX_CHARS,
        },
        limits: Limits::default(),
        deadline,
    })
}

/// The synthesizer with `call`, which may carry drafts. `again`: it was called before; `deadline`: a moment.
pub(super) fn synthesizer(input: &FusionInput, call: Arc<Call>, again: bool, deadline: Millis) -> PartInput {
    let mut chain = input.plan.synthesizer.clone();
    let added = estimate(&call.size)
        .typical
        .saturating_sub(estimate(&input.call.size).typical);
    chain.estimated_input_tokens = chain.estimated_input_tokens.saturating_add(added);
    PartInput {
        slot: Slot {
            stage: Stage::Synthesizer,
            index: 0,
        },
        range: if again {
            SECOND_SYNTHESIZER_RANGE
        } else {
            SYNTHESIZER_RANGE
        },
        chain,
        call,
        answer: if input.as_test { TEST_ANSWER } else { AnswerAs::Asked },
        limits: Limits::default(),
        deadline,
    }
}

/// The synthesizer alone, beside a test prompt. `deadline`: a moment.
pub(super) fn baseline(input: &FusionInput, deadline: Millis) -> PartInput {
    PartInput {
        slot: Slot {
            stage: Stage::Answer,
            index: 0,
        },
        range: BASELINE_RANGE,
        chain: input.plan.synthesizer.clone(),
        call: Arc::clone(&input.call),
        answer: TEST_ANSWER,
        limits: Limits::default(),
        deadline,
    }
}

/// The system message that brings the drafts to the synthesizer.
pub(super) fn advice(input: &FusionInput, proposals: &[Proposal], notes: Option<&Notes>) -> String {
    let profile = &input.plan.profile;
    let notes = notes.and_then(|notes| serde_json::to_string(notes).ok());
    let most = chars(profile.max_proposal_chars);
    inject::message(
        proposals,
        notes.as_deref(),
        profile.anonymise,
        most,
        &Fence::new(input.seed),
    )
}

/// The caller's bytes with one further system message; the caller's own where that makes no valid request.
pub(super) fn advised(own: &Arc<Call>, advice: &str) -> Arc<Call> {
    let message = format!("{{\"role\":\"system\",\"content\":{}}}", json::quote(advice));
    let advised = own.with_message(conversation::injection_index(&own.conversation), message);
    advised.map_or_else(|_| Arc::clone(own), Arc::new)
}

/// The request of an adviser or judge and its one target, tried once per credential: they have no fallback of their own. `None`: the
/// body is no request.
fn single(like: &Chain, target: Target, body: Bytes) -> Option<(Chain, Arc<Call>)> {
    let call = chat::parse(body, &BodyLimits::default()).ok()?;
    let mut chain = Chain {
        targets: vec![target],
        context_targets: Vec::new(),
        content_policy_targets: Vec::new(),
        skipped: Vec::new(),
        pinned_credential: None,
        tool_loop: None,
        trim: false,
        estimated_input_tokens: estimate(&call.size).typical,
        ..like.clone()
    };
    chain.retry.same_target = 0;
    chain.hedge.enabled = false;
    Some((chain, Arc::new(call)))
}
