use clodo_bundle::{Bundle, Module, ModuleKind};
use clodo_cf_api::{
    Binding, BindingKind, Entry, KnownBinding, UploadAssets, UploadModule, WorkerUpload,
};
use clodo_orchestrator::{
    DesiredTarget, Inputs, PlatformError, PlatformErrorKind, ResourceRef, Upload, VersionMessage,
};
use clodo_types::BindingName;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn worker_upload(
    upload: &Upload,
    inputs: &Inputs,
    assets: Option<UploadAssets>,
    object_migrations: Option<Value>,
) -> Result<WorkerUpload, PlatformError> {
    let target = &*upload.target;
    let message = upload.mark.hashes.as_ref().map(|hashes| VersionMessage {
        deployment: inputs.deployment.clone(),
        content: hashes.content,
        config: hashes.config,
        revision: upload.revision.clone(),
    });
    let mut request = WorkerUpload {
        entry: entry(&target.bundle),
        modules: target.bundle.modules.iter().map(module).collect(),
        bindings: bindings(target, inputs)?,
        compatibility_date: target.compatibility_date.clone(),
        compatibility_flags: target.compatibility_flags.clone(),
        assets,
        migrations: object_migrations,
        placement: target.version_settings.get("placement").cloned(),
        limits: target.version_settings.get("limits").cloned(),
        message: message.map(|message| message.to_string()),
        ..WorkerUpload::default()
    };
    if upload.first {
        // From its first moment the Worker says whose it is; the hashes come when all is done.
        let owner = clodo_orchestrator::Mark { hashes: None, ..upload.mark.clone() };
        request.tags = Some(owner.to_tags::<String>(&[]));
    } else {
        // Secrets that somebody set by other means stay.
        request.keep_bindings = vec!["secret_text".to_owned(), "secret_key".to_owned()];
        if is_on(target, "keep_vars") {
            request.keep_bindings.extend(["plain_text".to_owned(), "json".to_owned()]);
        }
    }
    if is_on(target, "upload_source_maps") {
        request.modules.extend(target.bundle.source_maps.iter().map(module));
    }
    Ok(request)
}

fn entry(bundle: &Bundle) -> Entry {
    let Some(main) = &bundle.main_module else { return Entry::AssetsOnly };
    let kind = bundle.modules.iter().find(|module| module.name == *main).map(|main| main.kind);
    match kind {
        Some(ModuleKind::CommonJs) => Entry::BodyPart(main.clone()),
        _ => Entry::MainModule(main.clone()),
    }
}

fn module(module: &Module) -> UploadModule {
    UploadModule {
        name: module.name.clone(),
        content_type: content_type(module.kind).to_owned(),
        body: module.body.clone(),
    }
}

fn is_on(target: &DesiredTarget, setting: &str) -> bool {
    target.version_settings.get(setting) == Some(&Value::Bool(true))
}

fn content_type(kind: ModuleKind) -> &'static str {
    match kind {
        ModuleKind::EsModule => "application/javascript+module",
        ModuleKind::CommonJs => "application/javascript",
        ModuleKind::Wasm => "application/wasm",
        ModuleKind::Text => "text/plain",
        ModuleKind::SourceMap => "application/source-map",
        _ => "application/octet-stream",
    }
}

fn bindings(target: &DesiredTarget, inputs: &Inputs) -> Result<Vec<Binding>, PlatformError> {
    let mut bindings = Vec::new();
    let mut bind = |name: &BindingName, kind: KnownBinding| {
        bindings.push(Binding::new(name, BindingKind::from(kind)));
    };
    for (name, value) in &target.vars {
        bind(
            name,
            match value {
                Value::String(text) => KnownBinding::PlainText { text: text.clone() },
                json => KnownBinding::Json { json: json.clone() },
            },
        );
    }
    for database in &target.databases {
        let id = known(&database.resource, &inputs.databases)?;
        bind(&database.binding, KnownBinding::D1 { id });
    }
    for namespace in &target.namespaces {
        let namespace_id = known(&namespace.resource, &inputs.namespaces)?;
        bind(&namespace.binding, KnownBinding::KvNamespace { namespace_id });
    }
    for bucket in &target.buckets {
        let (bucket_name, jurisdiction) = (bucket.name.clone(), bucket.jurisdiction.clone());
        bind(&bucket.binding, KnownBinding::R2Bucket { bucket_name, jurisdiction });
    }
    for queue in &target.queues {
        bind(&queue.binding, KnownBinding::Queue { queue_name: queue.name.to_string() });
    }
    for service in &target.services {
        bind(
            &service.binding,
            KnownBinding::Service {
                service: service.worker.clone(),
                environment: None,
                entrypoint: service.entrypoint.clone(),
                props: service.props.clone(),
            },
        );
    }
    for object in &target.durable_objects {
        bind(
            &object.binding,
            KnownBinding::DurableObjectNamespace {
                dispatch_namespace: None,
                class_name: Some(object.class_name.clone()),
                script_name: object.worker.clone(),
                environment: None,
                namespace_id: None,
            },
        );
    }
    if let Some(name) = &target.version_metadata {
        bind(name, KnownBinding::VersionMetadata);
    }
    if let Some(name) = &target.assets_binding {
        bind(name, KnownBinding::Assets);
    }
    bindings.extend(workflows(target));
    bindings.extend(plain(target));
    Ok(bindings)
}

fn workflows(target: &DesiredTarget) -> impl Iterator<Item = Binding> {
    target.workflows.iter().map(|workflow| {
        let kind = KnownBinding::Workflow {
            workflow_name: workflow.name.to_string(),
            class_name: Some(workflow.class_name.clone()),
            script_name: workflow.worker.clone(),
        };
        Binding::new(&workflow.binding, BindingKind::from(kind))
    })
}

/// Bindings that are in the platform's words already.
fn plain(target: &DesiredTarget) -> impl Iterator<Item = Binding> {
    let all = target.plain_bindings.iter();
    all.map(|(name, fields)| Binding::new(name, BindingKind::Other(fields.clone())))
}

/// The id of a resource: given, or known by its name from a listing or an earlier step.
fn known<N, I>(resource: &ResourceRef<N, I>, ids: &BTreeMap<N, I>) -> Result<I, PlatformError>
where
    N: Ord + std::fmt::Display,
    I: Clone,
{
    match resource {
        ResourceRef::Id(id) => Ok(id.clone()),
        ResourceRef::Name(name) => ids.get(name).cloned().ok_or_else(|| {
            let doing = format!("the id of `{name}` is not known");
            PlatformError::new(PlatformErrorKind::Refused, doing)
        }),
    }
}
