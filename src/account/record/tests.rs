use super::*;
use crate::account::usage::{Basis, Source};
use crate::catalog::{ModelId, PicoUsd, PoolId, Price, ProviderId};
use crate::route::PlannedCall;
use crate::route::health::FailureClass;
use crate::run::machine::CallId;
use crate::run::report::Served;
use crate::wire::Usage;

const START: Millis = Millis(1_790_805_000_000);
/// Tokens that the request is estimated to have.
const ESTIMATE: u64 = 100;

/// One nano-dollar a token, in and out.
fn price() -> Price {
    Price {
        input: PicoUsd(1000),
        output: PicoUsd(1000),
        ..Price::default()
    }
}

pub(crate) fn attempt(model: &str, started: u64, action: AttemptAction) -> Attempt {
    Attempt {
        call: CallId(0),
        model: ModelId::parse(model).unwrap(),
        provider: ProviderId::parse(model.split('/').next().unwrap()).unwrap(),
        index: 0,
        pool: PoolId::parse("team-pool").ok(),
        credential: Some("a".to_owned()),
        credential_id: None,
        started: START.plus(Millis(started)),
        headers_at: None,
        first_token_at: None,
        ended: Some(START.plus(Millis(started + 100))),
        status: Some(200),
        class: None,
        action,
        delay: None,
        hint: None,
        usage: None,
        emitted_bytes: 0,
        committed: false,
        probe: false,
        hedge: false,
        last_resort: false,
        recovery: false,
        state_left_out: false,
        model_swapped: false,
        tier: None,
        price: Some(price()),
    }
}

fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
    Usage {
        input_tokens,
        output_tokens,
        ..Usage::default()
    }
}

fn report(attempts: Vec<Attempt>) -> Report {
    let served = attempts
        .iter()
        .position(|attempt| attempt.action == AttemptAction::Answered)
        .map(|index| Served {
            model: attempts[index].model.clone(),
            provider: attempts[index].provider.clone(),
            credential: None,
            index: attempts[index].index,
            behind: attempts[index].index > 0,
            attempt: index,
            committed_at: attempts[index].started.plus(Millis(40)),
            finish: None,
            price: None,
        });
    Report {
        started: START,
        attempts,
        served,
        outcome: RunOutcome::Answered,
        status: 200,
        ..Report::default()
    }
}

fn rows(report: &Report, stages: &[StageReport<'_>]) -> (RequestRow, TraceBody) {
    record(input(report, stages))
}

fn input<'a>(report: &'a Report, stages: &'a [StageReport<'a>]) -> RecordInput<'a> {
    RecordInput {
        requested: Requested {
            request_id: "req-1",
            arrived: START,
            ended: START.plus(Millis(1000)),
            policy: "team",
            kid: "k1",
            key_label: "ci",
            model: "clawrouter/smart",
            stream: true,
            session: None,
            source: None,
        },
        reservation_id: "req_reserved",
        route: Some("smart"),
        strategy: "route",
        estimated_input_tokens: ESTIMATE,
        reserved: NanoUsd(5000),
        report,
        degraded: false,
        stages,
        explanation: None,
        trace_id: None,
        content: ContentNote::default(),
    }
}

#[test]
fn a_call_is_billed_by_what_is_known_of_it() {
    let check = |name: &str, stage: Stage, attempt: Attempt, basis: Basis, amount: u64| {
        let cost = cost::of_attempt(&attempt, stage, ESTIMATE);
        assert_eq!((cost.basis, cost.amount), (basis, NanoUsd(amount)), "{name}");
    };
    let base = |action| attempt("openai/a", 0, action);
    let told = Attempt {
        usage: Some(usage(7, 3)),
        ..base(AttemptAction::Answered)
    };
    check("told usage", Stage::Answer, told.clone(), Basis::Reported, 10);
    check(
        "told usage of a failed call",
        Stage::Answer,
        Attempt {
            action: AttemptAction::MovedOn,
            ..told.clone()
        },
        Basis::Reported,
        10,
    );
    check(
        "a target without a price",
        Stage::Answer,
        Attempt { price: None, ..told },
        Basis::Reported,
        0,
    );
    let streamed = Attempt {
        emitted_bytes: 320,
        committed: true,
        ..base(AttemptAction::Answered)
    };
    check(
        "streamed, nothing told",
        Stage::Answer,
        streamed.clone(),
        Basis::Counted,
        ESTIMATE + 100,
    );
    check(
        "caller left in the middle",
        Stage::Answer,
        Attempt {
            action: AttemptAction::Cancelled,
            ..streamed.clone()
        },
        Basis::Counted,
        ESTIMATE + 100,
    );
    check(
        "caller left before the first byte",
        Stage::Answer,
        base(AttemptAction::Cancelled),
        Basis::None,
        0,
    );
    check(
        "failed before a byte",
        Stage::Answer,
        base(AttemptAction::MovedOn),
        Basis::None,
        0,
    );
    check(
        "an adviser's answer",
        Stage::Adviser,
        Attempt {
            committed: false,
            ..streamed.clone()
        },
        Basis::Counted,
        ESTIMATE + 100,
    );
    check(
        "an adviser that was cut off",
        Stage::Adviser,
        Attempt {
            action: AttemptAction::Cancelled,
            ..streamed
        },
        Basis::None,
        0,
    );
}

