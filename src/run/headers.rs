//! Response headers that tell who answered and what it took. Classes and times only, never upstream text.

use super::engine::RunInput;
use super::report::{Attempt, AttemptAction, Report};
use crate::route::health::FailureClass;
use crate::wire::Millis;
use std::fmt::Write;

/// Headers of an answer.
pub fn of_answer(input: &RunInput, report: &Report, tiers: &[u64], now: Millis) -> Vec<(String, String)> {
    let mut headers = common(input, report, now);
    if let Some(served) = &report.served {
        push(&mut headers, "x-clawrouter-target", served.model.as_str().to_owned());
        push(&mut headers, "x-clawrouter-fallback-index", served.index.to_string());
    }
    if !tiers.is_empty() {
        let path: Vec<String> = tiers.iter().map(u64::to_string).collect();
        push(&mut headers, "x-clawrouter-context-tier", path.join(">"));
    }
    headers
}

/// Headers of an error before anything was sent.
pub fn of_failure(input: &RunInput, report: &Report, now: Millis) -> Vec<(String, String)> {
    common(input, report, now)
}

fn common(input: &RunInput, report: &Report, now: Millis) -> Vec<(String, String)> {
    let mut headers = Vec::with_capacity(12);
    if let Some(route) = &input.route {
        push(&mut headers, "x-clawrouter-route", route.as_str().to_owned());
    }
    push(&mut headers, "x-clawrouter-strategy", input.strategy.to_owned());
    push(&mut headers, "x-clawrouter-attempts", report.attempts.len().to_string());
    push(
        &mut headers,
        "x-clawrouter-retries",
        report.count(AttemptAction::Retried).to_string(),
    );
    push(
        &mut headers,
        "x-clawrouter-rotations",
        report.count(AttemptAction::Rotated).to_string(),
    );
    push(&mut headers, "x-clawrouter-pinned", u8::from(input.pinned).to_string());
    push(&mut headers, "x-clawrouter-trace-id", input.request_id.clone());
    if input.call.controls.trace {
        push(&mut headers, "x-clawrouter-trace", trace(&report.attempts));
    }
    push(&mut headers, "server-timing", server_timing(report, now));
    headers
}

fn push(headers: &mut Vec<(String, String)>, name: &str, value: String) {
    headers.push((name.to_owned(), value));
}

/// `t0/k1=429.rate_limit,w2000;t0/k1=200`
fn trace(attempts: &[Attempt]) -> String {
    let mut text = String::new();
    for attempt in attempts {
        if !text.is_empty() {
            text.push(';');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "t{}", attempt.index);
        if let Some(label) = &attempt.credential {
            let plain: String = label
                .chars()
                .filter(char::is_ascii_graphic)
                .filter(|c| !"/=,;".contains(*c))
                .collect();
            let _ = write!(text, "/{plain}");
        }
        let _ = write!(text, "={}", attempt.status.unwrap_or(0));
        if let Some(class) = attempt.class {
            let _ = write!(text, ".{}", FailureClass::as_str(class));
        }
        if attempt.state_left_out {
            text.push_str(",state-left-out");
        }
        if attempt.model_swapped {
            text.push_str(",model-swapped");
        }
        if let Some(delay) = attempt.delay.filter(|delay| delay.0 > 0) {
            let _ = write!(text, ",w{}", delay.0);
        }
    }
    text
}

/// `up1;dur=12,up2;dur=340,router;dur=1`: time in each call until it ended or answered, and everything else.
fn server_timing(report: &Report, now: Millis) -> String {
    let mut text = String::new();
    let mut upstream = 0;
    for (index, attempt) in report.attempts.iter().enumerate() {
        let spent = attempt.ended.unwrap_or(now).since(attempt.started).0;
        upstream += spent;
        let _ = write!(text, "up{};dur={spent},", index + 1);
    }
    let router = now.since(report.started).0.saturating_sub(upstream);
    let _ = write!(text, "router;dur={router}");
    text
}
