//! The facade against a local Cloudflare in the same process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adapters;
mod budgets;
mod contracts;
mod loading;
mod migrating;
mod objects;
mod secrets;
mod support;
