//! Analytics Engine: data points of an account, in one SQLite file, and questions about them.

mod answer;
mod functions;
mod sql;
mod store;

pub use answer::{AnalyticsAnswer, AnalyticsFormat};

use crate::pool::{Pool, PoolOptions, told_with_cause};
use clodo_sqlite::rusqlite;
use clodo_types::{AccountId, Clock};
use serde::Deserialize;
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};
use tokio::sync::OwnedRwLockWriteGuard;

/// The most doubles and blobs of one data point.
const MAX_MEMBERS: usize = 20;

/// The name of a dataset: 1 to 100 letters, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetName(String);

impl DatasetName {
    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that names no dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dataset's name has 1 to 100 letters, digits, `_` and `-`")]
pub struct DatasetNameError;

impl FromStr for DatasetName {
    type Err = DatasetNameError;

    fn from_str(text: &str) -> Result<Self, DatasetNameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let fits = (1..=100).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned())).ok_or(DatasetNameError)
    }
}

/// Which dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetRef {
    /// The account that owns it.
    pub account: AccountId,
    /// Its name.
    pub name: DatasetName,
}

/// One data point, as a Worker writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DataPoint {
    /// Up to one.
    #[serde(default)]
    pub indexes: Vec<String>,
    /// Up to 20.
    #[serde(default)]
    pub blobs: Vec<String>,
    /// Up to 20.
    #[serde(default)]
    pub doubles: Vec<f64>,
}

/// What a caller can decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnalyticsErrorKind {
    /// The question, or the data point, is not right.
    Invalid,
    /// The disk or the file.
    Storage,
}

/// A data point was not written, or a question not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AnalyticsError {
    kind: AnalyticsErrorKind,
    message: String,
}

impl AnalyticsError {
    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> AnalyticsErrorKind {
        self.kind
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self { kind: AnalyticsErrorKind::Invalid, message: message.into() }
    }
}

impl From<clodo_sqlite::SqliteError> for AnalyticsError {
    fn from(error: clodo_sqlite::SqliteError) -> Self {
        Self { kind: AnalyticsErrorKind::Storage, message: told_with_cause(&error) }
    }
}

/// All datasets. Cloning shares the open files.
#[derive(Clone, Debug)]
pub struct Analytics {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool<()>>,
}

impl Analytics {
    /// Data points lie in `root/<account>/analytics.sqlite`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, clock: Arc<dyn Clock>, options: PoolOptions) -> Self {
        Self { root: root.into(), clock, pool: Arc::new(Pool::new(options)) }
    }

    fn path(&self, account: &AccountId) -> PathBuf {
        self.root.join(account.as_str()).join("analytics.sqlite")
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis().div_euclid(1_000)
    }

    /// Adds a data point, at this moment.
    ///
    /// # Errors
    /// `Invalid` beyond the limits, `Storage`.
    pub async fn write(&self, at: &DatasetRef, point: DataPoint) -> Result<(), AnalyticsError> {
        if point.indexes.len() > 1 {
            return Err(AnalyticsError::invalid("Maximum of 1 indexes supported."));
        }
        for (count, what) in [(point.doubles.len(), "doubles"), (point.blobs.len(), "blobs")] {
            if count > MAX_MEMBERS {
                let message = format!("Maximum of {MAX_MEMBERS} {what} supported.");
                return Err(AnalyticsError::invalid(message));
            }
        }
        let (path, now, dataset) = (self.path(&at.account), self.now(), at.name.clone());
        self.pool.create(&path, store::opener).await?;
        let point = Arc::new(point);
        let write = move |db: &mut rusqlite::Connection, (): &()| {
            store::write(db, dataset.as_str(), now, &point)
        };
        Ok(self.pool.with(&path, store::opener, write).await?)
    }

    /// Answers a question in SQL; see the crate's documentation for what of it is understood.
    ///
    /// # Errors
    /// `Invalid` for the question, `Storage`.
    pub async fn query(
        &self,
        account: &AccountId,
        question: &str,
    ) -> Result<AnalyticsAnswer, AnalyticsError> {
        let question = sql::read(question)?;
        let (path, now) = (self.path(account), self.now());
        self.pool.create(&path, store::opener).await?;
        let ask = move |db: &mut rusqlite::Connection, (): &()| {
            // What is wrong with the question is no failure of the file.
            Ok(store::ask(db, &question, now))
        };
        let answered = self.pool.with(&path, store::opener, ask).await?;
        answered.map_err(|error| AnalyticsError::invalid(error.to_string()))
    }

    /// Closes every file and waits until they are closed.
    pub async fn close(&self) {
        self.pool.close_all().await;
    }

    /// The same for as long as the guard lives, when nobody uses one any more.
    pub(crate) async fn rest(&self) -> OwnedRwLockWriteGuard<()> {
        self.pool.rest().await
    }
}
