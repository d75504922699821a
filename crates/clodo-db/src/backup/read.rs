use super::{
    cell::{Cell, carried, carried_exactly},
    error::BackupError,
    layout::{Key, Table, ask},
};
use crate::{database::Database, identifier::quoted, value::Value};

/// A row: the number that no column shows, and the values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) number: Option<i64>,
    pub(super) cells: Vec<Cell>,
}

/// Reads the rows of a table in the order of their key, page by page, so that a page is never larger
/// than it may be and no row is read twice or left out when others write meanwhile.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    database: &'a dyn Database,
    table: &'a Table,
    budget: u64,
    /// The key of the last row that was read, as SQL.
    after: Option<String>,
    /// So many were read.
    count: u64,
    rows: u64,
    done: bool,
}

/// The most rows of one page: more do not make it faster.
const MOST_ROWS: u64 = 4_000;
/// So many bytes of keys come in one statement, of which D1 takes 100,000.
const KEYS: usize = 60_000;
/// What is longer is fetched by itself, in pieces.
pub(super) const WHOLE: u64 = 1_000_000;

impl<'a> Pages<'a> {
    pub(super) fn new(database: &'a dyn Database, table: &'a Table, budget: u64) -> Self {
        Self { database, table, budget, after: None, count: 0, rows: 64, done: false }
    }

    /// The next rows; none at the end. Only a value of more than [`WHOLE`] bytes is still
    /// [`Cell::Later`] in them.
    pub(super) async fn next(&mut self) -> Result<Vec<Row>, BackupError> {
        if self.done {
            return Ok(Vec::new());
        }
        let columns = u64::try_from(self.table.columns.len()).unwrap_or(1).max(1);
        let longest = (self.budget * 4 / (self.rows * columns)).clamp(256, WHOLE);
        let sql = self.statement(longest);
        let found = ask(self.database, &sql).await?;
        let answer = || BackupError::Answer(format!("table {}", self.table.name));
        let mut rows = Vec::with_capacity(found.rows.len());
        for row in found.rows {
            rows.push(self.row(row).ok_or_else(answer)?);
        }
        let length = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.done = length < self.rows;
        self.count += length;
        if let Some(last) = rows.last() {
            self.after = self.table.key_of(last.number, &last.cells);
        }
        self.adapt(&rows);
        self.fill(&mut rows).await?;
        Ok(rows)
    }

    fn statement(&self, longest: u64) -> String {
        let table = self.table;
        let columns = table.columns.iter().enumerate().map(|(at, column)| {
            let sql = match table.is_key(at) {
                // The next page begins behind it: it has to be exact.
                true => carried_exactly(column),
                false => carried(column, longest),
            };
            match (at, &table.key) {
                // D1 gives 100 columns at most, and a table may have as many.
                (0, Key::Hidden(name)) => format!("t.{name} || ' ' || {sql}"),
                _ => sql,
            }
        });
        let columns: Vec<String> = columns.collect();
        let mut sql = format!("SELECT {} FROM {} t", columns.join(", "), quoted(&table.name));
        if let (Some(key), Some(after)) = (table.key_sql(), &self.after) {
            sql.push_str(&format!(" WHERE {key} > {after}"));
        }
        match table.key_sql() {
            Some(key) => sql.push_str(&format!(" ORDER BY {}", key.trim_matches(['(', ')']))),
            None => return format!("{sql} LIMIT {} OFFSET {}", self.rows, self.count),
        }
        format!("{sql} LIMIT {}", self.rows)
    }

    fn row(&self, values: Vec<Value>) -> Option<Row> {
        let mut number = None;
        let mut cells = Vec::with_capacity(values.len());
        for (at, value) in values.into_iter().enumerate() {
            let Value::Text(mut text) = value else { return None };
            if at == 0 && matches!(self.table.key, Key::Hidden(_)) {
                let (own, _) = text.split_once(' ')?;
                number = Some(own.parse().ok()?);
                text.drain(..=own.len());
            }
            cells.push(Cell::read(text)?);
        }
        Some(Row { number, cells })
    }

