//! Who consumes a queue: a Worker, or whoever pulls.

use super::{
    call::{Call, json as read_json},
    content::{Place, Prepared},
    error::ApiError,
    queues::{self, change, checked_name, lock, queue, queue_mut, whole},
    reply::{Answer, Reply},
};
use crate::state::{
    ids::random_hex,
    model::{Account, Cloud},
    queue::{Consumer, ConsumerKind, ConsumerSettings, Queue},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: String,
    script_name: Option<String>,
    /// An older name of the same.
    script: Option<String>,
    dead_letter_queue: Option<String>,
    #[serde(default)]
    settings: SettingsWire,
}

#[derive(Debug, Default, Deserialize)]
struct SettingsWire {
    batch_size: Option<f64>,
    max_retries: Option<f64>,
    retry_delay: Option<f64>,
    max_wait_time_ms: Option<f64>,
    max_concurrency: Option<f64>,
    visibility_timeout_ms: Option<f64>,
}

impl SettingsWire {
    fn checked(&self, kind: &ConsumerKind) -> Result<ConsumerSettings, ApiError> {
        let invalid =
            || ApiError::bad_request(100_127, "The specified consumer settings are invalid.");
        let number = |value: Option<f64>, default: u32, min: f64, max: f64| match value {
            None => Ok(default),
            Some(value) => whole(value, min, max).ok_or_else(invalid),
        };
        let batch_size = if *kind == ConsumerKind::HttpPull { 5 } else { 10 };
        let concurrency = |value| whole(value, 1.0, 250.0).ok_or_else(invalid);
        Ok(ConsumerSettings {
            batch_size: number(self.batch_size, batch_size, 1.0, 100.0)?,
            max_retries: number(self.max_retries, 3, 0.0, 100.0)?,
            retry_delay: number(self.retry_delay, 0, 0.0, 86_400.0)?,
            max_wait_time_ms: number(self.max_wait_time_ms, 5_000, 0.0, 60_000.0)?,
            max_concurrency: self.max_concurrency.map(concurrency).transpose()?,
            visibility_timeout_ms: number(self.visibility_timeout_ms, 30_000, 0.0, 43_200_000.0)?,
        })
    }
}

/// What a call asks for, checked against the account as it is.
struct Wanted {
    kind: ConsumerKind,
    dead_letter_queue: Option<String>,
    settings: ConsumerSettings,
}

fn wanted(call: &Call, queue: &Queue, body: &[u8]) -> Result<Wanted, ApiError> {
    let wire: Wire = read_json(body)?;
    let kind = match wire.kind.as_str() {
        "worker" => {
            let script = wire.script_name.or(wire.script).unwrap_or_default();
            check_handler(call.account()?, &script)?;
            ConsumerKind::Worker(script)
        }
        "http_pull" => ConsumerKind::HttpPull,
        other => {
            let message = format!("'{other}' is not a type of consumer.");
            return Err(ApiError::bad_request(100_127, message));
        }
    };
    let dead = wire.dead_letter_queue.filter(|name| !name.is_empty());
    let dead_letter_queue = dead.as_deref().map(checked_name).transpose()?;
    if dead_letter_queue.as_ref() == Some(&queue.name) {
        let message = "A queue cannot be its own dead letter queue.";
        return Err(ApiError::bad_request(100_127, message));
    }
    let settings = wire.settings.checked(&kind)?;
    Ok(Wanted { kind, dead_letter_queue, settings })
}

/// A Worker that consumes a queue must have a handler for it: in its latest version or, after a
/// rollback, in one that has traffic.
fn check_handler(account: &Account, script: &str) -> Result<(), ApiError> {
    let worker = account.workers.get(script).ok_or_else(ApiError::no_worker)?;
    let live = worker.deployed().into_iter().flat_map(|now| &now.versions);
    let mut versions = live.filter_map(|(id, _)| worker.version(id)).chain(worker.latest());
    if versions.any(|version| version.handles("queue")) { Ok(()) } else { Err(no_handler()) }
}

/// A new version of a Worker that consumes a queue must go on having a handler for it.
pub(super) fn check_consumer(
    cloud: &Cloud,
    place: &Place,
    version: &Prepared,
) -> Result<(), ApiError> {
    let account = cloud.accounts.get(&place.account_id);
    let consumes = account.is_some_and(|account| account.consumed_by(&place.script).is_some());
    if consumes && !version.handles("queue") {
        return Err(no_handler());
    }
    Ok(())
}

/// What Cloudflare says of a consumer without a `queue()`.
fn no_handler() -> ApiError {
    ApiError::bad_request(
        11_001,
        "Queue handler is missing. Please see our docs for more information about creating \
         handlers: https://developers.cloudflare.com/queues/configuration/javascript-apis/#consumer",
    )
}

/// `GET …/queues/{queue}/consumers`
pub(super) async fn list(call: Call) -> Answer {
    let queue = queue(&call)?;
    let found: Vec<Value> = queue.consumers.iter().map(|one| shown(one, queue)).collect();
    Reply::ok(&found)
}

