use super::error::BuildError;
use crate::{statement::Statement, value::Value};

/// A part of a statement: text, and the values of its parameters in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fragment {
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
    /// What was wrong first; in a box, since parts are moved around and hardly any has one.
    fault: Option<Box<BuildError>>,
}

impl Fragment {
    /// One with room for a usual part.
    pub(super) fn roomy() -> Self {
        Self::with_room(96)
    }

    /// One with room for so many bytes of text.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { sql: String::with_capacity(bytes), ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sql.is_empty()
    }

    pub(super) fn push(&mut self, sql: &'static str) {
        self.sql.push_str(sql);
    }

    pub(super) fn value(&mut self, value: Value) {
        self.sql.push('?');
        self.params.push(value);
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.sql.push_str(&other.sql);
        if self.params.is_empty() {
            self.params = other.params;
        } else {
            self.params.append(&mut other.params);
        }
        if self.fault.is_none() {
            self.fault = other.fault;
        }
    }

    /// What stands between two of a list.
    pub(super) fn between(&mut self, separator: &'static str) {
        if !self.sql.is_empty() {
            self.sql.push_str(separator);
        }
    }

    pub(super) fn fail(&mut self, fault: BuildError) {
        self.fault.get_or_insert_with(|| Box::new(fault));
    }

    pub(super) fn fault(&self) -> Option<BuildError> {
        self.fault.as_deref().copied()
    }

    pub(super) fn finish(self) -> Result<Statement, BuildError> {
        match self.fault {
            Some(fault) => Err(*fault),
            None => Ok(Statement { sql: self.sql, params: self.params }),
        }
    }
}
