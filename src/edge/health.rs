//! What this isolate learned goes to the hub after responses, what others learned comes back; nobody waits for either.

use super::incoming::Incoming;
use super::objects::client;
use super::objects::health_hub::{DIGEST, HUB};
use super::{clock, config, isolate};
use crate::route::health::HealthFact;
use crate::route::health::hub::{HubReply, HubReport, visit_is_due};
use crate::wire::Millis;
use futures::channel::oneshot;
use futures::future::select;
use std::cell::Cell;
use worker::Env;

/// How long an answer waits for what others learned.
const PATIENCE: Millis = Millis(500);

thread_local! {
    static ISOLATE: u64 = clock::seed();
    static VISIT: Cell<Visit> =
        const { Cell::new(Visit { at: Millis(0), version: 0, heard: Millis(0), answered: None, under_way: false }) };
}

#[derive(Clone, Copy)]
struct Visit {
    at: Millis,
    version: u64,
    heard: Millis,
    /// When the hub last answered.
    answered: Option<Millis>,
    under_way: bool,
}

/// Tells the hub what is new and hears what others know, when that is due.
pub(super) async fn exchange(env: Env) {
    let visit = VISIT.get();
    let now = clock::now();
    if !visit_is_due(visit.at, visit.under_way, now) {
        return;
    }
    let facts = isolate::with_health(crate::route::Health::drain_transitions);
    VISIT.set(Visit {
        at: now,
        under_way: true,
        ..visit
    });
    let report = HubReport {
        facts,
        since: visit.version,
        revision: isolate::revision(),
        isolate: Some(ISOLATE.with(|isolate| *isolate)),
        verified: isolate::with_verified(|verified| verified.since(visit.at)),
        heard: visit.heard,
    };
    let reply: Result<HubReply, _> = client::call(&env, config::HEALTH_HUB, HUB, "/report", &report).await;
    let version = reply.as_ref().map_or(visit.version, |reply| reply.version);
    let (mut heard, mut answered) = (visit.heard, visit.answered);
    if let Ok(reply) = reply {
        answered = Some(clock::now());
        heard = reply.verified.newest().map_or(heard, |(_, at)| at.max(heard));
        isolate::with_verified(|verified| verified.merge(&reply.verified, clock::now()));
        isolate::with_health(|health| {
            health.merge(&reply.facts, clock::now());
            health.record_isolates(reply.isolates, clock::now());
        });
    }
    VISIT.set(Visit {
        at: now,
        version,
        heard,
        answered,
        under_way: false,
    });
}

/// As [`exchange`], before an answer that shows what others learned; a hub that is away delays it by half a second.
pub(super) async fn hear(incoming: &Incoming) {
    let (sender, heard) = oneshot::channel();
    let env = incoming.env.clone();
    incoming.after_response(async move {
        exchange(env).await;
        let _ = sender.send(());
    });
    let patience = std::pin::pin!(clock::sleep(PATIENCE));
    let _ = select(heard, patience).await;
}

/// Time since this isolate last heard from the hub; `None`: it never did.
pub(super) fn hub_lag(now: Millis) -> Option<Millis> {
    VISIT.get().answered.map(|answered| now.since(answered))
}

/// What a cold isolate should know before its first request: one read beside the catalog's, and no harm when it fails.
pub(super) async fn learn_digest(env: &Env) {
    let Ok(kv) = env.kv(config::KV) else { return };
    let Ok(Some(text)) = kv.get(DIGEST).cache_ttl(30).text().await else {
        return;
    };
    if let Ok(facts) = serde_json::from_str::<Vec<HealthFact>>(&text) {
        isolate::with_health(|health| health.merge(&facts, clock::now()));
    }
}
