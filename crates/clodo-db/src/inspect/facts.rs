//! What only the database itself knows: how much is in it, without reading all of it.

use super::structure::Table;
use crate::{
    database::Database,
    error::DatabaseError,
    identifier::quoted,
    statement::{Rows, Statement},
};
use std::collections::BTreeMap;

/// What was read. What the platform does not tell is missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Rows of `sqlite_stat1`: table, index, numbers.
    pub(super) statistics: Vec<(String, Option<String>, String)>,
    /// The greatest number of a row of each table; no more than so many rows are in it, unless
    /// somebody gave them numbers of their own.
    pub(super) greatest: BTreeMap<String, i64>,
    /// The greatest whole number of a column.
    pub(super) numbers: Vec<(String, String, i64)>,
    /// Pages without content, of how many, and their size in bytes.
    pub(super) pages: Option<(u64, u64, u64)>,
}

/// So many values come with one statement: D1 gives 100 columns at most.
const AT_ONCE: usize = 50;

/// A greater number of a row counts nothing: somebody made it up.
const MOST_ROWS: u64 = 10_000_000_000;

impl Facts {
    pub(super) async fn read(
        database: &dyn Database,
        tables: &[Table],
    ) -> Result<Self, DatabaseError> {
        let mut facts = Self { statistics: statistics(database).await?, ..Self::default() };
        let mut asked: Vec<(&Table, Option<&str>, String)> = Vec::new();
        for table in tables {
            let from = quoted(&table.name);
            if let Some(word) = table.number {
                let sql = format!("(SELECT CAST(max({word}) AS TEXT) FROM {from})");
                asked.push((table, None, sql));
            }
            for column in table.indexed_numbers() {
                let name = quoted(column);
                // What is no number sorts behind all numbers: it hides them, and is none itself.
                let sql = format!("(SELECT CAST(max({name}) AS TEXT) FROM {from})");
                asked.push((table, Some(column), sql));
            }
        }
        for some in asked.chunks(AT_ONCE) {
            let columns: Vec<&str> = some.iter().map(|(.., sql)| sql.as_str()).collect();
            let rows = ask(database, &format!("SELECT {}", columns.join(", "))).await?;
            let values = rows.rows.first().map(Vec::as_slice).unwrap_or_default();
            for ((table, column, _), value) in some.iter().zip(values) {
                let number = value.as_text().and_then(|text| text.parse::<i64>().ok());
                match (number, column) {
                    (Some(number), None) => {
                        facts.greatest.insert(table.name.to_ascii_lowercase(), number);
                    }
                    (Some(number), Some(column)) => {
                        facts.numbers.push((table.name.clone(), (*column).to_owned(), number));
                    }
                    (None, _) => {}
                }
            }
        }
        facts.pages = pages(database).await;
        Ok(facts)
    }

    /// About how many rows a table has: as it was counted when it was last analyzed, else as many as
    /// the numbers of its rows allow.
    pub(super) fn rows(&self, table: &str) -> Option<u64> {
        let counted = self.statistics.iter().filter(|(name, ..)| name.eq_ignore_ascii_case(table));
        let counted = counted.filter_map(|(.., stat)| stat.split(' ').next()?.parse::<u64>().ok());
        let greatest = self.greatest.get(&table.to_ascii_lowercase());
        let greatest = greatest.and_then(|number| u64::try_from(*number).ok());
        counted.max().or(greatest.filter(|number| *number <= MOST_ROWS))
    }
}

async fn ask(database: &dyn Database, sql: &str) -> Result<Rows, DatabaseError> {
    database.query(&Statement::new(sql)).await
}

/// What `ANALYZE` left behind.
async fn statistics(
    database: &dyn Database,
) -> Result<Vec<(String, Option<String>, String)>, DatabaseError> {
    let there = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'";
    if ask(database, there).await?.rows.is_empty() {
        return Ok(Vec::new());
    }
    // A platform may keep it to itself.
    let Ok(rows) = ask(database, "SELECT tbl, idx, stat FROM sqlite_stat1").await else {
        return Ok(Vec::new());
    };
    let text = |row: &Vec<crate::Value>, at: usize| row.get(at)?.as_text().map(str::to_owned);
    let rows =
        rows.rows.iter().filter_map(|row| Some((text(row, 0)?, text(row, 1), text(row, 2)?)));
    Ok(rows.collect())
}

async fn pages(database: &dyn Database) -> Option<(u64, u64, u64)> {
    let sql = "SELECT f.freelist_count, c.page_count, s.page_size \
               FROM pragma_freelist_count f, pragma_page_count c, pragma_page_size s";
    let rows = ask(database, sql).await.ok()?;
    let number = |at: usize| u64::try_from(rows.rows.first()?.get(at)?.as_integer()?).ok();
    Some((number(0)?, number(1)?, number(2)?))
}
