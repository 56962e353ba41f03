//! What to do about one failed attempt: a pure decision over the policy table and what is left.
//!
//! Order: change the request, the same credential again, another credential, the next target. Knows no health and no socket.

use super::candidate::Candidate;
use crate::catalog::document::{ContextDowngrade, Retry};
use crate::route::health::FailureClass;
use crate::run::classify::Verdict;
use crate::run::policy::{IMMEDIATE, Next, Pause, SHORT, Same, row_of};
use crate::run::random::SplitMix;
use crate::wire::Millis;

/// Smallest output limit that a request is lowered to, tokens.
const OUTPUT_FLOOR: u64 = 1024;

/// What is known when an attempt has failed.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one table row")]
pub(super) struct Situation<'a> {
    pub(super) verdict: &'a Verdict,
    pub(super) candidate: &'a Candidate,
    pub(super) retry: &'a Retry,
    /// The attempt was a half-open probe or a last resort: it is never repeated.
    pub(super) single_shot: bool,
    /// Another credential of the pool is free.
    pub(super) other_credential: bool,
    /// The free credentials left belong to the quota group that has just refused.
    pub(super) same_group: bool,
    /// Another target of the same order group is free.
    pub(super) equal_target: bool,
    /// The request may be called once more (of the hard bound).
    pub(super) calls_left: bool,
    /// The retry budget is not spent.
    pub(super) budget_left: bool,
    /// Time that is left, when there is a deadline.
    pub(super) time_left: Option<Millis>,
    /// A change of the request that may help.
    pub(super) change: Option<Change>,
    /// Caller-fault classes of this kind fall back.
    pub(super) opted_in: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The same credential again after a pause.
    Again(Millis),
    /// The same credential at once with a changed request.
    Change(Change),
    /// Another credential after a pause.
    Rotate(Millis),
    /// The next target that the class allows.
    Next,
    /// Nothing more.
    Stop,
}

/// How a request is changed before it is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The next lower context tier.
    Tier,
    /// A lower tier in name only: the mode asks for it although nothing in the request changes.
    NominalTier(u64),
    /// A lower output limit, tokens.
    Output(u64),
    /// Old turns left out, to about so many tokens of input.
    Trim(u64),
    /// A parameter dropped or renamed.
    Parameter(String, Option<String>),
}

/// Decides.
pub(super) fn decide(situation: &Situation<'_>, random: &mut SplitMix) -> Step {
    let row = row_of(situation.verdict.class);
    if !situation.calls_left {
        return Step::Stop;
    }
    if let Some(change) = &situation.change {
        return Step::Change(change.clone());
    }
    if let Some(pause) = same_again(situation, row.same, random).filter(|pause| fits(*pause, situation.time_left)) {
        return Step::Again(pause);
    }
    if row.rotate && situation.other_credential {
        let pause = if situation.same_group && situation.candidate.rotations > 0 {
            full_jitter(situation.retry, situation.candidate.rotations, random)
        } else {
            Millis(0)
        };
        if fits(pause, situation.time_left) {
            return Step::Rotate(pause);
        }
    }
    match row.next {
        Next::Never => Step::Stop,
        Next::IfContentPolicyOptedIn | Next::IfInvalidRequestOptedIn if !situation.opted_in => Step::Stop,
        _ if situation.budget_left => Step::Next,
        _ => Step::Stop,
    }
}

fn same_again(situation: &Situation<'_>, same: Same, random: &mut SplitMix) -> Option<Millis> {
    let verdict = situation.verdict;
    let used = situation.candidate.same_used;
    let allowed = !verdict.retry_forbidden
        && !situation.single_shot
        && situation.budget_left
        && used < situation.retry.same_target;
    if !allowed {
        return None;
    }
    match same {
        Same::No | Same::Changed => None,
        Same::Once(pause) => Some(paused(pause, situation, random)),
        Same::UnlessEqual(pause) => (!situation.equal_target).then(|| paused(pause, situation, random)),
        Same::Wait if situation.other_credential => None,
        Same::Wait => match verdict.hint {
            Some(hint) if hint <= situation.retry.retry_after_wait_max_ms => {
                Some(hint.plus(random.between(Millis(0), Millis(hint.0 / 4))))
            }
            Some(_) => None,
            None => Some(full_jitter(situation.retry, used, random)),
        },
    }
}

