use super::{
    cell::Cell,
    copy::Origin,
    error::BackupError,
    layout::Table,
    read::{Pages, Row, piece},
};
use crate::database::Database;
use futures_util::future::join;
use std::io::Write;

/// The longest statement of a dump, in bytes: D1 takes 100,000.
pub(super) const STATEMENT: usize = 90_000;
/// How many steps SQLite may need for the rows of one statement: workerd takes programs of 25,000
/// (`SQLITE_LIMIT_VDBE_OP`), and some steps are for the table and its indexes.
const STEPS: usize = 20_000;
/// What is shorter stays in its row, however long that is: 100 columns of it fit a statement.
const SHORT: usize = 400;
/// So many bytes of a large value come with one statement, so that D1 takes it.
const PIECE: u64 = 40_000;
/// Where large values are put together.
pub(super) const PIECES: &str = "\"_clodo_pieces\"";

/// Writes all rows of a table as statements of which D1 takes each, and says how many there are. The
/// same rows give the same text.
pub(super) async fn write(
    origin: &Origin<'_>,
    table: &Table,
    budget: u64,
    out: &mut (dyn Write + Send),
) -> Result<u64, BackupError> {
    if origin.empty {
        return Ok(0);
    }
    let mut inserts = Inserts {
        head: format!("INSERT INTO {} VALUES", table.target()),
        sql: String::new(),
        tuple: String::new(),
        steps: 0,
        pieces: false,
    };
    let mut rows = 0;
    let mut pages = Pages::new(origin.database, table, budget);
    let mut page = pages.next().await?;
    while !page.is_empty() {
        rows += u64::try_from(page.len()).unwrap_or_default();
        // The next page is on its way while this one is written.
        let written = inserts.page(origin, table, &page, out);
        let (next, written) = join(pages.next(), written).await;
        written?;
        page = next?;
    }
    inserts.end(out)?;
    if inserts.pieces {
        writeln!(out, "DROP TABLE {PIECES};")?;
    }
    Ok(rows)
}

/// Statements with as many rows as fit.
struct Inserts {
    head: String,
    sql: String,
    /// The row that is being written.
    tuple: String,
    /// How many steps the statement needs so far.
    steps: usize,
    /// The table for large values was made.
    pieces: bool,
}

impl Inserts {
    async fn page(
        &mut self,
        origin: &Origin<'_>,
        table: &Table,
        page: &[Row],
        out: &mut (dyn Write + Send),
    ) -> Result<(), BackupError> {
        let database = origin.database;
        for read in page {
            let masked;
            let row = match &origin.mask {
                None => read,
                Some(mask) => {
                    masked = mask.apply((database, table), read).await?;
                    &masked
                }
            };
            self.tuple.clear();
            tuple(row, &[], &mut self.tuple);
            let large = large(row, self.tuple.len());
            if large.is_empty() {
                self.push(row, out)?;
                continue;
            }
            self.end(out)?;
            if !std::mem::replace(&mut self.pieces, true) {
                let make = "(id INTEGER PRIMARY KEY, v BLOB)";
                writeln!(out, "CREATE TABLE IF NOT EXISTS {PIECES} {make};")?;
            }
            Long { database, table, read, row }.write(&large, out).await?;
            self.tuple.clear();
            tuple(row, &large, &mut self.tuple);
            self.push(row, out)?;
            self.end(out)?;
            writeln!(out, "DELETE FROM {PIECES};")?;
        }
        Ok(())
    }

    fn push(&mut self, row: &Row, out: &mut (dyn Write + Send)) -> Result<(), BackupError> {
        // A value is one step, and two where it is cast; the row and its number are some more.
        let steps = 2 * row.cells.len() + 4;
        let is_full = self.sql.len() + self.tuple.len() > STATEMENT || self.steps + steps > STEPS;
        if !self.sql.is_empty() && is_full {
            self.end(out)?;
        }
        self.steps += steps;
        match self.sql.is_empty() {
            true => self.sql.push_str(&self.head),
            false => self.sql.push(','),
        }
        self.sql.push('\n');
        self.sql.push_str(&self.tuple);
        Ok(())
    }

