//! D1 import and export: files go through signed addresses, work goes on in the background, clients
//! poll. A kill at any moment loses nothing: files and the state of each import lie on disk.

use super::{
    ApiContext,
    call::{Call, json as read_json},
    d1,
    error::ApiError,
    jobs::{JobKey, Kind, Outcome},
    reply::{Answer, Reply},
    transfers::Signed,
};
use crate::state::ids::random_hex;
use axum::{
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use clodo_storage::{Bookmark, DatabaseRef, ExportOptions};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::json;
use std::{io, path::Path as FilePath, sync::Arc};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Import {
    Init { etag: String },
    Ingest { filename: String, etag: String },
    Poll { current_bookmark: String },
}

#[derive(Debug, Deserialize)]
struct Export {
    output_format: Format,
    current_bookmark: Option<String>,
    #[serde(default)]
    dump_options: DumpOptions,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Polling,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DumpOptions {
    no_schema: bool,
    no_data: bool,
    tables: Vec<String>,
}

/// `POST …/{database}/import`
pub(super) async fn import(call: Call, body: Bytes) -> Answer {
    let at = d1::reference(call.account()?.id(), &d1::database(&call)?.id)?;
    let (cx, transfers) = (&call.cx, &call.cx.transfers);
    match read_json(&body).map_err(malformed)? {
        Import::Init { etag } => {
            let filename = import_name(&at, &etag)?;
            transfers.sweep();
            if transfers.path(&filename).exists() {
                return ingest(cx, &at, filename).await;
            }
            let query = transfers.sign("PUT", &filename);
            let upload_url = format!("{}/clodo/transfers/{filename}?{query}", call.origin());
            Reply::ok(&json!({ "filename": filename, "upload_url": upload_url }))
        }
        Import::Ingest { filename, etag } => {
            if filename != import_name(&at, &etag)? {
                return Err(ApiError::bad_request(7400, "The etag is not that of the file."));
            }
            if !transfers.path(&filename).exists() {
                return Err(ApiError::bad_request(7400, "The file has not been uploaded."));
            }
            ingest(cx, &at, filename).await
        }
        Import::Poll { current_bookmark } => {
            let key = JobKey::new(Kind::Import, &at, &parsed(&current_bookmark)?);
            cx.jobs.resume(cx, &at, &key).await?;
            cx.jobs.poll(&key).await?.ok_or_else(unknown_bookmark)
        }
    }
}

fn malformed(error: ApiError) -> ApiError {
    ApiError::bad_request(7400, error.message)
}

fn unknown_bookmark() -> ApiError {
    ApiError::bad_request(7400, "No import or export goes by this bookmark.")
}

fn parsed(bookmark: &str) -> Result<Bookmark, ApiError> {
    bookmark.parse().map_err(|_| unknown_bookmark())
}

/// The name says which database and which content, so that an upload is known again.
fn import_name(at: &DatabaseRef, etag: &str) -> Result<String, ApiError> {
    Ok(format!("{}.{}.sql", at.id, digest(etag)?))
}

async fn ingest(cx: &Arc<ApiContext>, at: &DatabaseRef, filename: String) -> Answer {
    let bookmark = cx.data.d1.info(at).await?.bookmark;
    let key = JobKey::new(Kind::Import, at, &bookmark);
    cx.jobs.import(cx, at, &key, filename);
    cx.jobs.poll(&key).await?.ok_or_else(unknown_bookmark)
}

/// `POST …/{database}/export`
pub(super) async fn export(call: Call, body: Bytes) -> Answer {
    let wanted: Export = read_json(&body).map_err(malformed)?;
    let Format::Polling = wanted.output_format;
    let DumpOptions { no_schema, no_data, tables } = wanted.dump_options;
    if no_schema && no_data {
        let message = "`no_schema` and `no_data` together leave nothing to export.";
        return Err(ApiError::bad_request(7400, message));
    }
    let at = d1::reference(call.account()?.id(), &d1::database(&call)?.id)?;
    let jobs = &call.cx.jobs;
    if let Some(bookmark) = wanted.current_bookmark {
        let key = JobKey::new(Kind::Export, &at, &parsed(&bookmark)?);
        if let Some(reply) = jobs.poll(&key).await? {
            return Ok(reply.only_read());
        }
        // The process that began it is gone. It only read: it may begin again.
    }
    call.cx.transfers.sweep();
    let key = JobKey::new(Kind::Export, &at, &call.cx.data.d1.info(&at).await?.bookmark);
    let options = ExportOptions { no_schema, no_data, tables };
    let work = write_dump(Arc::clone(&call.cx), at, options, call.origin());
    jobs.start(key.clone(), work);
    let reply = jobs.poll(&key).await?.ok_or_else(unknown_bookmark)?;
    Ok(reply.only_read())
}

async fn write_dump(
    cx: Arc<ApiContext>,
    at: DatabaseRef,
    options: ExportOptions,
    origin: String,
) -> Outcome {
    let filename = format!("{}.{}.dump.sql", at.id, random_hex());
    let path = cx.transfers.path(&filename);
    tokio::fs::create_dir_all(cx.transfers.folder()).await.map_err(|error| error.to_string())?;
    cx.data.d1.export(&at, options, &path).await.map_err(|error| error.to_string())?;
    let query = cx.transfers.sign("GET", &filename);
    let signed_url = format!("{origin}/clodo/transfers/{filename}?{query}");
    Ok(json!({ "filename": filename, "signed_url": signed_url }))
}

/// `PUT /clodo/transfers/{file}`: no token; the address is signed.
pub(super) async fn put_file(
    State(cx): State<Arc<ApiContext>>,
    Path(file): Path<String>,
    signed: Signed,
    body: Body,
) -> Answer {
    let path = cx.transfers.checked("PUT", &file, &signed)?;
    let partial = path.with_extension(format!("{}.partial", random_hex()));
    let written = receive(&partial, body).await;
    let stored = match written {
        Ok(etag) if file.contains(&etag) => {
            tokio::fs::rename(&partial, &path).await.map(|()| etag).map_err(failed)
        }
        Ok(_) => Err(ApiError::bad_request(7400, "The upload is not what its etag announced.")),
        Err(error) => Err(error),
    };
    if stored.is_err() {
        let _ = tokio::fs::remove_file(&partial).await;
    }
    Ok(Reply::raw("", "text/plain").with_header("etag", &format!("\"{}\"", stored?)))
}

fn failed(error: io::Error) -> ApiError {
    let message = format!("the upload cannot be stored: {error}");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, 7500, message)
}

/// Writes a body to disk, and says its digest.
async fn receive(path: &FilePath, body: Body) -> Result<String, ApiError> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(failed)?;
    }
    let mut out = tokio::fs::File::create(path).await.map_err(failed)?;
    let mut md5 = Md5::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(ApiError::bad_body)?;
        md5.update(&chunk);
        out.write_all(&chunk).await.map_err(failed)?;
    }
    out.flush().await.map_err(failed)?;
    out.sync_data().await.map_err(failed)?;
    Ok(hex::encode(md5.finalize()))
}

/// `GET /clodo/transfers/{file}`: no token; the address is signed.
pub(super) async fn get_file(
    State(cx): State<Arc<ApiContext>>,
    Path(file): Path<String>,
    signed: Signed,
) -> Result<Response, ApiError> {
    let path = cx.transfers.checked("GET", &file, &signed)?;
    let gone = |_| ApiError::not_found(7404, "This file is no longer there.");
    let file = tokio::fs::File::open(&path).await.map_err(gone)?;
    let length = file.metadata().await.map_err(gone)?.len();
    let headers =
        [("content-type", "application/sql".to_owned()), ("content-length", length.to_string())];
    Ok((headers, Body::from_stream(ReaderStream::with_capacity(file, 64 * 1024))).into_response())
}

fn digest(etag: &str) -> Result<String, ApiError> {
    let plain = etag.trim_matches('"').to_ascii_lowercase();
    if plain.len() == 32 && plain.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(plain);
    }
    Err(ApiError::bad_request(7400, "The etag must be an MD5 in hexadecimal."))
}
