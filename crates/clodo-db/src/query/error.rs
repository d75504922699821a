use crate::statement::TooLarge;

/// A statement was put together in a way that is none; nothing has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A raw text has another number of `?` than of values.
    #[error("a raw text has {wanted} parameters and {given} values")]
    RawValues {
        /// How many `?` stand in the text.
        wanted: usize,
        /// How many values came with it.
        given: usize,
    },
    /// A raw text has parameters with numbers or names, which would clash with those around it.
    #[error("a raw text may have no parameters other than plain `?`")]
    RawNames,
    /// A row has another number of values than the statement has columns.
    #[error("row {row} has {given} values for {columns} columns")]
    RowLength {
        /// Which one, from 1.
        row: usize,
        /// How many values it has.
        given: usize,
        /// How many columns there are.
        columns: usize,
    },
    /// A list of columns is empty. Without a list a select gives all columns, which is seldom what an
    /// empty list from elsewhere means.
    #[error("a list of columns is empty")]
    NoColumns,
    /// An insert has no rows, or none of its columns is named.
    #[error("there is nothing to insert")]
    NothingToInsert,
    /// An insert has rows of its own and those of a select.
    #[error("an insert takes rows or a select, not both")]
    RowsAndSelect,
    /// An update sets no column.
    #[error("there is nothing to set")]
    NothingToSet,
    /// A change without a filter would reach every row.
    #[error("without a filter it reaches every row: say `every_row()` if that is meant")]
    NoFilter,
    /// A cursor belongs to one order, which the select must not have already.
    #[error("a select that is read by cursor has no order, limit or offset of its own")]
    OrderTwice,
    /// Rows that are alike cannot be told apart by a cursor.
    #[error("a select that is read by cursor is neither distinct nor made of several")]
    NoKeysInRows,
    /// SQLite's JSON ends a text at a NUL.
    #[error("a text in a list holds a NUL")]
    Nul,
    /// It cannot be cut into parts that the database takes.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}
