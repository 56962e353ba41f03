//! When a second call may start beside a slow first one. Opt-in; streaming callers only; before the commit.

use super::random::SplitMix;
use crate::catalog::document::Hedge;
use crate::wire::Millis;

/// Earliest start.
const EARLIEST: Millis = Millis(800);

/// Latest start.
const LATEST: Millis = Millis(8_000);

/// How long after the first call the second may start; `None`: not this time. The share of hedged requests is bounded by a draw per
/// request, which needs no memory and holds over all isolates.
pub fn delay(hedge: &Hedge, p95: Option<Millis>, random: &mut SplitMix) -> Option<Millis> {
    if !hedge.enabled || random.unit() >= hedge.budget {
        return None;
    }
    Some(p95.unwrap_or(LATEST).clamp(EARLIEST, LATEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_bounded_and_the_delay_clamped() {
        let on = |budget| Hedge { enabled: true, budget };
        let mut random = SplitMix::new(1);
        let started = (0..10_000)
            .filter(|_| delay(&on(0.05), None, &mut random).is_some())
            .count();
        assert!((300..700).contains(&started), "{started}");
        assert_eq!(
            delay(
                &Hedge {
                    enabled: false,
                    budget: 1.0
                },
                None,
                &mut random
            ),
            None
        );
        assert_eq!(delay(&on(0.0), None, &mut random), None);
        assert_eq!(delay(&on(1.0), Some(Millis(10)), &mut random), Some(EARLIEST));
        assert_eq!(delay(&on(1.0), Some(Millis(1_000)), &mut random), Some(Millis(1_000)));
        assert_eq!(delay(&on(1.0), None, &mut random), Some(LATEST));
    }
}
