use crate::{database::Capabilities, value::Value};

/// One statement with the values of its parameters, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The text; `?` stands for a parameter.
    pub sql: String,
    /// The values.
    pub params: Vec<Value>,
}

impl Statement {
    /// A statement without values.
    #[must_use]
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new() }
    }

    /// Adds the value of the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }

    /// Whether a database takes it, before it is sent.
    ///
    /// # Errors
    /// When it has more parameters or more text than that.
    pub fn fits(&self, takes: &Capabilities) -> Result<(), TooLarge> {
        let (given, allowed) = (self.params.len(), takes.parameters);
        if given > allowed {
            return Err(TooLarge::Parameters { given, allowed });
        }
        let (given, allowed) = (self.sql.len(), takes.statement_bytes);
        if given > allowed {
            return Err(TooLarge::Bytes { given, allowed });
        }
        Ok(())
    }
}

/// A statement is more than the database takes; nothing has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooLarge {
    /// It has too many parameters.
    #[error("the statement has {given} parameters, and the database takes {allowed}")]
    Parameters {
        /// How many it has.
        given: usize,
        /// How many it may have.
        allowed: usize,
    },
    /// Its text is too long.
    #[error("the statement has {given} bytes, and the database takes {allowed}")]
    Bytes {
        /// How many it has.
        given: usize,
        /// How many it may have.
        allowed: usize,
    },
}

/// What a statement gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The names of the columns; two may be alike.
    pub columns: Vec<String>,
    /// The values, row by row.
    pub rows: Vec<Vec<Value>>,
    /// How many rows it changed; 0 for one that only reads.
    pub changes: u64,
}
