use crate::{
    endpoint::{Endpoint, Repeat},
    ids::QueueId,
    wire::{number, or_default},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use clodo_types::AccountId;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What the body of a message sent over HTTP is; Workers can send more kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentKind {
    /// Text.
    Text,
    /// A JSON value.
    Json,
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewMessage {
    body: Value,
    content_type: ContentKind,
    /// Seconds before it can be received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<u32>,
}

impl NewMessage {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { body: text.into().into(), content_type: ContentKind::Text, delay_seconds: None }
    }

    /// A JSON value.
    #[must_use]
    pub fn json(value: Value) -> Self {
        Self { body: value, content_type: ContentKind::Json, delay_seconds: None }
    }

    /// Lets it be received only after a while.
    #[must_use]
    pub fn delayed_by(mut self, seconds: u32) -> Self {
        self.delay_seconds = Some(seconds);
        self
    }
}

/// How many messages wait.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Backlog {
    /// Messages.
    #[serde(default, rename = "backlog_count", deserialize_with = "number")]
    pub messages: Option<u64>,
    /// Bytes.
    #[serde(default, rename = "backlog_bytes", deserialize_with = "number")]
    pub bytes: Option<u64>,
    /// When the oldest was sent, in milliseconds since 1970.
    #[serde(default, deserialize_with = "number")]
    pub oldest_message_timestamp_ms: Option<u64>,
}

/// Messages that are the caller's until their lease ends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Pulled {
    /// The messages.
    #[serde(default, deserialize_with = "or_default")]
    pub messages: Vec<PulledMessage>,
    /// How many wait, these included.
    #[serde(default, deserialize_with = "number")]
    pub message_backlog_count: Option<u64>,
}

/// A message that is the caller's until its lease ends.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct PulledMessage {
    /// Its id.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// Proves that it is the caller's.
    #[serde(default, deserialize_with = "or_default")]
    pub lease_id: String,
    /// The body as it travels: text as it is, bytes as base64, JSON in either way.
    #[serde(default, deserialize_with = "or_default")]
    pub body: Value,
    /// How often it was delivered, this time included.
    #[serde(default, deserialize_with = "number")]
    pub attempts: Option<u64>,
    /// When it was sent, in milliseconds since 1970.
    #[serde(default, deserialize_with = "number")]
    pub timestamp_ms: Option<u64>,
    /// `CF-Content-Type` says what the body is.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Map<String, Value>,
}

impl PulledMessage {
    /// What the body is, in the sender's words: `text`, `json`, `bytes` or `v8`.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        let of = |name: &str| self.metadata.get(name)?.as_str();
        of("CF-Content-Type").or_else(|| of("cf-content-type"))
    }

    /// The body's bytes, decoded where the API encodes them. Of a body that is no base64 although
    /// its kind says so, the text itself.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let Value::String(text) = &self.body else { return self.body.to_string().into_bytes() };
        let encoded = matches!(self.content_type(), Some("json" | "bytes" | "v8"));
        let decoded = encoded.then(|| STANDARD.decode(text).ok()).flatten();
        decoded.unwrap_or_else(|| text.clone().into_bytes())
    }
}

/// A message to be delivered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetryLater {
    /// Proves that it is the caller's.
    pub lease_id: String,
    /// Seconds before it can be received again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<u32>,
}

/// What became of messages that were given back.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AckOutcome {
    /// Messages that are done.
    #[serde(default, deserialize_with = "number")]
    pub ack_count: Option<u64>,
    /// Messages that will be delivered again.
    #[serde(default, deserialize_with = "number")]
    pub retry_count: Option<u64>,
    /// What went wrong, by lease; as it travels.
    #[serde(default, deserialize_with = "or_default")]
    pub warnings: Value,
}

/// How far a purge is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Purge {
    /// `true` when it is over.
    #[serde(default, deserialize_with = "word")]
    pub completed: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub started_at: Option<String>,
}

