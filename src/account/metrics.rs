//! Prometheus text of what the Ledgers counted and of this isolate's health (text exposition format 0.0.4).
//!
//! Labels are policy and model, not key: keys come and go, and a label value for each would make a series for each. What happened to
//! upstream calls is told of all policies together: targets, pools and classes are the operator's business, not the tenant's.

use super::counters::{Counters, Table};
use super::ledger::query::MetricsPart;
use super::rollup::Sums;
use crate::route::health::gauges::Gauges;
use crate::wire::Millis;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One metric: name, help, how it is read from sums.
type Counter = (&'static str, &'static str, fn(&Sums) -> String);

const COUNTERS: [Counter; 8] = [
    (
        "clawrouter_requests_total",
        "Requests, by the model that answered.",
        |sums| sums.requests.to_string(),
    ),
    (
        "clawrouter_request_errors_total",
        "Requests that got no answer.",
        |sums| sums.errors.to_string(),
    ),
    ("clawrouter_upstream_calls_total", "Calls to upstreams.", |sums| {
        sums.calls.to_string()
    }),
    (
        "clawrouter_input_tokens_total",
        "Prompt tokens, cached ones included.",
        |sums| sums.input_tokens.to_string(),
    ),
    (
        "clawrouter_output_tokens_total",
        "Completion tokens, reasoning included.",
        |sums| sums.output_tokens.to_string(),
    ),
    (
        "clawrouter_cached_tokens_total",
        "Prompt tokens read from provider caches.",
        |sums| sums.cached_tokens.to_string(),
    ),
    (
        "clawrouter_reasoning_tokens_total",
        "Completion tokens spent on reasoning.",
        |sums| sums.reasoning_tokens.to_string(),
    ),
    (
        "clawrouter_cost_usd_total",
        "Cost of upstream calls, dollars.",
        |sums| sums.cost_usd.to_string(),
    ),
];

/// A family of [`Counters`]: name, help, label names, where its series are.
type Family = (
    &'static str,
    &'static str,
    &'static [&'static str],
    fn(&Counters) -> &Table,
);

const FAMILIES: [Family; 4] = [
    (
        "clawrouter_attempts_total",
        "Upstream calls by how they ended: ok, cancelled, or the class of the failure.",
        &["target", "class"],
        |counters| &counters.attempts,
    ),
    (
        "clawrouter_fallback_total",
        "Moves of a request to another target, by what was wrong with the one before.",
        &["from", "to", "class"],
        |counters| &counters.fallbacks,
    ),
    (
        "clawrouter_rotation_total",
        "Moves of a request to another credential of the pool, by what was wrong with the one before.",
        &["pool", "class"],
        |counters| &counters.rotations,
    ),
    (
        "clawrouter_splice_total",
        "Streams that were cut and continued: ok (joined), prefill, diverged (ended with an error), failed.",
        &["result"],
        |counters| &counters.splices,
    ),
];

/// The page for `parts` (policy id and what its Ledger counted) and the health of this isolate.
pub fn render(parts: &[(String, MetricsPart)], health: &Gauges) -> String {
    let mut by_model: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for (policy, part) in parts {
        for (_, model, sums) in part.ever.groups() {
            by_model.entry((policy, model)).or_default().add(sums);
        }
    }
    let mut page = String::new();
    for (name, help, value) in COUNTERS {
        head(&mut page, name, help, "counter");
        for ((policy, model), sums) in &by_model {
            let (policy, model) = (escape(policy), escape(model));
            let _ = writeln!(page, "{name}{{policy=\"{policy}\",model=\"{model}\"}} {}", value(sums));
        }
    }
    gauge(
        &mut page,
        parts,
        "clawrouter_open_reservations",
        "Reservations that are not settled yet.",
        |part| part.open.to_string(),
    );
    gauge(
        &mut page,
        parts,
        "clawrouter_reserved_usd",
        "Held by open reservations, dollars.",
        |part| part.reserved.to_string(),
    );
    gauge(
        &mut page,
        parts,
        "clawrouter_revoked_keys",
        "Keys that are refused.",
        |part| part.revoked.to_string(),
    );
    calls(&mut page, parts);
    cooling(&mut page, health);
    page
}

