//! A finished request as rows: what machines report becomes the usage row and the trace.

use super::cost::{self, CallCost};
use super::ledger::message::KnownCost;
use super::moves::Moves;
use super::trace::{ContentNote, Span, SpanStage, TraceBody};
use super::usage::{AttemptRow, Outcome, RequestRow, Requested, Role};
use crate::catalog::NanoUsd;
use crate::route::{Explanation, PlannedCall, Stage};
use crate::run::machine::StageReport;
use crate::run::report::{Attempt, AttemptAction, Outcome as RunOutcome, Report};
use crate::wire::Millis;
use crate::wire::json::RawJson;

/// Status of a request whose caller hung up before there was one.
const CALLER_GONE: u16 = 499;

/// Everything known about a finished request.
#[derive(Debug)]
pub struct RecordInput<'a> {
    /// Who asked for what, and when.
    pub requested: Requested<'a>,
    /// Names the request in its Ledger; made by the router, never by a caller.
    pub reservation_id: &'a str,
    /// Configured route, if one was named.
    pub route: Option<&'a str>,
    /// `direct`, `route`, `fusion`, `auto`.
    pub strategy: &'a str,
    /// Input tokens to bill when an upstream told none.
    pub estimated_input_tokens: u64,
    /// What was reserved.
    pub reserved: NanoUsd,
    /// The whole request.
    pub report: &'a Report,
    /// Is the answer less than what was planned? As the machine says.
    pub degraded: bool,
    /// The same by stage.
    pub stages: &'a [StageReport<'a>],
    /// Why this plan.
    pub explanation: Option<Explanation>,
    /// W3C trace id of the caller.
    pub trace_id: Option<&'a str>,
    /// What was decided about prompt and answer.
    pub content: ContentNote,
}

/// Usage row and trace of a finished request.
pub fn record(input: RecordInput<'_>) -> (RequestRow, TraceBody) {
    let mut calls: Vec<(Millis, AttemptRow)> = Vec::new();
    let compound = input.stages.iter().any(|stage| stage.stage != Stage::Answer);
    for stage in input.stages {
        let size = size_of_stage(input.stages, stage.stage);
        for attempt in &stage.report.attempts {
            let row = AttemptRow {
                compound_id: compound.then(|| input.reservation_id.to_owned()),
                ..attempt_row(stage, size, attempt, input.estimated_input_tokens)
            };
            calls.push((attempt.started, row));
        }
    }
    calls.sort_by_key(|(started, _)| *started);
    let report = input.report;
    let own = |text: Option<&str>| text.map(str::to_owned);
    let row = RequestRow {
        served_model: report.served.as_ref().map(|served| served.model.to_string()),
        route: own(input.route),
        strategy: input.strategy.to_owned(),
        status: if report.outcome == RunOutcome::CallerGone && report.status == 0 {
            CALLER_GONE
        } else {
            report.status
        },
        class: report.error_class.map(|class| class.as_str().to_owned()),
        degraded: input.degraded,
        attempts: calls.into_iter().map(|(_, row)| row).collect(),
        moves: Moves::of(input.stages),
        ttft_ms: report
            .served
            .as_ref()
            .map(|served| served.committed_at.since(input.requested.arrived).0),
        ..input.requested.row()
    }
    .closed();
    let trace = TraceBody {
        reserved_usd: input.reserved,
        spans: spans(&input),
        content: input.content,
        trace_id: own(input.trace_id),
        explanation: input.explanation.as_ref().map(RawJson::of),
    };
    (row, trace.closed())
}

/// What a running request has cost so far, by its calls in the order of the reservation. Stages that were not reserved are left out.
pub fn known_cost(stages: &[StageReport<'_>], calls: &[PlannedCall], estimated_input: u64) -> Vec<KnownCost> {
    let known = |stage: &StageReport<'_>| {
        let is_it = |call: &PlannedCall| call.stage == stage.stage && call.index == stage.index;
        let attempts = stage.report.attempts.iter();
        Some(KnownCost {
            call: u32::try_from(calls.iter().position(is_it)?).ok()?,
            amount: attempts
                .map(|attempt| cost::of_attempt(attempt, stage.stage, estimated_input).amount)
                .sum(),
        })
    };
    stages.iter().filter_map(known).collect()
}

