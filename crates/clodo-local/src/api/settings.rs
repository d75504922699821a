//! Settings of a Worker: those of its versions, those of the script itself, workers.dev, crons.

use super::{
    bindings,
    bindings::Origin,
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
    scripts,
    secrets::change_content,
    trigger, upload,
};
use crate::state::{
    ids::Moment,
    worker::{Schedule, Subdomain, Worker},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

/// `GET S/settings`: of the latest version.
pub(super) async fn get(call: Call) -> Answer {
    Reply::ok(&settings(call.worker()?))
}

fn settings(worker: &Worker) -> Value {
    let latest = worker.latest();
    let content = latest.map(|version| &version.content);
    let mut shown = script_settings(worker);
    let bindings = content.map(|content| content.bindings.as_slice()).unwrap_or_default();
    shown["bindings"] = bindings.iter().map(bindings::shown).collect();
    shown["compatibility_date"] = json!(content.and_then(|c| c.compatibility_date.clone()));
    shown["compatibility_flags"] =
        json!(content.map(|c| c.compatibility_flags.clone()).unwrap_or_default());
    shown["usage_model"] = json!("standard");
    shown["limits"] = content.and_then(|c| c.limits.clone()).unwrap_or(json!({}));
    shown["placement"] = content.and_then(|c| c.placement.clone()).unwrap_or(json!({}));
    shown["annotations"] = json!(latest.map(|version| &version.annotations));
    if let Some(tag) = &worker.migration_tag {
        shown["migration_tag"] = json!(tag);
    }
    shown
}

/// `PATCH S/settings`: multipart with a part `settings`; new bindings make a new version.
pub(super) async fn patch(call: Call, body: Bytes) -> Answer {
    let metadata = upload::read(&call.headers, body, "settings").await?.metadata;
    call.worker()?;
    let place = scripts::place(&call)?;
    let from = call.state().snapshot();
    let account = place.account(&from)?;
    let worker = place.worker(&from).map(AsRef::as_ref);
    let bindings = match metadata.list("bindings") {
        Some(_) => {
            Some(bindings::resolve(&metadata, Origin { account, worker, strict: place.strict })?)
        }
        None => None,
    };
    change_content(&call, &place, "settings", |content| {
        if let Some(bindings) = bindings {
            content.bindings = bindings;
        }
        if let Some(date) = metadata.text("compatibility_date") {
            content.compatibility_date = Some(date);
        }
        if let Some(flags) = metadata.texts("compatibility_flags") {
            content.compatibility_flags = flags;
        }
        Ok(())
    })
    .await?;
    let now = call.state().snapshot();
    Reply::ok(&settings(place.worker(&now).ok_or_else(ApiError::no_worker)?))
}

/// `GET S/script-settings`
pub(super) async fn get_script(call: Call) -> Answer {
    Reply::ok(&script_settings(call.worker()?))
}

fn script_settings(worker: &Worker) -> Value {
    json!({
        "logpush": worker.logpush,
        "observability": worker.observability,
        "tags": worker.tags,
        "tail_consumers": worker.tail_consumers,
    })
}

/// `PATCH S/script-settings`: what is no part of any version.
pub(super) async fn patch_script(call: Call, body: Bytes) -> Answer {
    let patch: Value = read_json(&body)?;
    let before = call.worker()?.tail_consumers();
    let (shown, after) = change(&call, move |worker, _| {
        merge(worker, &patch)?;
        Ok((script_settings(worker), worker.tail_consumers()))
    })
    .await?;
    tell_consumers(&call, &before, &after).await?;
    Reply::ok(&shown)
}

/// Who is told of a Worker is part of how it is run: the very next request must be told of.
pub(super) async fn tell_consumers(
    call: &Call,
    before: &[String],
    after: &[String],
) -> Result<(), ApiError> {
    if before != after {
        let account_id = call.account_id()?;
        call.cx.workers.changed(&account_id);
        call.cx.workers.settled(&account_id).await;
    }
    Ok(())
}

/// `tail_consumers` as it may be kept.
pub(super) fn consumers(wire: &Value) -> Result<Vec<Value>, ApiError> {
    let named = |one: &Value| one["service"].is_string() || one["name"].is_string();
    match wire {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) if list.iter().all(named) => Ok(list.clone()),
        _ => Err(ApiError::bad_body("tail_consumers must be a list of `{\"service\": …}`")),
    }
}

