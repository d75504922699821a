use crate::{
    endpoint::{Endpoint, Repeat},
    ids::{ConsumerId, QueueId},
    paging::{ListEndpoint, Paging},
    wire::{open_enum, or_default},
};
use clodo_types::{AccountId, WorkerName};
use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

open_enum! {
    /// How messages are received.
    ConsumerKind {
        /// A Worker is called with batches.
        Worker = "worker",
        /// Programs pull batches over HTTP.
        HttpPull = "http_pull",
    }
}

/// Who receives a queue's messages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Consumer {
    /// Its id.
    #[serde(default, rename = "consumer_id")]
    pub id: Option<ConsumerId>,
    /// How it receives them.
    #[serde(default, rename = "type")]
    pub kind: Option<ConsumerKind>,
    /// The queue.
    #[serde(default)]
    pub queue_name: Option<String>,
    /// The Worker; some answers call it the script.
    #[serde(flatten, deserialize_with = "worker_under_any_name")]
    pub script_name: Option<String>,
    /// The queue that gets what could not be delivered.
    #[serde(default)]
    pub dead_letter_queue: Option<String>,
    /// How it is served.
    #[serde(default, deserialize_with = "or_default")]
    pub settings: ConsumerSettings,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
}

/// The same Worker stands under one name in one answer, and under several in another.
fn worker_under_any_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct Names {
        #[serde(default)]
        script_name: Option<String>,
        #[serde(default)]
        script: Option<String>,
        #[serde(default)]
        service: Option<String>,
    }
    let Names { script_name, script, service } = Names::deserialize(from)?;
    Ok(script_name.or(script).or(service))
}

/// How a consumer is served; what is left out is Cloudflare's choice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConsumerSettings {
    /// The most messages of one batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// The most batches at a time, for a Worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// How often a message is delivered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Milliseconds that a batch waits to be full, for a Worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait_time_ms: Option<u64>,
    /// Seconds before a message is delivered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay: Option<u32>,
    /// Milliseconds for which a pulled message is nobody else's, for `http_pull`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility_timeout_ms: Option<u64>,
}

/// A consumer to make, or what to make of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewConsumer {
    /// How it receives messages.
    #[serde(rename = "type")]
    pub kind: ConsumerKind,
    /// The Worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script_name: Option<WorkerName>,
    /// The queue that gets what could not be delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_queue: Option<String>,
    /// How it is served.
    pub settings: ConsumerSettings,
}

impl NewConsumer {
    /// A Worker that is called with batches.
    #[must_use]
    pub fn worker(worker: WorkerName) -> Self {
        Self { script_name: Some(worker), ..Self::http_pull() }.of_kind(ConsumerKind::Worker)
    }

    /// Programs that pull batches over HTTP.
    #[must_use]
    pub fn http_pull() -> Self {
        Self {
            kind: ConsumerKind::HttpPull,
            script_name: None,
            dead_letter_queue: None,
            settings: ConsumerSettings::default(),
        }
    }

    fn of_kind(self, kind: ConsumerKind) -> Self {
        Self { kind, ..self }
    }

    /// Sets the queue that gets what could not be delivered.
    #[must_use]
    pub fn with_dead_letter_queue(mut self, queue: impl Into<String>) -> Self {
        self.dead_letter_queue = Some(queue.into());
        self
    }
}

const CONSUMERS: &str = "/accounts/{account}/queues/{queue}/consumers";
const CONSUMER: &str = "/accounts/{account}/queues/{queue}/consumers/{consumer}";

/// Everybody who receives a queue's messages.
#[must_use]
pub fn list_consumers(account: &AccountId, queue: &QueueId) -> ListEndpoint<Consumer> {
    ListEndpoint::new(CONSUMERS, Paging::Single).at("account", account).at("queue", queue)
}

/// One consumer.
#[must_use]
pub fn consumer(account: &AccountId, queue: &QueueId, id: &ConsumerId) -> Endpoint<Consumer> {
    Endpoint::get(CONSUMER).at("account", account).at("queue", queue).at("consumer", id)
}

/// Makes a consumer. A queue has at most one that is a Worker, so look before repeating it.
#[must_use]
pub fn create_consumer(
    account: &AccountId,
    queue: &QueueId,
    new: &NewConsumer,
) -> Endpoint<Consumer> {
    Endpoint::new(Method::POST, CONSUMERS, Repeat::LookUp)
        .at("account", account)
        .at("queue", queue)
        .with_json(new)
}

/// Sets what a consumer is.
#[must_use]
pub fn put_consumer(
    account: &AccountId,
    queue: &QueueId,
    id: &ConsumerId,
    to: &NewConsumer,
) -> Endpoint<Consumer> {
    Endpoint::new(Method::PUT, CONSUMER, Repeat::Safe)
        .at("account", account)
        .at("queue", queue)
        .at("consumer", id)
        .with_json(to)
}

/// Removes a consumer.
#[must_use]
pub fn delete_consumer(account: &AccountId, queue: &QueueId, id: &ConsumerId) -> Endpoint<()> {
    Endpoint::delete(CONSUMER).at("account", account).at("queue", queue).at("consumer", id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_worker_is_found_under_whatever_name_it_has() {
        for wire in [
            json!({ "type": "worker", "script_name": "mailer", "new": [1] }),
            json!({ "type": "worker", "script": "mailer" }),
            json!({ "type": "worker", "service": "mailer" }),
            json!({ "type": "worker", "script": "mailer", "script_name": "mailer" }),
            json!({ "type": "worker", "script_name": null, "service": "mailer" }),
        ] {
            let consumer: Consumer = serde_json::from_value(wire.clone()).unwrap();
            assert_eq!(consumer.script_name.as_deref(), Some("mailer"), "{wire}");
        }
        let pulled: Consumer = serde_json::from_value(json!({ "type": "http_pull" })).unwrap();
        assert_eq!((pulled.kind, pulled.script_name), (Some(ConsumerKind::HttpPull), None));
    }
}
