//! Prometheus text of what the Ledgers counted (text exposition format 0.0.4).
//!
//! Labels are policy and model, not key: keys come and go, and a label value for each would make a series for each.

use super::ledger::query::MetricsPart;
use super::rollup::Sums;
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

/// The page for `parts`: policy id and what its Ledger counted.
pub fn render(parts: &[(String, MetricsPart)]) -> String {
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
    page
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
    use crate::account::rollup::Rollup;
    use crate::account::usage::{AttemptRow, RequestRow};
    use crate::catalog::NanoUsd;

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
        };
        let page = render(&[("team".to_owned(), part), ("idle".to_owned(), MetricsPart::default())]);
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
        assert_eq!(names, COUNTERS.len() + 3);
    }
}
