//! Which queues hear of changes in a bucket.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    r2,
    reply::{Answer, Reply},
};
use crate::state::ids::random_uuid;
use bytes::Bytes;
use clodo_storage::{BucketSettings, NotificationRule, QueueRules};
use clodo_types::QueueId;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
struct Given {
    rules: Vec<NotificationRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Doomed {
    rule_ids: Option<Vec<String>>,
}

/// `GET /accounts/{account}/event_notifications/r2/{bucket}/configuration`
pub(super) async fn list(call: Call) -> Answer {
    let settings = call.cx.data.r2.settings(&r2::at(&call)?).await?;
    if settings.notifications.is_empty() {
        return Err(missing());
    }
    let queues: Vec<Value> =
        settings.notifications.iter().map(|queue| shown(&call, queue)).collect();
    Reply::ok(&json!({ "bucketName": r2::bucket(&call)?.name, "queues": queues }))
}

/// `GET …/configuration/queues/{queue}`
pub(super) async fn get(call: Call) -> Answer {
    let (settings, id) = (call.cx.data.r2.settings(&r2::at(&call)?).await?, queue(&call)?);
    let found = settings.notifications.iter().find(|queue| queue.queue_id == id);
    Reply::ok(&shown(&call, found.ok_or_else(missing)?))
}

/// `PUT …/configuration/queues/{queue}`: adds rules, or none when one overlaps another rule of the
/// bucket.
pub(super) async fn put(call: Call, body: Bytes) -> Answer {
    let Given { mut rules } = read_json(&body).map_err(|error| r2::invalid(error.message))?;
    if rules.is_empty() || rules.iter().any(|rule| rule.actions.is_empty()) {
        return Err(r2::invalid("At least one rule with at least one action is needed."));
    }
    let id = queue(&call)?;
    if !call.account()?.queues.contains_key(id.as_str()) {
        return Err(ApiError::not_found(11000, "The queue does not exist."));
    }
    for rule in &mut rules {
        rule.rule_id = random_uuid();
        rule.created_at = call.state().now().to_string();
    }
    let add = move |settings: &mut BucketSettings| {
        let known = || settings.notifications.iter().flat_map(|queue| &queue.rules);
        let clash = |(index, new): (usize, &NotificationRule)| {
            known().chain(&rules[..index]).any(|old| old.overlaps(new))
        };
        if rules.iter().enumerate().any(clash) {
            return None;
        }
        match settings.notifications.iter_mut().find(|queue| queue.queue_id == id) {
            Some(queue) => queue.rules.extend(rules),
            None => settings.notifications.push(QueueRules { queue_id: id, rules }),
        }
        Some(())
    };
    let added = call.cx.data.r2.change_settings(&r2::at(&call)?, add).await?;
    added.ok_or_else(conflict)?;
    Reply::ok(&json!({}))
}

/// `DELETE …/configuration/queues/{queue}`: the rules that are named, or all.
pub(super) async fn delete(call: Call, body: Bytes) -> Answer {
    let doomed: Doomed = match body.trim_ascii() {
        b"" => Doomed::default(),
        body => read_json(body).map_err(|error| r2::invalid(error.message))?,
    };
    let id = queue(&call)?;
    let remove = move |settings: &mut BucketSettings| {
        let known = settings.notifications.iter_mut().find(|queue| queue.queue_id == id)?;
        let before = known.rules.len();
        match doomed.rule_ids {
            Some(ids) => known.rules.retain(|rule| !ids.contains(&rule.rule_id)),
            None => known.rules.clear(),
        }
        let removed = before > known.rules.len();
        settings.notifications.retain(|queue| !queue.rules.is_empty());
        removed.then_some(())
    };
    let removed = call.cx.data.r2.change_settings(&r2::at(&call)?, remove).await?;
    removed.ok_or_else(missing)?;
    Reply::ok(&json!({}))
}

fn queue(call: &Call) -> Result<QueueId, ApiError> {
    let missing = |_| ApiError::not_found(11000, "The queue does not exist.");
    call.params.get("queue")?.parse().map_err(missing)
}

fn conflict() -> ApiError {
    let message = "A rule conflicts with another rule of this bucket for the same action.";
    ApiError::conflict(11020, message)
}

fn missing() -> ApiError {
    ApiError::not_found(11015, "No event notification configuration exists for this bucket.")
}

fn shown(call: &Call, queue: &QueueRules) -> Value {
    let known = call.account().ok().and_then(|account| account.queues.get(queue.queue_id.as_str()));
    json!({
        "queueId": queue.queue_id,
        "queueName": known.map(|queue| queue.name.clone()),
        "rules": queue.rules,
    })
}
