//! What isolates and Ledgers must still be told: the catalog's snapshot and key records.
//!
//! A change is owed in the same write that stores it, and the debt is forgotten only when it was paid: neither a failing KV nor the
//! death of this object can leave a revoked key at work.

use super::Registry;
use crate::access::key::KeyRecord;
use crate::account::ledger::query::{PauseRequest, RevokeRequest};
use crate::edge::objects::client;
use crate::edge::{clock, config};
use crate::wire::Millis;
use futures::future::{Either, join_all, select};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use worker::Result;

/// The debt that stands for the catalog's snapshot; every other one is `key/<kid>`, its name in KV, or `policy/<id>`.
pub(super) const SNAPSHOT: &str = "snapshot";

/// KV takes one write a second for a key.
const PUBLISH_EVERY: u64 = 1_000;

/// The first repetition of a failed publication; doubled up to [`RETRY_MOST`].
const RETRY: Duration = Duration::from_secs(2);

/// Pause between repetitions at most: with the 60 s that readers may lag behind, the longest that a short trouble adds.
const RETRY_MOST: Duration = Duration::from_secs(30);

/// Debts paid at once.
const AT_ONCE: u32 = 50;

/// How long one publication may take before it counts as failed.
const PATIENCE: Millis = Millis(5_000);

/// Something that is owed, as of its latest change.
#[derive(Deserialize)]
struct Debt {
    name: String,
    change: f64,
}

/// What came of a debt.
enum Paid {
    Now,
    /// Not yet allowed.
    Later,
}

impl Registry {
    /// Notes that `name` must be published. Part of the write that made it necessary.
    pub(super) fn owe(&self, name: &str) -> Result<()> {
        self.store().run(
            "INSERT OR REPLACE INTO unpublished (name, change) \
             VALUES (?1, COALESCE((SELECT change FROM unpublished WHERE name = ?1), 0) + 1)",
            vec![name.into()],
        )
    }

    /// Publishes what is owed. What cannot be published now is left to the alarm.
    pub(super) async fn pay_debts(&self) -> Result<()> {
        if self.debts()?.is_empty() {
            return Ok(());
        }
        // Set before anything is tried: an object that dies now is woken again.
        self.wake_within(RETRY).await?;
        let _turn = self.publishing.lock().await;
        let debts = self.debts()?;
        let is_full = debts.len() >= AT_ONCE as usize;
        let outcomes = join_all(debts.iter().map(|debt| self.pay(debt))).await;
        let (mut failed, mut later) = (false, is_full);
        for (debt, outcome) in debts.iter().zip(outcomes) {
            match outcome {
                // A change that came meanwhile made another debt of it.
                Ok(Paid::Now) => self.store().run(
                    "DELETE FROM unpublished WHERE name = ? AND change = ?",
                    vec![debt.name.as_str().into(), debt.change.into()],
                )?,
                Ok(Paid::Later) => later = true,
                Err(error) => {
                    worker::console_error!("{} was not published and will be again: {error}", debt.name);
                    failed = true;
                }
            }
        }
        if failed {
            let failures = self.failures.get().saturating_add(1);
            self.failures.set(failures);
            let pause = RETRY.saturating_mul(1 << failures.saturating_sub(1).min(8));
            return self.wake_within(pause.min(RETRY_MOST)).await;
        }
        self.failures.set(0);
        if later {
            self.wake_within(Duration::from_millis(PUBLISH_EVERY)).await?;
        }
        Ok(())
    }

    /// Sets the alarm unless it rings earlier anyway.
    pub(super) async fn wake_within(&self, pause: Duration) -> Result<()> {
        let storage = self.state.storage();
        let at = i64::try_from(clock::now().0)
            .unwrap_or(i64::MAX)
            .saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        match storage.get_alarm().await? {
            Some(set) if set <= at => Ok(()),
            _ => storage.set_alarm(pause).await,
        }
    }

