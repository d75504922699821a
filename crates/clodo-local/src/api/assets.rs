//! Static assets: a session says what is missing, the missing files come in buckets, and a token
//! stands for the complete set.
//!
//! Sessions live nowhere: their token names the stored manifest, and what is missing is looked up.

use super::{
    ApiContext,
    call::{Call, json as read_json},
    content::Place,
    error::ApiError,
    reply::{Answer, Reply},
    upload::{self, Metadata},
};
use crate::state::{
    Snapshot,
    model::{Account, Asset},
    worker::Assets,
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// A bucket holds at most this many files …
const BUCKET_FILES: usize = 1_000;
/// … and about this many bytes.
const BUCKET_BYTES: u64 = 40 * 1024 * 1024;
/// How long a token is good.
const SECONDS: i64 = 3600;
/// Cloudflare's limit for one file.
const MAX_FILE: u64 = 25 * 1024 * 1024;

#[derive(Debug, Deserialize)]
struct Session {
    manifest: BTreeMap<String, Entry>,
}

/// One file of a manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    hash: String,
    size: u64,
}

/// What a token says; it is signed, not encrypted.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    account: String,
    script: String,
    /// The blob that holds the manifest.
    manifest: String,
    /// True once every file is there.
    complete: bool,
    exp: i64,
}

/// `POST …/scripts/{script}/assets-upload-session`
pub(super) async fn start(call: Call, body: Bytes) -> Answer {
    let session: Session = read_json(&body)?;
    for (path, entry) in &session.manifest {
        if !path.starts_with('/') || !is_hash(&entry.hash) {
            let message = format!(
                "The manifest entry `{path}` needs a path with a leading slash and a hash of 32 hex digits."
            );
            return Err(ApiError::bad_request(10026, message));
        }
        if entry.size > MAX_FILE {
            let message = format!("The asset `{path}` is larger than 25 MiB.");
            return Err(ApiError::bad_request(10027, message));
        }
    }
    let (account, script) = (call.account_id()?, call.script_name()?);
    let absent = missing(&session.manifest, call.account()?);
    let buckets = buckets(&absent);
    let text = serde_json::to_vec(&session.manifest).map_err(ApiError::bad_body)?;
    let manifest = call.state().blobs().put(vec![text.into()]).await?.remove(0);
    let claims = Claims {
        account,
        script,
        manifest,
        complete: buckets.is_empty(),
        exp: call.state().now().micros() / 1_000_000 + SECONDS,
    };
    Reply::ok(&json!({ "jwt": sign(&call.cx, &claims), "buckets": buckets }))
}

/// `POST /accounts/{account}/workers/assets/upload?base64=true`; the session's token lets it in.
pub(super) async fn upload(
    State(cx): State<Arc<ApiContext>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let claims = session(&cx, &headers, &account)?;
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    let boundary =
        multer::parse_boundary(content_type.unwrap_or_default()).map_err(ApiError::bad_body)?;
    let mut files = Vec::new();
    for part in upload::parts(boundary, body).await? {
        let text: Vec<u8> =
            part.body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        let plain = STANDARD.decode(text).map_err(ApiError::bad_body)?;
        files.push((part.name, Some(part.content_type), Bytes::from(plain)));
    }
    take(&cx, claims, files).await
}

/// `POST /accounts/{account}/workers/assets/upload/{hash}`: one file as it is.
pub(super) async fn upload_one(
    State(cx): State<Arc<ApiContext>>,
    Path((account, hash)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let claims = session(&cx, &headers, &account)?;
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    take(&cx, claims, vec![(hash, content_type, body)]).await
}

async fn take(
    cx: &ApiContext,
    mut claims: Claims,
    files: Vec<(String, Option<String>, Bytes)>,
) -> Answer {
    let manifest = manifest(cx, &claims).await?;
    let sizes: BTreeMap<&str, u64> =
        manifest.values().map(|entry| (entry.hash.as_str(), entry.size)).collect();
    for (hash, _, body) in &files {
        match sizes.get(hash.as_str()) {
            Some(size) if *size == body.len() as u64 => {}
            Some(_) => {
                return Err(ApiError::bad_body(format!(
                    "`{hash}` has another size than the manifest says"
                )));
            }
            None => return Err(ApiError::bad_body(format!("`{hash}` is not in the manifest"))),
        }
    }
    let blobs =
        cx.state.blobs().put(files.iter().map(|(_, _, body)| body.clone()).collect()).await?;
    let account_id = claims.account.clone();
    let complete = cx
        .state
        .write(move |cloud, _| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let known = Arc::make_mut(&mut account.assets);
            for ((hash, content_type, body), blob) in files.into_iter().zip(blobs) {
                // `application/null` is how clients say that they do not know.
                let content_type = content_type.filter(|kind| kind != "application/null");
                let asset = Asset { blob, size: body.len() as u64, content_type };
                known.insert(hash, Arc::new(asset));
            }
            Ok::<_, ApiError>(missing(&manifest, account).is_empty())
        })
        .await?;
    if !complete {
        return Ok(Reply::ok(&json!({}))?.with_status(StatusCode::ACCEPTED));
    }
    claims.complete = true;
    Ok(Reply::ok(&json!({ "jwt": sign(cx, &claims) }))?.with_status(StatusCode::CREATED))
}

