use crate::{
    backup::{error::BackupError, restore_error::RestoreError},
    error::DatabaseError,
};
use std::fmt;

/// Something for which rows are not copied; nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProblem {
    /// What kind.
    pub kind: CopyProblemKind,
    /// The table that it is about, as whoever named it wrote it.
    pub table: String,
    /// The column, where it is about one.
    pub column: Option<String>,
    /// The names that there are, where one is unknown.
    pub known: Vec<String>,
}

/// The kinds of [`CopyProblem`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyProblemKind {
    /// The source has no such table.
    UnknownTable,
    /// The table has no such column.
    UnknownColumn,
    /// It has no values of its own: they come from other columns.
    Generated,
    /// It records migrations, and each database has its own.
    Records,
    /// It indexes or shows what another table holds, whose rules count.
    Derived,
    /// No rule says what becomes of the column.
    NoRule,
    /// It keeps words without the text that they are of, so that no rule can be applied.
    Contentless,
    /// The column refers to one that another rule changes: rows would refer to nothing.
    Reference {
        /// The table that is referred to.
        table: String,
        /// Its column.
        column: String,
        /// What becomes of that.
        rule: String,
    },
    /// The column refers to a table of which no row is copied.
    DroppedParent {
        /// That table.
        table: String,
    },
}

impl fmt::Display for CopyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        match &self.column {
            Some(column) => write!(f, "{table}.{column}: ")?,
            None => write!(f, "{table}: ")?,
        }
        match &self.kind {
            CopyProblemKind::UnknownTable => f.write_str("the source has no such table"),
            CopyProblemKind::UnknownColumn => f.write_str("the table has no such column"),
            CopyProblemKind::Generated => {
                f.write_str("it is generated: its values follow from other columns")
            }
            CopyProblemKind::Records => {
                f.write_str("it records migrations, and each database has its own")
            }
            CopyProblemKind::Derived => {
                f.write_str("it holds no rows of its own: it follows another table")
            }
            CopyProblemKind::NoRule => f.write_str("no rule says what becomes of it"),
            CopyProblemKind::Contentless => {
                f.write_str("it keeps words without their text, which no rule can change")
            }
            CopyProblemKind::Reference { table, column, rule } => {
                write!(f, "it refers to {table}.{column}, which another rule changes ({rule})")
            }
            CopyProblemKind::DroppedParent { table } => {
                write!(f, "it refers to {table}, of which no row is copied")
            }
        }
    }
}

impl CopyProblem {
    /// What to do about it; of an unknown name, whoever shows it can suggest one of
    /// [`CopyProblem::known`].
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.kind {
            CopyProblemKind::UnknownTable | CopyProblemKind::UnknownColumn => {
                "correct the name, or take it out"
            }
            CopyProblemKind::Generated | CopyProblemKind::Records | CopyProblemKind::Derived => {
                "take it out"
            }
            CopyProblemKind::NoRule => {
                "write `keep`, `null`, `hash`, `fake …` or a constant for it, or `drop-rows` for the table"
            }
            CopyProblemKind::Contentless => "write `drop-rows` for it",
            CopyProblemKind::Reference { .. } => {
                "give both the same rule, or leave the one out that refers: it follows the other"
            }
            CopyProblemKind::DroppedParent { .. } => {
                "write `null` for the column, or `drop-rows` for its table, too"
            }
        }
    }
}

/// Rows were not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A database cannot be read, or the copy not written.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// What was asked for does not fit the source.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Problems(Vec<CopyProblem>),
    /// The source holds no tables.
    #[error("the source holds no tables")]
    Nothing,
    /// A rule needs a key.
    #[error("a rule needs a key, and there is none")]
    NoKey,
}

/// A copy does not fit the tables that it is for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MisfitError {
    /// The database in which it was tried does not work.
    #[error("the copy could not be tried")]
    Trial(#[source] RestoreError),
    /// A constraint does not hold.
    #[error("the copied rows do not fit: {}", .0.message())]
    Constraint(DatabaseError),
    /// Rows refer to rows that are not there.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    References(Vec<Dangling>),
}

/// Rows that refer to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dangling {
    /// Their table.
    pub table: String,
    /// The table that they refer to.
    pub parent: String,
    /// How many there are.
    pub rows: u64,
}

impl fmt::Display for Dangling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, parent, rows } = self;
        let (rows_of, refer) = if *rows == 1 { ("row", "refers") } else { ("rows", "refer") };
        write!(f, "{rows} {rows_of} of {table} {refer} to rows of {parent} that are not there")
    }
}
