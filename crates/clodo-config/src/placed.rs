use clodo_types::Location;
use serde::Serialize;

/// A value, and where in the file it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Location,
}

impl<T> Placed<T> {
    pub(crate) fn new(value: T, at: Location) -> Self {
        Self { value, at }
    }
}
