//! Queues: their names and settings, purging, figures.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    queue_consumers,
    reply::{Answer, Reply},
};
use crate::state::{
    ids::{Moment, random_hex},
    model::{Account, Cloud},
    queue::{Queue, QueueSettings},
};
use bytes::Bytes;
use clodo_storage::QueueRef;
use clodo_types::QueueName;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const MAX_DELAY: f64 = 86_400.0;
const MIN_RETENTION: f64 = 60.0;
const MAX_RETENTION: f64 = 1_209_600.0;

#[derive(Debug, Deserialize)]
struct Wire {
    queue_name: Option<String>,
    settings: Option<SettingsWire>,
    jurisdiction: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct SettingsWire {
    delivery_delay: Option<f64>,
    delivery_paused: Option<bool>,
    message_retention_period: Option<f64>,
}

impl SettingsWire {
    fn over(self, old: QueueSettings) -> Result<QueueSettings, ApiError> {
        let range = |value: Option<f64>, old: u32, min: f64, max: f64| match value {
            None => Ok(old),
            Some(value) => whole(value, min, max).ok_or_else(bad_settings),
        };
        let retention = old.message_retention_period;
        Ok(QueueSettings {
            delivery_delay: range(self.delivery_delay, old.delivery_delay, 0.0, MAX_DELAY)?,
            delivery_paused: self.delivery_paused.unwrap_or(old.delivery_paused),
            message_retention_period: range(
                self.message_retention_period,
                retention,
                MIN_RETENTION,
                MAX_RETENTION,
            )?,
        })
    }
}

/// A whole number within a range; clients compute some of theirs.
pub(super) fn whole(value: f64, min: f64, max: f64) -> Option<u32> {
    let fits = value.is_finite() && (min..=max).contains(&value) && value.fract() == 0.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, and within a range of u32"
    )]
    fits.then_some(value as u32)
}

fn bad_settings() -> ApiError {
    ApiError::bad_request(100_128, "The specified queue settings are invalid.")
}

/// `GET /accounts/{account}/queues?name=&page=`
pub(super) async fn list(call: Call) -> Answer {
    let account = call.account()?;
    let names: Vec<&str> = call.query.all("name").collect();
    let wanted =
        |queue: &&Arc<Queue>| names.is_empty() || names.iter().any(|name| *name == queue.name);
    let mut queues: Vec<_> = account.queues.values().filter(wanted).collect();
    queues.sort_by(|a, b| (a.created_on, &a.name).cmp(&(b.created_on, &b.name)));
    let found: Vec<Value> = queues.into_iter().map(|queue| shown(queue, account)).collect();
    Reply::page(&found, &call.query, 100)
}

/// `GET …/queues/{queue}`
pub(super) async fn get(call: Call) -> Answer {
    Reply::ok(&shown(queue(&call)?, call.account()?))
}

/// `POST …/queues`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let wire: Wire = read_json(&body)?;
    let account_id = call.account_id()?;
    let name = checked_name(wire.queue_name.as_deref().unwrap_or_default())?;
    let settings = wire.settings.unwrap_or_default().over(QueueSettings::default())?;
    let _turn = lock(&call, &account_id).await;
    let made = make(&call, &account_id, name, move |queue| {
        queue.settings = settings;
        queue.jurisdiction = wire.jurisdiction;
    })
    .await?;
    let now = call.state().snapshot();
    let account = now.cloud.accounts.get(&account_id).ok_or_else(ApiError::forbidden)?;
    Reply::ok(&shown(&made, account))
}

