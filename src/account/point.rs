//! A finished request as one point of a sampled statistics store (Workers Analytics Engine): names and numbers, nothing else.

use super::usage::{RequestRow, Role};

/// What is written: at most one index, twenty texts and twenty numbers are possible there.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Sampling keeps shares by it: the policy.
    pub index: String,
    /// Model asked for, target that answered, status class, stage.
    pub blobs: [String; 4],
    /// Cost in dollars, tokens in and out, milliseconds to the first content (-1: there was none), milliseconds in all.
    pub doubles: [f64; 4],
}

/// The point of a row.
#[expect(clippy::cast_precision_loss, reason = "statistics: sampled figures need no 53 bits")]
pub fn of(row: &RequestRow) -> Point {
    let has = |role: Role| row.attempts.iter().any(|attempt| attempt.role == role);
    let stage = match () {
        () if row.attempts.is_empty() => "refused",
        () if has(Role::Synthesizer) || has(Role::Adviser) || has(Role::Judge) => "fusion",
        () if has(Role::Fallback) => "fallback",
        () => "primary",
    };
    Point {
        // An index has at most 96 bytes.
        index: row.policy.chars().filter(char::is_ascii).take(96).collect(),
        blobs: [
            row.requested_model.clone(),
            row.served_model.clone().unwrap_or_default(),
            format!("{}xx", row.status / 100),
            stage.to_owned(),
        ],
        doubles: [
            row.cost_usd.0 as f64 / 1e9,
            row.input_tokens.saturating_add(row.output_tokens) as f64,
            row.ttft_ms.map_or(-1.0, |ms| ms as f64),
            row.duration_ms as f64,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::usage::AttemptRow;
    use crate::catalog::NanoUsd;

    #[test]
    fn a_row_becomes_names_and_numbers() {
        let row = |roles: &[Role], status| RequestRow {
            policy: "team".to_owned(),
            requested_model: "clawrouter/r".to_owned(),
            status,
            attempts: roles
                .iter()
                .map(|role| AttemptRow {
                    role: *role,
                    cost_usd: NanoUsd(1_500_000),
                    ..AttemptRow::default()
                })
                .collect(),
            duration_ms: 7,
            ..RequestRow::default()
        };
        for (roles, status, class, stage, cost) in [
            (&[][..], 402, "4xx", "refused", 0.0),
            (&[Role::Primary], 200, "2xx", "primary", 0.0015),
            (&[Role::Primary, Role::Fallback], 502, "5xx", "fallback", 0.003),
            (&[Role::Adviser, Role::Synthesizer], 200, "2xx", "fusion", 0.003),
        ] {
            let point = of(&row(roles, status).closed());
            assert_eq!((point.blobs[2].as_str(), point.blobs[3].as_str()), (class, stage));
            assert!((point.doubles[0] - cost).abs() < 1e-12 && (point.doubles[2] + 1.0).abs() < 1e-12);
            assert_eq!(point.index, "team");
        }
    }
}
