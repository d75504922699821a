//! What every [`HttpService`] must pass. Feature `conformance`.
//!
//! The suite talks to a peer that answers as [`peer`] says: for an adapter a server on loopback,
//! for a fake the function itself. Broken promises panic.

use crate::{
    body::{Body, BodyError},
    service::{HttpService, Request, Response},
    transport_error::TransportKind,
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, StatusCode};

/// Where the suite finds its peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The peer's base URL, such as `http://127.0.0.1:4000`; no trailing slash.
    pub base: String,
    /// A base URL where nobody listens.
    pub nobody: String,
}

/// What the peer does with a request.
#[derive(Clone, Debug)]
pub enum PeerAnswer {
    /// It answers.
    Whole(http::Response<Bytes>),
    /// It sends the headers and these bytes, and then breaks the connection.
    CutOff(http::Response<Bytes>),
    /// It breaks the connection without an answer.
    Reset,
}

/// How the peer answers.
///
/// # Panics
/// When a request of the suite asks for a status that does not exist.
#[must_use]
pub fn peer(asked: &http::Request<Bytes>) -> PeerAnswer {
    let mut response = http::Response::new(Bytes::new());
    let path = asked.uri().path();
    if let Some(status) = path.strip_prefix("/status/") {
        *response.status_mut() = status.parse().expect("the suite asks for real statuses");
        response.headers_mut().insert("location", HeaderValue::from_static("/echo"));
        *response.body_mut() = Bytes::from_static(b"why");
        return PeerAnswer::Whole(response);
    }
    match path {
        "/cut" => {
            *response.body_mut() = Bytes::from_static(b"half");
            PeerAnswer::CutOff(response)
        }
        "/reset" => PeerAnswer::Reset,
        _ => {
            let line = asked.uri().path_and_query().map_or("", |path| path.as_str());
            let sent = asked.headers().get("x-sent").cloned();
            let seen = HeaderValue::from_str(&format!("{} {line}", asked.method()));
            response.headers_mut().insert("x-line", seen.expect("a request line is visible text"));
            if let Some(sent) = sent {
                response.headers_mut().insert("x-sent", sent);
            }
            *response.body_mut() = asked.body().clone();
            PeerAnswer::Whole(response)
        }
    }
}

/// Runs the whole suite.
///
/// # Panics
/// When the service breaks a promise of its contract.
pub async fn check(service: &dyn HttpService, peer: &Peer) {
    a_request_arrives_as_it_is(service, peer).await;
    a_streamed_body_arrives_whole(service, peer).await;
    any_status_is_a_response(service, peer).await;
    a_broken_answer_is_an_error_of_its_body(service, peer).await;
    failures_say_whether_the_request_may_have_arrived(service, peer).await;
}

fn request(method: Method, uri: String, body: Body) -> Request {
    let request = http::Request::builder().method(method).uri(uri);
    request.header("x-sent", "as it is").body(body).expect("the suite's requests are valid")
}

async fn text(response: Response) -> Bytes {
    response.into_body().collect(1 << 20).await.expect("the body arrives")
}

async fn a_request_arrives_as_it_is(service: &dyn HttpService, peer: &Peer) {
    for (method, body) in [
        (Method::GET, ""),
        (Method::POST, ""),
        (Method::PUT, "content"),
        (Method::PATCH, "content"),
        (Method::DELETE, ""),
    ] {
        let uri = format!("{}/echo/a%2Fb?c=d%20e", peer.base);
        let sent = request(method.clone(), uri, Body::from(body));
        let response = service.call(sent).await.expect("the peer answers");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-line"], format!("{method} /echo/a%2Fb?c=d%20e"));
        assert_eq!(response.headers()["x-sent"], "as it is");
        assert_eq!(text(response).await, body);
    }
}

async fn a_streamed_body_arrives_whole(service: &dyn HttpService, peer: &Peer) {
    let pieces = (0..100_u32).map(|piece| Bytes::from(format!("piece {piece};")));
    let whole: Vec<u8> = pieces.clone().flatten().collect();
    for length in [None, Some(whole.len() as u64)] {
        let body = Body::from_stream(stream::iter(pieces.clone().map(Ok)), length);
        let sent = request(Method::POST, format!("{}/echo", peer.base), body);
        let response = service.call(sent).await.expect("the peer answers");
        assert_eq!(text(response).await, whole);
    }
    let body = Body::from_chunks(pieces.clone());
    let sent = request(Method::POST, format!("{}/echo", peer.base), body);
    let response = service.call(sent).await.expect("the peer answers");
    assert_eq!(text(response).await, whole);
}

async fn any_status_is_a_response(service: &dyn HttpService, peer: &Peer) {
    for status in [302_u16, 404, 429, 500, 503] {
        let uri = format!("{}/status/{status}", peer.base);
        let response = service.call(request(Method::GET, uri, Body::empty())).await;
        let response = response.expect("a status is a response");
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(text(response).await, "why");
    }
}

async fn a_broken_answer_is_an_error_of_its_body(service: &dyn HttpService, peer: &Peer) {
    let uri = format!("{}/cut", peer.base);
    let response = service.call(request(Method::GET, uri, Body::empty())).await;
    let body = response.expect("the answer began").into_body();
    let error = body.collect(1 << 20).await.expect_err("the answer broke off");
    assert!(matches!(error, BodyError::Interrupted(_)), "{error}");
}

async fn failures_say_whether_the_request_may_have_arrived(service: &dyn HttpService, peer: &Peer) {
    for (uri, kind) in [
        (format!("{}/echo", peer.nobody), TransportKind::Connect),
        (format!("{}/reset", peer.base), TransportKind::Reset),
        ("/no/host".to_owned(), TransportKind::Other),
    ] {
        let sent = request(Method::POST, uri.clone(), Body::from("x"));
        let error = service.call(sent).await.expect_err("nobody answers");
        assert_eq!(error.kind(), kind, "{uri}");
    }
}
