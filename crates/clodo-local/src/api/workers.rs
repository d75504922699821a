//! The account's view of Workers: services, the newer `workers/workers`, and small look-ups that
//! clients make before they delete or deploy.

use super::{
    bindings,
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
    scripts, settings, show,
    versions::found,
};
use crate::state::{
    ids::random_hex,
    model::Profile,
    worker::{Subdomain, Worker},
};
use bytes::Bytes;
use clodo_types::WorkerName;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /accounts/{account}/workers/services/{script}`
pub(super) async fn service(call: Call) -> Answer {
    let worker = call.worker().map_err(no_service)?;
    Reply::ok(&show::service(worker))
}

/// `GET …/services/{script}/environments/{environment}`
pub(super) async fn environment(call: Call) -> Answer {
    Reply::ok(&show::service(in_production(&call)?)["default_environment"])
}

/// `GET …/environments/{environment}/bindings`, as the dashboard's own clients ask.
pub(super) async fn environment_bindings(call: Call) -> Answer {
    let latest = in_production(&call)?.latest();
    let all = latest.into_iter().flat_map(|version| &version.content.bindings);
    Reply::ok(&all.map(bindings::shown).collect::<Vec<_>>())
}

/// `GET …/environments/{environment}/subdomain`
pub(super) async fn environment_subdomain(call: Call) -> Answer {
    let subdomain = in_production(&call)?.subdomain;
    Reply::ok(&json!({
        "enabled": subdomain.enabled,
        "previews_enabled": subdomain.previews_enabled,
    }))
}

/// `GET …/environments/{environment}/routes[?show_zonename=true]`
pub(super) async fn environment_routes(call: Call) -> Answer {
    let worker = in_production(&call)?;
    let with_name = call.query.is_true("show_zonename");
    let mut found = Vec::new();
    for zone in call.snapshot.cloud.zones_of(call.account()?.id()) {
        let ours = zone.routes.iter().filter(|r| r.script.as_deref() == Some(&worker.name));
        for route in ours {
            let mut shown =
                json!({ "id": route.id, "pattern": route.pattern, "script": route.script });
            if with_name {
                shown["zone_name"] = json!(zone.name);
            }
            found.push(shown);
        }
    }
    Reply::ok(&found)
}

/// `GET …/environments/{environment}/content/v2`: the code, for who downloads a Worker.
pub(super) async fn environment_content(call: Call) -> Answer {
    let version = in_production(&call)?.latest().ok_or_else(ApiError::no_worker)?;
    scripts::code(&call, version).await
}

fn in_production(call: &Call) -> Result<&Worker, ApiError> {
    let worker = call.worker().map_err(no_service)?;
    match call.params.get("environment")? {
        "production" => Ok(worker),
        _ => Err(ApiError::not_found(10092, "This environment does not exist.")),
    }
}

fn no_service(error: ApiError) -> ApiError {
    match error.code {
        10007 => ApiError::not_found(10090, "This Worker does not exist on your account."),
        _ => error,
    }
}

/// `GET /accounts/{account}/workers/workers`
pub(super) async fn list(call: Call) -> Answer {
    let account = call.account()?;
    let cloud = &call.snapshot.cloud;
    let mut workers: Vec<&Arc<Worker>> = account.workers.values().collect();
    match call.query.get("order_by") {
        Some("created_on") => workers.sort_by_key(|worker| worker.created_on),
        Some("updated_on" | "deployed_on") => workers.sort_by_key(|worker| worker.modified_on),
        _ => {}
    }
    if call.query.get("order") == Some("desc") {
        workers.reverse();
    }
    let found: Vec<Value> =
        workers.into_iter().map(|worker| show::worker(worker, account, cloud)).collect();
    Reply::page(&found, &call.query, 100)
}

/// `GET /accounts/{account}/workers/workers/{worker}`
pub(super) async fn get(call: Call) -> Answer {
    let account = call.account()?;
    let worker = found(&call, &account.workers).map_err(no_beta_worker)?;
    Reply::ok(&show::worker(worker, account, &call.snapshot.cloud))
}

fn no_beta_worker(error: ApiError) -> ApiError {
    match error.code {
        10007 => ApiError::not_found(10007, "This Worker does not exist."),
        _ => error,
    }
}

/// `POST /accounts/{account}/workers/workers`: a Worker without a version.
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let wire: Value = read_json(&body)?;
    let name = wire["name"].as_str().unwrap_or_default().to_owned();
    if name.parse::<WorkerName>().is_err() {
        return Err(ApiError::bad_request(10016, format!("Worker name `{name}` is not valid.")));
    }
    let account_id = call.account_id()?;
    let shown = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            if account.workers.contains_key(&name) {
                let message = format!("A Worker named `{name}` exists already.");
                return Err(ApiError::conflict(10040, message));
            }
            let mut worker = Worker::new(&name, random_hex(), now);
            settings::merge(&mut worker, &wire)?;
            worker.subdomain = subdomain(&wire, worker.subdomain);
            account.workers.insert(name.clone(), Arc::new(worker));
            let account = &cloud.accounts[&account_id];
            Ok(show::worker(&account.workers[&name], account, cloud))
        })
        .await?;
    Reply::ok(&shown)
}

/// `PATCH` and `PUT /accounts/{account}/workers/workers/{worker}`
pub(super) async fn update(call: Call, body: Bytes) -> Answer {
    let wire: Value = read_json(&body)?;
    let worker = found(&call, &call.account()?.workers)?;
    let (account_id, name) = (call.account_id()?, worker.name.clone());
    let before = worker.tail_consumers();
    let (shown, after) = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let worker = account.worker_mut(&name).ok_or_else(ApiError::no_worker)?;
            settings::merge(worker, &wire)?;
            worker.subdomain = subdomain(&wire, worker.subdomain);
            worker.touch(now);
            let after = worker.tail_consumers();
            let account = &cloud.accounts[&account_id];
            Ok::<_, ApiError>((show::worker(&account.workers[&name], account, cloud), after))
        })
        .await?;
    settings::tell_consumers(&call, &before, &after).await?;
    Reply::ok(&shown)
}

fn subdomain(wire: &Value, before: Subdomain) -> Subdomain {
    let wanted = &wire["subdomain"];
    Subdomain {
        enabled: wanted["enabled"].as_bool().unwrap_or(before.enabled),
        previews_enabled: wanted["previews_enabled"].as_bool().unwrap_or(before.previews_enabled),
    }
}

/// `GET /accounts/{account}/workers/subdomain`
pub(super) async fn account_subdomain(call: Call) -> Answer {
    Reply::ok(&json!({ "subdomain": call.account()?.profile.subdomain }))
}

/// `PUT /accounts/{account}/workers/subdomain`
pub(super) async fn set_account_subdomain(call: Call, body: Bytes) -> Answer {
    let wire: Value = read_json(&body)?;
    let wanted = wire["subdomain"].as_str().unwrap_or_default().to_ascii_lowercase();
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if wanted.is_empty() || wanted.len() > 63 || !wanted.bytes().all(allowed) {
        return Err(ApiError::bad_request(10026, "The subdomain is not valid."));
    }
    let account_id = call.account_id()?;
    let shown = call
        .state()
        .write(move |cloud, _| {
            let taken = |(id, account): (&String, &Arc<crate::state::model::Account>)| {
                *id != account_id && account.profile.subdomain == wanted
            };
            if cloud.accounts.iter().any(taken) {
                return Err(ApiError::conflict(10031, "This subdomain is unavailable."));
            }
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let profile = Profile { subdomain: wanted.clone(), ..(*account.profile).clone() };
            account.profile = Arc::new(profile);
            Ok(json!({ "subdomain": wanted }))
        })
        .await?;
    Reply::ok(&shown)
}

/// `GET /accounts/{account}/workers/subdomains/{subdomain}`: 10032 = free.
pub(super) async fn look_up_subdomain(call: Call) -> Answer {
    let wanted = call.params.get("subdomain")?;
    let accounts = &call.snapshot.cloud.accounts;
    if accounts.values().any(|account| account.profile.subdomain == wanted) {
        return Err(ApiError::conflict(10031, "This subdomain is unavailable."));
    }
    Err(ApiError::not_found(10032, "This subdomain is available."))
}

/// `GET S/references`
pub(super) async fn references(call: Call) -> Answer {
    Reply::ok(&show::references(call.worker()?, call.account()?))
}

/// `GET /accounts/{account}/workers/tails/by-consumer/{script}`: Workers whose logs it gets.
pub(super) async fn tails_by_consumer(call: Call) -> Answer {
    let consumer = call.params.get("script")?;
    let feeds = |worker: &&Arc<Worker>| {
        worker.tail_consumers.iter().any(|to| to["service"] == consumer || to["name"] == consumer)
    };
    let producers = call.account()?.workers.values().filter(feeds);
    let found: Vec<Value> = producers.map(|worker| tail_of(&worker.name, consumer)).collect();
    Reply::ok(&found)
}

/// Cloudflare's own names differ from client to client: `service` is what wrangler reads.
fn tail_of(producer: &str, consumer: &str) -> Value {
    let of = |name: &str| json!({ "script": name, "service": name, "environment": "production" });
    json!({ "producer": of(producer), "consumer": of(consumer) })
}

/// `GET /accounts/{account}/workers/account-settings`
pub(super) async fn account_settings(call: Call) -> Answer {
    Reply::ok(&call.account()?.profile.settings)
}

/// `PUT /accounts/{account}/workers/account-settings`: kept and given back; nothing here depends
/// on them.
pub(super) async fn set_account_settings(call: Call, body: Bytes) -> Answer {
    let wire: WorkersSettingsPatch = read_json(&body)?;
    let account_id = call.account_id()?;
    let shown = call
        .state()
        .write(move |cloud, _| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let mut profile = (*account.profile).clone();
            let settings = &mut profile.settings;
            settings.green_compute = wire.green_compute.unwrap_or(settings.green_compute);
            if let Some(model) = wire.default_usage_model {
                settings.default_usage_model = model;
            }
            let shown = settings.clone();
            account.profile = Arc::new(profile);
            Ok::<_, ApiError>(shown)
        })
        .await?;
    Reply::ok(&shown)
}

#[derive(Debug, Deserialize)]
struct WorkersSettingsPatch {
    default_usage_model: Option<String>,
    green_compute: Option<bool>,
}
