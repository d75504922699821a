use super::{
    cursor::{CursorError, read_key, read_text, text},
    error::BuildError,
    expr::{Expr, Level, any},
    fragment::Fragment,
    name::Column,
    operand::Operand as _,
    order::Order,
    select::{Output, Select},
};
use crate::{backup::carried_whole, statement::Rows, value::Value};

/// A column that rows are read in the order of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    column: Column,
    descending: bool,
    not_null: bool,
}

impl Key {
    /// Least first; rows without a value before all others.
    #[must_use]
    pub const fn ascending(column: Column) -> Self {
        Self { column, descending: false, not_null: false }
    }

    /// Greatest first; rows without a value behind all others.
    #[must_use]
    pub const fn descending(column: Column) -> Self {
        Self { column, descending: true, not_null: false }
    }

    /// Says that every row has a value, as its schema does: an index serves such a key better.
    #[must_use]
    pub const fn not_null(mut self) -> Self {
        self.not_null = true;
        self
    }

    /// What rows behind this value have in this column; nothing when none has.
    fn behind(self, value: &Value) -> Option<Expr> {
        let column = self.column;
        match (self.descending, value) {
            (false, Value::Null) => Some(column.is_not_null()),
            (true, Value::Null) => None,
            (false, value) => Some(column.greater_than(value.clone())),
            (true, value) if self.not_null => Some(column.less_than(value.clone())),
            (true, value) => Some(column.less_than(value.clone()).or(column.is_null())),
        }
    }

    /// What rows have that are not before this value, where an index can tell.
    fn not_before(self, value: &Value) -> Option<Expr> {
        match (self.descending, value) {
            (_, Value::Null) => None,
            (false, value) => Some(self.column.at_least(value.clone())),
            (true, value) => self.not_null.then(|| self.column.at_most(value.clone())),
        }
    }

    /// It has this value, which may be none.
    fn same(self, value: &Value) -> Expr {
        let mut out = Fragment::roomy();
        self.column.write(&mut out);
        out.push(if self.not_null { " = " } else { " IS " });
        out.value(value.clone());
        Expr::text(out, Level::Operator)
    }
}

/// The order in which rows are read page by page: each page begins behind the last row of the one
/// before, whatever was added or removed meanwhile, and costs no more than the first.
///
/// Together the keys must tell all rows apart: the last one is mostly the primary key. Rows that are
/// alike in all of them could be left out between two pages.
///
/// # Example
/// ```
/// use clodo_db::{
///     Database as _, SqliteDatabase,
///     query::{Key, Keyset, Select, Table},
/// };
///
/// const NOTES: Table = Table::new("notes");
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let database = SqliteDatabase::in_memory().await?;
/// database.script("CREATE TABLE notes (id INTEGER PRIMARY KEY, stars);
///     INSERT INTO notes (stars) VALUES (5), (NULL), (5), (1);").await?;
/// let best = Keyset::by(Key::descending(NOTES.column("stars")))
///     .then(Key::ascending(NOTES.column("id")).not_null());
/// let (mut found, mut cursor) = (Vec::new(), None);
/// loop {
///     let paging = best.page(3).after(cursor.as_deref())?;
///     let select = Select::from(NOTES).column(NOTES.column("id"));
///     let page = paging.read(database.query(&paging.select(select).build()?).await?)?;
///     found.extend(page.rows.typed::<i64>()?);
///     cursor = page.next;
///     if cursor.is_none() {
///         break;
///     }
/// }
/// assert_eq!(found, [1, 3, 4, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyset {
    keys: Vec<Key>,
}

impl Keyset {
    /// By this column before all others.
    #[must_use]
    pub fn by(key: Key) -> Self {
        Self { keys: vec![key] }
    }

    /// Then, where rows are alike so far, by this one.
    #[must_use]
    pub fn then(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// The first page, of at most so many rows, and of one at least.
    #[must_use]
    pub fn page(&self, rows: u32) -> Paging<'_> {
        Paging { keyset: self, size: rows.max(1), after: None }
    }

    /// What tells this order from any other.
    fn identity(&self) -> String {
        let mut out = Fragment::default();
        for key in &self.keys {
            out.between(",");
            key.column.write(&mut out);
            out.push(if key.descending { "-" } else { "+" });
        }
        out.sql
    }

