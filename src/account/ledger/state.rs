//! What a `Ledger` remembers: open reservations, running sums, speed counters, revoked keys. Size follows from what is open, not from
//! what happened: history is rows that this never reads.

use super::message::{Line, ReserveRequest, Ticket};
use super::rate::RateCounter;
use super::sums::SubjectSums;
use crate::catalog::NanoUsd;
use crate::catalog::document::BudgetScope;
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

/// Expired reservations that a late settlement may still top up.
pub(super) const MAX_EXPIRED: usize = 1024;
/// Requests without a reservation whose repeated settlement is recognised.
pub(super) const MAX_RECENT: usize = 1024;

/// Whose sums.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// The whole policy (or provider) that the Ledger belongs to.
    Policy,
    /// One key.
    Key(String),
}

impl Subject {
    /// The subject that a budget of `scope` counts for `kid`.
    pub fn of(scope: BudgetScope, kid: &str) -> Self {
        match scope {
            BudgetScope::Policy => Self::Policy,
            BudgetScope::Key => Self::Key(kid.to_owned()),
        }
    }

    /// Both subjects that a request of `kid` touches.
    pub fn both(kid: &str) -> [Self; 2] {
        [Self::Policy, Self::Key(kid.to_owned())]
    }
}

impl Subject {
    /// The subject that this row is named after; `None`: no such name was ever written.
    pub fn named(name: &str) -> Option<Self> {
        match name.strip_prefix("key:") {
            Some(kid) => Some(Self::Key(kid.to_owned())),
            None => (name == "policy").then_some(Self::Policy),
        }
    }
}

/// Name of its row: `policy` or `key:<kid>`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("policy"),
            Self::Key(kid) => write!(f, "key:{kid}"),
        }
    }
}

/// An open reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Id and number.
    pub ticket: Ticket,
    /// Row that holds it; reused when it is over, because overwriting a row costs one write and deleting it another.
    pub slot: u32,
    /// Policy.
    pub policy: String,
    /// The key.
    pub kid: String,
    /// When it was made: decides the windows it is charged to.
    pub at: Millis,
    /// When it expires without a heartbeat.
    pub expires: Millis,
    /// Funded calls.
    pub lines: Vec<LeaseLine>,
    /// Estimated tokens.
    pub tokens: u64,
    /// Providers whose caps were asked, to settle there too: id and ticket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<(String, Ticket)>,
}

/// One funded call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseLine {
    /// What was reserved.
    #[serde(flatten)]
    pub line: Line,
    /// What it is known to have cost so far.
    pub known: NanoUsd,
}

impl Lease {
    /// What it holds.
    pub fn reserved(&self) -> NanoUsd {
        self.lines.iter().map(|line| line.line.amount).sum()
    }

    /// What is known to have been used.
    pub fn known(&self) -> NanoUsd {
        self.lines.iter().map(|line| line.known).sum()
    }
}

/// The row of an open reservation. Written once per reservation and once per heartbeat; it carries the speed counters along, so that
/// these survive too without a row of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRow {
    /// The reservation.
    pub lease: Lease,
    /// Counters of the policy and of the key at that time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<(Subject, RateCounter)>,
}

/// One settlement, as it is kept: enough to repeat it on sums that were stored before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Its number.
    pub seq: u64,
    /// Number of the reservation that it closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes: Option<u64>,
    /// Slot that is free once this is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// Router's id of the request.
    pub id: String,
    /// The key.
    pub kid: String,
    /// The windows of this moment are charged.
    pub at: Millis,
    /// When it was settled.
    pub settled: Millis,
    /// What was charged.
    pub amount: NanoUsd,
    /// True: made by expiry, so a late settlement may top it up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
}

/// A reservation that expired: what a late settlement needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Expired {
    pub(super) ticket: Ticket,
    pub(super) at: Millis,
    pub(super) charged: NanoUsd,
}

/// What is stored now and then so that a restart repeats few postings. Sums are stored beside it, a row per changed subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Number of the last event before it.
    pub sequence: u64,
    /// Numbers of the reservations that were open.
    pub open: BTreeSet<u64>,
    expired: VecDeque<Expired>,
}

