use clodo_sqlite::{
    Closing, OpenOptions, Sqlite, SqliteError, SqliteErrorKind,
    rusqlite::{self, Connection},
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OnceCell, OwnedRwLockWriteGuard, RwLock},
    time::Instant,
};

/// How many stores stay open, and for how long.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Open files at most; the one idle longest is closed first.
    pub max_open: usize,
    /// A store that nobody asked for this long is closed at the next request to any store.
    pub idle: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { max_open: 64, idle: Duration::from_secs(30) }
    }
}

/// A lock whose holder panicked still guards consistent data: every critical section here is a
/// single insert, remove or read.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Open SQLite files by path, each with state of type `S` beside its connection.
#[derive(Debug)]
pub(crate) struct Pool<S> {
    options: PoolOptions,
    open: Mutex<HashMap<PathBuf, Arc<Slot<S>>>>,
    /// Whoever uses a file holds it shared.
    users: Arc<RwLock<()>>,
    /// The files opened so far that may not be closed yet, those that left `open` among them.
    closing: Mutex<Vec<Closing>>,
}

#[derive(Debug)]
struct Slot<S> {
    store: OnceCell<Store<S>>,
    used: Mutex<Instant>,
}

/// An open file.
#[derive(Debug)]
struct Store<S> {
    sqlite: Sqlite,
    state: Arc<S>,
}

impl<S: Send + Sync + 'static> Pool<S> {
    pub(crate) fn new(options: PoolOptions) -> Self {
        Self {
            options,
            open: Mutex::new(HashMap::new()),
            users: Arc::default(),
            closing: Mutex::default(),
        }
    }

    /// Makes the file; false when it is there already. When it cannot be made, nothing of it stays.
    pub(crate) async fn create(
        &self,
        path: &Path,
        how: impl Fn(&Path) -> (OpenOptions, S),
    ) -> Result<bool, SqliteError> {
        if path.exists() {
            return Ok(false);
        }
        let _user = self.users.read().await;
        let (options, _state) = how(path);
        match Sqlite::open(path, options.with_create(true)).await {
            Ok(made) => made.close().await,
            Err(error) => {
                let _ = remove_files(path);
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Runs `work` on the file's connection, opening it as `how` says when it is not open yet.
    ///
    /// `work` is repeated once when the file was deleted or replaced since it was opened; it has
    /// not begun then.
    pub(crate) async fn with<T, F>(
        &self,
        path: &Path,
        how: impl Fn(&Path) -> (OpenOptions, S),
        work: F,
    ) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection, &S) -> rusqlite::Result<T> + Clone + Send + 'static,
    {
        let _user = self.users.read().await;
        match self.once(path, &how, work.clone()).await {
            Err(error)
                if matches!(error.kind(), SqliteErrorKind::Gone | SqliteErrorKind::Closed) =>
            {
                self.forget(path);
                self.once(path, &how, work).await
            }
            outcome => outcome,
        }
    }

    async fn once<T, F>(
        &self,
        path: &Path,
        how: impl Fn(&Path) -> (OpenOptions, S),
        work: F,
    ) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection, &S) -> rusqlite::Result<T> + Send + 'static,
    {
        let slot = self.slot(path);
        let opened = slot.store.get_or_try_init(|| async {
            let (options, state) = how(path);
            let sqlite = Sqlite::open(path, options.with_create(false)).await?;
            let mut closing = lock(&self.closing);
            closing.retain(|one| !one.is_done());
            closing.push(sqlite.closing());
            Ok(Store { sqlite, state: Arc::new(state) })
        });
        match opened.await {
            Ok(store) => {
                let state = Arc::clone(&store.state);
                store.sqlite.call(move |db| work(db, &state)).await
            }
            Err(error) => {
                self.forget(path);
                Err(error)
            }
        }
    }

    fn slot(&self, path: &Path) -> Arc<Slot<S>> {
        let now = Instant::now();
        let mut open = lock(&self.open);
        if let Some(slot) = open.get(path) {
            *lock(&slot.used) = now;
            return Arc::clone(slot);
        }
        // Only an open looks for what to close, so that a busy store pays nothing for idle ones.
        open.retain(|_, slot| now.duration_since(*lock(&slot.used)) < self.options.idle);
        while open.len() >= self.options.max_open.max(1) {
            let oldest = open.iter().min_by_key(|(_, slot)| *lock(&slot.used));
            let Some(path) = oldest.map(|(path, _)| path.clone()) else { break };
            open.remove(&path);
        }
        let slot = Arc::new(Slot { store: OnceCell::new(), used: Mutex::new(now) });
        open.insert(path.to_owned(), Arc::clone(&slot));
        slot
    }

    fn forget(&self, path: &Path) -> Option<Arc<Slot<S>>> {
        lock(&self.open).remove(path)
    }

    /// Closes a file and waits until it is closed, unless a request is still using it.
    pub(crate) async fn close(&self, path: &Path) {
        if let Some(slot) = self.forget(path) {
            finish(slot).await;
        }
    }

    /// Waits until nobody uses a file, and closes them all; nobody opens one as long as the guard
    /// lives.
    pub(crate) async fn rest(&self) -> OwnedRwLockWriteGuard<()> {
        let alone = Arc::clone(&self.users).write_owned().await;
        self.close_all().await;
        let closing = std::mem::take(&mut *lock(&self.closing));
        for one in closing {
            one.done().await;
        }
        alone
    }

    /// Closes every file.
    pub(crate) async fn close_all(&self) {
        let open = std::mem::take(&mut *lock(&self.open));
        for slot in open.into_values() {
            finish(slot).await;
        }
    }
}

