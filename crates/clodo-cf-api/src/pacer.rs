use async_trait::async_trait;
use clodo_resilience::RateLimits;
use std::{error, fmt};

/// The budget of calls could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("could not ask the budget of calls")]
pub struct PacerError(#[source] pub Box<dyn error::Error + Send + Sync>);

/// Decides when the next call may be sent. Cloudflare counts calls per token, so everything that
/// uses one token shares one pacer; across machines that is a store.
///
/// # Contract
/// - `acquire` returns when one call may be sent, and has counted it.
/// - A whole budget may be used in one burst.
/// - Dropping a waiting `acquire` counts nothing and holds nobody up.
/// - No wait is longer than what is left of the window that the server named and a few seconds, and
///   never longer than an hour: then the next call may be tried.
/// - `observe` tells that a call has ended and what its answer said, nothing when it got none; what
///   it says counts more than what was counted here.
#[async_trait]
pub trait Pacer: fmt::Debug + Send + Sync + 'static {
    /// Waits until one call may be sent.
    ///
    /// # Errors
    /// When the budget is kept elsewhere and cannot be asked.
    async fn acquire(&self) -> Result<(), PacerError>;

    /// Learns from an answer.
    ///
    /// # Errors
    /// When the budget is kept elsewhere and cannot be told.
    async fn observe(&self, said: &RateLimits) -> Result<(), PacerError>;
}

/// Never waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unpaced;

#[async_trait]
impl Pacer for Unpaced {
    async fn acquire(&self) -> Result<(), PacerError> {
        Ok(())
    }

    async fn observe(&self, _: &RateLimits) -> Result<(), PacerError> {
        Ok(())
    }
}
