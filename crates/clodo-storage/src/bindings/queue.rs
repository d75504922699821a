//! `POST /message`, `POST /batch` and `GET /metrics`.

use super::with_reason;
use crate::{Backlog, BodyFormat, NewMessage, QueueError, QueueErrorKind, QueueRef, Queues};
use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const FORMAT: HeaderName = HeaderName::from_static("x-msg-fmt");
const DELAY: HeaderName = HeaderName::from_static("x-msg-delay-secs");
const ERROR_CODE: HeaderName = HeaderName::from_static("cf-queues-error-code");
const ERROR_CAUSE: HeaderName = HeaderName::from_static("cf-queues-error-cause");
/// More than the largest batch takes in base64 with all its fields.
const MAX_BODY: usize = 1024 * 1024;

/// Answers a binding whose messages wait for `delay` if they name none of their own.
pub(super) async fn serve(
    queues: &Queues,
    at: &QueueRef,
    delay: Option<Duration>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        Err(_) => {
            let text = format!("the messages exceed {MAX_BODY} bytes");
            return refused(&QueueError::new(QueueErrorKind::BatchSize, text));
        }
    };
    let outcome = match (&parts.method, parts.uri.path()) {
        (&Method::POST, "/message") => {
            one(&parts.headers, body).map(|message| (vec![message], None))
        }
        (&Method::POST, "/batch") => many(&parts.headers, &body),
        (&Method::GET, "/metrics") => {
            return match queues.backlog(at).await {
                Ok(backlog) => answered(&metrics(&backlog)),
                Err(error) => refused(&error),
            };
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let sent = match outcome {
        Ok((messages, batch_delay)) => queues.send(at, messages, batch_delay.or(delay)).await,
        Err(error) => Err(error),
    };
    match sent {
        Ok(backlog) => answered(&json!({ "metadata": { "metrics": metrics(&backlog) } })),
        Err(error) => refused(&error),
    }
}

fn one(headers: &HeaderMap, body: bytes::Bytes) -> Result<NewMessage, QueueError> {
    let format = match headers.get(FORMAT) {
        Some(value) => value.to_str().unwrap_or("?").parse()?,
        None => BodyFormat::V8,
    };
    let delay = seconds(headers, QueueErrorKind::Metadata)?;
    Ok(NewMessage { format, body, delay })
}

#[derive(Deserialize)]
struct Batch {
    messages: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    body: String,
    content_type: Option<String>,
    delay_secs: Option<i64>,
}

fn many(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(Vec<NewMessage>, Option<Duration>), QueueError> {
    let invalid = |error: String| QueueError::new(QueueErrorKind::Body, error);
    // workerd closes the text with a NUL.
    let text = body.strip_suffix(b"\0").unwrap_or(body);
    let batch: Batch = serde_json::from_slice(text).map_err(|error| invalid(error.to_string()))?;
    let entry = |entry: Entry| {
        let body = STANDARD.decode(entry.body).map_err(|error| invalid(error.to_string()))?;
        let format = entry.content_type.map_or(Ok(BodyFormat::V8), |format| format.parse())?;
        let delay = entry.delay_secs.map(|delay| positive(delay, QueueErrorKind::Metadata));
        Ok(NewMessage { format, body: body.into(), delay: delay.transpose()? })
    };
    let messages = batch.messages.into_iter().map(entry).collect::<Result<_, QueueError>>()?;
    Ok((messages, seconds(headers, QueueErrorKind::BatchDelay)?))
}

fn seconds(headers: &HeaderMap, kind: QueueErrorKind) -> Result<Option<Duration>, QueueError> {
    let Some(value) = headers.get(DELAY) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let number = number.ok_or_else(|| QueueError::new(kind, "the delay is not a number"))?;
    positive(number, kind).map(Some)
}

fn positive(seconds: i64, kind: QueueErrorKind) -> Result<Duration, QueueError> {
    let text = || format!("a delay of {seconds} seconds lies in the past");
    let seconds = u64::try_from(seconds).map_err(|_| QueueError::new(kind, text()))?;
    Ok(Duration::from_secs(seconds))
}

fn metrics(backlog: &Backlog) -> Value {
    json!({
        "backlogCount": backlog.count,
        "backlogBytes": backlog.bytes,
        // workerd takes 0 for none.
        "oldestMessageTimestamp": backlog.oldest.map_or(0, |oldest| oldest.as_millis()),
    })
}

fn answered(json: &Value) -> Response {
    ([("content-type", "application/json")], json.to_string()).into_response()
}

fn refused(error: &QueueError) -> Response {
    let kind = error.kind();
    let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = with_reason(status, &error.to_string());
    let headers = response.headers_mut();
    headers.insert(ERROR_CODE, HeaderValue::from(kind.code()));
    if let Ok(cause) = HeaderValue::from_str(&error.to_string()) {
        headers.insert(ERROR_CAUSE, cause);
    }
    response
}
