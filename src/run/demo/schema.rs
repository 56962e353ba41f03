//! The smallest value that a JSON schema accepts, for demo tool calls and structured output.

use serde_json::{Map, Value, json};

/// Schemas nest no deeper than this; below it everything is null.
const DEPTH: usize = 12;

/// A value of `schema`; strings repeat a word of what was asked.
pub(super) fn example(schema: &Value, asked: &str) -> Value {
    build(schema, schema, asked, 0)
}

fn build(schema: &Value, root: &Value, asked: &str, depth: usize) -> Value {
    if depth > DEPTH {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"]
        .as_str()
        .and_then(|path| root.pointer(path.trim_start_matches('#')))
    {
        return build(target, root, asked, depth + 1);
    }
    if let Some(value) = schema
        .get("const")
        .or_else(|| schema["enum"].get(0))
        .or_else(|| schema.get("default"))
    {
        return value.clone();
    }
    if let Some(first) = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema[*key].get(0)) {
        return build(first, root, asked, depth + 1);
    }
    let kind = schema["type"]
        .as_str()
        .or_else(|| schema["type"].get(0).and_then(Value::as_str));
    match kind {
        Some("string") => word(schema, asked).into(),
        Some("integer") => schema["minimum"].as_i64().unwrap_or(1).into(),
        Some("number") => schema["minimum"].as_f64().unwrap_or(1.0).into(),
        Some("boolean") => true.into(),
        Some("null") => Value::Null,
        Some("array") => {
            let items = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 8);
            (0..items)
                .map(|_| build(&schema["items"], root, asked, depth + 1))
                .collect()
        }
        _ => object(schema, root, asked, depth),
    }
}

fn object(schema: &Value, root: &Value, asked: &str, depth: usize) -> Value {
    let Some(properties) = schema["properties"].as_object() else {
        return json!({});
    };
    let required = schema["required"].as_array();
    let wanted = |name: &str| required.is_none_or(|list| list.iter().any(|item| item == name));
    let members: Map<String, Value> = properties
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, property)| (name.clone(), build(property, root, asked, depth + 1)))
        .collect();
    Value::Object(members)
}

/// The last capitalised word asked about ("weather in Paris" gives "Paris"), else the last word.
fn word(schema: &Value, asked: &str) -> String {
    if schema["format"] == "date" {
        return "2026-01-01".to_owned();
    }
    let words: Vec<&str> = asked
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let proper = words
        .iter()
        .skip(1)
        .rev()
        .find(|word| word.chars().next().is_some_and(char::is_uppercase));
    proper
        .or(words.last())
        .map_or_else(|| "demo".to_owned(), |word| (*word).to_owned())
}
