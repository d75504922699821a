//! Deployments: which versions get traffic.

use super::{
    bindings,
    call::{Call, json as read_json},
    durable_objects,
    error::ApiError,
    reply::{Answer, Page, Reply},
    show,
};
use crate::state::{
    ids::random_uuid,
    worker::{DEPLOYABLE, Deployment, Version, Worker},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(default)]
    strategy: Option<String>,
    versions: Vec<Share>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Debug, Deserialize)]
struct Share {
    version_id: String,
    percentage: f64,
}

/// `GET S/deployments`: newest first; wrangler reads `deployments`, the SDKs page through `items`.
pub(super) async fn list(call: Call) -> Answer {
    let worker = call.worker()?;
    let found: Vec<Value> = worker.deployments.iter().rev().map(show::deployment).collect();
    let page = Page::of(found.len(), &call.query, 100);
    let found = &found[page.range()];
    Reply::with_info(&json!({ "deployments": found, "items": found }), &page.info())
}

/// `GET S/deployments/{deployment}`
pub(super) async fn get(call: Call) -> Answer {
    let (worker, id) = (call.worker()?, call.params.get("deployment")?);
    let found = worker.deployments.iter().find(|deployment| deployment.id == id);
    Reply::ok(&show::deployment(found.ok_or_else(missing)?))
}

/// `POST S/deployments[?force=true]`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let wire: Wire = read_json(&body)?;
    call.worker()?;
    let forced = call.query.is_true("force");
    let (account_id, script, source) = (call.account_id()?, call.script_name()?, call.source());
    let _turn = call.state().scripts().lock(&format!("{account_id}/{script}")).await;
    let account = account_id.clone();
    let shown = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account).ok_or_else(ApiError::forbidden)?;
            let worker = account.worker_mut(&script).ok_or_else(ApiError::no_worker)?;
            check(&wire, worker)?;
            if !forced {
                check_secrets(&wire, worker)?;
            }
            let ids: Vec<String> = wire.versions.iter().map(|s| s.version_id.clone()).collect();
            durable_objects::deploying(account, &script, &ids, now)?;
            let worker = account.worker_mut(&script).ok_or_else(ApiError::no_worker)?;
            let annotations = wire.annotations.unwrap_or_default();
            let mut annotations: BTreeMap<String, String> =
                annotations.into_iter().filter_map(|(key, text)| Some((key, text?))).collect();
            annotations
                .entry("workers/triggered_by".to_owned())
                .or_insert_with(|| "deployment".to_owned());
            worker.deploy(Deployment {
                id: random_uuid(),
                source,
                created_on: now,
                annotations,
                versions: wire.versions.into_iter().map(|s| (s.version_id, s.percentage)).collect(),
            });
            let made = worker.deployed().ok_or_else(missing)?;
            Ok::<_, ApiError>(show::deployment(made))
        })
        .await?;
    call.cx.workers.changed(&account_id);
    Reply::ok(&shown)
}

/// `DELETE S/deployments/{deployment}`: only one that no longer has the traffic.
pub(super) async fn delete(call: Call) -> Answer {
    call.worker()?;
    let (account_id, script) = (call.account_id()?, call.script_name()?);
    let id = call.params.get("deployment")?.to_owned();
    let removed: Result<(), ApiError> = call
        .state()
        .write(move |cloud, _| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let worker = account.worker_mut(&script).ok_or_else(ApiError::no_worker)?;
            if worker.deployed().is_some_and(|now| now.id == id) {
                let message = "The deployment that has the traffic cannot be deleted.";
                return Err(ApiError::bad_request(10214, message));
            }
            let at = worker.deployments.iter().position(|known| known.id == id);
            worker.deployments.remove(at.ok_or_else(missing)?);
            Ok(())
        })
        .await;
    removed?;
    Reply::nothing()
}

fn check(wire: &Wire, worker: &Worker) -> Result<(), ApiError> {
    let refused = |message: String| Err(ApiError::bad_request(10026, message));
    if wire.strategy.as_deref().is_some_and(|strategy| strategy != "percentage") {
        return refused("The only strategy is `percentage`.".into());
    }
    if wire.versions.is_empty() || wire.versions.len() > 2 {
        return refused("A deployment has one or two versions.".into());
    }
    let sum: f64 = wire.versions.iter().map(|share| share.percentage).sum();
    let fits = |share: &Share| (0.0..=100.0).contains(&share.percentage);
    if !wire.versions.iter().all(fits) || (sum - 100.0).abs() > 0.001 {
        return refused(format!("The percentages must be 0 to 100 and sum to 100, not {sum}."));
    }
    let ids: BTreeSet<&str> = wire.versions.iter().map(|share| share.version_id.as_str()).collect();
    if ids.len() < wire.versions.len() {
        return refused("The same version is named twice.".into());
    }
    for id in ids {
        worker.version(id).ok_or_else(|| ApiError::no_version(id))?;
        if !worker.deployable().any(|version| version.id == id) && !worker.is_live(id) {
            let message = format!("Version `{id}` is not one of the {DEPLOYABLE} newest.");
            return Err(ApiError::bad_request(10208, message));
        }
    }
    Ok(())
}

/// Going back to a version also goes back to its secrets: said once, until the caller insists.
fn check_secrets(wire: &Wire, worker: &Worker) -> Result<(), ApiError> {
    let [Share { version_id, .. }] = &wire.versions[..] else { return Ok(()) };
    let served_before = |deployment: &Deployment| {
        deployment.versions.iter().any(|(id, share)| id == version_id && *share > 0.0)
    };
    let now = worker.deployed().and_then(|now| worker.version(&now.versions.first()?.0));
    let (Some(now), Some(then)) = (now, worker.version(version_id)) else { return Ok(()) };
    if worker.is_live(version_id) || !worker.deployments.iter().any(served_before) {
        return Ok(());
    }
    let (now, then) = (secrets(now), secrets(then));
    let names: BTreeSet<&str> = now.keys().chain(then.keys()).copied().collect();
    let changed: Vec<&str> =
        names.into_iter().filter(|name| now.get(name) != then.get(name)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Cannot roll back: version {version_id} has other secrets than the one with the traffic. \
         The following secrets have changed: {}",
        changed.join(", ")
    );
    Err(ApiError::bad_request(10220, message))
}

fn secrets(version: &Version) -> BTreeMap<&str, &Value> {
    let all = version.content.bindings.iter().filter(|binding| bindings::is_secret(binding));
    all.filter_map(|binding| Some((binding["name"].as_str()?, &binding["text"]))).collect()
}

fn missing() -> ApiError {
    ApiError::not_found(10200, "This deployment does not exist.")
}
