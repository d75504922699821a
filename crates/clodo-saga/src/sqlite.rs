mod blobs;
mod budgets;
mod format;
mod jobs;
mod journal;
mod leases;
mod signals;

use crate::{
    error::{StoreError, StoreErrorKind},
    lease::Fence,
};
use clodo_sqlite::{
    OpenOptions, Sqlite, SqliteError, SqliteErrorKind,
    rusqlite::{self, Connection, Row, Transaction, TransactionBehavior, types::Type},
};
use clodo_types::Timestamp;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Keeps everything in one SQLite file, which several processes of one machine may share.
///
/// What it writes survives a power cut. A file that a newer version of Clodo wrote is refused.
#[derive(Clone, Debug)]
pub struct SqliteStore(Sqlite);

/// What a closure came to: refused by the store's own rules, or failed in SQLite.
type Answer<T> = rusqlite::Result<Result<T, StoreErrorKind>>;

impl SqliteStore {
    /// Opens the file, or creates it together with the folders above it.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or has a newer format.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let options = OpenOptions::default().with_format(format::FORMAT);
        let opened = Sqlite::open(path, options).await;
        opened.map(Self).map_err(|error| failure("open the state store", error))
    }

    /// Closes the file, if this is the last handle to it, and waits until that is done.
    pub async fn close(self) {
        self.0.close().await;
    }

    /// Reads.
    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.call(work).await.map_err(|error| failure(doing, error))
    }

    /// Writes in one transaction, which a refusal rolls back.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Answer<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = self.0.call(move |db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            match work(&tx)? {
                Ok(value) => tx.commit().map(|()| Ok(value)),
                Err(kind) => tx.rollback().map(|()| Err(kind)),
            }
        });
        let answer = answer.await.map_err(|error| failure(doing, error))?;
        answer.map_err(|kind| StoreError::new(kind, doing))
    }
}

fn failure(doing: &'static str, error: SqliteError) -> StoreError {
    let kind = match error.kind() {
        SqliteErrorKind::NewerFormat => StoreErrorKind::NewerFormat,
        SqliteErrorKind::Gone => StoreErrorKind::Gone,
        SqliteErrorKind::Denied => StoreErrorKind::Denied,
        _ => StoreErrorKind::Store,
    };
    StoreError::new(kind, doing).with_source(error)
}

/// Leaves a transaction with a refusal.
macro_rules! granted {
    ($answer:expr) => {
        match $answer? {
            Ok(value) => value,
            Err(kind) => return Ok(Err(kind)),
        }
    };
}
use granted;

/// Refuses a write under a lease that is not the current one.
fn check(db: &Connection, fence: Option<&Fence>) -> Answer<()> {
    let Some(fence) = fence else { return Ok(Ok(())) };
    let sql = "SELECT 1 FROM lease WHERE name = ?1 AND number = ?2 AND holder IS NOT NULL";
    let current = db.prepare_cached(sql)?.exists((fence.name.as_str(), to_sql(fence.number)?))?;
    Ok(if current { Ok(()) } else { Err(StoreErrorKind::Fenced) })
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

fn to_sql(number: u64) -> rusqlite::Result<i64> {
    i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}
