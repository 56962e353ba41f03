//! How the Worker talks to the Ledger of a policy: one awaited reservation before upstreams are called, everything else after the response.

use super::isolate;
use super::objects::client::{self, ObjectError};
use super::{clock, config};
use crate::access::Grant;
use crate::account::ledger::message::{
    BudgetRule, BudgetState, Granted, HeartbeatRequest, KnownCost, LEASE, Line, ProviderCap, RateRule, Refusal,
    ReserveAnswer, ReserveRequest, SettleAnswer, SettleRequest, Stage as LedgerStage, Ticket,
};
use crate::account::ledger::query::{BudgetsAnswer, BudgetsRequest, KeysAnswer};
use crate::account::ledger::rate;
use crate::account::waiting::{Duty, Waiting};
use crate::catalog::{NanoUsd, Policy};
use crate::route::{Plan, Stage};
use crate::wire::{ApiError, Millis};
use futures::future::join_all;
use serde::{Serialize, de::DeserializeOwned};
use worker::Env;

/// Must this request ask the Ledger before it calls anybody?
pub(super) fn must_reserve(grant: &Grant, plan: &Plan) -> bool {
    let policy = &grant.policy;
    !policy.budgets.is_empty()
        || !policy.rate.is_none()
        || !policy.key_rate.is_none()
        || !provider_caps(plan).is_empty()
}

/// Reserves everything that the plan may spend, in one call.
///
/// # Errors
/// 402 or 429 as the Ledger decides; 503 `ledger_unavailable` when it is away: an unfunded call is never made.
pub(super) async fn reserve(env: &Env, grant: &Grant, plan: &Plan, id: &str, tokens: u64) -> Result<Granted, ApiError> {
    let policy = &grant.policy;
    let request = ReserveRequest {
        id: id.to_owned(),
        policy: policy.id.to_string(),
        kid: grant.key.kid.clone(),
        lines: lines(plan),
        tokens,
        budgets: policy.budgets.iter().map(BudgetRule::from).collect(),
        rates: RateRule::of(policy),
        providers: provider_caps(plan),
        lease: LEASE,
    };
    match client::call(env, config::LEDGER, policy.id.as_str(), "/reserve", &request).await {
        Ok(ReserveAnswer::Granted(granted)) => Ok(granted),
        Ok(ReserveAnswer::Refused(refusal)) => {
            // What is left decides what is listed for this key, now as after a grant.
            if let Refusal::Budget { budget, .. } = &refusal {
                isolate::set_remaining(&grant.key.kid, Some(budget.remaining_usd), clock::now());
            }
            Err(refused(&refusal))
        }
        Err(ObjectError::Refused(error)) => Err(*error),
        Err(ObjectError::Unreachable(_)) => Err(ApiError::new(
            "ledger_unavailable",
            "The budget of this key cannot be checked at the moment, so nothing was called; try again.",
        )
        .after(Millis(1_000))),
    }
}

/// Tells the Ledger what a long stream has cost so far and extends its lease.
pub(super) async fn heartbeat(env: Env, policy: String, ticket: Ticket, known: Vec<KnownCost>) {
    let request = HeartbeatRequest {
        ticket,
        known,
        lease: LEASE,
    };
    let _: Result<serde_json::Value, _> = client::call(&env, config::LEDGER, &policy, "/heartbeat", &request).await;
}

/// Settles and records one request at once.
pub(super) async fn settle(env: Env, policy: String, request: SettleRequest) {
    settle_all(&env, &policy, &[request]).await;
}

/// Sends the rows that wait in this isolate, when that is this request's duty.
pub(super) async fn send_waiting(env: &Env, duty: Duty) {
    match duty {
        Duty::None => return,
        Duty::SendNow => {}
        Duty::SendAfter(pause) => clock::sleep(pause).await,
    }
    let waiting = isolate::with_waiting(Waiting::take);
    join_all(waiting.iter().map(|(policy, rows)| settle_all(env, policy, rows))).await;
}

/// Tried three times: what was spent must not be forgotten while the Ledger restarts.
async fn settle_all(env: &Env, policy: &str, requests: &[SettleRequest]) {
    for pause in [Millis(0), Millis(250), Millis(2_000)] {
        if pause.0 > 0 {
            clock::sleep(pause).await;
        }
        let answers: Result<Vec<SettleAnswer>, _> =
            client::call(env, config::LEDGER, policy, "/settle", &requests).await;
        if let Ok(answers) = answers {
            for (request, answer) in requests.iter().zip(answers) {
                if let Some(at) = answer.revoked {
                    isolate::set_revoked(&request.kid, at);
                }
            }
            return;
        }
    }
    worker::console_error!("a settlement was not taken; its lease will expire at the last known usage");
}

