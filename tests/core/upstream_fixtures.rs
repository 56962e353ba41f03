//! The library of real provider error shapes (tests/fixtures/upstream) against the classifier: one table for the scripted
//! upstream, the Worker tests and the core.

use clawrouter::run::classify::{Circumstances, Symptom, Verdict, classify};
use clawrouter::wire::Millis;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Size of the request, unless the fixture names another: small, so that the length of a request explains nothing.
const ESTIMATED_TOKENS: u64 = 2_000;
/// 2026-11-20T17:59:30Z: half a minute before the date in `others/rate_limit_http_date`.
const NOW: Millis = Millis(1_795_197_570_000);

/// (`file/name`, fixture) of every error with an HTTP status.
fn fixtures() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upstream");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("fixtures are part of the repository") {
        let path = entry.expect("readable").path();
        let file = path.file_stem().expect("named").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("readable");
        let entries: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("JSON");
        for (name, fixture) in entries {
            if fixture.get("status").is_some() {
                found.push((format!("{file}/{name}"), fixture));
            }
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

fn verdict(fixture: &Value) -> Verdict {
    let status = u16::try_from(fixture["status"].as_u64().expect("a status")).expect("a small one");
    let headers: Vec<(String, String)> = fixture["headers"]
        .as_object()
        .expect("headers")
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
        .collect();
    let body = match &fixture["body"] {
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let symptom = if status < 300 {
        Symptom::NoAnswer { body: body.as_bytes() }
    } else {
        Symptom::Http {
            status,
            headers: &headers,
            body: body.as_bytes(),
        }
    };
    let circumstances = Circumstances {
        estimated_input_tokens: fixture["estimated_tokens"].as_u64().unwrap_or(ESTIMATED_TOKENS),
        window: Some(1_000_000),
        on_larger_tier: true,
        refuses_long_ones: false,
        now: NOW,
    };
    classify(&symptom, &circumstances)
}

#[test]
fn every_provider_error_has_the_class_that_its_fixture_names() {
    let all = fixtures();
    assert!(all.len() > 50, "{} fixtures", all.len());
    let wrong: Vec<String> = all
        .iter()
        .filter_map(|(name, fixture)| {
            let class = serde_json::to_value(verdict(fixture).class).expect("a name");
            (class != fixture["class"]).then(|| format!("{name}: {class}, expected {}", fixture["class"]))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn hints_limits_and_parameters_are_read() {
    for (name, fixture) in fixtures() {
        let verdict = verdict(&fixture);
        if let Some(hint) = fixture.get("hint_ms").and_then(Value::as_u64) {
            let read = verdict.hint.map_or(0, |hint| hint.0);
            assert!(read.abs_diff(hint) <= 1, "{name}: hint {read} ms, expected {hint}");
        }
        for (field, read) in [
            ("limit_tokens", verdict.limit_tokens),
            ("requested_tokens", verdict.requested_tokens),
        ] {
            if let Some(expected) = fixture.get(field).and_then(Value::as_u64) {
                assert_eq!(read, Some(expected), "{name}: {field}");
            }
        }
        if let Some(param) = fixture.get("param").and_then(Value::as_str) {
            assert_eq!(verdict.param.map(|param| param.name).as_deref(), Some(param), "{name}");
        }
    }
}
