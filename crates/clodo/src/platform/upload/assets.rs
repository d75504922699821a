use super::super::{CloudflarePlatform, errors::failed};
use bytes::Bytes;
use clodo_bundle::AssetSet;
use clodo_cf_api::{
    UploadAssets,
    assets::{AssetsError, Manifest, ManifestEntry},
};
use clodo_orchestrator::{DesiredTarget, PlatformError, PlatformErrorKind};
use clodo_types::AccountId;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, io, path::PathBuf};

impl CloudflarePlatform {
    /// Sends the assets that Cloudflare lacks.
    pub(super) async fn assets(
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
}

fn served(target: &DesiredTarget, assets: &AssetSet) -> Map<String, Value> {
    let mut config = target.assets_config.clone();
    let files = [("_headers", &assets.headers), ("_redirects", &assets.redirects)];
    for (name, text) in files {
        config.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
    }
    config
}

fn assets_failed(target: &DesiredTarget, error: AssetsError) -> PlatformError {
    let doing = format!("could not upload the assets of `{}`", target.worker);
    match error {
        AssetsError::Api(error) => failed(doing)(error),
        other => PlatformError::new(PlatformErrorKind::Refused, doing).with_source(other),
    }
}
