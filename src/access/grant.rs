//! What a caller may do.

use crate::catalog::{NanoUsd, Policy};
use std::sync::Arc;

/// A caller's rights: the policy of the key it presented.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The key.
    pub key: KeyIdentity,
    /// Its policy.
    pub policy: Arc<Policy>,
    /// The least that any hard budget still has, as the Ledger last said; `None`: unknown or unlimited, which counts as fits.
    pub remaining: Option<NanoUsd>,
}

/// Which key was presented. The secret is not in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyIdentity {
    /// Key id, the public part.
    pub kid: String,
    /// Label for people.
    pub label: String,
    /// Who it belongs to.
    pub principal: Option<String>,
}
