//! Static assets: Cloudflare says which files it lacks, gets those, and gives a token that a
//! version's upload carries.
//!
//! # Example
//! ```
#![doc = include_str!("../docs/assets.rs")]
//! ```
#![doc = include_str!("../docs/assets.md")]

use crate::{
    api_error::ApiError,
    client::Client,
    endpoint::{Endpoint, Repeat},
    multipart::{FormError, Part, encode_form},
    wire::or_default,
    workers::UPLOAD_TIME_LIMIT,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use clodo_types::{AccountId, Secret, WorkerName};
use futures_util::{StreamExt, stream};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, error, future::Future};

/// A file, as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManifestEntry {
    /// 32 hexadecimal digits of its content and extension.
    pub hash: String,
    /// Bytes.
    pub size: u64,
}

/// All files of a Worker by the path of their URL, which begins with `/`.
pub type Manifest = BTreeMap<String, ManifestEntry>;

/// What Cloudflare lacks.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct UploadSession {
    /// For the uploads; when nothing lacks, the token for the version.
    pub jwt: Secret,
    /// Hashes of the files that lack, in the groups in which they are to be sent.
    #[serde(default, deserialize_with = "or_default")]
    pub buckets: Vec<Vec<String>>,
}

/// What sending a bucket answers.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct UploadProgress {
    /// The token for the version, once the last file has arrived.
    #[serde(default)]
    pub jwt: Option<Secret>,
}

/// A file to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetUpload {
    /// Its hash.
    pub hash: String,
    /// Its media type, when it is known.
    pub content_type: Option<String>,
    /// Its content.
    pub body: Bytes,
}

