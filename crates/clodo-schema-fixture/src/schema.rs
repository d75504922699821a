use crate::table::{NAMES, Table, quoted};
use std::fmt::Write as _;

/// What is easily taken for something else.
const VALUES: [&str; 6] = ["'1'", "1", "1.0", "x'00ff'", "NULL", "9007199254740993"];

/// The schema and its rows, as statements of one transaction.
#[must_use]
pub fn schema(tables: &[Table]) -> String {
    let mut sql = "PRAGMA defer_foreign_keys = ON;\nCREATE TABLE log (said);\n".to_owned();
    for (at, table) in tables.iter().enumerate() {
        let name = quoted(NAMES[at]);
        let _ = writeln!(sql, "CREATE TABLE {name} {};", table.body(tables.len(), ""));
        sql += &indexes(at);
    }
    for (at, _) in tables.iter().enumerate().filter(|(_, table)| table.views) {
        let _ = writeln!(sql, "CREATE VIEW \"v{at}\" AS SELECT id, n FROM {};", quoted(NAMES[at]));
        sql += &joined(tables, at);
    }
    for (at, table) in tables.iter().enumerate() {
        for row in 0..table.rows {
            sql += &insert(tables, (at, table), row);
        }
    }
    for (at, _) in tables.iter().enumerate().filter(|(_, table)| table.trigger) {
        sql += &triggers(at);
    }
    sql
}

/// A partial index, and one of expressions.
pub(crate) fn indexes(at: usize) -> String {
    let name = quoted(NAMES[at]);
    format!(
        "CREATE INDEX \"i{at}\" ON {name} (n) WHERE v IS NOT NULL;\n\
         CREATE INDEX \"e{at}\" ON {name} (lower(n), id % 7 DESC);\n"
    )
}

/// Whatever happens to a row of a table is written to the log.
pub(crate) fn triggers(at: usize) -> String {
    let name = quoted(NAMES[at]);
    let trigger = |event: &str| {
        format!(
            "CREATE TRIGGER \"g{at}{event}\" AFTER {event} ON {name} BEGIN \
             INSERT INTO log VALUES ('{event} {at}'); END;\n"
        )
    };
    ["INSERT", "UPDATE", "DELETE"].map(trigger).concat()
}

/// A view over a table and the first one that it refers to.
fn joined(tables: &[Table], at: usize) -> String {
    let Some(to) = tables[at].parents(tables.len()).next() else { return String::new() };
    let (name, to) = (quoted(NAMES[at]), quoted(NAMES[to]));
    format!(
        "CREATE VIEW \"j{at}\" AS SELECT c.id, p.n FROM {name} c LEFT JOIN {to} p ON p.id = c.r0;\n"
    )
}

fn insert(tables: &[Table], (at, table): (usize, &Table), row: usize) -> String {
    let mut values = format!("{}", row + 1);
    for to in table.parents(tables.len()) {
        // To a row that is there, or to none.
        match (row + to) % (tables[to].rows + 1) {
            0 => values += ", NULL",
            id => {
                let _ = write!(values, ", {id}");
            }
        }
    }
    let _ = write!(values, ", {}, 'Row {row}'", VALUES[(at + row) % VALUES.len()]);
    format!("INSERT INTO {} ({}) VALUES ({values});\n", quoted(NAMES[at]), table.columns())
}
