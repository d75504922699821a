mod assets;
mod objects;
mod request;
mod secrets;
mod stub;

use super::{CloudflarePlatform, errors::failed, places};
use clodo_cf_api::{ApiError, UploadError, WorkerUpload, versions, workers};
use clodo_orchestrator::{
    Applied, Before, DesiredTarget, Inputs, Look, PlatformError, PlatformErrorKind, Undone, Upload,
    VersionMessage, WorkerRef,
};
use clodo_types::{AccountId, VersionId};
use futures_util::TryStreamExt;
use request::worker_upload;
use secrets::Present;
use std::pin::pin;

/// Cloudflare's code for "the latest version has no such binding to inherit".
const NOTHING_TO_INHERIT: u64 = 10057;
/// Cloudflare's code for "these migrations of Durable Objects do not begin where the Worker is".
const OTHER_MIGRATION_TAG: u64 = 10079;

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

    /// The newest version, if its message says that an interrupted run uploaded it. An older one
    /// does not count: somebody has uploaded something else since, and may have had reasons.
    async fn uploaded_before(&self, upload: &Upload) -> Result<Option<VersionId>, PlatformError> {
        let (target, Some(hashes)) = (&upload.target, &upload.mark.hashes) else { return Ok(None) };
        let account = self.account(&target.id.account)?;
        let list = versions::list_deployable_versions(account, &target.worker);
        let versions = self.client.list(list).await;
        let doing = format!("could not list the versions of `{}`", target.worker);
        let newest =
            versions.map_err(failed(doing))?.into_iter().rev().max_by_key(|one| one.number);
        let fits = newest.filter(|version| {
            let message = version.message().and_then(|text| text.parse::<VersionMessage>().ok());
            message.is_some_and(|message| message.fits(hashes))
        });
        Ok(fits.map(|version| version.id))
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
        let present = if upload.first { Present::Nothing } else { Present::Everything };
        let mut request = worker_upload(upload, inputs, assets, objects)?;
        request.bindings.extend(self.secret_bindings(target, &present)?);
        let sent = self.send(upload, account, &request).await;
        let version = match sent {
            // A secret was declared since the last upload, so there is none to carry over.
            Err(NotUploaded::Refused(error)) if error.has_code(NOTHING_TO_INHERIT) => {
                let present = self.present_secrets(account, target).await?;
                request.bindings.retain(|binding| !target.secrets.contains(binding.name()));
                request.bindings.extend(self.secret_bindings(target, &present)?);
                self.send(upload, account, &request).await
            }
            // An upload of a process that was killed may have arrived since somebody looked.
            Err(NotUploaded::Refused(error)) if error.has_code(OTHER_MIGRATION_TAG) => {
                match self.objects_of_ours(upload, account).await? {
                    Some(objects) => {
                        request.migrations = objects;
                        self.send(upload, account, &request).await
                    }
                    None => Err(NotUploaded::Refused(error)),
                }
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
        self.remove_worker(&target.worker_ref()).await
    }

    pub(super) async fn remove_worker(&self, worker: &WorkerRef) -> Result<Undone, PlatformError> {
        let (account, name) = (self.account(&worker.account)?, &worker.worker);
        let delete = workers::delete_worker(account, name, workers::Removal::Forced);
        match self.client.send(delete).await {
            Ok(()) => Ok(Undone::Restored),
            Err(error) if error.is_not_found() => Ok(Undone::Restored),
            Err(error) => Err(failed(format!("could not remove `{name}`"))(error)),
        }
    }
}