/// Asks one policy's Ledger something for people, after the rows that wait in this isolate have been sent.
///
/// # Errors
/// 503 when it is away.
pub(super) async fn ask<Q: Serialize, A: DeserializeOwned>(
    env: &Env,
    policy: &str,
    path: &str,
    question: &Q,
) -> Result<A, ApiError> {
    send_waiting(env, Duty::SendNow).await;
    client::call(env, config::LEDGER, policy, path, question)
        .await
        .map_err(|error| match error {
            ObjectError::Refused(error) => *error,
            ObjectError::Unreachable(_) => {
                ApiError::new("ledger_unavailable", "Usage cannot be read at the moment; try again.")
                    .after(Millis(1_000))
            }
        })
}

/// Asks the Ledgers of these policies at once; one that is away fails the question, because a part would look like the whole.
pub(super) async fn ask_all<Q: Serialize, A: DeserializeOwned>(
    env: &Env,
    policies: &[String],
    path: &str,
    question: impl Fn(&str) -> Q,
) -> Result<Vec<A>, ApiError> {
    let asked = policies.iter().map(|policy| {
        let question = question(policy);
        async move { ask(env, policy, path, &question).await }
    });
    join_all(asked).await.into_iter().collect()
}

/// The state of every budget of a policy, for one of its keys.
pub(super) async fn budgets(env: &Env, policy: &Policy, kid: Option<&str>) -> Result<Vec<BudgetState>, ApiError> {
    if policy.budgets.is_empty() {
        return Ok(Vec::new());
    }
    let request = BudgetsRequest {
        policy: policy.id.to_string(),
        kids: vec![kid.unwrap_or_default().to_owned()],
        rules: policy.budgets.iter().map(BudgetRule::from).collect(),
    };
    let answer: BudgetsAnswer = ask(env, policy.id.as_str(), "/budgets", &request).await?;
    Ok(answer.into_iter().next().unwrap_or_default())
}

/// Budgets and last use of keys of one policy, in the order asked.
///
/// # Errors
/// 503 when the Ledger is away.
pub(super) async fn key_states(env: &Env, policy: &Policy, kids: &[String]) -> Result<KeysAnswer, ApiError> {
    let request = BudgetsRequest {
        policy: policy.id.to_string(),
        kids: kids.to_vec(),
        rules: policy.budgets.iter().map(BudgetRule::from).collect(),
    };
    ask(env, policy.id.as_str(), "/keys", &request).await
}

fn lines(plan: &Plan) -> Vec<Line> {
    let line = |(number, planned): (usize, &crate::route::PlannedCall)| Line {
        call: u32::try_from(number).unwrap_or(u32::MAX),
        stage: match planned.stage {
            Stage::Answer => LedgerStage::Request,
            Stage::Adviser => LedgerStage::Adviser,
            Stage::Judge => LedgerStage::Judge,
            Stage::Synthesizer => LedgerStage::Synthesizer,
        },
        target: planned.model.to_string(),
        amount: planned.worst_case.unwrap_or(NanoUsd(0)),
    };
    plan.calls.iter().enumerate().map(line).collect()
}

/// Caps of the providers that the plan may call, fallbacks included, with the most it can spend at each.
fn provider_caps(plan: &Plan) -> Vec<ProviderCap> {
    let spends = plan.provider_spend().into_iter();
    spends
        .filter_map(|spend| {
            Some(ProviderCap {
                limit: spend.provider.budget?,
                provider: spend.provider.id.to_string(),
                amount: spend.most,
                required: spend.required,
            })
        })
        .collect()
}

/// Takes out of the plan what was not funded.
///
/// # Errors
/// 402 when every provider that could answer is over its cap.
pub(super) fn prune(plan: &mut Plan, granted: &Granted) -> Result<(), ApiError> {
    let unfunded: Vec<(Stage, u32)> = granted
        .unfunded
        .iter()
        .filter_map(|number| plan.calls.get(usize::try_from(*number).ok()?))
        .map(|planned| (planned.stage, planned.index))
        .collect();
    if plan.leave_out(&unfunded, &granted.capped_providers) {
        return Ok(());
    }
    let named = granted.capped_providers.join(", ");
    Err(ApiError::new(
        "budget_exceeded",
        format!(
            "The monthly caps of {named} are reached, and no other provider may answer: raise a cap or add a fallback."
        ),
    ))
}

fn refused(refusal: &Refusal) -> ApiError {
    let (_, code) = refusal.status_and_code();
    let error = ApiError::new(code, refusal.to_string());
    let error = match refusal {
        Refusal::Budget { budget, .. } | Refusal::ProviderBudget { budget, .. } => error.with("budget", budget),
        // The same headers that a granted request gets, so that a client's limiter learns from both.
        Refusal::Rate { rate, .. } => error.telling(rate::headers(std::slice::from_ref(rate))),
        Refusal::Paused => error.because("key_paused"),
        Refusal::Revoked { .. } | Refusal::PolicyOff | Refusal::TooMany { .. } => error,
    };
    match refusal.retry_after() {
        Some(wait) => error.after(wait),
        None => error,
    }
}
