use crate::{
    service::{Effect, HttpService, Request, Response},
    transport_error::TransportError,
};
use async_trait::async_trait;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many requests were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that change nothing.
    pub reads: u64,
    /// Those that may change something.
    pub writes: u64,
}

/// The running count of a [`Counted`]; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<(AtomicU64, AtomicU64)>);

impl Counter {
    /// The count so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (reads, writes) = &*self.0;
        Counts { reads: reads.load(Ordering::Relaxed), writes: writes.load(Ordering::Relaxed) }
    }
}

/// Counts every request that passes, answered or not. Put it inside [`Retry`](crate::Retry), so
/// that repeats count.
#[derive(Debug)]
pub struct Counted<S> {
    inner: S,
    counter: Counter,
}

impl<S: HttpService> Counted<S> {
    /// Wraps `inner`; keep a clone of `counter` to read it.
    pub fn new(inner: S, counter: Counter) -> Self {
        Self { inner, counter }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: HttpService> HttpService for Counted<S> {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let (reads, writes) = &*self.counter.0;
        let count = match Effect::of(&request) {
            Effect::Read => reads,
            Effect::Write => writes,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request).await
    }
}
