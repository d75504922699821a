//! A queue with its consumers, as they are kept. Its messages are the storage engine's.

use super::{ids::Moment, model::Account, worker::Worker};
use clodo_storage::{QueueRef, QueueSettings as EngineSettings};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// One queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_on: Moment,
    pub(crate) modified_on: Moment,
    pub(crate) jurisdiction: Option<String>,
    pub(crate) settings: QueueSettings,
    /// At most one: Cloudflare allows no more.
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) purge_started: Option<Moment>,
}

/// As on the wire, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct QueueSettings {
    pub(crate) delivery_delay: u32,
    pub(crate) delivery_paused: bool,
    pub(crate) message_retention_period: u32,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { delivery_delay: 0, delivery_paused: false, message_retention_period: 4 * 24 * 3600 }
    }
}

/// Who gets a queue's messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Consumer {
    pub(crate) id: String,
    pub(crate) created_on: Moment,
    pub(crate) kind: ConsumerKind,
    /// The name of a queue.
    pub(crate) dead_letter_queue: Option<String>,
    pub(crate) settings: ConsumerSettings,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConsumerKind {
    /// A Worker, by name.
    Worker(String),
    /// Whoever asks over HTTP.
    HttpPull,
}

/// As on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConsumerSettings {
    pub(crate) batch_size: u32,
    pub(crate) max_retries: u32,
    pub(crate) retry_delay: u32,
    /// Of a Worker.
    pub(crate) max_wait_time_ms: u32,
    /// Of a Worker; `None` is as many as the platform likes.
    pub(crate) max_concurrency: Option<u32>,
    /// Of a pull consumer.
    pub(crate) visibility_timeout_ms: u32,
}

impl Queue {
    pub(crate) fn new(id: String, name: String, now: Moment) -> Self {
        Self {
            id,
            name,
            created_on: now,
            modified_on: now,
            jurisdiction: None,
            settings: QueueSettings::default(),
            consumers: Vec::new(),
            purge_started: None,
        }
    }

    /// What the engine must know.
    pub(crate) fn engine_settings(&self) -> EngineSettings {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        EngineSettings {
            delivery_delay: seconds(self.settings.delivery_delay),
            retention: seconds(self.settings.message_retention_period),
        }
    }

    /// What the engine calls it; `None` only for ids that no API call could have made.
    pub(crate) fn reference(&self, account: &str) -> Option<QueueRef> {
        Some(QueueRef { account: account.parse().ok()?, id: self.id.parse().ok()? })
    }

    /// The consumer with a script's name.
    pub(crate) fn worker_consumer(&self) -> Option<(&Consumer, &str)> {
        self.consumers.iter().find_map(|consumer| match &consumer.kind {
            ConsumerKind::Worker(script) => Some((consumer, script.as_str())),
            ConsumerKind::HttpPull => None,
        })
    }

    pub(crate) fn pull_consumer(&self) -> Option<&Consumer> {
        self.consumers.iter().find(|consumer| consumer.kind == ConsumerKind::HttpPull)
    }
}

impl Account {
    pub(crate) fn queue_by_name(&self, name: &str) -> Option<&Arc<Queue>> {
        self.queues.values().find(|queue| queue.name == name)
    }

    /// The Workers whose deployed versions can send to a queue.
    pub(crate) fn producers_of<'a>(&'a self, queue: &'a Queue) -> impl Iterator<Item = &'a Worker> {
        self.workers.values().map(AsRef::as_ref).filter(move |worker| {
            let live = worker.deployed().into_iter().flat_map(|now| &now.versions);
            let bindings = live
                .filter_map(|(id, _)| worker.version(id))
                .flat_map(|version| &version.content.bindings);
            bindings.into_iter().any(|one| one["type"] == "queue" && one["queue_id"] == queue.id)
        })
    }

    /// The queue that a Worker consumes.
    pub(crate) fn consumed_by<'a>(&'a self, script: &'a str) -> Option<&'a Arc<Queue>> {
        let consumes = |queue: &&Arc<Queue>| {
            queue.worker_consumer().is_some_and(|(_, consumer)| consumer == script)
        };
        self.queues.values().find(consumes)
    }
}
