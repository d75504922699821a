use std::{error::Error, fmt};

/// What a caller can decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatabaseErrorKind {
    /// The SQL does not fit the schema, or is no SQL.
    Sql,
    /// A constraint of the schema does not hold.
    Constraint,
    /// Somebody else holds a lock; later it may work.
    Busy,
    /// There is no such database.
    Missing,
    /// The file, the account or the token does not allow it.
    Denied,
    /// The file is damaged, or it is no database.
    Corrupt,
    /// There is no room left.
    Full,
    /// It is larger or takes longer than the database allows.
    Limit,
    /// The database cannot be reached, or takes no more calls for now.
    Unreachable,
    /// Anything else.
    Other,
}

/// A statement did not run. The message never holds values of parameters.
#[derive(Debug)]
pub struct DatabaseError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: DatabaseErrorKind,
    message: String,
    may_have_happened: bool,
    place: Option<usize>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl DatabaseError {
    /// An error that an adapter tells of.
    #[must_use]
    pub fn new(kind: DatabaseErrorKind, message: impl Into<String>) -> Self {
        let (may_have_happened, place, source) = (false, None, None);
        let message = message.into();
        Self(Box::new(Inner { kind, message, may_have_happened, place, source }))
    }

    /// Adds its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says that nobody knows whether it happened: the answer was lost.
    #[must_use]
    pub fn with_doubt(mut self) -> Self {
        self.0.may_have_happened = true;
        self
    }

    /// Says where in the text of a script the statement begins that failed, in bytes.
    #[must_use]
    pub fn with_place(mut self, offset: usize) -> Self {
        self.0.place = Some(offset);
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> DatabaseErrorKind {
        self.0.kind
    }

    /// Whether the statements may have run although there is no answer.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        self.0.may_have_happened
    }

    /// Where in the text of a script the statement begins that failed, in bytes; none where the database
    /// does not say.
    #[must_use]
    pub fn place(&self) -> Option<usize> {
        self.0.place
    }

    /// What the database said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for DatabaseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.source.as_deref()?)
    }
}
