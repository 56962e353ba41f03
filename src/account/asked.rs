//! What callers of a policy asked for in the last days, by name: the ground on which a change of the policy is judged.

use super::usage::{REFUSED, RequestRow};
use crate::wire::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Different names that are told apart; requests of further ones are only counted.
pub const MAX_MODELS: usize = 500;

/// `/asked`: since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedRequest {
    /// Arrived at or after.
    pub since: Millis,
}

/// What one Ledger found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Requests by what they asked for; those that were refused then are left out.
    pub models: BTreeMap<String, u64>,
    /// Requests of names beyond [`MAX_MODELS`].
    pub others: u64,
    /// Rows looked at.
    pub looked_at: usize,
    /// True: there are no older rows in the period.
    pub complete: bool,
}

impl Asked {
    /// Counts a row, if it is a caller's request that was not refused.
    pub fn add(&mut self, request: AskedRequest, row: &RequestRow) {
        self.looked_at = self.looked_at.saturating_add(1);
        if row.at < request.since || row.strategy == REFUSED || row.source.is_some() {
            return;
        }
        let count = if self.models.len() < MAX_MODELS || self.models.contains_key(&row.requested_model) {
            self.models.entry(row.requested_model.clone()).or_default()
        } else {
            &mut self.others
        };
        *count = count.saturating_add(1);
    }

    /// All of them.
    pub fn requests(&self) -> u64 {
        self.models
            .values()
            .fold(self.others, |sum, count| sum.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::usage::Source;

    #[test]
    fn only_what_callers_asked_for_in_time_and_were_not_refused_counts() {
        let row = |at: u64, model: &str| RequestRow {
            at: Millis(at),
            requested_model: model.to_owned(),
            strategy: "direct".to_owned(),
            ..RequestRow::default()
        };
        let mut asked = Asked::default();
        let rows = [
            row(10, "a/one"),
            row(11, "a/one"),
            row(12, "clawrouter/fusion"),
            row(9, "a/early"),
            RequestRow {
                strategy: REFUSED.to_owned(),
                ..row(10, "a/refused")
            },
            RequestRow {
                source: Some(Source::Verify),
                ..row(10, "a/tested")
            },
        ];
        for row in &rows {
            asked.add(AskedRequest { since: Millis(10) }, row);
        }
        let expected = [("a/one".to_owned(), 2), ("clawrouter/fusion".to_owned(), 1)];
        assert_eq!(asked.models, BTreeMap::from(expected));
        assert_eq!((asked.requests(), asked.looked_at), (3, 6));
        for number in 0..MAX_MODELS + 5 {
            asked.add(AskedRequest { since: Millis(0) }, &row(1, &format!("b/{number}")));
        }
        assert_eq!((asked.models.len(), asked.others), (MAX_MODELS, 7));
        assert_eq!(asked.requests(), 3 + MAX_MODELS as u64 + 5);
    }
}
