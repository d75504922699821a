//! Where figures are kept: one row per dataset, account, minute and set of dimensions.

use super::cell::{Cell, Value};
use clodo_sqlite::{
    Durability, OpenOptions, Sqlite, SqliteError,
    rusqlite::{self, Connection, OptionalExtension as _, params},
};
use clodo_types::{Clock, Timestamp};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::task::TaskTracker;

const FORMAT: &[&str] = &["CREATE TABLE figure (account TEXT NOT NULL, dataset INTEGER NOT NULL, \
     minute INTEGER NOT NULL, dimensions TEXT NOT NULL, cell TEXT NOT NULL, \
     PRIMARY KEY (account, dataset, minute, dimensions)) WITHOUT ROWID;\
     CREATE INDEX figure_by_age ON figure (minute)"];

/// Cloudflare keeps figures for three months.
const KEPT_MINUTES: i64 = 92 * 24 * 60;
/// How many rows are kept; the oldest go first.
const KEPT_ROWS: i64 = 500_000;
/// How long a figure may stay in memory. A process that is killed loses what is there.
const DELAY: Duration = Duration::from_secs(1);
/// How many rows may be in memory; more are left out until they are written.
const MAX_PENDING: usize = 20_000;
/// How many flushes pass from one cleaning to the next.
const CLEAN_EVERY: u32 = 600;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Dataset {
    Invocations = 0,
    D1 = 1,
    D1Queries = 2,
    D1Storage = 3,
    Kv = 4,
    KvStorage = 5,
    R2 = 6,
    R2Storage = 7,
}

impl Dataset {
    /// Whether it says how things stand rather than what happened: the newest figure of a minute
    /// counts.
    pub(crate) fn is_state(self) -> bool {
        matches!(self, Self::D1Storage | Self::KvStorage | Self::R2Storage)
    }
}

/// One row, as it is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    /// Minutes since the epoch.
    pub(crate) minute: i64,
    pub(crate) dimensions: Vec<String>,
    pub(crate) cell: Cell,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    account: String,
    dataset: Dataset,
    minute: i64,
    dimensions: Vec<String>,
}

#[derive(Debug, Default)]
struct Pending {
    cells: HashMap<Key, Cell>,
    scheduled: bool,
}

/// The figures of a cloud. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    pending: Mutex<Pending>,
    /// Opened when there is something to keep; holds the number of flushes.
    file: AsyncMutex<(Option<Sqlite>, u32)>,
    tasks: TaskTracker,
}

impl Store {
    /// Keeps figures in a file, which is made when there are some.
    pub(crate) fn at(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let (pending, file, tasks) = (Mutex::default(), AsyncMutex::default(), TaskTracker::new());
        Self { inner: Arc::new(Inner { path, clock, pending, file, tasks }) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.inner.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts events in the present minute. Returns at once.
    pub(crate) fn add(
        &self,
        account: &str,
        dataset: Dataset,
        dimensions: Vec<String>,
        (count, values): (u64, &[Value]),
    ) {
        let minute = self.now().as_millis().div_euclid(60_000);
        let key = Key { account: account.to_owned(), dataset, minute, dimensions };
        let mut pending = self.pending();
        if pending.cells.len() >= MAX_PENDING && !pending.cells.contains_key(&key) {
            return;
        }
        let state = key.dataset.is_state();
        let cell = pending.cells.entry(key).or_default();
        if state {
            *cell = Cell::default();
        }
        cell.add(count, values);
        if !pending.scheduled && tokio::runtime::Handle::try_current().is_ok() {
            pending.scheduled = true;
            let store = self.clone();
            self.inner.tasks.spawn(async move {
                tokio::time::sleep(DELAY).await;
                if let Err(error) = store.flush().await {
                    tracing::debug!(%error, "figures cannot be written");
                }
            });
        }
    }

    /// Writes what is in memory. What cannot be written is lost.
    pub(crate) async fn flush(&self) -> Result<(), SqliteError> {
        let mut file = self.inner.file.lock().await;
        let cells = {
            let mut pending = self.pending();
            pending.scheduled = false;
            std::mem::take(&mut pending.cells)
        };
        if cells.is_empty() {
            return Ok(());
        }
        let oldest = self.now().as_millis().div_euclid(60_000) - KEPT_MINUTES;
        let clean = file.1.is_multiple_of(CLEAN_EVERY);
        file.1 = file.1.wrapping_add(1);
        let sqlite = self.opened(&mut file.0).await?;
        sqlite.call(move |db| write(db, &cells, clean.then_some(oldest))).await
    }

    /// The rows of a dataset, of minutes in the range, oldest first.
    pub(crate) async fn figures(
        &self,
        account: &str,
        dataset: Dataset,
        minutes: std::ops::RangeInclusive<i64>,
    ) -> Result<Vec<Figure>, SqliteError> {
        self.flush().await?;
        let mut file = self.inner.file.lock().await;
        if file.0.is_none() && !self.inner.path.exists() {
            return Ok(Vec::new());
        }
        let sqlite = self.opened(&mut file.0).await?.clone();
        drop(file);
        let account = account.to_owned();
        sqlite.call(move |db| read(db, &account, dataset, &minutes)).await
    }

    /// Writes what is in memory, and lets go of the file.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.flush().await {
            tracing::debug!(%error, "figures cannot be written");
        }
        if let Some(sqlite) = self.inner.file.lock().await.0.take() {
            sqlite.close().await;
        }
    }