    /// What holds for the rows behind these values.
    fn behind(&self, values: &[Value]) -> Expr {
        let keys = || self.keys.iter().zip(values);
        let mut all: Option<Expr> = None;
        for (key, value) in keys().rev() {
            let tie = all.map(|rest| key.same(value).and(rest));
            all = match (key.behind(value), tie) {
                (Some(behind), Some(tie)) => Some(behind.or(tie)),
                (behind, tie) => behind.or(tie),
            };
        }
        let all = all.unwrap_or_else(|| any([]));
        // An index finds where to begin by this, which the rest implies.
        match keys().next().filter(|_| self.keys.len() > 1) {
            Some((key, value)) => key.not_before(value).map_or(all.clone(), |from| from.and(all)),
            None => all,
        }
    }
}

/// One page of a list in the order of a [`Keyset`].
#[derive(Clone, Debug)]
pub struct Paging<'k> {
    keyset: &'k Keyset,
    size: u32,
    after: Option<Vec<Value>>,
}

/// The rows of a page, and where the next one begins.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The rows, with the columns that were asked for.
    pub rows: Rows,
    /// The cursor of the next page, of letters, digits and `-._~` only; nothing on the last one.
    pub next: Option<String>,
}

impl Paging<'_> {
    /// The page that begins where the one before has ended; nothing stands for the first one.
    ///
    /// A cursor may come from anywhere: it says where to go on, never what may be seen. It is not
    /// secret: it holds the values of the keys in the last row.
    ///
    /// # Errors
    /// When it is none, or one of another order.
    pub fn after(mut self, cursor: Option<&str>) -> Result<Self, CursorError> {
        let Some(cursor) = cursor else { return Ok(self) };
        let keys = &self.keyset.keys;
        let values = read_text(cursor, &self.keyset.identity())?;
        let fits = |(key, value): (&Key, &Value)| !key.not_null || *value != Value::Null;
        if values.len() != keys.len() || !keys.iter().zip(&values).all(fits) {
            return Err(CursorError::NoCursor);
        }
        self.after = Some(values);
        Ok(self)
    }

    /// The select for this page, of one that has columns and filters but no order and no limit.
    pub fn select(&self, select: Select) -> Select {
        let mut select = select.everything();
        if select.is_ordered() {
            select.fail(BuildError::OrderTwice);
        }
        if !select.is_plain() {
            select.fail(BuildError::NoKeysInRows);
        }
        if let Some(values) = &self.after {
            select = select.filter(self.keyset.behind(values));
        }
        for (key, name) in self.keyset.keys.iter().zip(names()) {
            let order = Order::new(key.column.into(), key.descending);
            select = select.order_by(order).column(carried(key.column, &name));
        }
        // One more tells whether there is another page.
        select.limit(u64::from(self.size) + 1)
    }

    /// The page that the rows of [`Paging::select`] make.
    ///
    /// # Errors
    /// When they are rows of something else, or a cursor cannot hold one of their keys.
    pub fn read(&self, mut rows: Rows) -> Result<Page, CursorError> {
        let keys = &self.keyset.keys;
        let own = rows.columns.len().checked_sub(keys.len()).ok_or(CursorError::NoKeys)?;
        let names = names().take(keys.len());
        if !rows.columns.split_off(own).into_iter().eq(names) {
            return Err(CursorError::NoKeys);
        }
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = rows.rows.len() > size;
        rows.rows.truncate(size);
        let mut last = Vec::new();
        for row in &mut rows.rows {
            last = row.split_off(own.min(row.len()));
        }
        let next = if more { Some(self.cursor(&last)?) } else { None };
        Ok(Page { rows, next })
    }

    fn cursor(&self, last: &[Value]) -> Result<String, CursorError> {
        let keys = &self.keyset.keys;
        let mut cells = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().zip(last) {
            let cell = value.as_text().ok_or(CursorError::NoKeys)?;
            let column = key.column.name();
            match read_key(cell) {
                None => return Err(CursorError::OddKey { column }),
                Some(Value::Null) if key.not_null => return Err(CursorError::NullKey { column }),
                Some(_) => cells.push(cell),
            }
        }
        Ok(text(&cells, &self.keyset.identity()))
    }
}

/// What the keys are called in the rows.
fn names() -> impl Iterator<Item = String> {
    (0..).map(|at| format!("_clodo_key{at}"))
}

/// A key as text that survives D1's JSON, which rounds whole numbers beyond 2^53.
fn carried(column: Column, name: &str) -> Output {
    let mut key = Fragment::default();
    column.write(&mut key);
    let mut out = Fragment::default();
    // Of the key's own text, which is a name of the code.
    out.sql = carried_whole(&key.sql) + " AS " + name;
    Output::from(Expr::text(out, Level::Atom))
}
