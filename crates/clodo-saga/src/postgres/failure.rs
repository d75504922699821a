use crate::error::{StoreError, StoreErrorKind};
use std::{error::Error as _, fmt};
use tokio_postgres::error::{DbError, SqlState};

/// Why PostgreSQL did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The server, or the way to it.
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    /// It did not answer in time.
    #[error("PostgreSQL did not answer in time")]
    Slow,
    /// Certificates cannot be checked.
    #[error("TLS cannot be used")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is written there is not what this version writes.
    #[error("what is written in the state store makes no sense")]
    Json(#[source] serde_json::Error),
    /// A number is too large for PostgreSQL.
    #[error("a number is out of range")]
    Number,
    /// A namespace that is no name.
    #[error("a namespace has up to 60 lower-case letters, digits and `_`, a letter first")]
    Namespace,
    /// Something is there that must not be, or the other way round.
    #[error("the state store is not what it should be")]
    Broken,
}

impl Fault {
    pub(super) fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Database(error) => kind_of(error),
            Self::Slow => StoreErrorKind::Unreachable,
            _ => StoreErrorKind::Store,
        }
    }

    /// Whether the same may work when it is tried again.
    pub(super) fn may_pass(&self) -> bool {
        let collided = match self {
            Self::Database(error) => error.code().is_some_and(|code| {
                [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED]
                    .contains(code)
            }),
            _ => false,
        };
        collided || self.kind() == StoreErrorKind::Unreachable
    }
}

fn kind_of(error: &tokio_postgres::Error) -> StoreErrorKind {
    let Some(code) = error.code() else {
        let io = error.source().is_some_and(|source| source.is::<std::io::Error>());
        // The driver does not even ask without one, and has no other name for that.
        if error.source().is_some_and(|source| source.to_string() == "password missing") {
            return StoreErrorKind::Denied;
        }
        let lost = error.is_closed() || io || error.to_string().contains("connecting to server");
        return if lost { StoreErrorKind::Unreachable } else { StoreErrorKind::Store };
    };
    match code.code() {
        // Starting, stopping, stopped while at it, or full.
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25P03" => StoreErrorKind::Unreachable,
        "42501" | "3D000" => StoreErrorKind::Denied,
        code if code.starts_with("08") => StoreErrorKind::Unreachable,
        code if code.starts_with("28") => StoreErrorKind::Denied,
        _ => StoreErrorKind::Store,
    }
}

/// What PostgreSQL said, without details: those may hold what is stored.
#[derive(Debug)]
struct Said {
    message: String,
    code: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL says: {} ({})", self.message, self.code)
    }
}

impl std::error::Error for Said {}

impl From<&DbError> for Said {
    fn from(error: &DbError) -> Self {
        Self { message: error.message().to_owned(), code: error.code().code().to_owned() }
    }
}

/// What callers see.
pub(super) fn failure(doing: &'static str, fault: Fault) -> StoreError {
    let plain = StoreError::new(fault.kind(), doing);
    match fault {
        Fault::Database(error) => match error.as_db_error() {
            Some(said) => plain.with_source(Said::from(said)),
            None => plain.with_source(error),
        },
        other => plain.with_source(other),
    }
}
