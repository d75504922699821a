use crate::{
    backup,
    error::{Fault, SqliteError},
    options::OpenOptions,
    place::Place,
    thread::{self, Job},
};
use rusqlite::Connection;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::{mpsc, oneshot, watch};

/// How many closures may wait; whoever brings one more waits with it.
const QUEUE: usize = 1024;

/// A database whose connection lives on a thread of its own. Clones share the connection.
///
/// # Contract
/// - Closures run one after the other, in the order in which their `call` was polled first.
/// - A dropped `call` skips a closure that has not begun and never stops one that has.
/// - When the last clone is dropped, the thread finishes what is queued, closes the file and ends;
///   nobody waits for it. Use [`Sqlite::close`] or [`Sqlite::closing`] to wait.
/// - A file is in WAL mode, unless [`OpenOptions::keep_journal`] says otherwise, with `foreign_keys` on.
#[derive(Clone, Debug)]
pub struct Sqlite {
    jobs: mpsc::Sender<Job>,
    place: Arc<Place>,
    closing: Arc<Closing>,
}

/// Tells when a database is closed, without keeping it open.
#[derive(Clone, Debug)]
pub struct Closing(watch::Receiver<()>);

impl Closing {
    /// Whether the database is closed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.has_changed().is_err()
    }

    /// Waits until every handle is gone and the database is closed.
    pub async fn done(mut self) {
        // The thread never sends; its end drops the sender.
        while self.0.changed().await.is_ok() {}
    }
}

impl Sqlite {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// When it cannot be opened, is no database, or has a newer format than `options` knows.
    pub async fn open(path: impl Into<PathBuf>, options: OpenOptions) -> Result<Self, SqliteError> {
        Self::start(Place::File { path: path.into(), identity: None }, options).await
    }

    /// Opens an empty database in memory, which lives as long as its handles.
    ///
    /// # Errors
    /// When the format or the init hook of `options` fails.
    pub async fn in_memory(options: OpenOptions) -> Result<Self, SqliteError> {
        Self::start(Place::Memory, options).await
    }

    async fn start(place: Place, options: OpenOptions) -> Result<Self, SqliteError> {
        let name = place.to_string();
        let (tell_opened, opened) = oneshot::channel();
        let (tell_closed, closed) = watch::channel(());
        let (jobs, queue) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("clodo-sqlite".into())
            .spawn(move || thread::run(place, &options, tell_opened, queue, tell_closed))
            .map_err(|source| {
                SqliteError::new(&name, Fault::Io { doing: "start a thread for", source })
            })?;
        let place = match opened.await {
            Ok(outcome) => outcome?,
            // Only a panic in an init hook ends the thread without an answer.
            Err(_) => {
                let why = "the init hook panicked".to_owned();
                return Err(SqliteError::new(name, Fault::Panicked(why)));
            }
        };
        Ok(Self { jobs, place: Arc::new(place), closing: Arc::new(Closing(closed)) })
    }

    /// Runs `work` on the connection and returns what it returns.
    ///
    /// Use `db.transaction()` for several statements that belong together, and `prepare_cached`
    /// for what runs often.
    ///
    /// # Errors
    /// What SQLite says; also when `work` panics or leaves a transaction open (it is rolled back),
    /// or when the file was deleted or replaced since it was opened.
    pub async fn call<T, F>(&self, work: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.submit(move |db, place| thread::guarded(db, place, work)).await
    }

    /// Runs `work` as [`Sqlite::call`] does, and looks again at its end whether the file is still the one
    /// that was opened: for work that waits for somebody on the way, while all other calls wait for it.
    ///
    /// # Errors
    /// As for [`Sqlite::call`]; when the file was deleted or replaced meanwhile, what was written is lost.
    pub async fn hold<T, F>(&self, work: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.submit(move |db, place| {
            let done = thread::guarded(db, place, work)?;
            place.check()?;
            Ok(done)
        })
        .await
    }

    /// Writes a consistent copy to `to`, replacing what is there only once the copy is complete
    /// and on disk. Other calls wait meanwhile.
    ///
    /// # Errors
    /// When the copy cannot be written; then `to` is what it was.
    pub async fn back_up_to(&self, to: impl Into<PathBuf>) -> Result<(), SqliteError> {
        let to = to.into();
        self.submit(move |db, place| {
            place.check()?;
            backup::copy(db, &to)
        })
        .await
    }

    /// Makes it what the file `from` is, in one transaction: whoever else has it open sees all of it or
    /// what there was before. Other calls wait meanwhile.
    ///
    /// # Errors
    /// When `from` cannot be read, or this one cannot be written or is locked; then it is what it was.
    pub async fn fill_from(&self, from: impl Into<PathBuf>) -> Result<(), SqliteError> {
        let from = from.into();
        self.call(move |db| backup::fill(db, &from)).await
    }

    /// The file, or `None` in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.place.path()
    }

    /// Drops this handle and, when it was the last, waits until the file is closed.
    pub async fn close(self) {
        let Self { jobs, closing, .. } = self;
        drop(jobs);
        // Another clone may keep the thread alive for as long as it likes.
        if let Some(closing) = Arc::into_inner(closing) {
            closing.done().await;
        }
    }

    /// What tells when the file is closed, whoever drops the last handle.
    #[must_use]
    pub fn closing(&self) -> Closing {
        Closing::clone(&self.closing)
    }

    async fn submit<T, F>(&self, work: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection, &Place) -> Result<T, SqliteError> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let job: Job = Box::new(move |db, place| {
            if !answer.is_closed() {
                let _ = answer.send(work(db, place));
            }
        });
        let closed = || self.place.error(Fault::Closed);
        self.jobs.send(job).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }
}
