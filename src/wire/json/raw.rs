//! JSON text that is passed on as it is. A tree would read numbers as floats: an amount of money must keep its digits.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

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

    /// Members of an object, by name; `None`: it is none.
    pub fn members(&self) -> Option<BTreeMap<String, Self>> {
        self.text()
            .starts_with('{')
            .then(|| serde_json::from_str(self.text()).ok())?
    }

    /// Elements of a list; `None`: it is none.
    pub fn items(&self) -> Option<Vec<Self>> {
        self.text()
            .starts_with('[')
            .then(|| serde_json::from_str(self.text()).ok())?
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
        let tree = RawJson::of_text(r#"{"a":[0.10, 1e-9]}"#);
        let list = &tree.members().unwrap()["a"];
        let texts: Vec<String> = list
            .items()
            .unwrap()
            .iter()
            .map(|item| item.text().to_owned())
            .collect();
        assert_eq!(texts, ["0.10", "1e-9"]);
        assert!(list.members().is_none() && tree.items().is_none() && RawJson::default().items().is_none());
        assert_eq!(RawJson::of("x").string().as_deref(), Some("x"));
        assert_eq!((RawJson::of(&1).string(), RawJson::default().text()), (None, "null"));
    }
}
