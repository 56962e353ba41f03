//! Patterns of policies, pools and parameter rules: `*` stands for any text, the empty one included; everything else for itself.

/// Does `text` match `pattern`? Never more than `pattern.len() * text.len()` steps.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // After the last star: where the pattern goes on, and how much text the star has taken.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match (pattern.get(p), retry) {
            (Some(b'*'), _) => {
                p += 1;
                retry = Some((p, t));
            }
            (Some(wanted), _) if wanted == byte => {
                p += 1;
                t += 1;
            }
            (_, Some((after_star, taken))) => {
                p = after_star;
                t = taken + 1;
                retry = Some((after_star, t));
            }
            (_, None) => return false,
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything/at-all", true),
            ("", "", true),
            ("", "a", false),
            ("openai/*", "openai/gpt-4.1-mini", true),
            ("openai/*", "openai", false),
            ("*mini", "openai/gpt-4.1-mini", true),
            ("*4*mini", "openai/gpt-4.1-mini", true),
            ("gpt-5*", "gpt-4.1", false),
            ("a**b", "ab", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbY", false),
            ("gpt.4", "gpt-4", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    /// The meaning of a pattern, slowly.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|taken| reference(rest, &text[taken..])),
            Some((byte, rest)) => text
                .split_first()
                .is_some_and(|(first, tail)| first == byte && reference(rest, tail)),
        }
    }

    proptest! {
        #[test]
        fn it_means_what_it_says(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(matches(&pattern, &text), reference(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
