use clodo_types::SourceError;
use std::fmt;

/// Everything that is wrong with a `clodo.toml`, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<SourceError>);

impl ConfigErrors {
    /// `errors` must not be empty.
    pub(crate) fn new(errors: Vec<SourceError>) -> Self {
        debug_assert!(!errors.is_empty(), "an error without an error");
        Self(errors)
    }

    /// The errors, each with its place, its line and its hint.
    #[must_use]
    pub fn errors(&self) -> &[SourceError] {
        &self.0
    }

    /// Hands the errors on.
    #[must_use]
    pub fn into_vec(self) -> Vec<SourceError> {
        self.0
    }
}

impl From<ConfigErrors> for Vec<SourceError> {
    fn from(errors: ConfigErrors) -> Self {
        errors.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{error}")?;
            if let Some(hint) = &error.hint {
                write!(f, "\nhint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