/// The memory of one Ledger.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(super) sequence: u64,
    pub(super) leases: BTreeMap<u64, Lease>,
    pub(super) by_id: BTreeMap<String, u64>,
    pub(super) due: BTreeSet<(Millis, u64)>,
    pub(super) open: BTreeMap<Subject, u64>,
    pub(super) sums: BTreeMap<Subject, SubjectSums>,
    pub(super) changed: BTreeSet<Subject>,
    pub(super) rates: BTreeMap<Subject, RateCounter>,
    pub(super) revoked: BTreeMap<String, Millis>,
    pub(super) paused: BTreeSet<Subject>,
    pub(super) expired: VecDeque<Expired>,
    pub(super) recent: VecDeque<String>,
    free_slots: BTreeSet<u32>,
    slots: u32,
}

impl State {
    /// Rebuilds the memory: the checkpoint, every stored reservation row, and every posting that was stored after the checkpoint, in
    /// order. The sums of the subjects that these name must be told first with [`Self::know`]; [`subjects_of`] lists them.
    pub fn restore(&mut self, checkpoint: Checkpoint, rows: Vec<LeaseRow>, postings: &[Posting]) {
        self.sequence = checkpoint.sequence;
        self.expired = checkpoint.expired;
        let closed: BTreeSet<u64> = postings.iter().filter_map(|posting| posting.closes).collect();
        let mut rows = rows;
        rows.sort_by_key(|row| row.lease.ticket.seq);
        for LeaseRow { lease, rates } in rows {
            self.slots = self.slots.max(lease.slot.saturating_add(1));
            self.sequence = self.sequence.max(lease.ticket.seq);
            self.rates.extend(rates);
            let seq = lease.ticket.seq;
            let is_open = (seq > checkpoint.sequence || checkpoint.open.contains(&seq)) && !closed.contains(&seq);
            if is_open {
                self.insert(lease);
            } else {
                self.free_slots.insert(lease.slot);
            }
        }
        for posting in postings {
            self.sequence = self.sequence.max(posting.seq);
            self.charge(&posting.kid, posting.at, posting.settled, posting.amount);
            self.remember(posting);
        }
    }

