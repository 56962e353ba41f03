//! Counters since a Ledger began: upstream calls by target and class, moves to other targets and credentials, continued streams.
//!
//! Each row is added once, when it is settled, and never taken back: rows age out, counters do not. Size is bounded: what comes beyond
//! [`MAX_SERIES`] label sets of a table counts for [`OTHERS`], so that sums stay right.

use super::rollup::OTHERS;
use super::usage::{AttemptRow, Outcome, RequestRow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Label sets of one table that are told apart.
pub const MAX_SERIES: usize = 500;
/// Further label sets, all names of which are [`OTHERS`] and only the class is told.
const MAX_OTHERS: usize = 64;

/// Class of a call that answered.
const OK: &str = "ok";
/// Class of a call that nobody wanted any more.
const CANCELLED: &str = "cancelled";
/// Class of a failed call whose row names none.
const UNKNOWN: &str = "unknown";

/// Counts by label values. The last value is the class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Vec<String>, u64)>", into = "Vec<(Vec<String>, u64)>")]
pub struct Table(BTreeMap<Vec<String>, u64>);

impl From<Vec<(Vec<String>, u64)>> for Table {
    fn from(series: Vec<(Vec<String>, u64)>) -> Self {
        Self(series.into_iter().collect())
    }
}

impl From<Table> for Vec<(Vec<String>, u64)> {
    fn from(table: Table) -> Self {
        table.0.into_iter().collect()
    }
}

impl Table {
    /// Label values and their count.
    pub fn series(&self) -> impl Iterator<Item = (&[String], u64)> {
        self.0.iter().map(|(labels, count)| (labels.as_slice(), *count))
    }

    fn count(&mut self, labels: &[&str]) {
        let own: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let place = if self.0.len() < MAX_SERIES || self.0.contains_key(&own) {
            own
        } else {
            self.elsewhere(own)
        };
        let count = self.0.entry(place).or_default();
        *count = count.saturating_add(1);
    }

    /// Where a label set counts that has no place of its own.
    fn elsewhere(&self, mut labels: Vec<String>) -> Vec<String> {
        let names = labels.len().saturating_sub(1);
        let others = |label: &mut String| OTHERS.clone_into(label);
        labels.iter_mut().take(names).for_each(others);
        if !self.0.contains_key(&labels) && self.0.len() >= MAX_SERIES + MAX_OTHERS {
            labels.iter_mut().for_each(others);
        }
        labels
    }

    fn absorb(&mut self, other: &Self) {
        for (labels, more) in &other.0 {
            let count = self.0.entry(labels.clone()).or_default();
            *count = count.saturating_add(*more);
        }
    }
}

/// All counters of one Ledger, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Upstream calls by target and class.
    pub attempts: Table,
    /// Moves to another target by from, to and class.
    pub fallbacks: Table,
    /// Moves to another credential by pool and class.
    pub rotations: Table,
    /// Continued streams by result.
    pub splices: Table,
    /// Streamed requests that an upstream answered.
    pub streams: u64,
    /// How long their beginnings were held back, ms in all.
    pub held_ms: u64,
}

impl Counters {
    /// Counts a row.
    pub fn add(&mut self, row: &RequestRow) {
        for attempt in &row.attempts {
            self.attempts.count(&[&attempt.target, class_of(attempt)]);
        }
        for moved in &row.moves.fallbacks {
            self.fallbacks.count(&[&moved.from, &moved.to, &moved.class]);
        }
        for rotated in &row.moves.rotations {
            self.rotations.count(&[&rotated.pool, &rotated.class]);
        }
        if let Some(continued) = row.moves.recovery {
            self.splices.count(&[continued.result()]);
        }
        if row.stream && row.ttft_ms.is_some() {
            self.streams = self.streams.saturating_add(1);
            self.held_ms = self.held_ms.saturating_add(row.moves.held_ms);
        }
    }

    /// Adds what another Ledger counted.
    pub fn absorb(&mut self, other: &Self) {
        self.attempts.absorb(&other.attempts);
        self.fallbacks.absorb(&other.fallbacks);
        self.rotations.absorb(&other.rotations);
        self.splices.absorb(&other.splices);
        self.streams = self.streams.saturating_add(other.streams);
        self.held_ms = self.held_ms.saturating_add(other.held_ms);
    }
}

