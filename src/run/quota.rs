//! What the rate-limit headers of a response leave of a credential's quota.

use super::classify::header;

/// Pairs of "what is left" and "how much there is", in every spelling that providers use.
pub const WINDOWS: [(&str, &str); 6] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-limit-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens"),
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-limit",
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-limit",
    ),
    (
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-limit",
    ),
    (
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-limit",
    ),
];

/// The smallest share that any window leaves, in thousandths; `None`: the headers name no whole window.
pub fn remaining(headers: &[(String, String)]) -> Option<u32> {
    let number = |name: &str| header(headers, name)?.trim().parse::<u64>().ok();
    let shares = WINDOWS.iter().filter_map(|(left, limit)| {
        let share = number(left)?.saturating_mul(1000).checked_div(number(limit)?)?;
        u32::try_from(share.min(1000)).ok()
    });
    shares.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_window_counts() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<u32>);
        let cases: [Case<'_>; 7] = [
            (&[], None),
            (&[("x-ratelimit-remaining-requests", "10")], None),
            (
                &[
                    ("x-ratelimit-remaining-requests", "10"),
                    ("x-ratelimit-limit-requests", "40"),
                ],
                Some(250),
            ),
            (
                &[
                    ("x-ratelimit-remaining-requests", "10"),
                    ("x-ratelimit-limit-requests", "40"),
                    ("x-ratelimit-remaining-tokens", " 1 "),
                    ("x-ratelimit-limit-tokens", "1000"),
                ],
                Some(1),
            ),
            (
                &[
                    ("anthropic-ratelimit-input-tokens-remaining", "0"),
                    ("anthropic-ratelimit-input-tokens-limit", "50000"),
                ],
                Some(0),
            ),
            // More left than there is, no window at all, no number: nothing that could be believed does harm.
            (
                &[
                    ("x-ratelimit-remaining-requests", "99"),
                    ("x-ratelimit-limit-requests", "40"),
                ],
                Some(1000),
            ),
            (
                &[
                    ("x-ratelimit-remaining-requests", "many"),
                    ("x-ratelimit-limit-requests", "0"),
                ],
                None,
            ),
        ];
        for (headers, expected) in cases {
            let owned: Vec<(String, String)> = headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(remaining(&owned), expected, "{headers:?}");
        }
    }
}