#[test]
fn a_request_that_fell_back_has_a_row_for_every_call_and_the_sum() {
    let failed = Attempt {
        class: Some(FailureClass::RateLimit),
        status: Some(429),
        hint: Some(Millis(30_000)),
        ..attempt("openai/a", 0, AttemptAction::MovedOn)
    };
    let answered = Attempt {
        index: 1,
        usage: Some(usage(20, 5)),
        ..attempt("groq/b", 200, AttemptAction::Answered)
    };
    let report = report(vec![failed, answered]);
    let (row, trace) = rows(
        &report,
        &[StageReport {
            stage: Stage::Answer,
            index: 0,
            report: &report,
        }],
    );
    assert!(row.attempts.iter().all(|call| call.compound_id.is_none()));
    let calls: Vec<_> = row
        .attempts
        .iter()
        .map(|call| {
            (
                call.role,
                call.outcome,
                call.target.as_str(),
                call.class.as_deref(),
                call.cost_usd.0,
            )
        })
        .collect();
    assert_eq!(
        calls,
        [
            (Role::Primary, Outcome::Failed, "openai/a", Some("rate_limit"), 0),
            (Role::Fallback, Outcome::Ok, "groq/b", None, 25),
        ]
    );
    assert_eq!(
        (row.cost_usd, row.input_tokens, row.output_tokens),
        (NanoUsd(25), 20, 5)
    );
    assert_eq!(
        (row.served_model.as_deref(), row.ttft_ms, row.duration_ms, row.degraded),
        (Some("groq/b"), Some(240), 1000, false)
    );
    let bars: Vec<_> = trace
        .spans
        .iter()
        .map(|span| {
            (
                span.id,
                span.parent,
                span.stage,
                span.attempt,
                span.start_ms,
                span.end_ms,
            )
        })
        .collect();
    assert_eq!(
        bars,
        [
            (0, None, SpanStage::Route, 0, 0, 0),
            (1, None, SpanStage::Attempt, 1, 0, 100),
            (2, None, SpanStage::Attempt, 2, 200, 300),
        ]
    );
    assert_eq!(trace.spans[1].cooldown_ms, Some(30_000));
    assert_eq!(trace.reserved_usd, NanoUsd(5000));
}

