//! A request is over: its reservation is let go and what it really cost is charged, once. A reservation that nobody settles is
//! charged its last known usage when its lease expires.

use super::message::{
    HeartbeatAnswer, HeartbeatRequest, SettleAmountRequest, SettleAnswer, SettleOutcome, SettleRequest, Stage, Ticket,
};
use super::reserve::row;
use super::state::{Lease, LeaseRow, Posting, State, Subject};
use crate::account::usage::{AttemptRow, Basis, Outcome, RequestRow, Role, provider_of};
use crate::catalog::NanoUsd;
use crate::wire::Millis;

/// Settles a request. The posting, if any, must be stored before the answer leaves; [`State::stored`] then frees its slot.
///
/// Repeating a settlement changes nothing. A settlement that comes after the lease expired charges what the expiry did not know of.
/// An actual cost above the reservation is charged in full: it has been spent.
pub fn settle(state: &mut State, request: &SettleRequest, now: Millis) -> (SettleAnswer, Option<Posting>) {
    let posting = Posting {
        seq: 0,
        closes: None,
        slot: None,
        id: request.id.clone(),
        kid: request.kid.clone(),
        at: request.row.as_ref().map_or(now, |row| row.at.min(now)),
        settled: now,
        amount: request.total(),
        expired: false,
    };
    let (answer, posting) = match request.seq {
        Some(seq) => close(state, seq, posting, Some(request.tokens())),
        None if state.recent.contains(&request.id) => already(),
        None => post(state, posting, SettleOutcome::Settled),
    };
    let revoked = state.revoked.get(&request.kid).copied();
    (SettleAnswer { revoked, ..answer }, posting)
}

/// Settles a reservation that has no row of its own, at a provider's cap. Otherwise as [`settle`].
pub fn settle_amount(state: &mut State, request: &SettleAmountRequest, now: Millis) -> (SettleAnswer, Option<Posting>) {
    let Ticket { id, seq } = request.ticket.clone();
    let lease = state.leases.get(&seq).map(|lease| lease.kid.clone());
    let posting = Posting {
        seq: 0,
        closes: None,
        slot: None,
        id,
        // An expired reservation no longer says whose it was; the sum over all policies is right even so.
        kid: lease.unwrap_or_default(),
        at: now,
        settled: now,
        amount: request.amount,
        expired: false,
    };
    close(state, seq, posting, None)
}

/// Charges `posting` for the reservation `seq`, which is open, expired or settled before.
fn close(state: &mut State, seq: u64, posting: Posting, tokens: Option<u64>) -> (SettleAnswer, Option<Posting>) {
    let ticket = Ticket {
        id: posting.id.clone(),
        seq,
    };
    let is_open = state.leases.get(&seq).is_some_and(|lease| lease.ticket == ticket);
    if let Some(lease) = is_open.then(|| state.remove(seq)).flatten() {
        for subject in Subject::both(&lease.kid) {
            if let (Some(counter), Some(tokens)) = (state.rates.get_mut(&subject), tokens) {
                counter.correct(lease.at, lease.tokens, tokens);
            }
        }
        let posting = Posting {
            closes: Some(seq),
            slot: Some(lease.slot),
            kid: lease.kid,
            at: lease.at,
            ..posting
        };
        return post(state, posting, SettleOutcome::Settled);
    }
    let Some(expired) = state.expired.iter().find(|expired| expired.ticket == ticket).cloned() else {
        return already();
    };
    let posting = Posting {
        at: expired.at,
        amount: posting.amount.saturating_sub(expired.charged),
        ..posting
    };
    post(state, posting, SettleOutcome::ToppedUp)
}

fn already() -> (SettleAnswer, Option<Posting>) {
    (
        SettleAnswer {
            outcome: SettleOutcome::AlreadySettled,
            charged: NanoUsd::ZERO,
            revoked: None,
        },
        None,
    )
}

fn post(state: &mut State, posting: Posting, outcome: SettleOutcome) -> (SettleAnswer, Option<Posting>) {
    let posting = Posting {
        seq: state.next_sequence(),
        ..posting
    };
    state.charge(&posting.kid, posting.at, posting.settled, posting.amount);
    state.remember(&posting);
    (
        SettleAnswer {
            outcome,
            charged: posting.amount,
            revoked: None,
        },
        Some(posting),
    )
}

