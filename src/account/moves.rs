//! Where a request went when something failed, as its usage row keeps it: to another target, to another credential, on with a cut
//! stream. Names and classes only. The counters of [`super::counters`] are sums of these.

use crate::run::machine::StageReport;
use crate::run::report::{Attempt, AttemptAction, Recovery, Report};
use serde::{Deserialize, Serialize};

/// Moves of one kind in one row; more than any plan makes.
pub const MAX_MOVES: usize = 64;
/// Class of a target that was passed over without a call and without a reason of its own.
const COOLING: &str = "cooling";

/// What a request did about its failures. Most rows have none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// To another target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Fallback>,
    /// To another credential of the same pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rotations: Vec<Rotation>,
    /// On with a cut stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Continued>,
    /// How long the beginning of a stream was held back until it was known to be an answer, ms.
    #[serde(default, skip_serializing_if = "super::usage::is_zero")]
    pub held_ms: u64,
}

/// A move to another target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// The target that failed, or that was passed over because it was cooling.
    pub from: String,
    /// The target that was called instead.
    pub to: String,
    /// Why.
    pub class: String,
}

/// A move to another credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Pool of both; empty: not known.
    pub pool: String,
    /// Why.
    pub class: String,
}

/// How a cut stream went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Continued {
    /// By an assistant prefix.
    Prefill,
    /// Asked again; what had been sent was left out.
    Splice,
    /// The second answer was another one: ended with an error.
    Diverged,
    /// No call went on with it.
    Failed,
}

impl From<Recovery> for Continued {
    fn from(recovery: Recovery) -> Self {
        match recovery {
            Recovery::Prefill => Self::Prefill,
            Recovery::Splice => Self::Splice,
            Recovery::Diverged => Self::Diverged,
            Recovery::Failed => Self::Failed,
        }
    }
}

impl Continued {
    /// `ok` for a joined stream; the others are their own words.
    pub const fn result(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Splice => "ok",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
        }
    }
}

