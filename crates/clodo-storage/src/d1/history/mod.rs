//! Time travel: every state of a database of the last 30 days, for the price of the pages that
//! changed.
//!
//! SQLite's own log holds the newest transactions. Before it is emptied into the database, each of
//! its transactions becomes an entry in a file of history that tells what its pages were *before*
//! it. Going back means to copy the database, to put pages back from the newest transaction to the
//! one that was asked for, and to install the copy in one transaction, which is history itself.
//! Pages are exact whatever made them: rows, schema, full-text indexes, `sqlite_sequence`.
//!
//! **Invariant:** nothing but [`History::settle`] moves the log into the database, so a kill at any
//! moment leaves a transaction in the log, in history, or in both.

mod batch;
mod delta;
mod pages;
mod restore;
mod times;
mod wal;

pub(super) use batch::Moment;
pub(super) use pages::Files;

use super::types::HistoryOptions;
use batch::{Batch, BatchWriter, Cursor};
use clodo_sqlite::rusqlite::{self, Connection, config::DbConfig, wal::CheckpointMode};
use clodo_types::Clock;
use delta::{Before, difference, fingerprint};
use pages::{SharedFile, offset, read_at};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};
use times::Times;
use wal::{Transaction, Wal, number};

/// The log is emptied when it is longer, in bytes.
const LONG_LOG: u64 = 8 * 1024 * 1024;
/// When history cannot be written, it is given up rather than let the log grow beyond this.
const TOO_LONG_LOG: u64 = 128 * 1024 * 1024;
/// A newest file of history that is shorter is continued.
const SMALL_BATCH: u64 = 256 * 1024;
/// Where the user version lies in the first page.
const USER_VERSION: usize = 60;
/// Where the count of pages lies in the first page.
const PAGE_COUNT: usize = 28;

/// The history of one open database. Only the connection's own thread uses it.
#[derive(Debug)]
pub(super) struct History {
    database: PathBuf,
    log: PathBuf,
    folder: PathBuf,
    options: HistoryOptions,
    clock: Arc<dyn Clock>,
    times: Times,
    files: Arc<Files>,
    file: OnceLock<SharedFile>,
}

/// Why a state cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum HistoryError {
    #[error("history cannot be read or written: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("another program holds the database")]
    Busy,
    #[error("history does not fit the file: something else wrote to it")]
    Foreign,
    #[error("no such state is kept")]
    NotKept,
}

/// Where the history of the database at `path` lies.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    path.with_extension("history")
}

impl History {
    pub(super) fn new(
        database: &Path,
        options: HistoryOptions,
        clock: Arc<dyn Clock>,
        files: Arc<Files>,
    ) -> Self {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let folder = folder_of(database);
        Self {
            database: database.to_owned(),
            log: log.into(),
            times: Times::in_folder(&folder),
            folder,
            options,
            clock,
            files,
            file: OnceLock::new(),
        }
    }

    /// Takes hold of the file; call it before SQLite opens it.
    pub(super) fn take_hold(&self) {
        // A file that is not there yet, or cannot be read, is SQLite's to complain about.
        if let Ok(file) = self.files.open(&self.database) {
            let _ = self.file.set(file);
        }
    }

    /// Makes sure that only `settle` empties the log.
    pub(super) fn install(&self, db: &Connection) -> rusqlite::Result<()> {
        self.take_hold();
        db.pragma_update(None, "wal_autocheckpoint", 0)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(|_| ())
    }

    /// The connection is about to be closed.
    pub(super) fn close(&self, db: &Connection) {
        match self.settle(db) {
            // The log is empty, and SQLite may remove it.
            Ok(()) => {
                let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
            }
            Err(error) => tracing::warn!(
                %error, database = %self.database.display(), "the log was left for the next opening"
            ),
        }
    }

    /// Notes the time of the write that is about to be committed.
    pub(super) fn note(&self, writes: u32) {
        if let Err(error) = self.times.note(writes, self.clock.now()) {
            // The state can still be reached by its bookmark.
            tracing::warn!(%error, database = %self.database.display(), "a write's time is lost");
        }
    }

