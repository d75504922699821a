use crate::{
    body::{Body, BodyError, BodyStream},
    service::{HttpService, Request, Response, TimeLimit},
    transport_error::{TransportError, TransportKind},
};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use std::time::Duration;

/// Gives up on a request whose answer does not begin in time, and on an answer that stalls.
///
/// There is no limit on a whole answer: a large download may take as long as it moves.
#[derive(Debug)]
pub struct Timeout<S> {
    inner: S,
    answer: Duration,
    stall: Duration,
}

impl<S: HttpService> Timeout<S> {
    /// Wraps `inner`. `answer` is how long it may take from the call until status and headers
    /// are there (a [`TimeLimit`] in the request goes before it), `stall` how long between two
    /// chunks of the answer.
    pub fn new(inner: S, answer: Duration, stall: Duration) -> Self {
        Self { inner, answer, stall }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: HttpService> HttpService for Timeout<S> {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let limit = request.extensions().get().map_or(self.answer, |TimeLimit(limit)| *limit);
        let late = TransportError::new(TransportKind::Timeout, request.method(), request.uri());
        let answer = tokio::time::timeout(limit, self.inner.call(request));
        let response = answer.await.map_err(|_| late)??;
        Ok(response.map(|body| watched(body, self.stall)))
    }
}

fn watched(body: Body, stall: Duration) -> Body {
    if body.is_buffered() {
        return body;
    }
    let length = body.length();
    Body::from_stream(
        stream::unfold(Some(body.into_stream()), move |from| next(from, stall)),
        length,
    )
}

async fn next(
    from: Option<BodyStream>,
    stall: Duration,
) -> Option<(Result<bytes::Bytes, BodyError>, Option<BodyStream>)> {
    let mut from = from?;
    match tokio::time::timeout(stall, from.next()).await {
        Ok(chunk) => chunk.map(|chunk| (chunk, Some(from))),
        Err(_) => Some((Err(BodyError::Stalled), None)),
    }
}
