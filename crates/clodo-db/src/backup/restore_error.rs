use super::error::BackupError;
use crate::error::DatabaseError;
use std::io;

/// A dump was not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// It does not begin as one.
    #[error("this is no backup")]
    NoDump,
    /// A version wrote it that this one does not know.
    #[error("the backup has format {format}, which this version does not read")]
    Format {
        /// Which format it has.
        format: u32,
    },
    /// Its last line is missing.
    #[error("the backup is not whole: its last line is missing")]
    Cut,
    /// It is not what was written.
    #[error("the backup is not what was written: its checksum is another")]
    Edited,
    /// It cannot be read.
    #[error("the backup cannot be read")]
    Read(#[source] io::Error),
    /// The database cannot be looked at; nothing was written.
    #[error("the database cannot be read")]
    Look(#[from] BackupError),
    /// There is something in the database; nothing was written.
    #[error("the database is not empty")]
    NotEmpty,
    /// A restore into it did not come to its end; nothing more was written.
    #[error("the database is half restored, from {}", if *.same { "this backup" } else { "another backup" })]
    HalfRestored {
        /// From this very dump: it can go on.
        same: bool,
    },
    /// Tables keep no text to index again, and this database does not let their index be written;
    /// nothing was written.
    #[error("this database does not take the full-text index of {}", tables.join(", "))]
    Contentless {
        /// Their names.
        tables: Vec<String>,
    },
    /// A statement that no backup holds.
    #[error("statement {statement} of the backup is {word}, which no backup holds")]
    Strange {
        /// Which one, from 1.
        statement: u64,
        /// Its first word.
        word: &'static str,
    },
    /// Another restore has begun in the same database, or ended there. What it does counts.
    #[error("another restore works on the database")]
    Overtaken,
    /// The database stopped it. What was there before is as it was only when nothing had been done.
    #[error("the database refused statement {statement}, behind {done} that are done")]
    Stopped {
        /// The first statement of the request that failed, from 1.
        statement: u64,
        /// So many statements are done; the database is marked as half restored when any is.
        done: u64,
        /// What it said.
        #[source]
        source: DatabaseError,
    },
}

impl RestoreError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoDump => "name a file that a backup wrote",
            Self::Format { .. } => "use the version of Clodo that wrote it, or a newer one",
            Self::Cut | Self::Edited => "take another backup: nothing of this one was used",
            Self::Read(_) => "see that the file is there and may be read; nothing was written",
            Self::Look(error) => error.hint(),
            Self::NotEmpty => "restore into a new database, or say that what it holds may go",
            Self::HalfRestored { same: true } => "let the restore go on, or begin anew over it",
            Self::HalfRestored { same: false } => {
                "let the restore from that backup go on, or begin anew over it"
            }
            Self::Contentless { .. } => {
                "restore into a SQLite file, or drop those tables and index the texts again"
            }
            Self::Strange { .. } => "somebody else wrote it: do not trust what else is in it",
            Self::Overtaken => "see that nobody else restores, then look at what is in it",
            Self::Stopped { done: 0, .. } => "nothing was written; see what the database says",
            Self::Stopped { .. } => {
                "the database is marked as half restored: mend the cause and let it go on, or begin anew"
            }
        }
    }
}
