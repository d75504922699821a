//! How Workers, versions and deployments look on the wire.

use super::{bindings, domains};
use crate::state::{
    model::{Account, Cloud},
    objects::ObjectNamespace,
    worker::{Deployment, Version, Worker},
};
use serde_json::{Map, Value, json};

/// Anything else makes wrangler ask whether the dashboard's changes may be lost.
const DEPLOYED_FROM: &str = "wrangler";

/// An entry of `GET workers/scripts`, and what `PUT S` answers on top of.
pub(super) fn script(worker: &Worker) -> Map<String, Value> {
    let latest = worker.latest();
    let content = latest.map(|version| &version.content);
    let mut shown = object(json!({
        "id": worker.name,
        "tag": worker.id,
        "tags": worker.tags,
        "etag": latest.map(|version| &version.etag),
        "handlers": latest.map(|version| version.handlers.clone()).unwrap_or_default(),
        "named_handlers": latest.map(|version| named_handlers(version)).unwrap_or_default(),
        "modified_on": worker.modified_on.to_string(),
        "created_on": worker.created_on.to_string(),
        "usage_model": "standard",
        "compatibility_date": content.and_then(|content| content.compatibility_date.clone()),
        "compatibility_flags": content.map(|c| c.compatibility_flags.clone()).unwrap_or_default(),
        "last_deployed_from": DEPLOYED_FROM,
        "has_assets": content.is_some_and(|content| content.assets.is_some()),
        "has_modules": content.is_some_and(|content| content.main_module.is_some()),
        "logpush": worker.logpush,
        "tail_consumers": worker.tail_consumers,
        "placement": content.and_then(|content| content.placement.clone()).unwrap_or(json!({})),
    }));
    if let Some(tag) = &worker.migration_tag {
        shown.insert("migration_tag".into(), json!(tag));
    }
    // wrangler writes it into a config as it is, and a config may not say null.
    if let Some(observability) = &worker.observability {
        shown.insert("observability".into(), observability.clone());
    }
    shown
}

/// A version; without `resources` as lists have it.
pub(super) fn version(version: &Version, in_full: bool) -> Value {
    let created = version.created_on.to_string();
    let mut shown = json!({
        "id": version.id,
        "number": version.number,
        "metadata": {
            "created_on": created,
            "modified_on": created,
            "source": version.source,
            "author_id": "local",
            "author_email": "user@clodo.test",
            "hasPreview": version.has_preview,
            "has_preview": version.has_preview,
        },
        "annotations": version.annotations,
    });
    if in_full {
        shown["resources"] = resources(version);
        shown["startup_time_ms"] = json!(version.startup_time_ms);
    }
    shown
}

fn resources(version: &Version) -> Value {
    let content = &version.content;
    let mut runtime = json!({
        "compatibility_date": content.compatibility_date,
        "compatibility_flags": content.compatibility_flags,
        "usage_model": "standard",
        "limits": content.limits.clone().unwrap_or(json!({})),
    });
    if let Some(tag) = &version.migration_tag {
        runtime["migration_tag"] = json!(tag);
    }
    json!({
        "script": {
            "etag": version.etag,
            "handlers": version.handlers,
            "named_handlers": named_handlers(version),
            "last_deployed_from": DEPLOYED_FROM,
            "placement": content.placement,
        },
        "script_runtime": runtime,
        "bindings": content.bindings.iter().map(bindings::shown).collect::<Vec<_>>(),
    })
}

fn named_handlers(version: &Version) -> Vec<Value> {
    let one =
        |(name, handlers): &(String, Vec<String>)| json!({ "name": name, "handlers": handlers });
    version.named_handlers.iter().map(one).collect()
}

pub(super) fn deployment(deployment: &Deployment) -> Value {
    let share = |(id, percentage): &(String, f64)| json!({ "version_id": id, "percentage": number(*percentage) });
    json!({
        "id": deployment.id,
        "source": deployment.source,
        "strategy": "percentage",
        "author_email": "user@clodo.test",
        "created_on": deployment.created_on.to_string(),
        "annotations": deployment.annotations,
        "versions": deployment.versions.iter().map(share).collect::<Vec<_>>(),
    })
}

/// `100`, not `100.0`: some clients compare the text.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && (0.0..=100.0).contains(&value) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        return json!(value as u64);
    }
    json!(value)
}

/// `GET services/{name}`.
pub(super) fn service(worker: &Worker) -> Value {
    let (created, modified) = (worker.created_on.to_string(), worker.modified_on.to_string());
    let environment = json!({
        "environment": "production",
        "created_on": created,
        "modified_on": modified,
        "script": script(worker),
    });
    json!({
        "id": worker.name,
        "default_environment": environment,
        "environments": [environment],
        "created_on": created,
        "modified_on": modified,
    })
}