async fn finish<S>(slot: Arc<Slot<S>>) {
    if let Some(store) = Arc::into_inner(slot).and_then(|slot| slot.store.into_inner()) {
        store.sqlite.close().await;
    }
}

/// Removes a database file with what SQLite keeps beside it; false when there was none.
pub(crate) fn remove_files(path: &Path) -> std::io::Result<bool> {
    let there = match std::fs::remove_file(path) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    for suffix in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        match std::fs::remove_file(PathBuf::from(beside)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(there)
}

/// The error, which names the file, and what SQLite or the system said of it.
pub(crate) fn told_with_cause(error: &SqliteError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::sync::mpsc;

    fn how(_: &Path) -> (OpenOptions, ()) {
        (OpenOptions::default(), ())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn files_are_at_rest_only_between_uses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite");
        let pool = Arc::new(Pool::new(PoolOptions::default()));
        pool.create(&path, how).await.unwrap();
        let (began, begun) = mpsc::sync_channel(1);
        let (go, going) = mpsc::channel::<()>();
        let going = Arc::new(Mutex::new(going));
        let work = move |db: &mut Connection, (): &()| {
            db.execute_batch("CREATE TABLE t (a); BEGIN; INSERT INTO t VALUES (1)")?;
            began.send(()).unwrap();
            lock(&going).recv().unwrap();
            db.execute_batch("COMMIT")
        };
        let (users, file) = (Arc::clone(&pool), path.clone());
        let busy = tokio::spawn(async move { users.with(&file, how, work).await });
        tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
        let resting = pool.rest();
        tokio::pin!(resting);
        assert!(resting.as_mut().now_or_never().is_none(), "a use goes on");
        go.send(()).unwrap();
        let rest = resting.await;
        busy.await.unwrap().unwrap();
        assert!(!path.with_extension("sqlite-wal").exists(), "the file is whole by itself");
        let count = |db: &mut Connection, (): &()| {
            db.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
        };
        let next = pool.with(&path, how, count);
        tokio::pin!(next);
        assert!(next.as_mut().now_or_never().is_none(), "nobody opens it meanwhile");
        drop(rest);
        assert_eq!(next.await.unwrap(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_file_that_left_the_pool_is_waited_for_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1.sqlite"), folder.path().join("2.sqlite"));
        let pool = Pool::new(PoolOptions { max_open: 1, ..PoolOptions::default() });
        for path in [&one, &two] {
            pool.create(path, how).await.unwrap();
        }
        let (go, going) = mpsc::channel::<()>();
        let going = Arc::new(Mutex::new(going));
        let slowly_closed = |_: &Path| {
            let going = Arc::clone(&going);
            let close = move |_: &mut Connection| lock(&going).recv().unwrap();
            (OpenOptions::default().with_close(close), ())
        };
        let write = |db: &mut Connection, (): &()| db.execute_batch("CREATE TABLE t (a)");
        pool.with(&one, slowly_closed, write).await.unwrap();
        pool.with(&two, how, write).await.unwrap();
        let resting = pool.rest();
        tokio::pin!(resting);
        let soon = tokio::time::timeout(Duration::from_millis(50), resting.as_mut()).await;
        assert!(soon.is_err(), "the first file is not closed yet");
        go.send(()).unwrap();
        let _rest = resting.await;
        assert!(!one.with_extension("sqlite-wal").exists(), "the file is whole by itself");
    }
}
