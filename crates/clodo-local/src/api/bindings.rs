//! The bindings of a new version: what was sent, what is inherited, and whether it exists.

use super::{error::ApiError, upload::Metadata};
use crate::state::{
    model::Account,
    served::rate_limit,
    worker::{Version, Worker},
};
use clodo_storage::DatasetName;
use clodo_types::WorkflowName;
use serde_json::Value;
use std::collections::BTreeSet;

/// From where bindings may be taken over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) account: &'a Account,
    pub(super) worker: Option<&'a Worker>,
    /// `bindings_inherit=strict`: a binding that cannot be inherited is an error.
    pub(super) strict: bool,
}

impl<'a> Origin<'a> {
    fn latest(&self) -> Option<&'a Version> {
        self.worker.and_then(Worker::latest).map(AsRef::as_ref)
    }

    fn binding(&self, wire: &Value) -> Option<Value> {
        let version = match wire["version_id"].as_str() {
            Some(id) => self.worker?.version(id).map(AsRef::as_ref)?,
            None => self.latest()?,
        };
        let name = wire["name"].as_str()?;
        let mut found = find(version, wire["old_name"].as_str().unwrap_or(name))?.clone();
        found["name"] = wire["name"].clone();
        Some(found)
    }
}

fn find<'a>(version: &'a Version, name: &str) -> Option<&'a Value> {
    version.content.bindings.iter().find(|binding| binding["name"] == name)
}

/// The full list, `inherit` and `keep_bindings` resolved.
pub(super) fn resolve(metadata: &Metadata, from: Origin<'_>) -> Result<Vec<Value>, ApiError> {
    let mut bindings = Vec::new();
    for wire in metadata.list("bindings").into_iter().flatten() {
        if let Some(binding) = resolved(wire, from)? {
            bindings.push(binding);
        }
    }
    let mut names: BTreeSet<String> = bindings.iter().map(name_of).collect();
    if names.len() < bindings.len() {
        return Err(ApiError::bad_request(10052, "Two bindings have the same name."));
    }
    let kept = metadata.texts("keep_bindings").unwrap_or_default();
    for old in from.latest().into_iter().flat_map(|version| &version.content.bindings) {
        let wanted = kept.iter().any(|kind| old["type"] == kind.as_str());
        if wanted && names.insert(name_of(old)) {
            bindings.push(old.clone());
        }
    }
    bindings.iter().try_for_each(shape)?;
    bindings.iter().try_for_each(|binding| exists(binding, from))?;
    bindings.iter_mut().try_for_each(|binding| point_at_queue(binding, from.account))?;
    Ok(bindings)
}

fn resolved(wire: &Value, from: Origin<'_>) -> Result<Option<Value>, ApiError> {
    let kind = wire["type"].as_str().unwrap_or_default();
    if name_of(wire).is_empty() || kind.is_empty() {
        return Err(ApiError::bad_request(10054, "A binding needs a name and a type."));
    }
    // `PATCH settings` names what it keeps by name and type alone.
    let bare = wire.as_object().is_some_and(|fields| fields.len() == 2);
    let nameless = bare && !matches!(kind, "assets" | "version_metadata" | "ai" | "inherit");
    if kind != "inherit" && !nameless {
        return Ok(Some(wire.clone()));
    }
    match from.binding(wire) {
        Some(binding) => Ok(Some(binding)),
        // Its dataset may be left out.
        None if kind == "analytics_engine" => Ok(Some(wire.clone())),
        None if kind == "secret_text" => Err(ApiError::bad_request(
            10056,
            format!("The secret '{}' does not exist and no text was given.", name_of(wire)),
        )),
        None if from.strict || nameless => Err(ApiError::bad_request(
            10057,
            format!(
                "The binding '{}' is to be inherited, but the latest version has none of that name.",
                name_of(wire)
            ),
        )),
        None => Ok(None),
    }
}