    fn end(&mut self, out: &mut (dyn Write + Send)) -> Result<(), BackupError> {
        if !self.sql.is_empty() {
            self.sql.push_str(";\n");
            out.write_all(self.sql.as_bytes())?;
            self.sql.clear();
            self.steps = 0;
        }
        Ok(())
    }
}

/// Appends the values of a row in brackets; those of `large` are taken from where they were put
/// together.
fn tuple(row: &Row, large: &[usize], sql: &mut String) {
    sql.push('(');
    if let Some(number) = row.number {
        Cell::Integer(number).write(sql);
        sql.push(',');
    }
    for (at, cell) in row.cells.iter().enumerate() {
        if at > 0 {
            sql.push(',');
        }
        if !large.contains(&at) {
            cell.write(sql);
            continue;
        }
        let from = format!("SELECT v FROM {PIECES} WHERE id={at}");
        match is_text(cell) {
            true => sql.push_str(&format!("CAST(({from}) AS TEXT)")),
            false => sql.push_str(&format!("({from})")),
        }
    }
    sql.push(')');
}

fn is_text(cell: &Cell) -> bool {
    matches!(cell, Cell::Text(_) | Cell::Odd(_) | Cell::Later { text: true, .. })
}

/// Which values do not fit into the row's statement, the largest first.
fn large(row: &Row, length: usize) -> Vec<usize> {
    let mut length = length;
    let mut large: Vec<usize> =
        (0..row.cells.len()).filter(|at| matches!(row.cells[*at], Cell::Later { .. })).collect();
    if length <= STATEMENT {
        return large;
    }
    let mut sizes: Vec<(usize, usize)> = row
        .cells
        .iter()
        .enumerate()
        .filter(|(at, _)| !large.contains(at))
        .map(|(at, cell)| (cell.to_sql().len(), at))
        .collect();
    sizes.sort_unstable();
    while length > STATEMENT
        && let Some((size, at)) = sizes.pop()
        && size > SHORT
    {
        large.push(at);
        length -= size;
    }
    large
}

/// A row with values that do not fit into one statement.
struct Long<'a> {
    database: &'a dyn Database,
    table: &'a Table,
    /// As it was read: by its key the database finds it.
    read: &'a Row,
    /// As it is written.
    row: &'a Row,
}

impl Long<'_> {
    /// Puts the values together where the row's statement finds them. A row is only ever inserted
    /// whole: half a value may break what the table demands of it.
    async fn write(self, large: &[usize], out: &mut (dyn Write + Send)) -> Result<(), BackupError> {
        for at in large {
            let whole = match &self.row.cells[*at] {
                Cell::Text(text) => hex::encode_upper(text),
                Cell::Odd(bytes) => hex::encode_upper(bytes),
                Cell::Blob(hex) => hex.clone(),
                _ => String::new(),
            };
            let bytes = match &self.row.cells[*at] {
                Cell::Later { bytes, .. } => *bytes,
                _ => u64::try_from(whole.len() / 2).unwrap_or(u64::MAX),
            };
            // What D1 cannot hold need not fit its statements; a bounded number of steps, since each
            // copies all before it.
            let step = if bytes > 2_000_000 { bytes.div_ceil(16) } else { PIECE };
            let mut from = 0;
            while from < bytes {
                let length = step.min(bytes - from);
                let part = match &self.row.cells[*at] {
                    Cell::Later { .. } => {
                        let place = (self.read, *at);
                        piece(self.database, self.table, place, (from, length)).await?
                    }
                    _ => {
                        let place = |at: u64| usize::try_from(at * 2).unwrap_or(usize::MAX);
                        whole[place(from)..place(from + length)].to_owned()
                    }
                };
                match from {
                    0 => writeln!(out, "INSERT INTO {PIECES} VALUES ({at},x'{part}');")?,
                    _ => writeln!(
                        out,
                        "UPDATE {PIECES} SET v=CAST(v||x'{part}' AS BLOB) WHERE id={at};"
                    )?,
                }
                from += length;
            }
        }
        Ok(())
    }
}
