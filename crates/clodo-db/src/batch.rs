use crate::{
    database::Database,
    error::DatabaseError,
    query::{BuildError, Expr},
    statement::{Rows, Statement, TooLarge},
    value::Value,
};
use sha2::{Digest as _, Sha256};

/// Statements that are one transaction on any [`Database`], with checks between them: when one does not
/// hold, nothing of the batch has happened.
///
/// Where a database has no interactive transactions, as D1 has none, this is how to write on the
/// strength of what was read: read, decide, then write with a check that it is still so. Whoever comes
/// too late gets [`BatchError::Check`], and reads again.
///
/// # Example
/// ```
/// use clodo_db::{
///     Batch, BatchError, Database as _, SqliteDatabase,
///     query::{Operand as _, Table, Update},
/// };
///
/// const STOCK: Table = Table::new("stock");
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let database = SqliteDatabase::in_memory().await?;
/// database.script("CREATE TABLE stock (sku, count, version); INSERT INTO stock VALUES ('a', 1, 7);").await?;
/// // Somebody has read version 6.
/// let update = Update::table(STOCK)
///     .set(STOCK.column("count"), 0)
///     .set(STOCK.column("version"), 7)
///     .filter(STOCK.column("sku").equals("a").and(STOCK.column("version").equals(6)))
///     .build()?;
/// let done = Batch::new().run(update).expect_changes(1).send(&database).await;
/// assert!(matches!(done, Err(BatchError::Check { at: 1, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing runs before it is sent"]
pub struct Batch {
    statements: Vec<Statement>,
    /// For each statement that is a check, what it expects.
    checks: Vec<Option<String>>,
    fault: Option<BuildError>,
}

/// A batch did not run: nothing of it has happened, unless the cause says that it may have
/// ([`DatabaseError::may_have_happened`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// A check does not hold.
    #[error("check {at} of the batch does not hold: {what}")]
    Check {
        /// Which one, from 1.
        at: usize,
        /// What it expects, in the words of the code.
        what: String,
    },
    /// A statement is more than the database takes; nothing was sent.
    #[error("statement {at} of the batch does not fit the database")]
    TooLarge {
        /// Which one, from 1, checks counted.
        at: usize,
        /// How it is too large.
        source: TooLarge,
    },
    /// A check was put together in a way that is none; nothing was sent.
    #[error("a check of the batch cannot be built")]
    Build(#[source] BuildError),
    /// The database refused a statement or cannot be reached.
    #[error("the batch did not run")]
    Database(#[source] DatabaseError),
}

impl BatchError {
    /// Whether the statements may have run although there is no answer.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Database(error) if error.may_have_happened())
    }
}

impl Batch {
    /// One without statements.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs this next.
    pub fn run(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self.checks.push(None);
        self
    }

    /// Runs these next, such as the parts of a large insert.
    pub fn run_all(self, statements: impl IntoIterator<Item = Statement>) -> Self {
        statements.into_iter().fold(self, Self::run)
    }

    /// Lets the batch fail unless the last insert, update or delete changed so many rows, those that its
    /// triggers and its foreign keys changed not counted.
    pub fn expect_changes(self, rows: u64) -> Self {
        let wanted = i64::try_from(rows).unwrap_or(i64::MAX);
        let statement = self.checks.iter().filter(|check| check.is_none()).count();
        let what = format!(
            "statement {statement} changes {rows} {}",
            match rows {
                1 => "row",
                _ => "rows",
            }
        );
        self.check(what, Expr::raw("changes() = ?", [wanted.into()]))
    }

    /// Lets the batch fail unless this is true at this point; `what` says what is expected.
    pub fn expect(self, what: &'static str, condition: impl Into<Expr>) -> Self {
        self.check(what.to_owned(), condition.into())
    }

    fn check(mut self, what: String, condition: Expr) -> Self {
        match condition.or_fail() {
            Ok(statement) => {
                self.statements.push(statement);
                self.checks.push(Some(what));
            }
            Err(fault) => {
                self.fault.get_or_insert(fault);
            }
        }
        self
    }

    /// Runs all of it in one transaction, and gives what each statement gave, checks left out.
    ///
    /// # Errors
    /// When a check does not hold, or the database refuses a statement or cannot be reached.
    pub async fn send(mut self, database: &dyn Database) -> Result<Vec<Rows>, BatchError> {
        if let Some(fault) = self.fault {
            return Err(BatchError::Build(fault));
        }
        let marks = self.mark();
        let takes = database.capabilities();
        for (at, statement) in self.statements.iter().enumerate() {
            let too_large = |source| BatchError::TooLarge { at: at + 1, source };
            statement.fits(&takes).map_err(too_large)?;
        }
        let given = database.batch(&self.statements).await;
        let given = given.map_err(|error| self.failed(error, &marks))?;
        let is_check = self.checks.into_iter().map(|check| check.is_some());
        Ok(given
            .into_iter()
            .zip(is_check)
            .filter(|(_, check)| !check)
            .map(|(rows, _)| rows)
            .collect())
    }

    /// Gives each check what it has SQLite say when it does not hold: a path that is none comes back in
    /// the message, as `bad JSON path: '…'` or, before SQLite 3.45, as `JSON path error near '…'`.
    ///
    /// A value from outside could be a wrong path somewhere else in the batch. It cannot be this one,
    /// which depends on all values.
    fn mark(&mut self) -> Vec<String> {
        let count = self.checks.iter().flatten().count();
        let digest = if count > 0 { digest(&self.statements) } else { String::new() };
        let marks: Vec<String> =
            (1..=count).map(|at| format!("clodo check {at} {digest}")).collect();
        let statements = self.statements.iter_mut().zip(&self.checks);
        let checks =
            statements.filter(|(_, check)| check.is_some()).map(|(statement, _)| statement);
        for (check, mark) in checks.zip(&marks) {
            check.params.push(mark.as_str().into());
        }
        marks
    }

    fn failed(&self, error: DatabaseError, marks: &[String]) -> BatchError {
        let said = |mark: &String| error.message().contains(&format!("'{mark}'"));
        let found =
            marks.iter().position(said).map(|at| (at, self.checks.iter().flatten().nth(at)));
        match found {
            Some((at, Some(what))) => BatchError::Check { at: at + 1, what: what.clone() },
            _ => BatchError::Database(error),
        }
    }
}

fn digest(statements: &[Statement]) -> String {
    let mut hash = Sha256::new();
    for Statement { sql, params } in statements {
        hash.update(sql);
        for value in params {
            match value {
                Value::Null => hash.update("\0n"),
                Value::Integer(number) => hash.update(number.to_le_bytes()),
                Value::Real(number) => hash.update(number.to_le_bytes()),
                Value::Text(text) => hash.update(text),
                Value::Blob(bytes) => hash.update(bytes),
            }
        }
    }
    hex::encode(&hash.finalize()[..8])
}
