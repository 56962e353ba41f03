//! The decisions of the `HealthHub` Durable Object: merge what isolates report, hand each the news since its last visit.
//! Storage and transport are the Durable Object's; nothing in here is ever on a request's path.

use super::fact::{HealthFact, HealthKey, MAX_FACTS, News};
use super::verified::Verified;
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Shortest time between two visits of one isolate.
const VISIT_EVERY: Millis = Millis(5_000);

/// A visit that has not come back by then never will: its request's time is over.
const VISIT_LOST: Millis = Millis(30_000);

/// May an isolate visit the hub now? `begun`: when its last visit began. One at a time, at most one in five seconds, whatever happens:
/// news waits for the next response after that.
pub fn visit_is_due(begun: Millis, under_way: bool, now: Millis) -> bool {
    now.since(begun) >= if under_way { VISIT_LOST } else { VISIT_EVERY }
}

/// Most facts that the hub keeps.
const MAX_KEPT: usize = super::MAX_ENTRIES;

/// An isolate that was not heard of for this long takes no part any more; one with traffic reports every five seconds.
const ALIVE: Millis = Millis(60_000);

/// Most isolates that are counted.
const MAX_ISOLATES: usize = 4096;

/// What an isolate sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubReport {
    /// Its transitions since its last report.
    #[serde(default)]
    pub facts: Vec<HealthFact>,
    /// The version it got last; 0: none.
    #[serde(default)]
    pub since: u64,
    /// The catalog revision that it works with.
    #[serde(default)]
    pub revision: Option<u64>,
    /// A number that the isolate drew for itself; `None`: it is not counted.
    #[serde(default)]
    pub isolate: Option<u64>,
    /// Models that answered it since its last report.
    #[serde(default)]
    pub verified: Verified,
    /// The latest answer of a model that it heard of from the hub.
    #[serde(default)]
    pub heard: Millis,
}

/// What the hub answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubReply {
    /// Version of this answer.
    pub version: u64,
    /// News of others since then.
    pub facts: Vec<HealthFact>,
    /// Isolates with traffic, the asking one included; 0: not known.
    #[serde(default)]
    pub isolates: u32,
    /// Models that answered somebody since the asking isolate heard last.
    #[serde(default)]
    pub verified: Verified,
}

/// Everything the hub knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubState {
    version: u64,
    facts: BTreeMap<u64, HealthFact>,
    #[serde(default)]
    revision: Option<u64>,
    #[serde(skip)]
    verified: Verified,
    #[serde(skip)]
    newest: BTreeMap<HealthKey, u64>,
    #[serde(skip)]
    isolates: BTreeMap<u64, Millis>,
}

impl HubState {
    /// Takes a report and answers it.
    pub fn report(&mut self, report: &HubReport, now: Millis) -> HubReply {
        let isolates = self.count(report.isolate, now);
        self.note_revision(report.revision, now);
        self.verified.merge(&report.verified, now);
        let before = self.version;
        for fact in report.facts.iter().take(MAX_FACTS) {
            self.take(fact);
        }
        self.expire(now);
        // An unknown version (the hub was restarted empty) gets everything.
        let since = if report.since > before { 0 } else { report.since };
        let news = self
            .facts
            .iter()
            .filter(|(version, _)| **version > since && **version <= before);
        let news: Vec<_> = news.take(MAX_FACTS).collect();
        // More than one answer holds: the rest comes with the next one.
        let cut = news.len() == MAX_FACTS;
        let version = news
            .last()
            .filter(|_| cut)
            .map_or(self.version, |(version, _)| **version);
        HubReply {
            isolates,
            verified: self.verified.since(report.heard),
            version,
            facts: news.into_iter().map(|(_, fact)| fact.clone()).collect(),
        }
    }

    /// The slow facts, for KV: what a cold isolate should know.
    pub fn digest(&self, now: Millis) -> Vec<HealthFact> {
        self.facts
            .values()
            .filter(|fact| fact.slow(now))
            .take(MAX_FACTS)
            .cloned()
            .collect()
    }

    /// Forgets everything about a key (an operator's reset), as a clear that isolates will hear of.
    pub fn reset(&mut self, key: &HealthKey, now: Millis) {
        self.take(&HealthFact {
            key: key.clone(),
            news: News::Cleared,
            set_at: now,
        });
    }

    /// When models last answered anybody.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// How many isolates share what local limits allow.
    fn count(&mut self, isolate: Option<u64>, now: Millis) -> u32 {
        self.isolates.retain(|_, seen| now.since(*seen) < ALIVE);
        if let Some(isolate) = isolate
            && (self.isolates.len() < MAX_ISOLATES || self.isolates.contains_key(&isolate))
        {
            self.isolates.insert(isolate, now);
        }
        u32::try_from(self.isolates.len()).unwrap_or(u32::MAX)
    }

