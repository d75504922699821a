use super::{expr::Expr, fragment::Fragment, name::Column};

/// What rows are ordered by, and which way.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    by: Expr,
    descending: bool,
    nulls: Option<&'static str>,
}

impl Order {
    pub(super) fn new(by: Expr, descending: bool) -> Self {
        Self { by, descending, nulls: None }
    }

    /// Rows without a value come first.
    #[must_use]
    pub fn nulls_first(mut self) -> Self {
        self.nulls = Some(" NULLS FIRST");
        self
    }

    /// Rows without a value come last.
    #[must_use]
    pub fn nulls_last(mut self) -> Self {
        self.nulls = Some(" NULLS LAST");
        self
    }

    pub(super) fn write(self, out: &mut Fragment) {
        self.by.write(out);
        out.push(if self.descending { " DESC" } else { "" });
        out.push(self.nulls.unwrap_or_default());
    }
}

impl From<Column> for Order {
    fn from(column: Column) -> Self {
        Self::new(column.into(), false)
    }
}

impl From<Expr> for Order {
    fn from(expr: Expr) -> Self {
        Self::new(expr, false)
    }
}
