//! May this request spend that much, that fast? All windows of policy and key and all calls of the request in one decision.

use super::message::{
    BudgetRule, BudgetState, Granted, Line, MAX_LINES, MAX_OPEN, Refusal, ReserveAnswer, ReserveRequest, Ticket,
    window_word,
};
use super::rate::{self, RateState};
use super::state::{Lease, LeaseLine, LeaseRow, State, Subject};
use crate::account::calendar;
use crate::catalog::NanoUsd;
use crate::catalog::document::BudgetScope;
use crate::wire::Millis;

/// Decides a reservation and, when granted, makes it. The row, if any, must be stored before the answer leaves.
///
/// Expired reservations should have been settled first ([`super::expire`]), else they still hold money. Asking twice with the same id
/// while the first is open gives the same ticket and holds nothing more.
pub fn reserve(state: &mut State, request: &ReserveRequest, now: Millis) -> (ReserveAnswer, Option<LeaseRow>) {
    match decide(state, request, now) {
        Ok(Decision::Held(seq)) => (granted(state, request, now, seq), None),
        Ok(Decision::Hold(funded)) => {
            let seq = hold(state, request, now, funded);
            let row = row(state, seq);
            (granted(state, request, now, seq), row)
        }
        Err(refusal) => (ReserveAnswer::Refused(refusal), None),
    }
}

/// Takes a reservation back as if it had never been made, because a provider's cap refused it. Nothing is charged. Its row must not have
/// been stored yet: rows of requests with capped providers are stored only once [`add_providers`] returns them.
pub fn cancel(state: &mut State, seq: u64) {
    if let Some(lease) = state.remove(seq) {
        state.free_slot(lease.slot);
    }
}

/// Notes whom to settle with beyond this Ledger; the returned row must be stored.
pub fn add_providers(state: &mut State, seq: u64, providers: Vec<(String, Ticket)>) -> Option<LeaseRow> {
    state.leases.get_mut(&seq)?.providers = providers;
    row(state, seq)
}

/// Every budget as it stands for `kid`. Windows are rolled to `now`.
pub fn budgets(state: &mut State, policy: &str, kid: &str, rules: &[BudgetRule], now: Millis) -> Vec<BudgetState> {
    roll(state, kid, now);
    rules
        .iter()
        .map(|rule| budget_state(state, policy, kid, rule, now))
        .collect()
}

enum Decision {
    Held(u64),
    Hold(Vec<Line>),
}

fn decide(state: &mut State, request: &ReserveRequest, now: Millis) -> Result<Decision, Refusal> {
    if let Some(at) = state.revoked.get(&request.kid) {
        return Err(Refusal::Revoked { at: *at });
    }
    for subject in Subject::both(&request.kid) {
        if state.paused.contains(&subject) {
            return Err(match subject {
                Subject::Policy => Refusal::PolicyOff,
                Subject::Key(_) => Refusal::Paused,
            });
        }
    }
    if let Some(seq) = state.by_id.get(&request.id) {
        return Ok(Decision::Held(*seq));
    }
    if state.leases.len() >= MAX_OPEN || request.lines.len() > MAX_LINES {
        return Err(Refusal::TooMany {
            open: state.leases.len() as u64,
        });
    }
    roll(state, &request.kid, now);
    check_rates(state, request, now)?;
    fund(state, request, now).map(Decision::Hold)
}

fn roll(state: &mut State, kid: &str, now: Millis) {
    for subject in Subject::both(kid) {
        if let Some(counter) = state.rates.get_mut(&subject) {
            counter.forget(now);
        }
        state.sums.entry(subject).or_default().roll(now);
    }
}

fn check_rates(state: &State, request: &ReserveRequest, now: Millis) -> Result<(), Refusal> {
    for rule in &request.rates {
        let subject = Subject::of(rule.scope, &request.kid);
        let counter = state.rates.get(&subject).cloned().unwrap_or_default();
        let open = state.open.get(&subject).copied().unwrap_or_default();
        rate::check(&rule.limits, rule.scope, &counter, open, now, request.tokens)
            .map_err(|(rate, retry_after)| Refusal::Rate { rate, retry_after })?;
    }
    Ok(())
}

/// The lines that every hard budget can take, in the order of funding. Required lines are taken together or not at all.
fn fund(state: &State, request: &ReserveRequest, now: Millis) -> Result<Vec<Line>, Refusal> {
    let (required, optional): (Vec<&Line>, Vec<&Line>) =
        request.lines.iter().partition(|line| line.stage.is_required());
    let needed: NanoUsd = required.iter().map(|line| line.amount).sum();
    let tightest = request
        .budgets
        .iter()
        .filter(|rule| rule.hard)
        .map(|rule| (room(state, request, rule), rule))
        .min_by_key(|(room, _)| *room);
    // What costs nothing is never over a budget, even over one that is overdrawn.
    if let Some((room, rule)) = tightest
        && needed > room
        && needed > NanoUsd::ZERO
    {
        let budget = Box::new(budget_state(state, &request.policy, &request.kid, rule, now));
        return Err(Refusal::Budget { budget, needed });
    }
    let mut left = tightest.map_or(NanoUsd::MAX, |(room, _)| room).saturating_sub(needed);
    let mut funded: Vec<Line> = required.into_iter().cloned().collect();
    let mut optional = optional;
    optional.sort_by_key(|line| (line.stage, line.call));
    for line in optional {
        if line.amount <= left {
            left = left.saturating_sub(line.amount);
            funded.push(line.clone());
        }
    }
    Ok(funded)
}

