//! Durable Objects: storage and transport only; what they decide is decided by core functions.

pub(super) mod client;
pub(super) mod health_hub;
mod ledger;
pub(super) mod registry;
pub(super) mod session;
