//! When settlements come fast, several share one stored row: each waits a moment for company. When they come slowly, waiting would cost
//! more than the row (the object is billed by time while it waits: 0.6 s cost as much as a row), so nobody waits.

use crate::wire::Millis;

/// How long a settlement waits for others.
pub const HOLD: Millis = Millis(100);
/// Settlements in the second before from which waiting pays.
const FAST: u32 = 4;

/// Settlements of this second and of the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    second: u64,
    current: u32,
    previous: u32,
}

impl Pace {
    /// Counts a settlement; true: it should wait [`HOLD`] before it is stored.
    pub fn count(&mut self, now: Millis) -> bool {
        let second = now.0 / 1000;
        if second != self.second {
            self.previous = if second == self.second.saturating_add(1) {
                self.current
            } else {
                0
            };
            self.current = 0;
            self.second = second;
        }
        self.current = self.current.saturating_add(1);
        self.previous >= FAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fast_stream_waits() {
        let check = |gap: u64, expected: bool| {
            let mut pace = Pace::default();
            let waited = (0..20)
                .map(|number| pace.count(Millis(1_000_000 + number * gap)))
                .last();
            assert_eq!(waited, Some(expected), "one every {gap} ms");
        };
        check(100, true);
        check(250, true);
        check(400, false);
        check(5_000, false);
    }
}
