//! Time as a parameter: the core has no clock.

use super::civil::{civil, valid_day};
use serde::{Deserialize, Serialize};

/// Milliseconds: since the Unix epoch where it names a moment, plain where it names a duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The moment `duration` after this one; saturates.
    #[must_use]
    pub fn plus(self, duration: Self) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// A duration of whole seconds.
    pub fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

/// A moment since the Unix epoch as RFC 3339 UTC with milliseconds: `2026-05-01T12:00:00.000Z`. Years above 9999 print as 9999.
pub fn rfc3339(moment: Millis) -> String {
    let seconds = (moment.0 / 1000).min(253_402_300_799);
    let of_day = seconds % 86_400;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        moment.0 % 1000
    )
}

/// Reads an RFC 3339 moment with any offset, `2026-11-20T18:00:12.34+01:00`; what is finer than milliseconds is cut off.
/// `None` for anything else, for days that the calendar lacks and for moments before 1970.
pub fn parse_rfc3339(text: &str) -> Option<Millis> {
    let text = text.trim();
    let date = text.get(..10)?;
    let (year, month, day) = (
        digits(date.get(..4)?)?,
        digits(date.get(5..7)?)?,
        digits(date.get(8..10)?)?,
    );
    let separators = (date.get(4..5)?, date.get(7..8)?, text.get(10..11)?);
    if !matches!(separators, ("-", "-", "T" | "t" | " ")) {
        return None;
    }
    let seconds = clock(text.get(11..19)?)?;
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let length = rest.find(|c: char| !c.is_ascii_digit()).filter(|length| *length > 0)?;
            rest.split_at_checked(length)?
        }
        None => ("0", rest),
    };
    let millis = digits(&fraction.chars().chain("00".chars()).take(3).collect::<String>())?;
    let at = moment(year, month, day, seconds)?.plus(Millis(millis));
    match (zone, zone.split_at_checked(1)?) {
        ("Z" | "z", _) => Some(at),
        (_, (sign @ ("+" | "-"), offset)) if offset.len() == 5 && offset.get(2..3) == Some(":") => {
            let (hours, minutes) = (digits(offset.get(..2)?)?, digits(offset.get(3..5)?)?);
            let offset = Millis((hours * 60 + minutes) * 60_000);
            if hours > 23 || minutes > 59 {
                None
            } else if sign == "-" {
                Some(at.plus(offset))
            } else {
                at.0.checked_sub(offset.0).map(Millis)
            }
        }
        _ => None,
    }
}

/// Reads an HTTP date as servers send it, `Fri, 20 Nov 2026 18:00:00 GMT`; the two older forms of the standard are no longer sent.
pub fn parse_http_date(text: &str) -> Option<Millis> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_weekday, rest) = text.trim().split_once(", ")?;
    let mut words = rest.split_ascii_whitespace();
    let day = digits(words.next()?)?;
    let name = words.next()?;
    let month = (1..)
        .zip(MONTHS)
        .find_map(|(number, month)| month.eq_ignore_ascii_case(name).then_some(number))?;
    let year = digits(words.next()?)?;
    let seconds = clock(words.next()?)?;
    let zone = words.next()?;
    if !zone.eq_ignore_ascii_case("GMT") || words.next().is_some() {
        return None;
    }
    moment(year, month, day, seconds)
}

/// At most four decimal digits and nothing else.
fn digits(text: &str) -> Option<u64> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Seconds of a day from `18:00:12`; a leap second counts as the one before it.
fn clock(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let mut two = || digits(parts.next().filter(|part| part.len() == 2)?);
    let (hour, minute, second) = (two()?, two()?, two()?);
    let valid = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none();
    valid.then_some(hour * 3600 + minute * 60 + second.min(59))
}

fn moment(year: u64, month: u64, day: u64, seconds: u64) -> Option<Millis> {
    let day = valid_day(year, month, day)?;
    Some(Millis((day * 86_400 + seconds) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_read() {
        fn check(parsed: Option<Millis>, expected: Option<u64>) {
            assert_eq!(parsed, expected.map(Millis));
        }
        check(parse_rfc3339("2026-11-20T18:00:12Z"), Some(1_795_197_612_000));
        check(parse_rfc3339("2026-11-20t18:00:12.34z"), Some(1_795_197_612_340));
        check(parse_rfc3339("2026-11-20 18:00:12.3456789Z"), Some(1_795_197_612_345));
        check(parse_rfc3339("2026-11-20T19:00:12+01:00"), Some(1_795_197_612_000));
        check(parse_rfc3339("2026-11-20T12:30:12-05:30"), Some(1_795_197_612_000));
        check(parse_rfc3339("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
        check(parse_rfc3339("2016-12-31T23:59:60Z"), Some(1_483_228_799_000));
        for wrong in [
            "2023-02-29T00:00:00Z",
            "2026-13-20T19:00:12Z",
            "2026-11-20T24:00:12Z",
            "2026-11-20T18:00:12",
            "2026-11-20T18:00:12.Z",
            "2026-11-20T18:00:12+0100",
            "2026-11-20T18:00:12+24:00",
            "2026-11-20",
            "1969-12-31T23:59:59Z",
            "+026-11-20T18:00:12Z",
            "soon",
            "",
        ] {
            assert_eq!(parse_rfc3339(wrong), None, "{wrong}");
        }
        check(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        check(
            parse_http_date(" Fri, 20 nov 2026 18:00:00 gmt "),
            Some(1_795_197_600_000),
        );
        for wrong in [
            "Fri, 20 Nov 2026 18:00:00",
            "Fri, 31 Nov 2026 18:00:00 GMT",
            "Fri, 20 Nov 2026 18:00:00 CET",
            "12",
            "",
        ] {
            assert_eq!(parse_http_date(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(millis in 0..253_402_300_800_000_u64) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(Millis(millis))), Some(Millis(millis)));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,40}", time in "[0-9:.TZ+ -]{10,30}") {
            let _ = (parse_rfc3339(&text), parse_http_date(&text), parse_rfc3339(&time));
        }
    }

    #[test]
    fn moments_print_as_rfc3339() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_772_323_199_999, "2026-02-28T23:59:59.999Z"),
            (1_772_323_200_000, "2026-03-01T00:00:00.000Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Millis(millis)), expected);
        }
    }
}
