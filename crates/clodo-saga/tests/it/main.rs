//! The public API: stores, runs, leases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fencing;
mod leases;
mod pausing;
mod postgres;
mod runs;
mod stores;
mod world;