/// Refuses what cannot be run.
fn shape(binding: &Value) -> Result<(), ApiError> {
    let why = match binding["type"].as_str().unwrap_or_default() {
        "ratelimit" if rate_limit(binding).is_none() => {
            "needs a namespace_id above 0, a limit above 0 and a period of 10 or 60 seconds"
        }
        "workflow" if !is_workflow(&binding["workflow_name"]) => {
            "needs a workflow_name of 1 to 64 letters, digits, `-` and `_`"
        }
        "analytics_engine" if !is_dataset(dataset_of(binding)) => {
            "needs a dataset whose name has 1 to 100 letters, digits, `_` and `-`"
        }
        _ => return Ok(()),
    };
    let message = format!("The binding '{}' {why}.", name_of(binding));
    Err(ApiError::bad_request(10021, message))
}

/// Without a name of its own a dataset has that of the binding.
fn dataset_of(binding: &Value) -> &Value {
    if binding["dataset"].is_null() { &binding["name"] } else { &binding["dataset"] }
}

fn is_dataset(name: &Value) -> bool {
    name.as_str().is_some_and(|name| name.parse::<DatasetName>().is_ok())
}

fn is_workflow(name: &Value) -> bool {
    name.as_str().is_some_and(|name| name.parse::<WorkflowName>().is_ok())
}

/// Refuses what points at nothing, as Cloudflare does.
fn exists(binding: &Value, from: Origin<'_>) -> Result<(), ApiError> {
    let text = |key: &str| binding[key].as_str().unwrap_or_default();
    let (account, name) = (from.account, name_of(binding));
    let (known, code, what) = match text("type") {
        "kv_namespace" => {
            let id = text("namespace_id");
            (account.namespaces.contains_key(id), 10041, format!("KV namespace '{id}'"))
        }
        "d1" => {
            let id = if text("id").is_empty() { text("database_id") } else { text("id") };
            (account.databases.contains_key(id), 10181, format!("D1 database '{id}'"))
        }
        "r2_bucket" => {
            let bucket = text("bucket_name");
            (account.buckets.contains_key(bucket), 10085, format!("R2 bucket '{bucket}'"))
        }
        "service" => {
            let service = text("service");
            let own = from.worker.is_some_and(|worker| worker.name == service);
            let known = own || account.workers.contains_key(service);
            (known, 10143, format!("Worker '{service}'"))
        }
        _ => return Ok(()),
    };
    if known {
        return Ok(());
    }
    let message = format!("The binding '{name}' refers to the {what}, which was not found.");
    Err(ApiError::bad_request(code, message))
}

/// A version goes on sending to the queue that it was made for, whatever that is called later.
fn point_at_queue(binding: &mut Value, account: &Account) -> Result<(), ApiError> {
    if binding["type"] != "queue" {
        return Ok(());
    }
    let queue = binding["queue_name"].as_str().unwrap_or_default();
    if queue.is_empty() {
        let name = name_of(binding);
        let message = format!("binding {name} of type queue must have a queue specified");
        return Err(ApiError::bad_request(10021, message));
    }
    let found = account.queue_by_name(queue).ok_or_else(|| {
        let message = format!("Queue \"{queue}\" does not exist.");
        ApiError::bad_request(11000, message)
    })?;
    binding["queue_id"] = Value::from(found.id.as_str());
    Ok(())
}

fn name_of(binding: &Value) -> String {
    binding["name"].as_str().unwrap_or_default().to_owned()
}

/// A binding as it may leave the house: without the text of a secret.
pub(super) fn shown(binding: &Value) -> Value {
    let mut shown = binding.clone();
    if let Some(fields) = shown.as_object_mut()
        && binding["type"] == "queue"
    {
        fields.remove("queue_id");
    }
    if is_secret(binding)
        && let Some(fields) = shown.as_object_mut()
    {
        fields.retain(|key, _| key == "name" || key == "type");
    }
    shown
}

pub(super) fn is_secret(binding: &Value) -> bool {
    matches!(binding["type"].as_str(), Some("secret_text" | "secret_key"))
}
