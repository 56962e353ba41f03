//! When models last answered a real call. Every isolate knows what it saw; the hub tells the others.

use crate::catalog::ModelId;
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model counts as verified for this long after a real call succeeded.
pub const VERIFIED_FOR: Millis = Millis(24 * 3_600_000);

/// Most models that are remembered; those that answered longest ago go first.
const MAX_MODELS: usize = 500;

/// Clocks of isolates differ by less than this.
const SKEW: Millis = Millis(60_000);

/// What is kept for long is as exact as this: an hour.
const COARSE: u64 = 3_600_000;

/// Models and the moment of their last answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verified(BTreeMap<ModelId, Millis>);

impl Verified {
    /// A real call to a model succeeded.
    pub fn note(&mut self, model: ModelId, at: Millis) {
        let known = self.0.entry(model).or_insert(at);
        *known = at.max(*known);
        if self.0.len() > MAX_MODELS
            && let Some(oldest) = self.0.iter().min_by_key(|(_, at)| **at).map(|(model, _)| model.clone())
        {
            self.0.remove(&oldest);
        }
    }

    /// Takes over what others saw, and forgets what is too old to count. Nobody has seen the future.
    pub fn merge(&mut self, theirs: &Self, now: Millis) {
        for (model, at) in theirs.0.iter().take(MAX_MODELS) {
            self.note(model.clone(), (*at).min(now));
        }
        self.0.retain(|_, at| now.since(*at) < VERIFIED_FOR);
    }

    /// When a model last answered.
    pub fn at(&self, model: &ModelId) -> Option<Millis> {
        self.0.get(model).copied()
    }

    /// The model that answered last.
    pub fn newest(&self) -> Option<(&ModelId, Millis)> {
        self.0.iter().max_by_key(|(_, at)| **at).map(|(model, at)| (model, *at))
    }

    /// What was seen at or after a moment, as far as clocks agree.
    #[must_use]
    pub fn since(&self, moment: Millis) -> Self {
        let seen = self.0.iter().filter(|(_, at)| at.plus(SKEW) >= moment);
        Self(seen.map(|(model, at)| (model.clone(), *at)).collect())
    }

    /// The same with moments that change once an hour: what is worth writing down.
    #[must_use]
    pub fn coarse(&self) -> Self {
        let hour = |at: Millis| Millis(at.0 / COARSE * COARSE);
        Self(self.0.iter().map(|(model, at)| (model.clone(), hour(*at))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> ModelId {
        ModelId::parse(name).unwrap()
    }

    const NOW: Millis = Millis(100 * COARSE);

    #[test]
    fn the_latest_answer_counts_for_a_day() {
        let mut own = Verified::default();
        own.note(model("a/x"), Millis(5));
        own.note(model("a/x"), Millis(3));
        assert_eq!(own.at(&model("a/x")), Some(Millis(5)));
        let mut theirs = Verified::default();
        theirs.note(model("a/y"), Millis(NOW.0 - 1));
        theirs.note(model("a/z"), Millis(NOW.0 + 9_999));
        own.merge(&theirs, NOW);
        assert_eq!(own.at(&model("a/x")), None, "too old");
        assert_eq!(own.at(&model("a/y")), Some(Millis(NOW.0 - 1)));
        assert_eq!(own.at(&model("a/z")), Some(NOW), "nobody has seen the future");
        assert_eq!(own.newest(), Some((&model("a/z"), NOW)));
    }

    #[test]
    fn only_news_travel_and_only_hours_are_written() {
        let mut own = Verified::default();
        own.note(model("a/old"), Millis(NOW.0 - SKEW.0 - 1));
        own.note(model("a/new"), Millis(NOW.0 - SKEW.0));
        let news = own.since(NOW);
        assert_eq!(
            (news.at(&model("a/old")), news.at(&model("a/new")).is_some()),
            (None, true)
        );
        assert_eq!(own.since(Millis(0)), own);
        assert_eq!(own.coarse().at(&model("a/new")), Some(Millis(NOW.0 - COARSE)));
    }

    #[test]
    fn models_are_bounded() {
        let mut own = Verified::default();
        for number in 0..2_000 {
            own.note(model(&format!("a/{number}")), Millis(number));
        }
        assert_eq!(own.0.len(), MAX_MODELS);
        assert_eq!(own.newest().map(|(_, at)| at), Some(Millis(1_999)));
    }
}
