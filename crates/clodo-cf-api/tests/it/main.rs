//! The public API against a scripted service.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod assets;
mod catalogue;
mod ensure;
mod lists;
mod pacing;
mod retries;
mod support;
