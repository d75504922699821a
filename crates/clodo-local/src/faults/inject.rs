//! Makes a call go wrong.

use super::rule::FaultKind;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Response, StatusCode, header},
    middleware::Next,
};
use bytes::Bytes;
use clodo_workerd::Hangup;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use serde_json::json;
use std::{io, time::Duration};

/// What is held in memory of a request that is to be delivered twice, or of an answer that is to
/// be cut.
const MOST_HELD: usize = 300 * 1024 * 1024;

/// Long enough for half an answer to leave.
const FLUSHED: Duration = Duration::from_millis(20);

/// Marks an answer that a fault made or spoiled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Injected(pub(crate) &'static str);

/// Goes on with the request, as the fault has it.
pub(crate) async fn inject(kind: FaultKind, request: Request, next: Next) -> Response<Body> {
    let mut answer = match kind {
        FaultKind::TooManyRequests { retry_after } => throttled(retry_after),
        FaultKind::ErrorBefore { status } => failed(status),
        FaultKind::Html { status } => page(status),
        FaultKind::CutBefore => hung_up(),
        FaultKind::ErrorAfter { status } => {
            finished(next.run(request).await).await;
            failed(status)
        }
        FaultKind::CutAfter => {
            finished(next.run(request).await).await;
            hung_up()
        }
        FaultKind::Slow { delay } => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        FaultKind::Duplicate => twice(request, next).await,
        FaultKind::CutBody => cut(next.run(request).await).await,
        FaultKind::Malformed => halved(next.run(request).await).await,
    };
    answer.extensions_mut().insert(Injected(kind.name()));
    answer
}

/// Reads an answer to its end: some are only made while they are read.
async fn finished(answer: Response<Body>) {
    let mut body = answer.into_body();
    while let Some(Ok(_)) = body.frame().await {}
}

fn enveloped(status: StatusCode, code: u32, message: &str) -> Response<Body> {
    let body = json!({
        "result": null, "success": false, "messages": [],
        "errors": [{ "code": code, "message": message }],
    });
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = status;
    set(answer.headers_mut(), header::CONTENT_TYPE, "application/json");
    answer
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = header::HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

pub(crate) fn throttled(retry_after: Option<u64>) -> Response<Body> {
    let message = "Please wait and consider throttling your request speed";
    let mut answer = enveloped(StatusCode::TOO_MANY_REQUESTS, 971, message);
    if let Some(seconds) = retry_after {
        set(answer.headers_mut(), header::RETRY_AFTER, &seconds.to_string());
    }
    answer
}

fn failed(status: u16) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    enveloped(status, 10013, "An unknown error has occurred.")
}

fn page(status: u16) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let text = format!(
        "<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><center><h1>{status}</h1>\
         </center><hr><center>cloudflare</center></body></html>\n"
    );
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    set(answer.headers_mut(), header::CONTENT_TYPE, "text/html; charset=UTF-8");
    answer
}

/// No answer at all. Whoever asks without a connection sees the status.
fn hung_up() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer.extensions_mut().insert(Hangup);
    answer
}

async fn twice(request: Request, next: Next) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MOST_HELD).await else { return failed(500) };
    let first = Request::from_parts(parts.clone(), Body::from(body.clone()));
    finished(next.clone().run(first).await).await;
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// Half of the body, and then the connection ends.
async fn cut(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MOST_HELD).await else { return hung_up() };
    set(&mut parts.headers, header::CONTENT_LENGTH, &body.len().to_string());
    let half = body.slice(..body.len() / 2);
    let gone = io::Error::new(io::ErrorKind::ConnectionReset, "a fault cut the connection");
    let half = stream::iter([Ok::<Bytes, io::Error>(half)]);
    // What was written is sent before the connection ends, or the client would see none of it.
    let end = stream::once(async {
        tokio::time::sleep(FLUSHED).await;
        Err(gone)
    });
    Response::from_parts(parts, Body::from_stream(half.chain(end)))
}

/// Half of the body, which says that it is all there is.
async fn halved(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MOST_HELD).await else { return failed(500) };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body.slice(..body.len() / 2)))
}