#[test]
fn a_fusion_is_one_row_whose_calls_carry_slot_and_size() {
    let one = report(vec![Attempt {
        usage: Some(usage(10, 1)),
        ..attempt("local/x", 0, AttemptAction::Answered)
    }]);
    let other = report(vec![attempt("local/y", 0, AttemptAction::GaveUp)]);
    let last = report(vec![Attempt {
        usage: Some(usage(50, 2)),
        ..attempt("openai/a", 300, AttemptAction::Answered)
    }]);
    let stage = |stage, index, report| StageReport { stage, index, report };
    let (row, trace) = rows(
        &last,
        &[
            stage(Stage::Adviser, 0, &one),
            stage(Stage::Adviser, 1, &other),
            stage(Stage::Synthesizer, 0, &last),
        ],
    );
    let calls: Vec<_> = row
        .attempts
        .iter()
        .map(|call| (call.role, call.index, call.size, call.cost_usd.0))
        .collect();
    assert_eq!(
        calls,
        [
            (Role::Adviser, 0, 2, 11),
            (Role::Adviser, 1, 2, 0),
            (Role::Synthesizer, 0, 1, 52)
        ]
    );
    let named = |call: &AttemptRow| call.compound_id.as_deref() == Some("req_reserved");
    assert!(
        row.attempts.iter().all(named),
        "the calls of a fusion name what they are parts of"
    );
    assert_eq!(row.cost_usd, NanoUsd(63));
    let total: NanoUsd = trace
        .spans
        .iter()
        .filter(|span| span.stage == SpanStage::Attempt)
        .map(|span| span.cost_usd)
        .sum();
    assert_eq!(total, row.cost_usd, "the waterfall adds up to the row");
    let parents: Vec<_> = trace.spans.iter().map(|span| (span.stage, span.parent)).collect();
    assert_eq!(
        parents,
        [
            (SpanStage::Route, None),
            (SpanStage::Adviser, None),
            (SpanStage::Attempt, Some(1)),
            (SpanStage::Adviser, None),
            (SpanStage::Attempt, Some(3)),
            (SpanStage::Synthesizer, None),
            (SpanStage::Attempt, Some(5)),
        ]
    );
    for degraded in [true, false] {
        let (told, _) = record(RecordInput {
            degraded,
            ..input(&last, &[])
        });
        assert_eq!(told.degraded, degraded, "as the machine says");
    }
}

#[test]
fn heartbeats_tell_what_has_streamed_so_far() {
    let running = report(vec![Attempt {
        emitted_bytes: 64,
        committed: true,
        ended: None,
        ..attempt("openai/a", 0, AttemptAction::Running)
    }]);
    let planned = |stage, index| PlannedCall {
        stage,
        index,
        model: ModelId::parse("openai/a").unwrap(),
        worst_case: None,
    };
    let calls = [planned(Stage::Synthesizer, 0), planned(Stage::Adviser, 2)];
    let stages = [Stage::Adviser, Stage::Synthesizer, Stage::Judge].map(|stage| StageReport {
        stage,
        index: if stage == Stage::Adviser { 2 } else { 0 },
        report: &running,
    });
    let known = known_cost(&stages, &calls, ESTIMATE);
    let amounts: Vec<_> = known.iter().map(|known| (known.call, known.amount.0)).collect();
    assert_eq!(
        amounts,
        [(1, 0), (0, ESTIMATE + 20)],
        "a draft is no answer until it is whole"
    );
}

#[test]
fn amounts_keep_digits_that_a_float_would_lose() {
    /// 2^53 + 1 nano-dollars: the first amount that a double cannot hold.
    const ODD: NanoUsd = NanoUsd(9_007_199_254_740_993);
    let explanation = Explanation {
        worst_cost_usd: Some(ODD),
        expected_cost_usd: Some(NanoUsd(1)),
        candidates: vec![crate::route::explanation::Candidate {
            worst_cost_usd: Some(ODD),
            ..Default::default()
        }],
        ..Explanation::default()
    };
    let (row, body) = record(RecordInput {
        reserved: ODD,
        explanation: Some(explanation),
        ..input(&report(Vec::new()), &[])
    });
    let trace = crate::account::trace::Trace { row, body };
    let text = serde_json::to_string(&trace).unwrap();
    assert_eq!(text.matches("_usd\":9007199.254740993").count(), 3, "{text}");
    assert!(text.contains(r#""expected_cost_usd":0.000000001"#), "{text}");
    let again: TraceBody = serde_json::from_str(&serde_json::to_string(&trace.body).unwrap()).unwrap();
    assert_eq!(again, trace.body, "as a Ledger stores and reads it");
}

#[test]
fn a_test_says_what_it_was() {
    let report = report(vec![attempt("openai/a", 0, AttemptAction::Answered)]);
    for (source, told) in [
        (None, None),
        (Some(Source::TestPrompt), Some(r#""source":"test_prompt""#)),
        (Some(Source::Verify), Some(r#""source":"verify""#)),
    ] {
        let mut input = input(&report, &[]);
        input.requested.source = source;
        let text = serde_json::to_string(&record(input).0).unwrap();
        assert_eq!(text.contains("source"), told.is_some());
        assert!(told.is_none_or(|told| text.contains(told)), "{text}");
    }
}
