//! What a classification rule can say, and when it matches. It must not know any upstream's words: those are `tables`' data.

use super::Circumstances;
use super::body::ErrorFacts;
use crate::route::health::FailureClass;
use crate::wire::Millis;

/// What the rules look at.
pub(super) struct Evidence<'a> {
    pub(super) status: u16,
    pub(super) facts: &'a ErrorFacts,
    pub(super) hint: Option<Millis>,
    pub(super) header_token_limit: Option<u64>,
    pub(super) circumstances: &'a Circumstances,
}

/// One rule: every condition that is given must hold; `codes`, `phrases` and `pairs` are alternatives of one condition.
pub(super) struct Rule {
    pub(super) class: FailureClass,
    pub(super) status: Status,
    pub(super) codes: &'static [&'static str],
    pub(super) phrases: &'static [&'static str],
    /// Two phrases that must both occur.
    pub(super) pairs: &'static [(&'static str, &'static str)],
    /// None of these may occur.
    pub(super) unless: &'static [&'static str],
    pub(super) also: Option<fn(&Evidence<'_>) -> bool>,
}

/// Statuses that a rule holds for.
pub(super) enum Status {
    Client,
    Server,
    Exactly(&'static [u16]),
    Not(&'static [u16]),
}

impl Status {
    fn holds(&self, status: u16) -> bool {
        match self {
            Self::Client => (400..500).contains(&status),
            Self::Server => (500..600).contains(&status),
            Self::Exactly(list) => list.contains(&status),
            Self::Not(list) => !list.contains(&status),
        }
    }
}

impl Rule {
    /// Holds for every text.
    pub(super) const fn new(class: FailureClass, status: Status) -> Self {
        Self {
            class,
            status,
            codes: &[],
            phrases: &[],
            pairs: &[],
            unless: &[],
            also: None,
        }
    }

    pub(super) fn matches(&self, evidence: &Evidence<'_>) -> bool {
        let message = evidence.facts.message.as_str();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
        let worded = (self.codes.is_empty() && self.phrases.is_empty() && self.pairs.is_empty())
            || evidence.facts.has_code(self.codes)
            || says(self.phrases)
            || self
                .pairs
                .iter()
                .any(|(one, other)| message.contains(one) && message.contains(other));
        self.status.holds(evidence.status)
            && worded
            && !says(self.unless)
            && self.also.is_none_or(|condition| condition(evidence))
    }
}