/// An entry of `GET workers/workers`.
pub(super) fn worker(worker: &Worker, account: &Account, cloud: &Cloud) -> Value {
    let subdomain = &account.profile.subdomain;
    let host = format!("{}.{subdomain}.workers.dev", worker.name.to_ascii_lowercase());
    let own = account.domains.values().filter(|domain| domain.service == worker.name);
    let domains: Vec<Value> = own
        .map(|domain| {
            let mut shown = domains::shown(domain);
            shown["certificate_id"] = shown["cert_id"].take();
            shown
        })
        .collect();
    json!({
        "id": worker.id,
        "name": worker.name,
        "created_on": worker.created_on.to_string(),
        "updated_on": worker.modified_on.to_string(),
        "deployed_on": worker.deployed().map(|deployment| deployment.created_on.to_string()),
        "logpush": worker.logpush,
        "tags": worker.tags,
        "tail_consumers": tail_consumers(worker),
        "observability": worker.observability.clone().unwrap_or(json!({ "enabled": false })),
        "subdomain": {
            "enabled": worker.subdomain.enabled,
            "previews_enabled": worker.subdomain.previews_enabled,
            "url": format!("https://{host}"),
            "preview_url_suffix": format!("-{host}"),
        },
        "references": {
            "workers": referring(worker, account),
            "domains": domains,
            "routes": routes(worker, account, cloud),
            "durable_objects": objects_referenced(worker, account),
            "queues": [],
            "dispatch_namespace_outbounds": [],
        },
    })
}

fn tail_consumers(worker: &Worker) -> Vec<Value> {
    let name = |consumer: &Value| consumer.get("name").or(consumer.get("service")).cloned();
    worker.tail_consumers.iter().filter_map(name).map(|name| json!({ "name": name })).collect()
}

/// Workers whose latest version has a service binding to this one.
fn referring(worker: &Worker, account: &Account) -> Vec<Value> {
    let uses = |other: &&std::sync::Arc<Worker>| {
        let bindings = other.latest().into_iter().flat_map(|version| &version.content.bindings);
        let mut services = bindings.filter(|binding| binding["type"] == "service");
        other.name != worker.name
            && services.any(|binding| binding["service"] == worker.name.as_str())
    };
    let found = account.workers.values().filter(uses);
    found.map(|other| json!({ "id": other.id, "name": other.name })).collect()
}

fn routes(worker: &Worker, account: &Account, cloud: &Cloud) -> Vec<Value> {
    let zones = cloud.zones_of(account.id());
    let own = zones.flat_map(|zone| zone.routes.iter().map(move |route| (zone, route)));
    own.filter(|(_, route)| route.script.as_deref() == Some(worker.name.as_str()))
        .map(|(zone, route)| {
            json!({ "id": route.id, "pattern": route.pattern, "zone_id": zone.id, "zone_name": zone.name })
        })
        .collect()
}

/// This Worker's objects and which other Workers bind them.
fn bound<'a>(
    worker: &'a Worker,
    account: &'a Account,
) -> impl Iterator<Item = (&'a ObjectNamespace, String)> {
    let own = account.objects.values().filter(|space| space.script == worker.name);
    own.flat_map(|space| account.binders(space).into_iter().map(move |name| (&**space, name)))
}

fn objects_bound(worker: &Worker, account: &Account) -> Vec<Value> {
    let one = |(space, name): (&ObjectNamespace, String)| {
        json!({
            "service": name,
            "environment": "production",
            "durable_object_namespace_id": space.id,
            "durable_object_namespace_name": space.name(),
        })
    };
    bound(worker, account).map(one).collect()
}

fn objects_referenced(worker: &Worker, account: &Account) -> Vec<Value> {
    let one = |(space, name): (&ObjectNamespace, String)| {
        json!({
            "namespace_id": space.id,
            "namespace_name": space.name(),
            "worker_id": account.workers.get(&name).map(|worker| &worker.id),
            "worker_name": name,
        })
    };
    bound(worker, account).map(one).collect()
}

/// `GET S/references`: who needs this Worker.
pub(super) fn references(worker: &Worker, account: &Account) -> Value {
    let incoming: Vec<Value> = referring(worker, account)
        .into_iter()
        .map(|other| {
            json!({ "name": other["name"], "service": other["name"], "environment": "production" })
        })
        .collect();
    let bindings = worker.latest().into_iter().flat_map(|version| &version.content.bindings);
    let outgoing: Vec<Value> = bindings
        .filter(|binding| binding["type"] == "service")
        .map(|binding| {
            json!({ "name": binding["name"], "service": binding["service"], "environment": "production" })
        })
        .collect();
    json!({
        "services": { "incoming": incoming, "outgoing": outgoing, "pages_function": false },
        "durable_objects": objects_bound(worker, account),
        "dispatch_outbounds": [],
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
