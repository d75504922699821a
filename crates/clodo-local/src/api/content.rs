//! From an upload to a version: resolve, validate, store.

use super::{
    ApiContext, assets, bindings,
    bindings::Origin,
    error::ApiError,
    upload::{Metadata, Upload},
};
use crate::limits;
use crate::state::{
    Snapshot,
    ids::{Moment, random_uuid, sha256},
    model::Account,
    served::{Label, assemble, is_code, served_module},
    worker::{Content, Module, NewVersion, Version, Worker},
};
use bytes::Bytes;
use clodo_workerd::Handlers;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// What is uploaded to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) account_id: String,
    pub(super) script: String,
    pub(super) source: String,
    pub(super) strict: bool,
}

impl Place {
    pub(super) fn account<'a>(&self, snapshot: &'a Snapshot) -> Result<&'a Arc<Account>, ApiError> {
        snapshot.cloud.accounts.get(&self.account_id).ok_or_else(ApiError::forbidden)
    }

    pub(super) fn worker<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Arc<Worker>> {
        snapshot.cloud.accounts.get(&self.account_id)?.workers.get(&self.script)
    }

    /// The key under which everything that is done to this script takes turns.
    pub(super) fn lock_key(&self) -> String {
        format!("{}/{}", self.account_id, self.script)
    }
}

/// A version that may be added: its code runs and its bodies are on disk.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) content: Content,
    pub(super) handlers: Handlers,
    pub(super) etag: String,
    pub(super) version_id: String,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Prepared {
    /// Whether the default export has this handler.
    pub(super) fn handles(&self, event: &str) -> bool {
        self.handlers.handlers.iter().any(|handler| handler == event)
    }

    pub(super) fn into_new(self, source: &str, now: Moment) -> NewVersion {
        NewVersion {
            id: self.version_id,
            now,
            source: source.to_owned(),
            etag: self.etag,
            annotations: self.annotations,
            content: self.content,
            handlers: self.handlers,
        }
    }
}

/// Prepares a version from a full upload. The caller holds the script's lock.
pub(super) async fn from_upload(
    cx: &ApiContext,
    place: &Place,
    upload: Upload,
    triggered_by: &str,
) -> Result<Prepared, ApiError> {
    let snapshot = cx.state.snapshot();
    let account = place.account(&snapshot)?;
    let worker = place.worker(&snapshot).map(AsRef::as_ref);
    let metadata = &upload.metadata;
    let mut content = Content {
        main_module: metadata.text("main_module"),
        body_part: metadata.text("body_part"),
        compatibility_date: metadata.text("compatibility_date"),
        compatibility_flags: metadata.texts("compatibility_flags").unwrap_or_default(),
        bindings: bindings::resolve(metadata, Origin { account, worker, strict: place.strict })?,
        assets: assets::of_upload(cx, place, metadata).await?,
        limits: metadata.value("limits").cloned(),
        placement: metadata.value("placement").cloned(),
        exports: metadata.value("exports").cloned(),
        modules: Vec::new(),
    };
    check_entry(&content, &upload)?;
    check_parts(&content, &upload)?;
    let bodies: Vec<Bytes> = upload.parts.iter().map(|part| part.body.clone()).collect();
    if let Some(plan) = cx.budgets.limits().plan {
        limits::check_upload(plan, &content.bindings, &bodies)?;
    }
    content.modules = upload
        .parts
        .iter()
        .map(|part| Module {
            name: part.name.clone(),
            content_type: part.content_type.clone(),
            blob: sha256(&part.body),
            size: part.body.len() as u64,
        })
        .collect();
    let annotations = annotated(metadata, triggered_by);
    let mut prepared = tried(cx, place, content, &bodies, annotations).await?;
    store(cx, &mut prepared, bodies).await?;
    Ok(prepared)
}

/// Prepares a version that has another one's code. The caller holds the script's lock.
pub(super) async fn from_version(
    cx: &ApiContext,
    place: &Place,
    base: &Version,
    content: Content,
    annotations: BTreeMap<String, String>,
) -> Result<Prepared, ApiError> {
    let mut bodies = Vec::new();
    for module in &base.content.modules {
        bodies.push(cx.state.blobs().get(&module.blob).await?);
    }
    tried(cx, place, content, &bodies, annotations).await
}

