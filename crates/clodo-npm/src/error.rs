use crate::{PinError, Platform};
use std::{io, path::PathBuf, time::Duration};

/// Why a package could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpmError {
    /// There is no npm to install with.
    #[error("{label} is needed, but `{npm}` was not found")]
    NpmMissing {
        /// What was to be installed.
        label: String,
        /// The program that was looked for.
        npm: String,
        /// What may be done instead.
        alternative: Option<&'static str>,
    },
    /// npm could not be started, for a reason other than being absent.
    #[error("`{npm}` could not be started")]
    NpmBroken {
        /// The program.
        npm: String,
        /// Why.
        source: io::Error,
    },
    /// npm ran and failed.
    #[error("npm could not install {label}:\n{output}")]
    NpmFailed {
        /// What was to be installed.
        label: String,
        /// The last lines npm wrote.
        output: String,
        /// What those lines are about.
        kind: NpmErrorKind,
        /// What may be done instead.
        alternative: Option<&'static str>,
    },
    /// npm did not end.
    #[error("npm did not install {label} within {} s", .after.as_secs())]
    TimedOut {
        /// What was to be installed.
        label: String,
        /// How long it was given.
        after: Duration,
    },
    /// npm said it was done, but the file is not there.
    #[error("npm installed {label}, but `{}` is not there", .path.display())]
    Incomplete {
        /// What was installed.
        label: String,
        /// The missing file, relative to the install.
        path: PathBuf,
    },
    /// The package does not exist for this platform.
    #[error("{package} does not exist for {platform}")]
    Unsupported {
        /// The package.
        package: &'static str,
        /// The platform.
        platform: Platform,
        /// What may be done instead.
        alternative: Option<&'static str>,
    },
    /// The cache cannot be read or written.
    #[error("the cache folder `{}` cannot be used", .path.display())]
    Cache {
        /// The path that failed.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The pin itself is wrong.
    #[error("the pinned package is not usable")]
    Pin(#[from] PinError),
}

/// What sort of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NpmErrorKind {
    /// npm is not installed.
    NpmMissing,
    /// The registry cannot be reached, or did not answer in time.
    Unreachable,
    /// What came is not what the lock file pins.
    Integrity,
    /// There is nothing to install for this platform.
    Unsupported,
    /// The cache may not be written.
    NotWritable,
    /// The disk is full.
    DiskFull,
    /// Anything else.
    Other,
}

impl NpmError {
    /// What sort of trouble it is, for who decides on it.
    #[must_use]
    pub fn kind(&self) -> NpmErrorKind {
        match self {
            Self::NpmMissing { .. } => NpmErrorKind::NpmMissing,
            Self::NpmFailed { kind, .. } => *kind,
            Self::TimedOut { .. } => NpmErrorKind::Unreachable,
            Self::Incomplete { .. } | Self::Unsupported { .. } => NpmErrorKind::Unsupported,
            Self::Cache { source, .. } => kind_of_io(source),
            Self::NpmBroken { .. } | Self::Pin(_) => NpmErrorKind::Other,
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let advice = match self.kind() {
            NpmErrorKind::NpmMissing => "install Node.js 20 or newer (which brings npm)",
            NpmErrorKind::Unreachable => "check that `npm ping` succeeds, then run this again",
            NpmErrorKind::NotWritable => "set CLODO_CACHE_DIR to a folder that you may write",
            NpmErrorKind::DiskFull => "free some space, or set CLODO_CACHE_DIR to another disk",
            NpmErrorKind::Integrity => {
                "the registry or a proxy sends other files than the pinned ones: check `npm config get registry`"
            }
            NpmErrorKind::Unsupported | NpmErrorKind::Other => "",
        };
        match (advice, self.alternative()) {
            ("", None) => None,
            ("", Some(alternative)) => Some(alternative.to_owned()),
            (advice, None) => Some(advice.to_owned()),
            (advice, Some(alternative)) => Some(format!("{advice}, or {alternative}")),
        }
    }

    fn alternative(&self) -> Option<&'static str> {
        match self {
            Self::NpmMissing { alternative, .. }
            | Self::NpmFailed { alternative, .. }
            | Self::Unsupported { alternative, .. } => *alternative,
            _ => None,
        }
    }
}

pub(crate) fn kind_of_io(error: &io::Error) -> NpmErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => NpmErrorKind::DiskFull,
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::AlreadyExists => NpmErrorKind::NotWritable,
        _ => NpmErrorKind::Other,
    }
}
