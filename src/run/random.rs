//! Randomness as a parameter: one seed per request makes every jitter of it repeatable.

use crate::wire::Millis;

/// `SplitMix64` (Steele, Lea, Flood 2014): tiny, well mixed, good enough for jitter and never for secrets.
#[derive(Clone, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A generator that repeats itself for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in `low..=high` milliseconds.
    pub fn between(&mut self, low: Millis, high: Millis) -> Millis {
        let width = high.since(low).0.saturating_add(1);
        low.plus(Millis(self.next_u64().checked_rem(width).unwrap_or(0)))
    }

    /// Uniform in `0.0..1.0`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_for_a_seed_and_stays_in_bounds() {
        let (mut one, mut other) = (SplitMix::new(7), SplitMix::new(7));
        for _ in 0..1000 {
            let drawn = one.between(Millis(250), Millis(750));
            assert_eq!(drawn, other.between(Millis(250), Millis(750)));
            assert!((250..=750).contains(&drawn.0));
            let unit = one.unit();
            assert!((0.0..1.0).contains(&unit));
            other.unit();
        }
        assert_eq!(one.between(Millis(5), Millis(5)), Millis(5));
        assert_eq!(one.between(Millis(9), Millis(5)), Millis(9));
    }
}
