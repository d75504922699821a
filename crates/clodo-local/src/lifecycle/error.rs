use crate::state::{StateError, StateErrorKind};
use clodo_workerd::DurableFolderError;
use std::{io, path::PathBuf};

/// A cloud could not be started, found or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudError {
    /// The state could not be opened.
    #[error("could not open the state of the local Cloudflare")]
    State(#[from] StateError),
    /// Another program listens there.
    #[error("the port {port} of 127.0.0.1 is taken by another program")]
    PortTaken {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no such program.
    #[error("there is no workerd at `{}`", path.display())]
    NoWorkerd {
        /// Where it should be.
        path: PathBuf,
    },
    /// The Durable Objects in the state folder are not for this workerd.
    #[error("the Durable Objects cannot be opened")]
    Objects(#[from] DurableFolderError),
    /// The program that was started in the background ended at once.
    #[error("the local Cloudflare ended while it started")]
    EndedAtOnce {
        /// The last lines of its log.
        log: String,
    },
    /// The program in the background does not answer.
    #[error("the local Cloudflare does not answer after {seconds} seconds")]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
    },
    /// It was asked to stop, and killed, and still holds the folder.
    #[error("the local Cloudflare does not stop")]
    DoesNotStop,
    /// A cloud that must not run does.
    #[error("the local Cloudflare is running")]
    StillRunning,
    /// It runs, and a call was not answered.
    #[error("the local Cloudflare does not answer")]
    NoAnswer,
    /// It does not do what it was asked to.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why not.
        message: String,
    },
    /// Other programs of this machine would not find it there.
    #[error("a local Cloudflare cannot listen at {address} only")]
    Listen {
        /// The address that was asked for.
        address: std::net::IpAddr,
    },
    /// The file system or the network refused.
    #[error("could not {doing} {what}")]
    Io {
        /// Such as `write`.
        doing: &'static str,
        /// Such as `cloud.json`.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What a caller can decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloudErrorKind {
    /// Another cloud uses the state folder.
    InUse,
    /// The port that was asked for is taken.
    PortTaken,
    /// workerd is missing.
    NoWorkerd,
    /// The seed contradicts what is there.
    Seed,
    /// The state folder cannot be used.
    Storage,
    /// The cloud does not start, answer or stop.
    Stuck,
    /// A call asks for what cannot be.
    Refused,
    /// An option asks for what cannot be.
    Config,
}

impl CloudError {
    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> CloudErrorKind {
        match self {
            Self::State(error) => match error.kind() {
                StateErrorKind::InUse => CloudErrorKind::InUse,
                StateErrorKind::Seed => CloudErrorKind::Seed,
                _ => CloudErrorKind::Storage,
            },
            Self::PortTaken { .. } => CloudErrorKind::PortTaken,
            Self::NoWorkerd { .. } => CloudErrorKind::NoWorkerd,
            Self::StillRunning => CloudErrorKind::InUse,
            Self::EndedAtOnce { .. }
            | Self::NotReady { .. }
            | Self::DoesNotStop
            | Self::NoAnswer => CloudErrorKind::Stuck,
            Self::Refused { .. } => CloudErrorKind::Refused,
            Self::Listen { .. } => CloudErrorKind::Config,
            Self::Objects(_) | Self::Io { .. } => CloudErrorKind::Storage,
        }
    }

    /// What may help, naming a command or a flag.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self.kind() {
            CloudErrorKind::InUse => Some(
                "`clodo-local status` shows the cloud that runs, `clodo-local down` stops it"
                    .to_owned(),
            ),
            CloudErrorKind::PortTaken => Some(
                "leave out `--port` to get a free one, or stop the program that listens there"
                    .to_owned(),
            ),
            CloudErrorKind::NoWorkerd => {
                Some("set CLODO_WORKERD to a workerd binary, or unset it".to_owned())
            }
            CloudErrorKind::Stuck => match self {
                Self::EndedAtOnce { log } if !log.is_empty() => {
                    Some(format!("its log ends with:\n{log}"))
                }
                _ => Some("`clodo-local logs` shows what it said".to_owned()),
            },
            CloudErrorKind::Storage => self.storage_hint().map(str::to_owned),
            CloudErrorKind::Config => {
                Some("`--listen 0.0.0.0` or `--listen ::` listens at every address".to_owned())
            }
            CloudErrorKind::Seed | CloudErrorKind::Refused => None,
        }
    }

    fn storage_hint(&self) -> Option<&'static str> {
        if let Self::Objects(DurableFolderError::Newer { .. }) = self {
            return Some(
                "use the newer workerd (CLODO_WORKERD names it, or use the Clodo that was used \
                 last), or `clodo-local reset` to delete the state and begin anew",
            );
        }
        let Self::State(error) = self else { return None };
        match error.kind() {
            StateErrorKind::NewerFormat => Some("use a Clodo at least as new as the last one here"),
            _ => Some(
                "check the disk and the folder's permissions; if the state is damaged, \
                 `clodo-local reset` deletes it, with every Worker and all data, to begin anew",
            ),
        }
    }

    pub(crate) fn io(doing: &'static str, what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { doing, what, source }
    }
}
