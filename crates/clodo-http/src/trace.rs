use crate::{
    service::{HttpService, Request, Response},
    transport_error::TransportError,
};
use async_trait::async_trait;
use tracing::{Instrument, Span, field::Empty};

/// A span for each request: method, host, path and status. Never a query, a header's value or
/// anything of a body.
#[derive(Debug)]
pub struct Trace<S>(S);

impl<S: HttpService> Trace<S> {
    /// Wraps `inner`.
    pub fn new(inner: S) -> Self {
        Self(inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: HttpService> HttpService for Trace<S> {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let span = tracing::debug_span!(
            "http",
            method = %request.method(),
            host = request.uri().host().unwrap_or_default(),
            path = request.uri().path(),
            request_bytes = request.body().length(),
            status = Empty,
            error = Empty,
        );
        let outcome = self.0.call(request).instrument(span.clone()).await;
        record(&span, &outcome);
        outcome
    }
}

fn record(span: &Span, outcome: &Result<Response, TransportError>) {
    match outcome {
        Ok(response) => span.record("status", response.status().as_u16()),
        Err(error) => span.record("error", tracing::field::debug(error.kind())),
    };
    span.in_scope(|| tracing::debug!("answered"));
}
