use super::{
    expr::Expr,
    fragment::Fragment,
    name::Column,
    operand::excluded,
    select::{and, condition},
};

/// What happens to a row of an insert that breaks a unique constraint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnConflict {
    target: Fragment,
    sets: Fragment,
    filter: Option<Expr>,
}

impl OnConflict {
    /// Whichever constraint it breaks. Nothing happens then, unless something is set.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// When a row has these values already; they are a key, or have a unique index. Nothing happens
    /// then, unless something is set.
    #[must_use]
    pub fn of(columns: impl IntoIterator<Item = Column>) -> Self {
        let mut target = Fragment::default();
        for column in columns {
            target.push(if target.is_empty() { " (" } else { ", " });
            column.write_bare(&mut target);
        }
        target.push(if target.is_empty() { "" } else { ")" });
        Self { target, ..Self::default() }
    }

    /// The row that is there gets the new one's values of these columns.
    #[must_use]
    pub fn take(self, columns: impl IntoIterator<Item = Column>) -> Self {
        columns.into_iter().fold(self, |this, column| this.set(column, excluded(column)))
    }

    /// The row that is there gets this; [`excluded`] is the value that the new one has.
    #[must_use]
    pub fn set(mut self, column: Column, to: impl Into<Expr>) -> Self {
        assign(&mut self.sets, column, to.into());
        self
    }

    /// Only rows for which this holds too are updated.
    #[must_use]
    pub fn filter(mut self, condition: impl Into<Expr>) -> Self {
        self.filter = Some(and(self.filter, condition.into()));
        self
    }

    pub(super) fn write(self, out: &mut Fragment) {
        out.push(" ON CONFLICT");
        out.append(self.target);
        if self.sets.is_empty() {
            out.push(" DO NOTHING");
        } else {
            out.push(" DO UPDATE SET ");
            out.append(self.sets);
            condition(out, " WHERE ", self.filter);
        }
    }
}

pub(super) fn assign(out: &mut Fragment, column: Column, to: Expr) {
    out.between(", ");
    column.write_bare(out);
    out.push(" = ");
    to.write(out);
}
