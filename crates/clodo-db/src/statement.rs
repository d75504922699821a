use crate::value::Value;

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
