use crate::gateway::Gateway;
use bytes::Bytes;
use clodo_http::{Body, BodyError};
use futures_util::{Stream, StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::BodyStream;
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, future::ready, io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a connection may be idle, or take for the head of a request, or pause in its body.
const IDLE: Duration = Duration::from_secs(75);
/// The longest head of a request, and the most that is read ahead of a body.
const BUFFER: usize = 64 << 10;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The client's port.
    pub port: u16,
    /// The number of its connection.
    pub connection: u64,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections with calls under way that were cut.
    pub cut: usize,
}

/// Serves a port until `stop`. Then those who wait for the budget are answered 503, calls that
/// were sent are finished, and what is not done after `patience` is cut.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    stop: CancellationToken,
    patience: Duration,
) -> Drained {
    let mut connections = JoinSet::new();
    let mut count = 0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            // Ended connections are taken out as they end.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                count += 1;
                let caller = Caller { port: peer.port(), connection: count };
                connections.spawn(connection(stream, caller, Arc::clone(&gateway), stop.clone()));
            }
            Err(error) => wait_after(&error).await,
        }
    }
    drop(listener);
    gateway.close();
    gateway.writes.close();
    let all = async {
        while connections.join_next().await.is_some() {}
        gateway.writes.wait().await;
    };
    let _ = timeout(patience, all).await;
    gateway.tunnels.close();
    gateway.tunnels.wait().await;
    Drained { cut: connections.len() }
}

/// Out of file descriptors, for example: later it may work again.
async fn wait_after(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    sleep(Duration::from_millis(50)).await;
}

async fn connection(
    stream: TcpStream,
    caller: Caller,
    gateway: Arc<Gateway>,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let answer = move |request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(answered(&gateway, caller, request).await) }
    };
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_header_size(BUFFER)
        .max_buf_size(BUFFER);
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

async fn answered(gateway: &Gateway, caller: Caller, request: Request<Incoming>) -> Response<Body> {
    // Boxed: a connection that only waits should be small.
    Box::pin(gateway.answer(caller, request.map(incoming))).await
}

fn incoming(body: Incoming) -> Body {
    let length = body.size_hint().exact();
    if length == Some(0) {
        return Body::empty();
    }
    let chunks = BodyStream::new(body).filter_map(|frame| {
        let chunk = frame.map(|frame| frame.into_data().ok());
        ready(chunk.map_err(|error| BodyError::Interrupted(error.into())).transpose())
    });
    Body::from_stream(patient(chunks), length)
}

/// Ends with an error when the client sends nothing for too long: its call would keep the place of
/// another in the token's budget.
fn patient<S>(chunks: S) -> impl Stream<Item = Result<Bytes, BodyError>> + Send
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send,
{
    stream::unfold(Some(Box::pin(chunks)), |chunks| async {
        let mut chunks = chunks?;
        match timeout(IDLE, chunks.next()).await {
            Err(_) => Some((Err(BodyError::Stalled), None)),
            Ok(chunk) => chunk.map(|chunk| (chunk, Some(chunks))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_ends() {
        let first = stream::iter([Ok(Bytes::from_static(b"half"))]);
        let body = Body::from_stream(patient(first.chain(stream::pending())), Some(1_000));
        assert!(matches!(body.collect(1_000).await, Err(BodyError::Stalled)));
        let whole = stream::iter([Ok(Bytes::from_static(b"whole"))]);
        let body = Body::from_stream(patient(whole), None);
        assert_eq!(body.collect(1_000).await.unwrap(), "whole");
    }
}
