//! Reservations, settlements and leases by example. What holds in any order is in `properties`.

mod properties;

use super::*;
use crate::account::calendar;
use crate::account::usage::{AttemptRow, RequestRow};
use crate::catalog::NanoUsd;
use crate::catalog::document::{BudgetScope, BudgetWindow, RateLimit};
use crate::wire::Millis;

fn line(call: u32, stage: Stage, amount: u64) -> Line {
    Line {
        call,
        stage,
        target: "demo/fast".to_owned(),
        amount: NanoUsd(amount),
    }
}

fn rule(window: BudgetWindow, scope: BudgetScope, limit: u64) -> BudgetRule {
    BudgetRule {
        window,
        scope,
        hard: true,
        limit: NanoUsd(limit),
    }
}

fn request(id: &str, kid: &str, lines: Vec<Line>, budgets: Vec<BudgetRule>) -> ReserveRequest {
    ReserveRequest {
        id: id.to_owned(),
        policy: "team".to_owned(),
        kid: kid.to_owned(),
        lines,
        tokens: 0,
        budgets,
        rates: Vec::new(),
        providers: Vec::new(),
        lease: LEASE,
    }
}

fn settlement(id: &str, seq: Option<u64>, kid: &str, amount: u64) -> SettleRequest {
    SettleRequest {
        id: id.to_owned(),
        seq,
        kid: kid.to_owned(),
        row: Some(Box::new(RequestRow {
            at: START,
            attempts: vec![AttemptRow {
                cost_usd: NanoUsd(amount),
                ..AttemptRow::default()
            }],
            ..RequestRow::default()
        })),
        trace: None,
        keep_days: 30,
    }
}

/// 2026-09-30, late in the evening, so that runs cross the ends of a day and a month.
const START: Millis = Millis(1_790_805_000_000);

