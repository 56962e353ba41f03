//! Requests that were refused before any upstream was called: each leaves a row, but a flood of them becomes a count, not a flood of
//! writes. Only genuine keys leave rows; a stranger's key leaves nothing.

use super::usage::{REFUSED, RequestRow, Requested};
use crate::access::allowance::Allowance;
use crate::wire::{ApiError, Millis, plain};
use std::collections::BTreeMap;

/// Rows of their own in one isolate and [`WINDOW`].
pub const MOST: u32 = 20;
/// How long a window lasts. Shorter than the time that work may go on after a response (30 s).
pub const WINDOW: Millis = Millis(10_000);
/// Kinds of refusal (policy, key, code) that are counted apart in a window.
pub const MAX_KINDS: usize = 16;
/// Longest model name that a row repeats, bytes.
const MAX_MODEL: usize = 128;

/// The row of a refused request: its status and code, no call, no cost.
pub fn row(requested: &Requested<'_>, error: &ApiError) -> RequestRow {
    // A name that no catalog knows is a caller's own text: only what could be a name is repeated.
    let model = plain::name(requested.model, MAX_MODEL).unwrap_or_default();
    RequestRow {
        strategy: REFUSED.to_owned(),
        status: error.status,
        class: Some(error.code.clone()),
        ..Requested { model, ..*requested }.row()
    }
    .closed()
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// Write it now.
    Write(Box<RequestRow>),
    /// The first one that is only counted in this window: call [`Refusals::close`] after so long.
    CloseAfter(Millis),
    /// Counted.
    Counted,
}

/// The refusals of one isolate.
#[derive(Clone, Debug)]
pub struct Refusals {
    allowance: Allowance,
    kinds: BTreeMap<(String, String, String), RequestRow>,
    lost: u64,
    closing: bool,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            allowance: Allowance::new(MOST, WINDOW),
            kinds: BTreeMap::new(),
            lost: 0,
            closing: false,
        }
    }
}

impl Refusals {
    /// Takes the row of a refused request.
    pub fn take(&mut self, row: RequestRow, now: Millis) -> Taken {
        if self.allowance.take(now) {
            return Taken::Write(Box::new(row));
        }
        let kind = (
            row.policy.clone(),
            row.kid.clone(),
            row.class.clone().unwrap_or_default(),
        );
        if let Some(counted) = self.kinds.get_mut(&kind) {
            counted.repeats = counted.repeats.saturating_add(1);
        } else if self.kinds.len() < MAX_KINDS {
            self.kinds.insert(kind, row);
        } else {
            self.lost = self.lost.saturating_add(1);
        }
        if std::mem::replace(&mut self.closing, true) {
            Taken::Counted
        } else {
            Taken::CloseAfter(self.allowance.rest(now))
        }
    }

    /// One row for each kind that was counted, and how many refusals no row tells of.
    pub fn close(&mut self) -> (Vec<RequestRow>, u64) {
        self.closing = false;
        let rows = std::mem::take(&mut self.kinds).into_values().collect();
        (rows, std::mem::take(&mut self.lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<'a>(kid: &'a str, model: &'a str) -> Requested<'a> {
        Requested {
            request_id: "req_1",
            arrived: Millis(5),
            ended: Millis(9),
            policy: "team",
            kid,
            key_label: "ci",
            model,
            stream: true,
            session: None,
            source: None,
        }
    }

    #[test]
    fn a_row_tells_status_and_code_and_costs_nothing() {
        for (code, status) in [
            ("budget_exceeded", 402),
            ("model_not_allowed", 403),
            ("model_not_found", 404),
            ("rate_limited", 429),
        ] {
            let row = row(&refused("k", "a/b"), &ApiError::new(code, "No."));
            assert_eq!(
                (
                    row.status,
                    row.class.as_deref(),
                    row.cost_usd.0,
                    row.attempts.len(),
                    row.duration_ms
                ),
                (status, Some(code), 0, 0, 4)
            );
            assert!(row.is_error());
        }
    }

    #[test]
    fn only_what_could_be_a_model_is_repeated() {
        for (asked, kept) in [
            ("openai/gpt-5:free", "openai/gpt-5:free"),
            ("my name is Ann", ""),
            ("é", ""),
            (&"a".repeat(129), ""),
        ] {
            let row = row(&refused("k", asked), &ApiError::new("model_not_found", "No."));
            assert_eq!(row.requested_model, kept);
        }
    }

    #[test]
    fn a_flood_becomes_few_rows_that_add_up() {
        let mut refusals = Refusals::default();
        let (mut written, mut closings) = (0_u64, 0);
        let flood = 10_000_u64;
        for n in 0..flood {
            let kid = format!("k{}", n % 40);
            match refusals.take(
                row(&refused(&kid, "a/b"), &ApiError::new("rate_limited", "No.")),
                Millis(n / 10),
            ) {
                Taken::Write(_) => written += 1,
                Taken::CloseAfter(rest) => {
                    closings += 1;
                    assert!(rest <= WINDOW);
                }
                Taken::Counted => {}
            }
        }
        let (rows, lost) = refusals.close();
        assert_eq!((written, closings, rows.len()), (u64::from(MOST), 1, MAX_KINDS));
        let told: u64 = rows.iter().map(|row| 1 + row.repeats).sum();
        assert_eq!(written + told + lost, flood);
        assert_eq!(refusals.close(), (Vec::new(), 0));
    }
}
