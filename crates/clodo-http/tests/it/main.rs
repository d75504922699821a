//! The public API: decorators over the fake, and the conformance suite.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod decorators;
