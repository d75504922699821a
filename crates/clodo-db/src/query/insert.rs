use super::{
    conflict::OnConflict,
    cte::{Cte, With},
    error::BuildError,
    fragment::Fragment,
    name::{Column, Table},
    select::{Output, Select},
};
use crate::{
    database::Capabilities,
    statement::{Statement, TooLarge},
    value::Value,
};

/// An `INSERT` of rows, or of what a select gives.
///
/// # Example
/// ```
/// use clodo_db::{Capabilities, query::{Column, Insert, OnConflict, Table}};
///
/// const STOCK: Table = Table::new("stock");
/// const SKU: Column = STOCK.column("sku");
/// const COUNT: Column = STOCK.column("count");
///
/// let rows = (0..120).map(|at| (format!("sku-{at}"), 1));
/// let insert = Insert::into(STOCK)
///     .columns([SKU, COUNT])
///     .rows(rows)
///     .on_conflict(OnConflict::of([SKU]).take([COUNT]));
/// // D1 takes 100 parameters: three statements of one batch.
/// assert_eq!(insert.build_all(&Capabilities::d1())?.len(), 3);
/// # Ok::<(), clodo_db::query::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it is only built"]
pub struct Insert {
    table: Table,
    columns: Vec<Column>,
    /// Row behind row.
    values: Vec<Value>,
    rows: usize,
    select: Option<Select>,
    with: With,
    conflict: Fragment,
    returning: Fragment,
    fault: Option<BuildError>,
}

impl Insert {
    /// Adds rows to this table.
    pub fn into(table: Table) -> Self {
        Self {
            table,
            columns: Vec::new(),
            values: Vec::new(),
            rows: 0,
            select: None,
            with: With::default(),
            conflict: Fragment::default(),
            returning: Fragment::default(),
            fault: None,
        }
    }

    /// Which columns get values, in this order; they come before the rows.
    pub fn columns(mut self, columns: impl IntoIterator<Item = Column>) -> Self {
        let before = self.columns.len();
        self.columns.extend(columns);
        let now = self.columns.len();
        if self.rows > 0 && now != before {
            let fault = BuildError::RowLength { row: self.rows, given: before, columns: now };
            self.fault.get_or_insert(fault);
        }
        self
    }

    /// A row: a tuple, an array or a list of values, one for each column.
    pub fn row(mut self, row: impl IntoValues) -> Self {
        let before = self.values.len();
        row.add_to(&mut self.values);
        self.rows += 1;
        let (given, columns) = (self.values.len() - before, self.columns.len());
        if given != columns {
            let fault = BuildError::RowLength { row: self.rows, given, columns };
            self.fault.get_or_insert(fault);
        }
        self
    }

    /// These rows.
    pub fn rows<R: IntoValues>(self, rows: impl IntoIterator<Item = R>) -> Self {
        rows.into_iter().fold(self, Self::row)
    }

    /// The rows that a select gives.
    pub fn select(mut self, select: Select) -> Self {
        self.select = Some(select);
        self
    }

    /// What happens to a row that breaks a unique constraint; several are looked at in their order.
    pub fn on_conflict(mut self, conflict: OnConflict) -> Self {
        conflict.write(&mut self.conflict);
        self
    }

    /// Gives this of each row that was added or updated.
    pub fn returning<O: Into<Output>>(mut self, outputs: impl IntoIterator<Item = O>) -> Self {
        returned(&mut self.returning, outputs);
        self
    }

    /// Makes a CTE known to it.
    pub fn with(mut self, cte: Cte) -> Self {
        self.with.add(cte);
        self
    }

    /// The statement.
    ///
    /// # Errors
    /// When there is nothing to insert, or a row does not fit the columns.
    pub fn build(mut self) -> Result<Statement, BuildError> {
        let values = std::mem::take(&mut self.values);
        self.check(values.len())?;
        self.part(values)?.finish()
    }

    /// As many statements as the database needs for all rows: parts of one
    /// [`batch`](crate::Database::batch), so that all of them are added or none.
    ///
    /// # Errors
    /// As for [`Insert::build`], and when a single row is more than the database takes.
    pub fn build_all(mut self, takes: &Capabilities) -> Result<Vec<Statement>, BuildError> {
        let values = std::mem::take(&mut self.values);
        self.check(values.len())?;
        let fixed = self.part(Vec::new())?;
        if values.is_empty() {
            let all = fixed.finish()?;
            all.fits(takes)?;
            return Ok(vec![all]);
        }
        let width = self.columns.len();
        let per_part = rows_per_part(&fixed, width, takes)?;
        let mut parts = Vec::new();
        let mut values = values.into_iter();
        while values.len() > 0 {
            let part = values.by_ref().take(per_part * width).collect();
            parts.push(self.part(part)?.finish()?);
        }
        Ok(parts)
    }

