//! The public API against a scripted service.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod assets;
mod breaker;
mod catalogue;
mod catalogue_rest;
mod ensure;
mod future;
mod lists;
mod pacing;
mod retries;
mod spans;
mod support;
mod tails;
mod transfers;
