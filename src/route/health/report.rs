//! Health as the admin page sees it (`GET health/targets`), and the operator's reset.

use super::{Gate, Health, HealthFact, HealthKey};
use crate::catalog::{Catalog, Credential, CredentialId, ModelId, PoolId, Vault};
use crate::route::host_of;
use crate::wire::Millis;
use crate::wire::time::rfc3339;
use serde::Serialize;

/// The body of `GET /admin/api/health/targets`, but for `isolate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HealthReport {
    /// When it was written.
    pub as_of: String,
    /// Targets that were called or are cooling.
    pub targets: Vec<TargetReport>,
    /// Every pool with its credentials.
    pub pools: Vec<PoolReport>,
}

/// One target.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TargetReport {
    /// `provider/model`.
    pub target: String,
    /// Its state.
    #[serde(flatten)]
    pub state: StateReport,
    /// Failed trials in a row.
    pub strikes: u32,
    /// Median time to the first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_p50_ms: Option<Millis>,
    /// Share of failed attempts, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<f64>,
    /// Calls running now.
    pub in_flight: u32,
}

/// A gate in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StateReport {
    /// `ready`, `cooling`, `probing`, `dead`.
    pub state: &'static str,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// Until when, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// One pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PoolReport {
    /// Its id.
    pub pool: String,
    /// Its strategy's word.
    pub strategy: serde_json::Value,
    /// Its credentials in configured order.
    pub credentials: Vec<CredentialReport>,
}

/// One credential. Neither its value nor a part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CredentialReport {
    /// Label.
    pub label: String,
    /// First eight digits of its fingerprint.
    pub id8: String,
    /// Its state for every model.
    #[serde(flatten)]
    pub state: StateReport,
    /// Failed trials in a row.
    pub strikes: u32,
    /// Calls running now.
    pub in_flight: u32,
    /// States for single models.
    pub models: Vec<ModelStateReport>,
    /// Last success, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_ok_at: Option<String>,
}

/// State of a credential for one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelStateReport {
    /// The model.
    pub model: String,
    /// Its state.
    #[serde(flatten)]
    pub state: StateReport,
}

impl StateReport {
    fn of(gate: Gate) -> Self {
        Self {
            state: gate.as_str(),
            class: gate.class().map(super::FailureClass::as_str),
            until: gate.until().map(rfc3339),
        }
    }
}

impl Health {
    /// Everything an operator wants to see.
    pub fn report(&self, catalog: &Catalog, vault: &Vault, now: Millis) -> HealthReport {
        let mut targets: std::collections::BTreeSet<&ModelId> = self.targets.keys().collect();
        targets.extend(self.cooldowns.keys().filter_map(|key| match key {
            HealthKey::Target(model) => Some(model),
            _ => None,
        }));
        HealthReport {
            as_of: rfc3339(now),
            targets: targets
                .into_iter()
                .map(|target| self.target_report(catalog, vault, target, now))
                .collect(),
            pools: catalog
                .pools
                .values()
                .map(|pool| PoolReport {
                    pool: pool.id.to_string(),
                    strategy: serde_json::to_value(pool.strategy).unwrap_or_default(),
                    credentials: vault
                        .pools
                        .get(&pool.id)
                        .into_iter()
                        .flatten()
                        .map(|credential| self.credential_report(credential, now))
                        .collect(),
                })
                .collect(),
        }
    }

    fn target_report(&self, catalog: &Catalog, vault: &Vault, target: &ModelId, now: Millis) -> TargetReport {
        let provider = target
            .as_str()
            .split_once('/')
            .and_then(|(provider, _)| catalog.providers.get(provider));
        let host = provider.map(|provider| host_of(provider, vault)).unwrap_or_default();
        let stats = self.targets.get(target);
        TargetReport {
            target: target.to_string(),
            state: StateReport::of(self.target_gate(target, &host, now)),
            strikes: self.strikes(&HealthKey::Target(target.clone()), now),
            ttft_p50_ms: stats.and_then(|stats| {
                stats
                    .ttft
                    .iter()
                    .max_by_key(|quantiles| quantiles.samples())?
                    .quantile(500)
            }),
            error_rate: stats
                .filter(|stats| stats.error_rate.samples > 0)
                .map(|stats| stats.error_rate.value),
            in_flight: stats.map_or(0, |stats| stats.in_flight),
        }
    }

