//! Worker scripts: upload with full traffic, list, download, delete.

use super::{
    call::Call,
    content::{self, Place, Prepared},
    durable_objects::{self, Added, Lifecycle},
    error::ApiError,
    queue_consumers,
    reply::{Answer, Reply},
    routes, show,
    upload::{self, Metadata, Upload},
    versions,
};
use crate::state::{
    ids::{Moment, random_hex, random_uuid},
    model::{Account, Cloud},
    worker::{Deployment, Version, Worker},
};
use bytes::Bytes;
use clodo_types::WorkerName;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// The boundary of multipart answers; long and random enough not to occur in code.
const BOUNDARY: &str = "----clodo-5f0c1d7ab29e4c3f8d6e";

/// `GET /accounts/{account}/workers/scripts`
pub(super) async fn list(call: Call) -> Answer {
    let tags = call.query.get("tags").map(wanted_tags).unwrap_or_default();
    let fits = |worker: &&Arc<Worker>| {
        tags.iter().all(|(tag, wanted)| worker.tags.contains(tag) == *wanted)
    };
    let workers = call.account()?.workers.values().filter(fits);
    let found: Vec<Value> = workers.map(|worker| Value::Object(show::script(worker))).collect();
    Reply::ok(&found)
}

/// `a:yes,b:no` → must have `a`, must not have `b`.
fn wanted_tags(text: &str) -> Vec<(String, bool)> {
    let one = |part: &str| match part.rsplit_once(':') {
        Some((tag, "no")) => (tag.to_owned(), false),
        Some((tag, "yes")) => (tag.to_owned(), true),
        _ => (part.to_owned(), true),
    };
    text.split(',').filter(|part| !part.is_empty()).map(one).collect()
}

/// Where this call uploads to; the name is checked here.
pub(super) fn place(call: &Call) -> Result<Place, ApiError> {
    let script = call.script_name()?;
    if script.parse::<WorkerName>().is_err() {
        let message = format!(
            "Worker name `{script}` is not valid: only letters, digits, `-` and `_` are allowed."
        );
        return Err(ApiError::bad_request(10016, message));
    }
    Ok(Place {
        account_id: call.account_id()?,
        script,
        source: call.source(),
        strict: call.query.get("bindings_inherit") == Some("strict"),
    })
}

/// `PUT S`: a new version with all traffic; makes the Worker when there is none.
pub(super) async fn put(call: Call, body: Bytes) -> Answer {
    let upload = upload::read(&call.headers, body, "metadata").await?;
    let place = place(&call)?;
    let _turn = call.state().scripts().lock(&place.lock_key()).await;
    let metadata = upload.metadata.clone();
    let prepared = content::from_upload(&call.cx, &place, upload, "upload").await?;
    let lifecycle = Lifecycle::Now { migrations: metadata.value("migrations").cloned() };
    let answer = commit(&call, &place, prepared, (metadata, lifecycle)).await?;
    call.cx.workers.changed(&place.account_id);
    Reply::ok(&answer)
}

async fn commit(
    call: &Call,
    place: &Place,
    prepared: Prepared,
    (metadata, lifecycle): (Metadata, Lifecycle),
) -> Result<Value, ApiError> {
    let place = place.clone();
    call.state()
        .write(move |cloud, now| {
            queue_consumers::check_consumer(cloud, &place, &prepared)?;
            let account = worker_or_new(cloud, &place, now)?;
            let Added { version, report } =
                durable_objects::add_version(account, &place, prepared, &lifecycle, now)?;
            let worker = account.worker_mut(&place.script).ok_or_else(ApiError::no_worker)?;
            apply_metadata(worker, &metadata);
            deploy_alone(worker, &version, now);
            let mut shown = show::script(worker);
            shown.insert("startup_time_ms".into(), json!(version.startup_time_ms));
            shown.insert("deployment_id".into(), json!(version.id.replace('-', "")));
            if let Some(report) = report {
                shown.insert("exports_reconciliation".into(), report);
            }
            Ok(Value::Object(shown))
        })
        .await
}

fn worker_or_new<'a>(
    cloud: &'a mut Cloud,
    place: &Place,
    now: Moment,
) -> Result<&'a mut Account, ApiError> {
    let account = cloud.account_mut(&place.account_id).ok_or_else(ApiError::forbidden)?;
    let new = || Arc::new(Worker::new(&place.script, random_hex(), now));
    account.workers.entry(place.script.clone()).or_insert_with(new);
    Ok(account)
}

/// All traffic to one version.
pub(super) fn deploy_alone(worker: &mut Worker, version: &Version, now: Moment) {
    let keys = ["workers/message", "workers/triggered_by"];
    let annotations = version.annotations.iter().filter(|(key, _)| keys.contains(&key.as_str()));
    worker.deploy(Deployment {
        id: random_uuid(),
        source: version.source.clone(),
        created_on: now,
        annotations: annotations.map(|(key, text)| (key.clone(), text.clone())).collect(),
        versions: vec![(version.id.clone(), 100.0)],
    });
}

