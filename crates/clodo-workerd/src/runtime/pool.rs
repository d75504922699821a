//! Kept-alive connections to one socket of one workerd process.

use super::link::{Endpoint, Link, Stream};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::sync::Notify;

/// A request's body on its way to a Worker.
#[derive(Debug, Default)]
pub(crate) enum RequestBody {
    /// Nothing.
    #[default]
    Empty,
    /// Whatever the client sends.
    Stream(Incoming),
    /// Ready in memory; `None` once it was sent.
    Full(Option<Bytes>),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(body) => body.is_end_stream(),
            Self::Full(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(body) => body.size_hint(),
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

/// Counts what one process is busy with; shared by all its pools.
#[derive(Debug, Default)]
pub(crate) struct Load {
    in_flight: AtomicUsize,
    answered: AtomicU64,
    idle: Notify,
}

impl Load {
    /// Requests that have not been answered in full.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// How many answers have begun so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until nothing is in flight, for at most `patience`.
    pub(crate) async fn idle(&self, patience: Duration) {
        let quiet = async {
            loop {
                let woken = self.idle.notified();
                if self.in_flight() == 0 {
                    return;
                }
                woken.await;
            }
        };
        let _ = tokio::time::timeout(patience, quiet).await;
    }
}

/// Counts what one version is busy with.
#[derive(Debug, Default)]
struct Activity {
    in_flight: AtomicUsize,
    answered: AtomicU64,
    broken: AtomicU64,
}

/// One request in flight: from the choice of its way on, so that no process is ended between the
/// choice and the sending.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Pool>);

impl Ticket {
    pub(crate) fn new(pool: &Arc<Pool>) -> Self {
        pool.load.in_flight.fetch_add(1, Ordering::AcqRel);
        pool.activity.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(pool))
    }

    /// The way that it is for.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.0
    }

    /// Sends the request that it is for; see [`Pool::send`].
    pub(crate) async fn send(
        self,
        request: Request<RequestBody>,
    ) -> Result<Response<PooledBody>, SendError> {
        let pool = Arc::clone(&self.0);
        pool.send_with(self, request).await
    }

    /// The answer has begun.
    pub(crate) fn answered(&self) {
        self.0.load.answered.fetch_add(1, Ordering::Relaxed);
        self.0.activity.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// The connection broke before the answer was complete.
    pub(crate) fn broken(&self) {
        self.0.activity.broken.fetch_add(1, Ordering::AcqRel);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.activity.in_flight.fetch_sub(1, Ordering::AcqRel);
        if self.0.load.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.load.idle.notify_waiters();
        }
    }
}

/// Why a request did not get an answer from a Worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The process cannot be reached. Nothing was sent: the request can go elsewhere.
    #[error("workerd cannot be reached")]
    Connect(#[source] io::Error, Box<Request<RequestBody>>),
    /// The connection broke, most likely because the process ended.
    #[error("the connection to workerd broke")]
    Broken(#[source] hyper::Error),
}

/// Kept-alive connections to one socket.
#[derive(Debug)]
pub(crate) struct Pool {
    link: Arc<dyn Link>,
    endpoint: Endpoint,
    idle: Mutex<Vec<SendRequest<RequestBody>>>,
    load: Arc<Load>,
    activity: Activity,
    guilty: AtomicBool,
}

const MAX_IDLE: usize = 256;

impl Pool {
    /// A pool that has no connection yet.
    pub(crate) fn new(link: Arc<dyn Link>, endpoint: Endpoint, load: Arc<Load>) -> Arc<Self> {
        Arc::new(Self {
            link,
            endpoint,
            idle: Mutex::default(),
            load,
            activity: Activity::default(),
            guilty: AtomicBool::new(false),
        })
    }

    /// Whether a request has not been answered in full, or was cut off.
    pub(crate) fn is_suspect(&self) -> bool {
        self.activity.in_flight.load(Ordering::Acquire) > 0
            || self.activity.broken.load(Ordering::Acquire) > 0
    }

    /// How many answers have begun so far.
    pub(crate) fn answered(&self) -> u64 {
        self.activity.answered.load(Ordering::Relaxed)
    }

    /// The process is about to be ended for what this Worker does in it.
    pub(crate) fn convict(&self) {
        self.guilty.store(true, Ordering::Release);
    }

    /// Whether the process was ended for what this Worker did in it.
    pub(crate) fn is_guilty(&self) -> bool {
        self.guilty.load(Ordering::Acquire)
    }

    /// Sends one request and returns as soon as the answer's head is there. A request that never
    /// reached the Worker because its connection had been closed is sent again.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: Request<RequestBody>,
    ) -> Result<Response<PooledBody>, SendError> {
        self.send_with(Ticket::new(self), request).await
    }

    async fn send_with(
        self: &Arc<Self>,
        ticket: Ticket,
        mut request: Request<RequestBody>,
    ) -> Result<Response<PooledBody>, SendError> {
        // An unfinished upload keeps its connection busy after the answer has ended.
        let reusable = request.body().is_end_stream();
        loop {
            let Some(mut sender) = self.kept() else {
                let mut sender = match self.connect().await {
                    Ok(sender) => sender,
                    Err(error) => return Err(SendError::Connect(error, Box::new(request))),
                };
                let answer = sender.send_request(request).await.map_err(|error| {
                    ticket.broken();
                    SendError::Broken(error)
                })?;
                return Ok(self.answer(answer, sender, ticket, reusable));
            };
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok(self.answer(answer, sender, ticket, reusable)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => {
                        ticket.broken();
                        return Err(SendError::Broken(error.into_error()));
                    }
                },
            }
        }
    }

    fn answer(
        self: &Arc<Self>,
        answer: Response<Incoming>,
        sender: SendRequest<RequestBody>,
        ticket: Ticket,
        reusable: bool,
    ) -> Response<PooledBody> {
        ticket.answered();
        let upgraded = answer.status() == http::StatusCode::SWITCHING_PROTOCOLS;
        let keep = (reusable && !upgraded).then(|| (Arc::clone(self), sender));
        answer.map(|body| {
            let mut body = PooledBody { body, keep, ticket };
            body.give_back_if_done();
            body
        })
    }

    fn kept(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let sender = idle.pop()?;
            if !sender.is_closed() {
                return Some(sender);
            }
        }
    }

    fn keep(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(sender);
        }
    }

    /// A connection that this pool does not keep.
    pub(crate) async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        self.link.connect(&self.endpoint).await
    }

    async fn connect(&self) -> io::Result<SendRequest<RequestBody>> {
        let stream = self.dial().await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }
}

/// A Worker's answer; its connection goes back to the pool when the last byte was read.
#[derive(Debug)]
pub(crate) struct PooledBody {
    body: Incoming,
    keep: Option<(Arc<Pool>, SendRequest<RequestBody>)>,
    ticket: Ticket,
}

impl PooledBody {
    fn give_back_if_done(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some((pool, sender)) = self.keep.take() {
            pool.keep(sender);
        }
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => self.give_back_if_done(),
            None => self.give_back(),
            Some(Err(_)) => {
                self.ticket.broken();
                self.keep = None;
            }
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
