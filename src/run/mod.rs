//! Room 5: executes a plan without touching the world.
//!
//! The shell feeds [`machine::Event`]s and carries out [`machine::Action`]s. Knows no clock, no socket, no Durable Object.

pub mod classify;
pub mod demo;
pub mod engine;
pub mod fusion;
pub mod headers;
pub mod hedge;
pub mod machine;
pub mod piece;
pub mod policy;
pub mod quota;
pub mod random;
pub mod recover;
pub mod report;
pub mod request;
#[cfg(test)]
mod simulation;
pub mod trim;
pub mod witness;
