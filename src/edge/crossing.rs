//! Lists of headers across the border to JavaScript in one piece. Each crossing converts its texts anew, so twenty headers one by one cost
//! more than all of them as one JSON text.

use js_sys::{JSON, Object};
use std::collections::BTreeMap;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Headers;

/// All headers of a message; names are lower case, values of one name are joined by commas. Empty when they cannot be read.
pub(super) fn headers_of(headers: &Headers) -> BTreeMap<String, String> {
    let object = Object::from_entries(headers.unchecked_ref::<JsValue>());
    let text = object.and_then(|object| JSON::stringify(&object)).map(String::from);
    text.ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Names and values as what `Headers`, `RequestInit` and `ResponseInit` take: an array of pairs.
///
/// # Errors
/// Only when the platform cannot parse JSON.
pub(super) fn header_pairs<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Result<JsValue, JsValue> {
    let pairs: Vec<[&str; 2]> = headers.map(|(name, value)| [name, value]).collect();
    JSON::parse(&serde_json::to_string(&pairs).unwrap_or_default())
}