fn granted(answer: ReserveAnswer) -> Granted {
    match answer {
        ReserveAnswer::Granted(granted) => granted,
        ReserveAnswer::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

fn refused(answer: ReserveAnswer) -> Refusal {
    match answer {
        ReserveAnswer::Refused(refusal) => refusal,
        ReserveAnswer::Granted(granted) => panic!("granted {granted:?}"),
    }
}

#[test]
fn fifty_parallel_requests_against_a_budget_for_ten_let_exactly_ten_through() {
    for scope in [BudgetScope::Policy, BudgetScope::Key] {
        let mut state = State::default();
        let budgets = vec![
            rule(BudgetWindow::Month, scope, 1000),
            rule(BudgetWindow::Total, BudgetScope::Policy, 5000),
        ];
        let tickets: Vec<Ticket> = (0..50)
            .filter_map(|number| {
                let request = request(
                    &format!("r{number}"),
                    "k",
                    vec![line(0, Stage::Request, 100)],
                    budgets.clone(),
                );
                match reserve(&mut state, &request, START).0 {
                    ReserveAnswer::Granted(granted) => Some(granted.ticket),
                    ReserveAnswer::Refused(_) => None,
                }
            })
            .collect();
        assert_eq!(tickets.len(), 10);
        for ticket in tickets {
            settle(&mut state, &settlement(&ticket.id, Some(ticket.seq), "k", 100), START);
        }
        let late = reserve(
            &mut state,
            &request("late", "k", vec![line(0, Stage::Request, 1)], budgets.clone()),
            START,
        )
        .0;
        let Refusal::Budget { budget, needed } = refused(late) else {
            panic!("another refusal")
        };
        assert_eq!(
            (budget.spent_usd, budget.reserved_usd, budget.remaining_usd, needed),
            (NanoUsd(1000), NanoUsd(0), NanoUsd(0), NanoUsd(1))
        );
        let free = reserve(
            &mut state,
            &request("free", "k", vec![line(0, Stage::Request, 0)], budgets),
            START,
        )
        .0;
        granted(free);
    }
}

#[test]
fn the_tightest_budget_decides_and_is_named() {
    let mut state = State::default();
    let budgets = vec![
        rule(BudgetWindow::Month, BudgetScope::Policy, 500),
        rule(BudgetWindow::Day, BudgetScope::Key, 100),
        BudgetRule {
            hard: false,
            ..rule(BudgetWindow::Week, BudgetScope::Policy, 1)
        },
    ];
    let ask = |state: &mut State, id: &str, kid: &str, amount| {
        reserve(
            state,
            &request(id, kid, vec![line(0, Stage::Request, amount)], budgets.clone()),
            START,
        )
        .0
    };
    let first = granted(ask(&mut state, "a", "k1", 100));
    assert_eq!(first.remaining(), Some(NanoUsd(0)));
    let Refusal::Budget { budget, .. } = refused(ask(&mut state, "b", "k1", 1)) else {
        panic!("another refusal")
    };
    assert_eq!(budget.budget, "team/day/key");
    assert_eq!(
        budget.resets_at.map(calendar::rfc3339).as_deref(),
        Some("2026-10-01T00:00:00Z")
    );
    granted(ask(&mut state, "c", "k2", 100));
    let text = refused(ask(&mut state, "d", "k2", 50)).to_string();
    assert_eq!(
        text,
        "Budget team/day/key of $0.0000001 cannot take this request (up to $0.00000005): $0 spent, $0.0000001 reserved, $0 left; it resets at 2026-10-01T00:00:00Z."
    );
}

#[test]
fn a_fusion_funds_its_synthesizer_first_and_says_who_is_left_out() {
    let lines = || {
        vec![
            line(0, Stage::Adviser, 30),
            line(1, Stage::Adviser, 60),
            line(2, Stage::Adviser, 30),
            line(3, Stage::Judge, 10),
            line(4, Stage::Synthesizer, 40),
        ]
    };
    let check = |limit, expected: Option<(&[u32], u64)>| {
        let mut state = State::default();
        let budgets = vec![rule(BudgetWindow::Day, BudgetScope::Policy, limit)];
        let answer = reserve(&mut state, &request("f", "k", lines(), budgets), START).0;
        match (answer, expected) {
            (ReserveAnswer::Granted(granted), Some((unfunded, reserved))) => {
                assert_eq!(
                    (granted.unfunded.as_slice(), granted.reserved),
                    (unfunded, NanoUsd(reserved)),
                    "limit {limit}"
                );
            }
            (ReserveAnswer::Refused(_), None) => assert_eq!(state.open_leases().count(), 0),
            (answer, _) => panic!("limit {limit}: {answer:?}"),
        }
    };
    check(170, Some((&[], 170)));
    check(110, Some((&[1], 110)));
    check(70, Some((&[1, 2, 3], 70)));
    check(55, Some((&[0, 1, 2], 50)));
    check(40, Some((&[0, 1, 2, 3], 40)));
    check(39, None);
}

#[test]
fn a_revoked_key_is_refused_at_once() {
    let mut state = State::default();
    granted(reserve(&mut state, &request("a", "k", Vec::new(), Vec::new()), START).0);
    let settled = |state: &mut State, id: &str| settle(state, &settlement(id, None, "k", 1), START).0.revoked;
    assert_eq!(settled(&mut state, "before"), None);
    state.revoke("k", START);
    assert_eq!(settled(&mut state, "after"), Some(START), "every settlement says so");
    assert_eq!(
        refused(reserve(&mut state, &request("b", "k", Vec::new(), Vec::new()), START).0),
        Refusal::Revoked { at: START }
    );
    granted(reserve(&mut state, &request("c", "other", Vec::new(), Vec::new()), START).0);
}

#[test]
fn what_is_paused_is_refused_until_it_is_on_again() {
    let (key, other) = (Subject::Key("k".to_owned()), Subject::Key("other".to_owned()));
    let check = |paused: &[&Subject], expected: Option<(Refusal, u16, &str)>| {
        let mut state = State::default();
        for subject in paused {
            assert!(state.pause((*subject).clone(), true));
            assert!(!state.pause((*subject).clone(), true), "twice is once");
        }
        let ask = |state: &mut State| reserve(state, &request("a", "k", Vec::new(), Vec::new()), START).0;
        match expected {
            Some((refusal, status, code)) => {
                assert_eq!(refusal.status_and_code(), (status, code));
                assert_eq!(refused(ask(&mut state)), refusal);
            }
            None => drop(granted(ask(&mut state))),
        }
        for subject in paused {
            assert!(state.pause((*subject).clone(), false));
        }
        granted(ask(&mut state));
        state.revoke("k", START);
        assert_eq!(
            refused(ask(&mut state)),
            Refusal::Revoked { at: START },
            "no key comes back"
        );
    };
    check(&[], None);
    check(&[&other], None);
    check(&[&key], Some((Refusal::Paused, 403, "key_revoked")));
    check(&[&Subject::Policy], Some((Refusal::PolicyOff, 403, "policy_disabled")));
    check(
        &[&Subject::Policy, &key],
        Some((Refusal::PolicyOff, 403, "policy_disabled")),
    );
    for subject in [Subject::Policy, key] {
        assert_eq!(Subject::named(&subject.to_string()), Some(subject));
    }
    assert_eq!(Subject::named("what"), None);
}

#[test]
fn the_last_use_of_a_key_outlives_a_restart() {
    let mut state = State::default();
    assert_eq!(state.last_used("k"), None);
    let mut postings = Vec::new();
    for (id, at) in [("a", 5), ("b", 9), ("c", 7)] {
        let mut request = settlement(id, None, "k", 0);
        request.row.as_mut().unwrap().at = START.plus(Millis(at));
        postings.extend(settle(&mut state, &request, START.plus(Millis(100))).1);
    }
    let last = Some(START.plus(Millis(9)));
    assert_eq!((state.last_used("k"), state.last_used("other")), (last, None));
    let mut again = State::default();
    again.restore(Checkpoint::default(), Vec::new(), &postings);
    assert_eq!(again.last_used("k"), last);
    let mut stored = State::default();
    for (subject, sums) in state.take_changed() {
        let json = serde_json::to_string(&sums).unwrap();
        stored.know(subject, serde_json::from_str(&json).unwrap());
    }
    assert_eq!(stored.last_used("k"), last);
}

#[test]
fn speed_limits_refuse_with_a_time() {
    let mut state = State::default();
    let limits = RateLimit {
        rpm: Some(2),
        tpm: None,
        concurrent: Some(5),
    };
    let ask = |state: &mut State, id: &str| {
        let mut request = request(id, "k", Vec::new(), Vec::new());
        request.rates = vec![RateRule {
            scope: BudgetScope::Key,
            limits,
        }];
        reserve(state, &request, START).0
    };
    granted(ask(&mut state, "a"));
    assert_eq!(
        granted(ask(&mut state, "b")).rates.first().map(|rate| rate.remaining),
        Some(0)
    );
    let refusal = refused(ask(&mut state, "c"));
    assert!(
        refusal.retry_after().is_some_and(|wait| wait.0 > 0 && wait.0 <= 65_000),
        "{refusal:?}"
    );
    assert_eq!(refusal.status_and_code(), (429, "rate_limited"));
}

#[test]
fn an_expired_lease_is_settled_at_its_last_known_usage_and_topped_up_once() {
    let mut state = State::default();
    let ticket = granted(
        reserve(
            &mut state,
            &request("a", "k", vec![line(0, Stage::Request, 100)], Vec::new()),
            START,
        )
        .0,
    )
    .ticket;
    let beat = HeartbeatRequest {
        ticket: ticket.clone(),
        known: vec![KnownCost {
            call: 0,
            amount: NanoUsd(30),
        }],
        lease: LEASE,
    };
    let late = START.plus(Millis(60_000));
    assert!(heartbeat(&mut state, &beat, late).0.open);
    assert!(
        expire(&mut state, START.plus(LEASE)).is_empty(),
        "the heartbeat extended it"
    );
    let (lease, posting) = expire(&mut state, late.plus(LEASE)).pop().unwrap();
    assert_eq!(
        (posting.amount, posting.at, expired_row(&lease, late).cost_usd),
        (NanoUsd(30), START, NanoUsd(30))
    );
    assert!(!heartbeat(&mut state, &beat, late.plus(LEASE)).0.open);
    let mut settle_late = || {
        settle(
            &mut state,
            &settlement("a", Some(ticket.seq), "k", 80),
            late.plus(LEASE),
        )
        .0
    };
    assert_eq!(
        settle_late(),
        SettleAnswer {
            outcome: SettleOutcome::ToppedUp,
            charged: NanoUsd(50),
            revoked: None,
        }
    );
    assert_eq!(
        settle_late(),
        SettleAnswer {
            outcome: SettleOutcome::AlreadySettled,
            charged: NanoUsd(0),
            revoked: None,
        }
    );
}

#[test]
fn asking_again_holds_nothing_more() {
    let mut state = State::default();
    let budgets = vec![rule(BudgetWindow::Day, BudgetScope::Policy, 100)];
    let request = request("a", "k", vec![line(0, Stage::Request, 100)], budgets);
    let first = granted(reserve(&mut state, &request, START).0);
    assert_eq!(granted(reserve(&mut state, &request, START).0), first);
    assert_eq!(state.open_leases().count(), 1);
}
