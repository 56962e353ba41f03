//! JSON text that is passed on as it is. A tree would read numbers as floats: an amount of money must keep its digits.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One JSON value as its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// The value as JSON; null when it cannot be written, which no type of ours does.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        serde_json::value::to_raw_value(value).map_or_else(|_| Self::default(), Self)
    }

    /// This text; null when it is no JSON.
    pub fn of_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// The text of a JSON string.
    pub fn string(&self) -> Option<String> {
        serde_json::from_str(self.text()).ok()
    }
}

impl Default for RawJson {
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for RawJson {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        for text in ["9007199254.740993001", "0.000000001", "{\"a\":0.10}", "\"x\"", "null"] {
            let raw: RawJson = serde_json::from_str(text).unwrap();
            assert_eq!(
                (raw.text(), serde_json::to_string(&raw).unwrap().as_str()),
                (text, text)
            );
        }
        assert_eq!(RawJson::of("x").string().as_deref(), Some("x"));
        assert_eq!((RawJson::of(&1).string(), RawJson::default().text()), (None, "null"));
    }
}
