use crate::{
    inspected::{BoundTo, InspectedVersion},
    observed::{AccountScope, ObservedAccount},
    trigger::WorkerRef,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a secret is called among bindings.
pub(super) const SECRET: &str = "a secret";

/// Bindings by name, each as a person reads it.
pub(super) type Bindings = BTreeMap<String, String>;

/// The bindings that a configuration asks for.
pub(super) fn expected(config: &Value, account: &ObservedAccount) -> Bindings {
    let mut bindings = Bindings::new();
    let fields = |key: &str| config.get(key).and_then(Value::as_object).into_iter().flatten();
    let mut put = |name: &str, text: String| bindings.insert(name.to_owned(), text);
    for (name, value) in fields("vars") {
        put(name, var(value));
    }
    for name in config.get("secrets").and_then(Value::as_array).into_iter().flatten() {
        put(text(name), SECRET.to_owned());
    }
    for (name, database) in fields("d1_databases") {
        put(name, resource("database", text(database), &database_names(account)));
    }
    for (name, namespace) in fields("kv_namespaces") {
        put(name, resource("KV namespace", text(namespace), &namespace_titles(account)));
    }
    for (name, bucket) in fields("r2_buckets") {
        put(name, bucket_text(text(&bucket["name"]), bucket["jurisdiction"].as_str()));
    }
    for (name, queue) in fields("queues") {
        put(name, format!("queue {}", text(queue)));
    }
    for (name, workflow) in fields("workflows") {
        put(name, workflow_text(text(&workflow["name"]), workflow["worker"].as_str()));
    }
    for (name, binding) in fields("bindings") {
        put(name, text(&binding["type"]).to_owned());
    }
    for (name, service) in fields("services") {
        put(name, worker_text(text(&service["worker"]), service["entrypoint"].as_str()));
    }
    for (name, object) in fields("durable_objects") {
        put(name, object_text(text(&object["class_name"]), object["worker"].as_str()));
    }
    for (key, what) in [("version_metadata", VERSION_METADATA), ("assets_binding", ASSETS)] {
        if let Some(name) = config.get(key).and_then(Value::as_str) {
            put(name, what.to_owned());
        }
    }
    bindings
}

/// The bindings that a version has.
pub(super) fn found(
    version: &InspectedVersion,
    worker: &WorkerRef,
    account: &ObservedAccount,
) -> Bindings {
    let shown = |bound: &BoundTo| match bound {
        BoundTo::Var(value) => var(value),
        BoundTo::Secret => SECRET.to_owned(),
        BoundTo::Database(id) => {
            resource("database", &format!("{ID}{id}"), &database_names(account))
        }
        BoundTo::Namespace(id) => {
            resource("KV namespace", &format!("{ID}{id}"), &namespace_titles(account))
        }
        BoundTo::Bucket { name, jurisdiction } => {
            bucket_text(name.as_str(), jurisdiction.as_deref())
        }
        BoundTo::Queue(name) => format!("queue {name}"),
        BoundTo::Workflow { name, worker: holder } => {
            let holder = holder.as_ref().filter(|holder| **holder != worker.worker);
            workflow_text(name.as_str(), holder.map(|holder| holder.as_str()))
        }
        BoundTo::Worker { worker, entrypoint } => {
            worker_text(worker.as_str(), entrypoint.as_deref())
        }
        BoundTo::DurableObject { class_name, worker: holder } => {
            let holder = holder.as_ref().filter(|holder| **holder != worker.worker);
            object_text(class_name, holder.map(|holder| holder.as_str()))
        }
        BoundTo::VersionMetadata => VERSION_METADATA.to_owned(),
        BoundTo::Assets => ASSETS.to_owned(),
        BoundTo::Other(kind) => kind.clone(),
    };
    version.bindings.iter().map(|(name, bound)| (name.clone(), shown(bound))).collect()
}

/// Whether a listing lacks something that a configuration asks for: a database, a namespace, a bucket
/// or a Worker.
pub(super) fn lacks(config: &Value, account: &ObservedAccount, listed: &AccountScope) -> bool {
    let fields = |key: &str| config.get(key).and_then(Value::as_object).into_iter().flatten();
    let database = |shown: &str| match shown.strip_prefix(ID) {
        Some(id) => account.databases.values().any(|known| known.id.to_string() == id),
        None => account.databases.keys().any(|name| name.as_str() == shown),
    };
    let namespace = |shown: &str| match shown.strip_prefix(ID) {
        Some(id) => account.namespaces.values().any(|known| known.to_string() == id),
        None => account.namespaces.keys().any(|title| title.as_str() == shown),
    };
    // A bucket of a jurisdiction stands in no listing.
    let bucket = |one: &Value| {
        let name = text(&one["name"]);
        one["jurisdiction"].is_string()
            || account.buckets.iter().any(|known| known.as_str() == name)
    };
    let worker = |one: &Value| {
        let name = one["worker"].as_str();
        name.is_none_or(|name| account.workers.keys().any(|known| known.as_str() == name))
    };
    (listed.databases && !fields("d1_databases").all(|(_, one)| database(text(one))))
        || (listed.namespaces && !fields("kv_namespaces").all(|(_, one)| namespace(text(one))))
        || (listed.buckets && !fields("r2_buckets").all(|(_, one)| bucket(one)))
        || !fields("services").chain(fields("durable_objects")).all(|(_, one)| worker(one))
}

const ID: &str = "id:";
const VERSION_METADATA: &str = "the version's metadata";
const ASSETS: &str = "the assets";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn var(value: &Value) -> String {
    format!("variable {}", crate::config::short(value))
}

/// A resource by its name if that is known, else by its id.
fn resource(what: &str, shown: &str, names: &Map<String, Value>) -> String {
    let name = shown.strip_prefix(ID).and_then(|id| names.get(id)?.as_str());
    format!("{what} {}", name.unwrap_or(shown))
}

fn database_names(account: &ObservedAccount) -> Map<String, Value> {
    let known = account.databases.iter();
    known.map(|(name, known)| (known.id.to_string(), name.as_str().into())).collect()
}

fn namespace_titles(account: &ObservedAccount) -> Map<String, Value> {
    let known = account.namespaces.iter();
    known.map(|(title, id)| (id.to_string(), title.as_str().into())).collect()
}

fn bucket_text(name: &str, jurisdiction: Option<&str>) -> String {
    match jurisdiction {
        Some(jurisdiction) => format!("bucket {name} ({jurisdiction})"),
        None => format!("bucket {name}"),
    }
}

fn worker_text(worker: &str, entrypoint: Option<&str>) -> String {
    match entrypoint {
        Some(entrypoint) => format!("worker {worker}, entrypoint {entrypoint}"),
        None => format!("worker {worker}"),
    }
}

fn workflow_text(name: &str, worker: Option<&str>) -> String {
    match worker {
        Some(worker) => format!("Workflow {name} of {worker}"),
        None => format!("Workflow {name}"),
    }
}

fn object_text(class: &str, worker: Option<&str>) -> String {
    match worker {
        Some(worker) => format!("Durable Object {class} of {worker}"),
        None => format!("Durable Object {class}"),
    }
}