    fn credential_report(&self, credential: &Credential, now: Millis) -> CredentialReport {
        let own = HealthKey::Credential(credential.id.clone());
        let stats = self.credentials.get(&credential.id);
        let models = self.cooldowns.iter().filter_map(|(key, entry)| match key {
            HealthKey::CredentialModel(id, model) if *id == credential.id && !entry.forgotten(now) => {
                let word = StateReport::of(entry.gate(now));
                Some(ModelStateReport {
                    model: model.to_string(),
                    state: word,
                })
            }
            _ => None,
        });
        CredentialReport {
            label: credential.label.clone(),
            id8: credential.id.0.chars().take(8).collect(),
            state: StateReport::of(self.gate(&own, now)),
            strikes: self.strikes(&own, now),
            in_flight: stats.map_or(0, |stats| stats.in_flight),
            models: models.collect(),
            last_ok_at: stats.and_then(|stats| stats.last_ok_at).map(rfc3339),
        }
    }

    fn strikes(&self, key: &HealthKey, now: Millis) -> u32 {
        self.cooldowns
            .get(key)
            .filter(|entry| !entry.forgotten(now))
            .map_or(0, |entry| entry.strikes)
    }

    /// Forgets the states of a pool's credentials (of one `label`, when given). Returns how many were cleared.
    pub fn reset_pool(&mut self, vault: &Vault, pool: &PoolId, label: Option<&str>, now: Millis) -> usize {
        let members: Vec<&Credential> = vault.pools.get(pool).into_iter().flatten().collect();
        let members: Vec<&Credential> = members
            .into_iter()
            .filter(|credential| label.is_none_or(|label| credential.label == label))
            .collect();
        let is_member = |id: &CredentialId| members.iter().any(|credential| credential.id == *id);
        let in_group = |group: &str| {
            members
                .iter()
                .any(|credential| credential.quota_group.as_deref() == Some(group))
        };
        self.reset_where(now, |key| match key {
            HealthKey::Credential(id) | HealthKey::CredentialModel(id, _) | HealthKey::Ceiling(Some(id), _) => {
                is_member(id)
            }
            HealthKey::Group(group, _) => in_group(group),
            HealthKey::Target(_) | HealthKey::Host(_) | HealthKey::Ceiling(None, _) => false,
        })
    }

    /// Forgets the state of a target: its breaker, its ceilings, its refused parameters and what credentials know of it; and of its
    /// `host`, when given. Returns how many were cleared.
    pub fn reset_target(&mut self, target: &ModelId, host: Option<&str>, now: Millis) -> usize {
        let before = self.unsupported.len();
        self.unsupported.retain(|(model, _), _| model != target);
        if let Some(stats) = self.targets.get_mut(target) {
            stats.give_ups = 0;
            stats.window = super::stats::Window::default();
        }
        let parameters = before - self.unsupported.len();
        let states = self.reset_where(now, |key| match key {
            HealthKey::Target(model)
            | HealthKey::CredentialModel(_, model)
            | HealthKey::Group(_, model)
            | HealthKey::Ceiling(_, model) => model == target,
            HealthKey::Host(other) => host == Some(other.as_str()),
            HealthKey::Credential(_) => false,
        });
        parameters + states
    }

    /// The catalog or a secret changed: what only such a change can repair is tried again.
    pub fn forget_hard(&mut self, now: Millis) -> usize {
        let hard: Vec<HealthKey> = self
            .cooldowns
            .iter()
            .filter(|(_, entry)| entry.dead || entry.class.rule().hard)
            .map(|(key, _)| key.clone())
            .collect();
        self.reset_where(now, |key| hard.contains(key))
    }

    fn reset_where(&mut self, now: Millis, which: impl Fn(&HealthKey) -> bool) -> usize {
        let mut cleared: Vec<HealthFact> = Vec::new();
        self.cooldowns.retain(|key, entry| {
            let gone = which(key);
            if gone {
                cleared.push(HealthFact::cleared(key, entry, now));
            }
            !gone
        });
        self.ceilings.retain(|key, ceiling| {
            let gone = which(key);
            if gone {
                cleared.push(HealthFact {
                    news: super::fact::News::Cleared,
                    ..HealthFact::ceiling(key, ceiling.tokens, ceiling.until, now)
                });
            }
            !gone
        });
        self.groups.retain(|key, _| !which(key));
        let count = cleared.len();
        for fact in cleared {
            self.tell(fact);
        }
        count
    }
}
