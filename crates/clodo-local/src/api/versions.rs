//! Versions: upload without traffic, list, view.

use super::{
    call::{Call, json as read_json},
    content,
    durable_objects::{self, Lifecycle},
    error::ApiError,
    reply::{Answer, Page, Reply},
    scripts, show, upload,
};
use crate::state::worker::{Content, Version, Worker};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// `GET S/versions[?deployable=true]`
pub(super) async fn list(call: Call) -> Answer {
    let worker = call.worker()?;
    let found: Vec<Value> = match call.query.is_true("deployable") {
        true => worker.deployable().map(|version| show::version(version, false)).collect(),
        false => {
            worker.versions.iter().rev().map(|version| show::version(version, false)).collect()
        }
    };
    let page = Page::of(found.len(), &call.query, 100);
    Reply::with_info(&json!({ "items": found[page.range()] }), &page.info())
}

/// `GET S/versions/{version}`
pub(super) async fn get(call: Call) -> Answer {
    let (worker, id) = (call.worker()?, call.params.get("version")?);
    let version = worker.version(id).ok_or_else(|| ApiError::no_version(id))?;
    Reply::ok(&show::version(version, true))
}

/// `POST S/versions`: tags belong to the script, so that those in its metadata have no effect.
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let upload = upload::read(&call.headers, body, "metadata").await?;
    call.worker()?;
    if upload.metadata.value("migrations").is_some() {
        let message = "Version upload failed. You attempted to upload a version of a Worker that \
                       includes a Durable Object migration, but migrations must be fully applied \
                       via a non-versioned deployment. Refer to the documentation for more \
                       information.";
        return Err(ApiError::bad_request(10211, message));
    }
    let place = scripts::place(&call)?;
    let _turn = call.state().scripts().lock(&place.lock_key()).await;
    let prepared = content::from_upload(&call.cx, &place, upload, "version_upload").await?;
    let (account_id, target) = (place.account_id.clone(), place.clone());
    let shown = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let added =
                durable_objects::add_version(account, &target, prepared, &Lifecycle::Later, now)?;
            Ok::<_, ApiError>(show::version(&added.version, true))
        })
        .await?;
    call.cx.workers.changed(&place.account_id);
    Reply::ok(&shown)
}

/// `PATCH /accounts/{account}/workers/workers/{worker}/versions/latest`: a merge patch of `env`
/// makes a version without traffic.
pub(super) async fn patch_latest(call: Call, body: Bytes) -> Answer {
    let patch: Value = read_json(&body)?;
    let id =
        change_latest(&call, "version_upload", move |content| merge_env(content, &patch)).await?;
    let snapshot = call.state().snapshot();
    let worker = found(&call, &snapshot.cloud.accounts[&call.account_id()?].workers)?;
    let version = worker.version(&id).ok_or_else(|| ApiError::no_version(&id))?;
    Reply::ok(&show::version(version, true))
}

fn merge_env(content: &mut Content, patch: &Value) -> Result<BTreeMap<String, String>, ApiError> {
    for (name, wanted) in patch["env"].as_object().into_iter().flatten() {
        content.bindings.retain(|binding| binding["name"] != name.as_str());
        if let Value::Object(fields) = wanted {
            let mut binding: Map<String, Value> = fields.clone();
            binding.insert("name".into(), json!(name));
            content.bindings.push(Value::Object(binding));
        }
    }
    let annotations = patch["annotations"].as_object().into_iter().flatten();
    let texts =
        annotations.filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned())));
    Ok(texts.collect())
}

/// Makes a version from the latest one with `change` applied, and returns its id.
async fn change_latest(
    call: &Call,
    triggered_by: &str,
    change: impl FnOnce(&mut Content) -> Result<BTreeMap<String, String>, ApiError>,
) -> Result<String, ApiError> {
    let name = found(call, &call.account()?.workers)?.name.clone();
    let place = content::Place {
        account_id: call.account_id()?,
        script: name,
        source: call.source(),
        strict: true,
    };
    let _turn = call.state().scripts().lock(&place.lock_key()).await;
    let snapshot = call.state().snapshot();
    let latest: Arc<Version> = place
        .worker(&snapshot)
        .and_then(|worker| worker.latest())
        .map(Arc::clone)
        .ok_or_else(no_versions)?;
    let mut content = latest.content.clone();
    let mut annotations = scripts::annotations(triggered_by);
    annotations.extend(change(&mut content)?);
    let prepared = content::from_version(&call.cx, &place, &latest, content, annotations).await?;
    let id = prepared.version_id.clone();
    let (account_id, target) = (place.account_id.clone(), place.clone());
    let added: Result<(), ApiError> = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let keep = Lifecycle::Keep;
            durable_objects::add_version(account, &target, prepared, &keep, now).map(|_| ())
        })
        .await;
    added?;
    call.cx.workers.changed(&place.account_id);
    Ok(id)
}

/// The Worker of the path, which names it or has its id.
pub(super) fn found<'a>(
    call: &Call,
    workers: &'a BTreeMap<String, Arc<Worker>>,
) -> Result<&'a Arc<Worker>, ApiError> {
    let key = call.params.get("worker")?;
    let by_id = || workers.values().find(|worker| worker.id == key);
    workers.get(key).or_else(by_id).ok_or_else(ApiError::no_worker)
}

fn no_versions() -> ApiError {
    ApiError::bad_request(10222, "This Worker has no versions.")
}