    /// The newest first: what was revoked just now does not wait behind what has failed for long.
    fn debts(&self) -> Result<Vec<Debt>> {
        self.state
            .storage()
            .sql()
            .exec(
                "SELECT name, change FROM unpublished ORDER BY rowid DESC LIMIT ?",
                vec![f64::from(AT_ONCE).into()],
            )?
            .to_array()
    }

    async fn pay(&self, debt: &Debt) -> Result<Paid> {
        if let Some(policy) = debt.name.strip_prefix("policy/") {
            self.tell_policy(policy).await?;
            return Ok(Paid::Now);
        }
        if debt.name != SNAPSHOT {
            return self.pay_key(&debt.name).await;
        }
        if clock::now().0.saturating_sub(self.published_at.get()) < PUBLISH_EVERY {
            return Ok(Paid::Later);
        }
        within(self.publish_snapshot()).await?;
        Ok(Paid::Now)
    }

    /// The Ledger first: what reserves is then refused at once, whatever KV does. KV even when the Ledger is away: both must have taken it.
    async fn pay_key(&self, name: &str) -> Result<Paid> {
        let kid = name.strip_prefix("key/").unwrap_or(name);
        let record: Option<KeyRecord> = self
            .store()
            .one("SELECT row FROM keys WHERE kid = ?", vec![kid.into()])?;
        let Some(record) = record else {
            return Ok(Paid::Now);
        };
        let told = self.tell_ledger(&record).await;
        let json = serde_json::to_string(&record)?;
        let put = self.env.kv(config::KV)?.put(name, json)?;
        within(async { Ok(put.execute().await?) }).await?;
        told?;
        Ok(Paid::Now)
    }

    /// A key that was never changed is nothing that its Ledger must know of.
    async fn tell_ledger(&self, record: &KeyRecord) -> Result<()> {
        let (policy, kid) = (record.policy.as_str(), record.kid.clone());
        if let Some(at) = record.revoked_at {
            return self.ask_ledger(policy, "/revoke", &RevokeRequest { kid, at }).await;
        }
        if record.enabled && record.revision <= 1 {
            return Ok(());
        }
        let told = PauseRequest {
            kid: Some(kid),
            paused: !record.enabled,
        };
        self.ask_ledger(policy, "/pause", &told).await
    }

    /// Whether its keys may reserve; a policy that is gone has none, and one of that name may come.
    async fn tell_policy(&self, id: &str) -> Result<()> {
        let enabled = self.with_documents(|documents| {
            let mut policies = documents.documents().policies.into_iter();
            policies
                .find(|policy| policy.id.as_str() == id)
                .is_none_or(|policy| policy.enabled)
        });
        let told = PauseRequest {
            kid: None,
            paused: !enabled,
        };
        self.ask_ledger(id, "/pause", &told).await
    }

    async fn ask_ledger(&self, policy: &str, path: &str, told: &impl Serialize) -> Result<()> {
        let asked = client::call::<_, IgnoredAny>(&self.env, config::LEDGER, policy, path, told);
        within(async {
            asked
                .await
                .map(drop)
                .map_err(|error| worker::Error::RustError(format!("{error:?}")))
        })
        .await
    }

    /// Snapshot first, pointer second: a reader of the pointer finds what it names.
    async fn publish_snapshot(&self) -> Result<()> {
        let snapshot = self.snapshot()?;
        self.published_at.set(clock::now().0);
        let kv = self.env.kv(config::KV)?;
        kv.put(&format!("snapshot/{}", snapshot.revision), snapshot.to_json())?
            .execute()
            .await?;
        kv.put("snapshot/current", snapshot.revision.to_string())?
            .execute()
            .await?;
        Ok(())
    }
}

async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let (work, limit) = (std::pin::pin!(work), std::pin::pin!(clock::sleep(PATIENCE)));
    match select(work, limit).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err("no answer in time".into()),
    }
}
