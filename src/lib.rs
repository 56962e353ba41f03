//! clawrouter: an LLM router for teams that runs at Cloudflare's edge.
//!
//! Bytes come in, become a request that cannot be wrong, become a plan that explains itself, are executed by a machine that cannot
//! block, and leave as bytes; everything that touches Cloudflare is a thin skin around that. The rooms, in reading order, each of
//! which may use only the rooms above it:

/// What clients and upstreams speak: bytes to typed views and back; unknown fields survive byte for byte.
pub mod wire;

/// Providers, models, prices, pools, routes, fusion profiles, policies: documents to one validated, versioned [`catalog::Catalog`].
pub mod catalog;

/// Keys, policies, sessions of the admin page: who is this, and what may they execute and pay for ([`access::Grant`]).
pub mod access;

/// Request + catalog + grant + pins + health to a [`route::Plan`], and the [`route::Explanation`] of that plan.
pub mod route;

/// Executes a plan as a sans-IO state machine: attempts, rotation, fallback, fusion, stream commit.
pub mod run;

/// Usage to money: reserve, settle, expire; usage and trace rows.
pub mod account;

#[cfg(feature = "edge")]
mod edge;