fn size_of_stage(stages: &[StageReport<'_>], stage: Stage) -> u32 {
    if stage == Stage::Answer {
        return 0;
    }
    u32::try_from(stages.iter().filter(|other| other.stage == stage).count()).unwrap_or(u32::MAX)
}

fn attempt_row(stage: &StageReport<'_>, size: u32, attempt: &Attempt, estimated_input: u64) -> AttemptRow {
    let CallCost { usage, amount, basis } = cost::of_attempt(attempt, stage.stage, estimated_input);
    AttemptRow {
        role: match stage.stage {
            Stage::Answer if attempt.index == 0 => Role::Primary,
            Stage::Answer => Role::Fallback,
            Stage::Adviser => Role::Adviser,
            Stage::Judge => Role::Judge,
            Stage::Synthesizer => Role::Synthesizer,
        },
        outcome: outcome(attempt),
        class: attempt.class.map(|class| class.as_str().to_owned()),
        target: attempt.model.to_string(),
        credential: attempt.credential.clone(),
        index: stage.index,
        size,
        usage,
        cost_usd: amount,
        basis,
        ..AttemptRow::default()
    }
}

fn outcome(attempt: &Attempt) -> Outcome {
    match attempt.action {
        AttemptAction::Answered => Outcome::Ok,
        AttemptAction::Cancelled | AttemptAction::Running => Outcome::Cancelled,
        _ => Outcome::Failed,
    }
}

fn spans(input: &RecordInput<'_>) -> Vec<Span> {
    let after = |at: Millis| at.since(input.requested.arrived).0;
    let first_call = input
        .stages
        .iter()
        .flat_map(|stage| &stage.report.attempts)
        .map(|attempt| attempt.started)
        .min();
    let mut spans = vec![Span {
        stage: SpanStage::Route,
        end_ms: after(first_call.unwrap_or(input.requested.ended)),
        ..Span::default()
    }];
    for stage in input.stages {
        let parent = stage_span(input, stage, spans.len()).map(|span| {
            let id = span.id;
            spans.push(span);
            id
        });
        for (number, attempt) in stage.report.attempts.iter().enumerate() {
            let call = cost::of_attempt(attempt, stage.stage, input.estimated_input_tokens);
            spans.push(Span {
                id: number_of(spans.len()),
                parent,
                stage: SpanStage::Attempt,
                index: stage.index,
                attempt: number_of(number).saturating_add(1),
                target: attempt.model.to_string(),
                credential: attempt.credential.clone(),
                start_ms: after(attempt.started),
                first_token_ms: attempt.first_token_at.map(after),
                end_ms: after(attempt.ended.unwrap_or(input.requested.ended)),
                outcome: outcome(attempt),
                status: attempt.status,
                class: attempt.class.map(|class| class.as_str().to_owned()),
                action: Some(attempt.action.as_str().to_owned()),
                cooldown_ms: attempt.hint.map(|hint| hint.0),
                state_left_out: attempt.state_left_out,
                model_swapped: attempt.model_swapped,
                usage: (call.basis != super::usage::Basis::None).then_some(call.usage),
                cost_usd: call.amount,
            });
        }
    }
    spans
}

/// The bar around the calls of a fusion's stage; a plain request needs none.
fn stage_span(input: &RecordInput<'_>, stage: &StageReport<'_>, id: usize) -> Option<Span> {
    let kind = match stage.stage {
        Stage::Answer => return None,
        Stage::Adviser => SpanStage::Adviser,
        Stage::Judge => SpanStage::Judge,
        Stage::Synthesizer => SpanStage::Synthesizer,
    };
    let after = |at: Millis| at.since(input.requested.arrived).0;
    let attempts = &stage.report.attempts;
    let last = attempts.last();
    let costs = attempts
        .iter()
        .map(|attempt| cost::of_attempt(attempt, stage.stage, input.estimated_input_tokens).amount);
    Some(Span {
        id: number_of(id),
        stage: kind,
        index: stage.index,
        target: last.map(|attempt| attempt.model.to_string()).unwrap_or_default(),
        start_ms: after(attempts.first().map_or(stage.report.started, |attempt| attempt.started)),
        first_token_ms: attempts.iter().find_map(|attempt| attempt.first_token_at).map(after),
        end_ms: after(
            attempts
                .iter()
                .filter_map(|attempt| attempt.ended)
                .max()
                .or(stage.report.ended)
                .unwrap_or(input.requested.ended),
        ),
        outcome: last.map_or(Outcome::Cancelled, outcome),
        status: last.and_then(|attempt| attempt.status),
        class: last
            .and_then(|attempt| attempt.class)
            .map(|class| class.as_str().to_owned()),
        cost_usd: costs.sum(),
        ..Span::default()
    })
}

fn number_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(super) mod tests;
