use clodo_cf_api::{
    AccountId, AssetsConfig, Client, UploadAssets, WorkerName, WorkerUpload,
    assets::{Manifest, ManifestEntry},
    workers,
};
use std::{convert::Infallible, error::Error};

/// Uploads a site without code; `files` are paths, hashes and contents.
pub async fn example(
    client: &Client,
    account: &AccountId,
    worker: &WorkerName,
    files: &[(&'static str, String, &'static str)],
) -> Result<(), Box<dyn Error>> {
    let mut manifest = Manifest::new();
    for (path, hash, text) in files {
        let entry = ManifestEntry { hash: hash.clone(), size: text.len() as u64 };
        manifest.insert((*path).to_owned(), entry);
    }
    let read = |path: &str| {
        let text = files.iter().find(|file| file.0 == path).map_or("", |file| file.2);
        async move { Ok::<_, Infallible>((text.into(), Some("text/html".to_owned()))) }
    };
    let token = client.upload_assets(account, worker, &manifest, read).await?;
    let config = AssetsConfig { not_found_handling: Some("404-page".into()), ..Default::default() };
    let site =
        WorkerUpload::only_assets(UploadAssets::new(token, &config)).compatible_with("2026-01-01");
    client.send(workers::put_script(account, worker, &site)?).await?;
    Ok(())
}
