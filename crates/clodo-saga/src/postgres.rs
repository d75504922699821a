mod blobs;
mod budgets;
mod connection;
mod failure;
mod format;
mod jobs;
mod journal;
mod leases;
mod options;
mod pool;
mod signals;
mod tls;
mod trial;

pub use options::{PostgresOptions, PostgresPlace, PostgresUrlError};

use self::{
    connection::Session,
    failure::{Fault, failure},
    pool::Pool,
};
use crate::{
    error::{StoreError, StoreErrorKind},
    lease::Fence,
};
use clodo_types::Timestamp;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio_postgres::Row;

/// Keeps everything in one PostgreSQL database, which any number of machines share.
///
/// A connection that is lost is made anew, and what was under way is done again, for as long as
/// [`PostgresOptions::patience`] says; nothing is written twice for that. After that the error is
/// [`Unreachable`](StoreErrorKind::Unreachable). A database in which a newer version of Clodo has
/// been at work is refused.
#[derive(Clone, Debug)]
pub struct PostgresStore(Arc<Pool>);

/// What a piece of work came to: refused by the store's own rules, or failed in PostgreSQL.
type Answer<T> = Result<Result<T, StoreErrorKind>, Fault>;
/// A piece of work in a transaction. It borrows the session, and what its closure borrows.
type Work<'t, T> = BoxFuture<'t, Answer<T>>;

impl PostgresStore {
    /// Connects, and creates the tables when they are not there.
    ///
    /// # Errors
    /// When the database cannot be reached, does not let us in, or has a newer format.
    pub async fn open(options: &PostgresOptions) -> Result<Self, StoreError> {
        const DOING: &str = "open the state store";
        let pool = Pool::new(options).map_err(|error| failure(DOING, error))?;
        let session = pool.take().await.map_err(|error| failure(DOING, error))?;
        let usable = format::ensure(&session, &options.namespace).await;
        match usable.map_err(|error| failure(DOING, error))? {
            Ok(()) => {
                pool.give(session);
                Ok(Self(Arc::new(pool)))
            }
            Err(kind) => Err(StoreError::new(kind, DOING)),
        }
    }

    /// Reads.
    async fn read<'e, T: Send>(
        &self,
        doing: &'static str,
        work: impl for<'t> Fn(&'t Session<'e>) -> BoxFuture<'t, Result<T, Fault>> + Send + Sync,
    ) -> Result<T, StoreError> {
        trial::read(&self.0, &work).await.map_err(|error| failure(doing, error))
    }

    /// Writes in one transaction, which a refusal rolls back.
    async fn write<'e, T: Send>(
        &self,
        doing: &'static str,
        work: impl for<'t> Fn(&'t Session<'e>) -> Work<'t, T> + Send + Sync,
    ) -> Result<T, StoreError> {
        let answer = trial::write(&self.0, &work).await.map_err(|error| failure(doing, error))?;
        answer.map_err(|kind| StoreError::new(kind, doing))
    }
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

/// Refuses a write under a lease that is not the current one. Until the transaction ends nobody is
/// granted that lease; it can be renewed meanwhile.
async fn check(db: &Session<'_>, fence: Option<&Fence>) -> Answer<()> {
    let Some(fence) = fence else { return Ok(Ok(())) };
    let sql = "SELECT 1 FROM lease WHERE name = $1 AND number = $2 AND holder IS NOT NULL
               FOR KEY SHARE";
    let current = db.row(sql, &[&fence.name, &to_sql(fence.number)?]).await?.is_some();
    Ok(if current { Ok(()) } else { Err(StoreErrorKind::Fenced) })
}

fn to_json(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(Fault::Json)
}

fn from_json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Fault> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(Fault::Json)
}

fn to_sql(number: u64) -> Result<i64, Fault> {
    i64::try_from(number).map_err(|_| Fault::Number)
}

fn number(row: &Row, column: usize) -> Result<u64, Fault> {
    Ok(row.try_get::<_, i64>(column)?.unsigned_abs())
}

fn moment(row: &Row, column: usize) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}
