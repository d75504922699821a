use crate::error::DatabaseError;
use std::io;

/// A backup was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The database refused to be read.
    #[error("the database cannot be read")]
    Database(#[from] DatabaseError),
    /// The dump cannot be written; nothing of it counts.
    #[error("the backup cannot be written")]
    Write(#[from] io::Error),
    /// Nobody can write this table as SQL so that it comes back.
    #[error("table {table} cannot be backed up: {why}")]
    Unsupported {
        /// Its name.
        table: String,
        /// Why not.
        why: String,
    },
    /// Its schema needs what only the database's own program has: no other SQLite makes it again.
    #[error("the database needs what only its own program has: {0}")]
    Foreign(String),
    /// Texts in it are not UTF-8 as a whole.
    #[error("the database holds its texts in UTF-16")]
    Encoding,
    /// A restore into it has not come to its end.
    #[error("the database is half restored")]
    HalfRestored,
    /// The answer is not what was asked for.
    #[error("the database gave an answer that was not asked for, about {0}")]
    Answer(String),
    /// Tables or rows went away between two looks at them, every time they were read.
    #[error("the database changed while it was read")]
    Changed,
}

impl BackupError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Database(_) => "see what the database says; nothing was changed",
            Self::Write(_) => {
                "make room, or write it elsewhere; the earlier backups are as they were"
            }
            Self::Unsupported { .. } => {
                "drop the table when it can be made from others, or copy the file of the database"
            }
            Self::Foreign(_) => "copy the file of the database",
            Self::Encoding => "copy the file of the database: SQL text of it would not be the same",
            Self::HalfRestored => {
                "run the restore or sync that was stopped again, or restore it anew"
            }
            Self::Answer(_) => "run it again; report it when it happens twice",
            Self::Changed => "run it again when less is written and no migration runs",
        }
    }
}
