//! The native test binary: what holds across rooms.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by failing"
)]

mod estimates;
mod tidy;
mod upstream_fixtures;
