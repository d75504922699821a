use async_trait::async_trait;
use bytes::Bytes;
use clodo_types::Secret;
use std::{error, fmt};

/// What travels over a websocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// A question that the other side answers with the same bytes.
    Ping(Bytes),
    /// The answer to one.
    Pong(Bytes),
    /// The end.
    Close,
}

/// A websocket failed. Its text never holds the URL, which may be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// No connection came about.
    #[error("could not open the websocket")]
    Connect(#[source] Box<dyn error::Error + Send + Sync>),
    /// The other side does not speak the protocol that was asked for.
    #[error("the server does not speak {0}")]
    Protocol(&'static str),
    /// The connection broke.
    #[error("the websocket broke off")]
    Broken(#[source] Box<dyn error::Error + Send + Sync>),
}

/// An open websocket.
///
/// # Contract
/// - `receive` gives frames in order, none when the other side closed in good order, and an error
///   when the connection broke. Dropping its future loses no frame.
/// - A ping of the other side is answered by the implementation; it may be given out as well.
/// - Dropping the websocket closes the connection.
#[async_trait]
pub trait WebSocket: fmt::Debug + Send {
    /// The next frame.
    ///
    /// # Errors
    /// When the connection broke.
    async fn receive(&mut self) -> Result<Option<Frame>, WebSocketError>;

    /// Sends a frame.
    ///
    /// # Errors
    /// When the connection broke.
    async fn send(&mut self, frame: Frame) -> Result<(), WebSocketError>;
}

/// Opens websockets.
///
/// # Contract
/// - The URL is `ws` or `wss`; it is a secret and appears in no log and no error.
/// - A server that does not name `protocol` in its answer is refused.
#[async_trait]
pub trait WebSocketConnector: fmt::Debug + Send + Sync + 'static {
    /// Opens a websocket that speaks `protocol`.
    ///
    /// # Errors
    /// When no connection came about, or the server does not speak the protocol.
    async fn connect(
        &self,
        url: &Secret,
        protocol: &'static str,
    ) -> Result<Box<dyn WebSocket>, WebSocketError>;
}
