//! What changed between two documents, as people read it: one line a leaf, secrets masked.

use crate::wire::json::RawJson;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Lines of one diff; a longer one ends with a line that says so.
const MAX_LINES: usize = 200;

/// Names of members whose values are never shown. Documents hold no secrets; this is the belt to that rule.
const MASKED: [&str; 5] = ["value", "token", "password", "secret_sha256", "ciphertext"];

/// One changed leaf. Values are JSON text: an amount of money keeps its digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// JSON pointer.
    pub path: String,
    /// Value before; null: absent.
    pub before: RawJson,
    /// Value after; null: absent.
    pub after: RawJson,
}

/// Leaves that differ, in the order of their paths.
pub fn diff(before: &RawJson, after: &RawJson) -> Vec<Difference> {
    let mut lines = Vec::new();
    walk("", before, after, &mut lines);
    if lines.len() > MAX_LINES {
        let more = lines.len().saturating_sub(MAX_LINES);
        lines.truncate(MAX_LINES);
        lines.push(Difference {
            path: String::new(),
            before: RawJson::default(),
            after: RawJson::of(&format!("{more} more changes")),
        });
    }
    lines
}

fn walk(path: &str, before: &RawJson, after: &RawJson, lines: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    if let (Some(a), Some(b)) = (before.members(), after.members()) {
        let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let absent = RawJson::default();
        for name in names {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            let of = |members: &BTreeMap<String, RawJson>| members.get(name).unwrap_or(&absent).clone();
            walk(&path, &of(&a), &of(&b), lines);
        }
        return;
    }
    if let (Some(a), Some(b)) = (before.items(), after.items())
        && a.len() == b.len()
    {
        for (index, (a, b)) in a.iter().zip(&b).enumerate() {
            walk(&format!("{path}/{index}"), a, b, lines);
        }
        return;
    }
    lines.push(Difference {
        path: path.to_owned(),
        before: shown(path, before),
        after: shown(path, after),
    });
}

/// The value without what is never shown, at whatever depth.
fn shown(path: &str, value: &RawJson) -> RawJson {
    // Header values should name secrets as `${NAME}`, but somebody will paste one.
    let masked = path.contains("/headers/") || path.rsplit('/').next().is_some_and(|name| MASKED.contains(&name));
    if let Some(members) = value.members() {
        let members = members.into_iter();
        let members: BTreeMap<String, RawJson> = members
            .map(|(name, member)| {
                let member = shown(&format!("{path}/{name}"), &member);
                (name, member)
            })
            .collect();
        return RawJson::of(&members);
    }
    if let Some(items) = value.items() {
        let items: Vec<RawJson> = items.iter().map(|item| shown(path, item)).collect();
        return RawJson::of(&items);
    }
    if masked && *value != RawJson::default() {
        return RawJson::of("changed");
    }
    value.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn amounts_keep_their_digits() {
        let check = |before: &str, after: &str, expected: &[(&str, &str, &str)]| {
            let lines = diff(&RawJson::of_text(before), &RawJson::of_text(after));
            let stored = serde_json::to_string(&lines).unwrap();
            let lines: Vec<Difference> = serde_json::from_str(&stored).unwrap();
            let lines: Vec<_> = lines
                .iter()
                .map(|line| (line.path.as_str(), line.before.text(), line.after.text()))
                .collect();
            assert_eq!(lines, expected);
        };
        check(
            r#"{"budgets":[{"limit_usd":9007199254.740993001}]}"#,
            r#"{"budgets":[{"limit_usd":9007199254.740993002}]}"#,
            &[("/budgets/0/limit_usd", "9007199254.740993001", "9007199254.740993002")],
        );
        check(
            r#"{"price":{"input":0.3}}"#,
            r#"{"price":{"input":0.000001}}"#,
            &[("/price/input", "0.3", "0.000001")],
        );
        check(r#"{"b":1,"a":0.000000001}"#, "{ \"a\" : 0.000000001 , \"b\" : 1 }", &[]);
        check("null", r#"{"limit_usd":0.1}"#, &[("", "null", r#"{"limit_usd":0.1}"#)]);
    }

    #[test]
    fn leaves_that_differ_are_listed_and_secrets_masked() {
        let check = |before: Value, after: Value, expected: &[(&str, Value, Value)]| {
            let found = diff(&RawJson::of(&before), &RawJson::of(&after));
            let found: Vec<_> = found
                .into_iter()
                .map(|line| (line.path, line.before.text().to_owned(), line.after.text().to_owned()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(path, a, b)| ((*path).to_owned(), a.to_string(), b.to_string()))
                .collect();
            assert_eq!(found, expected);
        };
        check(json!({"a": 1}), json!({"a": 1}), &[]);
        check(
            json!({"a": 1, "b": {"c": 2}}),
            json!({"b": {"c": 3}, "d": 4}),
            &[
                ("/a", json!(1), json!(null)),
                ("/b/c", json!(2), json!(3)),
                ("/d", json!(null), json!(4)),
            ],
        );
        check(
            json!({"l": [1, 2]}),
            json!({"l": [1, 3]}),
            &[("/l/1", json!(2), json!(3))],
        );
        check(
            json!({"l": [1]}),
            json!({"l": [1, 3]}),
            &[("/l", json!([1]), json!([1, 3]))],
        );
        check(
            json!({"x/y": {"token": "s3cret"}}),
            json!({"x/y": {"token": "other"}}),
            &[("/x~1y/token", json!("changed"), json!("changed"))],
        );
        check(
            json!({"headers": {"x": "old"}}),
            json!({"headers": {"x": "new"}}),
            &[("/headers/x", json!("changed"), json!("changed"))],
        );
        check(
            Value::Null,
            json!({"id": "a", "headers": {"x": "s3cret"}, "l": [{"token": ["s3cret"]}]}),
            &[(
                "",
                json!(null),
                json!({"id": "a", "headers": {"x": "changed"}, "l": [{"token": ["changed"]}]}),
            )],
        );
        check(
            Value::Null,
            json!({"id": "a"}),
            &[("", json!(null), json!({"id": "a"}))],
        );
    }

    #[test]
    fn a_long_diff_is_cut_and_says_so() {
        let after: Value = (0..500)
            .map(|n| (format!("k{n}"), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let lines = diff(&RawJson::of(&json!({})), &RawJson::of(&after));
        let last = lines.last().unwrap().after.string();
        assert_eq!(
            (lines.len(), last.as_deref()),
            (MAX_LINES + 1, Some("300 more changes"))
        );
    }
}