fn class_of(attempt: &AttemptRow) -> &str {
    let told = attempt.class.as_deref();
    told.unwrap_or(match attempt.outcome {
        Outcome::Ok => OK,
        Outcome::Cancelled => CANCELLED,
        Outcome::Failed => UNKNOWN,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::moves::{Continued, Fallback, Moves, Rotation};

    fn attempt(target: &str, outcome: Outcome, class: Option<&str>) -> AttemptRow {
        AttemptRow {
            target: target.to_owned(),
            outcome,
            class: class.map(str::to_owned),
            ..AttemptRow::default()
        }
    }

    fn row(attempts: Vec<AttemptRow>) -> RequestRow {
        RequestRow {
            attempts,
            ..RequestRow::default()
        }
    }

    fn read(table: &Table) -> Vec<(String, u64)> {
        table
            .series()
            .map(|(labels, count)| (labels.join(" "), count))
            .collect()
    }

    fn expected(series: &[(&str, u64)]) -> Vec<(String, u64)> {
        series
            .iter()
            .map(|(labels, count)| ((*labels).to_owned(), *count))
            .collect()
    }

    #[test]
    fn every_call_counts_once_for_its_target_and_class() {
        let mut counters = Counters::default();
        counters.add(&row(vec![
            attempt("p/a", Outcome::Failed, Some("rate_limit")),
            attempt("p/a", Outcome::Failed, Some("rate_limit")),
            attempt("p/b", Outcome::Ok, None),
            attempt("p/c", Outcome::Cancelled, None),
            attempt("p/c", Outcome::Failed, None),
        ]));
        counters.add(&row(vec![]));
        assert_eq!(
            read(&counters.attempts),
            expected(&[
                ("p/a rate_limit", 2),
                ("p/b ok", 1),
                ("p/c cancelled", 1),
                ("p/c unknown", 1)
            ])
        );
    }

    #[test]
    fn moves_count_by_their_names() {
        let mut counters = Counters::default();
        let moved = RequestRow {
            stream: true,
            ttft_ms: Some(5),
            moves: Moves {
                fallbacks: vec![Fallback {
                    from: "p/a".to_owned(),
                    to: "q/b".to_owned(),
                    class: "server_error".to_owned(),
                }],
                rotations: vec![Rotation {
                    pool: "p".to_owned(),
                    class: "auth".to_owned(),
                }],
                recovery: Some(Continued::Splice),
                held_ms: 7,
            },
            ..RequestRow::default()
        };
        counters.add(&moved);
        counters.add(&moved);
        let mut both = counters.clone();
        both.absorb(&counters);
        assert_eq!(read(&both.fallbacks), expected(&[("p/a q/b server_error", 4)]));
        assert_eq!(read(&both.rotations), expected(&[("p auth", 4)]));
        assert_eq!(read(&both.splices), expected(&[("ok", 4)]));
        assert_eq!((both.streams, both.held_ms), (4, 28));
    }

    #[test]
    fn label_sets_are_bounded_and_no_count_is_lost_or_taken_back() {
        let mut counters = Counters::default();
        let mut before = 0;
        let calls = MAX_SERIES as u64 * 3;
        for number in 0..calls {
            let class = format!("c{}", number % 200);
            counters.add(&row(vec![attempt(
                &format!("p/{number}"),
                Outcome::Failed,
                Some(&class),
            )]));
            let now = counters.attempts.series().map(|(_, count)| count).sum::<u64>();
            assert_eq!(now, before + 1);
            before = now;
        }
        let series = counters.attempts.series().count();
        assert_eq!((before, series), (calls, MAX_SERIES + MAX_OTHERS + 1));
        counters.add(&row(vec![attempt("p/0", Outcome::Failed, Some("c0"))]));
        assert!(read(&counters.attempts).contains(&("p/0 c0".to_owned(), 2)));
        let others = |class: &str| [OTHERS.to_owned(), class.to_owned()];
        assert!(counters.attempts.0.contains_key(&others("c100")[..]));
        assert!(counters.attempts.0.contains_key(&others(OTHERS)[..]));
    }

    #[test]
    fn counters_survive_json_and_older_ones_are_read() {
        let mut counters = Counters::default();
        counters.add(&row(vec![attempt("p/a\"b", Outcome::Ok, None)]));
        let text = serde_json::to_string(&counters).unwrap();
        assert_eq!(serde_json::from_str::<Counters>(&text).unwrap(), counters);
        assert_eq!(serde_json::from_str::<Counters>("{}").unwrap(), Counters::default());
    }
}
