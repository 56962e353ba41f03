//! What a Ledger holds in memory between events: the core's state, the roll-ups of the hours that change, and settlements that wait
//! to be stored together. Everything in it can be read again from the rows.

use super::store::{Settlement, Store, StoredCheckpoint};
use crate::account::calendar::DAY;
use crate::account::counters::Counters;
use crate::account::ledger::pace::Pace;
use crate::account::ledger::{self, Posting, SettleAmountRequest, SettleAnswer, SettleOutcome, SettleRequest, Subject};
use crate::account::rollup::{EVER, Rollup, hour_of};
use crate::account::trace::TraceBody;
use crate::account::usage::RequestRow;
use crate::wire::Millis;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use worker::Result;

/// Stored chunks after which sums and roll-ups are stored too: a restart repeats at most so many.
const CHECKPOINT_EVERY: u32 = 128;
/// Keys whose sums stay in memory.
const KEEP_SUBJECTS: usize = 4096;
/// Hours whose roll-ups stay in memory although they are stored.
const KEEP_HOURS: usize = 4;
/// Days that rows are kept until a settlement says otherwise.
const KEEP_DAYS: u32 = 30;

/// The memory of a Ledger.
pub(super) struct Book {
    pub(super) state: ledger::State,
    pub(super) days: BTreeSet<u64>,
    pace: Pace,
    /// Number of the last posting that is stored.
    pub(super) stored_through: u64,
    /// Since the Ledger began.
    pub(super) counters: Counters,
    hours: BTreeMap<u64, Rollup>,
    changed_hours: BTreeSet<u64>,
    pending: Vec<Settlement>,
    chunks: u32,
    keep_days: u32,
    clock: Millis,
}

impl Book {
    /// Reads everything again.
    pub(super) fn open(store: &Store) -> Result<Self> {
        let stored = store.load()?;
        let mut book = Self {
            state: ledger::State::default(),
            days: stored.days,
            pace: Pace::default(),
            stored_through: 0,
            counters: stored.counters,
            hours: BTreeMap::new(),
            changed_hours: BTreeSet::new(),
            pending: Vec::new(),
            chunks: 0,
            keep_days: KEEP_DAYS,
            clock: Millis(0),
        };
        for subject in ledger::subjects_of(&stored.leases, &stored.postings) {
            let sums = store.sums(&subject)?;
            book.state.know(subject, sums);
        }
        for (kid, at) in stored.revoked {
            book.state.revoke(&kid, at);
        }
        for subject in stored.paused {
            book.state.pause(subject, true);
        }
        book.clock = stored
            .postings
            .last()
            .map(|posting| posting.settled)
            .unwrap_or_default();
        book.chunks = u32::try_from(stored.postings.len()).unwrap_or(u32::MAX);
        book.state.restore(stored.checkpoint, stored.leases, &stored.postings);
        for row in &stored.rows {
            book.count(store, row)?;
        }
        Ok(book)
    }

    /// The present, never before the last event: rows are listed in the order of their settlement.
    pub(super) fn tick(&mut self, now: Millis) -> Millis {
        self.clock = self.clock.max(now);
        self.clock
    }

    /// Makes sure that the sums which a request of `kid` touches are in memory.
    pub(super) fn know(&mut self, store: &Store, kid: &str) -> Result<()> {
        for subject in Subject::both(kid) {
            if !self.state.knows(&subject) {
                let sums = store.sums(&subject)?;
                self.state.know(subject, sums);
            }
        }
        Ok(())
    }

    /// Settles expired reservations.
    pub(super) fn expire(&mut self, store: &Store, now: Millis) -> Result<()> {
        for (lease, posting) in ledger::expire(&mut self.state, now) {
            let row = ledger::expired_row(&lease, now);
            self.append(store, posting, Some(row), None)?;
        }
        Ok(())
    }

    /// Settles one request. [`Self::flush`] stores it.
    pub(super) fn settle(&mut self, store: &Store, request: SettleRequest, now: Millis) -> Result<SettleAnswer> {
        self.know(store, &request.kid)?;
        self.keep_days = request.keep_days.max(1);
        let (answer, posting) = ledger::settle(&mut self.state, &request, now);
        if let Some(posting) = posting {
            let row = request.row.map(|row| {
                let mut row = row.closed();
                if answer.outcome == SettleOutcome::ToppedUp {
                    ledger::top_up_row(&mut row, answer.charged);
                }
                row
            });
            self.append(store, posting, row, request.trace.map(|trace| trace.closed()))?;
        }
        Ok(answer)
    }

