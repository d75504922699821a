use crate::{
    database::Database,
    error::DatabaseError,
    statement::{Rows, Statement},
};
use async_trait::async_trait;
use std::fmt;

/// A database with interactive transactions: what is read in one may decide what is written in it.
///
/// SQLite has them and D1 has not, so what needs them asks for this trait, and what runs on both asks
/// for [`Database`] and sends a [`Batch`](crate::Batch) with checks. Code that needs a transaction does
/// not compile for D1:
/// ```compile_fail
/// use clodo_db::{Database, DatabaseError, TransactionalExt as _};
///
/// async fn on_any(database: &dyn Database) -> Result<(), DatabaseError> {
///     database.transaction(async |_| Ok(())).await
/// }
/// ```
///
/// # Contract
/// - Nobody else writes between the beginning and the end of a transaction, and nobody else sees what it
///   has written before it is committed.
/// - A transaction that is dropped before it is committed is rolled back. When [`Transaction::commit`]
///   is dropped in the middle, nobody knows.
/// - A statement that fails changes nothing, and the transaction goes on; where the database had to end
///   it, every later call says so. A call that is dropped may have run.
/// - Calls on the database itself may wait until the transaction is over, so one that is made within it
///   may wait until the database gives the transaction up.
#[async_trait]
pub trait Transactional: Database {
    /// Begins a transaction that may write at once.
    ///
    /// # Errors
    /// When somebody else holds the lock, or the database cannot be reached.
    async fn begin(&self) -> Result<Transaction, DatabaseError>;
}

/// What an adapter has for a transaction that has begun; see [`Transactional`] for its contract.
#[async_trait]
pub trait OpenTransaction: fmt::Debug + Send {
    /// Runs one statement, which may read and write.
    ///
    /// # Errors
    /// When it is refused, or the transaction is over.
    async fn run(&mut self, statement: &Statement) -> Result<Rows, DatabaseError>;

    /// Makes all of it last.
    ///
    /// # Errors
    /// When a constraint that was put off does not hold, or the transaction is over: then nothing of it
    /// has happened.
    async fn commit(self: Box<Self>) -> Result<(), DatabaseError>;

    /// Takes all of it back, and waits until that is done.
    ///
    /// # Errors
    /// When the database is gone; nothing of it has happened then either.
    async fn roll_back(self: Box<Self>) -> Result<(), DatabaseError>;
}

/// A transaction that has begun. Dropped, it is rolled back.
#[derive(Debug)]
pub struct Transaction(Box<dyn OpenTransaction>);

impl Transaction {
    /// One of an adapter.
    #[must_use]
    pub fn new(open: impl OpenTransaction + 'static) -> Self {
        Self(Box::new(open))
    }

    /// Runs one statement, which may read and write.
    ///
    /// # Errors
    /// When it is refused, or the transaction is over.
    pub async fn run(&mut self, statement: &Statement) -> Result<Rows, DatabaseError> {
        self.0.run(statement).await
    }

    /// Makes all of it last.
    ///
    /// # Errors
    /// When a constraint that was put off does not hold, or the transaction is over: then nothing of it
    /// has happened.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        self.0.commit().await
    }

    /// Takes all of it back, and waits until that is done.
    ///
    /// # Errors
    /// When the database is gone; nothing of it has happened then either.
    pub async fn roll_back(self) -> Result<(), DatabaseError> {
        self.0.roll_back().await
    }
}

/// Transactions as a closure.
pub trait TransactionalExt: Transactional {
    /// Commits what `work` does if it succeeds, and takes it back if it fails, panics, or is dropped.
    ///
    /// # Errors
    /// What `work` fails with; when the transaction cannot begin or be committed.
    ///
    /// # Example
    /// ```
    /// use clodo_db::{Database as _, DatabaseError, SqliteDatabase, Statement, TransactionalExt as _};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let database = SqliteDatabase::in_memory().await?;
    /// database.script("CREATE TABLE counter (n); INSERT INTO counter VALUES (1);").await?;
    /// let doubled = database
    ///     .transaction(async |tx| {
    ///         let now = tx.run(&Statement::new("SELECT n FROM counter")).await?;
    ///         let twice = now.rows[0][0].as_integer().unwrap_or_default() * 2;
    ///         tx.run(&Statement::new("UPDATE counter SET n = ?").bind(twice)).await?;
    ///         Ok::<_, DatabaseError>(twice)
    ///     })
    ///     .await?;
    /// assert_eq!(doubled, 2);
    /// # Ok::<(), DatabaseError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn transaction<T, E, F>(&self, work: F) -> impl Future<Output = Result<T, E>>
    where
        E: From<DatabaseError>,
        F: AsyncFnOnce(&mut Transaction) -> Result<T, E>,
    {
        async move {
            let mut transaction = self.begin().await?;
            match work(&mut transaction).await {
                Ok(done) => {
                    transaction.commit().await?;
                    Ok(done)
                }
                Err(error) => {
                    // Whatever comes of it: a transaction that is gone is rolled back as well.
                    let _ = transaction.roll_back().await;
                    Err(error)
                }
            }
        }
    }
}

impl<D: Transactional + ?Sized> TransactionalExt for D {}