    /// How many rows the next page has.
    fn adapt(&mut self, rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        let cells = || rows.iter().flat_map(|row| &row.cells);
        let bytes: u64 = cells().map(Cell::bytes).fold(0, u64::saturating_add).max(1);
        let length = u64::try_from(rows.len()).unwrap_or(1);
        let later = cells().filter(|cell| matches!(cell, Cell::Later { .. })).count();
        let fits = (self.budget.saturating_mul(length) / bytes).clamp(1, MOST_ROWS);
        self.rows = match later * 20 > rows.len() {
            // Each of those costs a question: with fewer rows, larger values come along.
            true => fits.min(length / 2).max(1),
            false => fits.min(self.rows * 4),
        };
    }

    /// Fetches what did not come along.
    async fn fill(&self, rows: &mut [Row]) -> Result<(), BackupError> {
        for at in 0..self.table.columns.len() {
            let mut some: Vec<(usize, u64)> = Vec::new();
            for (place, row) in rows.iter().enumerate() {
                if let Cell::Later { bytes, .. } = row.cells[at]
                    && bytes <= WHOLE
                {
                    some.push((place, bytes));
                }
            }
            let mut rest = &some[..];
            while !rest.is_empty() {
                let (mut take, mut bytes, mut keys) = (0, 0, 0);
                while take < rest.len() && take < 200 && (take == 0 || bytes < self.budget) {
                    let (place, size) = rest[take];
                    let key = self.table.key_of(rows[place].number, &rows[place].cells);
                    keys += key.map_or(0, |key| key.len() + 2);
                    if take > 0 && keys > KEYS {
                        break;
                    }
                    bytes += size;
                    take += 1;
                }
                let places: Vec<usize> = rest[..take].iter().map(|(place, _)| *place).collect();
                self.fetch(rows, at, &places).await?;
                rest = &rest[take..];
            }
        }
        Ok(())
    }

    /// Fetches a column of some rows.
    async fn fetch(&self, rows: &mut [Row], at: usize, of: &[usize]) -> Result<(), BackupError> {
        let table = self.table;
        let changed = BackupError::Changed;
        let (Some(key), column) = (table.key_sql(), carried_exactly(&table.columns[at])) else {
            let why = "its columns hide the number of a row, and its values are large".to_owned();
            return Err(BackupError::Unsupported { table: table.name.clone(), why });
        };
        let keys: Vec<String> = of
            .iter()
            .filter_map(|place| table.key_of(rows[*place].number, &rows[*place].cells))
            .collect();
        let keys = match table.key {
            Key::Columns(_) => format!("(VALUES {})", keys.join(", ")),
            _ => format!("({})", keys.join(", ")),
        };
        let order = key.trim_matches(['(', ')']).to_owned();
        let sql = format!(
            "SELECT {column} FROM {} t WHERE {key} IN {keys} ORDER BY {order}",
            quoted(&table.name)
        );
        let found = ask(self.database, &sql).await?;
        // A row that is gone by now: the table is read again in any case, for it has changed.
        if found.rows.len() != of.len() {
            return Err(changed);
        }
        for (place, row) in of.iter().zip(found.rows) {
            let cell = match row.into_iter().next() {
                Some(Value::Text(text)) => Cell::read(text),
                _ => None,
            };
            let answer = || BackupError::Answer(format!("table {}", table.name));
            rows[*place].cells[at] = cell.ok_or_else(answer)?;
        }
        Ok(())
    }
}

/// Some bytes of a value, in hexadecimal, from 0 on.
pub(super) async fn piece(
    database: &dyn Database,
    table: &Table,
    (row, at): (&Row, usize),
    (from, length): (u64, u64),
) -> Result<String, BackupError> {
    let unsupported = || BackupError::Unsupported {
        table: table.name.clone(),
        why: "its columns hide the number of a row, and its values are large".to_owned(),
    };
    let key = table.key_sql().ok_or_else(unsupported)?;
    let own = table.key_of(row.number, &row.cells).ok_or_else(unsupported)?;
    let column = quoted(&table.columns[at]);
    let sql = format!(
        "SELECT hex(substr(CAST(t.{column} AS BLOB), {}, {length})) FROM {} t WHERE {key} = {own}",
        from + 1,
        quoted(&table.name)
    );
    let found = ask(database, &sql).await?;
    let hex = found.rows.first().and_then(|row| row.first()?.as_text());
    let length = usize::try_from(length).unwrap_or(usize::MAX).saturating_mul(2);
    // Shorter than it was: somebody wrote meanwhile.
    match hex {
        Some(hex) if hex.len() == length => Ok(hex.to_owned()),
        _ => Err(BackupError::Changed),
    }
}
