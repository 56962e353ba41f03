//! Properties of money: whatever the order of reservations, heartbeats, settlements, expiries, repeats and restarts.

use super::*;
use crate::account::calendar;
use crate::account::usage::{AttemptRow, RequestRow};
use crate::catalog::NanoUsd;
use crate::catalog::document::{BudgetScope, BudgetWindow, RateLimit};
use crate::wire::Millis;
use proptest::prelude::*;
use std::collections::BTreeMap;

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

#[derive(Clone, Debug)]
enum Step {
    Reserve { kid: u8, amount: u64 },
    Heartbeat { which: usize, known: u64 },
    Settle { which: usize, actual: u64 },
    Record { kid: u8, amount: u64, repeat: bool },
    Pass { millis: u64 },
    Checkpoint,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3, 0_u64..400).prop_map(|(kid, amount)| Step::Reserve { kid, amount }),
        2 => (0_usize..64, 0_u64..400).prop_map(|(which, known)| Step::Heartbeat { which, known }),
        4 => (0_usize..64, 0_u64..400).prop_map(|(which, actual)| Step::Settle { which, actual }),
        1 => (0_u8..3, 0_u64..50, any::<bool>()).prop_map(|(kid, amount, repeat)| Step::Record { kid, amount, repeat }),
        2 => prop_oneof![0_u64..120_000, 0_u64..200_000_000].prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Restart),
    ]
}

/// What a Ledger has on disk.
#[derive(Default)]
struct Disk {
    checkpoint: Checkpoint,
    sums: BTreeMap<Subject, SubjectSums>,
    rows: BTreeMap<u32, LeaseRow>,
    postings: Vec<Posting>,
}

impl Disk {
    fn store_row(&mut self, row: Option<LeaseRow>) {
        if let Some(row) = row {
            self.rows.insert(row.lease.slot, row);
        }
    }

    fn store_posting(&mut self, state: &mut State, posting: Posting) {
        state.stored(std::slice::from_ref(&posting));
        self.postings.push(posting);
    }

    fn checkpoint(&mut self, state: &mut State) {
        self.sums.extend(state.take_changed());
        self.checkpoint = state.checkpoint();
        self.postings.clear();
    }

    /// Through text, as the object does it.
    fn restart(&self) -> State {
        let rows = serde_json::to_string(&self.rows.values().collect::<Vec<_>>()).unwrap();
        let rows: Vec<LeaseRow> = serde_json::from_str(&rows).unwrap();
        let checkpoint = serde_json::from_str(&serde_json::to_string(&self.checkpoint).unwrap()).unwrap();
        let mut state = State::default();
        for subject in subjects_of(&rows, &self.postings) {
            let sums = self
                .sums
                .get(&subject)
                .map(|sums| serde_json::from_str(&serde_json::to_string(sums).unwrap()).unwrap());
            state.know(subject, sums.unwrap_or_default());
        }
        state.restore(checkpoint, rows, &self.postings);
        state
    }
}

fn every_window(state: &mut State, disk: &Disk, now: Millis) -> Vec<BudgetState> {
    let mut all = Vec::new();
    for kid in ["k0", "k1", "k2"] {
        for subject in Subject::both(kid) {
            state.know(subject.clone(), disk.sums.get(&subject).cloned().unwrap_or_default());
        }
        let windows = [
            BudgetWindow::Day,
            BudgetWindow::Week,
            BudgetWindow::Month,
            BudgetWindow::Total,
        ];
        let rules: Vec<_> = windows
            .iter()
            .flat_map(|window| [BudgetScope::Policy, BudgetScope::Key].map(|scope| rule(*window, scope, 9_999)))
            .collect();
        all.extend(super::budgets(state, "team", kid, &rules, now));
    }
    all
}

