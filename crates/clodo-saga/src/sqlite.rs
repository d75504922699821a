use crate::{
    journal::{
        Closing, Entry, JournalError, JournalErrorKind, JournalStore, RunHeader, RunQuery,
        RunRecord,
    },
    lease::{Grant, Lease, LeaseRequest, LeaseStore, LeaseStoreError},
};
use async_trait::async_trait;
use clodo_sqlite::{
    OpenOptions, Sqlite, SqliteError, SqliteErrorKind,
    rusqlite::{self, Connection, OptionalExtension, Row, TransactionBehavior, types::Type},
};
use clodo_types::{DeploymentId, Timestamp};
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Keeps journals and leases in one SQLite file, which several processes of one machine may share.
///
/// What it writes survives a power cut. A file that a newer version of Clodo wrote is refused.
#[derive(Clone, Debug)]
pub struct SqliteStore(Sqlite);

/// One entry per format that was ever released; see [`OpenOptions::with_format`].
const FORMAT: &[&str] = &["
    CREATE TABLE run (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        scope TEXT NOT NULL,
        header TEXT NOT NULL,
        closing TEXT
    ) STRICT;
    CREATE INDEX run_by_scope ON run (scope, number);
    CREATE INDEX run_unfinished ON run (number) WHERE closing IS NULL;
    CREATE TABLE entry (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER NOT NULL REFERENCES run (number),
        at INTEGER NOT NULL,
        entry TEXT NOT NULL
    ) STRICT;
    CREATE INDEX entry_by_run ON entry (run, number);
    CREATE TABLE lease (
        name TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        holder TEXT,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

impl SqliteStore {
    /// Opens the file, or creates it together with the folders above it.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or has a newer format.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let options = OpenOptions::default().with_format(FORMAT);
        let opened = Sqlite::open(path, options).await;
        opened.map(Self).map_err(|error| journal_error("open the state store", error))
    }

    /// Closes the file, if this is the last handle to it, and waits until that is done.
    pub async fn close(self) {
        self.0.close().await;
    }

    async fn journal<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<Result<T, JournalErrorKind>>
        + Send
        + 'static,
    ) -> Result<T, JournalError> {
        let answer = self.0.call(work).await.map_err(|error| journal_error(doing, error))?;
        answer.map_err(|kind| JournalError::new(kind, doing))
    }

    async fn lease<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LeaseStoreError> {
        self.0.call(work).await.map_err(|error| LeaseStoreError::new(doing, error))
    }
}

fn journal_error(doing: &'static str, error: SqliteError) -> JournalError {
    let kind = match error.kind() {
        SqliteErrorKind::NewerFormat => JournalErrorKind::NewerFormat,
        SqliteErrorKind::Gone => JournalErrorKind::Gone,
        _ => JournalErrorKind::Store,
    };
    JournalError::new(kind, doing).with_source(error)
}

fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

fn record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let closed = row.get_ref(1)? != rusqlite::types::ValueRef::Null;
    let closing = if closed { Some(from_json(row, 1)?) } else { None };
    Ok(RunRecord { header: from_json(row, 0)?, closing })
}

/// The number of an open run, or why it cannot be written to.
fn open_run(db: &Connection, id: &str) -> rusqlite::Result<Result<i64, JournalErrorKind>> {
    let found = db
        .prepare_cached("SELECT number, closing IS NULL FROM run WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match found {
        None => Err(JournalErrorKind::Unknown),
        Some((_, false)) => Err(JournalErrorKind::Conflict),
        Some((number, true)) => Ok(number),
    })
}

#[async_trait]
impl JournalStore for SqliteStore {
    async fn open(&self, run: &RunHeader) -> Result<(), JournalError> {
        let run = run.clone();
        self.journal("open a run", move |db| {
            let sql = "INSERT INTO run (id, scope, header) VALUES (?1, ?2, ?3)
                       ON CONFLICT (id) DO NOTHING";
            let header = to_json(&run)?;
            let added = db.execute(sql, (run.id.as_str(), &run.scope, header))?;
            Ok(if added == 1 { Ok(()) } else { Err(JournalErrorKind::Conflict) })
        })
        .await
    }

