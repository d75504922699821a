use crate::{
    error::DatabaseError,
    statement::{Rows, Statement},
};
use async_trait::async_trait;
use std::fmt;

/// A SQLite database, wherever it is.
///
/// # Contract
/// - Foreign keys are enforced.
/// - `query` changes nothing: an adapter may repeat it when an answer is lost. A statement that
///   would change something is the caller's mistake, and an adapter that can tell refuses it.
/// - `batch` and `script` are one transaction: all of it happens, or nothing. They are never
///   repeated: when an answer is lost, the error says so ([`DatabaseError::may_have_happened`]).
/// - The error of a broken constraint is of kind [`Constraint`](crate::DatabaseErrorKind::Constraint),
///   and its message holds the constraint's name, where it has one.
/// - Text, whole numbers within [`Capabilities::integers`], fractions, bytes and nothing come back as
///   they went in.
#[async_trait]
pub trait Database: fmt::Debug + Send + Sync {
    /// What this one can do.
    fn capabilities(&self) -> Capabilities;

    /// Runs one statement that only reads.
    ///
    /// # Errors
    /// When it is refused, or the database cannot be reached.
    async fn query(&self, statement: &Statement) -> Result<Rows, DatabaseError>;

    /// Runs statements in one transaction, and gives what each gave.
    ///
    /// # Errors
    /// When one is refused, or the database cannot be reached; nothing has happened then, unless the
    /// error says that it may have.
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError>;

    /// Runs a text of many statements in one transaction.
    ///
    /// # Errors
    /// As for [`Database::batch`].
    async fn script(&self, sql: &str) -> Result<(), DatabaseError>;
}

/// What a database can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whole numbers beyond 2^53 come back as they went in.
    pub integers: Integers,
    /// The longest statement, in bytes.
    pub statement_bytes: usize,
    /// How many parameters a statement may have.
    pub parameters: usize,
    /// How many columns a table may have.
    pub columns: usize,
    /// How large the whole may become, in bytes.
    pub database_bytes: u64,
    /// The only pragmas that it takes, in lower case; none where it takes all that SQLite has.
    pub pragmas: Option<&'static [&'static str]>,
    /// A program may have given it functions and collations of its own.
    pub extensible: bool,
}

/// What workerd lets through (<https://developers.cloudflare.com/d1/sql-api/sql-statements/#pragma-statements>).
const D1_PRAGMAS: [&str; 19] = [
    "case_sensitive_like",
    "data_version",
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "ignore_check_constraints",
    "index_info",
    "index_list",
    "index_xinfo",
    "legacy_alter_table",
    "optimize",
    "page_size",
    "quick_check",
    "recursive_triggers",
    "reverse_unordered_selects",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Which whole numbers a database gives back exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integers {
    /// All of 64 bits.
    All,
    /// Those up to 2^53, since answers are JSON.
    UpTo53Bits,
}

impl Capabilities {
    /// SQLite itself, with the limits of its usual build.
    #[must_use]
    pub fn sqlite() -> Self {
        Self {
            integers: Integers::All,
            statement_bytes: 1_000_000_000,
            parameters: 32_766,
            columns: 2_000,
            // Of pages of 4096 bytes, which is what a file has unless somebody chose otherwise.
            database_bytes: 4_096 * 4_294_967_294,
            pragmas: None,
            extensible: true,
        }
    }

    /// D1 through its API (<https://developers.cloudflare.com/d1/platform/limits/>).
    #[must_use]
    pub fn d1() -> Self {
        Self {
            integers: Integers::UpTo53Bits,
            statement_bytes: 100_000,
            parameters: 100,
            columns: 100,
            database_bytes: 10_000_000_000,
            pragmas: Some(&D1_PRAGMAS),
            extensible: false,
        }
    }
}
