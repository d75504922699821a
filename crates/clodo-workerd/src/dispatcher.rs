//! Gives events to Workers by way of the Worker in `js/events.js`, which runs beside them.
//!
//! workerd can only be asked over HTTP to serve requests. A Worker with a service binding can ask
//! another for `scheduled()` and `queue()`, which workerd calls experimental: a process that holds
//! such a Worker is started with `--experimental`, any other without. Uploads are checked in a
//! process without, so that nobody's code comes to rely on what Cloudflare would refuse.

use crate::{
    events::{
        Dispatch, DispatchError, EventOutcome, QueueBatch, QueueMessage, QueueOutcome,
        ScheduledEvent, ScheduledOutcome, WorkflowOutcome, WorkflowRun,
    },
    front::draw,
    observer::Invocation,
    runtime::{Account, Pool, RequestBody, Runtime, SendError, Ticket, Unavailable, events_key},
    seams::Generation,
    workflow_dispatch::Sending,
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// How long an event waits for a generation that is starting.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long a run may take.
const RUN_PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Names the version that an event is for.
pub(crate) const VERSION_HEADER: &str = "x-clodo-version";

/// The [`Dispatch`] of an engine.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    runtime: Arc<Runtime>,
}

/// What `js/events.js` answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    outcome: String,
    error: Option<String>,
    no_retry: bool,
    ack_all: bool,
    retry_batch: Option<RetryBatch>,
    explicit_acks: Vec<String>,
    retry_messages: Vec<RetryMessage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryBatch {
    retry: bool,
    delay_seconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryMessage {
    msg_id: String,
    delay_seconds: Option<i64>,
}

/// Where an event goes.
struct Target {
    account: Arc<Account>,
    version: String,
}

impl Dispatcher {
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime }
    }

    fn target(&self, account_id: &str, script: &str) -> Result<Target, DispatchError> {
        let directory = self.runtime.directory().ok_or(DispatchError::NotDeployed)?;
        let account = self.runtime.account(account_id).ok_or(DispatchError::NotDeployed)?;
        let worker = directory.worker(account_id, script).ok_or(DispatchError::NotDeployed)?;
        let version = draw(script, &worker.live, &HeaderMap::new());
        let version = version.ok_or(DispatchError::NotDeployed)?.to_owned();
        let mut known = Generation::default();
        known.live.insert(script.to_owned(), worker.live.clone());
        directory.describe(account_id, &mut known);
        if !known.events.contains(&version) {
            return Err(DispatchError::NoHandler);
        }
        account.ask(script, None);
        Ok(Target { account, version })
    }

    /// Runs the event and tells the observer how it ended.
    async fn run(
        &self,
        target: &Target,
        script: &str,
        event: &Value,
    ) -> Result<Answer, DispatchError> {
        let (started, began) = (self.runtime.now(), Instant::now());
        let answer = self.send(target, event).await?;
        if let Some(observer) = self.runtime.observer() {
            let invocation = Invocation::event(&target.account.id, script, &target.version)
                .took(started, began.elapsed())
                .ended(EventOutcome::from_word(&answer.outcome).in_analytics());
            observer.invoked(&invocation);
        }
        Ok(answer)
    }

    async fn send(&self, target: &Target, event: &Value) -> Result<Answer, DispatchError> {
        let body = Bytes::from(event.to_string());
        // Waiting for the Worker is no part of its run.
        let mut dead: Option<Arc<Pool>> = None;
        loop {
            let key = events_key(&target.version);
            let ticket = target.account.pool(&key, dead.as_ref(), START_PATIENCE).await;
            let ticket = ticket.map_err(unavailable)?;
            let pool = Arc::clone(ticket.pool());
            match timeout(RUN_PATIENCE, ask(ticket, &target.version, body.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(Ask::Unreachable)) => dead = Some(pool),
                Ok(Err(Ask::NotHere)) => return Err(DispatchError::NotDeployed),
                Ok(Err(Ask::Lost)) => return Ok(ended("exception", "the runtime ended")),
                Err(_) => return Ok(ended("exceededWallTime", "it took longer than 15 minutes")),
            }
        }
    }
}

