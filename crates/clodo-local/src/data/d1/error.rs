use std::{fmt, path::PathBuf};

/// What a caller decides on: the REST API's status and whether a retry can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum D1ErrorKind {
    /// The SQL or its parameters are at fault; 400 code 7500, or `success: false` to a Worker.
    Sql,
    /// No such database; 404 code 7404.
    NotFound,
    /// A database of that id exists already.
    Exists,
    /// The file cannot be read or written, or is damaged; 500 code 7500.
    Storage,
}

/// A request that failed; nothing of it was kept. `Display` is what D1 itself would say.
#[derive(Debug)]
pub struct D1Error {
    pub(super) kind: D1ErrorKind,
    pub(super) text: String,
    pub(super) path: Option<PathBuf>,
}

impl D1Error {
    /// What to decide on.
    #[must_use]
    pub fn kind(&self) -> D1ErrorKind {
        self.kind
    }

    pub(super) fn sql(text: impl Into<String>) -> Self {
        Self { kind: D1ErrorKind::Sql, text: text.into(), path: None }
    }
}

impl fmt::Display for D1Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} ({})", self.text, path.display()),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for D1Error {}
