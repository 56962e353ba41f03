//! A credential pool: which secrets pay for a provider and in what order.

use crate::catalog::PoolId;
use serde::{Deserialize, Serialize};

/// A pool document. Values are never in it: it names secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Id.
    pub id: PoolId,
    /// How a credential is chosen.
    #[serde(default)]
    pub strategy: PoolStrategy,
    /// Whether a session keeps its credential.
    #[serde(default)]
    pub sticky: Stickiness,
    /// Named credentials, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<PoolKey>,
    /// A secret's name, expanded to its forms (`KEY`, `KEYS`, `KEY_POOL`, `KEY_<n>`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discover: Option<String>,
}

/// How a credential is chosen among the usable ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolStrategy {
    /// Configured order.
    #[default]
    FillFirst,
    /// In turn, smooth-weighted.
    RoundRobin,
    /// By weight, at random.
    Random,
    /// The less busy of two.
    LeastUsed,
    /// The one with most quota left by its last headers.
    MostRemaining,
}

/// Whether a session keeps its credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stickiness {
    /// The strategy decides each time.
    None,
    /// Weighted rendezvous hashing of the session id.
    #[default]
    Session,
}

/// One credential of a pool. Exactly one of `secret`, `store`, `sealed` says where its value is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolKey {
    /// Label for people.
    pub label: String,
    /// Worker secret by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Secrets Store binding by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// True: the value was typed into the admin page and is sealed in the Registry under this pool and label.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sealed: bool,
    /// Share of traffic.
    #[serde(default = "one")]
    pub weight: u32,
    /// Credentials of one organisation share rate limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_group: Option<String>,
    /// Model patterns it may serve; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Local requests-per-minute bound; 0: none.
    #[serde(default)]
    pub rpm: u32,
    /// Local tokens-per-minute bound; 0: none.
    #[serde(default)]
    pub tpm: u32,
}

fn one() -> u32 {
    1
}
