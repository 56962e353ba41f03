//! Seeded choices: the same seed chooses the same.

/// A well-mixed number from another (`SplitMix64`'s finaliser, public domain constants).
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number below `count`; `None` when there is none.
pub(super) fn below(seed: u64, count: usize) -> Option<usize> {
    let count = u64::try_from(count).ok()?;
    usize::try_from(mix(seed).checked_rem(count)?).ok()
}

/// An index in proportion to its weight; all alike when every weight is zero; `None` when there is none.
pub(super) fn weighted(seed: u64, weights: &[u64]) -> Option<usize> {
    let total = weights.iter().fold(0u64, |sum, weight| sum.saturating_add(*weight));
    if total == 0 {
        return below(seed, weights.len());
    }
    let mut left = mix(seed) % total;
    for (index, weight) in weights.iter().enumerate() {
        if left < *weight {
            return Some(index);
        }
        left -= weight;
    }
    None
}
