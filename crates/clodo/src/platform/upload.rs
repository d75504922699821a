use super::{CloudflarePlatform, errors::failed, places};
use bytes::Bytes;
use clodo_bundle::{AssetSet, Bundle, ModuleKind};
use clodo_cf_api::{
    ApiError, Binding, BindingKind, Entry, KnownBinding, UploadAssets, UploadError, UploadModule,
    WorkerUpload,
    assets::{AssetsError, Manifest, ManifestEntry},
    versions, worker_settings, workers,
};
use clodo_orchestrator::{
    Applied, Before, DesiredTarget, Inputs, Look, PlatformError, PlatformErrorKind, ResourceRef,
    Undone, Upload, VersionMessage,
};
use clodo_types::{AccountId, BindingName, SecretName, VersionId};
use futures_util::TryStreamExt;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, io, path::PathBuf, pin::pin};

/// Cloudflare's code for "the latest version has no such binding to inherit".
const NOTHING_TO_INHERIT: u64 = 10057;

/// Where the value of a secret comes from that nobody gave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ungiven {
    /// The latest version has it.
    Inherit,
    /// It is made up, where that is allowed.
    Generate,
}

/// No version came of an upload.
#[derive(Debug, thiserror::Error)]
enum NotUploaded {
    #[error(transparent)]
    Refused(#[from] ApiError),
    #[error("the upload contradicts itself")]
    Contradiction(#[from] UploadError),
    #[error("Cloudflare did not say which version it made")]
    NoVersion,
}

impl CloudflarePlatform {
    pub(super) async fn look_upload(
        &self,
        upload: &Upload,
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        if upload.first {
            return Ok(Look::pending(Before::Absent));
        }
        if inputs.search
            && let Some(version) = self.uploaded_before(upload).await?
        {
            return Ok(Look::done(Before::Present, Applied::Version(version)));
        }
        Ok(Look::pending(Before::Present))
    }

    /// A version that an interrupted run uploaded, by what its message says.
    async fn uploaded_before(&self, upload: &Upload) -> Result<Option<VersionId>, PlatformError> {
        let (target, Some(hashes)) = (&upload.target, &upload.mark.hashes) else { return Ok(None) };
        let account = self.account(&target.id.account)?;
        let list = versions::list_deployable_versions(account, &target.worker);
        let mut versions = pin!(self.client.stream(list));
        let doing = || failed(format!("could not list the versions of `{}`", target.worker));
        while let Some(version) = versions.try_next().await.map_err(doing())? {
            let message = version.message().and_then(|text| text.parse::<VersionMessage>().ok());
            if message.is_some_and(|message| message.fits(hashes)) {
                return Ok(Some(version.id));
            }
        }
        Ok(None)
    }

    pub(super) async fn upload(
        &self,
        upload: &Upload,
        inputs: &Inputs,
    ) -> Result<Applied, PlatformError> {
        let target = &*upload.target;
        let account = self.account(&target.id.account)?;
        let assets = self.assets(account, target).await?;
        let objects = self.object_migrations(upload, account).await?;
        let ungiven = if upload.first { Ungiven::Generate } else { Ungiven::Inherit };
        let mut request = worker_upload(upload, inputs, assets, objects)?;
        request.bindings.extend(self.secret_bindings(target, ungiven)?);
        let sent = self.send(upload, account, &request).await;
        let version = match sent {
            // A secret was declared since the last upload, so there is none to carry over.
            Err(NotUploaded::Refused(error))
                if ungiven == Ungiven::Inherit && error.has_code(NOTHING_TO_INHERIT) =>
            {
                request.bindings.retain(|binding| !target.secrets.contains(binding.name()));
                request.bindings.extend(self.secret_bindings(target, Ungiven::Generate)?);
                self.send(upload, account, &request).await
            }
            sent => sent,
        };
        version.map(Applied::Version).map_err(|error| self.not_uploaded(target, error))
    }

    async fn send(
        &self,
        upload: &Upload,
        account: &AccountId,
        request: &WorkerUpload,
    ) -> Result<VersionId, NotUploaded> {
        let worker = &upload.target.worker;
        // Migrations of Durable Objects are not allowed with a version that gets no traffic.
        if upload.first || request.migrations.is_some() {
            let put = workers::put_script(account, worker, request)?;
            let uploaded = self.client.send(put).await?;
            if let Some(version) = uploaded.version_id() {
                return Ok(version);
            }
            let newest = versions::list_versions(account, worker);
            let mut newest = pin!(self.client.stream(newest));
            let version = newest.try_next().await?;
            return version.map(|version| version.id).ok_or(NotUploaded::NoVersion);
        }
        let post = versions::upload_version(account, worker, request)?;
        Ok(self.client.send(post).await?.id)
    }

    /// The secrets of a target: given ones by value, others as `ungiven` says.
    fn secret_bindings(
        &self,
        target: &DesiredTarget,
        ungiven: Ungiven,
    ) -> Result<Vec<Binding>, PlatformError> {
        let binding = |name: &SecretName| {
            let given = self.secrets.given(&target.id, name).cloned();
            let value = match (given, ungiven) {
                (Some(value), _) => Some(value),
                (None, Ungiven::Inherit) => None,
                (None, Ungiven::Generate) => Some(self.made_up(target, name)?),
            };
            let name: BindingName = name.as_str().parse().map_err(|error| {
                let doing = format!("secret `{name}` cannot be bound");
                PlatformError::new(PlatformErrorKind::Refused, doing).with_source(error)
            })?;
            let kind = match value {
                Some(text) => KnownBinding::SecretText { text: Some(text) },
                None => KnownBinding::Inherit { old_name: None, version_id: None },
            };
            Ok(Binding::new(&name, kind.into()))
        };
        target.secrets.iter().map(binding).collect()
    }

    fn made_up(
        &self,
        target: &DesiredTarget,
        name: &SecretName,
    ) -> Result<clodo_types::Secret, PlatformError> {
        let made = self.secrets.generated(&target.id, name).map_err(|error| {
            let doing = format!("could not make up secret `{name}`");
            PlatformError::new(PlatformErrorKind::Refused, doing).with_source(error)
        })?;
        made.ok_or_else(|| {
            let doing = format!("secret `{name}` of {} has no value", target.id);
            PlatformError::new(PlatformErrorKind::Refused, doing)
                .with_hint(format!("set CLODO_SECRET_{name}, or give it with --secrets-file"))
        })
    }

    /// Sends the assets that Cloudflare lacks.
    async fn assets(
        &self,
        account: &AccountId,
        target: &DesiredTarget,
    ) -> Result<Option<UploadAssets>, PlatformError> {
        let Some(assets) = &target.bundle.assets else { return Ok(None) };
        let entry = |hash: &str, size| ManifestEntry { hash: hash.to_owned(), size };
        let files = assets.files.iter();
        let manifest: Manifest =
            files.map(|file| (file.path.clone(), entry(&file.hash, file.size))).collect();
        let sources: BTreeMap<&str, (PathBuf, Option<String>)> = assets
            .files
            .iter()
            .map(|file| (file.path.as_str(), (file.source.clone(), file.content_type.clone())))
            .collect();
        let read = |path: &str| {
            let source = sources.get(path).cloned();
            async move {
                let (path, content_type) = source.ok_or(io::ErrorKind::NotFound)?;
                // Some hundred kilobytes from a local disk; the runtime has nothing better to do.
                Ok::<_, io::Error>((Bytes::from(std::fs::read(path)?), content_type))
            }
        };
        let sent = self.client.upload_assets(account, &target.worker, &manifest, read).await;
        let completion_token = sent.map_err(|error| assets_failed(target, error))?;
        Ok(Some(UploadAssets { completion_token, config: served(target, assets) }))
    }

    /// The migrations of Durable Objects that the Worker lacks.
    async fn object_migrations(
        &self,
        upload: &Upload,
        account: &AccountId,
    ) -> Result<Option<Value>, PlatformError> {
        let target = &upload.target;
        let Some(newest) = target.object_migrations.last() else { return Ok(None) };
        let mut live = None;
        if !upload.first {
            let doing = format!("could not read the settings of `{}`", target.worker);
            let settings = worker_settings::settings(account, &target.worker);
            let settings = self.client.send(settings).await.map_err(failed(doing))?;
            live = settings.migration_tag;
        }
        let tag = |migration: &Value| migration["tag"].as_str().map(str::to_owned);
        if live.is_some() && live == tag(newest) {
            return Ok(None);
        }
        let done = target.object_migrations.iter().position(|one| tag(one) == live);
        let steps = &target.object_migrations[done.map_or(0, |at| at + 1)..];
        let steps: Vec<Value> = steps.iter().map(without_tag).collect();
        let mut migrations = json!({ "new_tag": tag(newest), "steps": steps });
        if let Some(live) = live {
            migrations["old_tag"] = json!(live);
        }
        Ok(Some(migrations))
    }

    fn not_uploaded(&self, target: &DesiredTarget, error: NotUploaded) -> PlatformError {
        match error {
            NotUploaded::Refused(error) => self.refused(target, error),
            other => {
                let doing = format!("could not upload `{}`", target.worker);
                PlatformError::new(PlatformErrorKind::Refused, doing).with_source(other)
            }
        }
    }

    /// The error of a refused upload, with places in the source instead of the bundle.
    fn refused(&self, target: &DesiredTarget, error: ApiError) -> PlatformError {
        let folder = self.folders.get(&target.id).cloned().unwrap_or_default();
        let said: Vec<String> = error
            .messages()
            .iter()
            .map(|message| places::in_source(message.text.trim_end(), &target.bundle, &folder))
            .collect();
        let doing = format!("could not upload `{}`", target.worker);
        let wrapped = failed(match said.is_empty() {
            true => doing,
            false => format!("{doing}: {}", said.join("; ")),
        });
        wrapped(error)
    }

    /// A Worker that this deployment created goes again, unless it may hold data.
    pub(super) async fn undo_upload(&self, upload: &Upload) -> Result<Undone, PlatformError> {
        let target = &upload.target;
        if !target.object_migrations.is_empty() {
            let why = format!("`{}` may hold data of Durable Objects", target.worker);
            return Ok(Undone::Kept(why));
        }
        let account = self.account(&target.id.account)?;
        let delete = workers::delete_worker(account, &target.worker, workers::Removal::Forced);
        match self.client.send(delete).await {
            Ok(()) => Ok(Undone::Restored),
            Err(error) if error.is_not_found() => Ok(Undone::Restored),
            Err(error) => Err(failed(format!("could not remove `{}` again", target.worker))(error)),
        }
    }
}

fn worker_upload(
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
        modules: modules(&target.bundle),
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

fn modules(bundle: &Bundle) -> Vec<UploadModule> {
    let module = |module: &clodo_bundle::Module| UploadModule {
        name: module.name.clone(),
        content_type: content_type(module.kind).to_owned(),
        body: module.body.clone(),
    };
    bundle.modules.iter().map(module).collect()
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
    Ok(bindings)
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

fn served(target: &DesiredTarget, assets: &AssetSet) -> Map<String, Value> {
    let mut config = target.assets_config.clone();
    let files = [("_headers", &assets.headers), ("_redirects", &assets.redirects)];
    for (name, text) in files {
        config.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
    }
    config
}

fn without_tag(migration: &Value) -> Value {
    let mut step = migration.clone();
    if let Some(fields) = step.as_object_mut() {
        fields.remove("tag");
    }
    step
}

fn assets_failed(target: &DesiredTarget, error: AssetsError) -> PlatformError {
    let doing = format!("could not upload the assets of `{}`", target.worker);
    match error {
        AssetsError::Api(error) => failed(doing)(error),
        other => PlatformError::new(PlatformErrorKind::Refused, doing).with_source(other),
    }
}
