//! Planning, listing and readiness as tables and properties over compiled catalogs.

mod advertising;
mod fusion;
mod overview;
mod planning;
mod preferences;
mod provider_spend;
mod readiness;
mod sessions;
mod support;
mod tool_loops;
