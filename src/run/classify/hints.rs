//! When an upstream says to come back: headers, body fields, and the sentences in between.

use super::body::ErrorFacts;
use super::header;
use crate::wire::Millis;
use crate::wire::time::{parse_http_date, parse_rfc3339};
use serde_json::Value;

/// No hint is shorter.
const FLOOR: Millis = Millis(250);

/// No hint is believed beyond a week.
const CAP: Millis = Millis(7 * 24 * 3_600_000);

/// Pairs of "what is left" and "when it is full again".
const WINDOWS: [(&str, &str); 6] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    (
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
];

/// Phrases that a duration follows.
const PHRASES: [&str; 8] = [
    "try again in ",
    "retry after ",
    "retry in ",
    "resets in ",
    "reset in ",
    "reset after ",
    "resets after ",
    "available in ",
];

/// The first hint in this order: headers, fields, words, windows; clamped.
pub(super) fn hint(headers: &[(String, String)], facts: &ErrorFacts, now: Millis) -> Option<Millis> {
    from_headers(headers, now)
        .or_else(|| {
            facts
                .retry_fields
                .iter()
                .find_map(|(name, value)| from_field(name, value, now))
        })
        .or_else(|| facts.retry_delay.as_deref().and_then(duration))
        .or_else(|| PHRASES.iter().find_map(|phrase| from_phrase(&facts.message, phrase)))
        .or_else(|| from_windows(headers, now))
        .map(|hint| hint.clamp(FLOOR, CAP))
}

/// The token limit that the headers name.
pub(super) fn token_limit(headers: &[(String, String)]) -> Option<u64> {
    [
        "x-ratelimit-limit-tokens",
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-tokens-limit",
    ]
    .iter()
    .find_map(|name| header(headers, name)?.trim().parse().ok())
}

fn from_headers(headers: &[(String, String)], now: Millis) -> Option<Millis> {
    ["retry-after-ms", "x-ms-retry-after-ms"]
        .iter()
        .find_map(|name| milliseconds(header(headers, name)?, 1.0))
        .or_else(|| {
            let value = header(headers, "retry-after")?.trim();
            milliseconds(value, 1000.0).or_else(|| parse_http_date(value).map(|moment| moment.since(now)))
        })
}

fn from_field(name: &str, value: &Value, now: Millis) -> Option<Millis> {
    let absolute = matches!(name, "resets_at" | "reset_at");
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match (number, value) {
        // Epoch milliseconds, epoch seconds, or a plain duration, told apart by size.
        (Some(number), _) if absolute && number > 1e12 => to_millis(number).map(|moment| moment.since(now)),
        (Some(number), _) if absolute && number > 1e9 => to_millis(number * 1000.0).map(|moment| moment.since(now)),
        (Some(number), _) if name == "retry_after_ms" => to_millis(number),
        (Some(number), _) => to_millis(number * 1000.0),
        (None, Value::String(text)) => parse_rfc3339(text)
            .map(|moment| moment.since(now))
            .or_else(|| duration(&text.to_lowercase())),
        _ => None,
    }
}

fn from_phrase(message: &str, phrase: &str) -> Option<Millis> {
    message
        .match_indices(phrase)
        .find_map(|(at, found)| duration(message.get(at + found.len()..)?))
}

fn from_windows(headers: &[(String, String)], now: Millis) -> Option<Millis> {
    WINDOWS
        .iter()
        .filter(|(remaining, _)| header(headers, remaining).is_some_and(|left| left.trim() == "0"))
        .filter_map(|(_, reset)| {
            let value = header(headers, reset)?;
            parse_rfc3339(value)
                .map(|moment| moment.since(now))
                .or_else(|| duration(&value.to_lowercase()))
        })
        .max()
}

/// `1h2m3.4s`, `644ms`, `4hr 5min`, `34.074824224s`, `2 seconds`, plain seconds. Reads as far as it makes sense.
pub(super) fn duration(text: &str) -> Option<Millis> {
    let mut rest = text.trim_start();
    let mut total = 0.0_f64;
    let mut parts = 0;
    while parts < 6 {
        let number_end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(number_end)?;
        // A full stop at the end of a sentence is not part of the number.
        let Ok(number) = number.trim_end_matches('.').parse::<f64>() else {
            break;
        };
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, tail) = after.split_at_checked(unit_end)?;
        let Some(factor) = unit_milliseconds(unit) else {
            // `retry after 30` and `retry after 30 or so`: seconds.
            total += if parts == 0 { number * 1000.0 } else { 0.0 };
            parts += 1;
            break;
        };
        total += number * factor;
        parts += 1;
        rest = tail.trim_start_matches([' ', ',']);
    }
    if parts == 0 { None } else { to_millis(total) }
}

fn unit_milliseconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "milliseconds" | "millisecond" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        _ => return None,
    })
}

fn milliseconds(text: &str, factor: f64) -> Option<Millis> {
    to_millis(text.trim().parse::<f64>().ok()? * factor)
}

fn to_millis(value: f64) -> Option<Millis> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded on the same line"
    )]
    (value.is_finite() && value >= 0.0).then(|| Millis(value.min(9e15).ceil() as u64))
}
