//! What is noted of a call while it is under way; its line is written when it has ended, however
//! it ended.

use crate::{
    calls::{AnswerSource, CallLine, CallSink},
    counts::Counts,
    headers,
    refusal::Refusal,
    serve::Caller,
};
use bytes::Bytes;
use clodo_http::{Body, BodyError, BodyStream, Response};
use clodo_resilience::BulkheadSlot;
use clodo_types::{Clock, Timestamp};
use futures_util::{Stream, StreamExt as _};
use http::{Method, StatusCode, request};
use std::{
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

/// Where records go.
#[derive(Debug)]
pub(crate) struct Reporter {
    pub(crate) counts: Counts,
    pub(crate) sink: Arc<dyn CallSink>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// How long a call took, and where.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    pub(crate) waited: Duration,
    pub(crate) upstream: Duration,
    pub(crate) attempts: u32,
}

#[derive(Debug)]
pub(crate) struct Record {
    reporter: Arc<Reporter>,
    line: CallLine,
    bytes_in: Arc<AtomicU64>,
    is_head: bool,
    pub(crate) timing: Timing,
    /// The call's place in the gateway, until its answer was sent.
    pub(crate) slot: Option<BulkheadSlot>,
}

impl Record {
    pub(crate) fn begin(reporter: &Arc<Reporter>, caller: Caller, parts: &request::Parts) -> Self {
        let line = CallLine {
            at: written(reporter.clock.now()),
            client: headers::agent(&parts.headers),
            peer: caller.port,
            token: None,
            method: parts.method.as_str().chars().take(20).collect(),
            route: "{unknown}".to_owned(),
            status: None,
            source: AnswerSource::Upstream,
            refused: None,
            waited_ms: 0,
            upstream_ms: 0,
            attempts: 0,
            bytes_in: 0,
            bytes_out: 0,
            complete: false,
        };
        Self {
            reporter: Arc::clone(reporter),
            line,
            bytes_in: Arc::default(),
            is_head: parts.method == Method::HEAD,
            timing: Timing::default(),
            slot: None,
        }
    }

    pub(crate) fn client(&self) -> &str {
        &self.line.client
    }

    pub(crate) fn is_about(&mut self, route: &str, token: u64) {
        self.line.route = route.to_owned();
        self.line.token = Some(token);
    }

    pub(crate) fn comes_from(&mut self, source: AnswerSource) {
        self.line.source = source;
    }

    /// The gateway answers itself.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.line.source = AnswerSource::Gateway;
        self.line.refused = Some(refusal.word());
    }

    /// The request's body, counted as it is read.
    pub(crate) fn counting(&self, body: Body) -> Body {
        let (length, count) = (body.length(), Arc::clone(&self.bytes_in));
        if length == Some(0) {
            return body;
        }
        let chunks = body.into_stream().inspect(move |chunk| {
            let size = chunk.as_ref().map_or(0, Bytes::len);
            count.fetch_add(size as u64, Ordering::Relaxed);
        });
        Body::from_stream(chunks, length)
    }

    /// Follows the answer to its end.
    pub(crate) fn follow(mut self, answer: Response) -> Response {
        let (parts, body) = answer.into_parts();
        let length = body.length();
        let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
        self.line.status = Some(parts.status.as_u16());
        self.line.complete = length == Some(0) || self.is_head || bodiless.contains(&parts.status);
        let followed = Followed { body: body.into_stream(), length, record: self };
        Response::from_parts(parts, Body::from_stream(followed, length))
    }

    /// Notes a connection that was switched to another protocol, and has ended.
    pub(crate) fn switched(mut self, bytes: Option<(u64, u64)>) {
        self.line.status = Some(StatusCode::SWITCHING_PROTOCOLS.as_u16());
        self.line.complete = bytes.is_some();
        let (bytes_in, bytes_out) = bytes.unwrap_or_default();
        self.bytes_in.store(bytes_in, Ordering::Relaxed);
        self.line.bytes_out = bytes_out;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.line.waited_ms = millis(self.timing.waited);
        self.line.upstream_ms = millis(self.timing.upstream);
        self.line.attempts = self.timing.attempts;
        self.line.bytes_in = self.bytes_in.load(Ordering::Relaxed);
        self.reporter.counts.ended(&self.line);
        self.reporter.sink.record(&self.line);
    }
}

pub(crate) fn written(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    format!("{at:.3}")
}

/// An answer's body, which takes its record along.
struct Followed {
    body: BodyStream,
    length: Option<u64>,
    record: Record,
}

impl Stream for Followed {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.body.poll_next_unpin(cx);
        match &next {
            Poll::Ready(Some(Ok(chunk))) => {
                let line = &mut self.record.line;
                line.bytes_out += chunk.len() as u64;
                // Nobody asks for more when the announced length is there.
                let sent = line.bytes_out;
                self.record.line.complete = self.length.is_some_and(|length| length <= sent);
            }
            Poll::Ready(Some(Err(_))) => {
                self.record.line.complete = false;
                // What is behind a broken body has ended as well.
                let empty: BodyStream = Box::pin(futures_util::stream::empty());
                drop(mem::replace(&mut self.body, empty));
            }
            Poll::Ready(None) => {
                let sent = self.record.line.bytes_out;
                let short = self.length.is_some_and(|length| sent < length);
                self.record.line.complete |= !short;
            }
            Poll::Pending => {}
        }
        next
    }
}
