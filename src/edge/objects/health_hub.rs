//! `HealthHub`: one object merges what isolates learned about credentials and targets. Called only after responses; if it is away,
//! nothing changes for anybody.

use super::client::{answer, question};
use crate::edge::{clock, config};
use crate::route::health::HealthKey;
use crate::route::health::hub::{HubReport, HubState};
use crate::route::health::verified::Verified;
use crate::wire::ApiError;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

/// Name of the one object.
pub(in crate::edge) const HUB: &str = "hub";

/// KV key of the slow facts that a cold isolate reads.
pub(in crate::edge) const DIGEST: &str = "health/digest";

/// Shortest time between two writes of the digest, milliseconds.
const WRITE_EVERY: u64 = 30_000;

/// `/reset`
#[derive(Serialize, Deserialize)]
pub(in crate::edge) struct Reset {
    /// States to forget.
    pub(in crate::edge) keys: Vec<HealthKey>,
}

/// The Durable Object.
#[durable_object]
pub struct HealthHub {
    state: State,
    env: Env,
    hub: RefCell<Option<HubState>>,
    written_at: Cell<u64>,
    written: RefCell<String>,
    verified: RefCell<String>,
}

impl DurableObject for HealthHub {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            hub: RefCell::default(),
            written_at: Cell::new(0),
            written: RefCell::default(),
            verified: RefCell::default(),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let (path, body) = question(request).await?;
        self.load().await;
        let now = clock::now();
        let reply = match path.as_str() {
            "/report" => {
                let report: HubReport = serde_json::from_str(&body)?;
                self.with_hub(|hub| answer(Ok(hub.report(&report, now))))
            }
            "/reset" => {
                let reset: Reset = serde_json::from_str(&body)?;
                self.with_hub(|hub| reset.keys.iter().for_each(|key| hub.reset(key, now)));
                answer(Ok(reset.keys.len()))
            }
            _ => answer::<()>(Err(ApiError::not_found(
                "the HealthHub object has no such path".to_owned(),
            ))),
        };
        self.keep_verified().await;
        self.publish().await;
        reply
    }
}

impl HealthHub {
    fn with_hub<T>(&self, f: impl FnOnce(&mut HubState) -> T) -> T {
        f(self.hub.borrow_mut().get_or_insert_with(HubState::default))
    }

    /// After a restart the slow facts come back from storage; fast ones have expired by then.
    async fn load(&self) {
        if self.hub.borrow().is_none() {
            let stored: Option<String> = self.state.storage().get("slow").await.ok().flatten();
            let facts = stored
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default();
            let mut hub = HubState::default();
            let stored = HubReport {
                facts,
                revision: self.state.storage().get("revision").await.ok().flatten(),
                verified: self.stored_verified().await,
                ..HubReport::default()
            };
            hub.report(&stored, clock::now());
            self.hub.replace(Some(hub));
        }
    }

    async fn stored_verified(&self) -> Verified {
        let stored: Option<String> = self.state.storage().get("verified").await.ok().flatten();
        stored
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// Which models answered, to storage: a new one at once, the others once an hour.
    async fn keep_verified(&self) {
        let coarse = self.with_hub(|hub| serde_json::to_string(&hub.verified().coarse()).unwrap_or_default());
        if coarse == *self.verified.borrow() {
            return;
        }
        let text = self.with_hub(|hub| serde_json::to_string(hub.verified()).unwrap_or_default());
        if self.state.storage().put("verified", &text).await.is_ok() {
            self.verified.replace(coarse);
        }
    }

    /// Slow facts to storage and KV when they changed, at most every 30 s (KV takes one write a second for a key).
    async fn publish(&self) {
        let now = clock::now();
        if now.0.saturating_sub(self.written_at.get()) < WRITE_EVERY {
            return;
        }
        let digest = self.with_hub(|hub| serde_json::to_string(&hub.digest(now)).unwrap_or_default());
        if digest == *self.written.borrow() {
            return;
        }
        self.written_at.set(now.0);
        self.written.replace(digest.clone());
        let _ = self.state.storage().put("slow", &digest).await;
        let _ = self
            .state
            .storage()
            .put("revision", self.with_hub(|hub| hub.revision()))
            .await;
        if let Ok(put) = self
            .env
            .kv(config::KV)
            .and_then(|kv| kv.put(DIGEST, &digest).map_err(Into::into))
        {
            let _ = put.execute().await;
        }
    }
}
