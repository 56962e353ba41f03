//! Rows of requests that reserved nothing wait shortly in the isolate, so that many share one call to their Ledger. No money waits here:
//! whatever holds a reservation is settled at once.

use super::ledger::message::SettleRequest;
use crate::wire::Millis;
use std::collections::BTreeMap;

/// How long a row waits for company.
pub const WAIT: Millis = Millis(250);
/// Rows that wait at most.
pub const MOST: usize = 32;
/// Whoever promised to send the rows and has not done so after this was cut off by the platform.
const PATIENCE: Millis = Millis(5_000);

/// The rows of one isolate, by policy.
#[derive(Debug, Default)]
pub struct Waiting {
    rows: BTreeMap<String, Vec<SettleRequest>>,
    count: usize,
    promised_at: Option<Millis>,
}

/// What the request that left a row has to do for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Send everything now.
    SendNow,
    /// Send everything after this time.
    SendAfter(Millis),
    /// Somebody else will.
    None,
}

impl Waiting {
    /// Takes a row in.
    pub fn push(&mut self, policy: &str, row: SettleRequest, now: Millis) -> Duty {
        self.rows.entry(policy.to_owned()).or_default().push(row);
        self.count = self.count.saturating_add(1);
        if self.count >= MOST {
            return Duty::SendNow;
        }
        if self.promised_at.is_some_and(|promised| now.since(promised) < PATIENCE) {
            return Duty::None;
        }
        self.promised_at = Some(now);
        Duty::SendAfter(WAIT)
    }

    /// Gives everything away, by policy.
    pub fn take(&mut self) -> Vec<(String, Vec<SettleRequest>)> {
        self.count = 0;
        self.promised_at = None;
        std::mem::take(&mut self.rows).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> SettleRequest {
        SettleRequest {
            id: id.to_owned(),
            seq: None,
            kid: "k".to_owned(),
            row: None,
            trace: None,
            keep_days: 30,
        }
    }

    #[test]
    fn the_first_sends_for_all_after_a_while() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.push("a", row("1"), Millis(0)), Duty::SendAfter(WAIT));
        assert_eq!(waiting.push("a", row("2"), Millis(10)), Duty::None);
        assert_eq!(waiting.push("b", row("3"), Millis(20)), Duty::None);
        let taken: Vec<(String, Vec<String>)> = waiting
            .take()
            .into_iter()
            .map(|(policy, rows)| (policy, rows.into_iter().map(|row| row.id).collect()))
            .collect();
        let expected = [("a", vec!["1", "2"]), ("b", vec!["3"])];
        assert_eq!(
            taken,
            expected.map(|(policy, ids)| (policy.to_owned(), ids.into_iter().map(str::to_owned).collect()))
        );
        assert!(waiting.take().is_empty());
        assert_eq!(waiting.push("a", row("4"), Millis(30)), Duty::SendAfter(WAIT));
    }

    #[test]
    fn a_full_house_is_sent_at_once() {
        let mut waiting = Waiting::default();
        let duties: Vec<Duty> = (0..MOST)
            .map(|n| waiting.push("a", row(&n.to_string()), Millis(0)))
            .collect();
        assert_eq!(duties.last(), Some(&Duty::SendNow));
        assert!(duties[1..MOST - 1].iter().all(|duty| *duty == Duty::None));
        assert_eq!(waiting.take()[0].1.len(), MOST);
    }

    #[test]
    fn a_promise_that_was_not_kept_passes_on() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.push("a", row("1"), Millis(0)), Duty::SendAfter(WAIT));
        assert_eq!(waiting.push("a", row("2"), Millis(4_999)), Duty::None);
        assert_eq!(waiting.push("a", row("3"), Millis(5_000)), Duty::SendAfter(WAIT));
        assert_eq!(waiting.take()[0].1.len(), 3);
    }
}
