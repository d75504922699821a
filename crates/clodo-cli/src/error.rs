use crate::exit::Exit;
use clodo_types::{Location, SourceError};
use serde_json::{Map, Value, json};
use std::{error, fmt};

type BoxError = Box<dyn error::Error + Send + Sync>;

/// An error with a verdict: what to exit with, and what to try next.
///
/// `Display` says only this level; causes hang on `source`. [`crate::Ui::error`] prints all of it.
pub struct CliError(Box<Inner>);

struct Inner {
    exit: Exit,
    kind: &'static str,
    message: String,
    hint: Option<String>,
    at: Option<Location>,
    cause: Option<Cause>,
    sources: Vec<SourceError>,
}

enum Cause {
    /// The message is our own; this is what was behind it.
    Behind(BoxError),
    /// The message is this error's own text; what was behind it is its source.
    Itself(BoxError),
}

impl CliError {
    /// Builds an error; `kind` is a stable word for programs, `message` a lower-case phrase.
    pub fn new(exit: Exit, kind: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            exit,
            kind,
            message: message.into(),
            hint: None,
            at: None,
            cause: None,
            sources: Vec::new(),
        }))
    }

    /// The user can mend it: a wrong flag, a missing answer ([`Exit::Usage`], kind `usage`).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// Says what a library's error says, and keeps its chain of causes.
    pub fn of(exit: Exit, kind: &'static str, error: impl Into<BoxError>) -> Self {
        let error = error.into();
        let mut this = Self::new(exit, kind, error.to_string());
        this.0.cause = Some(Cause::Itself(error));
        this
    }

    /// Everything that is wrong with files that a person wrote ([`Exit::Usage`], kind `config`).
    ///
    /// All of it is printed, each with its line; the first one speaks in the JSON form and the
    /// rest follow there under `more`.
    #[must_use]
    pub fn of_sources(sources: Vec<SourceError>) -> Self {
        let Some(first) = sources.first() else {
            return Self::new(Exit::Usage, "config", "the configuration is not usable");
        };
        let mut this = Self::new(Exit::Usage, "config", first.message.clone());
        this.0.hint.clone_from(&first.hint);
        this.0.at = Some(first.at.clone());
        this.0.sources = sources;
        this
    }

    /// Adds what to try: it names a command or a flag.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the place in a file.
    #[must_use]
    pub fn with_location(mut self, at: Location) -> Self {
        self.0.at = Some(at);
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.cause = Some(Cause::Behind(source.into()));
        self
    }

    /// Decides on another exit code, such as [`Exit::Refused`] for files that a gate read.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }

    /// Decides on another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: &'static str) -> Self {
        self.0.kind = kind;
        self
    }

    /// What to exit with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.0.exit
    }

    /// The stable word for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// What went wrong, without place and causes.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The place in a file.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.0.at.as_ref()
    }

    /// The errors in files that it stands for; empty unless it came from such.
    #[must_use]
    pub fn sources(&self) -> &[SourceError] {
        &self.0.sources
    }

    /// The causes' texts, outermost first.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let first = error::Error::source(self);
        std::iter::successors(first, |cause| cause.source()).map(ToString::to_string).collect()
    }

    /// `{kind, message, hint, at}`, and where there are any `causes` and `more`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("kind".into(), json!(self.kind()));
        object.insert("message".into(), json!(self.message()));
        object.insert("hint".into(), json!(self.hint()));
        object.insert("at".into(), place(self.location()));
        let causes = self.causes();
        if !causes.is_empty() {
            object.insert("causes".into(), json!(causes));
        }
        if self.0.sources.len() > 1 {
            let more = self.0.sources[1..].iter().map(|source| {
                json!({"message": source.message, "hint": source.hint, "at": place(Some(&source.at))})
            });
            object.insert("more".into(), Value::Array(more.collect()));
        }
        Value::Object(object)
    }
}

/// A path that is not UTF-8 is shown as well as it goes, rather than failing the document.
fn place(at: Option<&Location>) -> Value {
    match at {
        Some(at) => {
            json!({"path": at.path.to_string_lossy(), "line": at.line, "column": at.column})
        }
        None => Value::Null,
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.at {
            Some(at) => write!(f, "{at}: {}", self.0.message),
            None => f.write_str(&self.0.message),
        }
    }
}

impl fmt::Debug for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CliError")
            .field("exit", &self.0.exit)
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("hint", &self.0.hint)
            .field("at", &self.0.at)
            .field("causes", &self.causes())
            .field("sources", &self.0.sources)
            .finish()
    }
}

impl error::Error for CliError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self.0.cause.as_ref()? {
            Cause::Behind(error) => Some(error.as_ref()),
            Cause::Itself(error) => error.source(),
        }
    }
}

impl From<SourceError> for CliError {
    fn from(source: SourceError) -> Self {
        Self::of_sources(vec![source])
    }
}

impl From<Vec<SourceError>> for CliError {
    fn from(sources: Vec<SourceError>) -> Self {
        Self::of_sources(sources)
    }
}
