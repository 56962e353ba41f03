//! How many rows may be written about things that anybody can cause: so many a window, the rest is counted.

use crate::wire::Millis;

/// At most `most` in each window of time. One isolate's memory; knows no clock.
#[derive(Clone, Debug)]
pub struct Allowance {
    most: u32,
    window: Millis,
    begun: Millis,
    taken: u32,
    missed: u64,
}

impl Allowance {
    /// An unused one.
    pub const fn new(most: u32, window: Millis) -> Self {
        Self {
            most,
            window,
            begun: Millis(0),
            taken: 0,
            missed: 0,
        }
    }

    /// May one more be written at `now`? A no is counted.
    pub fn take(&mut self, now: Millis) -> bool {
        if now.since(self.begun) >= self.window {
            self.begun = now;
            self.taken = 0;
        }
        let may = self.taken < self.most;
        if may {
            self.taken = self.taken.saturating_add(1);
        } else {
            self.missed = self.missed.saturating_add(1);
        }
        may
    }

    /// How many were refused since this was last asked.
    pub fn missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// How long the present window still lasts.
    pub fn rest(&self, now: Millis) -> Millis {
        self.begun.plus(self.window).since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_instead_of_written() {
        let mut allowance = Allowance::new(3, Millis(10_000));
        let start = 1_000_000;
        let written = |allowance: &mut Allowance, from: u64, count: u64| {
            (0..count).filter(|n| allowance.take(Millis(from + n))).count()
        };
        assert_eq!(written(&mut allowance, start, 1_000), 3);
        assert_eq!((allowance.missed(), allowance.missed()), (997, 0));
        assert_eq!(allowance.rest(Millis(start + 4_000)), Millis(6_000));
        assert_eq!(written(&mut allowance, start + 9_990, 10), 0);
        assert_eq!(written(&mut allowance, start + 10_000, 10), 3, "the next window");
    }
}
