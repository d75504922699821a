use clodo_types::{AccountId, DatabaseId, Timestamp};
use serde_json::value::RawValue;
use std::{fmt, str::FromStr, time::Duration};

use super::{D1Error, Param};
use crate::PoolOptions;

/// Which database: ids are unique within one account only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DatabaseRef {
    /// The account that owns it.
    pub account: AccountId,
    /// Its id.
    pub id: DatabaseId,
}

/// SQL text with its parameters: `{"sql": …, "params": […]}` on the wire.
///
/// The text may hold several statements; the parameters then belong to the last one.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub struct D1Statement {
    /// One or more statements.
    pub sql: String,
    /// Values for `?1`, `?2` … of the last statement.
    #[serde(default)]
    pub params: Vec<Param>,
}

impl D1Statement {
    /// A statement without parameters.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new() }
    }
}

/// How rows are written into [`StatementResult::results`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowFormat {
    /// `[{"column": value, …}, …]`, what `/query` and `all()` answer.
    #[default]
    Objects,
    /// `{"columns": […], "rows": [[…], …]}`, what `/raw` and `raw()` answer.
    ColumnsAndRows,
    /// `[]`: rows are read and dropped.
    Nothing,
}

/// What one request asks: its statements run in order, in one transaction, all or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct D1Request {
    /// In order.
    pub statements: Vec<D1Statement>,
    /// How rows come back.
    pub format: RowFormat,
}

impl D1Request {
    /// One SQL text with objects as rows.
    pub fn sql(sql: impl Into<String>) -> Self {
        Self { statements: vec![D1Statement::new(sql)], format: RowFormat::Objects }
    }
}

/// What a request did: one result per statement that was found in it.
#[derive(Clone, Debug)]
pub struct D1Answer {
    /// In the order in which they ran. Serialises to what `/query` and `/raw` have in `result`.
    pub results: Vec<StatementResult>,
    /// The database's state after the request.
    pub bookmark: Bookmark,
}

/// One statement's outcome. Serialises as D1 writes it: `{"results", "success", "meta"}`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct StatementResult {
    /// Rows as ready JSON, in the format that was asked for.
    pub results: Box<RawValue>,
    /// Always true; a failed statement fails the request.
    pub success: bool,
    /// Counters and times.
    pub meta: D1Meta,
    /// Which of the request's elements it comes from; one element may hold several statements.
    #[serde(skip)]
    pub query: usize,
}

/// What D1 says about a statement.
///
/// `rows_read` and `rows_written` are estimates: SQLite as bundled has no row counters. Read is
/// the larger of the full-scan steps and the rows returned; written is a row plus one per index
/// of its table, for each row inserted, updated or deleted.
#[derive(Clone, Debug, Default, serde::Serialize)]
#[non_exhaustive]
pub struct D1Meta {
    /// Always `local`.
    pub served_by: &'static str,
    /// One of D1's regions, always the same.
    pub served_by_region: &'static str,
    /// Milliseconds spent in SQLite.
    pub duration: f64,
    /// Rows changed.
    pub changes: u64,
    /// Row id of the last insert on this connection.
    pub last_row_id: i64,
    /// True when the statement wrote.
    pub changed_db: bool,
    /// Bytes of the database after the statement.
    pub size_after: u64,
    /// See above.
    pub rows_read: u64,
    /// See above.
    pub rows_written: u64,
    /// Whether the statement is one that may write; not on the wire.
    #[serde(skip)]
    pub writes: bool,
    /// Rows in the answer; not on the wire.
    #[serde(skip)]
    pub rows_returned: u64,
    /// Always true: there are no replicas.
    pub served_by_primary: bool,
    /// The time once more, as D1 nests it.
    pub timings: Timings,
    /// Always 1: nothing fails in between.
    pub total_attempts: u32,
}

impl D1Meta {
    /// Adds what a later statement did.
    pub(super) fn add(&mut self, later: &Self) {
        (self.served_by, self.served_by_region) = (later.served_by, later.served_by_region);
        self.total_attempts = later.total_attempts;
        self.duration += later.duration;
        self.changes += later.changes;
        self.last_row_id = later.last_row_id;
        self.changed_db |= later.changed_db;
        self.size_after = later.size_after;
        self.rows_read += later.rows_read;
        self.rows_written += later.rows_written;
        self.writes |= later.writes;
        self.rows_returned += later.rows_returned;
        self.served_by_primary = later.served_by_primary;
        self.timings.sql_duration_ms = self.duration;
    }
}

