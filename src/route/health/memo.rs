//! What was learned about a target without blaming anybody: how long a context it takes, which parameters it refuses.

use super::{Health, HealthFact, HealthKey};
use crate::catalog::{CredentialId, ModelId};
use crate::wire::Millis;

/// First life of a learned ceiling.
const CEILING_LIFE: Millis = Millis(600_000);

/// First life of a ceiling that is only suspected: as long as its evidence is fresh.
const SUSPICION_LIFE: Millis = Millis(60_000);

/// Longest life of a learned ceiling.
const CEILING_LIFE_MAX: Millis = Millis(6 * 3_600_000);

/// How long a refused parameter is remembered.
const PARAMETER_LIFE: Millis = Millis(3_600_000);

/// A learned context ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ceiling {
    /// Input tokens that are taken.
    pub(super) tokens: u64,
    /// Forgotten then.
    pub(super) until: Millis,
    /// Length of this life.
    pub(super) life: Millis,
}

impl Health {
    /// Input tokens that this credential takes for this model, as far as failures taught; `None`: nothing learned.
    pub fn ceiling(&self, credential: Option<&CredentialId>, model: &ModelId, now: Millis) -> Option<u64> {
        if self.ceilings.is_empty() {
            return None;
        }
        let live = |key: &HealthKey| {
            self.ceilings
                .get(key)
                .filter(|ceiling| now < ceiling.until)
                .map(|c| c.tokens)
        };
        let personal = credential.and_then(|id| live(&HealthKey::Ceiling(Some(id.clone()), model.clone())));
        let general = live(&HealthKey::Ceiling(None, model.clone()));
        match (personal, general) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Remembers a ceiling; learning it again doubles its life.
    pub fn learn_ceiling(&mut self, model: &ModelId, credential: Option<&CredentialId>, tokens: u64, now: Millis) {
        self.keep_ceiling(model, credential, tokens, CEILING_LIFE, now);
    }

    /// Remembers for a minute a ceiling that nobody named; suspecting it again doubles that.
    pub(super) fn suspect_ceiling(
        &mut self,
        model: &ModelId,
        credential: Option<&CredentialId>,
        tokens: u64,
        now: Millis,
    ) {
        self.keep_ceiling(model, credential, tokens, SUSPICION_LIFE, now);
    }

    fn keep_ceiling(
        &mut self,
        model: &ModelId,
        credential: Option<&CredentialId>,
        tokens: u64,
        first_life: Millis,
        now: Millis,
    ) {
        self.make_room(now);
        let key = HealthKey::Ceiling(credential.cloned(), model.clone());
        let life = match self.ceilings.get(&key) {
            // A life that ended long ago was a different plan.
            Some(old) if now.since(old.until) < old.life => Millis(old.life.0.saturating_mul(2)).min(CEILING_LIFE_MAX),
            _ => first_life,
        };
        let ceiling = Ceiling {
            tokens,
            until: now.plus(life),
            life,
        };
        self.tell(HealthFact::ceiling(&key, ceiling.tokens, ceiling.until, now));
        self.ceilings.insert(key, ceiling);
    }

    /// Forgets a ceiling: a longer request went through.
    pub fn forget_ceiling(&mut self, model: &ModelId, credential: Option<&CredentialId>, tokens: u64) {
        if self.ceilings.is_empty() {
            return;
        }
        for key in [
            HealthKey::Ceiling(None, model.clone()),
            HealthKey::Ceiling(credential.cloned(), model.clone()),
        ] {
            if self.ceilings.get(&key).is_some_and(|ceiling| tokens > ceiling.tokens) {
                self.ceilings.remove(&key);
            }
        }
    }

    /// Remembers for an hour that the target refuses a top-level parameter.
    pub fn learn_unsupported(&mut self, model: &ModelId, parameter: &str, now: Millis) {
        // A name, not a text: longer ones come from a message that was read wrongly.
        if parameter.is_empty() || parameter.len() > 64 {
            return;
        }
        self.make_room(now);
        self.unsupported
            .insert((model.clone(), parameter.to_owned()), now.plus(PARAMETER_LIFE));
    }

    /// Top-level parameters that the target is known to refuse.
    pub fn unsupported(&self, model: &ModelId, now: Millis) -> Vec<String> {
        self.unsupported
            .iter()
            .filter(|((owner, _), until)| owner == model && now < **until)
            .map(|((_, parameter), _)| parameter.clone())
            .collect()
    }
}
