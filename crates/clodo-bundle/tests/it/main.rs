//! Real projects through the real esbuild.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod assets;
mod bad_input;
mod bundling;
mod sandbox;
