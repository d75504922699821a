use crate::{
    database::{Capabilities, Database},
    error::{DatabaseError, DatabaseErrorKind},
    statement::{Rows, Statement},
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
use std::path::PathBuf;

/// A SQLite file, or a database in memory, on a thread of its own.
#[derive(Clone, Debug)]
pub struct SqliteDatabase(Sqlite);

impl SqliteDatabase {
    /// Opens a file, which must exist unless `options` say otherwise.
    ///
    /// # Errors
    /// When it cannot be opened, or is no database.
    pub async fn open(
        path: impl Into<PathBuf>,
        options: OpenOptions,
    ) -> Result<Self, DatabaseError> {
        Sqlite::open(path, options).await.map(Self).map_err(failed)
    }

    /// Opens an empty database in memory, which lives as long as its handles.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub async fn in_memory() -> Result<Self, DatabaseError> {
        Sqlite::in_memory(OpenOptions::default()).await.map(Self).map_err(failed)
    }

    /// The database below, for what this crate does not offer.
    #[must_use]
    pub fn sqlite(&self) -> &Sqlite {
        &self.0
    }

    /// A copy at this moment as a file of its own, opened for reading: what a backup of a database
    /// that others write to is taken from. Other calls wait while it is made.
    ///
    /// # Errors
    /// When the copy cannot be written; then nothing is there.
    pub async fn copy_to(&self, path: impl Into<PathBuf>) -> Result<Self, DatabaseError> {
        let path = path.into();
        self.0.back_up_to(&path).await.map_err(failed)?;
        Self::open(path, OpenOptions::read_only()).await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let done = self.0.call(move |db| {
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
        let statement = statement.clone();
        let done = self.0.call(move |db| {
            let mut prepared = db.prepare_cached(&statement.sql)?;
            if !prepared.readonly() {
                return Ok(None);
            }
            rows(&mut prepared, statement.params).map(Some)
        });
        done.await.map_err(failed)?.ok_or_else(|| {
            DatabaseError::new(DatabaseErrorKind::Denied, "a query must not change anything")
        })
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        let statements = statements.to_vec();
        self.write(move |db| {
            let run = |statement: Statement| {
                let before = db.total_changes();
                let mut rows = rows(&mut db.prepare(&statement.sql)?, statement.params)?;
                rows.changes = db.total_changes() - before;
                Ok(rows)
            };
            statements.into_iter().map(run).collect()
        })
        .await
    }

    async fn script(&self, sql: &str) -> Result<(), DatabaseError> {
        let sql = sql.to_owned();
        self.write(move |db| db.execute_batch(&sql)).await
    }
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

fn failed(error: SqliteError) -> DatabaseError {
    let kind = match error.kind() {
        SqliteErrorKind::Busy => DatabaseErrorKind::Busy,
        SqliteErrorKind::Corrupt => DatabaseErrorKind::Corrupt,
        SqliteErrorKind::Full => DatabaseErrorKind::Full,
        SqliteErrorKind::Denied => DatabaseErrorKind::Denied,
        SqliteErrorKind::Missing | SqliteErrorKind::Gone => DatabaseErrorKind::Missing,
        SqliteErrorKind::Constraint => DatabaseErrorKind::Constraint,
        SqliteErrorKind::Sql => DatabaseErrorKind::Sql,
        _ => DatabaseErrorKind::Other,
    };
    match error.as_rusqlite() {
        // No source: rusqlite's own text repeats the statement, and that may hold values.
        Some(rusqlite::Error::SqlInputError { msg, .. }) => DatabaseError::new(kind, msg.clone()),
        Some(rusqlite::Error::SqliteFailure(_, Some(said))) => {
            DatabaseError::new(kind, said.clone())
        }
        _ => DatabaseError::new(kind, error.to_string()).with_source(error),
    }
}
