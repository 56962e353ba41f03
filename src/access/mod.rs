//! Room 3: who is this, and what may they execute and pay for.
//!
//! A presented key becomes a [`Grant`]; an admin token, cookie or Access JWT becomes an actor with a role. Knows no plan and no upstream.

pub mod access_jwt;
pub mod admin;
pub mod allowance;
pub mod grant;
pub mod key;
pub mod key_document;
pub mod roles;

pub use grant::{Grant, KeyIdentity};
