//! Queues: the queues themselves, who consumes them, and messages over HTTP.
//!
//! # Example
//! ```
#![doc = include_str!("../../docs/queues.rs")]
//! ```
#![doc = include_str!("../../docs/queues.md")]

mod consumers;
mod messages;

pub use consumers::{
    Consumer, ConsumerKind, ConsumerSettings, NewConsumer, consumer, create_consumer,
    delete_consumer, list_consumers, put_consumer,
};
pub use messages::{
    AckOutcome, Backlog, ContentKind, NewMessage, Pulled, PulledMessage, Purge, RetryLater, ack,
    pull, purge, purge_status, push, push_batch,
};

use crate::{
    api_error::ApiError,
    client::Client,
    endpoint::{Endpoint, Repeat},
    ensure::Ensured,
    ids::QueueId,
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use clodo_types::AccountId;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A queue.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Queue {
    /// Its id.
    #[serde(rename = "queue_id")]
    pub id: QueueId,
    /// Its name.
    #[serde(default, rename = "queue_name", deserialize_with = "or_default")]
    pub name: String,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub modified_on: Option<String>,
    /// Who receives its messages.
    #[serde(default, deserialize_with = "or_default")]
    pub consumers: Vec<Consumer>,
    /// Who sends to it.
    #[serde(default, deserialize_with = "or_default")]
    pub producers: Vec<Producer>,
    /// How it treats messages.
    #[serde(default, deserialize_with = "or_default")]
    pub settings: QueueSettings,
}

/// Who sends to a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Producer {
    /// `worker` or `r2_bucket`.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// The Worker.
    #[serde(default)]
    pub script: Option<String>,
    /// The bucket.
    #[serde(default)]
    pub bucket_name: Option<String>,
}

/// How a queue treats messages. A change leaves out what it does not mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// Seconds before a message can be received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_delay: Option<f64>,
    /// Whether nobody receives anything for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_paused: Option<bool>,
    /// Seconds that a message is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_retention_period: Option<f64>,
}

/// A change of a queue; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct QueueChange {
    /// Its name.
    #[serde(rename = "queue_name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it treats messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<QueueSettings>,
}

const QUEUES: &str = "/accounts/{account}/queues";
const QUEUE: &str = "/accounts/{account}/queues/{queue}";

/// Every queue of an account.
#[must_use]
pub fn list_queues(account: &AccountId) -> ListEndpoint<Queue> {
    ListEndpoint::new(QUEUES, Paging::Numbered { per_page: 100 }).at("account", account)
}

/// One queue.
#[must_use]
pub fn queue(account: &AccountId, id: &QueueId) -> Endpoint<Queue> {
    Endpoint::get(QUEUE).at("account", account).at("queue", id)
}

/// Makes a queue; [`Client::ensure_queue`] does it at most once.
#[must_use]
pub fn create_queue(account: &AccountId, name: &str) -> Endpoint<Queue> {
    Endpoint::new(Method::POST, QUEUES, Repeat::LookUp)
        .at("account", account)
        .with_json(&json!({ "queue_name": name }))
}

/// Sets what a queue is; settings that are left out get their usual value.
#[must_use]
pub fn put_queue(account: &AccountId, id: &QueueId, to: &QueueChange) -> Endpoint<Queue> {
    let endpoint = Endpoint::new(Method::PUT, QUEUE, Repeat::Safe);
    endpoint.at("account", account).at("queue", id).with_json(to)
}

/// Changes a queue.
#[must_use]
pub fn patch_queue(account: &AccountId, id: &QueueId, change: &QueueChange) -> Endpoint<Queue> {
    let endpoint = Endpoint::new(Method::PATCH, QUEUE, Repeat::Safe);
    endpoint.at("account", account).at("queue", id).with_json(change)
}

/// Removes a queue with its messages.
#[must_use]
pub fn delete_queue(account: &AccountId, id: &QueueId) -> Endpoint<()> {
    Endpoint::delete(QUEUE).at("account", account).at("queue", id)
}

/// How many messages wait in a queue.
#[must_use]
pub fn metrics(account: &AccountId, id: &QueueId) -> Endpoint<Backlog> {
    Endpoint::get("/accounts/{account}/queues/{queue}/metrics")
        .at("account", account)
        .at("queue", id)
}

impl Client {
    /// The queue of this name.
    ///
    /// # Errors
    /// When the queues cannot be listed.
    pub async fn find_queue(
        &self,
        account: &AccountId,
        name: &str,
    ) -> Result<Option<Queue>, ApiError> {
        let all = self.list(list_queues(account)).await?;
        Ok(all.into_iter().find(|queue| queue.name == name))
    }

    /// Makes sure that a queue of this name is there, and creates at most one.
    ///
    /// # Errors
    /// When it is not there in the end.
    pub async fn ensure_queue(
        &self,
        account: &AccountId,
        name: &str,
    ) -> Result<Ensured<Queue>, ApiError> {
        self.ensure(|| create_queue(account, name), || self.find_queue(account, name)).await
    }
}
