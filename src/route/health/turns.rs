//! Whose turn it is in a pool: smooth weighted round robin.
//!
//! It must not know why a credential is usable.

use super::eviction::MAX_STATS;
use crate::catalog::{CredentialId, PoolId};
use std::collections::BTreeMap;

/// What each credential of each pool has to its credit.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    pools: BTreeMap<PoolId, BTreeMap<CredentialId, i64>>,
}

impl Turns {
    /// The next credential of `pool` among `usable` (id, weight).
    pub(super) fn next(&mut self, pool: &PoolId, usable: &[(&CredentialId, u32)], seed: u64) -> Option<CredentialId> {
        let fresh = !self.pools.contains_key(pool);
        if fresh && self.pools.len() >= MAX_STATS {
            self.pools.clear();
        }
        let credits = self.pools.entry(pool.clone()).or_default();
        credits.retain(|id, _| usable.iter().any(|(other, _)| *other == id));
        // Isolates begin at different places, or they would all burn the first credential together.
        let skipped = if fresh { seed % 61 } else { 0 };
        let mut chosen = None;
        for _ in 0..=skipped {
            chosen = turn(credits, usable);
        }
        chosen
    }
}

/// Everybody earns its weight; who has most is served and pays for all.
fn turn(credits: &mut BTreeMap<CredentialId, i64>, usable: &[(&CredentialId, u32)]) -> Option<CredentialId> {
    let total: i64 = usable.iter().map(|(_, weight)| i64::from(*weight)).sum();
    for (id, weight) in usable {
        *credits.entry((*id).clone()).or_default() += i64::from(*weight);
    }
    // The first of equals in pool order.
    let mut best: Option<(&CredentialId, i64)> = None;
    for (id, _) in usable {
        let credit = credits.get(*id).copied().unwrap_or_default();
        if best.is_none_or(|(_, highest)| credit > highest) {
            best = Some((id, credit));
        }
    }
    let chosen = best?.0.clone();
    if let Some(credit) = credits.get_mut(&chosen) {
        *credit -= total;
    }
    Some(chosen)
}
