//! A policy: what its keys may execute, what they may spend and how fast.

use crate::catalog::{NanoUsd, PolicyId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A policy document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Id.
    pub id: PolicyId,
    /// What may be used; a list that is absent allows everything of its sort.
    #[serde(default)]
    pub allow: PolicySet,
    /// What may not, whatever `allow` says.
    #[serde(default)]
    pub deny: PolicySet,
    /// Spending limits; every one of them holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// Speed limits of all its keys together.
    #[serde(default)]
    pub rate: RateLimit,
    /// Speed limits of each of its keys on its own.
    #[serde(default, skip_serializing_if = "RateLimit::is_none")]
    pub key_rate: RateLimit,
    /// Keep prompts and answers, encrypted, when storage is bound. Off by default.
    #[serde(default)]
    pub retain_content: bool,
    /// Credential labels or quota groups allowed per pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<String, Vec<String>>,
    /// Models tried, in order, after a directly named model fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<crate::catalog::ModelId>,
    /// Learned routing.
    #[serde(default)]
    pub learned: bool,
    /// False: every key of it is refused.
    #[serde(default = "super::provider::enabled")]
    pub enabled: bool,
}

/// Patterns with `*` over ids. `None` in `allow`: everything; `None` in `deny`: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySet {
    /// Over provider ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub providers: Option<Vec<String>>,
    /// Over model ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Over virtual models: `auto`, `fusion`, `fusion:<profile>`, `<route>`.
    #[serde(rename = "virtual", skip_serializing_if = "Option::is_none")]
    pub virtual_models: Option<Vec<String>>,
}

/// One spending limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Calendar window, UTC.
    pub window: BudgetWindow,
    /// Limit, dollars.
    #[serde(with = "crate::catalog::money::usd")]
    pub limit_usd: NanoUsd,
    /// Shared by the policy's keys, or each key its own.
    #[serde(default)]
    pub scope: BudgetScope,
    /// Hard: calls are refused. Soft: calls are counted and reported.
    #[serde(default = "super::provider::enabled")]
    pub hard: bool,
}

/// Calendar window, UTC; weeks begin on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetWindow {
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// For ever.
    Total,
}

/// Whose spending a budget counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// All keys of the policy together.
    #[default]
    Policy,
    /// Each key on its own.
    Key,
}

/// Speed limits; `None`: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimit {
    /// Requests a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u32>,
    /// Tokens a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Requests at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
}

impl RateLimit {
    /// True when nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
