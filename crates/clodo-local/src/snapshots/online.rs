//! Snapshots of a cloud that runs, and of one that does not.

use super::{SnapshotError, archive};
use crate::lifecycle::{Running, is_locked};
use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use clodo_storage::{Data, RESOURCE_HEADER};
use clodo_types::{Clock, Secret};
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::RwLock;

/// Where a running cloud sends a snapshot of itself.
const PATH: &str = "/clodo/snapshot";

/// Held shared by every request that may write, and alone by a snapshot.
pub(crate) type Pause = Arc<RwLock<()>>;

/// Requests wait while a snapshot is made.
pub(crate) fn paused(router: Router, pause: &Pause) -> Router {
    let pause = Arc::clone(pause);
    router.layer(from_fn(move |request: Request, next: Next| {
        let pause = Arc::clone(&pause);
        async move {
            // An instance that waits for its time would make everybody wait for a snapshot.
            let waits = request.uri().path() == "/wait" && is_run(request.headers());
            let _shared = if waits { None } else { Some(pause.read().await) };
            next.run(request).await
        }
    }))
}

/// Whether a request is from an instance of a Workflow.
fn is_run(headers: &HeaderMap) -> bool {
    let resource = headers.get(RESOURCE_HEADER).and_then(|resource| resource.to_str().ok());
    resource.is_some_and(|resource| resource.ends_with("/workflow-runs:all"))
}

/// The API, paused during snapshots, and the route that makes one.
pub(crate) fn answering(api: Router, source: Source) -> Router {
    let source = Arc::new(source);
    api.layer(from_fn(move |request: Request, next: Next| {
        let source = Arc::clone(&source);
        async move {
            let path = request.uri().path();
            if path == PATH {
                return source.answer(request).await;
            }
            // What is below `/clodo/` may run a Worker, whose bindings wait themselves.
            let _shared = match path.starts_with("/client/") {
                true => Some(source.pause.read().await),
                false => None,
            };
            next.run(request).await
        }
    }))
}

/// What a snapshot of the running cloud is made from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) folder: PathBuf,
    pub(crate) token: Secret,
    pub(crate) data: Data,
    pub(crate) pause: Pause,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Source {
    async fn answer(&self, request: Request) -> Response {
        let (request, _) = request.into_parts();
        let wanted = format!("Bearer {}", self.token.expose());
        let given = request.headers.get(header::AUTHORIZATION);
        if request.method != Method::POST {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        if given.is_none_or(|given| given.as_bytes() != wanted.as_bytes()) {
            return StatusCode::FORBIDDEN.into_response();
        }
        match self.make().await {
            Ok(file) => {
                let stream = tokio_util::io::ReaderStream::new(tokio::fs::File::from_std(file));
                Body::from_stream(stream).into_response()
            }
            Err(error) => {
                let text = in_full(&error);
                (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
            }
        }
    }

    async fn make(&self) -> Result<File, SnapshotError> {
        let alone = Arc::clone(&self.pause).write_owned().await;
        // D1's files are whole only when they are closed. What runs in the background, such as an
        // import or a delivery, is no request of the API: it waits here.
        let still = self.data.still().await;
        let (folder, at) = (self.folder.clone(), self.clock.now());
        blocking(move || {
            // Here, since whoever asked may leave before the file is written.
            let _held = (alone, still);
            let out =
                tempfile::tempfile_in(&folder).map_err(SnapshotError::io("write", &folder))?;
            let mut file = archive::write(&folder, out, at)?;
            io::Seek::rewind(&mut file).map_err(SnapshotError::io("read", &folder))?;
            Ok(file)
        })
        .await
    }
}

/// An error with its causes, in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Saves the state of a cloud that does not run.
///
/// # Errors
/// When one runs, there is no state, or a file cannot be read or written; then `file` is what it was.
pub async fn save_stopped(
    state_folder: &Path,
    file: &Path,
    clock: Arc<dyn Clock>,
) -> Result<u64, SnapshotError> {
    let (folder, file) = (state_folder.to_owned(), file.to_owned());
    blocking(move || {
        let lock = hold(&folder)?;
        let out = partial(&file)?;
        let path = out.path().to_owned();
        let reopened = out.reopen().map_err(SnapshotError::io("write", &path))?;
        archive::write(&folder, reopened, clock.now())?;
        drop(lock);
        finish(out, &file)
    })
    .await
}

/// Saves the state of a running cloud. Its API and bindings wait meanwhile; Durable Objects go on,
/// and each is saved as it is at one moment.
///
/// # Errors
/// When it does not answer, or the file cannot be written; then `file` is what it was.
pub async fn save_running(running: &Running, file: &Path) -> Result<u64, SnapshotError> {
    let not_sent = |why: String| SnapshotError::NotSent { why };
    let answer = running.post(PATH).await.ok_or_else(|| not_sent("it does not answer".into()))?;
    let status = answer.status();
    if status != StatusCode::OK {
        let body = answer.into_body().collect().await.map(|body| body.to_bytes());
        let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
        return Err(not_sent(format!("{status} {text}")));
    }
    let mut out = partial(file)?;
    let mut body = answer.into_body().into_data_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| not_sent(error.to_string()))?;
        out.write_all(&chunk).map_err(SnapshotError::io("write", file))?;
    }
    finish(out, file)
}

/// The state's lock, so that no cloud starts meanwhile.
fn hold(folder: &Path) -> Result<File, SnapshotError> {
    if !folder.join("state.sqlite").is_file() {
        return Err(SnapshotError::Empty { folder: folder.to_owned() });
    }
    if is_locked(folder) {
        return Err(SnapshotError::Running);
    }
    let path = folder.join("state.lock");
    let file = File::create(&path).map_err(SnapshotError::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(SnapshotError::Running),
        Err(fs::TryLockError::Error(source)) => Err(SnapshotError::io("lock", path)(source)),
    }
}

/// A file beside `file`, readable by its owner only; gone again unless it is finished.
fn partial(file: &Path) -> Result<tempfile::NamedTempFile, SnapshotError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix("snapshot.")
        .tempfile_in(folder)
        .map_err(SnapshotError::io("write", file))
}

fn finish(out: tempfile::NamedTempFile, file: &Path) -> Result<u64, SnapshotError> {
    let failed = || SnapshotError::io("write", file);
    out.as_file().sync_all().map_err(failed())?;
    let size = out.as_file().metadata().map_err(failed())?.len();
    out.persist(file).map_err(|error| failed()(error.error))?;
    Ok(size)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => Err(SnapshotError::NotSent { why: stopped.to_string() }),
    }
}
