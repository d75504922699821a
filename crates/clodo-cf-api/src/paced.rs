use crate::pacer::{Pacer, PacerError};
use async_trait::async_trait;
use clodo_http::{HttpService, Request, Response, TransportError, TransportKind, rate_limits};
use clodo_resilience::RateLimits;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Sends a call when the pacer lets it, at most so many at a time.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    inner: S,
    pacer: Arc<dyn Pacer>,
    slots: Semaphore,
}

impl<S: HttpService> Paced<S> {
    pub(crate) fn new(inner: S, pacer: Arc<dyn Pacer>, at_once: usize) -> Self {
        Self { inner, pacer, slots: Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)) }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: HttpService> HttpService for Paced<S> {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let unpaced = |error: PacerError| {
            TransportError::new(TransportKind::Other, &method, &uri).with_source(error)
        };
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        self.pacer.acquire().await.map_err(unpaced)?;
        let answer = self.inner.call(request).await;
        let said = match &answer {
            Ok(response) => rate_limits(response.status(), response.headers()),
            Err(_) => RateLimits::default(),
        };
        // A budget that cannot be told must not turn an answer into a failure.
        if let Err(error) = self.pacer.observe(&said).await {
            tracing::warn!(%error, "the budget of calls was not told");
        }
        answer
    }
}