    /// What to store so that postings up to now need not be repeated. Only right when every posting so far is stored.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            sequence: self.sequence,
            open: self.leases.keys().copied().collect(),
            expired: self.expired.clone(),
        }
    }

    /// Sums that changed since the last call, to be stored with the checkpoint.
    pub fn take_changed(&mut self) -> Vec<(Subject, SubjectSums)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .filter_map(|subject| self.sums.get(&subject).cloned().map(|sums| (subject, sums)))
            .collect()
    }

    /// Forgets sums and counters that can be read again or no longer count, when there are more than `keep`.
    pub fn forget_idle(&mut self, now: Millis, keep: usize) {
        self.rates.retain(|_, counter| {
            counter.forget(now);
            !counter.is_idle()
        });
        if self.sums.len() > keep {
            let (changed, open) = (&self.changed, &self.open);
            self.sums.retain(|subject, sums| {
                *subject == Subject::Policy
                    || changed.contains(subject)
                    || open.contains_key(subject)
                    || !sums.is_settled()
            });
        }
    }

    /// True when the sums of `subject` are in memory.
    pub fn knows(&self, subject: &Subject) -> bool {
        self.sums.contains_key(subject)
    }

    /// Tells the stored sums of a subject; default for one that has none.
    pub fn know(&mut self, subject: Subject, sums: SubjectSums) {
        self.sums.entry(subject).or_insert(sums);
    }

    /// When the latest settled request of a key arrived; its sums must be known.
    pub fn last_used(&self, kid: &str) -> Option<Millis> {
        self.sums.get(&Subject::Key(kid.to_owned()))?.last()
    }

    /// Refuses a key from now on.
    pub fn revoke(&mut self, kid: &str, at: Millis) {
        self.revoked.entry(kid.to_owned()).or_insert(at);
    }

    /// Refuses a key, or the whole policy, until it is told otherwise. True when that changed anything.
    pub fn pause(&mut self, subject: Subject, paused: bool) -> bool {
        if paused {
            self.paused.insert(subject)
        } else {
            self.paused.remove(&subject)
        }
    }

    /// An open reservation by its number.
    pub fn lease(&self, seq: u64) -> Option<&Lease> {
        self.leases.get(&seq)
    }

    /// Revoked keys.
    pub fn revoked_keys(&self) -> usize {
        self.revoked.len()
    }

    /// Reservations that are open.
    pub fn open_leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// The postings are stored: their slots may be used again.
    pub fn stored(&mut self, postings: &[Posting]) {
        self.free_slots
            .extend(postings.iter().filter_map(|posting| posting.slot));
    }

    /// The earliest moment at which a reservation expires.
    pub fn next_expiry(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn next_sequence(&mut self) -> u64 {
        self.sequence = self.sequence.saturating_add(1);
        self.sequence
    }

    pub(super) fn take_slot(&mut self) -> u32 {
        self.free_slots.pop_first().unwrap_or_else(|| {
            let slot = self.slots;
            self.slots = self.slots.saturating_add(1);
            slot
        })
    }

    pub(super) fn free_slot(&mut self, slot: u32) {
        self.free_slots.insert(slot);
    }

    pub(super) fn insert(&mut self, lease: Lease) {
        let (seq, reserved) = (lease.ticket.seq, lease.reserved());
        for subject in Subject::both(&lease.kid) {
            let sums = self.sums.entry(subject.clone()).or_default();
            sums.roll(lease.at);
            sums.reserve(lease.at, reserved);
            *self.open.entry(subject).or_default() += 1;
        }
        self.due.insert((lease.expires, seq));
        self.by_id.insert(lease.ticket.id.clone(), seq);
        self.leases.insert(seq, lease);
    }

    pub(super) fn remove(&mut self, seq: u64) -> Option<Lease> {
        let lease = self.leases.remove(&seq)?;
        self.due.remove(&(lease.expires, seq));
        self.by_id.remove(&lease.ticket.id);
        let reserved = lease.reserved();
        for subject in Subject::both(&lease.kid) {
            if let Some(sums) = self.sums.get_mut(&subject) {
                sums.release(lease.at, reserved);
            }
            if let Some(open) = self.open.get_mut(&subject) {
                *open = open.saturating_sub(1);
                if *open == 0 {
                    self.open.remove(&subject);
                }
            }
        }
        Some(lease)
    }

    pub(super) fn charge(&mut self, kid: &str, at: Millis, now: Millis, amount: NanoUsd) {
        for subject in Subject::both(kid) {
            let sums = self.sums.entry(subject.clone()).or_default();
            sums.roll(now);
            sums.charge(at, amount);
            self.changed.insert(subject);
        }
    }

    /// Keeps what recognises a repeated settlement of `posting`.
    pub(super) fn remember(&mut self, posting: &Posting) {
        match posting.closes {
            Some(seq) if posting.expired => {
                let ticket = Ticket {
                    id: posting.id.clone(),
                    seq,
                };
                push_bounded(
                    &mut self.expired,
                    Expired {
                        ticket,
                        at: posting.at,
                        charged: posting.amount,
                    },
                    MAX_EXPIRED,
                );
            }
            Some(_) => {}
            None => {
                // A top-up names the id of a reservation that had expired: it cannot be topped up twice.
                self.expired.retain(|expired| expired.ticket.id != posting.id);
                push_bounded(&mut self.recent, posting.id.clone(), MAX_RECENT);
            }
        }
    }
}

/// Subjects whose sums a restart needs.
pub fn subjects_of(rows: &[LeaseRow], postings: &[Posting]) -> BTreeSet<Subject> {
    let kids = rows
        .iter()
        .map(|row| &row.lease.kid)
        .chain(postings.iter().map(|posting| &posting.kid));
    kids.flat_map(|kid| Subject::both(kid)).collect()
}

/// Subjects whose sums a reservation needs.
pub fn subjects_of_request(request: &ReserveRequest) -> [Subject; 2] {
    Subject::both(&request.kid)
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, bound: usize) {
    if queue.len() >= bound {
        queue.pop_front();
    }
    queue.push_back(item);
}
