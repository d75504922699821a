//! One queue with a Worker as its consumer: the task that delivers its messages.

use super::{
    EventSources, outcome,
    plan::{self, Batching, Situation, Step},
    wait,
};
use clodo_storage::{
    Backlog, BodyFormat, Exhaustion, QueueError, QueueRef, QueuedMessage, Settled, Settlement,
};
use clodo_types::Timestamp;
use clodo_workerd::{MessageFormat, QueueBacklog, QueueBatch, QueueMessage};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How long messages rest whose Worker could not be asked at all.
const REST: Duration = Duration::from_secs(1);
/// How many milliseconds a queue rests whose file cannot be read.
const REST_AFTER_FAULT: i64 = 5_000;

/// What a queue's consumer wants, from the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) at: QueueRef,
    /// The queue's name.
    pub(super) queue: String,
    pub(super) script: String,
    pub(super) batching: Batching,
    pub(super) retry_delay: Duration,
    pub(super) exhaustion: Exhaustion,
}

/// The task of one queue.
struct Courier {
    sources: EventSources,
    running: JoinSet<()>,
    /// When the first message of an incomplete batch was seen.
    since: Option<Timestamp>,
}

/// Delivers until `stop`, or until nobody wants it any more; returns when every delivery that had
/// begun is settled.
pub(super) async fn run(
    sources: EventSources,
    mut wanted: watch::Receiver<Delivery>,
    stop: CancellationToken,
) {
    let arrivals = sources.queues.arrivals(&wanted.borrow().at);
    let clock = Arc::clone(&sources.clock);
    let mut courier = Courier { sources, running: JoinSet::new(), since: None };
    while !stop.is_cancelled() {
        let delivery = wanted.borrow_and_update().clone();
        let until = match courier.look(&delivery).await {
            Ok(Step::Deliver) => match courier.begin(delivery).await {
                Ok(()) => continue,
                Err(error) => courier.rest(&error),
            },
            Ok(Step::Wait(until)) => until,
            Err(error) => courier.rest(&error),
        };
        tokio::select! {
            () = stop.cancelled() => {}
            changed = wanted.changed() => if changed.is_err() { break },
            () = arrivals.notified() => {}
            Some(_) = courier.running.join_next() => {}
            () = wait::until(&*clock, until) => {}
        }
    }
    while courier.running.join_next().await.is_some() {}
}

impl Courier {
    async fn look(&mut self, delivery: &Delivery) -> Result<Step, QueueError> {
        let batching = delivery.batching;
        let ready = self.sources.queues.ready(&delivery.at, batching.batch_size).await?;
        while self.running.try_join_next().is_some() {}
        let now = self.sources.clock.now();
        let situation = Situation { ready, running: self.running.len(), now };
        Ok(plan::next(situation, batching, &mut self.since))
    }

    /// Takes a batch and lets it be delivered beside whatever else happens.
    async fn begin(&mut self, delivery: Delivery) -> Result<(), QueueError> {
        let queues = &self.sources.queues;
        let messages = queues.take(&delivery.at, delivery.batching.batch_size).await?;
        if !messages.is_empty() {
            self.running.spawn(deliver(self.sources.clone(), delivery, messages));
        }
        Ok(())
    }

    /// The moment until which a queue rests whose file cannot be read.
    fn rest(&self, error: &QueueError) -> Option<Timestamp> {
        tracing::warn!(%error, "a queue cannot be delivered");
        let now = self.sources.clock.now().as_millis();
        Some(Timestamp::from_millis(now + REST_AFTER_FAULT))
    }
}

async fn deliver(sources: EventSources, delivery: Delivery, messages: Vec<QueuedMessage>) {
    let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
    let backlog = sources.queues.backlog(&delivery.at).await.unwrap_or_default();
    let batch = batch(&delivery, &messages, &backlog);
    drop(messages);
    let (account, script) = (delivery.at.account.as_str(), delivery.script.as_str());
    let settlement = match sources.dispatch.queue(account, script, &batch).await {
        Ok(outcome) => outcome::settlement(&ids, &outcome, delivery.retry_delay),
        Err(error) => {
            let queue = &delivery.queue;
            tracing::warn!(queue, script, %error, "a batch could not be delivered");
            let releases = ids.iter().map(|id| (id.clone(), REST)).collect();
            Settlement { releases, ..Settlement::default() }
        }
    };
    match sources.queues.settle(&delivery.at, settlement, &delivery.exhaustion).await {
        Ok(settled) => note(&delivery, &settled),
        // The messages come again: that is what at least once means.
        Err(error) => tracing::warn!(queue = delivery.queue, %error, "a batch is not settled"),
    }
}

fn batch(delivery: &Delivery, messages: &[QueuedMessage], backlog: &Backlog) -> QueueBatch {
    let count = messages.len() as u64;
    let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
    let left = backlog.count.saturating_sub(count);
    QueueBatch {
        queue: delivery.queue.clone(),
        messages: messages.iter().map(message).collect(),
        backlog: QueueBacklog {
            count: left,
            bytes: backlog.bytes.saturating_sub(bytes as u64),
            oldest: backlog.oldest.filter(|_| left > 0),
        },
    }
}

fn message(message: &QueuedMessage) -> QueueMessage {
    QueueMessage {
        id: message.id.clone(),
        timestamp: message.sent,
        format: match message.format {
            BodyFormat::Text => MessageFormat::Text,
            BodyFormat::Bytes => MessageFormat::Bytes,
            BodyFormat::Json => MessageFormat::Json,
            BodyFormat::V8 => MessageFormat::V8,
        },
        body: message.body.clone(),
        attempts: message.attempts,
    }
}

fn note(delivery: &Delivery, settled: &Settled) {
    let Settled { acked, retried, dead_lettered, dropped } = *settled;
    let (queue, script) = (&delivery.queue, &delivery.script);
    tracing::info!(queue, script, acked, retried, dead_lettered, "a batch was delivered");
    if dropped > 0 {
        tracing::warn!(queue, script, dropped, "messages failed too often and were dropped");
    }
}
