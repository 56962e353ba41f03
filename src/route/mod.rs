//! Room 4: which target answers, and why.
//!
//! [`plan()`] gives a [`Plan`] and an [`Explanation`]; listing, readiness and the call path
//! ask the same [`executable`]. Knows no socket: what happened upstream arrives here as [`health`] transitions.

mod candidates;
mod dice;
pub mod effect;
pub mod error;
pub mod estimate;
mod executable;
pub mod explanation;
mod fusion_panel;
mod fusion_planner;
mod fusion_slots;
pub mod health;
mod host;
pub mod listing;
mod lookup;
mod ordering;
pub mod overview;
pub mod pin;
pub mod plan;
mod planner;
mod provider_spend;
pub mod readiness;
pub mod refusal;
mod refusing;
pub mod select;
#[cfg(test)]
mod tests;
mod tool_loop;

pub use error::{Refused, RouteError};
pub use executable::{World, executable};
pub use explanation::Explanation;
pub use fusion_panel::JUDGE_OUTPUT_TOKENS;
pub use health::{Dispatch, Failure, FailureClass, Gate, Health};
pub use host::host_of;
pub use lookup::fusion_model;
pub use pin::{Pin, PinCache, Session};
pub use plan::{Chain, FusionPlan, Plan, PlannedCall, Shape, Stage, Target, ToolLoop};
pub use planner::{Hints, plan};
pub use provider_spend::ProviderSpend;
pub use refusal::{Refusal, RefusalCode};
pub use select::{Selected, Selection, Want, select};
