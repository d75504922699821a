//! One call on its way to the upstream and back.

use crate::{
    gateway::Gateway,
    headers,
    leases::{Flight, Write},
    pacer::{NotPaced, Pacer},
    record::Timing,
    refusal::Refusal,
    target::Target,
    turns::Waiter,
};
use clodo_http::{
    Body, HttpService, Request, Response, TimeLimit, TransportError, TransportKind, rate_limits,
};
use clodo_resilience::RateLimits;
use http::{HeaderValue, StatusCode, header, request};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, sleep},
};

/// A body that is streamed may take this long until its answer begins: it may be many gigabytes.
const UPLOAD_LIMIT: Duration = Duration::from_secs(6 * 3600);
/// The unit in which memory for bodies is counted.
pub(crate) const BLOCK: usize = 1024;

/// A call, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) parts: &'a request::Parts,
    pub(crate) target: &'a Target,
    pub(crate) pacer: &'a Arc<Pacer>,
    pub(crate) waiter: &'a Waiter,
    /// Set for a write that leases have a say in.
    pub(crate) write: Option<&'a Write>,
}

impl Exchange<'_> {
    /// Sends the call when the budget allows, and again when the upstream refused it for too many
    /// calls: a refused call had no effect.
    pub(crate) async fn send(&self, body: Body, timing: &mut Timing) -> Result<Response, Refusal> {
        let gateway = self.gateway;
        let deadline = Instant::now() + gateway.options.longest_wait;
        if let Some(write) = self.write {
            let began = Instant::now();
            let admitted = gateway.leases.admit(write, deadline).await;
            timing.waited += began.elapsed();
            admitted?;
        }
        let ticket = gateway.tokens.ticket();
        let (mut next, mut memory) = (Some(body), None);
        loop {
            let began = Instant::now();
            let granted = self.pacer.acquire(self.waiter, ticket, deadline).await;
            timing.waited += began.elapsed();
            let grant = granted.map_err(refusal)?;
            let mut body = next.take().unwrap_or_default();
            if memory.is_none() {
                (body, memory) = self.repeatable(body).await?;
            }
            let copy = body.try_clone();
            let flight = self.depart(&body, deadline, timing).await?;
            let answer = self.once(&gateway.upstream, body, flight, timing).await?;
            let pause = self.learn(&answer, timing.attempts);
            drop(grant);
            let Some(pause) = pause else { return Ok(answer) };
            if copy.is_none() || Instant::now() + pause.wait > deadline {
                return Ok(answer);
            }
            drop(answer);
            gateway.reporter.counts.absorbed();
            next = copy;
            if pause.alone {
                timing.waited += pause.wait;
                sleep(pause.wait).await;
            }
        }
    }

    /// Asks leases once more, right before a write is sent.
    async fn depart(
        &self,
        body: &Body,
        deadline: Instant,
        timing: &mut Timing,
    ) -> Result<Option<Flight>, Refusal> {
        let Some(write) = self.write else { return Ok(None) };
        let began = Instant::now();
        let flight = self.gateway.leases.depart(write, !body.is_buffered(), deadline).await;
        timing.waited += began.elapsed();
        flight.map(Some)
    }

    /// Sends the call once.
    pub(crate) async fn once(
        &self,
        upstream: &Arc<dyn HttpService>,
        body: Body,
        flight: Option<Flight>,
        timing: &mut Timing,
    ) -> Result<Response, Refusal> {
        let is_whole = body.is_buffered();
        let request = self.request(body);
        let began = Instant::now();
        timing.attempts += 1;
        let answer = match flight {
            None => upstream.call(request).await,
            Some(flight) => {
                let call = followed(Arc::clone(upstream), request, flight);
                if is_whole { self.to_its_end(call).await } else { call.await }
            }
        };
        timing.upstream += began.elapsed();
        answer.map_err(|error: TransportError| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, route = self.target.route.template, "no answer");
            Refusal::Upstream(error.kind())
        })
    }

    /// A write that was sent goes on when its client leaves: so it is known when it has ended.
    async fn to_its_end(
        &self,
        call: impl Future<Output = Result<Response, TransportError>> + Send + 'static,
    ) -> Result<Response, TransportError> {
        let ended = self.gateway.writes.spawn(call).await;
        ended.unwrap_or_else(|panic| {
            let (method, uri) = (&self.parts.method, &self.target.uri);
            Err(TransportError::new(TransportKind::Other, method, uri).with_source(panic))
        })
    }

    fn request(&self, body: Body) -> Request {
        let mut request = Request::new(body);
        *request.method_mut() = self.parts.method.clone();
        *request.uri_mut() = self.target.uri.clone();
        let headers = request.headers_mut();
        *headers = self.parts.headers.clone();
        headers::pass_on(headers, self.target.upgrade.clone());
        // The client's `expect` was answered when its body was asked for.
        for ours in [header::HOST, header::CONTENT_LENGTH, header::EXPECT] {
            headers.remove(ours);
        }
        headers.append(header::VIA, self.gateway.via.clone());
        if !request.body().is_buffered() {
            request.extensions_mut().insert(TimeLimit(UPLOAD_LIMIT));
        }
        request
    }

    /// Reads a body of moderate length into memory, if there is memory to spare.
    async fn repeatable(&self, body: Body) -> Result<(Body, Option<SemaphorePermit<'_>>), Refusal> {
        let limit = self.gateway.options.repeatable_bytes;
        let length = body.length().and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| *length <= limit && !body.is_buffered()) else {
            return Ok((body, None));
        };
        let blocks = u32::try_from(length.div_ceil(BLOCK)).unwrap_or(u32::MAX);
        let Ok(memory) = self.gateway.memory.try_acquire_many(blocks) else {
            return Ok((body, None));
        };
        let bytes = body.collect(length).await.map_err(|_| Refusal::BadBody)?;
        Ok((Body::from(bytes), Some(memory)))
    }

    /// Tells the budget what the answer says; after a 429 also how long to wait.
    fn learn(&self, answer: &Response, attempts: u32) -> Option<Pause> {
        let said = rate_limits(answer.status(), answer.headers());
        if answer.status() != StatusCode::TOO_MANY_REQUESTS {
            self.pacer.learn(&said);
            return None;
        }
        let guess = Duration::from_secs(1 << attempts.saturating_sub(1).min(5));
        let wait = said.refused_for.unwrap_or(guess);
        // With calls left in the budget it is another limit, which concerns this call alone.
        let alone = said.remaining.is_some_and(|remaining| remaining > 0);
        let refused_for = Some(wait).filter(|_| !alone);
        self.pacer.learn(&RateLimits { refused_for, ..said });
        Some(Pause { wait, alone })
    }
}

