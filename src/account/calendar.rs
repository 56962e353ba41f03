//! The UTC calendar: where budget windows begin and end, and moments as RFC 3339 text.
//!
//! Arithmetic only; the current moment is always a parameter.

use crate::catalog::document::BudgetWindow;
use crate::wire::Millis;
use crate::wire::civil::{civil, days, valid_day};

/// Milliseconds of a day.
pub const DAY: u64 = 24 * 60 * 60 * 1000;
/// Milliseconds of an hour.
pub const HOUR: u64 = 60 * 60 * 1000;

/// 1970-01-01 was a Thursday: three days after a Monday.
const THURSDAY: u64 = 3;

/// Start of the window that `at` lies in. `Total` began in 1970.
pub fn window_start(window: BudgetWindow, at: Millis) -> Millis {
    let day = at.0 / DAY;
    let first = match window {
        BudgetWindow::Day => day,
        BudgetWindow::Week => day.saturating_sub((day + THURSDAY) % 7),
        BudgetWindow::Month => {
            let (year, month, _) = civil(day);
            days(year, month, 1)
        }
        BudgetWindow::Total => 0,
    };
    Millis(first.saturating_mul(DAY))
}

/// Moment at which the window that `at` lies in is over; `None` for `Total`.
pub fn window_end(window: BudgetWindow, at: Millis) -> Option<Millis> {
    let start = window_start(window, at);
    match window {
        BudgetWindow::Day => Some(start.plus(Millis(DAY))),
        BudgetWindow::Week => Some(start.plus(Millis(7 * DAY))),
        BudgetWindow::Month => {
            let (year, month, _) = civil(start.0 / DAY);
            let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            Some(Millis(days(year, month, 1).saturating_mul(DAY)))
        }
        BudgetWindow::Total => None,
    }
}

/// `2026-09-30T18:00:12.345Z`; the fraction is left out when it is zero. Years beyond 9999 are printed as they are.
pub fn rfc3339(at: Millis) -> String {
    let (year, month, day) = civil(at.0 / DAY);
    let (second, fraction) = ((at.0 % DAY) / 1000, at.0 % 1000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let base = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction == 0 {
        format!("{base}Z")
    } else {
        format!("{base}.{fraction:03}Z")
    }
}

/// `2026-09-30`.
pub fn date(at: Millis) -> String {
    let (year, month, day) = civil(at.0 / DAY);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Reads `YYYY-MM-DD`, or an RFC 3339 moment in UTC (`Z`) with an optional fraction of a second. `None`: neither, or before 1970.
pub fn parse(text: &str) -> Option<Millis> {
    let (date, clock) = match text.split_once(['T', 't']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let midnight = valid_day(year, month, day)?.checked_mul(DAY)?;
    let Some(clock) = clock else {
        return Some(Millis(midnight));
    };
    let clock = clock.strip_suffix(['Z', 'z'])?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(whole, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let milliseconds: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(Millis(midnight.checked_add(
        (hour * 3600 + minute * 60 + second) * 1000 + milliseconds,
    )?))
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut out = [0; 3];
    for (slot, width) in out.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(out)
}

/// `serde(with)` for a moment as RFC 3339 text.
pub mod moment {
    use crate::wire::Millis;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes RFC 3339.
    pub fn serialize<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::rfc3339(*at))
    }

    /// Reads RFC 3339 in UTC.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        super::parse(&text).ok_or_else(|| D::Error::custom("not an RFC 3339 moment in UTC"))
    }
}

/// [`moment`] that may be null.
pub mod optional_moment {
    use crate::wire::Millis;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Moment(#[serde(with = "super::moment")] Millis);

    /// Writes RFC 3339 or null.
    pub fn serialize<S: Serializer>(at: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::moment::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads RFC 3339 or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
        Ok(Option::<Moment>::deserialize(deserializer)?.map(|moment| moment.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_begin_and_end_in_utc_and_weeks_on_monday() {
        let check = |window, at: &str, start: &str, end: Option<&str>| {
            let at = parse(at).unwrap();
            assert_eq!(rfc3339(window_start(window, at)), start, "start of {window:?}");
            assert_eq!(window_end(window, at).map(rfc3339).as_deref(), end, "end of {window:?}");
        };
        let midnight = |date: &str| format!("{date}T00:00:00Z");
        for (window, at, start, end) in [
            (
                BudgetWindow::Day,
                "2026-09-30T23:59:59.999Z",
                "2026-09-30",
                Some("2026-10-01"),
            ),
            (
                BudgetWindow::Day,
                "2024-02-29T12:00:00Z",
                "2024-02-29",
                Some("2024-03-01"),
            ),
            (
                BudgetWindow::Week,
                "2026-09-28T00:00:00Z",
                "2026-09-28",
                Some("2026-10-05"),
            ),
            (
                BudgetWindow::Week,
                "2026-10-04T23:59:59Z",
                "2026-09-28",
                Some("2026-10-05"),
            ),
            (
                BudgetWindow::Month,
                "2026-12-31T23:59:59Z",
                "2026-12-01",
                Some("2027-01-01"),
            ),
            (
                BudgetWindow::Month,
                "2028-02-29T00:00:00Z",
                "2028-02-01",
                Some("2028-03-01"),
            ),
            (BudgetWindow::Total, "2026-12-31T23:59:59Z", "1970-01-01", None),
        ] {
            check(window, at, &midnight(start), end.map(midnight).as_deref());
        }
    }

    #[test]
    fn only_utc_moments_and_dates_are_read() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(parse(text).map(|at| at.0), expected, "{text}");
        check("1970-01-01", Some(0));
        check("2026-11-20T18:00:12Z", Some(1_795_197_612_000));
        check("2026-11-20T18:00:12.34Z", Some(1_795_197_612_340));
        check("2026-11-20T18:00:12.345678901Z", Some(1_795_197_612_345));
        for bad in [
            "",
            "soon",
            "2026-02-30",
            "2026-13-01",
            "1969-12-31",
            "2026-11-20T18:00:12",
            "2026-11-20T24:00:00Z",
            "26-1-1",
            "2026-11-20T18:00:12.Z",
            "2026-11-20T18:00:12+01:00",
            "+026-11-20",
        ] {
            check(bad, None);
        }
    }

    proptest! {
        #[test]
        fn moments_survive_text(at in 0_u64..200_000_000_000_000) {
            prop_assert_eq!(parse(&rfc3339(Millis(at))), Some(Millis(at)));
        }

        #[test]
        fn a_moment_lies_in_its_window(at in 0_u64..100_000_000_000_000) {
            for window in [BudgetWindow::Day, BudgetWindow::Week, BudgetWindow::Month] {
                let (start, end) = (window_start(window, Millis(at)), window_end(window, Millis(at)).unwrap());
                prop_assert!(start.0 <= at && at < end.0);
                prop_assert_eq!(window_start(window, end), end);
                if start.0 > 0 {
                    prop_assert_eq!(window_end(window, Millis(start.0 - 1)), Some(start));
                }
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