/// What happened to upstream calls, of all policies together.
fn calls(page: &mut String, parts: &[(String, MetricsPart)]) {
    let mut counters = Counters::default();
    for (_, part) in parts {
        counters.absorb(&part.counters);
    }
    for (name, help, labels, table) in FAMILIES {
        head(page, name, help, "counter");
        for (values, count) in table(&counters).series() {
            let named: Vec<(&str, &str)> = labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            series(page, name, &named, &count.to_string());
        }
    }
    let name = "clawrouter_commit_buffer_seconds";
    let help = "How long the beginning of a stream was held back until it was known to be an answer.";
    head(page, name, help, "summary");
    series(page, &format!("{name}_sum"), &[], &seconds(Millis(counters.held_ms)));
    series(page, &format!("{name}_count"), &[], &counters.streams.to_string());
}

/// What is kept from use, as the isolate that answers knows it.
fn cooling(page: &mut String, health: &Gauges) {
    let name = "clawrouter_cooling_keys";
    let help =
        "Credentials, targets and hosts that are not used now, by level, state (cooling, probing, dead) and class.";
    head(page, name, help, "gauge");
    for ((level, state, class), told) in &health.cooling {
        let labels = [("level", *level), ("state", *state), ("class", *class)];
        series(page, name, &labels, &told.keys.to_string());
    }
    let name = "clawrouter_cooldown_seconds";
    let help = "Time until the last of them may be used again; 0: not before its secret or the catalog changes.";
    head(page, name, help, "gauge");
    for ((level, state, class), told) in &health.cooling {
        let labels = [("level", *level), ("state", *state), ("class", *class)];
        series(page, name, &labels, &seconds(told.longest));
    }
    let name = "clawrouter_breaker_state";
    let help = "How a target stands: 0 ready, 1 probing, 2 cooling, 3 dead.";
    head(page, name, help, "gauge");
    for (target, state) in &health.breakers {
        let number = match *state {
            "ready" => "0",
            "probing" => "1",
            "cooling" => "2",
            _ => "3",
        };
        series(page, name, &[("target", target)], number);
    }
    if let Some(lag) = health.hub_lag {
        let name = "clawrouter_hub_lag_seconds";
        head(
            page,
            name,
            "Time since this isolate last heard what others know.",
            "gauge",
        );
        series(page, name, &[], &seconds(lag));
    }
}

fn series(page: &mut String, name: &str, labels: &[(&str, &str)], value: &str) {
    let told: Vec<String> = labels
        .iter()
        .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
        .collect();
    let told = if told.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", told.join(","))
    };
    let _ = writeln!(page, "{name}{told} {value}");
}

/// Milliseconds as decimal seconds.
fn seconds(time: Millis) -> String {
    format!("{}.{:03}", time.0 / 1000, time.0 % 1000)
}

fn gauge(
    page: &mut String,
    parts: &[(String, MetricsPart)],
    name: &str,
    help: &str,
    value: fn(&MetricsPart) -> String,
) {
    head(page, name, help, "gauge");
    for (policy, part) in parts {
        let _ = writeln!(page, "{name}{{policy=\"{}\"}} {}", escape(policy), value(part));
    }
}

