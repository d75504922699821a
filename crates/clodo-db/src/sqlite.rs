use crate::{
    database::{Capabilities, Database},
    error::{DatabaseError, DatabaseErrorKind},
    held::Held,
    span::call_span,
    split::{first_word, split},
    statement::{Rows, Statement},
    transaction::{Transaction, Transactional},
    value::Value,
};
use async_trait::async_trait;
use clodo_sqlite::{
    OpenOptions, Sqlite, SqliteError, SqliteErrorKind,
    rusqlite::{
        self, Connection, TransactionBehavior, params_from_iter,
        types::{ToSqlOutput, Value as Stored, ValueRef},
    },
};
use std::{path::PathBuf, time::Duration};
use tracing::Instrument as _;

/// How long a transaction may hold the thread without being asked for anything.
const IDLE: Duration = Duration::from_secs(30);

/// A SQLite file, or a database in memory, on a thread of its own.
#[derive(Clone, Debug)]
pub struct SqliteDatabase {
    sqlite: Sqlite,
    idle: Duration,
}

impl SqliteDatabase {
    /// Opens a file, which must exist unless `options` say otherwise.
    ///
    /// # Errors
    /// When it cannot be opened, or is no database.
    pub async fn open(
        path: impl Into<PathBuf>,
        options: OpenOptions,
    ) -> Result<Self, DatabaseError> {
        Sqlite::open(path, options).await.map(Self::on).map_err(failed)
    }