    /// Something was committed: empties the log when it has become long.
    pub(super) fn committed(&self, db: &Connection) {
        let length = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        if length < LONG_LOG {
            return;
        }
        if let Err(error) = self.settle(db) {
            let database = self.database.display();
            tracing::warn!(%error, %database, "the log could not be moved into history");
            if length > TOO_LONG_LOG {
                tracing::warn!(%database, "history ends here: the log has become too long");
                self.forget();
                let _ = db.wal_checkpoint_v2(Some("main"), CheckpointMode::PASSIVE);
            }
        }
    }

    /// Moves the log into history, and then into the database.
    pub(super) fn settle(&self, db: &Connection) -> Result<(), HistoryError> {
        let Some(log) = Wal::open(&self.log)? else { return Ok(()) };
        let mut batches = Batch::all(&self.folder)?;
        let last = log.transactions.last().map_or(0, |transaction| transaction.end);
        if self.done(&log, batches.first()) < last {
            log.sync()?;
            self.archive(&log, batches.first())?;
            batches = Batch::all(&self.folder)?;
        }
        let now = batches.first().map(Batch::after);
        self.prune(batches);
        checkpoint(db)?;
        if let Some(now) = now {
            self.times.keep_only(now.writes, Some(now.at).filter(|at| *at != i64::MIN))?;
        }
        Ok(())
    }

    /// Frames of the log that history holds already.
    fn done(&self, log: &Wal, newest: Option<&Batch>) -> u32 {
        newest
            .filter(|batch| batch.cursor.salts == log.salts)
            .map_or(0, |batch| batch.cursor.frames)
    }

    fn archive(&self, log: &Wal, newest: Option<&Batch>) -> Result<(), HistoryError> {
        let times = self.times.all()?;
        let done = self.done(log, newest);
        let mut state = Known::start(self.file()?, log, done)?;
        let before = match newest.map(Batch::after) {
            Some(after) if after.writes == state.moment.writes => after,
            _ => Moment { at: at(&times, state.moment), ..state.moment },
        };
        state.moment = before;
        let small = |batch: &&Batch| {
            batch.length < SMALL_BATCH
                && batch.after().writes == before.writes
                && batch.page_size == log.page_size
        };
        let mut out = BatchWriter::new(&self.folder, before, newest.filter(small))?;
        for transaction in log.transactions.iter().filter(|transaction| transaction.end > done) {
            state.archive(transaction, &times, &mut out)?;
            if out.length() > self.options.max_bytes {
                tracing::warn!(
                    database = %self.database.display(),
                    "a write is larger than all of history may be: history begins after it"
                );
                self.forget();
                return Ok(());
            }
        }
        let last = log.transactions.last().map_or(0, |transaction| transaction.end);
        let cursor = Cursor { salts: log.salts, frames: last };
        let sequence = newest.map_or(1, |batch| batch.sequence + 1);
        Ok(out.finish(sequence, log.page_size, cursor)?)
    }

