use crate::{
    body::{Body, BodyError, BodyStream},
    service::{HttpService, Request, Response, TimeLimit},
    sleeper::{Sleeper, TokioSleeper},
    transport_error::{TransportError, TransportKind},
};
use async_trait::async_trait;
use futures_util::{
    StreamExt,
    future::{Either, select},
    stream,
};
use std::{future::Future, pin::pin, sync::Arc, time::Duration};

/// Gives up on a request whose answer does not begin in time, and on an answer that stalls.
///
/// There is no limit on a whole answer: a large download may take as long as it moves.
#[derive(Debug)]
pub struct Timeout<S> {
    inner: S,
    answer: Duration,
    stall: Duration,
    sleeper: Arc<dyn Sleeper>,
}

impl<S: HttpService> Timeout<S> {
    /// Wraps `inner`. `answer` is how long it may take from the call until status and headers
    /// are there (a [`TimeLimit`] in the request goes before it), `stall` how long between two
    /// chunks of the answer.
    pub fn new(inner: S, answer: Duration, stall: Duration) -> Self {
        Self { inner, answer, stall, sleeper: Arc::new(TokioSleeper) }
    }

    /// Waits in another way than by tokio's clock.
    #[must_use]
    pub fn with_sleeper(mut self, sleeper: Arc<dyn Sleeper>) -> Self {
        self.sleeper = sleeper;
        self
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: HttpService> HttpService for Timeout<S> {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let limit = request.extensions().get().map_or(self.answer, |TimeLimit(limit)| *limit);
        let late = TransportError::new(TransportKind::Timeout, request.method(), request.uri());
        let answer = in_time(&*self.sleeper, limit, self.inner.call(request)).await;
        let response = answer.ok_or(late)??;
        Ok(response.map(|body| watched(body, self.stall, Arc::clone(&self.sleeper))))
    }
}

/// What `work` gives, or none when that takes longer than `limit`.
async fn in_time<T>(
    sleeper: &dyn Sleeper,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    match select(pin!(work), pin!(sleeper.sleep(limit))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

fn watched(body: Body, stall: Duration, sleeper: Arc<dyn Sleeper>) -> Body {
    if body.is_buffered() {
        return body;
    }
    let length = body.length();
    let chunks = stream::unfold(Some(body.into_stream()), move |from| {
        next(from, stall, Arc::clone(&sleeper))
    });
    Body::from_stream(chunks, length)
}

async fn next(
    from: Option<BodyStream>,
    stall: Duration,
    sleeper: Arc<dyn Sleeper>,
) -> Option<(Result<bytes::Bytes, BodyError>, Option<BodyStream>)> {
    let mut from = from?;
    match in_time(&*sleeper, stall, from.next()).await {
        Some(chunk) => chunk.map(|chunk| (chunk, Some(from))),
        None => Some((Err(BodyError::Stalled), None)),
    }
}