    async fn append(
        &self,
        run: &DeploymentId,
        at: Timestamp,
        entry: &Entry,
    ) -> Result<(), JournalError> {
        let (run, entry) = (run.clone(), entry.clone());
        self.journal("write a journal entry", move |db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let number = match open_run(&tx, run.as_str())? {
                Ok(number) => number,
                Err(kind) => return Ok(Err(kind)),
            };
            tx.prepare_cached("INSERT INTO entry (run, at, entry) VALUES (?1, ?2, ?3)")?
                .execute((number, at.as_millis(), to_json(&entry)?))?;
            tx.commit().map(Ok)
        })
        .await
    }

    async fn close(&self, run: &DeploymentId, closing: &Closing) -> Result<(), JournalError> {
        let (run, closing) = (run.clone(), closing.clone());
        self.journal("close a run", move |db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let number = match open_run(&tx, run.as_str())? {
                Ok(number) => number,
                Err(kind) => return Ok(Err(kind)),
            };
            let sql = "UPDATE run SET closing = ?2 WHERE number = ?1";
            tx.execute(sql, (number, to_json(&closing)?))?;
            tx.commit().map(Ok)
        })
        .await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>, JournalError> {
        let query = query.clone();
        self.journal("list runs", move |db| {
            let sql = "SELECT header, closing FROM run
                       WHERE (?1 IS NULL OR scope = ?1) AND NOT (?2 AND closing IS NOT NULL)
                       ORDER BY number DESC LIMIT ?3";
            let last = i64::try_from(query.last).unwrap_or(i64::MAX);
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map((query.scope, query.unfinished, last), record)?;
            rows.collect::<rusqlite::Result<Vec<_>>>().map(Ok)
        })
        .await
    }

    async fn find(&self, run: &DeploymentId) -> Result<Option<RunRecord>, JournalError> {
        let run = run.clone();
        self.journal("look a run up", move |db| {
            let sql = "SELECT header, closing FROM run WHERE id = ?1";
            db.query_row(sql, [run.as_str()], record).optional().map(Ok)
        })
        .await
    }

    async fn entries(&self, run: &DeploymentId) -> Result<Vec<Entry>, JournalError> {
        let run = run.clone();
        self.journal("read a journal", move |db| {
            let sql = "SELECT entry.entry FROM entry JOIN run ON run.number = entry.run
                       WHERE run.id = ?1 ORDER BY entry.number";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map([run.as_str()], |row| from_json(row, 0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>().map(Ok)
        })
        .await
    }
}

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn acquire(&self, request: &LeaseRequest) -> Result<Grant, LeaseStoreError> {
        let request = request.clone();
        self.lease("take a lease", move |db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let sql = "SELECT number, holder, expires_at FROM lease WHERE name = ?1";
            let found = tx.query_row(sql, [&request.name], slot).optional()?;
            let last = match found {
                Some((number, Some(holder), expires_at)) if request.now < expires_at => {
                    let name = request.name;
                    return Ok(Grant::Held(Lease { name, holder, number, expires_at }));
                }
                Some((number, ..)) => number,
                None => 0,
            };
            let lease = Lease {
                expires_at: request.expires_at(),
                number: last + 1,
                name: request.name,
                holder: request.holder,
            };
            write_lease(&tx, &lease)?;
            tx.commit()?;
            Ok(Grant::Granted(lease))
        })
        .await
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<bool, LeaseStoreError> {
        let lease = lease.clone();
        self.lease("renew a lease", move |db| {
            let sql = "UPDATE lease SET expires_at = ?3
                       WHERE name = ?1 AND number = ?2 AND holder IS NOT NULL";
            let renewed =
                db.execute(sql, (lease.name, to_sql(lease.number)?, until.as_millis()))?;
            Ok(renewed == 1)
        })
        .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), LeaseStoreError> {
        let lease = lease.clone();
        self.lease("give a lease back", move |db| {
            let sql = "UPDATE lease SET holder = NULL WHERE name = ?1 AND number = ?2";
            db.execute(sql, (lease.name, to_sql(lease.number)?)).map(|_| ())
        })
        .await
    }
}

type Slot = (u64, Option<crate::lease::Holder>, Timestamp);

fn slot(row: &Row<'_>) -> rusqlite::Result<Slot> {
    let number: i64 = row.get(0)?;
    let holder: Option<String> = row.get(1)?;
    // A holder that makes no sense cannot be asked to wait for: the lease is free.
    let holder = holder.and_then(|text| text.parse().ok());
    Ok((number.unsigned_abs(), holder, Timestamp::from_millis(row.get(2)?)))
}

fn write_lease(db: &Connection, lease: &Lease) -> rusqlite::Result<()> {
    let sql = "INSERT INTO lease (name, number, holder, expires_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (name) DO UPDATE SET
                   number = excluded.number,
                   holder = excluded.holder,
                   expires_at = excluded.expires_at";
    let (holder, expires_at) = (lease.holder.to_string(), lease.expires_at.as_millis());
    db.execute(sql, (&lease.name, to_sql(lease.number)?, holder, expires_at)).map(|_| ())
}

fn to_sql(number: u64) -> rusqlite::Result<i64> {
    i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
