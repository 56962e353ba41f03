//! The decisions of the `Ledger` Durable Object: one per policy (and one per provider with a cap), pure and replayable.
//!
//! [`reserve()`] holds the worst case of a request against every window, [`settle()`] charges what it really cost, [`expire`] settles what
//! nobody settled. Each takes the [`State`] and returns the row to store; nothing here reads history, so each is O(1) in it.
//! Sums are running sums; a restart reads the last [`Checkpoint`], the open [`LeaseRow`]s and the few [`Posting`]s stored since.

pub mod message;
pub mod pace;
pub mod query;
pub mod rate;
mod reserve;
mod settle;
mod state;
mod sums;

pub use message::*;
pub use rate::{RateKind, RateState};
pub use reserve::{add_providers, budgets, cancel, reserve};
pub use settle::{expire, expired_row, heartbeat, known_of_provider, settle, settle_amount, top_up_row};
pub use state::{Checkpoint, Lease, LeaseLine, LeaseRow, Posting, State, Subject, subjects_of, subjects_of_request};
pub use sums::{SubjectSums, WindowSum};

#[cfg(test)]
mod tests;
