//! `clawrouter/fusion`: advisers draft, an optional judge compares, one synthesizer answers.
//!
//! Advisers fail open and are never shown the caller's tools or images; what they write is untrusted text when it reaches the judge
//! and the synthesizer. The synthesizer is an ordinary run of a chain.

pub mod adviser;
pub mod conversation;
pub mod inject;
pub mod judge;
pub mod machine;
mod output;
mod part;
pub mod progress;
pub mod test_prompt;