/// `{"sql_duration_ms": …}`.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Timings {
    /// Milliseconds spent in SQLite.
    pub sql_duration_ms: f64,
}

/// A state of a database: bookmarks of later states sort after those of earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bookmark {
    pub(super) writes: u64,
    pub(super) tail: u128,
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // D1's third group counts the days; a bookmark that is made again must be the same.
        let (high, low) = (self.writes >> 32, self.writes & 0xffff_ffff);
        write!(f, "{high:08x}-{low:08x}-{:08x}-{:032x}", 0, self.tail)
    }
}

/// Text that is no bookmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a bookmark is four groups of 8, 8, 8 and 32 hexadecimal digits")]
pub struct BookmarkError;

impl serde::Serialize for Bookmark {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl FromStr for Bookmark {
    type Err = BookmarkError;

    fn from_str(text: &str) -> Result<Self, BookmarkError> {
        let groups: Vec<&str> = text.split('-').collect();
        let digits = |group: &str, count: usize| {
            let valid = group.len() == count && group.bytes().all(|b| b.is_ascii_hexdigit());
            let number = u128::from_str_radix(group, 16).ok();
            number.filter(|_| valid).ok_or(BookmarkError)
        };
        let [high, low, days, tail] = groups[..] else { return Err(BookmarkError) };
        let (high, low, _) = (digits(high, 8)?, digits(low, 8)?, digits(days, 8)?);
        let writes = u64::try_from((high << 32) | low).map_err(|_| BookmarkError)?;
        Ok(Self { writes, tail: digits(tail, 32)? })
    }
}

/// What D1 tells about a database as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseInfo {
    /// Bytes on disk.
    pub file_size: u64,
    /// Tables of the user's.
    pub num_tables: u64,
    /// The present state.
    pub bookmark: Bookmark,
}

/// What an import did.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct ImportReport {
    /// Statements that ran.
    pub num_queries: u64,
    /// Sums over all statements.
    pub meta: D1Meta,
    /// The state after it.
    pub final_bookmark: Bookmark,
}

/// How far an import is. What is told is told before the next thing happens, so that whoever
/// writes it down knows after a kill whether the import took effect: it did exactly when the
/// database is no longer in the state that it began from.
#[derive(Debug)]
pub enum ImportStage<'a> {
    /// Nothing has happened yet, and nobody else writes before it ends.
    Begins(Bookmark),
    /// All ran, and is about to take effect.
    Ran(&'a ImportReport),
    /// It took effect.
    Done(&'a ImportReport),
    /// Nothing of it took effect.
    Failed(&'a D1Error),
}

/// What goes into a dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Leaves out `CREATE` statements.
    pub no_schema: bool,
    /// Leaves out rows.
    pub no_data: bool,
    /// Only these tables; empty = all.
    pub tables: Vec<String>,
}

/// Limits of the D1 engine; the defaults are D1's own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct D1Options {
    /// How many databases stay open and for how long.
    pub pool: PoolOptions,
    /// How long one statement may run. D1: 30 s.
    pub max_duration: Duration,
    /// How far back time travel goes.
    pub history: HistoryOptions,
}

impl Default for D1Options {
    fn default() -> Self {
        Self {
            pool: PoolOptions::default(),
            max_duration: Duration::from_secs(30),
            history: HistoryOptions::default(),
        }
    }
}

/// How much of a database's past is kept; whichever bound is met first.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HistoryOptions {
    /// States older than this can no longer be gone back to. D1: 30 days.
    pub keep: Duration,
    /// Bytes of history per database. A write that alone needs more begins history anew.
    pub max_bytes: u64,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self { keep: Duration::from_secs(30 * 24 * 3600), max_bytes: 512 * 1024 * 1024 }
    }
}

/// A state to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TravelTo {
    /// The state that had this bookmark.
    Bookmark(Bookmark),
    /// The newest state at or before this moment.
    Moment(Timestamp),
}

/// What going back did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Travelled {
    /// The present state: a new one, equal to the old one that was asked for.
    pub bookmark: Bookmark,
    /// The state before; going back to it undoes this.
    pub previous: Bookmark,
}
