//! What follows a response: settlement, usage and trace rows, session pins, health. It may fail without the caller noticing.

use super::completions::Asked;
use super::incoming::Incoming;
use super::shell::{Finalizer, Heartbeat, Watch};
use super::{clock, contents, health, isolate, ledger, pins, statistics};
use crate::access::key::KeyRecord;
use crate::account::content::{self, Content, Side, Tap};
use crate::account::ledger::message::{Granted, SettleRequest};
use crate::account::ledger::rate;
use crate::account::record::{RecordInput, known_cost, record};
use crate::account::refusals::{self, Refusals, Taken};
use crate::account::trace::TraceBody;
use crate::account::usage::{RequestRow, Requested, Source};
use crate::account::waiting::Duty;
use crate::catalog::NanoUsd;
use crate::route::pin::{Pin, Served, after_answer};
use crate::route::{Explanation, Plan, PlannedCall};
use crate::run::machine::{Machine, StageReport};
use crate::run::report::{Outcome, Report};
use crate::wire::headers::{self, TraceParent};
use crate::wire::json::RawJson;
use crate::wire::{ApiError, Call, Millis};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use worker::Env;

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
    trace: Option<TraceParent>,
    tap: Option<Rc<RefCell<Tap>>>,
    source: Option<Source>,
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
            trace: incoming.trace_parent(),
            tap: None,
            source: None,
        }
    }

    /// Marks the row as that of a test from the admin API.
    pub(super) fn of_test(self, source: Source) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    /// Keeps prompt and answer where the policy says so and the deployment can.
    pub(super) fn keeping_content(mut self) -> Self {
        if self.asked.grant.policy.retain_content && contents::missing(&self.incoming.env).is_none() {
            self.tap = Some(Rc::default());
        }
        self
    }

    /// What goes along with the request.
    pub(super) fn watch(&self) -> Watch {
        Watch {
            caller_gone: Some(self.incoming.caller_gone()),
            heartbeat: self.heartbeat(),
            trace: self
                .trace
                .clone()
                .map(|trace| (trace, self.incoming.request_id.clone())),
            depth: self.depth(),
            tap: self.tap.clone(),
        }
    }

    /// What upstreams are told of it: whatever a fusion asks, and whatever is asked on behalf of another router's.
    fn depth(&self) -> Option<u32> {
        let depth = self.incoming.depth;
        (depth > 0 || self.strategy == "fusion").then(|| depth.saturating_add(1))
    }

    /// Headers that do not depend on who answers: the session, and how much of the speed limits is left.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let rates = self.granted.iter().flat_map(|granted| rate::headers(&granted.rates));
        let session = self.asked.session();
        let session = session.map(|session| ("x-clawrouter-session".to_owned(), session.own_id().to_owned()));
        session.into_iter().chain(rates).collect()
    }

    /// Extends the reservation of a long stream.
    fn heartbeat(&self) -> Option<Heartbeat> {
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

    /// What is told of the request: its usage row and its trace.
    fn record(&self, explanation: Explanation, machine: &dyn Machine) -> (RequestRow, TraceBody) {
        let (incoming, asked) = (&self.incoming, &self.asked);
        let policy = &asked.grant.policy;
        record(RecordInput {
            requested: Requested {
                request_id: &incoming.request_id,
                arrived: incoming.received_at,
                ended: clock::now(),
                policy: policy.id.as_str(),
                kid: &asked.grant.key.kid,
                key_label: &asked.grant.key.label,
                model: &asked.call.model,
                stream: asked.call.stream,
                session: asked.session.as_ref().map(|(key, _)| key.as_str()),
                source: self.source,
            },
            reservation_id: &self.reservation_id,
            route: self.route.as_deref(),
            strategy: self.strategy,
            estimated_input_tokens: self.estimated_input_tokens,
            reserved: self.granted.as_ref().map_or(NanoUsd(0), |granted| granted.reserved),
            report: machine.report(),
            degraded: machine.degraded(),
            stages: &machine.stages(),
            explanation: Some(explanation),
            trace_id: self.trace.as_ref().map(|trace| trace.trace_id.as_str()),
            content: content::not_kept(
                policy.id.as_str(),
                policy.retain_content,
                contents::missing(&incoming.env),
            ),
        })
    }

    fn close(mut self, machine: &dyn Machine) -> NanoUsd {
        let explanation = std::mem::take(&mut self.explanation);
        let (row, trace) = self.record(explanation, machine);
        let Self {
            incoming,
            asked,
            previous_pin,
            granted,
            reservation_id,
            tap,
            ..
        } = self;
        let report = machine.report();
        statistics::write(&incoming.env, &row);
        let kept = tap.map(|tap| Kept::new(&incoming, &asked, &tap.borrow(), &reservation_id));
        let cost = row.cost_usd;
        verified(&machine.stages());
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
        let policy = asked.grant.policy.id.to_string();
        let (env, scope) = (incoming.env.clone(), asked.pin_scope());
        // Money is given back at once, and kept content is stored first; every other row waits for company.
        let rows = if settle.seq.is_none() && kept.is_none() {
            Rows::Wait(isolate::with_waiting(|waiting| {
                waiting.push(&policy, settle, clock::now())
            }))
        } else {
            Rows::Settle(Box::new(settle), kept)
        };
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
            futures::future::join(rows.send(&env, policy), stored).await;
            health::exchange(env).await;
        });
        cost
    }
}

