//! Percent-encoding and query strings of our own API's paths.

/// Decodes `%XX`; what is not an escape stays as it is, what is no UTF-8 becomes the replacement character.
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| tail.split_at_checked(2))
            .flatten()
            .and_then(|(hex, after)| Some((hex_byte(hex)?, after)));
        if let Some((byte, after)) = escaped {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last value of `name` in a query string (without its `?`), decoded; `+` is a space. Empty counts as absent.
pub fn query(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.rev().find(|(key, _)| decode(key) == name)?.1;
    Some(decode(&value.replace('+', " "))).filter(|value| !value.is_empty())
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = digits
        .iter()
        .try_fold(0, |value, byte| Some(value * 16 + digit(byte)?))?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_decoded_and_the_rest_is_kept() {
        let cases = [
            ("openai%2Fgpt-4.1", "openai/gpt-4.1"),
            ("a%2", "a%2"),
            ("%zz%41", "%zzA"),
            ("%C3%A4", "ä"),
            ("%ff", "\u{fffd}"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    #[test]
    fn queries_give_their_last_value() {
        let text = "limit=5&q=a+b%26c&limit=7&empty=&flag";
        let found = |name: &str| query(text, name);
        assert_eq!(
            (found("limit"), found("q")),
            (Some("7".to_owned()), Some("a b&c".to_owned()))
        );
        assert_eq!((found("empty"), found("flag"), found("none")), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_text_is_decoded(text in ".{0,80}") {
            prop_assert!(decode(&text).len() <= text.len() * 3);
        }
    }
}