    fn file(&self) -> io::Result<&std::fs::File> {
        if self.file.get().is_none() {
            let _ = self.file.set(self.files.open(&self.database)?);
        }
        self.file.get().map(SharedFile::get).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Removes what nobody can reach, what is too old, and what is too much.
    fn prune(&self, batches: Vec<Batch>) {
        let oldest = self.clock.now().as_millis() - millis(self.options.keep);
        let mut next = batches.first().map(|batch| batch.after().writes);
        let mut total = 0;
        for batch in batches {
            let (before, after) = (batch.before.writes, batch.after());
            let reachable = next == Some(after.writes);
            let recent = after.at == i64::MIN || after.at >= oldest;
            if reachable && recent && total + batch.length <= self.options.max_bytes {
                next = Some(before);
                total += batch.length;
                continue;
            }
            // A file that a newer one continued lies beside it after a kill; older ones go on.
            if next.is_none_or(|next| after.writes <= next) {
                next = None;
            }
            if let Err(error) = batch.remove() {
                tracing::warn!(%error, "a file of history that is no longer needed stays");
            }
        }
    }

    fn forget(&self) {
        for batch in Batch::all(&self.folder).unwrap_or_default() {
            let _ = batch.remove();
        }
    }
}

/// Empties the log into the database, all of it or not at all as far as others can see.
fn checkpoint(db: &Connection) -> Result<(), HistoryError> {
    // Another program's reader is not waited for: a later call does the rest.
    db.busy_timeout(Duration::ZERO)?;
    let outcome = db.wal_checkpoint_v2(Some("main"), CheckpointMode::TRUNCATE);
    db.busy_timeout(super::session::BUSY)?;
    match outcome {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
            Err(HistoryError::Busy)
        }
        Err(error) => Err(error.into()),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// When a state came to be; a state without a record is as old as the one before it.
fn at(times: &HashMap<u32, i64>, moment: Moment) -> i64 {
    times.get(&moment.writes).copied().unwrap_or(moment.at)
}

/// The database as it is before the next transaction of a log.
struct Known<'a> {
    file: &'a std::fs::File,
    log: &'a Wal,
    /// Pages that the log holds, by their newest frame.
    pages: BTreeMap<u32, u32>,
    /// In pages.
    size: u32,
    moment: Moment,
}

impl<'a> Known<'a> {
    /// The state after the first `done` frames.
    fn start(file: &'a std::fs::File, log: &'a Wal, done: u32) -> io::Result<Self> {
        let length = file.metadata()?.len() / log.page_size as u64;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let moment = Moment { writes: 0, at: i64::MIN };
        let mut state = Self { file, log, pages: BTreeMap::new(), size: length, moment };
        if length > 0 {
            let first = state.page(1)?;
            let counted = number(&first, PAGE_COUNT);
            state.size = if counted == 0 { length } else { counted.min(length) };
            state.moment.writes = number(&first, USER_VERSION);
        }
        for transaction in log.transactions.iter().filter(|transaction| transaction.end <= done) {
            state.advance(transaction)?;
        }
        Ok(state)
    }

    fn page(&self, page: u32) -> io::Result<Vec<u8>> {
        match self.pages.get(&page) {
            Some(frame) => self.log.page(*frame),
            None => read_at(self.file, offset(page, self.log.page_size), self.log.page_size),
        }
    }

    fn advance(&mut self, transaction: &Transaction) -> io::Result<()> {
        self.moment.writes = self.writes_after(transaction)?;
        self.pages.extend(&transaction.pages);
        self.size = transaction.size;
        Ok(())
    }

    fn writes_after(&self, transaction: &Transaction) -> io::Result<u32> {
        match transaction.pages.get(&1) {
            Some(frame) => Ok(number(&self.log.page(*frame)?, USER_VERSION)),
            None => Ok(self.moment.writes),
        }
    }

    /// Writes how a transaction is taken back, and goes on to the state after it.
    fn archive(
        &mut self,
        transaction: &Transaction,
        times: &HashMap<u32, i64>,
        out: &mut BatchWriter,
    ) -> io::Result<()> {
        let writes = self.writes_after(transaction)?;
        let after = Moment { writes, at: at(times, Moment { writes, ..self.moment }) };
        out.begin(after, self.size)?;
        for (page, frame) in &transaction.pages {
            if *page > self.size || *page > transaction.size {
                continue;
            }
            let new = self.log.page(*frame)?;
            if let Some(before) = difference(&self.page(*page)?, &new) {
                out.page(*page, fingerprint(&new), &before)?;
            }
        }
        for page in transaction.size + 1..=self.size {
            out.page(page, [0; 8], &Before::Whole(self.page(page)?))?;
        }
        self.advance(transaction)?;
        self.moment = after;
        Ok(())
    }
}