    fn check(&self, values: usize) -> Result<(), BuildError> {
        match self.fault {
            Some(fault) => Err(fault),
            None if values == 0 && self.select.is_none() => Err(BuildError::NothingToInsert),
            None if values > 0 && self.select.is_some() => Err(BuildError::RowsAndSelect),
            None => Ok(()),
        }
    }

    /// The statement with these values.
    fn part(&self, values: Vec<Value>) -> Result<Fragment, BuildError> {
        let width = self.columns.len();
        let room = 128 + 16 * width + 3 * values.len();
        let mut out = Fragment::with_room(room);
        self.with.clone().write(&mut out);
        out.push("INSERT INTO ");
        self.table.write(&mut out);
        for (at, column) in self.columns.iter().enumerate() {
            out.push(if at == 0 { " (" } else { ", " });
            column.write_bare(&mut out);
        }
        out.push(if width == 0 { "" } else { ")" });
        match &self.select {
            Some(select) => {
                out.push(" ");
                unambiguous(select.clone(), !self.conflict.is_empty()).write(&mut out);
            }
            None => {
                out.push(" VALUES ");
                placed(&mut out, values, width);
            }
        }
        out.append(self.conflict.clone());
        out.append(self.returning.clone());
        out.fault().map_or(Ok(out), Err)
    }
}

/// `(?, ?), (?, ?)`
fn placed(out: &mut Fragment, values: Vec<Value>, width: usize) {
    for at in 0..values.len() {
        out.push(match at {
            0 => "(?",
            _ if at % width == 0 => "), (?",
            _ => ", ?",
        });
    }
    out.push(if values.is_empty() { "" } else { ")" });
    match out.params.is_empty() {
        true => out.params = values,
        false => out.params.extend(values),
    }
}

/// SQLite reads an `ON` behind a select as a join's, unless a `WHERE` stands before it
/// (<https://www.sqlite.org/lang_upsert.html>, 2.2).
fn unambiguous(select: Select, conflict: bool) -> Select {
    match conflict {
        true => Select::of_rows(select).filter(super::expr::all([])),
        false => select,
    }
}

fn rows_per_part(fixed: &Fragment, width: usize, takes: &Capabilities) -> Result<usize, TooLarge> {
    let parameters = takes.parameters.saturating_sub(fixed.params.len()) / width;
    // A row is `(?, ?), `, at most.
    let text = 3 * width + 2;
    let bytes = takes.statement_bytes.saturating_sub(fixed.sql.len()) / text;
    match (parameters, bytes) {
        (0, _) => {
            let given = fixed.params.len() + width;
            Err(TooLarge::Parameters { given, allowed: takes.parameters })
        }
        (_, 0) => {
            let given = fixed.sql.len() + text;
            Err(TooLarge::Bytes { given, allowed: takes.statement_bytes })
        }
        (parameters, bytes) => Ok(parameters.min(bytes)),
    }
}

pub(super) fn returned<O: Into<Output>>(out: &mut Fragment, outputs: impl IntoIterator<Item = O>) {
    for output in outputs {
        out.push(if out.is_empty() { " RETURNING " } else { ", " });
        output.into().write(out);
    }
}

/// What makes a row: a tuple of up to twelve values, an array, a list.
pub trait IntoValues {
    /// Puts the values behind those that are there.
    fn add_to(self, values: &mut Vec<Value>);
}

impl IntoValues for Vec<Value> {
    fn add_to(self, values: &mut Vec<Value>) {
        values.extend(self);
    }
}

impl<V: Into<Value>, const N: usize> IntoValues for [V; N] {
    fn add_to(self, values: &mut Vec<Value>) {
        values.extend(self.map(Into::into));
    }
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Into<Value>),+> IntoValues for ($($name,)+) {
            #[expect(non_snake_case, reason = "a type and its value share a name")]
            fn add_to(self, values: &mut Vec<Value>) {
                let ($($name,)+) = self;
                values.extend([$($name.into()),+]);
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);
