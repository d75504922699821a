use crate::pool::told_with_cause;

/// What a caller decides on; the numbers are Cloudflare's where they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkflowErrorKind {
    /// No such Workflow; 10200.
    WorkflowNotFound,
    /// No such instance; 10400.
    NotFound,
    /// There is an instance of that id; 10405.
    Exists,
    /// An id that no instance may have; 10401.
    InvalidId,
    /// The instance cannot do that now; 10402.
    Conflict,
    /// Something that is too large; 10403.
    TooLarge,
    /// A body that is not of the expected form; 10001.
    Body,
    /// The file cannot be read or written, or is damaged; 10001.
    Storage,
}

impl WorkflowErrorKind {
    /// The error code.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::WorkflowNotFound => 10200,
            Self::NotFound => 10400,
            Self::InvalidId => 10401,
            Self::Conflict => 10402,
            Self::TooLarge => 10403,
            Self::Exists => 10405,
            Self::Body | Self::Storage => 10001,
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::WorkflowNotFound | Self::NotFound => 404,
            Self::TooLarge => 413,
            Self::Exists | Self::InvalidId | Self::Conflict | Self::Body => 400,
            Self::Storage => 500,
        }
    }
}

/// A request about Workflows that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct WorkflowError {
    kind: WorkflowErrorKind,
    text: String,
}

impl WorkflowError {
    pub(crate) fn new(kind: WorkflowErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(super) fn not_found() -> Self {
        Self::new(WorkflowErrorKind::NotFound, "instance.not_found")
    }

    pub(crate) fn no_workflow() -> Self {
        Self::new(WorkflowErrorKind::WorkflowNotFound, "workflow.not_found")
    }

    /// What to decide on.
    #[must_use]
    pub fn kind(&self) -> WorkflowErrorKind {
        self.kind
    }
}

impl From<clodo_sqlite::SqliteError> for WorkflowError {
    fn from(error: clodo_sqlite::SqliteError) -> Self {
        use clodo_sqlite::SqliteErrorKind;
        match error.kind() {
            SqliteErrorKind::Missing | SqliteErrorKind::Gone => Self::no_workflow(),
            _ => Self::new(WorkflowErrorKind::Storage, told_with_cause(&error)),
        }
    }
}
