//! Running figures of one target or one credential: speed, errors, how busy. Bounded size, no history kept.

use crate::wire::Millis;

/// Weight of the newest sample in a moving average.
const NEWEST: f64 = 0.1;

/// Samples after which a measured figure outranks an imported one.
pub const TRUSTED_SAMPLES: u32 = 20;

/// An exponentially weighted moving average; the first samples count fully so that it starts unbiased.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ewma {
    /// The average; 0 without samples.
    pub value: f64,
    /// Samples seen; saturates.
    pub samples: u32,
}

impl Ewma {
    /// Takes one sample.
    pub fn add(&mut self, sample: f64) {
        if !sample.is_finite() {
            return;
        }
        self.samples = self.samples.saturating_add(1);
        let weight = NEWEST.max(1.0 / f64::from(self.samples));
        self.value += (sample - self.value) * weight;
    }

    /// The average, once enough samples were seen.
    pub fn trusted(&self) -> Option<f64> {
        (self.samples >= TRUSTED_SAMPLES).then_some(self.value)
    }
}

/// Buckets of [`Quantiles`]: bucket `i` ends at `2^(i/2)` milliseconds, the last one is open (about 12 minutes).
const BUCKETS: usize = 40;

/// Percentiles of durations in a fixed number of buckets; older samples fade by halving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantiles {
    buckets: [u16; BUCKETS],
    total: u32,
}

impl Default for Quantiles {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS],
            total: 0,
        }
    }
}

impl Quantiles {
    /// Counts one duration.
    pub fn add(&mut self, duration: Millis) {
        let index = (0..BUCKETS - 1)
            .find(|index| duration <= bucket_end(*index))
            .unwrap_or(BUCKETS - 1);
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket = bucket.saturating_add(1);
            self.total += 1;
        }
        // Half of the weight lies in the newest few hundred samples.
        if self.total >= 512 {
            self.total = 0;
            for bucket in &mut self.buckets {
                *bucket /= 2;
                self.total += u32::from(*bucket);
            }
        }
    }

    /// Samples that count.
    pub fn samples(&self) -> u32 {
        self.total
    }

    /// The upper end of the bucket that holds the given share (in thousandths) of all samples.
    pub fn quantile(&self, thousandths: u32) -> Option<Millis> {
        let wanted = (u64::from(self.total) * u64::from(thousandths.min(1000)))
            .div_ceil(1000)
            .max(1);
        let mut seen = 0u64;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += u64::from(*bucket);
            if self.total > 0 && seen >= wanted {
                return Some(bucket_end(index));
            }
        }
        None
    }
}

fn bucket_end(index: usize) -> Millis {
    let whole = 1u64 << (index / 2).min(32);
    // Half steps: times the square root of two.
    Millis(if index.is_multiple_of(2) {
        whole
    } else {
        whole * 1414 / 1000
    })
}

/// Successes and give-ups of the last half minute, in two tumbling halves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    half: u64,
    current: (u32, u32),
    previous: (u32, u32),
}

/// Half of the breaker's window.
const HALF_WINDOW: u64 = 15_000;

impl Window {
    /// Counts one outcome.
    pub fn add(&mut self, failed: bool, now: Millis) {
        self.roll(now);
        self.current.0 = self.current.0.saturating_add(1);
        self.current.1 = self.current.1.saturating_add(u32::from(failed));
    }

    /// True when at least ten outcomes of the window are known and at least half of them failed.
    pub fn mostly_failing(&mut self, now: Millis) -> bool {
        self.roll(now);
        let all = self.current.0.saturating_add(self.previous.0);
        let failed = self.current.1.saturating_add(self.previous.1);
        all >= 10 && failed.saturating_mul(2) >= all
    }

    fn roll(&mut self, now: Millis) {
        let half = now.0 / HALF_WINDOW;
        if half == self.half {
            return;
        }
        self.previous = if half == self.half + 1 { self.current } else { (0, 0) };
        self.current = (0, 0);
        self.half = half;
    }
}

/// Requests and tokens of the last minute: a sliding estimate from two fixed minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    index: u64,
    current: (u64, u64),
    previous: (u64, u64),
}

