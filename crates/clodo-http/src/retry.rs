use crate::{
    retry_policy::{Fault, RetryPolicy},
    service::{HttpService, Repeatable, Request, Response},
    transport_error::TransportError,
};
use async_trait::async_trait;

/// Sends again what may be sent again: decided by the kind of fault, by what the request says of
/// itself ([`Repeatable`]) and by its body, which must be buffered.
#[derive(Debug)]
pub struct Retry<S> {
    inner: S,
    policy: RetryPolicy,
}

impl<S: HttpService> Retry<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: HttpService> HttpService for Retry<S> {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let repeatable = Repeatable::of(&request);
        let (parts, mut body) = request.into_parts();
        let mut delays = self.policy.delays();
        loop {
            let Some(copy) = body.try_clone() else {
                return self.inner.call(Request::from_parts(parts, body)).await;
            };
            let sent = std::mem::replace(&mut body, copy);
            let outcome = self.inner.call(Request::from_parts(parts.clone(), sent)).await;
            let fault = match &outcome {
                Ok(response) => Fault::of_response(response),
                Err(error) => Some(Fault::Transport(error.kind())),
            };
            let Some(delay) = fault.and_then(|fault| delays.after(fault, repeatable)) else {
                return outcome;
            };
            tracing::debug!(?fault, ?delay, "sending again");
            drop(outcome);
            tokio::time::sleep(delay).await;
        }
    }
}
