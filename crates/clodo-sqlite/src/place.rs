use crate::error::{Fault, SqliteError};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where a database lives, and whether it is still the file that was opened.
///
/// SQLite keeps writing happily into a file that was unlinked under it; whoever reports such a
/// write as done has lost it. So every call first looks whether the path still leads to the file.
#[derive(Debug)]
pub(crate) enum Place {
    Memory,
    File { path: PathBuf, identity: Option<Identity> },
}

impl Place {
    /// Notes which file it is; call it once the file exists.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if let Self::File { path, identity } = self {
            *identity = Some(Identity::of(path)?);
        }
        Ok(())
    }

    pub(crate) fn check(&self) -> Result<(), SqliteError> {
        let Self::File { path, identity: Some(known) } = self else { return Ok(()) };
        match Identity::of(path) {
            Ok(found) if found == *known => Ok(()),
            Ok(_) => Err(self.error(Fault::Gone)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.error(Fault::Gone)),
            Err(source) => Err(self.error(Fault::Io { doing: "use", source })),
        }
    }

    pub(crate) fn error(&self, fault: Fault) -> SqliteError {
        SqliteError::new(self.to_string(), fault)
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Memory => None,
            Self::File { path, .. } => Some(path),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("in memory"),
            Self::File { path, .. } => write!(f, "`{}`", path.display()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata(path)?;
        Ok(Self(found.dev(), found.ino()))
    }

    // Elsewhere an open file cannot be replaced; that it is still there is all there is to ask.
    #[cfg(not(unix))]
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self(0, 0))
    }
}
