//! What one isolate tells others about an upstream, and how what others say is merged: keep the larger `until`; a clear wins only
//! over what was set before it. Facts carry ids and classes, never a secret.

use super::cooldown::Cooldown;
use super::memo::Ceiling;
use super::{Dispatch, FailureClass, Health};
use crate::catalog::{CredentialId, ModelId};
use crate::wire::Millis;
use serde::{Deserialize, Serialize};

/// Facts shorter than this are not worth a cold isolate's time.
const SLOW: Millis = Millis(60_000);

/// Most facts of one digest.
pub const MAX_FACTS: usize = 1024;

/// What a state is about. Levels are never mixed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthKey {
    /// `K`.
    Credential(CredentialId),
    /// `KM`.
    CredentialModel(CredentialId, ModelId),
    /// `KM` of a whole quota group.
    Group(String, ModelId),
    /// `T`.
    Target(ModelId),
    /// `H`.
    Host(String),
    /// `C`, of one credential or of the target.
    Ceiling(Option<CredentialId>, ModelId),
}

impl HealthKey {
    /// The keys that an attempt touches.
    pub(super) fn of(dispatch: &Dispatch) -> Vec<Self> {
        let model = &dispatch.target;
        let mut keys = vec![Self::Target(model.clone()), Self::Host(dispatch.host.clone())];
        if let Some(id) = &dispatch.credential {
            keys.push(Self::Credential(id.clone()));
            keys.push(Self::CredentialModel(id.clone(), model.clone()));
        }
        if let Some(group) = &dispatch.quota_group {
            keys.push(Self::Group(group.clone(), model.clone()));
        }
        keys
    }
}

/// One transition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthFact {
    /// About what.
    pub key: HealthKey,
    /// What is said.
    #[serde(flatten)]
    pub news: News,
    /// When it was true; decides who wins.
    pub set_at: Millis,
}

/// What a fact says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum News {
    /// Not before `until`.
    Cooling {
        /// Why.
        class: FailureClass,
        /// Until when.
        until: Millis,
        /// From when one probe at a time may go.
        probe_at: Millis,
        /// Failed trials in a row.
        strikes: u32,
        /// Length of the cooldown.
        length: Millis,
        /// For good.
        dead: bool,
    },
    /// A request went through.
    Cleared,
    /// Requests above `tokens` do not fit.
    Ceiling {
        /// Input tokens.
        tokens: u64,
        /// Until when.
        until: Millis,
    },
}

impl HealthFact {
    pub(super) fn of(key: &HealthKey, entry: &Cooldown) -> Self {
        let news = News::Cooling {
            class: entry.class,
            until: entry.until,
            probe_at: entry.probe_at,
            strikes: entry.strikes,
            length: entry.length,
            dead: entry.dead,
        };
        Self {
            key: key.clone(),
            news,
            set_at: entry.set_at,
        }
    }

    pub(super) fn cleared(key: &HealthKey, entry: &Cooldown, now: Millis) -> Self {
        // Clears what was known up to now, also when clocks of isolates differ a little.
        Self {
            key: key.clone(),
            news: News::Cleared,
            set_at: entry.set_at.max(now),
        }
    }

    pub(super) fn ceiling(key: &HealthKey, tokens: u64, until: Millis, now: Millis) -> Self {
        Self {
            key: key.clone(),
            news: News::Ceiling { tokens, until },
            set_at: now,
        }
    }

    /// When the fact stops to matter.
    pub fn until(&self) -> Option<Millis> {
        match &self.news {
            News::Cooling { dead: true, .. } => None,
            News::Cooling { until, .. } | News::Ceiling { until, .. } => Some(*until),
            News::Cleared => Some(self.set_at.plus(SLOW)),
        }
    }

    /// True for what only a change of the catalog or of a secret repairs.
    pub fn hard(&self) -> bool {
        match &self.news {
            News::Cooling { dead, class, .. } => *dead || class.rule().hard,
            News::Cleared | News::Ceiling { .. } => false,
        }
    }

    /// True for what a cold isolate should know before its first request: dead, or cooling for more than a minute.
    pub fn slow(&self, now: Millis) -> bool {
        match &self.news {
            News::Cooling { dead, until, .. } => *dead || until.since(now) > SLOW,
            News::Ceiling { until, .. } => until.since(now) > SLOW,
            News::Cleared => false,
        }
    }
}

impl Health {
    /// The slow facts that a cold isolate should know, longest first, at most [`MAX_FACTS`].
    pub fn digest(&self, now: Millis) -> Vec<HealthFact> {
        let cooling = self.cooldowns.iter().map(|(key, entry)| HealthFact::of(key, entry));
        let ceilings = self.ceilings.iter().map(|(key, ceiling)| {
            HealthFact::ceiling(
                key,
                ceiling.tokens,
                ceiling.until,
                Millis(ceiling.until.0.saturating_sub(ceiling.life.0)),
            )
        });
        let mut facts: Vec<_> = cooling.chain(ceilings).filter(|fact| fact.slow(now)).collect();
        facts.sort_by_key(|fact| std::cmp::Reverse(fact.until().unwrap_or(Millis(u64::MAX))));
        facts.truncate(MAX_FACTS);
        facts
    }

    /// Takes what another isolate or the hub says. Makes no transition of its own: nothing echoes.
    pub fn merge(&mut self, facts: &[HealthFact], now: Millis) {
        for fact in facts.iter().take(MAX_FACTS) {
            self.merge_one(fact, now);
        }
    }

    fn merge_one(&mut self, fact: &HealthFact, now: Millis) {
        match &fact.news {
            News::Cooling {
                class,
                until,
                probe_at,
                strikes,
                length,
                dead,
            } => {
                if !dead && *until <= now {
                    return;
                }
                let theirs = Cooldown {
                    class: *class,
                    until: *until,
                    probe_at: *probe_at,
                    set_at: fact.set_at,
                    strikes: *strikes,
                    length: *length,
                    dead: *dead,
                    probing_since: None,
                };
                self.make_room(now);
                match self.cooldowns.get_mut(&fact.key) {
                    Some(ours) if (ours.dead, ours.until) >= (theirs.dead, theirs.until) => {}
                    Some(ours) => {
                        *ours = Cooldown {
                            probing_since: ours.probing_since,
                            ..theirs
                        }
                    }
                    None => {
                        self.cooldowns.insert(fact.key.clone(), theirs);
                    }
                }
            }
            News::Cleared => {
                if self
                    .cooldowns
                    .get(&fact.key)
                    .is_some_and(|ours| ours.set_at <= fact.set_at)
                {
                    self.cooldowns.remove(&fact.key);
                    self.groups.remove(&fact.key);
                }
                if self
                    .ceilings
                    .get(&fact.key)
                    .is_some_and(|ours| ours.until.since(fact.set_at) <= ours.life)
                {
                    self.ceilings.remove(&fact.key);
                }
            }
            News::Ceiling { tokens, until } => {
                let known = self.ceilings.get(&fact.key).is_some_and(|ours| ours.until >= *until);
                if *until > now && !known {
                    self.make_room(now);
                    let life = until.since(fact.set_at);
                    self.ceilings.insert(
                        fact.key.clone(),
                        Ceiling {
                            tokens: *tokens,
                            until: *until,
                            life,
                        },
                    );
                }
            }
        }
    }
}