/// The assets are not all there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssetsError {
    /// A call failed.
    #[error("could not upload static assets")]
    Api(#[from] ApiError),
    /// Cloudflare asks for a file that is not in the manifest.
    #[error("Cloudflare asks for an asset that was not offered: {0}")]
    Unknown(String),
    /// A file could not be read.
    #[error("could not read the asset {path}")]
    Read {
        /// Its path in the URL.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// A file cannot be sent.
    #[error("could not write assets as a form")]
    Form(#[from] FormError),
    /// Every file was sent and no token came back.
    #[error("Cloudflare did not confirm the upload of the assets")]
    Unconfirmed,
}

/// Says what there is, and asks what lacks.
#[must_use]
pub fn start_session(
    account: &AccountId,
    worker: &WorkerName,
    manifest: &Manifest,
) -> Endpoint<UploadSession> {
    let template = "/accounts/{account}/workers/scripts/{worker}/assets-upload-session";
    Endpoint::new(Method::POST, template, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .with_json(&json!({ "manifest": manifest }))
}

/// Sends files of one bucket; what is named by its hash may be sent again.
///
/// # Errors
/// When a hash or a media type cannot be written.
pub fn upload_bucket(
    account: &AccountId,
    session: &Secret,
    files: &[AssetUpload],
) -> Result<Endpoint<UploadProgress>, FormError> {
    let part = |file: &AssetUpload| {
        // The API's word for "no media type".
        let content_type = file.content_type.as_deref().unwrap_or("application/null");
        Part::file(&file.hash, content_type, STANDARD.encode(&file.body))
    };
    let parts: Vec<_> = files.iter().map(part).collect();
    let endpoint =
        Endpoint::new(Method::POST, "/accounts/{account}/workers/assets/upload", Repeat::Safe)
            .at("account", account)
            .with_query("base64", true)
            .with_token(session.clone())
            .with_time_limit(UPLOAD_TIME_LIMIT);
    Ok(endpoint.with_form(encode_form(&parts)?))
}

/// Sends one file by itself, as it is. Only a session whose token says so takes it.
#[must_use]
pub fn upload_single(
    account: &AccountId,
    session: &Secret,
    file: &AssetUpload,
) -> Endpoint<UploadProgress> {
    let content_type = file.content_type.as_deref().unwrap_or("application/null");
    Endpoint::new(Method::POST, "/accounts/{account}/workers/assets/upload/{hash}", Repeat::Safe)
        .at("account", account)
        .at("hash", &file.hash)
        .with_token(session.clone())
        .with_time_limit(UPLOAD_TIME_LIMIT)
        .with_typed_body(content_type, file.body.clone())
}

/// How a session wants its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UploadMode {
    Buckets,
    /// One by one, so many at a time.
    Single(usize),
}

impl UploadMode {
    /// The token of a session is a JWT whose claims say it; what cannot be read means the usual.
    fn of(session: &Secret) -> Self {
        let claims = session.expose().split('.').nth(1);
        let claims =
            claims.and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
        let claims = claims.and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        let claims = claims.unwrap_or_default();
        if claims["wrangler_single_asset_uploads"] != true {
            return Self::Buckets;
        }
        let at_once = claims["edge_kv_upload_concurrency"].as_u64().unwrap_or(50).clamp(1, 50);
        Self::Single(usize::try_from(at_once).unwrap_or(50))
    }
}

/// Buckets under way at the same time; wrangler's number.
const BUCKETS_AT_ONCE: usize = 3;

impl Client {
    /// Sends the assets that lack and gives the token for the version's upload.
    ///
    /// `read` gives the content and the media type of the file at a path; it is asked only for
    /// files that lack, a bucket at a time, so that not all of them are in memory at once.
    ///
    /// # Errors
    /// When a file cannot be read, or a call fails.
    pub async fn upload_assets<Read, Reading, E>(
        &self,
        account: &AccountId,
        worker: &WorkerName,
        manifest: &Manifest,
        read: Read,
    ) -> Result<Secret, AssetsError>
    where
        Read: Fn(&str) -> Reading + Send + Sync,
        Reading: Future<Output = Result<(Bytes, Option<String>), E>> + Send,
        E: Into<Box<dyn error::Error + Send + Sync>>,
    {
        let UploadSession { jwt, buckets } =
            self.send(start_session(account, worker, manifest)).await?;
        if buckets.iter().all(Vec::is_empty) {
            return Ok(jwt);
        }
        let paths: BTreeMap<_, _> =
            manifest.iter().map(|(path, entry)| (entry.hash.as_str(), path.as_str())).collect();
        let (groups, at_once) = match UploadMode::of(&jwt) {
            UploadMode::Buckets => (buckets, BUCKETS_AT_ONCE),
            UploadMode::Single(at_once) => {
                (buckets.into_iter().flatten().map(|hash| vec![hash]).collect(), at_once)
            }
        };
        // Each future owns its bucket: one that borrowed it could not be sent between threads.
        let mut uploads = stream::iter(groups.into_iter().filter(|group| !group.is_empty()))
            .map(|group| {
                let (paths, read, jwt) = (&paths, &read, &jwt);
                async move {
                    let files = files_of(&group, paths, read).await?;
                    let sent = match (UploadMode::of(jwt), &files[..]) {
                        (UploadMode::Single(_), [file]) => upload_single(account, jwt, file),
                        _ => upload_bucket(account, jwt, &files)?,
                    };
                    Ok::<_, AssetsError>(self.send(sent).await?.jwt)
                }
            })
            .buffer_unordered(at_once);
        let mut token = None;
        while let Some(sent) = uploads.next().await {
            token = sent?.or(token);
        }
        token.ok_or(AssetsError::Unconfirmed)
    }
}

async fn files_of<Read, Reading, E>(
    bucket: &[String],
    paths: &BTreeMap<&str, &str>,
    read: &Read,
) -> Result<Vec<AssetUpload>, AssetsError>
where
    Read: Fn(&str) -> Reading,
    Reading: Future<Output = Result<(Bytes, Option<String>), E>>,
    E: Into<Box<dyn error::Error + Send + Sync>>,
{
    let mut files = Vec::with_capacity(bucket.len());
    for hash in bucket {
        let path = *paths.get(hash.as_str()).ok_or_else(|| AssetsError::Unknown(hash.clone()))?;
        let (body, content_type) = read(path)
            .await
            .map_err(|error| AssetsError::Read { path: path.to_owned(), source: error.into() })?;
        files.push(AssetUpload { hash: hash.clone(), content_type, body });
    }
    Ok(files)
}
