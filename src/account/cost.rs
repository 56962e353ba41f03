//! What an upstream call cost: the tokens its upstream told, else what was sent and what streamed, else nothing.

use super::usage::Basis;
use crate::catalog::NanoUsd;
use crate::run::machine::Stage;
use crate::run::report::{Attempt, AttemptAction};
use crate::wire::Usage;

/// Tenths of a byte for one token of generated text: between English prose (about four bytes) and scripts of three bytes for a
/// character and a token. Used only when an upstream told nothing.
const TENTHS_OF_BYTE_PER_TOKEN: u64 = 32;

/// Tokens and cost of one upstream call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCost {
    /// Tokens.
    pub usage: Usage,
    /// Cost; zero for a target without a price.
    pub amount: NanoUsd,
    /// Where the tokens come from.
    pub basis: Basis,
}

/// What `attempt` cost, as far as it has come. `estimated_input`: tokens of the request, for upstreams that tell nothing.
///
/// Told usage is always billed, also of a failed call. Without it a call is billed only when its text was of use: it reached the
/// caller, or it was the whole answer of a stage. All else was for nothing, and costs nothing.
pub fn of_attempt(attempt: &Attempt, stage: Stage, estimated_input: u64) -> CallCost {
    let (usage, basis) = match attempt.usage {
        Some(usage) => (usage, Basis::Reported),
        None if was_of_use(attempt, stage) => {
            let output_tokens = tokens_of_text(attempt.emitted_bytes);
            (
                Usage {
                    input_tokens: estimated_input,
                    output_tokens,
                    ..Usage::default()
                },
                Basis::Counted,
            )
        }
        None => {
            return CallCost {
                basis: Basis::None,
                ..CallCost::default()
            };
        }
    };
    let amount = attempt.price.as_ref().map_or(NanoUsd::ZERO, |price| price.cost(&usage));
    CallCost { usage, amount, basis }
}

/// Tokens of so many bytes of generated text, rounded up.
pub fn tokens_of_text(bytes: u64) -> u64 {
    bytes.saturating_mul(10).div_ceil(TENTHS_OF_BYTE_PER_TOKEN)
}

fn was_of_use(attempt: &Attempt, stage: Stage) -> bool {
    let is_whole = attempt.action == AttemptAction::Answered;
    let is_shown = matches!(stage, Stage::Answer | Stage::Synthesizer) && attempt.committed;
    is_whole || is_shown
}