/// Makes a queue; the caller holds the account's lock.
pub(super) async fn make(
    call: &Call,
    account_id: &str,
    name: String,
    change: impl FnOnce(&mut Queue) + Send + 'static,
) -> Result<Arc<Queue>, ApiError> {
    let id = random_hex();
    free(&call.state().snapshot().cloud, account_id, &name, None)?;
    let at = reference(account_id, &id)?;
    call.cx.data.queues.create(&at).await?;
    let owner = account_id.to_owned();
    let made: Arc<Queue> = call
        .state()
        .write(move |cloud, now| {
            free(cloud, &owner, &name, None)?;
            let mut queue = Queue::new(id.clone(), name, now);
            change(&mut queue);
            let queue = Arc::new(queue);
            let account = cloud.account_mut(&owner).ok_or_else(ApiError::forbidden)?;
            account.queues.insert(id, Arc::clone(&queue));
            Ok::<_, ApiError>(queue)
        })
        .await?;
    call.cx.data.queues.configure(&at, made.engine_settings());
    Ok(made)
}

/// `PUT …/queues/{queue}`: what is not named becomes its default.
pub(super) async fn replace(call: Call, body: Bytes) -> Answer {
    update(call, &body, |_| QueueSettings::default()).await
}

/// `PATCH …/queues/{queue}`: what is not named stays.
pub(super) async fn edit(call: Call, body: Bytes) -> Answer {
    update(call, &body, |queue| queue.settings).await
}

async fn update(call: Call, body: &[u8], base: impl FnOnce(&Queue) -> QueueSettings) -> Answer {
    let wire: Wire = read_json(body)?;
    let (account_id, id) = (call.account_id()?, queue(&call)?.id.clone());
    let name = wire.queue_name.as_deref().map(checked_name).transpose()?;
    let settings = wire.settings.unwrap_or_default().over(base(queue(&call)?))?;
    let _turn = lock(&call, &account_id).await;
    let owner = account_id.clone();
    let changed = change(&call, move |cloud, now| {
        if let Some(name) = &name {
            free(cloud, &owner, name, Some(&id))?;
        }
        let queue = queue_mut(cloud, &owner, &id)?;
        queue.name = name.unwrap_or_else(|| queue.name.clone());
        queue.settings = settings;
        queue.modified_on = now.after(queue.modified_on);
        Ok(queue.clone())
    })
    .await?;
    let at = reference(&account_id, &changed.id)?;
    call.cx.data.queues.configure(&at, changed.engine_settings());
    let now = call.state().snapshot();
    let account = now.cloud.accounts.get(&account_id).ok_or_else(ApiError::forbidden)?;
    Reply::ok(&shown(&changed, account))
}

/// `DELETE …/queues/{queue}`: with all its messages.
pub(super) async fn delete(call: Call) -> Answer {
    let (account_id, id) = (call.account_id()?, queue(&call)?.id.clone());
    let at = reference(&account_id, &id)?;
    let _turn = lock(&call, &account_id).await;
    change(&call, move |cloud, _| {
        let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
        let queue = account.queues.get(&id).cloned().ok_or_else(missing)?;
        let user = account.producers_of(&queue).next().map(|worker| worker.name.clone());
        if let Some(worker) = user {
            let message = format!(
                "The queue '{}' is still bound to the Worker '{worker}' and cannot be deleted.",
                queue.name
            );
            return Err(ApiError::bad_request(11_005, message));
        }
        account.queues.remove(&id);
        Ok(())
    })
    .await?;
    call.cx.data.queues.drop_queue(&at).await?;
    Reply::nothing()
}

#[derive(Debug, Deserialize)]
struct PurgeWire {
    #[serde(default)]
    delete_messages_permanently: bool,
}

/// `POST …/queues/{queue}/purge`
pub(super) async fn purge(call: Call, body: Bytes) -> Answer {
    let wire: PurgeWire = read_json(&body)?;
    if !wire.delete_messages_permanently {
        let message = "`delete_messages_permanently` must be true to purge a queue.";
        return Err(ApiError::bad_request(10_207, message));
    }
    let (account_id, id) = (call.account_id()?, queue(&call)?.id.clone());
    call.cx.data.queues.purge(&reference(&account_id, &id)?).await?;
    let owner = account_id.clone();
    let changed = change(&call, move |cloud, now| {
        let queue = queue_mut(cloud, &owner, &id)?;
        queue.purge_started = Some(now);
        Ok(queue.clone())
    })
    .await?;
    Reply::ok(&shown(&changed, call.account()?))
}

