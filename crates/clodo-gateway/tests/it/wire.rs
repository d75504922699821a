//! A gateway on a port, in front of an upstream on another.

use clodo_gateway::{Drained, Gateway, GatewayOptions, GatewayWiring, MemoryCalls, serve};
use clodo_http::{Body, HttpService, Request, ReqwestHttp, ReqwestOptions, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, future::Future, net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub(crate) struct Running {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) log: Arc<MemoryCalls>,
    pub(crate) port: u16,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<Drained>,
}

/// An upstream that answers with whatever `answer` makes of a request; its port.
pub(crate) async fn upstream<A, F>(answer: A) -> u16
where
    A: Fn(http::Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    raw_upstream(move |stream| {
        let answer = answer.clone();
        async move {
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.with_upgrades().await;
        }
    })
    .await
}

/// An upstream that does with each connection what `act` does; its port.
pub(crate) async fn raw_upstream<A, F>(act: A) -> u16
where
    A: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(act(stream));
        }
    });
    port
}

pub(crate) fn in_front_of(port: u16) -> GatewayOptions {
    GatewayOptions::new(format!("http://127.0.0.1:{port}/client/v4").parse().unwrap())
}

impl Running {
    pub(crate) async fn start(options: GatewayOptions) -> Self {
        Self::with_patience(options, Duration::from_secs(60)).await
    }

    /// `patience`: how long calls under way may take to end.
    pub(crate) async fn with_patience(options: GatewayOptions, patience: Duration) -> Self {
        let connected = |options: &ReqwestOptions| -> Arc<dyn HttpService> {
            Arc::new(ReqwestHttp::new(options).unwrap())
        };
        let raw = ReqwestOptions::default().with_raw_bodies();
        let log = Arc::new(MemoryCalls::default());
        let wiring = GatewayWiring {
            upstream: connected(&raw),
            switching: connected(&raw.with_http1_only()),
            sink: log.clone(),
            clock: Arc::new(clodo_types::SystemClock),
        };
        let gateway = Arc::new(Gateway::new(options, wiring));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, gateway.clone(), stop.clone(), patience));
        Self { gateway, log, port, stop, served }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/client/v4{path}", self.port)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap()
    }

    /// Sends bytes as they are, and reads until the gateway closes.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A client with connections of its own.
pub(crate) async fn send(request: Request) -> Response {
    let http = ReqwestHttp::new(&ReqwestOptions::default().with_raw_bodies()).unwrap();
    http.call(request).await.unwrap()
}

pub(crate) fn json(text: &'static str) -> Response {
    http::Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(text))
        .unwrap()
}
