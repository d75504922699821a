use crate::{
    body::{Body, BodyError},
    service::{HttpService, Request, Response},
    transport_error::{TransportError, TransportKind},
};
use async_trait::async_trait;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use std::time::Duration;

/// How [`ReqwestHttp`] connects.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReqwestOptions {
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept for the next request.
    pub idle_timeout: Duration,
    /// A proxy for everything, such as `http://proxy.corp.test:3128`. The environment's proxy
    /// variables are not read here.
    pub proxy: Option<String>,
    /// Bodies are given as they come, compressed or not, and the request alone says what it
    /// accepts: what a proxy needs.
    pub raw_bodies: bool,
    /// HTTP/1.1 only. A request that asks for an upgrade needs it; the answer 101 then carries
    /// hyper's `OnUpgrade` among its extensions.
    pub http1_only: bool,
}

impl Default for ReqwestOptions {
    /// 10 s to connect, 90 s idle, no proxy, gzip undone, HTTP/2 where the server has it.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
            proxy: None,
            raw_bodies: false,
            http1_only: false,
        }
    }
}

impl ReqwestOptions {
    /// Sets the proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// Gives bodies as they come.
    #[must_use]
    pub fn with_raw_bodies(mut self) -> Self {
        self.raw_bodies = true;
        self
    }

    /// Speaks HTTP/1.1 only.
    #[must_use]
    pub fn with_http1_only(mut self) -> Self {
        self.http1_only = true;
        self
    }
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("could not set up the HTTP client")]
pub struct ReqwestError(#[source] reqwest::Error);

/// Requests over real connections: HTTP/1.1 and HTTP/2, TLS by rustls with ring, gzip, one pool
/// of connections that all clones share.
#[derive(Clone, Debug)]
pub struct ReqwestHttp(reqwest::Client);

impl ReqwestHttp {
    /// Sets up the client. Make one and clone it, so that connections are shared.
    ///
    /// # Errors
    /// When the proxy's address cannot be read or TLS cannot be set up.
    pub fn new(options: &ReqwestOptions) -> Result<Self, ReqwestError> {
        // reqwest panics without a process-wide provider, even for plain http. A second install
        // is refused, which is just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The platform's store of roots comes first. A machine without one (a container from
        // scratch) would not even get a client for loopback, so Mozilla's roots stand in.
        let client = builder(options)?.build().or_else(|_| {
            let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
            let roots = roots.iter().map(|der| reqwest::Certificate::from_der(der));
            let roots = roots.collect::<Result<Vec<_>, _>>()?;
            builder(options).map_err(|ReqwestError(error)| error)?.tls_certs_only(roots).build()
        });
        client.map(Self).map_err(ReqwestError)
    }
}

fn builder(options: &ReqwestOptions) -> Result<reqwest::ClientBuilder, ReqwestError> {
    let builder = reqwest::Client::builder()
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(options.idle_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .gzip(!options.raw_bodies)
        .no_proxy();
    let builder = if options.http1_only { builder.http1_only() } else { builder };
    match &options.proxy {
        None => Ok(builder),
        Some(proxy) => Ok(builder.proxy(reqwest::Proxy::all(proxy).map_err(ReqwestError)?)),
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl HttpService for ReqwestHttp {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        // The URL stays out of the cause: its query may hold a signature.
        let failed = |error: reqwest::Error| {
            TransportError::new(kind_of(&error), &method, &uri).with_source(error.without_url())
        };
        let request = reqwest::Request::try_from(request.map(outgoing)).map_err(failed)?;
        let response = self.0.execute(request).await.map_err(failed)?;
        Ok(http::Response::from(response).map(incoming))
    }
}

fn outgoing(body: Body) -> reqwest::Body {
    // An empty body that is said to have length zero would make a GET carry `content-length: 0`.
    if body.length() == Some(0) && body.is_buffered() {
        return reqwest::Body::default();
    }
    reqwest::Body::wrap(body)
}

fn incoming(body: reqwest::Body) -> Body {
    let length = http_body::Body::size_hint(&body).exact();
    let broke = |error: reqwest::Error| BodyError::Interrupted(error.without_url().into());
    Body::from_stream(body.into_data_stream().map(move |chunk| chunk.map_err(broke)), length)
}

fn kind_of(error: &reqwest::Error) -> TransportKind {
    if error.is_connect() {
        TransportKind::Connect
    } else if error.is_timeout() {
        TransportKind::Timeout
    } else if error.is_builder() {
        TransportKind::Other
    } else {
        TransportKind::Reset
    }
}