fn room(state: &State, request: &ReserveRequest, rule: &BudgetRule) -> NanoUsd {
    let sum = state
        .sums
        .get(&Subject::of(rule.scope, &request.kid))
        .map(|sums| sums.current(rule.window))
        .unwrap_or_default();
    rule.limit.saturating_sub(sum.spent).saturating_sub(sum.reserved)
}

fn hold(state: &mut State, request: &ReserveRequest, now: Millis, funded: Vec<Line>) -> u64 {
    let seq = state.next_sequence();
    let slot = state.take_slot();
    for subject in Subject::both(&request.kid) {
        let scope = if subject == Subject::Policy {
            BudgetScope::Policy
        } else {
            BudgetScope::Key
        };
        if request.rates.iter().any(|rule| rule.scope == scope) {
            state.rates.entry(subject).or_default().count(now, request.tokens);
        }
    }
    state.insert(Lease {
        ticket: Ticket {
            id: request.id.clone(),
            seq,
        },
        slot,
        policy: request.policy.clone(),
        kid: request.kid.clone(),
        at: now,
        expires: now.plus(request.lease),
        lines: funded
            .into_iter()
            .map(|line| LeaseLine {
                line,
                known: NanoUsd::ZERO,
            })
            .collect(),
        tokens: request.tokens,
        providers: Vec::new(),
    });
    seq
}

fn granted(state: &State, request: &ReserveRequest, now: Millis, seq: u64) -> ReserveAnswer {
    let lines = state
        .leases
        .get(&seq)
        .map(|lease| lease.lines.as_slice())
        .unwrap_or_default();
    let is_funded = |call: u32| lines.iter().any(|line| line.line.call == call);
    ReserveAnswer::Granted(Granted {
        ticket: Ticket {
            id: request.id.clone(),
            seq,
        },
        reserved: lines.iter().map(|line| line.line.amount).sum(),
        unfunded: request
            .lines
            .iter()
            .map(|line| line.call)
            .filter(|call| !is_funded(*call))
            .collect(),
        capped_providers: Vec::new(),
        budgets: request
            .budgets
            .iter()
            .map(|rule| budget_state(state, &request.policy, &request.kid, rule, now))
            .collect(),
        rates: rate_states(state, request, now),
    })
}

fn rate_states(state: &State, request: &ReserveRequest, now: Millis) -> Vec<RateState> {
    let mut states = Vec::new();
    for rule in &request.rates {
        let subject = Subject::of(rule.scope, &request.kid);
        let counter = state.rates.get(&subject).cloned().unwrap_or_default();
        let open = state.open.get(&subject).copied().unwrap_or_default();
        states.extend(rate::states(&rule.limits, rule.scope, &counter, open, now));
    }
    states
}

fn budget_state(state: &State, policy: &str, kid: &str, rule: &BudgetRule, now: Millis) -> BudgetState {
    let sum = state
        .sums
        .get(&Subject::of(rule.scope, kid))
        .map(|sums| sums.current(rule.window))
        .unwrap_or_default();
    let suffix = match rule.scope {
        BudgetScope::Policy => "",
        BudgetScope::Key => "/key",
    };
    BudgetState {
        budget: format!("{policy}/{}{suffix}", window_word(rule.window)),
        scope: rule.scope,
        // A provider's Ledger bears its name (see `message`).
        set_by: policy
            .strip_prefix("provider:")
            .map_or_else(|| format!("policy {policy}"), |provider| format!("provider {provider}")),
        window: rule.window,
        hard: rule.hard,
        limit_usd: rule.limit,
        spent_usd: sum.spent,
        reserved_usd: sum.reserved,
        remaining_usd: rule.limit.saturating_sub(sum.spent).saturating_sub(sum.reserved),
        resets_at: calendar::window_end(rule.window, now),
    }
}

pub(super) fn row(state: &State, seq: u64) -> Option<LeaseRow> {
    let lease = state.leases.get(&seq)?.clone();
    let counter = |subject: Subject| state.rates.get(&subject).cloned().map(|counter| (subject, counter));
    let rates = Subject::both(&lease.kid).into_iter().filter_map(counter).collect();
    Some(LeaseRow { lease, rates })
}