proptest! {
    #[test]
    fn any_interleaving_sums_right(steps in proptest::collection::vec(step(), 1..120), limit in 200_u64..2000) {
        let budgets = vec![rule(BudgetWindow::Total, BudgetScope::Policy, limit), rule(BudgetWindow::Total, BudgetScope::Key, limit / 2)];
        let (mut state, mut disk, mut now) = (State::default(), Disk::default(), START);
        let mut tickets: Vec<(Ticket, String, u64)> = Vec::new();
        let mut charged: BTreeMap<String, u64> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            for (lease, posting) in expire(&mut state, now) {
                *charged.entry(lease.kid.clone()).or_default() += posting.amount.0;
                disk.store_posting(&mut state, posting);
            }
            match step {
                Step::Reserve { kid, amount } => {
                    let (id, kid) = (format!("r{number}"), format!("k{kid}"));
                    for subject in subjects_of_request(&request(&id, &kid, Vec::new(), Vec::new())) {
                        let sums = disk.sums.get(&subject).cloned().unwrap_or_default();
                        state.know(subject, sums);
                    }
                    let (answer, row) = reserve(&mut state, &request(&id, &kid, vec![line(0, Stage::Request, amount)], budgets.clone()), now);
                    disk.store_row(row);
                    if let ReserveAnswer::Granted(granted) = answer {
                        tickets.push((granted.ticket, kid, amount));
                    }
                }
                Step::Heartbeat { which, known } => {
                    if let Some((ticket, _, amount)) = tickets.get(which % tickets.len().max(1)) {
                        let known = vec![KnownCost { call: 0, amount: NanoUsd(known.min(*amount)) }];
                        let (_, row) = heartbeat(&mut state, &HeartbeatRequest { ticket: ticket.clone(), known, lease: LEASE }, now);
                        disk.store_row(row);
                    }
                }
                Step::Settle { which, actual } => {
                    if let Some((ticket, kid, amount)) = tickets.get(which % tickets.len().max(1)) {
                        let asked = settlement(&ticket.id, Some(ticket.seq), kid, actual.min(*amount));
                        let (answer, posting) = settle(&mut state, &asked, now);
                        *charged.entry(kid.clone()).or_default() += answer.charged.0;
                        if let Some(posting) = posting {
                            disk.store_posting(&mut state, posting);
                        }
                        let (again, none) = settle(&mut state, &asked, now);
                        prop_assert_eq!(again.charged, NanoUsd(0));
                        prop_assert!(none.is_none());
                    }
                }
                Step::Record { kid, amount, repeat } => {
                    let kid = format!("k{kid}");
                    let asked = settlement(&format!("u{number}"), None, &kid, amount);
                    for _ in 0..=u8::from(repeat) {
                        for subject in Subject::both(&kid) {
                            let sums = disk.sums.get(&subject).cloned().unwrap_or_default();
                            state.know(subject, sums);
                        }
                        let (answer, posting) = settle(&mut state, &asked, now);
                        *charged.entry(kid.clone()).or_default() += answer.charged.0;
                        if let Some(posting) = posting {
                            disk.store_posting(&mut state, posting);
                        }
                    }
                    prop_assert!(matches!(settle(&mut state, &asked, now).0.outcome, SettleOutcome::AlreadySettled));
                }
                Step::Pass { millis } => now = now.plus(Millis(millis)),
                Step::Checkpoint => disk.checkpoint(&mut state),
                Step::Restart => {
                    let before = every_window(&mut state, &disk, now);
                    state = disk.restart();
                    prop_assert_eq!(every_window(&mut state, &disk, now), before);
                }
            }
            let open: u64 = state.open_leases().map(|lease| lease.reserved().0).sum();
            for kid in 0..3 {
                let kid = format!("k{kid}");
                for subject in Subject::both(&kid) {
                    let sums = disk.sums.get(&subject).cloned().unwrap_or_default();
                    state.know(subject, sums);
                }
                let states = super::budgets(&mut state, "team", &kid, &budgets, now);
                let held: u64 = state.open_leases().filter(|lease| lease.kid == kid).map(|lease| lease.reserved().0).sum();
                prop_assert_eq!(states[0].spent_usd.0, charged.values().sum::<u64>());
                prop_assert_eq!(states[0].reserved_usd.0, open);
                prop_assert_eq!(states[1].spent_usd.0, charged.get(&kid).copied().unwrap_or_default());
                prop_assert_eq!(states[1].reserved_usd.0, held);
            }
        }
    }

    #[test]
    fn a_hard_budget_is_never_overdrawn_by_calls_within_their_reservations(
        calls in proptest::collection::vec((0_u64..300, 0_u64..300, any::<bool>()), 1..80),
        limit in 0_u64..1500,
    ) {
        let budgets = vec![rule(BudgetWindow::Total, BudgetScope::Policy, limit)];
        let mut state = State::default();
        let mut open: Vec<(Ticket, u64)> = Vec::new();
        for (number, (amount, actual, settle_one)) in calls.into_iter().enumerate() {
            let (answer, _) = reserve(&mut state, &request(&format!("r{number}"), "k", vec![line(0, Stage::Request, amount)], budgets.clone()), START);
            if let ReserveAnswer::Granted(granted) = answer {
                open.push((granted.ticket, actual.min(amount)));
            }
            if settle_one && let Some((ticket, actual)) = open.pop() {
                settle(&mut state, &settlement(&ticket.id, Some(ticket.seq), "k", actual), START);
            }
            let now = &super::budgets(&mut state, "team", "k", &budgets, START)[0];
            prop_assert!(now.spent_usd.0 + now.reserved_usd.0 <= limit);
            prop_assert_eq!(now.remaining_usd.0, limit - now.spent_usd.0 - now.reserved_usd.0);
        }
    }
}
