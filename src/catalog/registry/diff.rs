//! What changed between two documents, as people read it: one line a leaf, secrets masked.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Lines of one diff; a longer one ends with a line that says so.
const MAX_LINES: usize = 200;

/// Names of members whose values are never shown. Documents hold no secrets; this is the belt to that rule.
const MASKED: [&str; 5] = ["value", "token", "password", "secret_sha256", "ciphertext"];

/// One changed leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// JSON pointer.
    pub path: String,
    /// Value before; null: absent.
    pub before: Value,
    /// Value after; null: absent.
    pub after: Value,
}

/// Leaves that differ, in the order of their paths.
pub fn diff(before: &Value, after: &Value) -> Vec<Difference> {
    let mut lines = Vec::new();
    walk("", before, after, &mut lines);
    if lines.len() > MAX_LINES {
        let more = lines.len().saturating_sub(MAX_LINES);
        lines.truncate(MAX_LINES);
        lines.push(Difference {
            path: String::new(),
            before: Value::Null,
            after: format!("{more} more changes").into(),
        });
    }
    lines
}

fn walk(path: &str, before: &Value, after: &Value, lines: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                walk(
                    &path,
                    a.get(name).unwrap_or(&Value::Null),
                    b.get(name).unwrap_or(&Value::Null),
                    lines,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}/{index}"), a, b, lines);
            }
        }
        _ => lines.push(line(path, before, after)),
    }
}

fn line(path: &str, before: &Value, after: &Value) -> Difference {
    Difference {
        path: path.to_owned(),
        before: shown(path, before),
        after: shown(path, after),
    }
}

/// The value without what is never shown, at whatever depth.
fn shown(path: &str, value: &Value) -> Value {
    // Header values should name secrets as `${NAME}`, but somebody will paste one.
    let masked = path.contains("/headers/") || path.rsplit('/').next().is_some_and(|name| MASKED.contains(&name));
    match value {
        Value::Null => Value::Null,
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(name, member)| (name.clone(), shown(&format!("{path}/{name}"), member)))
                .collect()
        }
        Value::Array(items) => items.iter().map(|item| shown(path, item)).collect(),
        _ if masked => "changed".into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn leaves_that_differ_are_listed_and_secrets_masked() {
        let check = |before: Value, after: Value, expected: &[(&str, Value, Value)]| {
            let found: Vec<_> = diff(&before, &after)
                .into_iter()
                .map(|line| (line.path, line.before, line.after))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(path, a, b)| ((*path).to_owned(), a.clone(), b.clone()))
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
        let lines = diff(&json!({}), &after);
        assert_eq!(
            (lines.len(), lines.last().unwrap().after.clone()),
            (MAX_LINES + 1, json!("300 more changes"))
        );
    }
}
