//! A gateway in front of a scripted upstream, and clients that ask it.

use bytes::Bytes;
use clodo_gateway::{Caller, Gateway, GatewayOptions, GatewayWiring, MemoryCalls, UpstreamUrl};
use clodo_http::{Answer, Asked, Body, HttpService, Response, Scripted};
use clodo_types::ManualClock;
use http::{Method, Request, StatusCode, request};
use std::{sync::Arc, time::Duration};

pub(crate) const BASE: &str = "https://api.test/client/v4";

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) upstream: Arc<Scripted>,
    pub(crate) log: Arc<MemoryCalls>,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn options() -> GatewayOptions {
    GatewayOptions::new(BASE.parse::<UpstreamUrl>().unwrap())
}

/// Each read a call of its own.
pub(crate) fn unshared() -> GatewayOptions {
    options().with_cache(Duration::ZERO)
}

impl World {
    pub(crate) fn new(options: GatewayOptions, upstream: Scripted) -> Self {
        let upstream = Arc::new(upstream);
        let log = Arc::new(MemoryCalls::default());
        let clock = Arc::new(ManualClock::default());
        let wiring = GatewayWiring {
            switching: upstream.clone(),
            upstream: upstream.clone(),
            sink: log.clone(),
            clock: clock.clone(),
        };
        Self { gateway: Arc::new(Gateway::new(options, wiring)), upstream, log, clock }
    }

    /// An upstream that works its answers out.
    pub(crate) fn answering(
        options: GatewayOptions,
        by: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::new(options, Scripted::answering(by))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response {
        self.gateway.answer(Caller { port: 50_000, connection: 1 }, request).await
    }

    /// A GET, and its answer's status and text.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        read(self.send(asks(Method::GET, path).body(Body::empty()).unwrap()).await).await
    }

    /// As `get`, with a header.
    pub(crate) async fn get_with(&self, path: &str, name: &str, value: &str) -> (u16, String) {
        let request = asks(Method::GET, path).header(name, value);
        read(self.send(request.body(Body::empty()).unwrap()).await).await
    }

    pub(crate) async fn write(&self, method: Method, path: &str) -> (u16, String) {
        read(self.send(asks(method, path).body(Body::from("{}")).unwrap()).await).await
    }

    /// How often the upstream was asked.
    pub(crate) fn asked(&self) -> usize {
        self.upstream.asked().len()
    }
}

pub(crate) fn gateway(
    options: GatewayOptions,
    upstream: Arc<dyn HttpService>,
    log: Arc<MemoryCalls>,
) -> Gateway {
    let wiring = GatewayWiring {
        switching: upstream.clone(),
        upstream,
        sink: log,
        clock: Arc::new(ManualClock::default()),
    };
    Gateway::new(options, wiring)
}

/// A request of a client on this machine, without a token.
pub(crate) fn asks(method: Method, path: &str) -> request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("/client/v4{path}"))
        .header("host", "127.0.0.1:8790")
}

pub(crate) async fn read(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect(1 << 24).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

pub(crate) fn ok() -> Answer {
    Answer::json(StatusCode::OK, r#"{"success":true}"#)
}

/// Says how much of the budget is left.
pub(crate) fn with_budget(answer: Answer, remaining: u64, resets_in: u64, policy: &str) -> Answer {
    answer
        .with_header(
            "ratelimit",
            format!(r#""default";r={remaining};t={resets_in}"#).parse().unwrap(),
        )
        .with_header("ratelimit-policy", format!(r#""default";{policy}"#).parse().unwrap())
}

pub(crate) fn refused(retry_after: u64) -> Answer {
    Answer::json(StatusCode::TOO_MANY_REQUESTS, r#"{"success":false,"errors":[{"code":971}]}"#)
        .with_header("retry-after", retry_after.into())
}

/// A body that can be read once only.
pub(crate) fn streamed(bytes: impl Into<Bytes>, says_its_length: bool) -> Body {
    let bytes = bytes.into();
    let length = says_its_length.then_some(bytes.len() as u64);
    Body::from_stream(futures_util::stream::iter([Ok(bytes)]), length)
}