/// The SDK calls it text; a boolean would do as well.
fn word<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Option::<Value>::deserialize(from)? {
        Some(Value::String(text)) => Some(text),
        Some(Value::Null) | None => None,
        Some(other) => Some(other.to_string()),
    })
}

fn post<A: serde::de::DeserializeOwned>(
    template: &'static str,
    account: &AccountId,
    queue: &QueueId,
) -> Endpoint<A> {
    Endpoint::new(Method::POST, template, Repeat::Never).at("account", account).at("queue", queue)
}

/// Sends a message; never repeated, since each time is one more message.
#[must_use]
pub fn push(account: &AccountId, queue: &QueueId, message: &NewMessage) -> Endpoint<()> {
    let template = "/accounts/{account}/queues/{queue}/messages";
    Endpoint::silent(Method::POST, template, Repeat::Never)
        .at("account", account)
        .at("queue", queue)
        .with_json(message)
}

/// Sends messages, at most 100 and 256 KB at once; never repeated.
#[must_use]
pub fn push_batch(account: &AccountId, queue: &QueueId, messages: &[NewMessage]) -> Endpoint<()> {
    let template = "/accounts/{account}/queues/{queue}/messages/batch";
    Endpoint::silent(Method::POST, template, Repeat::Never)
        .at("account", account)
        .at("queue", queue)
        .with_json(&json!({ "messages": messages }))
}

/// Takes up to `batch_size` messages for `visibility_timeout_ms` milliseconds. What a lost answer
/// held comes back when that time is over; it is never repeated by itself.
#[must_use]
pub fn pull(
    account: &AccountId,
    queue: &QueueId,
    batch_size: u32,
    visibility_timeout_ms: u64,
) -> Endpoint<Pulled> {
    let body = json!({
        "batch_size": batch_size, "visibility_timeout_ms": visibility_timeout_ms,
    });
    post("/accounts/{account}/queues/{queue}/messages/pull", account, queue).with_json(&body)
}

/// Says which messages are done, and which are to be delivered again. A lease counts once, so it
/// may be repeated.
#[must_use]
pub fn ack(
    account: &AccountId,
    queue: &QueueId,
    done: &[String],
    again: &[RetryLater],
) -> Endpoint<AckOutcome> {
    let acks: Vec<_> = done.iter().map(|lease| json!({ "lease_id": lease })).collect();
    Endpoint::new(Method::POST, "/accounts/{account}/queues/{queue}/messages/ack", Repeat::Safe)
        .at("account", account)
        .at("queue", queue)
        .with_json(&json!({ "acks": acks, "retries": again }))
}

/// Removes all messages of a queue for good.
#[must_use]
pub fn purge(account: &AccountId, queue: &QueueId) -> Endpoint<()> {
    Endpoint::silent(Method::POST, "/accounts/{account}/queues/{queue}/purge", Repeat::Safe)
        .at("account", account)
        .at("queue", queue)
        .with_json(&json!({ "delete_messages_permanently": true }))
}

/// How far the last purge is.
#[must_use]
pub fn purge_status(account: &AccountId, queue: &QueueId) -> Endpoint<Purge> {
    Endpoint::get("/accounts/{account}/queues/{queue}/purge")
        .at("account", account)
        .at("queue", queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_decoded_by_its_kind() {
        let message = |body: Value, kind: &str| -> PulledMessage {
            let wire = json!({ "body": body, "metadata": { "CF-Content-Type": kind } });
            serde_json::from_value(wire).unwrap()
        };
        assert_eq!(message("eA==".into(), "bytes").bytes(), b"x");
        assert_eq!(message("eA==".into(), "text").bytes(), b"eA==");
        assert_eq!(message("{\"a\":1}".into(), "json").bytes(), b"{\"a\":1}");
        assert_eq!(message(json!({"a": 1}), "json").bytes(), b"{\"a\":1}");
    }
}
