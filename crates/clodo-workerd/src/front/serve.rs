//! Accepting connections.

use super::{Back, Front, Hangup, body::FrontBody};
use crate::runtime::{Incoming as Listening, Stream};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, future::Future, io, sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long open connections may go on when the cloud stops.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// How long a client may take to send a request's head, and keep a connection that it does not use.
pub(super) const HEAD_PATIENCE: Duration = Duration::from_secs(60);

/// Serves the port until `stop`; returns when all connections are closed.
pub(crate) async fn serve_front(listener: TcpListener, front: Arc<Front>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(accepted) = until(&stop, listener.accept()).await {
        let Some((stream, peer)) = accepted_or_wait(accepted).await else { continue };
        let _ = stream.set_nodelay(true);
        let front = Arc::clone(&front);
        let answer = move |request: Request<Incoming>| {
            let front = Arc::clone(&front);
            async move { unless_hung_up(front.handle(request, peer.ip()).await) }
        };
        connections.spawn(connection(stream, answer, stop.clone(), Some(HEAD_PATIENCE)));
    }
    close(connections).await;
}

/// Serves workerd until `stop`.
pub(crate) async fn serve_back(
    listener: Box<dyn Listening>,
    back: Arc<Back>,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    while let Some(accepted) = until(&stop, listener.accept()).await {
        let Some(stream) = accepted_or_wait(accepted).await else { continue };
        let back = Arc::clone(&back);
        let answer = move |request: Request<Incoming>| {
            let back = Arc::clone(&back);
            async move { Ok::<_, Infallible>(back.handle(request).await) }
        };
        // workerd keeps its connections for as long as it likes.
        connections.spawn(connection(stream, answer, stop.clone(), None));
    }
    close(connections).await;
}

/// `None` when it is time to stop.
pub(super) async fn until<T>(
    stop: &CancellationToken,
    future: impl Future<Output = T>,
) -> Option<T> {
    stop.run_until_cancelled(future).await
}

/// Out of file descriptors, for example: later it may work again.
pub(super) async fn accepted_or_wait<T>(accepted: io::Result<T>) -> Option<T> {
    match accepted {
        Ok(connection) => Some(connection),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Lets open connections finish, for a while.
pub(super) async fn close(connections: TaskTracker) {
    connections.close();
    let _ = tokio::time::timeout(CLOSE_PATIENCE, connections.wait()).await;
}

/// hyper closes a connection whose service failed, without a word.
fn unless_hung_up(answer: Response<FrontBody>) -> io::Result<Response<FrontBody>> {
    match answer.extensions().get::<Hangup>() {
        Some(_) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
        None => Ok(answer),
    }
}

/// Serves one connection until it is closed, or until it is time to stop.
pub(super) async fn connection<S, A, F, E>(
    stream: S,
    answer: A,
    stop: CancellationToken,
    head_patience: Option<Duration>,
) where
    S: Stream,
    A: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Result<Response<FrontBody>, E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(head_patience).pipeline_flush(true);
    let connection = server.serve_connection(TokioIo::new(stream), service_fn(answer));
    let connection = connection.with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A client that goes away in the middle is its own business.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
