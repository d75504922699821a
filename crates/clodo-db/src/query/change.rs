//! `UPDATE` and `DELETE`.

use super::{
    conflict::assign,
    cte::{Cte, With},
    error::BuildError,
    expr::Expr,
    fragment::Fragment,
    insert::returned,
    name::{Column, Table},
    select::{Output, and, condition},
};
use crate::statement::Statement;

/// Which rows a change reaches, and what it gives of them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Reach {
    with: With,
    filter: Option<Expr>,
    every_row: bool,
    returning: Fragment,
}

impl Reach {
    fn write(self, out: &mut Fragment) {
        if self.filter.is_none() && !self.every_row {
            out.fail(BuildError::NoFilter);
        }
        condition(out, " WHERE ", self.filter);
        out.append(self.returning);
    }
}

/// An `UPDATE`. It needs a filter, or the word that every row is meant.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it is only built"]
pub struct Update {
    table: Table,
    sets: Fragment,
    reach: Reach,
}

/// A `DELETE`. It needs a filter, or the word that every row is meant.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it is only built"]
pub struct Delete {
    table: Table,
    reach: Reach,
}

impl Update {
    /// Changes rows of this table.
    pub fn table(table: Table) -> Self {
        Self { table, sets: Fragment::default(), reach: Reach::default() }
    }

    /// Gives the column this value; columns in it have their values of before.
    pub fn set(mut self, column: Column, to: impl Into<Expr>) -> Self {
        assign(&mut self.sets, column, to.into());
        self
    }

    /// The statement.
    ///
    /// # Errors
    /// When nothing is set, or it has no filter.
    pub fn build(mut self) -> Result<Statement, BuildError> {
        let mut out = Fragment::roomy();
        std::mem::take(&mut self.reach.with).write(&mut out);
        out.push("UPDATE ");
        self.table.write(&mut out);
        if self.sets.is_empty() {
            out.fail(BuildError::NothingToSet);
        }
        out.push(" SET ");
        out.append(self.sets);
        self.reach.write(&mut out);
        out.finish()
    }
}

impl Delete {
    /// Removes rows of this table.
    pub fn from(table: Table) -> Self {
        Self { table, reach: Reach::default() }
    }

    /// The statement.
    ///
    /// # Errors
    /// When it has no filter.
    pub fn build(mut self) -> Result<Statement, BuildError> {
        let mut out = Fragment::roomy();
        std::mem::take(&mut self.reach.with).write(&mut out);
        out.push("DELETE FROM ");
        self.table.write(&mut out);
        self.reach.write(&mut out);
        out.finish()
    }
}

macro_rules! reaches {
    ($($change:ident),+) => {$(
        impl $change {
            /// Reaches only rows for which this holds too.
            pub fn filter(mut self, condition: impl Into<Expr>) -> Self {
                self.reach.filter = Some(and(self.reach.filter, condition.into()));
                self
            }

            /// Says that it is meant without a filter.
            pub fn every_row(mut self) -> Self {
                self.reach.every_row = true;
                self
            }

            /// Gives this of each row that it reached.
            pub fn returning<O: Into<Output>>(
                mut self,
                outputs: impl IntoIterator<Item = O>,
            ) -> Self {
                returned(&mut self.reach.returning, outputs);
                self
            }

            /// Makes a CTE known to it.
            pub fn with(mut self, cte: Cte) -> Self {
                self.reach.with.add(cte);
                self
            }
        }
    )+};
}

reaches!(Update, Delete);
