//! Exact decimal numbers as text: integer units in, shortest decimal out, and back. No float is involved, so no cent is ever invented.
//!
//! Knows nothing of money; `catalog::money` says what a unit is.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

/// Longest text that is read as a number; longer ones are refused before any work is done.
const MAX_TEXT: usize = 64;

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDecimal {
    /// Not a number at all.
    #[error("write a decimal number such as 0.25")]
    NotANumber,
    /// Below zero.
    #[error("an amount cannot be negative")]
    Negative,
    /// More decimals than the unit has.
    #[error("at most {places} decimals are kept exactly; this has more")]
    TooFine {
        /// Decimals that the unit has.
        places: u32,
    },
    /// Does not fit in 64 bits of units.
    #[error("the amount is too large")]
    TooLarge,
}

/// Reads `text` (JSON number syntax, exponents included) as a whole number of 10^-`places` units.
///
/// # Errors
/// [`BadDecimal`]; nothing is ever rounded.
pub fn parse(text: &str, places: u32) -> Result<u64, BadDecimal> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(BadDecimal::NotANumber);
    }
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| BadDecimal::NotANumber)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    if whole.is_empty() || fraction.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit()) {
        return Err(BadDecimal::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    let mut units: u128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        units = units
            .checked_mul(10)
            .and_then(|shifted| shifted.checked_add(u128::from(digit - b'0')))
            .ok_or(BadDecimal::TooLarge)?;
    }
    if units == 0 {
        return Ok(0);
    }
    if negative {
        return Err(BadDecimal::Negative);
    }
    // `fraction` has at most MAX_TEXT digits, so these conversions cannot lose anything.
    let fraction_digits = i32::try_from(fraction.len()).map_err(|_| BadDecimal::NotANumber)?;
    let places_signed = i32::try_from(places).map_err(|_| BadDecimal::TooLarge)?;
    let mut shift = exponent.saturating_add(places_signed).saturating_sub(fraction_digits);
    while shift < 0 {
        if !units.is_multiple_of(10) {
            return Err(BadDecimal::TooFine { places });
        }
        units /= 10;
        shift += 1;
    }
    while shift > 0 {
        units = units.checked_mul(10).ok_or(BadDecimal::TooLarge)?;
        shift -= 1;
    }
    u64::try_from(units).map_err(|_| BadDecimal::TooLarge)
}

/// Writes `units` of 10^-`places` as the shortest decimal: no exponent, no trailing zeros, `0` for zero.
pub fn format(units: u64, places: u32) -> String {
    let scale = 10_u64.saturating_pow(places);
    let (whole, fraction) = (units / scale, units % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = format!("{fraction:0width$}", width = places as usize);
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// Reads a JSON number or a JSON string holding one, by its text.
///
/// # Errors
/// [`BadDecimal`] as the deserializer's own error.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D, places: u32) -> Result<u64, D::Error> {
    // A raw value keeps the number's own digits; a float would have rounded them already.
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get();
    let number = if text.starts_with('"') {
        serde_json::from_str::<String>(text).map_err(D::Error::custom)?
    } else if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        text.to_owned()
    } else {
        return Err(D::Error::custom(BadDecimal::NotANumber));
    };
    parse(&number, places).map_err(D::Error::custom)
}

/// Writes a JSON number with exactly the digits of [`format`].
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: Serializer>(units: u64, places: u32, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(format(units, places))
        .map_err(S::Error::custom)?
        .serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_become_exact_units_or_a_reason() {
        let table = [
            ("0", 9, Ok(0)),
            ("-0.0", 9, Ok(0)),
            ("0.4", 6, Ok(400_000)),
            (" 12 ", 6, Ok(12_000_000)),
            ("0.003625", 6, Ok(3625)),
            ("0.0036250000", 6, Ok(3625)),
            ("4e-1", 6, Ok(400_000)),
            ("1.5E3", 6, Ok(1_500_000_000)),
            ("1e+2", 0, Ok(100)),
            ("18446744073.709551615", 9, Ok(u64::MAX)),
            ("18446744073.709551616", 9, Err(BadDecimal::TooLarge)),
            ("9007199.254740993", 9, Ok(9_007_199_254_740_993)),
            ("0.0000001", 6, Err(BadDecimal::TooFine { places: 6 })),
            ("1e-7", 6, Err(BadDecimal::TooFine { places: 6 })),
            ("1e999999999", 6, Err(BadDecimal::TooLarge)),
            ("1e-999999999", 6, Err(BadDecimal::TooFine { places: 6 })),
            ("1e9999999999", 6, Err(BadDecimal::NotANumber)),
            ("0e999999999", 6, Ok(0)),
            ("-1", 6, Err(BadDecimal::Negative)),
            ("", 6, Err(BadDecimal::NotANumber)),
            ("-", 6, Err(BadDecimal::NotANumber)),
            (".5", 6, Err(BadDecimal::NotANumber)),
            ("5.", 6, Err(BadDecimal::NotANumber)),
            ("1,5", 6, Err(BadDecimal::NotANumber)),
            ("$1", 6, Err(BadDecimal::NotANumber)),
            ("NaN", 6, Err(BadDecimal::NotANumber)),
            ("Infinity", 6, Err(BadDecimal::NotANumber)),
            ("0x10", 6, Err(BadDecimal::NotANumber)),
            ("٣", 6, Err(BadDecimal::NotANumber)),
        ];
        for (text, places, expected) in table {
            assert_eq!(parse(text, places), expected, "{text:?}");
        }
        assert_eq!(parse(&"9".repeat(65), 6), Err(BadDecimal::NotANumber));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(units: u64, places in 0_u32..=12) {
            let text = format(units, places);
            prop_assert_eq!(parse(&text, places), Ok(units));
            prop_assert!(!text.contains('.') || !text.ends_with(['0', '.']));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,80}", places in 0_u32..=12) {
            let _ = parse(&text, places);
        }

        #[test]
        fn exponents_only_move_the_point(units in 0_u64..10_000_000, exponent in -6_i32..=6) {
            let expected = units * 10_u64.pow(u32::try_from(exponent + 6).unwrap());
            prop_assert_eq!(parse(&format!("{units}e{exponent}"), 6), Ok(expected));
        }
    }
}