/// `GET …/consumers/{consumer}`
pub(super) async fn get(call: Call) -> Answer {
    let queue = queue(&call)?;
    let id = call.params.get("consumer")?;
    let found = queue.consumers.iter().find(|consumer| consumer.id == id);
    Reply::ok(&shown(found.ok_or_else(missing)?, queue))
}

/// `POST …/consumers`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let (account_id, queue_id) = (call.account_id()?, queue(&call)?.id.clone());
    let wanted = wanted(&call, queue(&call)?, &body)?;
    let _turn = lock(&call, &account_id).await;
    ensure_dead_letter_queue(&call, &account_id, &wanted).await?;
    let answer = change(&call, move |cloud, now| {
        let queue = queue_mut(cloud, &account_id, &queue_id)?;
        if !queue.consumers.is_empty() {
            let message = format!("The queue '{}' already has a consumer.", queue.name);
            return Err(ApiError::bad_request(11_004, message));
        }
        let Wanted { kind, dead_letter_queue, settings } = wanted;
        let id = random_hex();
        queue.consumers.push(Consumer { id, created_on: now, kind, dead_letter_queue, settings });
        Ok(shown(&queue.consumers[0], queue))
    })
    .await?;
    Reply::ok(&answer)
}

/// `PUT …/consumers/{consumer}`: what is not named becomes its default.
pub(super) async fn update(call: Call, body: Bytes) -> Answer {
    let (account_id, queue_id) = (call.account_id()?, queue(&call)?.id.clone());
    let id = call.params.get("consumer")?.to_owned();
    let wanted = wanted(&call, queue(&call)?, &body)?;
    let _turn = lock(&call, &account_id).await;
    ensure_dead_letter_queue(&call, &account_id, &wanted).await?;
    let answer = change(&call, move |cloud, _| {
        let queue = queue_mut(cloud, &account_id, &queue_id)?;
        let found = queue.consumers.iter_mut().find(|consumer| consumer.id == id);
        let consumer = found.ok_or_else(missing)?;
        let Wanted { kind, dead_letter_queue, settings } = wanted;
        *consumer = Consumer { kind, dead_letter_queue, settings, ..consumer.clone() };
        let consumer = consumer.clone();
        Ok(shown(&consumer, queue))
    })
    .await?;
    Reply::ok(&answer)
}

/// `DELETE …/consumers/{consumer}`: the queue keeps its messages.
pub(super) async fn delete(call: Call) -> Answer {
    let (account_id, queue_id) = (call.account_id()?, queue(&call)?.id.clone());
    let id = call.params.get("consumer")?.to_owned();
    change(&call, move |cloud, _| {
        let queue = queue_mut(cloud, &account_id, &queue_id)?;
        let at = queue.consumers.iter().position(|consumer| consumer.id == id);
        queue.consumers.remove(at.ok_or_else(missing)?);
        Ok(())
    })
    .await?;
    Reply::nothing()
}

/// Cloudflare makes a dead letter queue that is not there yet.
async fn ensure_dead_letter_queue(
    call: &Call,
    account_id: &str,
    wanted: &Wanted,
) -> Result<(), ApiError> {
    let Some(name) = &wanted.dead_letter_queue else { return Ok(()) };
    let known = call.state().snapshot();
    let account = known.cloud.accounts.get(account_id).ok_or_else(ApiError::forbidden)?;
    if account.queue_by_name(name).is_none() {
        queues::make(call, account_id, name.clone(), |_| {}).await?;
    }
    Ok(())
}

fn missing() -> ApiError {
    ApiError::not_found(11_002, "Consumer not found. Please check the consumer id and try again.")
}

pub(super) fn shown(consumer: &Consumer, queue: &Queue) -> Value {
    let ConsumerSettings {
        batch_size,
        max_retries,
        retry_delay,
        max_wait_time_ms,
        max_concurrency,
        visibility_timeout_ms,
    } = consumer.settings;
    let mut shown = json!({
        "consumer_id": consumer.id,
        "created_on": consumer.created_on.to_string(),
        "queue_name": queue.name,
        "dead_letter_queue": consumer.dead_letter_queue.as_deref().unwrap_or_default(),
        "settings": {
            "batch_size": batch_size,
            "max_retries": max_retries,
            "retry_delay": retry_delay,
        },
    });
    match &consumer.kind {
        ConsumerKind::Worker(script) => {
            shown["type"] = json!("worker");
            // wrangler reads the one, the official SDKs the other.
            shown["script"] = json!(script);
            shown["script_name"] = json!(script);
            shown["settings"]["max_wait_time_ms"] = json!(max_wait_time_ms);
            shown["settings"]["max_concurrency"] = json!(max_concurrency);
        }
        ConsumerKind::HttpPull => {
            shown["type"] = json!("http_pull");
            shown["settings"]["visibility_timeout_ms"] = json!(visibility_timeout_ms);
        }
    }
    shown
}