impl Minute {
    /// Counts one request of so many tokens.
    pub fn add(&mut self, tokens: u64, now: Millis) {
        let index = now.0 / 60_000;
        if index != self.index {
            self.previous = if index == self.index + 1 { self.current } else { (0, 0) };
            self.current = (0, 0);
            self.index = index;
        }
        self.current.0 = self.current.0.saturating_add(1);
        self.current.1 = self.current.1.saturating_add(tokens);
    }

    /// Requests and tokens of the 60 s before `now`, in thousandths.
    pub fn used_thousandths(&self, now: Millis) -> (u64, u64) {
        let index = now.0 / 60_000;
        // The share of the fixed minute before that still lies within the last 60 s.
        let kept = (60_000 - now.0 % 60_000) / 60;
        let weigh = |current: u64, previous: u64| {
            current
                .saturating_mul(1000)
                .saturating_add(previous.saturating_mul(kept))
        };
        if index == self.index {
            (
                weigh(self.current.0, self.previous.0),
                weigh(self.current.1, self.previous.1),
            )
        } else if index == self.index + 1 {
            (weigh(0, self.current.0), weigh(0, self.current.1))
        } else {
            (0, 0)
        }
    }
}

/// Estimated input tokens decide which first-token percentiles a sample belongs to: up to 4k, up to 32k, above.
pub fn size_bucket(tokens: u64) -> usize {
    match tokens {
        0..=4_000 => 0,
        4_001..=32_000 => 1,
        _ => 2,
    }
}

/// Figures of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetStats {
    /// Milliseconds to the first content event.
    pub ttft_ms: Ewma,
    /// Percentiles of the same by [`size_bucket`].
    pub ttft: [Quantiles; 3],
    /// Output tokens a second.
    pub tokens_per_second: Ewma,
    /// 1 for a failed attempt, 0 for a good one.
    pub error_rate: Ewma,
    /// Real input tokens divided by estimated ones.
    pub token_ratio: Ewma,
    /// Give-ups in a row.
    pub give_ups: u32,
    /// The breaker's window.
    pub window: Window,
    /// Calls running now.
    pub in_flight: u32,
    /// Last use, for eviction.
    pub used_at: Millis,
}

/// Figures of one credential.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CredentialStats {
    /// Calls running now.
    pub in_flight: u32,
    /// Requests and tokens of the last minute.
    pub minute: Minute,
    /// Smallest share of quota left by the last headers, in thousandths, and when that was read.
    pub remaining: Option<(u32, Millis)>,
    /// Lengths of request that passed and were refused lately.
    pub sizes: super::sizes::Sizes,
    /// Last success.
    pub last_ok_at: Option<Millis>,
    /// Last use, for eviction.
    pub used_at: Millis,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_samples_are_averaged_evenly() {
        let mut average = Ewma::default();
        for sample in [10.0, 20.0, 30.0] {
            average.add(sample);
        }
        assert!((average.value - 20.0).abs() < 1e-9);
        assert_eq!(average.trusted(), None);
    }

    #[test]
    fn the_window_forgets_after_half_a_minute() {
        let mut window = Window::default();
        for at in 0..9 {
            window.add(true, Millis(at));
        }
        assert!(!window.mostly_failing(Millis(9)));
        window.add(false, Millis(10));
        assert!(window.mostly_failing(Millis(10)));
        assert!(window.mostly_failing(Millis(29_999)));
        assert!(!window.mostly_failing(Millis(30_000)));
    }

    #[test]
    fn the_minute_slides() {
        let mut minute = Minute::default();
        for _ in 0..60 {
            minute.add(10, Millis(59_999));
        }
        assert_eq!(minute.used_thousandths(Millis(59_999)), (60_000, 600_000));
        assert_eq!(minute.used_thousandths(Millis(90_000)), (30_000, 300_000));
        assert_eq!(minute.used_thousandths(Millis(120_000)), (0, 0));
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_half_a_step(durations in proptest::collection::vec(1u64..500_000, 1..400)) {
            let mut quantiles = Quantiles::default();
            for duration in &durations {
                quantiles.add(Millis(*duration));
            }
            let mut sorted = durations.clone();
            sorted.sort_unstable();
            let median = sorted[(sorted.len().div_ceil(2)) - 1];
            let told = quantiles.quantile(500).unwrap().0;
            prop_assert!(told + 1 >= median && told <= median * 3 / 2 + 1, "{told} for {median}");
        }
    }
}
