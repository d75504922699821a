use crate::cloud::Cloud;
use base64::Engine;
use clodo_cf_api::{
    AssetsConfig, UploadAssets, WorkerUpload,
    assets::{Manifest, ManifestEntry},
    triggers::{self, SubdomainChange},
    workers,
};
use clodo_types::WorkerName;
use std::convert::Infallible;

// conformance: assets | POST /accounts/{account}/workers/scripts/{script}/assets-upload-session | documented
// conformance: assets | POST /accounts/{account}/workers/assets/upload | documented
#[tokio::test]
async fn only_files_that_lack_are_sent_and_then_served() {
    let cloud = Cloud::open().await;
    let worker: WorkerName = cloud.name("assets");
    let (client, account) = (&cloud.client, &cloud.account);
    let entry = |hash: &str, size| ManifestEntry { hash: hash.to_owned(), size };
    let manifest: Manifest = [
        ("/index.html".to_owned(), entry(&asset_hash("hello", "html"), 5)),
        ("/a.css".to_owned(), entry(&asset_hash("a{}", "css"), 3)),
    ]
    .into();
    let read = |path: &str| {
        let (content, kind) =
            if path == "/a.css" { ("a{}", "text/css") } else { ("hello", "text/html") };
        async move { Ok::<_, Infallible>((content.into(), Some(kind.to_owned()))) }
    };
    let token = client.upload_assets(account, &worker, &manifest, read).await.unwrap();
    let assets = UploadAssets::new(token, &AssetsConfig::default());
    let upload = WorkerUpload::only_assets(assets).compatible_with("2026-01-01");
    client.send(workers::put_script(account, &worker, &upload).unwrap()).await.unwrap();
    let on = SubdomainChange { enabled: true, previews_enabled: None };
    client.send(triggers::set_subdomain(account, &worker, on)).await.unwrap();
    if let Some(answer) = cloud.visit(&cloud.host(&worker).await, "/a.css").await {
        assert_eq!(answer, "a{}");
    }
    let unwanted = |path: &str| {
        let complaint = format!("{path} is asked for again");
        async move { Err::<_, String>(complaint) }
    };
    let again = client.upload_assets(account, &worker, &manifest, unwanted).await;
    assert!(again.is_ok(), "{again:?}");
    cloud.remove_worker(&worker).await;
}

/// The first 32 digits of BLAKE3 over the base64 of the content and the extension.
pub(crate) fn asset_hash(content: &str, extension: &str) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(content) + extension;
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}