/// What of the metadata belongs to the Worker and not to the version.
fn apply_metadata(worker: &mut Worker, metadata: &Metadata) {
    if let Some(tags) = metadata.texts("tags") {
        worker.tags = tags;
    }
    if let Some(logpush) = metadata.flag("logpush") {
        worker.logpush = logpush;
    }
    if let Some(observability) = metadata.value("observability") {
        worker.observability = Some(observability.clone());
    }
    if let Some(consumers) = metadata.list("tail_consumers") {
        worker.tail_consumers.clone_from(consumers);
    }
}

/// `DELETE S` and `DELETE services/{script}`: with its routes and custom domains.
pub(super) async fn delete(call: Call) -> Answer {
    let script = call.script_name()?;
    remove(&call, script).await
}

/// `DELETE /accounts/{account}/workers/workers/{worker}`, by name or id.
pub(super) async fn delete_found(call: Call) -> Answer {
    let script = versions::found(&call, &call.account()?.workers)?.name.clone();
    remove(&call, script).await
}

async fn remove(call: &Call, script: String) -> Answer {
    let place =
        Place { account_id: call.account_id()?, script, source: call.source(), strict: false };
    if call
        .snapshot
        .cloud
        .accounts
        .get(&place.account_id)
        .is_none_or(|a| !a.workers.contains_key(&place.script))
    {
        return Err(ApiError::no_worker());
    }
    let _turn = call.state().scripts().lock(&place.lock_key()).await;
    let gone = place.clone();
    let forced = call.query.is_true("force");
    let removed: Result<(), ApiError> = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&gone.account_id).ok_or_else(ApiError::forbidden)?;
            if account.consumed_by(&gone.script).is_some() {
                let message = "script still in use as a consumer for a queue";
                return Err(ApiError::bad_request(10064, message));
            }
            if !forced {
                durable_objects::refuse_while_bound(account, &gone.script)?;
            }
            account.workers.remove(&gone.script).ok_or_else(ApiError::no_worker)?;
            account.delete_objects_of(&gone.script, now);
            account.domains.retain(|_, domain| domain.service != gone.script);
            routes::forget(cloud, &gone.account_id, &gone.script);
            Ok(())
        })
        .await;
    removed?;
    call.cx.tails.forget(&place.account_id, &place.script);
    call.cx.workers.changed(&place.account_id);
    Reply::nothing()
}

/// `GET S`, `GET S/content` and `GET S/content/v2?version=`
pub(super) async fn download(call: Call) -> Answer {
    let worker = call.worker()?;
    let version = match call.query.get("version") {
        Some(id) => worker.version(id).ok_or_else(|| ApiError::no_version(id))?,
        None => worker.latest().ok_or_else(ApiError::no_worker)?,
    };
    code(&call, version).await
}

/// The modules as multipart; a script in the service-worker format as its text.
pub(super) async fn code(call: &Call, version: &Version) -> Answer {
    let entry = version.content.main_module.as_ref().or(version.content.body_part.as_ref());
    let described = |reply: Reply| {
        let entry = entry.map_or("", String::as_str);
        reply.with_header("cf-entrypoint", entry).with_header("etag", &version.etag)
    };
    if let ([script], None) = (&version.content.modules[..], &version.content.main_module) {
        let text = call.state().blobs().get(&script.blob).await?;
        return Ok(described(Reply::raw(text, "application/javascript")));
    }
    let mut body = Vec::new();
    for module in &version.content.modules {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{0}\"; filename=\"{0}\"\r\n\
             Content-Type: {1}\r\n\r\n",
            module.name.replace('"', "%22"),
            module.content_type
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&call.state().blobs().get(&module.blob).await?);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    Ok(described(Reply::raw(body, &format!("multipart/form-data; boundary={BOUNDARY}"))))
}

/// `PUT S/content`: new code for the same settings.
pub(super) async fn put_content(call: Call, body: Bytes) -> Answer {
    let upload = upload::read(&call.headers, body, "metadata").await?;
    let place = place(&call)?;
    let _turn = call.state().scripts().lock(&place.lock_key()).await;
    let snapshot = call.state().snapshot();
    let worker = place.worker(&snapshot).ok_or_else(ApiError::no_worker)?;
    let latest = worker.latest().ok_or_else(ApiError::no_worker)?;
    let kept = Upload {
        metadata: Metadata::of_content(&latest.content, &upload.metadata),
        parts: upload.parts,
    };
    let prepared = content::from_upload(&call.cx, &place, kept, "upload").await?;
    let nothing = (Metadata::default(), Lifecycle::Keep);
    let answer = commit(&call, &place, prepared, nothing).await?;
    call.cx.workers.changed(&place.account_id);
    Reply::ok(&answer)
}

/// Annotations for a version that no upload made.
pub(super) fn annotations(triggered_by: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("workers/triggered_by".to_owned(), triggered_by.to_owned())])
}
