//! The public API on a platform in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod closer;
mod contracts;
mod deploys;
mod drifts;
mod faults;
mod orders;
mod plans;
mod properties;
mod queues;
mod records;
mod removals;
mod restores;
mod rollbacks;
mod stages;
mod strategies;
mod workflows;
mod world;
