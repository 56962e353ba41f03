//! How much is remembered, and what goes first when the memory is full.
//!
//! It must not know what an entry means beyond when it ends and when it was used.

use super::Health;
use super::stats::{CredentialStats, TargetStats};
use crate::catalog::{CredentialId, ModelId};
use crate::wire::Millis;
use std::collections::BTreeMap;

/// Most cooldowns, ceilings and memos together.
pub const MAX_ENTRIES: usize = 4096;

/// Most targets and most credentials whose figures are kept.
pub(super) const MAX_STATS: usize = 1024;

impl Health {
    pub(super) fn target_stats(&mut self, target: &ModelId, now: Millis) -> &mut TargetStats {
        if self.targets.len() >= MAX_STATS && !self.targets.contains_key(target) {
            drop_idle(&mut self.targets, |stats| (stats.in_flight > 0, stats.used_at));
        }
        let stats = self.targets.entry(target.clone()).or_default();
        stats.used_at = now;
        stats
    }

    pub(super) fn credential_stats(&mut self, id: &CredentialId, now: Millis) -> &mut CredentialStats {
        if self.credentials.len() >= MAX_STATS && !self.credentials.contains_key(id) {
            drop_idle(&mut self.credentials, |stats| (stats.in_flight > 0, stats.used_at));
        }
        let stats = self.credentials.entry(id.clone()).or_default();
        stats.used_at = now;
        stats
    }

    /// Entries kept, all sorts together.
    pub fn entries(&self) -> usize {
        self.cooldowns.len() + self.ceilings.len() + self.unsupported.len()
    }

    /// Evicts when full: what has expired first, then what ends soonest.
    pub(super) fn make_room(&mut self, now: Millis) {
        if self.entries() < MAX_ENTRIES {
            return;
        }
        self.cooldowns.retain(|_, entry| entry.dead || now < entry.until);
        self.ceilings.retain(|_, ceiling| now < ceiling.until);
        self.unsupported.retain(|_, until| now < *until);
        // An eighth at a time, so that a full memory does not sort on every failure.
        if self.entries() >= MAX_ENTRIES {
            drop_soonest(&mut self.cooldowns, |entry| (entry.dead, entry.until));
            drop_soonest(&mut self.ceilings, |ceiling| ceiling.until);
            drop_soonest(&mut self.unsupported, |until| *until);
        }
    }
}

/// Drops the eighth that ends soonest, at least one.
fn drop_soonest<K: Ord, V, E: Ord + Copy>(map: &mut BTreeMap<K, V>, end: impl Fn(&V) -> E) {
    let mut ends: Vec<E> = map.values().map(&end).collect();
    ends.sort_unstable();
    if let Some(last) = ends.get(ends.len() / 8).copied() {
        map.retain(|_, value| end(value) > last);
    }
}

/// Drops the older half of what is not in use.
fn drop_idle<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, used: impl Fn(&V) -> (bool, Millis)) {
    let mut idle: Vec<Millis> = map
        .values()
        .map(&used)
        .filter(|(busy, _)| !busy)
        .map(|(_, at)| at)
        .collect();
    idle.sort_unstable();
    let median = idle.get(idle.len() / 2).copied().unwrap_or_default();
    map.retain(|_, value| {
        let (busy, at) = used(value);
        busy || at > median
    });
}