/// `GET …/queues/{queue}/purge`: a purge is done when its call is answered.
pub(super) async fn purge_status(call: Call) -> Answer {
    let started = queue(&call)?.purge_started.map(|at| at.to_string());
    let completed = started.as_ref().map(|_| "true");
    Reply::ok(&json!({ "started_at": started, "completed": completed }))
}

/// `GET …/queues/{queue}/metrics`
pub(super) async fn metrics(call: Call) -> Answer {
    let at = reference(&call.account_id()?, &queue(&call)?.id)?;
    let backlog = call.cx.data.queues.backlog(&at).await?;
    Reply::ok(&super::queue_messages::metrics(&backlog))
}

/// One writer of an account's queues at a time.
pub(super) async fn lock(call: &Call, account_id: &str) -> impl Drop + use<> {
    call.state().scripts().lock(&format!("{account_id}/queues")).await
}

pub(super) async fn change<T: Send + 'static>(
    call: &Call,
    work: impl FnOnce(&mut Cloud, Moment) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    call.state().write(work).await
}

pub(super) fn checked_name(name: &str) -> Result<String, ApiError> {
    match name.parse::<QueueName>() {
        Ok(_) => Ok(name.to_owned()),
        Err(error) => Err(ApiError::bad_request(11_003, format!("Queue name is invalid: {error}"))),
    }
}

fn free(cloud: &Cloud, account: &str, name: &str, own: Option<&str>) -> Result<(), ApiError> {
    let account = cloud.accounts.get(account).ok_or_else(ApiError::forbidden)?;
    match account.queue_by_name(name) {
        Some(queue) if Some(queue.id.as_str()) != own => {
            let message = format!(
                "Queue name '{name}' is already taken. Please use a different name and try again."
            );
            Err(ApiError::conflict(11_009, message))
        }
        _ => Ok(()),
    }
}

/// The queue of the path.
pub(super) fn queue(call: &Call) -> Result<&Arc<Queue>, ApiError> {
    call.account()?.queues.get(call.params.get("queue")?).ok_or_else(missing)
}

pub(super) fn queue_mut<'a>(
    cloud: &'a mut Cloud,
    account: &str,
    id: &str,
) -> Result<&'a mut Queue, ApiError> {
    let account = cloud.account_mut(account).ok_or_else(ApiError::forbidden)?;
    account.queues.get_mut(id).map(Arc::make_mut).ok_or_else(missing)
}

/// What the engine calls a queue.
pub(super) fn reference(account: &str, id: &str) -> Result<QueueRef, ApiError> {
    let account = account.parse().map_err(|_| ApiError::bad_identifier(account))?;
    Ok(QueueRef { account, id: id.parse().map_err(|_| missing())? })
}

pub(super) fn missing() -> ApiError {
    ApiError::not_found(11_000, "Queue not found. Please check the queue id and try again.")
}

fn shown(queue: &Queue, account: &Account) -> Value {
    let producers: Vec<Value> = account
        .producers_of(queue)
        .map(|worker| json!({ "type": "worker", "script": worker.name }))
        .collect();
    let consumers: Vec<Value> =
        queue.consumers.iter().map(|one| queue_consumers::shown(one, queue)).collect();
    let mut shown = json!({
        "queue_id": queue.id,
        "queue_name": queue.name,
        "created_on": queue.created_on.to_string(),
        "modified_on": queue.modified_on.to_string(),
        "producers_total_count": producers.len(),
        "producers": producers,
        "consumers_total_count": consumers.len(),
        "consumers": consumers,
        "settings": queue.settings,
    });
    if let Some(jurisdiction) = &queue.jurisdiction {
        shown["jurisdiction"] = json!(jurisdiction);
    }
    shown
}
