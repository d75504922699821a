use super::socket::{Frame, WebSocket, WebSocketConnector, WebSocketError};
use async_trait::async_trait;
use clodo_types::Secret;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Uri, header::SEC_WEBSOCKET_PROTOCOL};
use std::{fmt, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message, client::IntoClientRequest, error::ProtocolError, protocol::WebSocketConfig,
    },
};

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Websockets over real connections: TLS by rustls with ring, trusting Mozilla's roots.
#[derive(Clone)]
pub struct WebSockets {
    tls: Arc<rustls::ClientConfig>,
}

/// Tail events of more than this are refused.
const LARGEST_MESSAGE: usize = 16 << 20;

impl WebSockets {
    /// Sets TLS up.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, WebSocketError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let mut store = rustls::RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| WebSocketError::Connect(error.into()))?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls) })
    }
}

impl WebSockets {
    async fn connection(&self, uri: &Uri) -> Result<Box<dyn Connection>, WebSocketError> {
        let unusable = || WebSocketError::Connect("the URL is no ws or wss URL".into());
        let host = uri.host().ok_or_else(unusable)?;
        // Brackets belong to the URL, not to the address.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let secure = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(unusable()),
        };
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let failed = |error: std::io::Error| WebSocketError::Connect(error.into());
        let plain = TcpStream::connect((host.as_str(), port)).await.map_err(failed)?;
        plain.set_nodelay(true).map_err(failed)?;
        if !secure {
            return Ok(Box::new(plain));
        }
        let name = host.try_into().map_err(|_| unusable())?;
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        Ok(Box::new(tls.connect(name, plain).await.map_err(failed)?))
    }
}

impl fmt::Debug for WebSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSockets").finish_non_exhaustive()
    }
}

#[async_trait]
impl WebSocketConnector for WebSockets {
    async fn connect(
        &self,
        url: &Secret,
        protocol: &'static str,
    ) -> Result<Box<dyn WebSocket>, WebSocketError> {
        let mut request = url.expose().into_client_request().map_err(without_url)?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        let config = WebSocketConfig::default().max_message_size(Some(LARGEST_MESSAGE));
        let connection = self.connection(request.uri()).await?;
        let opened = client_async_with_config(request, connection, Some(config)).await;
        let (socket, answer) = opened.map_err(|error| match error {
            Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
                WebSocketError::Protocol(protocol)
            }
            other => without_url(other),
        })?;
        let named = answer.headers().get(SEC_WEBSOCKET_PROTOCOL);
        if named.is_none_or(|named| named != protocol) {
            return Err(WebSocketError::Protocol(protocol));
        }
        Ok(Box::new(Open(socket)))
    }
}

/// Errors of this library may quote the URL; only their kind goes on.
fn without_url(error: Error) -> WebSocketError {
    let cause: Box<dyn std::error::Error + Send + Sync> = match error {
        Error::Io(error) => error.into(),
        Error::Http(answer) => format!("the server answered {}", answer.status()).into(),
        Error::Url(_) | Error::HttpFormat(_) => "the URL cannot be used".into(),
        other => other.into(),
    };
    WebSocketError::Connect(cause)
}

struct Open(WebSocketStream<Box<dyn Connection>>);

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

#[async_trait]
impl WebSocket for Open {
    async fn receive(&mut self) -> Result<Option<Frame>, WebSocketError> {
        loop {
            let message = match self.0.next().await {
                None => return Ok(None),
                Some(Err(Error::ConnectionClosed)) => return Ok(None),
                Some(message) => message.map_err(|error| WebSocketError::Broken(error.into()))?,
            };
            return Ok(Some(match message {
                Message::Text(text) => Frame::Text(text.to_string()),
                Message::Binary(bytes) => Frame::Binary(bytes),
                Message::Ping(bytes) => Frame::Ping(bytes),
                Message::Pong(bytes) => Frame::Pong(bytes),
                Message::Close(_) => Frame::Close,
                Message::Frame(_) => continue,
            }));
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), WebSocketError> {
        let message = match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Ping(bytes) => Message::Ping(bytes),
            Frame::Pong(bytes) => Message::Pong(bytes),
            Frame::Close => Message::Close(None),
        };
        self.0.send(message).await.map_err(|error| WebSocketError::Broken(error.into()))
    }
}
