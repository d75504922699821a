//! Messages over HTTP: push, pull, acknowledge, peek, purge.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    queues::{queue, reference, whole},
    reply::{Answer, Reply},
};
use crate::state::queue::{Consumer, Queue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clodo_storage::{Backlog, BodyFormat, Exhaustion, NewMessage, QueueRef, QueuedMessage};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug, Deserialize)]
struct MessageWire {
    body: Option<Value>,
    content_type: Option<String>,
    delay_seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct BatchWire {
    messages: Vec<MessageWire>,
    delay_seconds: Option<f64>,
}

impl MessageWire {
    fn message(self) -> Result<NewMessage, ApiError> {
        let body = self.body.ok_or_else(|| bad_form("a message needs a `body`"))?;
        let (format, body) = match (self.content_type.as_deref(), body) {
            (Some("text"), Value::String(text)) => (BodyFormat::Text, text),
            (Some("text"), _) => return Err(bad_form("a body of type text must be a string")),
            (None | Some("json"), body) => (BodyFormat::Json, body.to_string()),
            (Some(other), _) => {
                let message = format!("content_type '{other}' is neither text nor json");
                return Err(ApiError::bad_request(10_203, message));
            }
        };
        let delay = self.delay_seconds.map(|delay| seconds(delay, 10_203)).transpose()?;
        Ok(NewMessage { delay, ..NewMessage::new(format, body) })
    }
}

/// `POST …/queues/{queue}/messages`
pub(super) async fn push(call: Call, body: Bytes) -> Answer {
    let wire: MessageWire = read(&body)?;
    let at = at(&call)?;
    let backlog = call.cx.data.queues.send(&at, vec![wire.message()?], None).await?;
    sent(&backlog)
}

/// `POST …/queues/{queue}/messages/batch`
pub(super) async fn push_batch(call: Call, body: Bytes) -> Answer {
    let wire: BatchWire = read(&body)?;
    let at = at(&call)?;
    let messages: Result<Vec<_>, _> = wire.messages.into_iter().map(MessageWire::message).collect();
    let delay = wire.delay_seconds.map(|delay| seconds(delay, 10_202)).transpose()?;
    let backlog = call.cx.data.queues.send(&at, messages?, delay).await?;
    sent(&backlog)
}

fn sent(backlog: &Backlog) -> Answer {
    Reply::ok(&json!({ "metadata": { "metrics": metrics(backlog) } }))
}

#[derive(Debug, Default, Deserialize)]
struct PullWire {
    batch_size: Option<f64>,
    visibility_timeout_ms: Option<f64>,
}

/// `POST …/queues/{queue}/messages/pull`
pub(super) async fn pull(call: Call, body: Bytes) -> Answer {
    let wire: PullWire = read_or_default(&body)?;
    let consumer = puller(queue(&call)?)?;
    let settings = consumer.settings;
    let limit = batch_size(wire.batch_size, settings.batch_size)?;
    let visibility = match wire.visibility_timeout_ms {
        None => settings.visibility_timeout_ms,
        Some(given) => whole(given, 0.0, 43_200_000.0)
            .ok_or_else(|| bad_form("`visibility_timeout_ms` must be at most 12 hours"))?,
    };
    let (at, exhaustion) = (at(&call)?, exhaustion(&call, consumer)?);
    let queues = &call.cx.data.queues;
    let visibility = Duration::from_millis(visibility.into());
    let pulled = queues.pull(&at, limit, visibility, &exhaustion).await?;
    let backlog = queues.backlog(&at).await?;
    let messages: Vec<Value> = pulled
        .into_iter()
        .map(|one| {
            let mut shown = shown(&one.message);
            shown["lease_id"] = json!(one.lease);
            shown
        })
        .collect();
    Reply::ok(&json!({
        "message_backlog_count": backlog.count,
        "messages": messages,
        "metadata": { "metrics": metrics(&backlog) },
    }))
}

#[derive(Debug, Default, Deserialize)]
struct AckWire {
    #[serde(default)]
    acks: Vec<LeaseWire>,
    #[serde(default)]
    retries: Vec<LeaseWire>,
}

#[derive(Debug, Deserialize)]
struct LeaseWire {
    lease_id: String,
    delay_seconds: Option<f64>,
}

/// `POST …/queues/{queue}/messages/ack`
pub(super) async fn ack(call: Call, body: Bytes) -> Answer {
    let wire: AckWire = read(&body)?;
    let consumer = puller(queue(&call)?)?;
    let usual = Duration::from_secs(consumer.settings.retry_delay.into());
    let acks = wire.acks.into_iter().map(|lease| lease.lease_id).collect();
    let retry = |lease: LeaseWire| {
        let delay = lease.delay_seconds.map(|delay| seconds(delay, 10_203)).transpose()?;
        Ok((lease.lease_id, delay.unwrap_or(usual)))
    };
    let retries = wire.retries.into_iter().map(retry).collect::<Result<Vec<_>, ApiError>>()?;
    let (at, exhaustion) = (at(&call)?, exhaustion(&call, consumer)?);
    let ended = call.cx.data.queues.end_leases(&at, acks, retries, &exhaustion).await?;
    Reply::ok(&json!({
        "ackCount": ended.acked,
        "retryCount": ended.retried,
        "warnings": ended.warnings,
    }))
}

/// `POST …/queues/{queue}/messages/peek`
pub(super) async fn peek(call: Call, body: Bytes) -> Answer {
    let wire: PullWire = read_or_default(&body)?;
    let limit = batch_size(wire.batch_size, 5)?;
    let messages = call.cx.data.queues.peek(&at(&call)?, limit).await?;
    let messages: Vec<Value> = messages
        .iter()
        .map(|message| {
            let mut shown = shown(message);
            shown["ref"] = json!(message.id);
            shown
        })
        .collect();
    Ok(Reply::ok(&json!({ "messages": messages }))?.only_read())
}

#[derive(Debug, Deserialize)]
struct PurgeWire {
    refs: Vec<RefWire>,
}

#[derive(Debug, Deserialize)]
struct RefWire {
    #[serde(rename = "ref")]
    name: String,
}

/// `POST …/queues/{queue}/messages/purge`
pub(super) async fn purge(call: Call, body: Bytes) -> Answer {
    let wire: PurgeWire = read(&body)?;
    let ids = wire.refs.into_iter().map(|one| one.name).collect();
    let missing = call.cx.data.queues.remove(&at(&call)?, ids).await?;
    let warnings: serde_json::Map<String, Value> = missing
        .into_iter()
        .map(|name| (name, json!("there is no such message any more")))
        .collect();
    Reply::ok(&json!({ "errors": [], "warnings": warnings }))
}

fn at(call: &Call) -> Result<QueueRef, ApiError> {
    reference(&call.account_id()?, &queue(call)?.id)
}

fn puller(queue: &Queue) -> Result<&Consumer, ApiError> {
    queue.pull_consumer().ok_or_else(|| {
        let message = format!("The queue '{}' has no consumer of type http_pull.", queue.name);
        ApiError::bad_request(10_405, message)
    })
}

fn exhaustion(call: &Call, consumer: &Consumer) -> Result<Exhaustion, ApiError> {
    let account = call.account()?;
    let dead = consumer.dead_letter_queue.as_deref().and_then(|name| account.queue_by_name(name));
    Ok(Exhaustion {
        max_retries: consumer.settings.max_retries,
        dead_letter: dead.and_then(|queue| queue.reference(account.id())),
    })
}

/// As Cloudflare shows it: text and JSON as they are, everything else in base64.
fn shown(message: &QueuedMessage) -> Value {
    let body = match message.format {
        BodyFormat::Text | BodyFormat::Json => String::from_utf8_lossy(&message.body).into_owned(),
        BodyFormat::Bytes | BodyFormat::V8 => STANDARD.encode(&message.body),
    };
    json!({
        "id": message.id,
        "body": body,
        "timestamp_ms": message.sent,
        "attempts": message.attempts,
        "metadata": { "CF-Content-Type": message.format.as_str() },
    })
}

pub(super) fn metrics(backlog: &Backlog) -> Value {
    json!({
        "backlog_count": backlog.count,
        "backlog_bytes": backlog.bytes,
        "oldest_message_timestamp_ms": backlog.oldest.map_or(0, |oldest| oldest.as_millis()),
    })
}

fn batch_size(given: Option<f64>, usual: u32) -> Result<usize, ApiError> {
    let size = match given {
        None => usual,
        Some(given) => whole(given, 1.0, 100.0)
            .ok_or_else(|| bad_form("`batch_size` must be between 1 and 100"))?,
    };
    Ok(usize::try_from(size).unwrap_or(1))
}

fn seconds(delay: f64, code: u32) -> Result<Duration, ApiError> {
    let refused = || {
        let message = format!("a delay of {delay} seconds is not between 0 and 86400");
        ApiError::bad_request(code, message)
    };
    Ok(Duration::from_secs(whole(delay, 0.0, 86_400.0).ok_or_else(refused)?.into()))
}

fn bad_form(why: &str) -> ApiError {
    ApiError::bad_request(10_207, why)
}

/// These paths have codes of their own for what is no JSON, and for other JSON.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let value: Value =
        read_json(body).map_err(|error: ApiError| ApiError::bad_request(10_208, error.message))?;
    serde_json::from_value(value).map_err(|error| bad_form(&error.to_string()))
}

fn read_or_default<T: serde::de::DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
    if body.is_empty() { Ok(T::default()) } else { read(body) }
}
