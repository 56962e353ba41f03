//! What follows a response: settlement, usage and trace rows, session pins, health. It may fail without the caller noticing.

use super::completions::Asked;
use super::incoming::Incoming;
use super::shell::{Finalizer, Heartbeat};
use super::{clock, health, isolate, ledger, pins};
use crate::account::ledger::message::{Granted, SettleRequest};
use crate::account::ledger::rate;
use crate::account::record::{RecordInput, known_cost, record};
use crate::catalog::NanoUsd;
use crate::route::pin::{Pin, Served, after_answer};
use crate::route::{Explanation, Plan, PlannedCall};
use crate::run::machine::Machine;
use crate::run::report::{Outcome, Report};
use crate::wire::{ApiError, headers};

/// Everything that is needed once the request is over.
pub(super) struct Books {
    incoming: Incoming,
    asked: Asked,
    explanation: Explanation,
    previous_pin: Option<Pin>,
    granted: Option<Granted>,
    reservation_id: String,
    route: Option<String>,
    strategy: &'static str,
    estimated_input_tokens: u64,
    calls: Vec<PlannedCall>,
}

/// Names a reservation. Made here, never taken from a caller: who may choose it could ride on somebody else's.
pub(super) fn reservation_id() -> String {
    headers::request_id(clock::random::<16>().unwrap_or_default())
}

/// Takes out of the plan what was not funded; when nobody is left, the reservation is let go.
///
/// # Errors
/// 402 when every provider that could answer is over its cap.
pub(super) fn prune(incoming: &Incoming, asked: &Asked, plan: &mut Plan, granted: &Granted) -> Result<(), ApiError> {
    let Err(error) = ledger::prune(plan, granted) else {
        return Ok(());
    };
    let settle = SettleRequest {
        id: granted.ticket.id.clone(),
        seq: Some(granted.ticket.seq),
        kid: asked.grant.key.kid.clone(),
        row: None,
        trace: None,
        keep_days: asked.world.catalog.settings.usage_days,
    };
    let policy = asked.grant.policy.id.to_string();
    incoming.after_response(ledger::settle(incoming.env.clone(), policy, settle));
    Err(error)
}

impl Books {
    pub(super) fn open(
        incoming: &Incoming,
        asked: Asked,
        plan: &Plan,
        explanation: Explanation,
        previous_pin: Option<Pin>,
        granted: Option<Granted>,
        reservation_id: String,
    ) -> Self {
        Self {
            incoming: incoming.clone(),
            estimated_input_tokens: crate::route::estimate::estimate(&asked.call.size).typical,
            asked,
            explanation,
            previous_pin,
            granted,
            reservation_id,
            route: plan.route.as_ref().map(ToString::to_string),
            strategy: plan.strategy,
            calls: plan.calls.clone(),
        }
    }

    /// Headers that do not depend on who answers: the session, and how much of the speed limits is left.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let rates = self.granted.iter().flat_map(|granted| rate::headers(&granted.rates));
        let session = self.asked.session();
        let session = session.map(|session| ("x-clawrouter-session".to_owned(), session.own_id().to_owned()));
        session.into_iter().chain(rates).collect()
    }

    /// Extends the reservation of a long stream.
    pub(super) fn heartbeat(&self) -> Option<Heartbeat> {
        let ticket = self.granted.as_ref()?.ticket.clone();
        let (incoming, policy) = (self.incoming.clone(), self.asked.grant.policy.id.to_string());
        let (calls, estimate) = (self.calls.clone(), self.estimated_input_tokens);
        Some(Box::new(move |machine: &dyn Machine| {
            let known = known_cost(&machine.stages(), &calls, estimate);
            incoming.after_response(ledger::heartbeat(
                incoming.env.clone(),
                policy.clone(),
                ticket.clone(),
                known,
            ));
        }))
    }

    /// Closes the books when the request is over.
    pub(super) fn into_finalizer(self) -> Finalizer {
        Box::new(move |machine| Some(self.close(machine)))
    }

    fn close(self, machine: &dyn Machine) -> NanoUsd {
        let Self {
            incoming,
            asked,
            explanation,
            previous_pin,
            granted,
            reservation_id,
            route,
            strategy,
            estimated_input_tokens,
            ..
        } = self;
        let report = machine.report();
        let stages = machine.stages();
        let (row, trace) = record(RecordInput {
            request_id: &incoming.request_id,
            arrived: incoming.received_at,
            ended: clock::now(),
            policy: asked.grant.policy.id.as_str(),
            kid: &asked.grant.key.kid,
            key_label: &asked.grant.key.label,
            requested_model: &asked.call.model,
            route: route.as_deref(),
            strategy,
            stream: asked.call.stream,
            session: asked.session.as_ref().map(|(key, _)| key.as_str()),
            estimated_input_tokens,
            reserved: granted.as_ref().map_or(NanoUsd(0), |granted| granted.reserved),
            report,
            stages: &stages,
            explanation: Some(explanation),
        });
        let cost = row.cost_usd;
        verified(report);
        let pin = served(report, cost)
            .map(|served| after_answer(previous_pin.as_ref(), &asked.call.model, served, clock::now()));
        let settle = SettleRequest {
            id: reservation_id,
            seq: granted.map(|granted| granted.ticket.seq),
            kid: asked.grant.key.kid.clone(),
            row: Some(Box::new(row)),
            trace: Some(Box::new(trace)),
            keep_days: asked.world.catalog.settings.usage_days,
        };
        let (env, scope) = (incoming.env.clone(), asked.pin_scope());
        let pin = pin.zip(asked.session.map(|(session, _)| session));
        if let Some((pin, session)) = &pin {
            pins::remember(scope, session, pin);
        }
        incoming.after_response(async move {
            let stored = async {
                if let Some((pin, session)) = pin {
                    pins::store(env.clone(), asked.world, scope, asked.grant.key.kid, session, pin).await;
                }
            };
            let settled = ledger::settle(env.clone(), asked.grant.policy.id.to_string(), settle);
            futures::future::join(settled, stored).await;
            health::exchange(env).await;
        });
        cost
    }
}

/// An answer proves that its model works.
fn verified(report: &Report) {
    if let Some(served) = &report.served {
        isolate::set_verified(served.model.clone(), clock::now());
    }
}

/// Who answered, for the session's pin; nobody when the request failed or the caller left.
fn served(report: &Report, cost: NanoUsd) -> Option<Served> {
    let served = report.served.as_ref().filter(|_| report.outcome == Outcome::Answered)?;
    Some(Served {
        target: served.model.clone(),
        credential: served.credential.clone(),
        fell_back: served.index > 0,
        cost,
        explanation: None,
    })
}
