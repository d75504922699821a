use async_trait::async_trait;
use std::{fmt, time::Duration};

/// How code waits. On a machine that is tokio's clock ([`TokioSleeper`]); where that does not run,
/// as on Workers, it is whatever does (`setTimeout`).
///
/// # Contract
/// - `sleep` is ready after at least `time`, and at once for no time.
/// - Dropping the future ends the wait and leaves nothing running.
#[async_trait]
pub trait Sleeper: fmt::Debug + Send + Sync + 'static {
    /// Waits.
    async fn sleep(&self, time: Duration);
}

/// Waits by tokio's clock, which tests can pause.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioSleeper;

#[async_trait]
impl Sleeper for TokioSleeper {
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
