use clodo_bundle::{BundleError, BundleErrorKind};
use clodo_config::SelectError;
use clodo_db::FolderError;
use clodo_types::SourceError;
use std::{error, fmt};

/// What a caller decides on when files could not be made into a desired state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// A configuration, or the selection of targets, is wrong.
    Config,
    /// A Worker's code does not build.
    Build,
    /// A tool is missing or cannot be installed.
    Tool,
    /// A file cannot be read.
    Files,
    /// Migration files cannot be read as SQL, or nothing says which comes first.
    Migrations,
}

/// The files of a portfolio could not be made into a desired state.
#[derive(Debug)]
pub struct LoadError {
    kind: LoadErrorKind,
    message: String,
    hint: Option<String>,
    places: Vec<SourceError>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl LoadError {
    /// Says what is wrong, as a lower-case phrase.
    #[must_use]
    pub fn new(kind: LoadErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, places: Vec::new(), source: None }
    }

    /// Everything that is wrong with files, each with its place; `places` must not be empty.
    pub(crate) fn at(kind: LoadErrorKind, places: Vec<SourceError>) -> Self {
        let message = places.first().map(|place| place.message.clone()).unwrap_or_default();
        Self { places, ..Self::new(kind, message) }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> LoadErrorKind {
        self.kind
    }

    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The places in files, when it is about such.
    #[must_use]
    pub fn places(&self) -> &[SourceError] {
        &self.places
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for LoadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(self.source.as_ref()?.as_ref())
    }
}

impl From<clodo_config::ConfigErrors> for LoadError {
    fn from(errors: clodo_config::ConfigErrors) -> Self {
        Self::at(LoadErrorKind::Config, errors.into_vec())
    }
}

impl From<clodo_wrangler::ConfigErrors> for LoadError {
    fn from(errors: clodo_wrangler::ConfigErrors) -> Self {
        Self::at(LoadErrorKind::Config, errors.errors().to_vec())
    }
}

impl From<SourceError> for LoadError {
    fn from(error: SourceError) -> Self {
        Self::at(LoadErrorKind::Config, vec![error])
    }
}

impl From<SelectError> for LoadError {
    fn from(error: SelectError) -> Self {
        let hint = error.hint().to_owned();
        Self::new(LoadErrorKind::Config, error.to_string()).with_hint(hint)
    }
}

impl From<FolderError> for LoadError {
    fn from(error: FolderError) -> Self {
        let kind = match error {
            FolderError::Unreadable { .. } => LoadErrorKind::Files,
            _ => LoadErrorKind::Migrations,
        };
        let hint = error.hint();
        let source = error::Error::source(&error).map(ToString::to_string);
        let this = Self::new(kind, error.to_string()).with_hint(hint);
        match source {
            Some(source) => this.with_source(source),
            None => this,
        }
    }
}

impl From<BundleError> for LoadError {
    fn from(error: BundleError) -> Self {
        let kind = match error.kind() {
            BundleErrorKind::Source => LoadErrorKind::Build,
            BundleErrorKind::Config => LoadErrorKind::Config,
            BundleErrorKind::Tool => LoadErrorKind::Tool,
            _ => LoadErrorKind::Files,
        };
        if !error.places().is_empty() {
            return Self::at(kind, error.places().to_vec());
        }
        let mut this = Self::new(kind, error.to_string());
        this.hint = error.hint();
        this.source = error::Error::source(&error).map(|source| chain(source).into());
        this
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
