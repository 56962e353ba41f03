//! Single values: what a string means, what a number says, and how a string is written.

use super::cursor::Text;
use std::borrow::Cow;
use std::ops::Range;

/// What the string at `text` means. Lone surrogates read as U+FFFD.
pub fn decode<'a>(bytes: &'a [u8], text: &Text) -> Cow<'a, str> {
    let raw = bytes
        .get(text.range.clone())
        .and_then(|raw| std::str::from_utf8(raw).ok())
        .unwrap_or_default();
    if text.escaped {
        Cow::Owned(unescape(raw))
    } else {
        Cow::Borrowed(raw)
    }
}

fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        match chars.next() {
            Some('u') => rest = unescape_unicode(chars.as_str(), &mut out),
            Some(short) => {
                out.push(match short {
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    same => same,
                });
                rest = chars.as_str();
            }
            None => rest = "",
        }
    }
    out.push_str(rest);
    out
}

/// Reads `XXXX` or `XXXX\uXXXX`, whose `\u` is already consumed, and returns what follows.
fn unescape_unicode<'a>(digits: &'a str, out: &mut String) -> &'a str {
    let Some((first, rest)) = hex4(digits) else { return "" };
    let pair = || {
        let (second, after) = hex4(rest.strip_prefix("\\u")?)?;
        let joined = char::decode_utf16([first, second]).next()?.ok()?;
        (u32::from(joined) > 0xFFFF).then_some((joined, after))
    };
    if let Some(single) = char::from_u32(u32::from(first)) {
        out.push(single);
        rest
    } else if let Some((joined, after)) = pair() {
        out.push(joined);
        after
    } else {
        out.push(char::REPLACEMENT_CHARACTER);
        rest
    }
}

fn hex4(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

/// A non-negative whole number, also when it is spelled `1e3` or `12.0`; `None` for anything else and beyond 2^53.
pub fn number_u64(bytes: &[u8], value: &Range<usize>) -> Option<u64> {
    let text = std::str::from_utf8(bytes.get(value.clone())?).ok()?;
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole);
    }
    let float: f64 = text.parse().ok()?;
    // 2^53: above it a double no longer names one whole number.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range and wholeness are checked"
    )]
    ((0.0..=9_007_199_254_740_992.0).contains(&float) && float.fract() == 0.0).then_some(float as u64)
}

/// A JSON string literal that means `text`.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_quoted(&mut out, text);
    out
}

/// Appends a JSON string literal that means `text`.
pub fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // U+2028 and U+2029 end lines for some event-stream readers.
            '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                out.push_str("\\u");
                for shift in [12_u32, 8, 4, 0] {
                    out.push(char::from_digit((u32::from(c) >> shift) & 0xF, 16).unwrap_or('0'));
                }
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}