fn head(page: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Label values escape backslash, quote and line feed.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::moves::{Continued, Fallback, Moves, Rotation};
    use crate::account::rollup::Rollup;
    use crate::account::usage::{AttemptRow, RequestRow};
    use crate::catalog::NanoUsd;
    use crate::route::health::gauges::Cooling;

    #[test]
    fn the_page_has_one_series_for_each_policy_and_model() {
        let row = |kid: &str, cost| RequestRow {
            kid: kid.to_owned(),
            status: 200,
            served_model: Some("local/a\"b".to_owned()),
            attempts: vec![AttemptRow {
                target: "local/a\"b".to_owned(),
                cost_usd: NanoUsd(cost),
                ..AttemptRow::default()
            }],
            ..RequestRow::default()
        };
        let mut ever = Rollup::default();
        ever.add(&row("k1", 1_000_000));
        ever.add(&row("k2", 500_000));
        let part = MetricsPart {
            ever,
            open: 2,
            reserved: NanoUsd(7),
            revoked: 1,
            counters: Counters::default(),
        };
        let parts = [("team".to_owned(), part), ("idle".to_owned(), MetricsPart::default())];
        let page = render(&parts, &Gauges::default());
        for line in [
            "# TYPE clawrouter_requests_total counter",
            r#"clawrouter_requests_total{policy="team",model="local/a\"b"} 2"#,
            r#"clawrouter_cost_usd_total{policy="team",model="local/a\"b"} 0.0015"#,
            r#"clawrouter_open_reservations{policy="team"} 2"#,
            r#"clawrouter_open_reservations{policy="idle"} 0"#,
            r#"clawrouter_reserved_usd{policy="team"} 0.000000007"#,
        ] {
            assert!(page.lines().any(|other| other == line), "{line} in\n{page}");
        }
        let names = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).count();
        assert_eq!(names, COUNTERS.len() + 3 + FAMILIES.len() + 1 + 3);
    }

    #[test]
    fn calls_moves_and_health_are_told_of_all_policies_together() {
        let failed = RequestRow {
            stream: true,
            ttft_ms: Some(4),
            attempts: vec![AttemptRow {
                target: "p/a\"b\n".to_owned(),
                class: Some("rate_limit".to_owned()),
                ..AttemptRow::default()
            }],
            moves: Moves {
                fallbacks: vec![Fallback {
                    from: "p/a".to_owned(),
                    to: "q/b".to_owned(),
                    class: "rate_limit".to_owned(),
                }],
                rotations: vec![Rotation {
                    pool: "p".to_owned(),
                    class: "auth".to_owned(),
                }],
                recovery: Some(Continued::Diverged),
                held_ms: 1_020,
            },
            ..RequestRow::default()
        };
        let mut counters = Counters::default();
        counters.add(&failed);
        let part = MetricsPart {
            counters,
            ..MetricsPart::default()
        };
        let health = Gauges {
            cooling: [(
                ("credential", "cooling", "auth"),
                Cooling {
                    keys: 2,
                    longest: Millis(1_500),
                },
            )]
            .into(),
            breakers: vec![("p/a".to_owned(), "cooling"), ("q/b".to_owned(), "ready")],
            hub_lag: Some(Millis(250)),
        };
        let page = render(&[("one".to_owned(), part.clone()), ("two".to_owned(), part)], &health);
        for line in [
            "# TYPE clawrouter_attempts_total counter",
            r#"clawrouter_attempts_total{target="p/a\"b\n",class="rate_limit"} 2"#,
            r#"clawrouter_fallback_total{from="p/a",to="q/b",class="rate_limit"} 2"#,
            r#"clawrouter_rotation_total{pool="p",class="auth"} 2"#,
            r#"clawrouter_splice_total{result="diverged"} 2"#,
            "# TYPE clawrouter_commit_buffer_seconds summary",
            "clawrouter_commit_buffer_seconds_sum 2.040",
            "clawrouter_commit_buffer_seconds_count 2",
            r#"clawrouter_cooling_keys{level="credential",state="cooling",class="auth"} 2"#,
            r#"clawrouter_cooldown_seconds{level="credential",state="cooling",class="auth"} 1.500"#,
            r#"clawrouter_breaker_state{target="p/a"} 2"#,
            r#"clawrouter_breaker_state{target="q/b"} 0"#,
            "clawrouter_hub_lag_seconds 0.250",
        ] {
            assert!(page.lines().any(|other| other == line), "{line} in\n{page}");
        }
        let helped = |line: &&str| line.starts_with("# HELP ");
        let typed = |line: &&str| line.starts_with("# TYPE ");
        assert_eq!(page.lines().filter(helped).count(), page.lines().filter(typed).count());
    }
}
