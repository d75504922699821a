use crate::pacer::{Pacer, PacerError};
use async_trait::async_trait;
use clodo_resilience::{CallBudget, RateLimits};
use std::time::Duration;

/// A budget within this process: the whole quota may burst, then calls wait for the window to
/// end. It follows what the server says, and stays out of the way of a server that says nothing.
#[derive(Debug)]
pub struct TokenBucket(CallBudget);

impl TokenBucket {
    /// `quota` calls in each `window`.
    #[must_use]
    pub fn new(quota: u64, window: Duration) -> Self {
        Self(CallBudget::following(quota, window))
    }

    /// Cloudflare's limit for one token: 1,200 calls in 5 minutes.
    #[must_use]
    pub fn cloudflare() -> Self {
        Self::new(1200, Duration::from_secs(300))
    }
}

#[async_trait]
impl Pacer for TokenBucket {
    async fn acquire(&self) -> Result<(), PacerError> {
        self.0.take().await;
        Ok(())
    }

    async fn observe(&self, said: &RateLimits) -> Result<(), PacerError> {
        self.0.learn(said);
        Ok(())
    }
}
