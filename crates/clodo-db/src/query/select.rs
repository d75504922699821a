use super::{
    cte::{Cte, With},
    error::BuildError,
    expr::Expr,
    fragment::Fragment,
    name::{Column, Table},
    operand::count_all,
    order::Order,
};
use crate::statement::Statement;

/// A `SELECT`. Without columns it gives all of them.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "it is only built"]
pub struct Select {
    columns: Fragment,
    from: Option<Source>,
    filter: Option<Expr>,
    order: Fragment,
    limit: Option<u64>,
    offset: Option<u64>,
    /// What few selects have.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct More {
    joins: Fragment,
    with: With,
    distinct: bool,
    groups: Fragment,
    having: Option<Expr>,
    compound: Fragment,
}

impl Select {
    /// Reads rows of this.
    pub fn from(source: impl Into<Source>) -> Self {
        Self { from: Some(source.into()), ..Self::default() }
    }

    /// Gives one row, of nothing but expressions.
    pub fn values() -> Self {
        Self::default()
    }

    /// Gives this column too.
    pub fn column(mut self, output: impl Into<Output>) -> Self {
        if self.columns.is_empty() {
            self.columns = Fragment::roomy();
        } else {
            self.columns.push(", ");
        }
        output.into().write(&mut self.columns);
        self
    }

    /// Gives these columns too; there is at least one.
    pub fn columns<O: Into<Output>>(mut self, outputs: impl IntoIterator<Item = O>) -> Self {
        let before = self.columns.sql.len();
        self = outputs.into_iter().fold(self, Self::column);
        if self.columns.sql.len() == before {
            self.fail(BuildError::NoColumns);
        }
        self
    }

    /// Gives no two rows that are alike.
    pub fn distinct(mut self) -> Self {
        self.more().distinct = true;
        self
    }

    /// Adds the rows of another that fit; rows that find none are left out.
    pub fn join(self, source: impl Into<Source>, on: impl Into<Expr>) -> Self {
        self.joined(" JOIN ", source.into(), on.into())
    }

    /// Adds the rows of another that fit; rows that find none get nulls.
    pub fn left_join(self, source: impl Into<Source>, on: impl Into<Expr>) -> Self {
        self.joined(" LEFT JOIN ", source.into(), on.into())
    }

    /// Adds every row of another to every row.
    pub fn cross_join(mut self, source: impl Into<Source>) -> Self {
        let joins = &mut self.more().joins;
        joins.push(" CROSS JOIN ");
        source.into().write(joins);
        self
    }

    fn joined(mut self, word: &'static str, source: Source, on: Expr) -> Self {
        let joins = &mut self.more().joins;
        joins.push(word);
        source.write(joins);
        joins.push(" ON ");
        on.write(joins);
        self
    }

    /// Gives only rows for which this holds too.
    pub fn filter(mut self, condition: impl Into<Expr>) -> Self {
        self.filter = Some(and(self.filter, condition.into()));
        self
    }

    /// Makes one row of those that are alike in this too.
    pub fn group_by(mut self, by: impl Into<Expr>) -> Self {
        let groups = &mut self.more().groups;
        groups.between(", ");
        by.into().write(groups);
        self
    }

    /// Gives only groups for which this holds too.
    pub fn having(mut self, condition: impl Into<Expr>) -> Self {
        let more = self.more();
        more.having = Some(and(more.having.take(), condition.into()));
        self
    }

    /// Orders by this, where what came before is alike.
    pub fn order_by(mut self, order: impl Into<Order>) -> Self {
        if self.order.is_empty() {
            self.order = Fragment::roomy();
        } else {
            self.order.push(", ");
        }
        order.into().write(&mut self.order);
        self
    }

    /// Gives at most so many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Leaves out so many rows first. The database reads them all the same, and rows that come or go
    /// meanwhile shift the pages: a [`Keyset`](super::Keyset) does neither.
    pub fn offset(mut self, rows: u64) -> Self {
        self.offset = Some(rows);
        self
    }

    /// Makes a CTE known to it.
    pub fn with(mut self, cte: Cte) -> Self {
        self.more().with.add(cte);
        self
    }

    /// Adds the rows of another, each row once.
    pub fn union(self, other: Self) -> Self {
        self.compound(" UNION ", other)
    }

    /// Adds the rows of another.
    pub fn union_all(self, other: Self) -> Self {
        self.compound(" UNION ALL ", other)
    }

    /// Keeps the rows that another gives too.
    pub fn intersect(self, other: Self) -> Self {
        self.compound(" INTERSECT ", other)
    }

    /// Leaves out the rows that another gives.
    pub fn except(self, other: Self) -> Self {
        self.compound(" EXCEPT ", other)
    }

    fn compound(mut self, word: &'static str, other: Self) -> Self {
        let out = &mut self.more().compound;
        out.push(word);
        other.whole().write(out);
        self
    }

