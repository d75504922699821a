use clodo_sqlite::rusqlite;
use std::{io, path::PathBuf};

/// A snapshot could not be made, read or put in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A cloud uses the state folder.
    #[error("the local Cloudflare is running")]
    Running,
    /// There is nothing to save.
    #[error("there is no state in `{}`", folder.display())]
    Empty {
        /// The state folder.
        folder: PathBuf,
    },
    /// The file is no snapshot, or only a part of one.
    #[error("`{}` is no whole snapshot: {why}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A newer program made it.
    #[error("`{}` has the format {found}; this program knows {known}", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that this program reads.
        known: u32,
    },
    /// A database could not be read.
    #[error("could not read the database `{}`", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The running cloud did not send one.
    #[error("the running cloud did not send a snapshot: {why}")]
    NotSent {
        /// What it answered.
        why: String,
    },
    /// The file system refused.
    #[error("could not {doing} `{}`", path.display())]
    Io {
        /// Such as `read`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What a caller can decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotErrorKind {
    /// A cloud is in the way.
    Running,
    /// The file or folder that was named is not what it should be.
    Unreadable,
    /// Disk, permissions, or a cloud that does not answer.
    Failed,
}

impl SnapshotError {
    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> SnapshotErrorKind {
        match self {
            Self::Running => SnapshotErrorKind::Running,
            Self::Empty { .. } | Self::Damaged { .. } | Self::Newer { .. } => {
                SnapshotErrorKind::Unreadable
            }
            Self::Database { .. } | Self::NotSent { .. } | Self::Io { .. } => {
                SnapshotErrorKind::Failed
            }
        }
    }

    pub(super) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