/// Notes known usage and extends the lease. The row, if any, must be stored before the answer leaves.
pub fn heartbeat(state: &mut State, request: &HeartbeatRequest, now: Millis) -> (HeartbeatAnswer, Option<LeaseRow>) {
    let seq = request.ticket.seq;
    let Some(lease) = state
        .leases
        .get_mut(&seq)
        .filter(|lease| lease.ticket == request.ticket)
    else {
        return (HeartbeatAnswer { open: false }, None);
    };
    for known in &request.known {
        if let Some(line) = lease.lines.iter_mut().find(|line| line.line.call == known.call) {
            // Usage only grows; a heartbeat that overtook another one must not shrink it.
            line.known = line.known.max(known.amount);
        }
    }
    let expires = lease.expires.max(now.plus(request.lease));
    let before = std::mem::replace(&mut lease.expires, expires);
    state.due.remove(&(before, seq));
    state.due.insert((expires, seq));
    (HeartbeatAnswer { open: true }, row(state, seq))
}

/// Settles every reservation whose lease is over at its last known usage. The postings must be stored.
pub fn expire(state: &mut State, now: Millis) -> Vec<(Lease, Posting)> {
    let mut expired = Vec::new();
    while let Some((at, seq)) = state.due.first().copied()
        && at <= now
    {
        let Some(lease) = state.remove(seq) else {
            state.due.remove(&(at, seq));
            continue;
        };
        let posting = Posting {
            seq: 0,
            closes: Some(seq),
            slot: Some(lease.slot),
            id: lease.ticket.id.clone(),
            kid: lease.kid.clone(),
            at: lease.at,
            settled: now,
            amount: lease.known(),
            expired: true,
        };
        let (_, posting) = post(state, posting, SettleOutcome::Settled);
        expired.extend(posting.map(|posting| (lease, posting)));
    }
    expired
}

/// Known cost of the calls of `lease` to `provider`, by the targets they were planned for.
pub fn known_of_provider(lease: &Lease, provider: &str) -> NanoUsd {
    let lines = lease
        .lines
        .iter()
        .filter(|line| provider_of(&line.line.target) == provider);
    lines.map(|line| line.known).sum()
}

/// Makes the row of a late settlement cost what it charged: the expiry's row has the rest already, so that totals stay the sums of rows.
pub fn top_up_row(row: &mut RequestRow, charged: NanoUsd) {
    let mut surplus = row
        .attempts
        .iter()
        .map(|attempt| attempt.cost_usd)
        .sum::<NanoUsd>()
        .saturating_sub(charged);
    for attempt in &mut row.attempts {
        let less = attempt.cost_usd.min(surplus);
        attempt.cost_usd = attempt.cost_usd.saturating_sub(less);
        surplus = surplus.saturating_sub(less);
    }
    row.cost_usd = charged;
}

/// The usage row of an expired reservation, so that its cost is not without a row.
pub fn expired_row(lease: &Lease, now: Millis) -> RequestRow {
    let compound = lease.lines.iter().any(|line| line.line.stage != Stage::Request);
    let attempts = lease.lines.iter().map(|line| AttemptRow {
        compound_id: compound.then(|| lease.ticket.id.clone()),
        role: match line.line.stage {
            Stage::Request => Role::Primary,
            Stage::Synthesizer => Role::Synthesizer,
            Stage::Adviser => Role::Adviser,
            Stage::Judge => Role::Judge,
        },
        outcome: Outcome::Cancelled,
        class: Some("lease_expired".to_owned()),
        target: line.line.target.clone(),
        cost_usd: line.known,
        basis: Basis::LastKnown,
        ..AttemptRow::default()
    });
    RequestRow {
        request_id: lease.ticket.id.clone(),
        at: lease.at,
        policy: lease.policy.clone(),
        kid: lease.kid.clone(),
        requested_model: lease
            .lines
            .first()
            .map(|line| line.line.target.clone())
            .unwrap_or_default(),
        strategy: "unknown".to_owned(),
        status: 499,
        class: Some("lease_expired".to_owned()),
        degraded: true,
        attempts: attempts.collect(),
        duration_ms: now.since(lease.at).0,
        ..RequestRow::default()
    }
    .closed()
}
