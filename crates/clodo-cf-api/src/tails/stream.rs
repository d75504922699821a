use super::{
    Tail, TraceEvent,
    socket::{Frame, WebSocket, WebSocketConnector, WebSocketError},
};
use bytes::Bytes;
use clodo_http::Sleeper;
use futures_util::{Stream, future::Either, stream};
use std::{fmt, pin::pin, sync::Arc, time::Duration};

/// A tail could not be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TailError {
    /// The websocket failed.
    #[error("the tail broke off")]
    Socket(#[from] WebSocketError),
    /// Nothing came for so long that the other side must be gone.
    #[error("the tail has gone silent")]
    Silent,
    /// What came is no event.
    #[error("the tail sent something that is no event")]
    Unreadable(#[source] serde_json::Error),
}

/// The events of a tail as they arrive.
pub struct TailStream {
    socket: Box<dyn WebSocket>,
    sleeper: Arc<dyn Sleeper>,
    /// Pings sent since anything came.
    unanswered: u32,
}

/// The protocol of tails.
const PROTOCOL: &str = "trace-v1";
/// Without a ping now and then the tail is closed, and a lost connection is never noticed.
const PING_EVERY: Duration = Duration::from_secs(10);
const MOST_UNANSWERED: u32 = 3;

impl TailStream {
    /// Opens the websocket of a tail.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(
        connector: &dyn WebSocketConnector,
        sleeper: Arc<dyn Sleeper>,
        tail: &Tail,
    ) -> Result<Self, TailError> {
        let mut socket = connector.connect(&tail.url, PROTOCOL).await?;
        // The server begins to send once it was told how.
        socket.send(Frame::Text(r#"{"debug":false}"#.to_owned())).await?;
        Ok(Self { socket, sleeper, unanswered: 0 })
    }

    /// The next event; none when the server closed the tail. An event that cannot be read is an
    /// error after which one can go on.
    ///
    /// # Errors
    /// When the connection broke, went silent, or sent something that is no event.
    pub async fn next(&mut self) -> Result<Option<TraceEvent>, TailError> {
        loop {
            match self.frame().await? {
                None | Some(Frame::Close) => return Ok(None),
                Some(Frame::Text(text)) => return event(text.as_bytes()).map(Some),
                // Cloudflare sends events as binary frames of JSON.
                Some(Frame::Binary(bytes)) => return event(&bytes).map(Some),
                Some(Frame::Ping(_) | Frame::Pong(_)) => (),
            }
        }
    }

    /// The events as a stream, which ends with the tail or after its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<TraceEvent, TailError>> + Send {
        stream::unfold(Some(self), |tail| async {
            let mut tail = tail?;
            match tail.next().await {
                Ok(event) => event.map(|event| (Ok(event), Some(tail))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn frame(&mut self) -> Result<Option<Frame>, TailError> {
        loop {
            let waited = {
                let frame = pin!(self.socket.receive());
                let silence = pin!(self.sleeper.sleep(PING_EVERY));
                match futures_util::future::select(frame, silence).await {
                    Either::Left((frame, _)) => Some(frame?),
                    Either::Right(_) => None,
                }
            };
            if let Some(frame) = waited {
                self.unanswered = 0;
                return Ok(frame);
            }
            if MOST_UNANSWERED <= self.unanswered {
                return Err(TailError::Silent);
            }
            self.unanswered += 1;
            self.socket.send(Frame::Ping(Bytes::new())).await?;
        }
    }
}

impl fmt::Debug for TailStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailStream").finish_non_exhaustive()
    }
}

fn event(text: &[u8]) -> Result<TraceEvent, TailError> {
    serde_json::from_slice(text).map_err(TailError::Unreadable)
}
