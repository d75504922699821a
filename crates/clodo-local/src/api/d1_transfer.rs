//! D1 import and export: files go through short-lived addresses, work goes on in the background,
//! clients poll.

use super::{
    ApiContext,
    call::{Call, json as read_json},
    d1,
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::ids::random_hex;
use axum::{
    body::Body,
    extract::{Path, State},
    http::StatusCode,
};
use bytes::Bytes;
use clodo_storage::{DatabaseRef, ExportOptions};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{io::AsyncWriteExt, sync::watch};

/// How long a poll waits for an end before it answers `active`.
const LONG_POLL: Duration = Duration::from_secs(1);

/// Transfers under way. They do not survive a restart; clients begin again.
#[derive(Debug)]
pub(crate) struct Transfers {
    folder: PathBuf,
    files: Mutex<HashMap<String, PathBuf>>,
    jobs: Mutex<HashMap<String, watch::Receiver<Option<Outcome>>>>,
}

/// How a job ended: the `result` of the polling object, or D1's words.
type Outcome = Result<Value, String>;

#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Import {
    Init { etag: String },
    Ingest { filename: String, etag: Option<String> },
    Poll { current_bookmark: String },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Export {
    current_bookmark: Option<String>,
    dump_options: DumpOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DumpOptions {
    no_schema: bool,
    no_data: bool,
    tables: Vec<String>,
}

impl Transfers {
    /// Files lie in `folder`; what an earlier process left there is removed.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        let _ = std::fs::remove_dir_all(&folder);
        Self { folder, files: Mutex::default(), jobs: Mutex::default() }
    }

    fn new_file(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(name.to_owned(), path.clone());
        path
    }

    fn file(&self, name: &str) -> Result<PathBuf, ApiError> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let found = files.get(name).cloned();
        found.ok_or_else(|| ApiError::not_found(7404, "This transfer does not exist."))
    }

    fn start(&self, work: impl Future<Output = Outcome> + Send + 'static) -> String {
        let (done, outcome) = watch::channel(None);
        tokio::spawn(async move {
            let _ = done.send(Some(work.await));
        });
        let id = format!("00000000-00000000-00000000-{}", random_hex());
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.insert(id.clone(), outcome);
        id
    }

    /// The polling object of a job, after waiting a while for its end.
    async fn poll(&self, id: &str, kind: &str) -> Answer {
        let job = {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.get(id).cloned()
        };
        let mut job = job.ok_or_else(|| ApiError::bad_request(7400, "Unknown bookmark."))?;
        let _ = tokio::time::timeout(LONG_POLL, job.wait_for(Option::is_some)).await;
        let outcome = job.borrow().clone();
        let mut shown = json!({
            "success": true, "type": kind, "at_bookmark": id, "messages": [], "status": "active",
        });
        match outcome {
            None => return Ok(Reply::ok(&shown)?.with_status(StatusCode::ACCEPTED)),
            Some(Ok(result)) => {
                shown["status"] = json!("complete");
                shown["result"] = result;
            }
            Some(Err(message)) => {
                shown["status"] = json!("error");
                shown["error"] = json!(message);
                shown["errors"] = json!([message]);
            }
        }
        Reply::ok(&shown)
    }
}

/// `POST …/{database}/import`
pub(super) async fn import(call: Call, body: Bytes) -> Answer {
    let at = d1::reference(call.account()?.id(), &d1::database(&call)?.id)?;
    let transfers = &call.cx.transfers;
    match read_json(&body)? {
        Import::Init { etag } => {
            // The name carries the digest, so that a restart between the steps is noticed.
            let filename = format!("{}.{}.sql", random_hex(), digest(&etag)?);
            transfers.new_file(&filename);
            let upload_url = format!("{}/clodo/transfers/{filename}", call.origin());
            Reply::ok(&json!({ "filename": filename, "upload_url": upload_url }))
        }
        Import::Ingest { filename, etag } => {
            let path = transfers.file(&filename)?;
            if let Some(etag) = etag
                && !filename.contains(&digest(&etag)?)
            {
                return Err(ApiError::bad_request(7400, "The etag is not that of the upload."));
            }
            let id = transfers.start(ingest(Arc::clone(&call.cx), at, path));
            transfers.poll(&id, "import").await
        }
        Import::Poll { current_bookmark } => transfers.poll(&current_bookmark, "import").await,
    }
}

