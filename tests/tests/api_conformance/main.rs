//! Every endpoint, called through `clodo-cf-api`: against a local Cloudflare here, and against a
//! real, allow-listed account by `cargo xtask live`. What a test makes it removes again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aging;
mod analytics;
mod assets;
mod cloud;
mod d1;
mod dns;
mod durable_objects;
mod faults;
mod identity;
mod kv;
mod pages;
mod queues;
mod r2;
mod routes;
mod secrets;
mod tails;
mod triggers;
mod versions;
mod workers;
mod workflows;