    /// The newest catalog revision that an isolate works with.
    pub fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// A newer catalog may hold what repairs the things that only an operator can repair: they get their chance on every isolate, also
    /// when the one that found them broken is gone.
    fn note_revision(&mut self, theirs: Option<u64>, now: Millis) {
        let newer = self
            .revision
            .is_some_and(|ours| theirs.is_some_and(|theirs| theirs > ours));
        self.revision = self.revision.max(theirs);
        if newer {
            let hard = self.facts.values().filter(|fact| fact.hard());
            let keys: Vec<HealthKey> = hard.map(|fact| fact.key.clone()).collect();
            for key in keys {
                self.reset(&key, now);
            }
        }
    }

    fn take(&mut self, fact: &HealthFact) {
        if self.newest.len() != self.facts.len() {
            self.newest = self
                .facts
                .iter()
                .map(|(version, fact)| (fact.key.clone(), *version))
                .collect();
        }
        let known = self.newest.get(&fact.key).copied();
        if let Some(ours) = known.and_then(|version| self.facts.get(&version))
            && !wins(fact, ours)
        {
            return;
        }
        if let Some(version) = known {
            self.facts.remove(&version);
        }
        self.version = self.version.saturating_add(1);
        self.facts.insert(self.version, fact.clone());
        self.newest.insert(fact.key.clone(), self.version);
        if self.facts.len() > MAX_KEPT
            && let Some((_, oldest)) = self.facts.pop_first()
        {
            self.newest.remove(&oldest.key);
        }
    }

    fn expire(&mut self, now: Millis) {
        self.facts
            .retain(|_, fact| fact.until().is_none_or(|until| until > now));
        self.newest.clear();
    }
}