/// What `PATCH script-settings` and `PATCH workers/workers/{id}` have in common.
pub(super) fn merge(worker: &mut Worker, patch: &Value) -> Result<(), ApiError> {
    if let Some(tags) = patch["tags"].as_array() {
        let texts: Option<Vec<_>> =
            tags.iter().map(|tag| tag.as_str().map(str::to_owned)).collect();
        worker.tags = texts.ok_or_else(|| ApiError::bad_body("tags must be strings"))?;
    } else if patch.get("tags").is_some_and(Value::is_null) {
        worker.tags.clear();
    }
    if let Some(logpush) = patch["logpush"].as_bool() {
        worker.logpush = logpush;
    }
    if let Some(observability) = patch.get("observability") {
        worker.observability = Some(observability.clone()).filter(|value| !value.is_null());
    }
    if let Some(wire) = patch.get("tail_consumers") {
        worker.tail_consumers = consumers(wire)?;
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
struct SubdomainWire {
    enabled: bool,
    previews_enabled: Option<bool>,
}

/// `GET S/subdomain`
pub(super) async fn get_subdomain(call: Call) -> Answer {
    Reply::ok(&call.worker()?.subdomain)
}

/// `POST S/subdomain`
pub(super) async fn put_subdomain(call: Call, body: Bytes) -> Answer {
    let wire: SubdomainWire = read_json(&body)?;
    let shown = change(&call, move |worker, _| {
        let previews_enabled = wire.previews_enabled.unwrap_or(wire.enabled);
        worker.subdomain = Subdomain { enabled: wire.enabled, previews_enabled };
        Ok(worker.subdomain)
    })
    .await?;
    Reply::ok(&shown)
}

/// `DELETE S/subdomain`
pub(super) async fn delete_subdomain(call: Call) -> Answer {
    let shown = change(&call, |worker, _| {
        worker.subdomain = Subdomain::default();
        Ok(worker.subdomain)
    })
    .await?;
    Reply::ok(&shown)
}

/// How many schedules one Worker may have; Cloudflare counts them by account.
const MAX_SCHEDULES: usize = 250;

#[derive(Debug, Deserialize)]
struct ScheduleWire {
    cron: String,
}

/// `GET S/schedules`
pub(super) async fn get_schedules(call: Call) -> Answer {
    Reply::ok(&schedules(call.worker()?))
}

/// `PUT S/schedules`: these and no others.
pub(super) async fn put_schedules(call: Call, body: Bytes) -> Answer {
    let wires: Vec<ScheduleWire> = read_json(&body)?;
    for wire in &wires {
        trigger::check(&wire.cron)?;
    }
    if wires.len() > MAX_SCHEDULES {
        let message = "workers.api.error.too_many_crons";
        return Err(ApiError::bad_request(10072, message));
    }
    if let Some(plan) = call.cx.budgets.limits().plan {
        let name = call.script_name()?;
        let others = call.account()?.workers.values().filter(|worker| worker.name != name);
        let taken: usize = others.map(|worker| worker.schedules.len()).sum();
        crate::limits::check_crons(plan, taken + wires.len())?;
    }
    let shown = change(&call, move |worker, now| {
        let kept = |cron: &str| worker.schedules.iter().find(|known| known.cron == cron).cloned();
        let new = |cron: String| Schedule { cron, created_on: now, modified_on: now };
        worker.schedules =
            wires.into_iter().map(|w| kept(&w.cron).unwrap_or_else(|| new(w.cron))).collect();
        Ok(schedules(worker))
    })
    .await?;
    call.cx.workers.changed(&call.account_id()?);
    Reply::ok(&shown)
}

fn schedules(worker: &Worker) -> Value {
    let one = |schedule: &Schedule| {
        json!({
            "cron": schedule.cron,
            "created_on": schedule.created_on.to_string(),
            "modified_on": schedule.modified_on.to_string(),
        })
    };
    json!({ "schedules": worker.schedules.iter().map(one).collect::<Vec<_>>() })
}

/// Changes the Worker of the path and notes the time.
async fn change<T: Send + 'static>(
    call: &Call,
    work: impl FnOnce(&mut Worker, Moment) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    call.worker()?;
    let (account_id, script) = (call.account_id()?, call.script_name()?);
    call.state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let worker = account.worker_mut(&script).ok_or_else(ApiError::no_worker)?;
            let value = work(worker, now)?;
            worker.touch(now);
            Ok(value)
        })
        .await
}
