//! Notices how each request that reached a Worker ended.

use crate::{
    observer::{Invocation, Observer, Outcome},
    runtime::{Account, PooledBody},
    seams::ServedVersion,
};
use bytes::Bytes;
use clodo_types::Timestamp;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::time::Instant;

/// One invocation that goes on. It is reported when this is dropped; whoever drops it before it
/// knows better says that the client has left.
#[derive(Debug)]
pub(crate) struct Watch {
    observer: Arc<dyn Observer>,
    account: Arc<Account>,
    version: Arc<ServedVersion>,
    started: Timestamp,
    began: Instant,
    outcome: Outcome,
    status: Option<StatusCode>,
    bytes: u64,
    reached: bool,
}

impl Watch {
    pub(crate) fn begin(
        observer: &Arc<dyn Observer>,
        account: &Arc<Account>,
        version: &Arc<ServedVersion>,
        started: Timestamp,
    ) -> Self {
        Self {
            observer: Arc::clone(observer),
            account: Arc::clone(account),
            version: Arc::clone(version),
            started,
            began: Instant::now(),
            outcome: Outcome::ClientDisconnected,
            status: None,
            bytes: 0,
            reached: false,
        }
    }

    /// From now on the Worker has the request, or not yet after all.
    pub(crate) fn reached(&mut self, reached: bool) {
        self.reached = reached;
    }

    /// The Worker has failed; `status` is what the client hears instead.
    pub(crate) fn failed(mut self, outcome: Outcome, status: StatusCode) {
        (self.outcome, self.status) = (outcome, Some(status));
    }

    /// The client has the whole answer.
    pub(crate) fn relayed(mut self, status: StatusCode, bytes: u64) {
        (self.outcome, self.status, self.bytes) = (Outcome::Success, Some(status), bytes);
    }

    /// The answer's head is here; how it ends, its body shows.
    pub(crate) fn answered(mut self, status: StatusCode, body: PooledBody) -> WatchedBody {
        self.status = Some(status);
        let mut body = WatchedBody { body, watch: self };
        body.note_the_end();
        body
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.reached {
            self.observer.invoked(&Invocation {
                account_id: &self.account.id,
                script: &self.version.script,
                version_id: &self.version.version_id,
                started: self.started,
                outcome: self.outcome,
                status: self.status.map(|status| status.as_u16()),
                wall_time: self.began.elapsed(),
                response_bytes: self.bytes,
            });
        }
    }
}

/// A Worker's answer on its way to the client.
#[derive(Debug)]
pub(crate) struct WatchedBody {
    body: PooledBody,
    watch: Watch,
}

impl WatchedBody {
    fn note_the_end(&mut self) {
        if self.body.is_end_stream() {
            self.watch.outcome = Outcome::Success;
        }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.watch.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.note_the_end();
            }
            None => self.watch.outcome = Outcome::Success,
            // A stream of the Worker's threw; that its process ended meanwhile is the rarer cause.
            Some(Err(_)) => self.watch.outcome = Outcome::ScriptThrewException,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