impl Moves {
    /// True when nothing failed and nothing waited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What the machines of a request did.
    pub(super) fn of(stages: &[StageReport<'_>]) -> Self {
        let mut moves = Self::default();
        for StageReport { report, .. } in stages {
            moves.fallbacks.extend(passed_over(report));
            for (number, attempt) in report.attempts.iter().enumerate() {
                let later = report.attempts.get(number.saturating_add(1)..).unwrap_or_default();
                match later.first() {
                    Some(next) if went_on(attempt) && !same_target(attempt, next) => {
                        moves.fallbacks.push(fallback(attempt, next));
                    }
                    _ if attempt.action == AttemptAction::Rotated => moves.rotations.push(rotation(attempt)),
                    _ => {}
                }
            }
            moves.recovery = moves.recovery.or(report.recovery.map(Continued::from));
            moves.held_ms = moves.held_ms.max(report.commit_buffer.0);
        }
        moves
    }

    /// Cuts what is too long.
    pub(super) fn close(&mut self) {
        self.fallbacks.truncate(MAX_MOVES);
        self.rotations.truncate(MAX_MOVES);
        let of_fallbacks = self.fallbacks.iter_mut();
        let of_fallbacks = of_fallbacks.flat_map(|one| [&mut one.from, &mut one.to, &mut one.class]);
        of_fallbacks.for_each(super::usage::cut);
        let of_rotations = self.rotations.iter_mut();
        of_rotations
            .flat_map(|one| [&mut one.pool, &mut one.class])
            .for_each(super::usage::cut);
    }
}

/// The first call went to another target than the plan's first: that one was passed over.
fn passed_over(report: &Report) -> Option<Fallback> {
    let first = report.attempts.first().filter(|first| first.index > 0)?;
    let primary = report.primary.as_ref().filter(|primary| **primary != first.model)?;
    let mut reasons = report.skipped.iter();
    let reason = reasons.find(|(model, _)| model == primary.as_str());
    Some(Fallback {
        from: primary.to_string(),
        to: first.model.to_string(),
        class: reason.map_or_else(|| COOLING.to_owned(), |(_, code)| code.clone()),
    })
}

/// Its failure led to another call, if there is one.
fn went_on(attempt: &Attempt) -> bool {
    use AttemptAction as A;
    !matches!(attempt.action, A::Running | A::Answered | A::GaveUp | A::Cancelled)
}

/// Targets of different lists of a plan may have the same position.
fn same_target(one: &Attempt, other: &Attempt) -> bool {
    one.index == other.index && one.model == other.model
}

fn fallback(attempt: &Attempt, next: &Attempt) -> Fallback {
    Fallback {
        from: attempt.model.to_string(),
        to: next.model.to_string(),
        class: class_of(attempt),
    }
}

fn rotation(attempt: &Attempt) -> Rotation {
    Rotation {
        pool: attempt.pool.as_ref().map(ToString::to_string).unwrap_or_default(),
        class: class_of(attempt),
    }
}

fn class_of(attempt: &Attempt) -> String {
    attempt.class.map_or("unknown", |class| class.as_str()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::record::tests::attempt;
    use crate::catalog::ModelId;
    use crate::route::Stage;
    use crate::route::health::FailureClass;
    use crate::wire::Millis;

    fn call(model: &str, index: u32, action: AttemptAction, class: Option<FailureClass>) -> Attempt {
        Attempt {
            index,
            class,
            ..attempt(model, 0, action)
        }
    }

    /// What a report says: `from>to class` of each fallback, `pool class` of each rotation.
    fn check(name: &str, report: &Report, fallbacks: &[&str], rotations: &[&str]) {
        let stages = [StageReport {
            stage: Stage::Answer,
            index: 0,
            report,
        }];
        let moves = Moves::of(&stages);
        let told: Vec<_> = moves
            .fallbacks
            .iter()
            .map(|moved| format!("{}>{} {}", moved.from, moved.to, moved.class))
            .collect();
        assert_eq!(told, fallbacks, "{name}");
        let told: Vec<_> = moves
            .rotations
            .iter()
            .map(|moved| format!("{} {}", moved.pool, moved.class))
            .collect();
        assert_eq!(told, rotations, "{name}");
    }

    #[test]
    fn a_row_tells_where_its_request_went() {
        use AttemptAction as A;
        use FailureClass as F;
        let of = |attempts: Vec<Attempt>| Report {
            primary: ModelId::parse("p/a").ok(),
            attempts,
            ..Report::default()
        };
        let good = |model: &str, index| call(model, index, A::Answered, None);
        let bad = |model: &str, index, action, class| call(model, index, action, Some(class));
        check("an answer at once", &of(vec![good("p/a", 0)]), &[], &[]);
        check("nothing was called", &of(vec![]), &[], &[]);
        check(
            "a server error, then the fallback",
            &of(vec![bad("p/a", 0, A::MovedOn, F::ServerError), good("q/b", 1)]),
            &["p/a>q/b server_error"],
            &[],
        );
        check(
            "a retry stays where it is",
            &of(vec![bad("p/a", 0, A::Retried, F::ServerError), good("p/a", 0)]),
            &[],
            &[],
        );
        check(
            "two keys, then the fallback",
            &of(vec![
                bad("p/a", 0, A::Rotated, F::Auth),
                bad("p/a", 0, A::MovedOn, F::RateLimit),
                good("q/b", 1),
            ]),
            &["p/a>q/b rate_limit"],
            &["team-pool auth"],
        );
        check(
            "no other key was left after all",
            &of(vec![bad("p/a", 0, A::Rotated, F::RateLimit), good("q/b", 1)]),
            &["p/a>q/b rate_limit"],
            &[],
        );
        check(
            "nobody was left to move to",
            &of(vec![bad("p/a", 0, A::MovedOn, F::ServerError)]),
            &[],
            &[],
        );
        check(
            "the loser of a race moved nobody",
            &of(vec![call("p/a", 0, A::Cancelled, None), good("q/b", 1)]),
            &[],
            &[],
        );
        check(
            "the primary was cooling",
            &of(vec![good("q/b", 1)]),
            &["p/a>q/b cooling"],
            &[],
        );
        let skipped = Report {
            skipped: vec![("p/a".to_owned(), "rate_limit".to_owned())],
            ..of(vec![good("q/b", 1)])
        };
        check(
            "it was passed over for a reason",
            &skipped,
            &["p/a>q/b rate_limit"],
            &[],
        );
        check(
            "the only one stands further behind",
            &of(vec![good("p/a", 2)]),
            &[],
            &[],
        );
        let pinned = Report {
            primary: None,
            ..of(vec![good("q/b", 1)])
        };
        check("a pin chose the second", &pinned, &[], &[]);
        check(
            "a cut stream went on elsewhere",
            &of(vec![bad("p/a", 0, A::Recovered, F::StreamCut), good("q/b", 1)]),
            &["p/a>q/b stream_cut"],
            &[],
        );
    }

    #[test]
    fn a_row_keeps_how_a_stream_went_on_and_what_it_waited() {
        for (recovery, result) in [
            (Recovery::Prefill, "prefill"),
            (Recovery::Splice, "ok"),
            (Recovery::Diverged, "diverged"),
            (Recovery::Failed, "failed"),
        ] {
            let report = Report {
                recovery: Some(recovery),
                commit_buffer: Millis(12),
                ..Report::default()
            };
            let stages = [StageReport {
                stage: Stage::Answer,
                index: 0,
                report: &report,
            }];
            let moves = Moves::of(&stages);
            assert_eq!(moves.recovery.map(Continued::result), Some(result));
            assert_eq!(moves.held_ms, 12);
        }
        assert!(Moves::of(&[]).is_empty());
        assert_eq!(serde_json::to_string(&Moves::default()).unwrap(), "{}");
    }
}
