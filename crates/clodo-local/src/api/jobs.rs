//! Imports and exports under way, and what became of them.
//!
//! An import writes down how far it is: after a kill the next poll knows whether it took effect, and
//! runs it if it did not.

use super::{
    ApiContext,
    error::ApiError,
    reply::{Answer, Reply},
};
use axum::http::StatusCode;
use clodo_storage::{Bookmark, DatabaseRef, ImportReport, ImportStage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// How long a poll waits for an end before it answers `active`.
const LONG_POLL: Duration = Duration::from_secs(1);

/// How a job ended: the `result` of the polling object, or D1's words.
pub(super) type Outcome = Result<Value, String>;

type Running = watch::Receiver<Option<Outcome>>;

/// All jobs of this process.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<HashMap<JobKey, Running>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Import,
    Export,
}

/// Clients name a job by the state that its database was in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct JobKey {
    kind: Kind,
    database: String,
    bookmark: String,
}

impl JobKey {
    pub(super) fn new(kind: Kind, at: &DatabaseRef, bookmark: &Bookmark) -> Self {
        Self { kind, database: at.id.to_string(), bookmark: bookmark.to_string() }
    }

    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.{}.job", self.database, self.bookmark))
    }
}

/// What is known of an import, as it stands on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// The file that is imported.
    file: String,
    /// The state that it began from; nobody else writes until it ends.
    began: Option<String>,
    /// What it will have done if it takes effect.
    ran: Option<Value>,
    /// How it ended.
    done: Option<Outcome>,
}

impl Jobs {
    fn all(&self) -> MutexGuard<'_, HashMap<JobKey, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in the background. A job of that name that still runs goes on instead.
    pub(super) fn start(&self, key: JobKey, work: impl Future<Output = Outcome> + Send + 'static) {
        let (done, outcome) = watch::channel(None);
        let mut jobs = self.all();
        if jobs.get(&key).is_some_and(|job| job.borrow().is_none()) {
            return;
        }
        // Of what has ended only the newest are remembered.
        if jobs.len() >= 256 {
            jobs.retain(|_, job| job.borrow().is_none());
        }
        jobs.insert(key, outcome);
        drop(jobs);
        tokio::spawn(async move {
            let _ = done.send(Some(work.await));
        });
    }

    /// Starts to import a file.
    pub(super) fn import(
        &self,
        cx: &Arc<ApiContext>,
        at: &DatabaseRef,
        key: &JobKey,
        file: String,
    ) {
        self.start(key.clone(), ingest(Arc::clone(cx), at.clone(), key.clone(), file));
    }

    /// Takes up an import whose process is gone: it is done, or it runs.
    pub(super) async fn resume(
        &self,
        cx: &Arc<ApiContext>,
        at: &DatabaseRef,
        key: &JobKey,
    ) -> Result<(), ApiError> {
        if self.all().contains_key(key) {
            return Ok(());
        }
        let read = tokio::fs::read(key.file(cx.transfers.folder())).await;
        let Some(note) = read.ok().and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok())
        else {
            return Ok(());
        };
        if let Some(outcome) = note.done {
            self.start(key.clone(), async move { outcome });
            return Ok(());
        }
        let now = cx.data.d1.info(at).await?.bookmark.to_string();
        match (note.began.filter(|began| *began != now), note.ran) {
            (Some(_), Some(result)) => self.start(key.clone(), async move { Ok(result) }),
            (Some(_), None) => {
                let text = "The import was interrupted before it took effect.".to_owned();
                self.start(key.clone(), async move { Err(text) });
            }
            (None, _) => self.import(cx, at, key, note.file),
        }
        Ok(())
    }

    /// The polling object of a job, after waiting a while for its end; `None` if there is none.
    pub(super) async fn poll(&self, key: &JobKey) -> Result<Option<Reply>, ApiError> {
        let Some(mut job) = self.all().get(key).cloned() else { return Ok(None) };
        let _ = tokio::time::timeout(LONG_POLL, job.wait_for(Option::is_some)).await;
        let outcome = job.borrow().clone();
        shown(key, outcome).map(Some)
    }
}

fn shown(key: &JobKey, outcome: Option<Outcome>) -> Answer {
    let kind = match key.kind {
        Kind::Import => "import",
        Kind::Export => "export",
    };
    let mut shown = json!({
        "success": true, "type": kind, "at_bookmark": key.bookmark, "messages": [], "errors": [],
        "status": "active",
    });
    match outcome {
        None => return Ok(Reply::ok(&shown)?.with_status(StatusCode::ACCEPTED)),
        Some(Ok(result)) => {
            shown["status"] = json!("complete");
            if let Some(count) = result.get("num_queries") {
                shown["messages"] = json!([format!("Processed {count} queries.")]);
            }
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

async fn ingest(cx: Arc<ApiContext>, at: DatabaseRef, key: JobKey, file: String) -> Outcome {
    let path = cx.transfers.path(&file);
    let job = key.file(cx.transfers.folder());
    let report = cx.data.d1.import(&at, &path, move |stage| note(&job, &file, &stage)).await;
    report.map(|report| result(&report)).map_err(|error| error.to_string())
}

fn result(report: &ImportReport) -> Value {
    json!({
        "final_bookmark": report.final_bookmark,
        "num_queries": report.num_queries,
        "meta": report.meta,
    })
}

/// Writes down how far an import is. If that fails, the import goes on: only a kill would be told
/// wrongly, as an import that nobody knows of.
fn note(job: &Path, file: &str, stage: &ImportStage<'_>) {
    let read = std::fs::read(job).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let began = read.and_then(|note: Note| note.began);
    let mut note = Note { file: file.to_owned(), began, ran: None, done: None };
    match stage {
        ImportStage::Begins(bookmark) => note.began = Some(bookmark.to_string()),
        ImportStage::Ran(report) => note.ran = Some(result(report)),
        ImportStage::Done(report) => note.done = Some(Ok(result(report))),
        ImportStage::Failed(error) => note.done = Some(Err(error.to_string())),
    }
    let partial = job.with_extension("job.partial");
    let bytes = serde_json::to_vec(&note).unwrap_or_default();
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, job));
    if let Err(error) = written {
        tracing::warn!(%error, "how far an import is could not be written down");
    }
}
