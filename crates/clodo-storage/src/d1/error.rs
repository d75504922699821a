use clodo_sqlite::{SqliteError, SqliteErrorKind, rusqlite};
use std::{fmt, path::PathBuf};

use super::codes;
use crate::pool::told_with_cause;

/// What a caller decides on: the REST API's status and whether a retry can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum D1ErrorKind {
    /// The SQL or its parameters are at fault; 400 code 7500, or `success: false` to a Worker.
    Sql,
    /// No such database; 404 code 7404.
    NotFound,
    /// A database of that id exists already.
    Exists,
    /// Time travel to a state that is not kept, or never was; 400.
    NoSuchState,
    /// The file cannot be read or written, or is damaged; 500 code 7500.
    Storage,
}

/// A request that failed; nothing of it was kept. `Display` is what D1 itself would say; of a
/// `Storage` error it also names the file.
#[derive(Debug)]
pub struct D1Error {
    kind: D1ErrorKind,
    text: String,
    path: Option<PathBuf>,
}

impl D1Error {
    /// What to decide on.
    #[must_use]
    pub fn kind(&self) -> D1ErrorKind {
        self.kind
    }

    pub(super) fn new(kind: D1ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), path: None }
    }

    pub(super) fn sql(text: impl Into<String>) -> Self {
        Self::new(D1ErrorKind::Sql, text)
    }

    pub(super) fn storage(text: impl fmt::Display) -> Self {
        Self::new(D1ErrorKind::Storage, text.to_string())
    }

    pub(super) fn not_found() -> Self {
        Self::new(D1ErrorKind::NotFound, "The database could not be found")
    }

    /// Names the file when it is the file that is at fault.
    pub(super) fn at(mut self, path: &std::path::Path) -> Self {
        if self.kind == D1ErrorKind::Storage && self.path.is_none() {
            self.path = Some(path.to_owned());
        }
        self
    }
}

impl From<rusqlite::Error> for D1Error {
    fn from(error: rusqlite::Error) -> Self {
        let (code, text) = match &error {
            rusqlite::Error::SqliteFailure(code, Some(text)) => (code, text.clone()),
            rusqlite::Error::SqliteFailure(code, None) => (code, "unknown error".to_owned()),
            rusqlite::Error::SqlInputError { error: code, msg, offset, .. } => {
                (code, format!("{msg} at offset {offset}"))
            }
            other => return Self::sql(other.to_string()),
        };
        let kind = if codes::blames_the_file(code.extended_code & 0xff) {
            D1ErrorKind::Storage
        } else {
            D1ErrorKind::Sql
        };
        Self::new(kind, format!("{text}: {}", codes::named(code.extended_code)))
    }
}

impl From<SqliteError> for D1Error {
    fn from(error: SqliteError) -> Self {
        match error.kind() {
            SqliteErrorKind::Missing | SqliteErrorKind::Gone => Self::not_found(),
            _ => Self::storage(told_with_cause(&error)),
        }
    }
}

impl fmt::Display for D1Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} (`{}`)", self.text, path.display()),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for D1Error {}
