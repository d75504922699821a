use std::error;

/// What a caller can decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// There is no such run, job or blob.
    Unknown,
    /// The run is closed, the job is finished, or the id is taken.
    Conflict,
    /// The lease under which it was to be written is not the current one any more: somebody else
    /// was granted it, or it was given back.
    Fenced,
    /// A newer program wrote the store.
    NewerFormat,
    /// The store was deleted while it was in use.
    Gone,
    /// The store cannot be reached; later it may work.
    Unreachable,
    /// The store does not let us in.
    Denied,
    /// The store failed.
    Store,
}

/// A store could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}")]
pub struct StoreError {
    doing: &'static str,
    kind: StoreErrorKind,
    #[source]
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl StoreError {
    /// Says what failed, as a verb phrase such as `open a run`.
    #[must_use]
    pub fn new(kind: StoreErrorKind, doing: &'static str) -> Self {
        Self { doing, kind, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

/// What a journal fails with.
pub type JournalError = StoreError;
/// What kind of failure of a journal it was.
pub type JournalErrorKind = StoreErrorKind;
/// What a store of leases fails with.
pub type LeaseStoreError = StoreError;