/// How the rows of a request reach their Ledger.
enum Rows {
    /// With those of others.
    Wait(Duty),
    /// At once, the kept content before them.
    Settle(Box<SettleRequest>, Option<Kept>),
}

impl Rows {
    async fn send(self, env: &Env, policy: String) {
        match self {
            Self::Wait(duty) => ledger::send_waiting(env, duty).await,
            Self::Settle(mut settle, kept) => {
                if let (Some(kept), Some(trace)) = (kept, settle.trace.as_mut())
                    && contents::store(env, &kept.object, &kept.content, kept.until).await
                {
                    trace.content = content::kept(kept.object, kept.content.at, kept.days);
                }
                ledger::settle(env.clone(), policy, *settle).await;
            }
        }
    }
}

/// What will be stored of a request.
struct Kept {
    object: String,
    content: Content,
    days: u32,
    until: Millis,
}

impl Kept {
    fn new(incoming: &Incoming, asked: &Asked, tap: &Tap, reservation_id: &str) -> Self {
        let (at, days) = (incoming.received_at, asked.world.catalog.settings.content_days);
        let policy = asked.grant.policy.id.as_str();
        Self {
            object: content::object_name(policy, at, &incoming.request_id, reservation_id),
            content: Content {
                request_id: incoming.request_id.clone(),
                at,
                request: Side::of(&asked.call.body),
                response: tap.side(),
            },
            days,
            until: content::end(at, days),
        }
    }
}

/// How far a request came before it was refused.
#[derive(Default)]
pub(super) struct Progress {
    /// Whose genuine key it presented.
    pub(super) key: Option<Arc<KeyRecord>>,
    /// Days that rows are kept.
    pub(super) keep_days: u32,
    /// What it asked.
    pub(super) call: Option<Arc<Call>>,
    /// `<tenant>/<session>`
    pub(super) session: Option<String>,
    /// What was thought about it.
    pub(super) explanation: Option<Explanation>,
    /// A machine runs: its books tell the rest.
    pub(super) started: bool,
}

/// Leaves a row of a request that was refused before any call; a flood of them is only counted. Strangers leave nothing.
pub(super) fn refused(incoming: &Incoming, progress: Progress, error: &ApiError) {
    let Some(key) = progress.key.filter(|_| !progress.started) else {
        return;
    };
    let now = clock::now();
    let requested = Requested {
        request_id: &incoming.request_id,
        arrived: incoming.received_at,
        ended: now,
        policy: key.policy.as_str(),
        kid: &key.kid,
        key_label: &key.label,
        model: progress.call.as_ref().map_or("", |call| call.model.as_str()),
        stream: progress.call.as_ref().is_some_and(|call| call.stream),
        session: progress.session.as_deref(),
        source: None,
    };
    let row = refusals::row(&requested, error);
    statistics::write(&incoming.env, &row);
    let (env, keep_days) = (incoming.env.clone(), progress.keep_days.max(1));
    match isolate::with_refusals(|refusals| refusals.take(row, now)) {
        Taken::Write(row) => {
            let trace = TraceBody {
                // An explanation repeats the name that was asked for: one that a row must not hold has no place here either.
                explanation: progress
                    .explanation
                    .filter(|_| !row.requested_model.is_empty())
                    .map(|explanation| RawJson::of(&explanation)),
                trace_id: incoming.trace_parent().map(|trace| trace.trace_id),
                content: content::not_kept(key.policy.as_str(), false, None),
                ..TraceBody::default()
            };
            incoming.after_response(write_refusal(env, *row, Some(trace), keep_days));
        }
        Taken::CloseAfter(pause) => incoming.after_response(async move {
            clock::sleep(pause).await;
            let (rows, lost) = isolate::with_refusals(Refusals::close);
            if lost > 0 {
                worker::console_warn!("{lost} refused requests left no row: too many in a short time");
            }
            for row in rows {
                write_refusal(env.clone(), row, None, keep_days).await;
            }
        }),
        Taken::Counted => {}
    }
}

async fn write_refusal(env: Env, row: RequestRow, trace: Option<TraceBody>, keep_days: u32) {
    let policy = row.policy.clone();
    let request = SettleRequest {
        id: reservation_id(),
        seq: None,
        kid: row.kid.clone(),
        row: Some(Box::new(row)),
        trace: trace.map(Box::new),
        keep_days,
    };
    ledger::settle(env, policy, request).await;
}

/// An answer proves that its model works, an adviser's too.
fn verified(stages: &[StageReport<'_>]) {
    for served in stages.iter().filter_map(|stage| stage.report.served.as_ref()) {
        isolate::set_verified(served.model.clone(), clock::now());
    }
}

/// Who answered, for the session's pin; nobody when the request failed or the caller left.
fn served(report: &Report, cost: NanoUsd) -> Option<Served> {
    let served = report.served.as_ref().filter(|_| report.outcome == Outcome::Answered)?;
    Some(Served {
        target: served.model.clone(),
        credential: served.credential.clone(),
        fell_back: served.behind,
        cost,
        explanation: None,
    })
}
