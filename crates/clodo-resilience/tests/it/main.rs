//! The public API, under a paused clock.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

mod breakers;
mod properties;
mod shared_reads;

use std::future::Future;

/// Runs on a clock of its own, which stands still until everybody waits.
fn paused<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(future)
}
