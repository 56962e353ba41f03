//! `clawrouter/fusion`: advisers draft, an optional judge compares, one synthesizer answers.
//!
//! Advisers fail open and are never shown the caller's tools or images; what they write is untrusted text when it reaches the judge
//! and the synthesizer. The synthesizer is an ordinary run of a chain.

pub mod adviser;
mod adviser_queue;
mod best_draft;
pub mod conversation;
pub mod fence;
pub mod inject;
pub mod input;
pub mod judge;
pub mod machine;
mod output;
mod part;
mod parts;
pub mod progress;
mod stages;
pub mod test_prompt;

/// A profile's bound in characters.
fn chars(bound: u64) -> usize {
    usize::try_from(bound).unwrap_or(usize::MAX)
}
