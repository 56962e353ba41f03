//! A world in which a run is tried: upstreams that act as a script says, a virtual clock, one isolate's health. An hour takes a
//! millisecond and the same seed gives the same story.

mod acts;
mod connections;
mod crossing;
mod degraded;
mod fusion;
mod fuzz;
mod hedges;
mod isolates;
mod panel;
mod pools;
mod quotas;
mod recovery;
mod refusals;
mod scenarios;
mod story;
mod tiers;
mod timers;
mod told;
mod tool_loops;
mod witness;
mod world;
