//! Running sums of one subject (a policy, or one of its keys): what was spent and what is reserved in each calendar window.
//!
//! All four windows are always counted, so that a budget added today knows what was spent this month. The window before the current
//! one is kept too: a request that was reserved yesterday is charged to yesterday.

use crate::account::calendar;
use crate::catalog::NanoUsd;
use crate::catalog::document::BudgetWindow;
use crate::wire::Millis;
use serde::{Deserialize, Serialize};

/// Sums of one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSum {
    /// Its beginning.
    pub start: Millis,
    /// Settled.
    pub spent: NanoUsd,
    /// Held by open reservations. Not stored: it is the sum of the stored reservations.
    #[serde(skip)]
    pub reserved: NanoUsd,
}

/// Sums of the current window and of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    current: WindowSum,
    previous: WindowSum,
}

/// All windows of one subject. About 300 bytes of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectSums {
    day: Pair,
    week: Pair,
    month: Pair,
    total: Pair,
    /// When something was last charged, be it nothing: a key's last request.
    #[serde(default)]
    last: Millis,
}

const WINDOWS: [BudgetWindow; 4] = [
    BudgetWindow::Day,
    BudgetWindow::Week,
    BudgetWindow::Month,
    BudgetWindow::Total,
];

impl SubjectSums {
    /// Opens new windows when `now` lies beyond the current ones. A clock that went backwards changes nothing.
    pub fn roll(&mut self, now: Millis) {
        for window in WINDOWS {
            let start = calendar::window_start(window, now);
            let pair = self.pair_mut(window);
            if start > pair.current.start {
                pair.previous = pair.current;
                pair.current = WindowSum {
                    start,
                    ..WindowSum::default()
                };
            }
        }
    }

    /// The current window.
    pub fn current(&self, window: BudgetWindow) -> WindowSum {
        self.pair(window).current
    }

    /// Holds `amount` in the windows of `at`.
    pub fn reserve(&mut self, at: Millis, amount: NanoUsd) {
        self.each_window_of(at, |sum| sum.reserved = sum.reserved.saturating_add(amount));
    }

    /// Lets go of `amount` in the windows of `at`.
    pub fn release(&mut self, at: Millis, amount: NanoUsd) {
        self.each_window_of(at, |sum| sum.reserved = sum.reserved.saturating_sub(amount));
    }

    /// Charges `amount` to the windows of `at`. A window older than the previous one is no longer counted: usage rows still tell it.
    pub fn charge(&mut self, at: Millis, amount: NanoUsd) {
        self.last = self.last.max(at);
        self.each_window_of(at, |sum| sum.spent = sum.spent.saturating_add(amount));
    }

    /// The moment of the latest request that was settled; `None`: there was none.
    pub fn last(&self) -> Option<Millis> {
        (self.last.0 > 0).then_some(self.last)
    }

    /// True when nothing is reserved in any window.
    pub fn is_settled(&self) -> bool {
        WINDOWS.iter().all(|window| {
            let pair = self.pair(*window);
            pair.current.reserved == NanoUsd::ZERO && pair.previous.reserved == NanoUsd::ZERO
        })
    }

    fn each_window_of(&mut self, at: Millis, change: impl Fn(&mut WindowSum)) {
        for window in WINDOWS {
            let start = calendar::window_start(window, at);
            let pair = self.pair_mut(window);
            if start == pair.current.start {
                change(&mut pair.current);
            } else if start == pair.previous.start {
                change(&mut pair.previous);
            }
        }
    }

    fn pair(&self, window: BudgetWindow) -> &Pair {
        match window {
            BudgetWindow::Day => &self.day,
            BudgetWindow::Week => &self.week,
            BudgetWindow::Month => &self.month,
            BudgetWindow::Total => &self.total,
        }
    }

    fn pair_mut(&mut self, window: BudgetWindow) -> &mut Pair {
        match window {
            BudgetWindow::Day => &mut self.day,
            BudgetWindow::Week => &mut self.week,
            BudgetWindow::Month => &mut self.month,
            BudgetWindow::Total => &mut self.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_lands_in_the_windows_of_its_reservation() {
        let moment = |text: &str| calendar::parse(text).unwrap();
        let (late, next) = (moment("2026-09-30T23:59:50Z"), moment("2026-10-01T00:00:10Z"));
        let mut sums = SubjectSums::default();
        sums.roll(late);
        sums.reserve(late, NanoUsd(50));
        sums.roll(next);
        let check = |sums: &SubjectSums, window, spent, reserved| {
            let sum = sums.current(window);
            assert_eq!((sum.spent.0, sum.reserved.0), (spent, reserved), "{window:?}");
        };
        check(&sums, BudgetWindow::Day, 0, 0);
        check(&sums, BudgetWindow::Month, 0, 0);
        check(&sums, BudgetWindow::Week, 0, 50);
        check(&sums, BudgetWindow::Total, 0, 50);
        sums.release(late, NanoUsd(50));
        sums.charge(late, NanoUsd(20));
        check(&sums, BudgetWindow::Day, 0, 0);
        check(&sums, BudgetWindow::Month, 0, 0);
        check(&sums, BudgetWindow::Week, 20, 0);
        check(&sums, BudgetWindow::Total, 20, 0);
        assert!(sums.is_settled());
    }

    #[test]
    fn a_clock_that_goes_backwards_changes_no_window() {
        let (late, early) = (
            calendar::parse("2026-10-01").unwrap(),
            calendar::parse("2026-09-01").unwrap(),
        );
        let mut sums = SubjectSums::default();
        sums.roll(late);
        sums.charge(late, NanoUsd(5));
        sums.roll(early);
        assert_eq!(sums.current(BudgetWindow::Month).spent, NanoUsd(5));
    }
}