    async fn opened<'a>(&self, file: &'a mut Option<Sqlite>) -> Result<&'a Sqlite, SqliteError> {
        if file.is_none() {
            // A folder that was deleted is not made again.
            let options = OpenOptions::default()
                .with_durability(Durability::Normal)
                .with_create(self.inner.path.parent().is_some_and(std::path::Path::exists))
                .with_format(FORMAT);
            *file = Some(Sqlite::open(&self.inner.path, options).await?);
        }
        Ok(file.as_ref().expect("it was opened just now"))
    }
}

fn write(
    db: &mut Connection,
    cells: &HashMap<Key, Cell>,
    oldest: Option<i64>,
) -> rusqlite::Result<()> {
    let tx = db.transaction()?;
    for (key, cell) in cells {
        let dimensions = serde_json::to_string(&key.dimensions).unwrap_or_default();
        let place = params![key.account, key.dataset as i64, key.minute, dimensions];
        let known: Option<String> = tx
            .prepare_cached(
                "SELECT cell FROM figure WHERE account = ?1 AND dataset = ?2 AND minute = ?3 \
                 AND dimensions = ?4",
            )?
            .query_row(place, |row| row.get(0))
            .optional()?;
        let known = known.filter(|_| !key.dataset.is_state());
        let mut whole: Cell =
            known.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        whole.merge(cell);
        let whole = serde_json::to_string(&whole).unwrap_or_default();
        tx.prepare_cached("INSERT OR REPLACE INTO figure VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![key.account, key.dataset as i64, key.minute, dimensions, whole])?;
    }
    if let Some(oldest) = oldest {
        tx.execute("DELETE FROM figure WHERE minute < ?1", [oldest])?;
        tx.execute(
            "DELETE FROM figure WHERE minute <= (SELECT minute FROM figure \
             ORDER BY minute DESC LIMIT 1 OFFSET ?1)",
            [KEPT_ROWS],
        )?;
    }
    tx.commit()
}

fn read(
    db: &mut Connection,
    account: &str,
    dataset: Dataset,
    minutes: &std::ops::RangeInclusive<i64>,
) -> rusqlite::Result<Vec<Figure>> {
    let mut statement = db.prepare_cached(
        "SELECT minute, dimensions, cell FROM figure WHERE account = ?1 AND dataset = ?2 \
         AND minute BETWEEN ?3 AND ?4 ORDER BY minute, dimensions",
    )?;
    let place = params![account, dataset as i64, minutes.start(), minutes.end()];
    let rows = statement.query_map(place, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    })?;
    let mut figures = Vec::new();
    for row in rows {
        let (minute, dimensions, cell) = row?;
        // A row that nobody can read is none.
        if let (Ok(dimensions), Ok(cell)) =
            (serde_json::from_str(&dimensions), serde_json::from_str(&cell))
        {
            figures.push(Figure { minute, dimensions, cell });
        }
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_types::ManualClock;

    #[tokio::test]
    async fn figures_survive_a_restart_and_grow_old() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(60_000 * 1_000)));
        let open = || {
            let clock = Arc::clone(&clock) as Arc<dyn Clock>;
            Store::at(folder.path().join("analytics.sqlite"), clock)
        };
        let all =
            async |store: &Store| store.figures("a", Dataset::Kv, 0..=i64::MAX).await.unwrap();
        let add = |store: &Store, name: &str| {
            let values = [Value::Spread(7.0)];
            store.add("a", Dataset::Kv, vec![name.into()], (2, &values));
        };
        let store = open();
        assert!(all(&store).await.is_empty());
        assert!(!folder.path().join("analytics.sqlite").exists(), "nothing to keep, no file");
        add(&store, "x");
        store.flush().await.unwrap();
        add(&store, "x");
        add(&store, "y");
        store.close().await;
        let store = open();
        let found = all(&store).await;
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].minute, found[0].cell.count), (1_000, 4));
        assert_eq!(store.figures("b", Dataset::Kv, 0..=i64::MAX).await.unwrap(), []);
        assert_eq!(store.figures("a", Dataset::Kv, 0..=999).await.unwrap(), []);
        store.close().await;
        clock.advance(Duration::from_secs(60 * (1 + 92 * 24 * 60)));
        let store = open();
        add(&store, "z");
        assert_eq!(all(&store).await.len(), 1);
        store.close().await;
    }

    #[tokio::test]
    async fn a_folder_that_was_deleted_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let clock = Arc::new(ManualClock::default());
        let store = Store::at(gone.join("analytics.sqlite"), clock);
        store.add("a", Dataset::Kv, Vec::new(), (1, &[]));
        assert!(store.flush().await.is_err());
        assert!(!gone.exists());
    }
}
