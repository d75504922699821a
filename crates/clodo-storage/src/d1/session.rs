//! What is kept beside an open connection: the guard, what is known of SQL texts, the counters.

use crate::pool::lock;
use clodo_sqlite::{
    Durability, OpenOptions,
    rusqlite::{self, Connection},
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    Bookmark, D1Error,
    guard::{self, Guard},
    history::History,
};

/// State of one open database. Only the connection's own thread uses it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) guard: Arc<Guard>,
    pub(super) history: Arc<History>,
    pub(super) path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Texts that are one statement and no pragma, and whether the statement only reads. These may
    /// be prepared before the transaction begins, or without one.
    single: HashMap<Arc<str>, bool>,
    /// Indexes per table, for counting rows written.
    indexes: HashMap<String, u64>,
    /// Bytes of the database; `None` until asked for.
    size: Option<u64>,
    /// Bytes of a page; it never changes.
    page: Option<u64>,
    /// How many writes the file counts; `None` until asked for.
    writes: Option<u32>,
}

/// Prepared statements kept per database, and texts remembered.
const CACHED: usize = 128;

/// How long a statement waits for another program's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

pub(super) fn opener(path: &Path, history: History) -> (OpenOptions, Session) {
    let (guard, history) = (Arc::new(Guard::default()), Arc::new(history));
    history.take_hold();
    let (hooks, opened, closed) = (Arc::clone(&guard), Arc::clone(&history), Arc::clone(&history));
    let options = OpenOptions::default()
        .with_durability(Durability::Normal)
        .with_busy_timeout(BUSY)
        .with_cached_statements(CACHED)
        .with_init(move |db: &mut Connection| {
            opened.install(db)?;
            guard::install(&hooks, db)
        })
        .with_close(move |db| closed.close(db));
    (options, Session { guard, history, path: path.to_owned(), state: Mutex::default() })
}

impl Session {
    /// Whether `sql` is known to be one statement that is no pragma; true inside = it only reads.
    pub(super) fn single(&self, sql: &str) -> Option<bool> {
        lock(&self.state).single.get(sql).copied()
    }

    pub(super) fn remember_single(&self, sql: &str, reads: bool) {
        let mut state = lock(&self.state);
        if state.single.len() >= CACHED {
            state.single.clear();
        }
        state.single.insert(sql.into(), reads);
    }

    /// The schema changed: whether a text reads may have changed with it.
    pub(super) fn forget_schema(&self) {
        let mut state = lock(&self.state);
        state.single.clear();
        state.indexes.clear();
    }

    /// Something was written.
    pub(super) fn forget_size(&self) {
        lock(&self.state).size = None;
    }

    /// A transaction was rolled back, and with it what was known of the file.
    pub(super) fn forget_all(&self) {
        self.forget_schema();
        let mut state = lock(&self.state);
        (state.size, state.writes) = (None, None);
    }

    pub(super) fn size(&self, db: &Connection) -> Result<u64, D1Error> {
        if let Some(size) = lock(&self.state).size {
            return Ok(size);
        }
        let known = lock(&self.state).page;
        let page = known.map_or_else(|| number(self, db, "PRAGMA page_size"), Ok)?;
        let size = page * number(self, db, "PRAGMA page_count")?;
        let mut state = lock(&self.state);
        (state.size, state.page) = (Some(size), Some(page));
        Ok(size)
    }

    /// Rows written since the last call: each row counts once, and once more per index of its table.
    pub(super) fn rows_written(&self, db: &Connection) -> Result<u64, D1Error> {
        let mut sum = 0;
        for (table, rows) in self.guard.take_written() {
            sum += rows * (1 + self.indexes(db, table)?);
        }
        Ok(sum)
    }

    fn indexes(&self, db: &Connection, table: String) -> Result<u64, D1Error> {
        if let Some(count) = lock(&self.state).indexes.get(&table) {
            return Ok(*count);
        }
        let count: i64 = self.guard.trusting(|| {
            db.prepare_cached("SELECT count(*) FROM pragma_index_list(?1)")?
                .query_row([&table], |row| row.get(0))
        })?;
        let count = u64::try_from(count).unwrap_or(0);
        lock(&self.state).indexes.insert(table, count);
        Ok(count)
    }

    /// The state that the file is in. The count of writes lives in the header's user version,
    /// which D1 lets nobody see or set.
    pub(super) fn bookmark(&self, db: &Connection) -> Result<Bookmark, D1Error> {
        Ok(self.bookmark_of(self.writes(db)?.into()))
    }

    /// The bookmark of the state after so many writes.
    pub(super) fn bookmark_of(&self, writes: u64) -> Bookmark {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let digest = blake3::hash(format!("{name} {writes}").as_bytes());
        let tail = digest.as_bytes().first_chunk().expect("a digest has 32 bytes");
        Bookmark { writes, tail: u128::from_be_bytes(*tail) }
    }

    /// Counts one more write, inside its transaction.
    pub(super) fn count_write(&self, db: &Connection) -> Result<(), D1Error> {
        let writes = self.writes(db)?.wrapping_add(1);
        let sql = format!("PRAGMA user_version = {}", writes.cast_signed());
        self.history.note(writes);
        self.guard.trusting(|| db.execute_batch(&sql))?;
        lock(&self.state).writes = Some(writes);
        Ok(())
    }

    /// How many writes the file counts.
    pub(super) fn writes(&self, db: &Connection) -> Result<u32, D1Error> {
        if let Some(writes) = lock(&self.state).writes {
            return Ok(writes);
        }
        // The header holds 32 bits, and the pragma shows them with a sign.
        let writes = number(self, db, "PRAGMA user_version")? as u32;
        lock(&self.state).writes = Some(writes);
        Ok(writes)
    }
}

fn number(session: &Session, db: &Connection, pragma: &str) -> Result<u64, D1Error> {
    let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    let found = session.guard.trusting(|| db.prepare_cached(pragma)?.query_row([], read))?;
    Ok(found as u64)
}