    /// Settles a reservation at a provider's cap. [`Self::flush`] stores it.
    pub(super) fn settle_amount(
        &mut self,
        store: &Store,
        request: &SettleAmountRequest,
        now: Millis,
    ) -> Result<SettleAnswer> {
        let (answer, posting) = ledger::settle_amount(&mut self.state, request, now);
        if let Some(posting) = posting {
            self.append(store, posting, None, None)?;
        }
        Ok(answer)
    }

    /// Number of the last posting, stored or not.
    pub(super) fn last_posting(&self) -> u64 {
        self.pending
            .last()
            .map_or(self.stored_through, |entry| entry.posting.seq)
    }

    /// Stores what waits now, or says that it should wait for company.
    pub(super) fn flush_or_wait(&mut self, store: &Store, now: Millis) -> Result<bool> {
        let wait = self.pace.count(now);
        if !wait {
            self.flush(store, now)?;
        }
        Ok(wait)
    }

    /// Stores what waits, and sums and roll-ups now and then.
    pub(super) fn flush(&mut self, store: &Store, now: Millis) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let day = now.0 / DAY;
        if !self.days.contains(&day) {
            store.create_day(day)?;
            self.days.insert(day);
        }
        while !self.pending.is_empty() {
            let count = store.put_chunk(day, &self.pending)?.max(1);
            let postings: Vec<Posting> = self
                .pending
                .drain(..count.min(self.pending.len()))
                .map(|entry| entry.posting)
                .collect();
            self.state.stored(&postings);
            self.stored_through = postings.last().map_or(self.stored_through, |posting| posting.seq);
            self.chunks = self.chunks.saturating_add(1);
        }
        if self.chunks >= CHECKPOINT_EVERY {
            self.checkpoint(store, now)?;
        }
        Ok(())
    }

    /// Stores sums and roll-ups, forgets old rows and idle memory. Nothing may be waiting.
    pub(super) fn checkpoint(&mut self, store: &Store, now: Millis) -> Result<()> {
        let changed: Vec<(u64, &Rollup)> = self
            .changed_hours
            .iter()
            .filter_map(|hour| self.hours.get_key_value(hour))
            .map(|(hour, rollup)| (*hour, rollup))
            .collect();
        let checkpoint = StoredCheckpoint {
            checkpoint: self.state.checkpoint(),
            counters: self.counters.clone(),
        };
        store.put_checkpoint(&checkpoint, &self.state.take_changed(), &changed)?;
        self.changed_hours.clear();
        self.chunks = 0;
        while self.hours.len() > KEEP_HOURS {
            // The roll-up of everything has the smallest number and stays.
            let Some(oldest) = self.hours.keys().copied().find(|hour| *hour != EVER) else {
                break;
            };
            self.hours.remove(&oldest);
        }
        self.state.forget_idle(now, KEEP_SUBJECTS);
        let oldest = (now.0 / DAY).saturating_sub(self.keep_days.into());
        while let Some(day) = self.days.first().copied().filter(|day| *day < oldest) {
            store.drop_day(day)?;
            self.days.remove(&day);
        }
        Ok(())
    }

    /// Roll-ups of the hours from `from` up to but without `to`, with what is not stored yet.
    pub(super) fn hours(&self, store: &Store, from: u64, to: u64) -> Result<Vec<(u64, Rollup)>> {
        let mut hours: BTreeMap<u64, Rollup> = store.hours(from, to)?.into_iter().collect();
        hours.extend(self.hours.range(from..to).map(|(hour, rollup)| (*hour, rollup.clone())));
        Ok(hours.into_iter().collect())
    }

    /// Everything since the Ledger began.
    pub(super) fn ever(&mut self, store: &Store) -> Result<&Rollup> {
        self.hour(store, EVER).map(|rollup| &*rollup)
    }

    fn append(
        &mut self,
        store: &Store,
        posting: Posting,
        row: Option<RequestRow>,
        trace: Option<TraceBody>,
    ) -> Result<()> {
        if let Some(row) = &row {
            self.count(store, row)?;
        }
        self.pending.push(Settlement { posting, row, trace });
        Ok(())
    }

    fn count(&mut self, store: &Store, row: &RequestRow) -> Result<()> {
        for hour in [EVER, hour_of(row.at)] {
            self.hour(store, hour)?.add(row);
            self.changed_hours.insert(hour);
        }
        self.counters.add(row);
        Ok(())
    }

    fn hour(&mut self, store: &Store, hour: u64) -> Result<&mut Rollup> {
        match self.hours.entry(hour) {
            Entry::Occupied(rollup) => Ok(rollup.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(store.hour(hour)?)),
        }
    }
}
