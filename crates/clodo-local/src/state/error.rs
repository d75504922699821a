use clodo_sqlite::{SqliteError, SqliteErrorKind};
use std::{io, path::PathBuf};

/// The durable state could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process uses the folder.
    #[error("another local Cloudflare uses the state folder `{}`", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder was deleted or replaced while it was in use.
    #[error(
        "the state folder `{}` was deleted while the local Cloudflare was running; stop it and \
         start it again to begin with an empty one",
        folder.display()
    )]
    Gone {
        /// The folder.
        folder: PathBuf,
    },
    /// SQLite refused.
    #[error("could not use the state database")]
    Database(#[source] SqliteError),
    /// A file could not be read or written.
    #[error("could not {doing} `{}`", path.display())]
    Io {
        /// Such as `read`.
        doing: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A document in the database is not what this program wrote.
    #[error("the {kind} `{name}` in the state database cannot be read")]
    Damaged {
        /// The kind of document.
        kind: String,
        /// Its key.
        name: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A seed that asks for what cannot be.
    #[error("the seed is not usable: {why}")]
    Seed {
        /// What is wrong with it.
        why: String,
    },
}

/// What a caller of the state can decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateErrorKind {
    /// The folder belongs to another running process.
    InUse,
    /// The folder vanished.
    Gone,
    /// A newer program wrote it.
    NewerFormat,
    /// The caller's seed is at fault.
    Seed,
    /// The disk, the file system, or a damaged file.
    Storage,
}

impl StateError {
    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> StateErrorKind {
        match self {
            Self::InUse { .. } => StateErrorKind::InUse,
            Self::Gone { .. } => StateErrorKind::Gone,
            Self::Seed { .. } => StateErrorKind::Seed,
            Self::Database(error) => match error.kind() {
                SqliteErrorKind::Gone => StateErrorKind::Gone,
                SqliteErrorKind::NewerFormat => StateErrorKind::NewerFormat,
                _ => StateErrorKind::Storage,
            },
            Self::Io { .. } | Self::Damaged { .. } => StateErrorKind::Storage,
        }
    }

    /// This error and its causes in one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