async fn ingest(cx: Arc<ApiContext>, at: DatabaseRef, path: PathBuf) -> Outcome {
    let report = cx.data.d1.import(&at, &path).await.map_err(|error| error.to_string())?;
    let _ = tokio::fs::remove_file(&path).await;
    Ok(json!({
        "final_bookmark": report.final_bookmark.to_string(),
        "num_queries": report.num_queries,
        "meta": report.meta,
    }))
}

/// `POST …/{database}/export`
pub(super) async fn export(call: Call, body: Bytes) -> Answer {
    let wanted: Export = read_json(&body)?;
    let database = d1::database(&call)?;
    let at = d1::reference(call.account()?.id(), &database.id)?;
    let transfers = &call.cx.transfers;
    if let Some(id) = wanted.current_bookmark {
        return Ok(transfers.poll(&id, "export").await?.only_read());
    }
    let filename = format!("{}.sql", random_hex());
    let path = transfers.new_file(&filename);
    let signed_url = format!("{}/clodo/transfers/{filename}", call.origin());
    let DumpOptions { no_schema, no_data, tables } = wanted.dump_options;
    let options = ExportOptions { no_schema, no_data, tables };
    let cx = Arc::clone(&call.cx);
    let id = transfers.start(async move {
        let folder = cx.transfers.folder.clone();
        tokio::fs::create_dir_all(folder).await.map_err(|error| error.to_string())?;
        cx.data.d1.export(&at, options, &path).await.map_err(|error| error.to_string())?;
        Ok(json!({ "filename": filename, "signed_url": signed_url }))
    });
    Ok(transfers.poll(&id, "export").await?.only_read())
}

/// `PUT /clodo/transfers/{file}`: no token; the name is the secret.
pub(super) async fn put_file(
    State(cx): State<Arc<ApiContext>>,
    Path(file): Path<String>,
    body: Body,
) -> Answer {
    let path = cx.transfers.file(&file)?;
    let failed = |error: std::io::Error| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            7500,
            format!("the upload cannot be stored: {error}"),
        )
    };
    tokio::fs::create_dir_all(&cx.transfers.folder).await.map_err(failed)?;
    let mut out = tokio::fs::File::create(&path).await.map_err(failed)?;
    let mut md5 = Md5::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(ApiError::bad_body)?;
        md5.update(&chunk);
        out.write_all(&chunk).await.map_err(failed)?;
    }
    out.flush().await.map_err(failed)?;
    let etag = hex::encode(md5.finalize());
    if !file.contains(&etag) {
        let _ = tokio::fs::remove_file(&path).await;
        return Err(ApiError::bad_request(7400, "The upload is not what its etag announced."));
    }
    Ok(Reply::raw("", "text/plain").with_header("etag", &format!("\"{etag}\"")))
}

/// `GET /clodo/transfers/{file}`
pub(super) async fn get_file(
    State(cx): State<Arc<ApiContext>>,
    Path(file): Path<String>,
) -> Answer {
    let path = cx.transfers.file(&file)?;
    let body = tokio::fs::read(&path).await;
    let body = body.map_err(|_| ApiError::not_found(7404, "This transfer does not exist."))?;
    Ok(Reply::raw(body, "application/sql"))
}

fn digest(etag: &str) -> Result<String, ApiError> {
    let plain = etag.trim_matches('"').to_ascii_lowercase();
    if plain.len() == 32 && plain.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(plain);
    }
    Err(ApiError::bad_request(7400, "The etag must be an MD5 in hexadecimal."))
}