/// Sends a write and notes when it has ended. After a connection that broke nobody knows.
async fn followed(
    upstream: Arc<dyn HttpService>,
    request: Request,
    flight: Flight,
) -> Result<Response, TransportError> {
    let answer = upstream.call(request).await;
    let is_lost = |error: &TransportError| error.kind() == TransportKind::Reset;
    if !answer.as_ref().is_err_and(is_lost) {
        flight.ended();
    }
    answer
}

/// How long to wait after a 429.
#[derive(Clone, Copy, Debug)]
struct Pause {
    wait: Duration,
    /// Whether the call waits by itself, rather than everybody for the budget.
    alone: bool,
}

pub(crate) fn refusal(not_paced: NotPaced) -> Refusal {
    match not_paced {
        NotPaced::TooLong { retry_after } => Refusal::TooLong { retry_after },
        NotPaced::Closing => Refusal::Closing,
    }
}

/// Makes the upstream's answer one that the client may see.
pub(crate) fn passed_on(mut answer: Response) -> Response {
    headers::pass_on(answer.headers_mut(), None);
    let forwarded = HeaderValue::from_static("clodo-gateway; fwd=uri-miss");
    answer.headers_mut().insert("cache-status", forwarded);
    answer.extensions_mut().clear();
    *answer.version_mut() = http::Version::HTTP_11;
    answer
}