/// Does a new fact replace a known one about the same key?
fn wins(theirs: &HealthFact, ours: &HealthFact) -> bool {
    match (&theirs.news, &ours.news) {
        (News::Cleared, News::Cleared) => theirs.set_at > ours.set_at,
        (News::Cleared, _) => theirs.set_at >= ours.set_at,
        (_, News::Cleared) => theirs.set_at > ours.set_at,
        _ => theirs.until().unwrap_or(Millis(u64::MAX)) > ours.until().unwrap_or(Millis(u64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ModelId;
    use crate::route::health::FailureClass;

    fn fact(model: &str, until: u64, set_at: u64) -> HealthFact {
        let news = News::Cooling {
            class: FailureClass::ServerError,
            until: Millis(until),
            probe_at: Millis(until),
            strikes: 1,
            length: Millis(until - set_at),
            dead: false,
        };
        HealthFact {
            key: HealthKey::Target(ModelId::parse(model).unwrap()),
            news,
            set_at: Millis(set_at),
        }
    }

    fn cleared(model: &str, set_at: u64) -> HealthFact {
        HealthFact {
            news: News::Cleared,
            ..fact(model, set_at, set_at)
        }
    }

    fn send(hub: &mut HubState, facts: Vec<HealthFact>, since: u64, now: u64) -> HubReply {
        hub.report(
            &HubReport {
                facts,
                since,
                ..HubReport::default()
            },
            Millis(now),
        )
    }

    #[test]
    fn one_isolate_hears_what_another_said() {
        let mut hub = HubState::default();
        let first = send(&mut hub, vec![fact("a/x", 20_000, 10_000)], 0, 10_000);
        assert_eq!((first.version, first.facts.len()), (1, 0));
        let second = send(&mut hub, vec![], 0, 11_000);
        assert_eq!((second.version, second.facts.len()), (1, 1));
        assert!(send(&mut hub, vec![], second.version, 12_000).facts.is_empty());
    }

    #[test]
    fn the_larger_until_is_kept_and_a_clear_wins_only_over_the_older() {
        let mut hub = HubState::default();
        send(&mut hub, vec![fact("a/x", 90_000, 10_000)], 0, 10_000);
        send(&mut hub, vec![fact("a/x", 20_000, 11_000)], 0, 11_000);
        assert_eq!(
            send(&mut hub, vec![], 0, 11_000).facts,
            vec![fact("a/x", 90_000, 10_000)]
        );
        send(&mut hub, vec![cleared("a/x", 9_000)], 0, 12_000);
        assert_eq!(hub.digest(Millis(12_000)).len(), 1);
        send(&mut hub, vec![cleared("a/x", 13_000)], 0, 13_000);
        assert!(hub.digest(Millis(13_000)).is_empty());
        // The clear is news for those who had the cooldown.
        assert_eq!(send(&mut hub, vec![], 1, 13_000).facts, vec![cleared("a/x", 13_000)]);
    }

    #[test]
    fn a_newer_catalog_gives_what_was_given_up_its_chance() {
        let broken = |class: FailureClass| HealthFact {
            news: News::Cooling {
                class,
                until: Millis(9_000_000),
                probe_at: Millis(9_000_000),
                strikes: 3,
                length: Millis(9_000_000),
                dead: class == FailureClass::Auth,
            },
            ..fact("a/x", 20_000, 10_000)
        };
        // (class, revision known, revision told, facts that a cold isolate would still hear of)
        for (class, known, told, left) in [
            (FailureClass::Auth, Some(7), Some(8), 0),
            (FailureClass::Billing, Some(0), Some(1), 0),
            (FailureClass::Billing, Some(8), Some(8), 1),
            (FailureClass::Billing, Some(8), Some(7), 1),
            (FailureClass::Billing, None, Some(8), 1),
            (FailureClass::Billing, Some(8), None, 1),
            (FailureClass::RateLimit, Some(7), Some(8), 1),
        ] {
            let mut hub = HubState::default();
            let told_by = |revision, facts| HubReport {
                facts,
                revision,
                ..HubReport::default()
            };
            hub.report(&told_by(known, vec![broken(class)]), Millis(10_000));
            hub.report(&told_by(told, vec![]), Millis(11_000));
            assert_eq!(
                hub.digest(Millis(11_000)).len(),
                left,
                "{class:?} {known:?} -> {told:?}"
            );
            assert_eq!(hub.revision(), known.max(told));
        }
    }

    #[test]
    fn one_isolate_hears_which_models_answered_another() {
        let mut hub = HubState::default();
        let report = |model: Option<&str>, at, heard| {
            let mut verified = Verified::default();
            if let Some(model) = model {
                verified.note(ModelId::parse(model).unwrap(), Millis(at));
            }
            HubReport {
                verified,
                heard: Millis(heard),
                ..HubReport::default()
            }
        };
        hub.report(&report(Some("a/x"), 200_000, 0), Millis(200_000));
        let told = hub.report(&report(None, 0, 0), Millis(300_000)).verified;
        assert_eq!(told.at(&ModelId::parse("a/x").unwrap()), Some(Millis(200_000)));
        assert_eq!(
            hub.report(&report(None, 0, 300_000), Millis(300_000)).verified,
            Verified::default()
        );
        assert_eq!(hub.verified(), &told);
    }

    #[test]
    fn visits_are_rare_and_a_lost_one_does_not_end_them() {
        for (begun, under_way, now, due) in [
            (0, false, 1_000_000, true),
            (1_000_000, false, 1_004_999, false),
            (1_000_000, false, 1_005_000, true),
            (1_000_000, true, 1_005_000, false),
            (1_000_000, true, 1_029_999, false),
            (1_000_000, true, 1_030_000, true),
        ] {
            let told = visit_is_due(Millis(begun), under_way, Millis(now));
            assert_eq!(told, due, "{begun} {under_way} {now}");
        }
    }

    #[test]
    fn isolates_with_traffic_are_counted() {
        let mut hub = HubState::default();
        // (isolate, at, counted)
        for (isolate, at, counted) in [
            (None, 0, 0),
            (Some(1), 0, 1),
            (Some(1), 5_000, 1),
            (Some(2), 10_000, 2),
            (Some(3), 64_999, 3),
            (Some(3), 65_000, 2),
            (None, 70_000, 1),
            (Some(1), 200_000, 1),
        ] {
            let report = HubReport {
                isolate,
                ..HubReport::default()
            };
            assert_eq!(hub.report(&report, Millis(at)).isolates, counted, "{isolate:?} at {at}");
        }
        for isolate in 0..10_000 {
            let report = HubReport {
                isolate: Some(isolate),
                ..HubReport::default()
            };
            hub.report(&report, Millis(200_001));
        }
        assert!(hub.isolates.len() <= MAX_ISOLATES);
    }

    #[test]
    fn expired_facts_are_dropped_and_storage_round_trips() {
        let mut hub = HubState::default();
        send(
            &mut hub,
            vec![fact("a/x", 90_000, 10_000), fact("a/y", 11_000, 10_000)],
            0,
            12_000,
        );
        let stored = serde_json::to_string(&hub).unwrap();
        let mut again: HubState = serde_json::from_str(&stored).unwrap();
        assert_eq!(send(&mut again, vec![], 0, 12_000).facts.len(), 1);
        assert_eq!(
            send(&mut again, vec![fact("a/x", 95_000, 13_000)], 0, 13_000).version,
            3
        );
    }
}
