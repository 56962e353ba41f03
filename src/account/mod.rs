//! Room 6: usage to money. Reserve, settle, expire; usage and trace rows. Knows no Durable Object: a Ledger file in `edge` stores what
//! this room decides.

pub mod asked;
pub mod calendar;
pub mod content;
pub mod cost;
pub mod counters;
pub mod figures;
pub mod ledger;
pub mod listing;
pub mod metrics;
pub mod moves;
pub mod point;
pub mod record;
pub mod refusals;
pub mod reprice;
pub mod rollup;
pub mod trace;
pub mod usage;
pub mod waiting;
