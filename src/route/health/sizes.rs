//! Which lengths of request one credential took and refused for one model lately.
//!
//! Some providers refuse long requests with a 429 that says nothing about length. Two refusals of long requests while one less than half
//! as long passes are as good as words, for as long as they are fresh.

use super::Health;
use crate::catalog::{CredentialId, ModelId};
use crate::wire::Millis;
use std::collections::BTreeMap;

/// Older evidence says nothing.
const FRESH: Millis = Millis(60_000);

/// Models of one credential whose sizes are kept.
const MAX_MODELS: usize = 32;

/// Lengths seen by one credential, by model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sizes(BTreeMap<ModelId, Seen>);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    /// The shortest request that passed, estimated tokens, and when.
    passed: Option<(u64, Millis)>,
    /// The longest request that was refused with a 429.
    refused: Option<(u64, Millis)>,
}

impl Sizes {
    pub(super) fn note_passed(&mut self, model: &ModelId, tokens: u64, now: Millis) {
        let seen = self.seen(model);
        let known = fresh(seen.passed, now).filter(|(shortest, _)| *shortest < tokens);
        seen.passed = known.or(Some((tokens, now)));
    }

    pub(super) fn note_refused(&mut self, model: &ModelId, tokens: u64, now: Millis) {
        let seen = self.seen(model);
        let known = fresh(seen.refused, now).filter(|(longest, _)| *longest > tokens);
        seen.refused = known.or(Some((tokens, now)));
    }

    /// `tokens` have just been refused: is it for their length?
    fn explain(&self, model: &ModelId, tokens: u64, now: Millis) -> bool {
        let Some(seen) = self.0.get(model) else { return false };
        let (Some((passed, _)), Some((refused, _))) = (fresh(seen.passed, now), fresh(seen.refused, now)) else {
            return false;
        };
        tokens.min(refused) > passed.saturating_mul(2)
    }

    fn seen(&mut self, model: &ModelId) -> &mut Seen {
        if !self.0.contains_key(model) {
            if self.0.len() >= MAX_MODELS {
                self.0.clear();
            }
            self.0.insert(model.clone(), Seen::default());
        }
        self.0.entry(model.clone()).or_default()
    }
}

fn fresh(seen: Option<(u64, Millis)>, now: Millis) -> Option<(u64, Millis)> {
    seen.filter(|(_, at)| now.since(*at) < FRESH)
}

impl Health {
    /// A 429 that names no reason has just refused `tokens`: did this credential refuse another such request within the last minute,
    /// and take one less than half as long as both?
    pub fn refuses_long_ones(&self, id: &CredentialId, model: &ModelId, tokens: u64, now: Millis) -> bool {
        let stats = self.credential(id);
        stats.is_some_and(|stats| stats.sizes.explain(model, tokens, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Did {
        Passed(u64),
        Refused(u64),
    }
    use Did::{Passed, Refused};

    #[test]
    fn two_long_refusals_and_a_short_success_within_a_minute() {
        // (what happened when, then refused, at, verdict)
        type Case<'a> = (&'a [(Did, u64)], u64, u64, bool);
        let cases: [Case<'_>; 11] = [
            (&[], 9_000, 0, false),
            (&[(Refused(9_000), 0)], 9_000, 1, false),
            (&[(Passed(100), 0)], 9_000, 1, false),
            (&[(Passed(100), 0), (Refused(9_000), 1)], 9_000, 2, true),
            (&[(Refused(9_000), 0), (Passed(100), 1)], 9_000, 2, true),
            // The shortest success and the longest refusal count.
            (
                &[(Refused(9_000), 0), (Passed(100), 1), (Passed(8_000), 2)],
                300,
                3,
                true,
            ),
            (
                &[(Refused(9_000), 0), (Refused(150), 1), (Passed(100), 2)],
                300,
                3,
                true,
            ),
            // Not twice as long: one of them could have been refused for any reason.
            (&[(Refused(9_000), 0), (Passed(100), 1)], 200, 2, false),
            (&[(Refused(200), 0), (Passed(100), 1)], 9_000, 2, false),
            // Too old.
            (&[(Refused(9_000), 0), (Passed(100), 30_000)], 9_000, 60_000, false),
            (&[(Passed(100), 0), (Refused(9_000), 30_000)], 9_000, 60_000, false),
        ];
        let model = ModelId::parse("p/m").unwrap();
        for (index, (history, tokens, at, expected)) in cases.iter().enumerate() {
            let mut sizes = Sizes::default();
            for (did, when) in *history {
                match did {
                    Passed(tokens) => sizes.note_passed(&model, *tokens, Millis(*when)),
                    Refused(tokens) => sizes.note_refused(&model, *tokens, Millis(*when)),
                }
            }
            assert_eq!(sizes.explain(&model, *tokens, Millis(*at)), *expected, "case {index}");
            let other = ModelId::parse("p/other").unwrap();
            assert!(!sizes.explain(&other, *tokens, Millis(*at)), "models are apart");
        }
    }

    #[test]
    fn memory_stays_bounded() {
        let mut sizes = Sizes::default();
        for number in 0..10 * MAX_MODELS {
            sizes.note_passed(&ModelId::parse(&format!("p/m{number}")).unwrap(), 1, Millis(0));
            assert!(sizes.0.len() <= MAX_MODELS);
        }
    }
}
