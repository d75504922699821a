//! The crate through its public API.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod analytics_engine;
mod d1_engine;
mod d1_travel;
mod disk_full;
mod kv_engine;
mod queue_engine;
mod r2_engine;
mod r2_rules;
mod small_disk;
