use rusqlite::ErrorCode;
use std::{error, fmt, io};

/// What a caller can decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqliteErrorKind {
    /// Another connection held a lock for longer than the busy time-out; later it may work.
    Busy,
    /// The file is damaged, or it is no database.
    Corrupt,
    /// No space is left on the disk, or the file reached its size limit.
    Full,
    /// The file system or an authorizer said no, or the file was opened for reading only.
    Denied,
    /// The file does not exist.
    Missing,
    /// The file was deleted or replaced while it was open; what was written since may be lost.
    Gone,
    /// A newer program wrote the file.
    NewerFormat,
    /// A constraint of the schema does not hold.
    Constraint,
    /// The disk or the file system failed.
    Io,
    /// The closure panicked, or left a transaction open; what it began was rolled back.
    Caller,
    /// The database was closed before the closure ran.
    Closed,
    /// Anything else, mostly SQL that does not fit the schema.
    Sql,
}

impl SqliteErrorKind {
    /// What SQLite's own error is about.
    #[must_use]
    pub fn of(error: &rusqlite::Error) -> Self {
        kind_of_sqlite(error)
    }
}

/// A database could not be opened, used or copied. The message names the file.
#[derive(Debug)]
pub struct SqliteError {
    file: String,
    fault: Fault,
}

#[derive(Debug)]
pub(crate) enum Fault {
    Sqlite { doing: &'static str, source: rusqlite::Error },
    Io { doing: &'static str, source: io::Error },
    Gone,
    NewerFormat { found: i64, known: usize },
    Panicked(String),
    LeftOpen,
    Closed,
}

impl Fault {
    /// Without room for the index of its log SQLite speaks of an I/O error only.
    fn in_plain_words(self) -> Self {
        let no_room = |source: &rusqlite::Error| {
            let code = source.sqlite_error().map(|error| error.extended_code);
            code == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
        };
        match self {
            Self::Sqlite { doing, source } if no_room(&source) => {
                let source = io::Error::new(io::ErrorKind::StorageFull, "the disk is full");
                Self::Io { doing, source }
            }
            other => other,
        }
    }
}

impl SqliteError {
    pub(crate) fn new(file: impl Into<String>, fault: Fault) -> Self {
        Self { file: file.into(), fault: fault.in_plain_words() }
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> SqliteErrorKind {
        match &self.fault {
            Fault::Sqlite { source, .. } => kind_of_sqlite(source),
            Fault::Io { source, .. } => kind_of_io(source),
            Fault::Gone => SqliteErrorKind::Gone,
            Fault::NewerFormat { .. } => SqliteErrorKind::NewerFormat,
            Fault::Panicked(_) | Fault::LeftOpen => SqliteErrorKind::Caller,
            Fault::Closed => SqliteErrorKind::Closed,
        }
    }

    /// SQLite's own error, when it was SQLite that refused.
    #[must_use]
    pub fn as_rusqlite(&self) -> Option<&rusqlite::Error> {
        match &self.fault {
            Fault::Sqlite { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.fault {
            Fault::Sqlite { doing, .. } | Fault::Io { doing, .. } => {
                write!(f, "could not {doing} the database {file}")
            }
            Fault::Gone => {
                write!(f, "the database {file} was deleted or replaced while it was open")
            }
            Fault::NewerFormat { found, known } => write!(
                f,
                "the database {file} has format {found}, and this program knows up to {known}"
            ),
            Fault::Panicked(why) => write!(f, "a call on the database {file} panicked: {why}"),
            Fault::LeftOpen => {
                write!(f, "a call left a transaction open on the database {file}")
            }
            Fault::Closed => write!(f, "the database {file} is closed"),
        }
    }
}

impl error::Error for SqliteError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.fault {
            Fault::Sqlite { source, .. } => Some(source),
            Fault::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn kind_of_sqlite(error: &rusqlite::Error) -> SqliteErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SqliteErrorKind::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => SqliteErrorKind::Corrupt,
        Some(ErrorCode::DiskFull | ErrorCode::TooBig) => SqliteErrorKind::Full,
        Some(
            ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::AuthorizationForStatementDenied,
        ) => SqliteErrorKind::Denied,
        Some(ErrorCode::CannotOpen) => SqliteErrorKind::Missing,
        Some(ErrorCode::ConstraintViolation) => SqliteErrorKind::Constraint,
        Some(ErrorCode::SystemIoFailure) => SqliteErrorKind::Io,
        _ => SqliteErrorKind::Sql,
    }
}

fn kind_of_io(error: &io::Error) -> SqliteErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => SqliteErrorKind::Missing,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            SqliteErrorKind::Denied
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SqliteErrorKind::Full,
        _ => SqliteErrorKind::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_for_the_log_s_index_is_called_full() {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
        let source = rusqlite::Error::SqliteFailure(code, None);
        let error = SqliteError::new("x", Fault::Sqlite { doing: "open", source });
        assert_eq!(error.kind(), SqliteErrorKind::Full);
        let cause = error::Error::source(&error).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("the disk is full"));
    }
}