enum Ask {
    /// Nothing was sent.
    Unreachable,
    /// The process does not hold the version any more.
    NotHere,
    /// It may have begun.
    Lost,
}

async fn ask(ticket: Ticket, version: &str, body: Bytes) -> Result<Answer, Ask> {
    let request = Request::post("/")
        .header("host", "events")
        .header("content-length", body.len())
        .header(VERSION_HEADER, version)
        .body(RequestBody::Full(Some(body)))
        .map_err(|_| Ask::NotHere)?;
    let answer = ticket.send(request).await.map_err(|error| match error {
        SendError::Connect(..) => Ask::Unreachable,
        SendError::Broken(_) => Ask::Lost,
    })?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Err(Ask::NotHere);
    }
    let body = answer.into_body().collect().await.map_err(|_| Ask::Lost)?.to_bytes();
    serde_json::from_slice(&body).map_err(|_| Ask::Lost)
}

fn ended(outcome: &str, why: &str) -> Answer {
    Answer { outcome: outcome.to_owned(), error: Some(why.to_owned()), ..Answer::default() }
}

fn unavailable(why: Unavailable) -> DispatchError {
    match why {
        Unavailable::NotServed => DispatchError::NotDeployed,
        why => DispatchError::Unavailable { why: why.to_string() },
    }
}

/// Delays are whole seconds; what a Worker says beyond that is no delay.
fn delay(seconds: Option<i64>) -> Option<u32> {
    seconds.and_then(|seconds| u32::try_from(seconds).ok())
}

fn message(message: &QueueMessage) -> Value {
    json!({
        "id": message.id,
        "timestamp": message.timestamp,
        "format": message.format.as_str(),
        "body": STANDARD.encode(&message.body),
        "attempts": message.attempts,
    })
}

#[async_trait]
impl Dispatch for Dispatcher {
    async fn scheduled(
        &self,
        account_id: &str,
        script: &str,
        event: &ScheduledEvent,
    ) -> Result<ScheduledOutcome, DispatchError> {
        let target = self.target(account_id, script)?;
        let wire = json!({ "kind": "scheduled", "cron": event.cron, "time": event.scheduled_time });
        let answer = self.run(&target, script, &wire).await?;
        note(script, &answer);
        let outcome = EventOutcome::from_word(&answer.outcome);
        Ok(ScheduledOutcome::new(outcome, answer.no_retry, target.version))
    }

    async fn queue(
        &self,
        account_id: &str,
        script: &str,
        batch: &QueueBatch,
    ) -> Result<QueueOutcome, DispatchError> {
        let target = self.target(account_id, script)?;
        let wire = json!({
            "kind": "queue",
            "queue": batch.queue,
            "messages": batch.messages.iter().map(message).collect::<Vec<_>>(),
            "backlog": {
                "count": batch.backlog.count,
                "bytes": batch.backlog.bytes,
                "oldest": batch.backlog.oldest,
            },
        });
        let answer = self.run(&target, script, &wire).await?;
        note(script, &answer);
        let retry = answer.retry_batch.filter(|batch| batch.retry);
        let retries = answer.retry_messages.into_iter();
        Ok(QueueOutcome {
            outcome: EventOutcome::from_word(&answer.outcome),
            ack_all: answer.ack_all,
            retry_all: retry.map(|batch| delay(batch.delay_seconds)),
            acks: answer.explicit_acks,
            retries: retries.map(|one| (one.msg_id, delay(one.delay_seconds))).collect(),
            version_id: target.version,
        })
    }

    async fn workflow(
        &self,
        account_id: &str,
        script: &str,
        run: &WorkflowRun,
    ) -> Result<WorkflowOutcome, DispatchError> {
        let account = self.runtime.account(account_id).ok_or(DispatchError::NotDeployed)?;
        Sending { runtime: &self.runtime, account: &account, script, run }.send().await
    }
}

fn note(script: &str, answer: &Answer) {
    if let Some(error) = &answer.error {
        tracing::warn!(script, outcome = answer.outcome, error, "an event did not run to its end");
    }
}