/// The assets of a new version: those of its token, those of the version before, or none.
pub(super) async fn of_upload(
    cx: &ApiContext,
    place: &Place,
    metadata: &Metadata,
) -> Result<Option<Assets>, ApiError> {
    let snapshot = cx.state.snapshot();
    let latest = place.worker(&snapshot).and_then(|worker| worker.latest());
    let before = latest.and_then(|version| version.content.assets.clone());
    let sent = metadata.value("assets");
    let config = sent.and_then(|sent| sent.get("config")).filter(|config| !config.is_null());
    match sent.and_then(|sent| sent["jwt"].as_str()) {
        Some(token) => {
            let files = complete_set(cx, place, &snapshot, token).await?;
            let config = config.cloned().unwrap_or_else(|| json!({}));
            Ok(Some(Assets { files, config }))
        }
        None if metadata.flag("keep_assets") == Some(true) => Ok(before.map(|assets| Assets {
            config: config.cloned().unwrap_or(assets.config),
            files: assets.files,
        })),
        None => Ok(None),
    }
}

async fn complete_set(
    cx: &ApiContext,
    place: &Place,
    snapshot: &Snapshot,
    token: &str,
) -> Result<BTreeMap<String, String>, ApiError> {
    let claims = verified(cx, token).filter(|claims| claims.account == place.account_id);
    let claims = claims.ok_or_else(bad_token)?;
    let manifest = manifest(cx, &claims).await?;
    if !claims.complete || !missing(&manifest, place.account(snapshot)?).is_empty() {
        return Err(ApiError::bad_request(100_130, "The asset upload is not complete."));
    }
    Ok(manifest.into_iter().map(|(path, entry)| (path, entry.hash)).collect())
}

async fn manifest(cx: &ApiContext, claims: &Claims) -> Result<BTreeMap<String, Entry>, ApiError> {
    let text = cx.state.blobs().get(&claims.manifest).await?;
    read_json(&text)
}

fn missing(manifest: &BTreeMap<String, Entry>, account: &Account) -> BTreeMap<String, u64> {
    let absent = manifest.values().filter(|entry| !account.assets.contains_key(&entry.hash));
    absent.map(|entry| (entry.hash.clone(), entry.size)).collect()
}

fn buckets(missing: &BTreeMap<String, u64>) -> Vec<Vec<&str>> {
    let mut buckets: Vec<Vec<&str>> = Vec::new();
    let mut bytes = 0;
    for (hash, size) in missing {
        let full = bytes + size > BUCKET_BYTES;
        match buckets.last_mut() {
            Some(bucket) if !full && bucket.len() < BUCKET_FILES => bucket.push(hash),
            _ => {
                buckets.push(vec![hash]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    buckets
}

fn is_hash(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn session(cx: &ApiContext, headers: &HeaderMap, account: &str) -> Result<Claims, ApiError> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer "));
    let claims = token.and_then(|token| verified(cx, token));
    claims.filter(|claims| claims.account == account).ok_or_else(bad_token)
}

fn bad_token() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        8_000_013,
        "The asset upload token is invalid or has expired.",
    )
}

fn sign(cx: &ApiContext, claims: &Claims) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "BLAKE3", "typ": "JWT" }));
    let payload = part(json!(claims));
    let signed = format!("{header}.{payload}");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac(cx, &signed).as_bytes()))
}

fn verified(cx: &ApiContext, token: &str) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let given = blake3::Hash::from_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    // `blake3::Hash` compares in constant time.
    if given != mac(cx, signed) {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    (claims.exp > cx.state.now().micros() / 1_000_000).then_some(claims)
}

fn mac(cx: &ApiContext, text: &str) -> blake3::Hash {
    let key = cx.state.snapshot().cloud.meta.signing_key.clone();
    blake3::keyed_hash(blake3::hash(key.as_bytes()).as_bytes(), text.as_bytes())
}
