//! From a stored version to what the runtime needs.

use super::{
    blobs::Blobs,
    error::StateError,
    model::{Account, Asset},
    objects::ObjectNamespace,
    worker::{Assets, Content, Module, Version},
};
use bytes::Bytes;
use clodo_types::Secret;
use clodo_workerd::{
    AssetEntry, Objects, PartKind, RunWorkerFirst, ServedAssets, ServedBinding, ServedModule,
    ServedNamespace, ServedVersion,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Source maps are kept for the user, not for the runtime.
const SOURCE_MAP: &str = "application/source-map";

/// What identifies a version to the runtime beside its content.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) script: String,
    pub(crate) version_id: String,
    pub(crate) tag: Option<String>,
    pub(crate) created_on: String,
}

impl Label {
    pub(crate) fn of(version: &Version) -> Self {
        Self {
            script: version.script.clone(),
            version_id: version.id.clone(),
            tag: version.tag().map(str::to_owned),
            created_on: version.created_on.to_string(),
        }
    }
}

/// The account's Durable Objects.
pub(crate) fn objects(account: &Account) -> Objects {
    let one = |space: &Arc<ObjectNamespace>| ServedNamespace {
        id: space.id.clone(),
        script: space.script.clone(),
        class_name: space.class.clone(),
        sqlite: space.sqlite,
    };
    Objects {
        namespaces: account.objects.values().map(one).collect(),
        deleted: account.deleted_objects.keys().cloned().collect(),
    }
}

/// Reads the modules' bodies and puts everything together.
pub(crate) fn load(
    version: &Version,
    assets: &BTreeMap<String, Arc<Asset>>,
    blobs: &Blobs,
) -> Result<ServedVersion, StateError> {
    let body = |module: &Module| blobs.get_now(&module.blob);
    let wanted = version.content.modules.iter().filter(|module| is_code(&module.content_type));
    let modules = wanted
        .map(|module| Ok(served_module(&module.name, &module.content_type, body(module)?)))
        .collect::<Result<_, StateError>>()?;
    Ok(assemble(Label::of(version), &version.content, modules, assets))
}

/// False for what the runtime must not see.
pub(crate) fn is_code(content_type: &str) -> bool {
    content_type != SOURCE_MAP
}

pub(crate) fn served_module(name: &str, content_type: &str, body: Bytes) -> ServedModule {
    ServedModule { name: name.to_owned(), content_type: content_type.to_owned(), body }
}

/// Puts a version together from its parts.
pub(crate) fn assemble(
    label: Label,
    content: &Content,
    modules: Vec<ServedModule>,
    assets: &BTreeMap<String, Arc<Asset>>,
) -> ServedVersion {
    ServedVersion {
        script: label.script,
        version_id: label.version_id,
        tag: label.tag,
        created_on: label.created_on,
        main_module: content.main_module.clone(),
        modules,
        compatibility_date: content.compatibility_date.clone(),
        compatibility_flags: content.compatibility_flags.clone(),
        bindings: content.bindings.iter().filter_map(binding).collect(),
        assets: content.assets.as_ref().map(|own| Arc::new(served_assets(own, assets))),
        body_part: content.body_part.clone(),
    }
}

fn served_assets(own: &Assets, known: &BTreeMap<String, Arc<Asset>>) -> ServedAssets {
    let text = |key: &str| own.config[key].as_str().map(str::to_owned);
    let entry = |hash: &String| {
        let asset = known.get(hash);
        AssetEntry {
            hash: hash.clone(),
            content_type: asset.and_then(|asset| asset.content_type.clone()),
            size: asset.map_or(0, |asset| asset.size),
        }
    };
    let run_worker_first = match &own.config["run_worker_first"] {
        Value::Array(paths) => RunWorkerFirst::Paths(
            paths.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        ),
        other => RunWorkerFirst::Always(other.as_bool().unwrap_or(false)),
    };
    ServedAssets {
        files: own.files.iter().map(|(path, hash)| (path.clone(), entry(hash))).collect(),
        html_handling: text("html_handling"),
        not_found_handling: text("not_found_handling"),
        run_worker_first,
        headers: text("_headers"),
        redirects: text("_redirects"),
    }
}

fn binding(wire: &Value) -> Option<(String, ServedBinding)> {
    let text = |key: &str| wire[key].as_str().unwrap_or_default().to_owned();
    let maybe = |key: &str| wire[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let kind = wire["type"].as_str()?;
    let served = match kind {
        "plain_text" => ServedBinding::Text(text("text")),
        "json" => ServedBinding::Json(wire["json"].clone()),
        "secret_text" => ServedBinding::Secret(Secret::new(text("text"))),
        "kv_namespace" => ServedBinding::Kv { namespace_id: text("namespace_id") },
        "d1" => ServedBinding::D1 { database_id: maybe("id").or(maybe("database_id"))? },
        "r2_bucket" => ServedBinding::R2 { bucket: text("bucket_name") },
        "service" => ServedBinding::Service {
            script: text("service"),
            entrypoint: maybe("entrypoint"),
            props: wire.get("props").filter(|props| !props.is_null()).cloned(),
        },
        "assets" => ServedBinding::Assets,
        "version_metadata" => ServedBinding::VersionMetadata,
        "durable_object_namespace" => ServedBinding::DurableObject {
            class_name: text("class_name"),
            script_name: maybe("script_name"),
            namespace_id: maybe("namespace_id"),
        },
        "queue" => ServedBinding::Queue {
            queue_id: text("queue_id"),
            delivery_delay: wire["delivery_delay"].as_u64().and_then(|d| u32::try_from(d).ok()),
        },
        "analytics_engine" => ServedBinding::AnalyticsEngine {
            dataset: maybe("dataset").unwrap_or_else(|| text("name")),
        },
        "ratelimit" => rate_limit(wire)?,
        "workflow" => ServedBinding::Workflow { name: text("workflow_name") },
        "wasm_module" => ServedBinding::Part { kind: PartKind::Wasm, part: text("part") },
        "text_blob" => ServedBinding::Part { kind: PartKind::Text, part: text("part") },
        "data_blob" => ServedBinding::Part { kind: PartKind::Data, part: text("part") },
        other => ServedBinding::Unsupported { kind: other.to_owned() },
    };
    Some((text("name"), served))
}

/// `None` if it is not one that an upload may have.
pub(crate) fn rate_limit(wire: &Value) -> Option<ServedBinding> {
    let id = &wire["namespace_id"];
    let namespace_id = id.as_u64().or_else(|| id.as_str()?.parse().ok())?;
    let number = |key: &str| u32::try_from(wire["simple"][key].as_u64()?).ok();
    let (limit, period) = (number("limit")?, number("period")?);
    let fits = namespace_id > 0 && limit > 0 && matches!(period, 10 | 60);
    fits.then_some(ServedBinding::RateLimit { namespace_id, limit, period })
}