fn paused(pause: Pause, situation: &Situation<'_>, random: &mut SplitMix) -> Millis {
    match pause {
        Pause::Immediate => random.between(Millis(0), IMMEDIATE),
        Pause::Short => random.between(SHORT.0, SHORT.1),
        Pause::FullJitter => full_jitter(situation.retry, situation.candidate.same_used, random),
    }
}

/// Uniform in 0 to `base * 2^n`, at most the cap.
fn full_jitter(retry: &Retry, n: u32, random: &mut SplitMix) -> Millis {
    let ceiling = Millis(retry.base_ms.0.saturating_mul(1u64 << n.min(16))).min(retry.cap_ms);
    random.between(Millis(0), ceiling)
}

fn fits(pause: Millis, time_left: Option<Millis>) -> bool {
    time_left.is_none_or(|left| pause < left)
}

/// Input tokens that a window must hold for the request to fit, as far as the upstream's words tell.
pub(super) fn tokens_needed(verdict: &Verdict, candidate: &Candidate, estimated: u64) -> u64 {
    verdict.requested_tokens.unwrap_or_else(|| {
        let refused = verdict.limit_tokens.or_else(|| candidate.window());
        estimated.max(refused.unwrap_or(0))
    })
}

/// The change of the request that may cure this failure, if there is one that has not been tried.
pub(super) fn change_for(
    verdict: &Verdict,
    candidate: &Candidate,
    mode: ContextDowngrade,
    estimated: u64,
    asked_output: Option<u64>,
) -> Option<Change> {
    match verdict.class {
        FailureClass::UnsupportedParam => parameter_change(verdict, candidate),
        FailureClass::LongContext429 if mode != ContextDowngrade::Off => {
            tier_change(candidate, estimated).or_else(|| output_change(verdict, candidate, estimated, asked_output))
        }
        FailureClass::RateLimit if mode == ContextDowngrade::Always => {
            tier_change(candidate, estimated).or_else(|| nominal_change(candidate))
        }
        _ => None,
    }
}

/// The next lower tier, when it takes the request.
fn tier_change(candidate: &Candidate, estimated: u64) -> Option<Change> {
    let lower = candidate.target.context_variants.get(candidate.tier + 1)?;
    (estimated <= lower.max_input).then_some(Change::Tier)
}

/// When the limit counts the output, asking for less output can make the request fit. Once per target.
fn output_change(verdict: &Verdict, candidate: &Candidate, estimated: u64, asked: Option<u64>) -> Option<Change> {
    let (limit, asked) = (verdict.limit_tokens?, asked?);
    if candidate.max_output_tokens.is_some() {
        return None;
    }
    let input = verdict
        .requested_tokens
        .and_then(|requested| requested.checked_sub(asked))
        .unwrap_or(estimated);
    let room = limit.checked_sub(input)?.max(OUTPUT_FLOOR);
    (room < asked).then_some(Change::Output(room))
}

/// One step down the named tiers for a window above the smallest of them.
fn nominal_change(candidate: &Candidate) -> Option<Change> {
    let window = candidate.window()?;
    if candidate.nominal_tier.is_some() {
        return None;
    }
    super::candidate::NOMINAL_TIERS
        .iter()
        .find(|tier| **tier < window)
        .map(|tier| Change::NominalTier(*tier))
}

fn parameter_change(verdict: &Verdict, candidate: &Candidate) -> Option<Change> {
    let param = verdict.param.as_ref()?;
    let (name, instead) = super::candidate::droppable(&param.name, param.instead.as_deref())?;
    let tried = candidate.adjust.iter().any(|(known, _)| *known == name);
    (!tried).then_some(Change::Parameter(name, instead))
}

/// Input tokens to which a request must be trimmed to have a chance; `None`: shortening is not what it needs.
pub(super) fn trim_target(
    verdict: &Verdict,
    candidate: &Candidate,
    estimated: u64,
    asked_output: Option<u64>,
) -> Option<u64> {
    if !matches!(
        verdict.class,
        FailureClass::LongContext429 | FailureClass::ContextOverflow
    ) {
        return None;
    }
    let now = candidate.nominal_tier.unwrap_or(estimated).min(estimated);
    let room = verdict
        .limit_tokens
        .map(|limit| (limit / 10 * 9).saturating_sub(asked_output.unwrap_or(0)));
    // A limit that the output alone fills leaves nothing to aim at; then the next tier below.
    let exact = room.filter(|room| *room >= OUTPUT_FLOOR && *room < now);
    exact.or_else(|| {
        let below = candidate.window().map_or(now, |window| window.min(now));
        super::candidate::NOMINAL_TIERS.into_iter().find(|tier| *tier < below)
    })
}