    /// Opens an empty database in memory, which lives as long as its handles.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub async fn in_memory() -> Result<Self, DatabaseError> {
        Sqlite::in_memory(OpenOptions::default()).await.map(Self::on).map_err(failed)
    }

    fn on(sqlite: Sqlite) -> Self {
        Self { sqlite, idle: IDLE }
    }

    /// Rolls a transaction back of which nothing is asked for so long; 30 seconds, unless this says
    /// otherwise. All other calls wait for an open transaction, so without an end one that waits for
    /// such a call itself would hold the database for ever.
    #[must_use]
    pub fn with_idle_transactions(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// The database below, for what this crate does not offer.
    #[must_use]
    pub fn sqlite(&self) -> &Sqlite {
        &self.sqlite
    }

    /// A copy at this moment as a file of its own, opened for reading: what a backup of a database
    /// that others write to is taken from. Other calls wait while it is made.
    ///
    /// # Errors
    /// When the copy cannot be written; then nothing is there.
    pub async fn copy_to(&self, path: impl Into<PathBuf>) -> Result<Self, DatabaseError> {
        let path = path.into();
        self.sqlite.back_up_to(&path).await.map_err(failed)?;
        Self::open(path, OpenOptions::read_only()).await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let done = self.sqlite.call(move |db| {
            // A transaction that turns from reading to writing could meet another writer's lock in
            // the middle.
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        done.await.map_err(failed)
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    fn capabilities(&self) -> Capabilities {
        Capabilities::sqlite()
    }

    async fn query(&self, statement: &Statement) -> Result<Rows, DatabaseError> {
        let span = call_span(&statement.sql, 1);
        let statement = statement.clone();
        let done = self.sqlite.call(move |db| {
            let mut prepared = db.prepare_cached(&statement.sql)?;
            if !prepared.readonly() {
                return Ok(None);
            }
            rows(&mut prepared, statement.params).map(Some)
        });
        done.instrument(span).await.map_err(failed)?.ok_or_else(|| {
            DatabaseError::new(DatabaseErrorKind::Denied, "a query must not change anything")
        })
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        statements.iter().try_for_each(|statement| stays_within(&statement.sql))?;
        let first = statements.first().map_or("", |one| &one.sql);
        let span = call_span(first, statements.len());
        let statements = statements.to_vec();
        let done = self.write(move |db| {
            let run = |one: Statement| run(db, &mut db.prepare(&one.sql)?, one.params);
            statements.into_iter().map(run).collect()
        });
        done.instrument(span).await
    }

    async fn script(&self, sql: &str) -> Result<(), DatabaseError> {
        let span = call_span(sql, 1);
        let sql = sql.to_owned();
        let done = self.sqlite.call(move |db| {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            match run_all(&transaction, &sql) {
                Ok(()) => transaction.commit().map(Ok),
                Err(failed) => Ok(Err(failed)),
            }
        });
        let (error, place) = match done.instrument(span).await.map_err(failed)? {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        Err(refused(error).with_place(place))
    }
}

/// Statement by statement: SQLite copies all that is left of a text for each one that it cuts off. Where it
/// fails, the place of the statement is given too.
fn run_all(db: &Connection, sql: &str) -> Result<(), (rusqlite::Error, usize)> {
    // SQL ends there, which is for SQLite to say.
    if sql.contains('\0') {
        return db.execute_batch(sql).map_err(|error| (error, 0));
    }
    split(sql)
        .try_for_each(|piece| db.execute_batch(piece.text).map_err(|error| (error, piece.offset)))
}

#[async_trait]
impl Transactional for SqliteDatabase {
    async fn begin(&self) -> Result<Transaction, DatabaseError> {
        Held::begin(self.sqlite.clone(), self.idle).await.map(Transaction::new)
    }
}

/// Runs a statement of a transaction that somebody holds.
pub(crate) fn changing(db: &Connection, statement: Statement) -> Result<Rows, DatabaseError> {
    stays_within(&statement.sql)?;
    let prepared = db.prepare_cached(&statement.sql);
    prepared.and_then(|mut prepared| run(db, &mut prepared, statement.params)).map_err(refused)
}

/// Refuses what would end a transaction under those who count on it.
fn stays_within(sql: &str) -> Result<(), DatabaseError> {
    const BOUNDS: [&str; 6] = ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"];
    let first = first_word(sql);
    if BOUNDS.iter().any(|bound| bound.eq_ignore_ascii_case(first)) {
        let why = "a statement of a transaction must not begin or end one";
        return Err(DatabaseError::new(DatabaseErrorKind::Denied, why));
    }
    Ok(())
}

fn run(
    db: &Connection,
    prepared: &mut rusqlite::Statement<'_>,
    params: Vec<Value>,
) -> Result<Rows, rusqlite::Error> {
    let before = db.total_changes();
    let mut rows = rows(prepared, params)?;
    rows.changes = db.total_changes() - before;
    Ok(rows)
}

fn rows(
    prepared: &mut rusqlite::Statement<'_>,
    params: Vec<Value>,
) -> Result<Rows, rusqlite::Error> {
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let mut cursor = prepared.query(params_from_iter(params.into_iter().map(stored)))?;
    let mut rows = Vec::new();
    while let Some(row) = cursor.next()? {
        let value = |at| row.get_ref(at).map(value);
        rows.push((0..columns.len()).map(value).collect::<Result<_, _>>()?);
    }
    Ok(Rows { columns, rows, changes: 0 })
}

fn stored(value: Value) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(match value {
        Value::Null => Stored::Null,
        Value::Integer(number) => Stored::Integer(number),
        Value::Real(number) => Stored::Real(number),
        Value::Text(text) => Stored::Text(text),
        Value::Blob(bytes) => Stored::Blob(bytes),
    })
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        // SQLite holds whatever bytes somebody called text; a backup reads those another way.
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

pub(crate) fn failed(error: SqliteError) -> DatabaseError {
    let kind = kind(error.kind());
    match error.as_rusqlite().and_then(said) {
        Some(said) => DatabaseError::new(kind, said),
        None => DatabaseError::new(kind, error.to_string()).with_source(error),
    }
}

fn refused(error: rusqlite::Error) -> DatabaseError {
    let kind = kind(SqliteErrorKind::of(&error));
    match said(&error) {
        Some(said) => DatabaseError::new(kind, said),
        None => DatabaseError::new(kind, "SQLite refused a statement").with_source(error),
    }
}

/// SQLite's words. No source beside them: rusqlite's own text repeats the statement, and that may hold
/// values.
fn said(error: &rusqlite::Error) -> Option<&str> {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => Some(msg),
        rusqlite::Error::SqliteFailure(_, said) => said.as_deref(),
        _ => None,
    }
}

fn kind(kind: SqliteErrorKind) -> DatabaseErrorKind {
    match kind {
        SqliteErrorKind::Busy => DatabaseErrorKind::Busy,
        SqliteErrorKind::Corrupt => DatabaseErrorKind::Corrupt,
        SqliteErrorKind::Full => DatabaseErrorKind::Full,
        SqliteErrorKind::Denied => DatabaseErrorKind::Denied,
        SqliteErrorKind::Missing | SqliteErrorKind::Gone => DatabaseErrorKind::Missing,
        SqliteErrorKind::Constraint => DatabaseErrorKind::Constraint,
        SqliteErrorKind::Sql => DatabaseErrorKind::Sql,
        _ => DatabaseErrorKind::Other,
    }
}