    /// As a table of this name.
    #[must_use]
    pub fn named(self, name: Table) -> Source {
        let mut out = Fragment::roomy();
        Expr::from(self).write(&mut out);
        out.push(" AS ");
        name.write_bare(&mut out);
        Source::of(out)
    }

    /// How many rows it gives.
    pub fn counted(self) -> Self {
        Self::of_rows(self).column(count_all())
    }

    /// The statement.
    ///
    /// # Errors
    /// When a part of it cannot be.
    pub fn build(self) -> Result<Statement, BuildError> {
        let mut out = Fragment::with_room(256);
        self.write(&mut out);
        out.finish()
    }

    pub(super) fn write(self, out: &mut Fragment) {
        let Self { columns, from, filter, order, limit, offset, more } = self;
        let more = more.map(|more| *more).unwrap_or_default();
        more.with.write(out);
        out.push(if more.distinct { "SELECT DISTINCT " } else { "SELECT " });
        if columns.is_empty() {
            out.push(if from.is_none() { "NULL" } else { "*" });
        }
        out.append(columns);
        if let Some(from) = from {
            out.push(" FROM ");
            from.write(out);
        }
        out.append(more.joins);
        condition(out, " WHERE ", filter);
        clause(out, " GROUP BY ", more.groups);
        condition(out, " HAVING ", more.having);
        out.append(more.compound);
        clause(out, " ORDER BY ", order);
        if limit.is_some() || offset.is_some() {
            out.push(" LIMIT ");
            out.value(limit.map_or(-1, whole).into());
        }
        if let Some(offset) = offset {
            out.push(" OFFSET ");
            out.value(whole(offset).into());
        }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Itself where it can be a part of a compound, else a select of its rows.
    fn whole(self) -> Self {
        let parts = self
            .more
            .as_ref()
            .is_some_and(|more| !more.compound.is_empty() || !more.with.is_empty());
        match parts || self.is_ordered() {
            true => Self::of_rows(self),
            false => self,
        }
    }

    /// A select of what another gives.
    pub(super) fn of_rows(inner: Self) -> Self {
        let mut from = Fragment::roomy();
        Expr::from(inner).write(&mut from);
        Self { from: Some(Source::of(from)), ..Self::default() }
    }

    pub(super) fn is_ordered(&self) -> bool {
        !self.order.is_empty() || self.limit.is_some() || self.offset.is_some()
    }

    /// Whether a row of it is a row of its tables, so that more columns change nothing.
    pub(super) fn is_plain(&self) -> bool {
        let odd = |more: &More| more.distinct || !more.compound.is_empty();
        !self.more.as_deref().is_some_and(odd)
    }

    /// Gives all columns, if none was named.
    pub(super) fn everything(mut self) -> Self {
        if self.columns.is_empty() {
            self.columns.push("*");
        }
        self
    }

    pub(super) fn fail(&mut self, fault: BuildError) {
        self.columns.fail(fault);
    }
}

/// Both, where there is one already.
pub(super) fn and(before: Option<Expr>, condition: Expr) -> Expr {
    match before {
        Some(before) => before.and(condition),
        None => condition,
    }
}

pub(super) fn condition(out: &mut Fragment, word: &'static str, condition: Option<Expr>) {
    if let Some(condition) = condition {
        out.push(word);
        condition.write(out);
    }
}

fn clause(out: &mut Fragment, word: &'static str, clause: Fragment) {
    if !clause.is_empty() {
        out.push(word);
    }
    out.append(clause);
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What rows are read from: a [`Table`], or a select by [`Select::named`].
#[derive(Clone, Debug, PartialEq)]
pub struct Source(Rows);

#[derive(Clone, Debug, PartialEq)]
enum Rows {
    Table(Table),
    Select(Fragment),
}

impl Source {
    fn of(select: Fragment) -> Self {
        Self(Rows::Select(select))
    }

    fn write(self, out: &mut Fragment) {
        match self.0 {
            Rows::Table(table) => table.write(out),
            Rows::Select(select) => out.append(select),
        }
    }
}

impl From<Table> for Source {
    fn from(table: Table) -> Self {
        Self(Rows::Table(table))
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Output(Expr, Option<Column>);

impl Output {
    pub(super) fn named(expr: Expr, name: Column) -> Self {
        Self(expr, Some(name))
    }

    pub(super) fn write(self, out: &mut Fragment) {
        self.0.write(out);
        if let Some(name) = self.1 {
            out.push(" AS ");
            name.write_bare(out);
        }
    }
}

impl From<Column> for Output {
    fn from(column: Column) -> Self {
        Self(column.into(), None)
    }
}

impl From<Expr> for Output {
    fn from(expr: Expr) -> Self {
        Self(expr, None)
    }
}
