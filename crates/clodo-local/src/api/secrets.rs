//! Secrets of a Worker: each change is a new version with all traffic. Values never come back.

use super::{
    bindings,
    call::{Call, json as read_json},
    content::{self, Place},
    durable_objects::{self, Lifecycle},
    error::ApiError,
    reply::{Answer, Reply},
    scripts,
};
use crate::state::worker::{Content, Worker};
use bytes::Bytes;
use clodo_types::SecretName;
use serde_json::{Map, Value, json};

/// `GET S/secrets`
pub(super) async fn list(call: Call) -> Answer {
    let latest = call.worker()?.latest();
    let bindings = latest.into_iter().flat_map(|version| &version.content.bindings);
    let found: Vec<Value> =
        bindings.filter(|binding| bindings::is_secret(binding)).map(bindings::shown).collect();
    Reply::ok(&found)
}

/// `GET S/secrets/{secret}`
pub(super) async fn get(call: Call) -> Answer {
    let (worker, name) = (call.worker()?, call.params.get("secret")?);
    let latest = worker.latest().into_iter().flat_map(|version| &version.content.bindings);
    let mut found =
        latest.filter(|binding| bindings::is_secret(binding) && binding["name"] == name);
    Reply::ok(&bindings::shown(found.next().ok_or_else(missing)?))
}

/// `PUT S/secrets`
pub(super) async fn put(call: Call, body: Bytes) -> Answer {
    let wire: Map<String, Value> = read_json(&body)?;
    let secret = checked(Value::Object(wire))?;
    let shown = bindings::shown(&secret);
    change(&call, move |content| set(content, secret)).await?;
    Reply::ok(&shown)
}

/// `DELETE S/secrets/{secret}`
pub(super) async fn delete(call: Call) -> Answer {
    let name = call.params.get("secret")?.to_owned();
    change(&call, move |content| remove(content, &name)).await?;
    Reply::nothing()
}

/// `PATCH S/secrets-bulk`: a merge patch; `null` removes.
pub(super) async fn bulk(call: Call, body: Bytes) -> Answer {
    let patch: Value = read_json(&body)?;
    let wanted = patch["secrets"].as_object().cloned();
    let wanted = wanted.ok_or_else(|| ApiError::bad_body("`secrets` must be an object"))?;
    let mut put = Vec::new();
    let mut gone = Vec::new();
    for (name, value) in wanted {
        match value {
            Value::Null => gone.push(name),
            Value::Object(mut fields) => {
                fields.insert("name".into(), json!(name));
                put.push(checked(Value::Object(fields))?);
            }
            _ => return Err(ApiError::bad_body(format!("`{name}` must be an object or null"))),
        }
    }
    change(&call, move |content| {
        for name in gone {
            // A merge patch that removes what is not there has nothing to do.
            let _ = remove(content, &name);
        }
        put.into_iter().try_for_each(|secret| set(content, secret))
    })
    .await?;
    let snapshot = call.state().snapshot();
    let account = snapshot.cloud.accounts.get(&call.account_id()?);
    let worker = account.and_then(|account| account.workers.get(&call.script_name().ok()?));
    let all = worker.and_then(|worker| worker.latest()).map(|version| &version.content.bindings);
    let secrets = all.into_iter().flatten().filter(|binding| bindings::is_secret(binding));
    Reply::ok(&secrets.map(bindings::shown).collect::<Vec<_>>())
}

fn checked(mut secret: Value) -> Result<Value, ApiError> {
    let name = secret["name"].as_str().unwrap_or_default().to_owned();
    if name.parse::<SecretName>().is_err() {
        return Err(ApiError::bad_request(10054, format!("`{name}` is not a valid secret name.")));
    }
    if secret["type"].is_null() {
        secret["type"] = json!("secret_text");
    }
    if secret["type"] == "secret_text" && !secret["text"].is_string() {
        return Err(ApiError::bad_request(10054, format!("The secret `{name}` has no text.")));
    }
    Ok(secret)
}

fn set(content: &mut Content, secret: Value) -> Result<(), ApiError> {
    let known = content.bindings.iter_mut().find(|binding| binding["name"] == secret["name"]);
    match known {
        Some(known) if !bindings::is_secret(known) => {
            let message = format!(
                "Binding name '{}' already in use. Please use a different name and try again.",
                secret["name"].as_str().unwrap_or_default()
            );
            return Err(ApiError::bad_request(10053, message));
        }
        Some(known) => *known = secret,
        None => content.bindings.push(secret),
    }
    Ok(())
}

fn remove(content: &mut Content, name: &str) -> Result<(), ApiError> {
    let before = content.bindings.len();
    content.bindings.retain(|binding| !bindings::is_secret(binding) || binding["name"] != name);
    if content.bindings.len() == before { Err(missing()) } else { Ok(()) }
}

/// A version of the latest code with other secrets, deployed at once.
async fn change(
    call: &Call,
    work: impl FnOnce(&mut Content) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    call.worker()?;
    let place = Place {
        account_id: call.account_id()?,
        script: call.script_name()?,
        source: call.source(),
        strict: true,
    };
    change_content(call, &place, "secret", work).await
}

/// A version of the latest code with other settings, deployed at once. Refused while the newest
/// version is not the one with the traffic: its settings would go live unseen.
pub(super) async fn change_content(
    call: &Call,
    place: &Place,
    triggered_by: &str,
    work: impl FnOnce(&mut Content) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let _turn = call.state().scripts().lock(&place.lock_key()).await;
    let snapshot = call.state().snapshot();
    let worker = place.worker(&snapshot).ok_or_else(ApiError::no_worker)?;
    let latest = worker.latest().ok_or_else(ApiError::no_worker)?;
    refuse_hidden(worker)?;
    let mut content = latest.content.clone();
    work(&mut content)?;
    let annotations = scripts::annotations(triggered_by);
    let prepared = content::from_version(&call.cx, place, latest, content, annotations).await?;
    let (account_id, target) = (place.account_id.clone(), place.clone());
    let done: Result<(), ApiError> = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let keep = Lifecycle::Keep;
            let added = durable_objects::add_version(account, &target, prepared, &keep, now)?;
            let worker = account.worker_mut(&target.script).ok_or_else(ApiError::no_worker)?;
            scripts::deploy_alone(worker, &added.version, now);
            Ok(())
        })
        .await;
    done?;
    call.cx.workers.changed(&place.account_id);
    Ok(())
}

fn refuse_hidden(worker: &Worker) -> Result<(), ApiError> {
    match worker.latest() {
        Some(latest) if worker.is_live(&latest.id) => Ok(()),
        _ => Err(ApiError::bad_request(
            10215,
            "Secret edit failed. You attempted to modify a secret, but the latest version of your \
             Worker isn't currently deployed. Please ensure that the latest version of your Worker \
             is fully deployed before modifying secrets, or create a new version with the secret.",
        )),
    }
}

fn missing() -> ApiError {
    ApiError::not_found(10056, "This secret does not exist.")
}
