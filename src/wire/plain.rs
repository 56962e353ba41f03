//! Text that a caller chose and that a row or a log may repeat: names, never sentences, and nothing that could be a credential.

/// The text, when it could be the name of something: at most `most` bytes of letters, digits and `-_.:/@+`, no run that looks random.
pub fn name(text: &str, most: usize) -> Option<&str> {
    let is_name = text.len() <= most
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:/@+".contains(&b))
        && !text.split('/').any(looks_secret);
    is_name.then_some(text)
}

/// Could somebody have pasted a credential where a name belongs? Names are words; credentials are long runs of letters and digits.
fn looks_secret(segment: &str) -> bool {
    let is_random = |run: &str| run.len() >= 20 && run.bytes().any(|b| b.is_ascii_digit());
    segment.starts_with("sk-") || segment.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_sentences_and_secrets() {
        for (text, expected) in [
            ("openai/gpt-5:free", true),
            ("models/openai/gpt-4.1-mini-2025-04-14", true),
            ("accounts/fireworks/models/llama-v3p1-405b-instruct", true),
            ("", true),
            ("my name is Ann", false),
            ("é", false),
            ("sk-proj-abc", false),
            ("openai/sk-proj-abc", false),
            ("AKIAIOSFODNN7EXAMPLE12", false),
            ("clawrouter-live-abcd-0123456789abcdef01234567", false),
            (&"a".repeat(129), false),
        ] {
            assert_eq!(name(text, 128).is_some(), expected, "{text}");
        }
    }
}