fn annotated(metadata: &Metadata, triggered_by: &str) -> BTreeMap<String, String> {
    let mut annotations = metadata.annotations();
    annotations.entry("workers/triggered_by".to_owned()).or_insert_with(|| triggered_by.to_owned());
    annotations
}

/// Runs the code once, apart from everything live.
async fn tried(
    cx: &ApiContext,
    place: &Place,
    content: Content,
    bodies: &[Bytes],
    annotations: BTreeMap<String, String>,
) -> Result<Prepared, ApiError> {
    let version_id = random_uuid();
    let etag = etag(&content);
    if content.modules.is_empty() {
        // Only assets: there is no code that could fail.
        let handlers = Handlers::default();
        return Ok(Prepared { content, handlers, etag, version_id, annotations });
    }
    let pairs = content.modules.iter().zip(bodies);
    let code = pairs.filter(|(module, _)| is_code(&module.content_type));
    let modules = code
        .map(|(module, body)| served_module(&module.name, &module.content_type, body.clone()))
        .collect();
    let label = Label {
        script: place.script.clone(),
        version_id: version_id.clone(),
        tag: annotations.get("workers/tag").cloned(),
        created_on: cx.state.now().to_string(),
    };
    let snapshot = cx.state.snapshot();
    let served = assemble(label, &content, modules, &place.account(&snapshot)?.assets);
    let handlers = cx.workers.validate(&served).await?;
    if let Some(plan) = cx.budgets.limits().plan {
        limits::check_startup(plan, handlers.startup_time_ms)?;
    }
    Ok(Prepared { content, handlers, etag, version_id, annotations })
}

async fn store(
    cx: &ApiContext,
    prepared: &mut Prepared,
    bodies: Vec<Bytes>,
) -> Result<(), ApiError> {
    let names = cx.state.blobs().put(bodies).await?;
    for (module, name) in prepared.content.modules.iter_mut().zip(names) {
        module.blob = name;
    }
    Ok(())
}

fn check_entry(content: &Content, upload: &Upload) -> Result<(), ApiError> {
    let entry = content.main_module.as_ref().or(content.body_part.as_ref());
    match entry {
        Some(entry) if upload.parts.iter().any(|part| part.name == *entry) => Ok(()),
        Some(entry) => Err(ApiError::bad_request(
            10021,
            format!("Uncaught Error: No such module \"{entry}\".\n"),
        )),
        None if upload.parts.is_empty() && content.assets.is_some() => Ok(()),
        None => Err(ApiError::bad_request(
            10021,
            "The uploaded Worker has neither `main_module` nor `body_part`, and no assets.",
        )),
    }
}

/// Bindings whose value is a part of the upload.
fn check_parts(content: &Content, upload: &Upload) -> Result<(), ApiError> {
    let kinds = ["wasm_module", "text_blob", "data_blob"];
    for binding in &content.bindings {
        let part = binding["part"].as_str().unwrap_or_default();
        let needs = kinds.iter().any(|kind| binding["type"] == *kind);
        if needs && !upload.parts.iter().any(|sent| sent.name == part) {
            let message = format!(
                "The binding '{}' refers to the part '{part}', which was not uploaded.",
                binding["name"].as_str().unwrap_or_default()
            );
            return Err(ApiError::bad_request(10021, message));
        }
    }
    Ok(())
}

/// Changes when the code or its settings change; says nothing about secrets.
fn etag(content: &Content) -> String {
    let mut text = String::new();
    for module in &content.modules {
        text.push_str(&format!("{} {} {}\n", module.name, module.content_type, module.blob));
    }
    let bindings: Vec<Value> = content.bindings.iter().map(bindings::shown).collect();
    text.push_str(&Value::Array(bindings).to_string());
    text.push_str(&format!("{:?}{:?}", content.compatibility_date, content.compatibility_flags));
    text.push_str(&format!("{:?}", content.assets.as_ref().map(|assets| &assets.files)));
    sha256(text.as_bytes())
}
