//! Health as numbers for a monitor: what is cooling, at which level and why, and how each target's breaker stands.

use super::{Gate, Health, HealthKey};
use crate::catalog::{Catalog, Vault};
use crate::wire::Millis;
use std::collections::BTreeMap;

/// Targets whose breaker is told; the ids that come first.
pub const MAX_TARGETS: usize = 1000;

/// What one isolate knows, which the hub keeps close to what all know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// By level, state and class.
    pub cooling: BTreeMap<(&'static str, &'static str, &'static str), Cooling>,
    /// Target and how its breaker stands, with that of its host.
    pub breakers: Vec<(String, &'static str)>,
    /// Time since this isolate last heard from the hub; `None`: it never did.
    pub hub_lag: Option<Millis>,
}

/// Keys of one level, state and class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cooling {
    /// How many.
    pub keys: u64,
    /// Time until the last of them may be used again; zero when that is not known.
    pub longest: Millis,
}

impl Health {
    /// What a monitor wants to see.
    pub fn gauges(&self, catalog: &Catalog, vault: &Vault, now: Millis) -> Gauges {
        let mut gauges = Gauges::default();
        for (key, entry) in &self.cooldowns {
            let gate = entry.gate(now);
            let (Some(level), Some(class)) = (level(key), gate.class()) else {
                continue;
            };
            // A cooldown that is over waits for somebody to try: nothing is kept from use.
            if matches!(gate, Gate::Probe { .. }) {
                continue;
            }
            let place = (level, gate.as_str(), class.as_str());
            let cooling = gauges.cooling.entry(place).or_default();
            cooling.keys += 1;
            cooling.longest = cooling.longest.max(gate.until().unwrap_or_default().since(now));
        }
        let targets = self.report(catalog, vault, now).targets.into_iter();
        gauges.breakers = targets
            .take(MAX_TARGETS)
            .map(|target| (target.target, target.state.state))
            .collect();
        gauges
    }
}

/// The word of a key's level; learned context ceilings are no cooldowns.
fn level(key: &HealthKey) -> Option<&'static str> {
    match key {
        HealthKey::Credential(_) => Some("credential"),
        HealthKey::CredentialModel(..) => Some("credential_model"),
        HealthKey::Group(..) => Some("quota_group"),
        HealthKey::Target(_) => Some("target"),
        HealthKey::Host(_) => Some("host"),
        HealthKey::Ceiling(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{CredentialId, ModelId};
    use crate::route::health::{Dispatch, Failure, FailureClass};

    fn failed(health: &mut Health, credential: &str, class: FailureClass, hint: Option<Millis>, now: Millis) {
        let dispatch = Dispatch {
            target: ModelId::parse("p/m").unwrap(),
            credential: Some(CredentialId(credential.to_owned())),
            host: "p.example".to_owned(),
            quota_group: None,
            estimated_tokens: 10,
            started_at: now,
        };
        let failure = Failure {
            class,
            hint,
            ceiling: None,
            suspected: false,
            gave_up: true,
            sole: false,
            jitter: 0.0,
        };
        health.begin(&dispatch);
        health.record_failure(&dispatch, &failure, now);
    }

    #[test]
    fn what_cools_is_counted_by_level_state_and_class() {
        let (now, wait) = (Millis(100_000), Some(Millis(30_000)));
        let mut health = Health::default();
        failed(&mut health, "a", FailureClass::RateLimit, wait, now);
        failed(&mut health, "b", FailureClass::RateLimit, Some(Millis(20_000)), now);
        failed(&mut health, "c", FailureClass::Auth, None, now);
        let read = |now: Millis| {
            let gauges = health.gauges(&Catalog::default(), &Vault::default(), now);
            let cooling = gauges.cooling.into_iter();
            let cooling: Vec<_> = cooling
                .map(|((level, state, class), told)| (level, state, class, told.keys, told.longest.0))
                .collect();
            (cooling, gauges.breakers)
        };
        let (cooling, breakers) = read(now);
        let limited = cooling.iter().find(|told| told.2 == "rate_limit");
        assert_eq!(limited, Some(&("credential_model", "cooling", "rate_limit", 2, 30_000)));
        assert!(
            cooling.iter().any(|told| told.0 == "credential" && told.2 == "auth"),
            "{cooling:?}"
        );
        assert_eq!(breakers, [("p/m".to_owned(), "ready")]);
        let later = read(Millis(125_000)).0;
        let limited = later.iter().find(|told| told.2 == "rate_limit").unwrap();
        assert_eq!((limited.3, limited.4), (1, 5_000), "only what still cools");
        let broken = HealthKey::Ceiling(None, ModelId::parse("p/m").unwrap());
        assert_eq!(level(&broken), None);
    }
}
