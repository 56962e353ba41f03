//! Whatever the order of reservations, heartbeats, settlements, expiries, repeats, checkpoints and restarts, the sums are right.

use super::{START, line, request, rule, settlement};
use crate::account::ledger::*;
use crate::catalog::NanoUsd;
use crate::catalog::document::{BudgetScope, BudgetWindow};
use crate::wire::Millis;
use proptest::prelude::*;
use std::collections::BTreeMap;

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

    /// Tells the state the stored sums of the subjects that it is about to be asked about.
    fn inform(&self, state: &mut State, subjects: impl IntoIterator<Item = Subject>) {
        for subject in subjects {
            let sums = self.sums.get(&subject).cloned().unwrap_or_default();
            state.know(subject, sums);
        }
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
        disk.inform(state, Subject::both(kid));
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
        all.extend(budgets(state, "team", kid, &rules, now));
    }
    all
}

proptest! {
    #[test]
    fn any_interleaving_sums_right(steps in proptest::collection::vec(step(), 1..120), limit in 200_u64..2000) {
        let rules = vec![rule(BudgetWindow::Total, BudgetScope::Policy, limit), rule(BudgetWindow::Total, BudgetScope::Key, limit / 2)];
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
                    disk.inform(&mut state, subjects_of_request(&request(&id, &kid, Vec::new(), Vec::new())));
                    let (answer, row) = reserve(&mut state, &request(&id, &kid, vec![line(0, Stage::Request, amount)], rules.clone()), now);
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
                        disk.inform(&mut state, Subject::both(&kid));
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
                disk.inform(&mut state, Subject::both(&kid));
                let states = budgets(&mut state, "team", &kid, &rules, now);
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
        let rules = vec![rule(BudgetWindow::Total, BudgetScope::Policy, limit)];
        let mut state = State::default();
        let mut open: Vec<(Ticket, u64)> = Vec::new();
        for (number, (amount, actual, settle_one)) in calls.into_iter().enumerate() {
            let (answer, _) = reserve(&mut state, &request(&format!("r{number}"), "k", vec![line(0, Stage::Request, amount)], rules.clone()), START);
            if let ReserveAnswer::Granted(granted) = answer {
                open.push((granted.ticket, actual.min(amount)));
            }
            if settle_one && let Some((ticket, actual)) = open.pop() {
                settle(&mut state, &settlement(&ticket.id, Some(ticket.seq), "k", actual), START);
            }
            let now = &budgets(&mut state, "team", "k", &rules, START)[0];
            prop_assert!(now.spent_usd.0 + now.reserved_usd.0 <= limit);
            prop_assert_eq!(now.remaining_usd.0, limit - now.spent_usd.0 - now.reserved_usd.0);
        }
    }
}
