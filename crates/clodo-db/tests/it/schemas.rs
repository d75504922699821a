//! Random schemas with rows.

use clodo_db::quoted;
use proptest::prelude::{Strategy, any, prop};
use std::fmt::Write as _;

/// A table of a random schema.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// How its rows are told apart.
    pub(crate) key: Key,
    /// To which table each of its references leads (by its number, modulo all), and what a deletion does.
    references: Vec<(usize, usize)>,
    strict: bool,
    generated: bool,
    trigger: bool,
    /// So many rows.
    rows: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Alias,
    CountsUp,
    Hidden,
    Text,
    WithoutRowid,
}

const ACTIONS: [&str; 5] =
    ["", "ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE NO ACTION", "ON DELETE CASCADE"];
/// Names that need quotes.
pub(crate) const NAMES: [&str; 12] = [
    "parent", "select", "My Table", "a\"b", "it's", "ü", "order", "t;--", "_x", "rowid", "x.y",
    "[z",
];

pub(crate) fn table() -> impl Strategy<Value = Table> {
    let key = prop::sample::select(vec![
        Key::Alias,
        Key::CountsUp,
        Key::Hidden,
        Key::Text,
        Key::WithoutRowid,
    ]);
    let references = prop::collection::vec((any::<usize>(), 0..ACTIONS.len()), 0..3);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (key, references, flags, 0..6_usize).prop_map(|(key, references, flags, rows)| {
        let (strict, generated, trigger) = flags;
        Table { key, references, strict, generated, trigger, rows }
    })
}

impl Table {
    fn id(&self) -> &'static str {
        match self.key {
            Key::Alias => "id INTEGER PRIMARY KEY",
            Key::CountsUp => "id INTEGER PRIMARY KEY AUTOINCREMENT",
            // Found by a unique column; the rows have numbers of their own.
            Key::Hidden => "id INTEGER UNIQUE",
            Key::Text | Key::WithoutRowid => "id INTEGER NOT NULL, also TEXT NOT NULL DEFAULT 'k'",
        }
    }

    /// Everything between the brackets, and what stands behind them.
    pub(crate) fn body(&self, all: usize, more: &str) -> String {
        let mut body = self.id().to_owned();
        for (at, (to, action)) in self.references.iter().enumerate() {
            let to = quoted(NAMES[to % all]);
            let _ = write!(body, ", r{at} INTEGER REFERENCES {to} (id) {}", ACTIONS[*action]);
        }
        // Whatever a value is: a text that looks like a number, a number, bytes.
        body += if self.strict { ", v ANY" } else { ", v" };
        body += ", n TEXT COLLATE NOCASE";
        if self.generated {
            body += ", g INTEGER GENERATED ALWAYS AS (id * 2) STORED, h TEXT AS (n || '!')";
        }
        body += more;
        match self.key {
            Key::Text => body += ", PRIMARY KEY (id, also), UNIQUE (id)",
            Key::WithoutRowid => body += ", PRIMARY KEY (id), UNIQUE (also, id)",
            _ => {}
        }
        let options = match (self.key, self.strict) {
            (Key::WithoutRowid, true) => " WITHOUT ROWID, STRICT",
            (Key::WithoutRowid, false) => " WITHOUT ROWID",
            (_, true) => " STRICT",
            (_, false) => "",
        };
        format!("({body}){options}")
    }

    pub(crate) fn columns(&self) -> String {
        let references = (0..self.references.len()).map(|at| format!("r{at}, "));
        format!("id, {}v, n", references.collect::<String>())
    }
}

/// The schema and its rows.
pub(crate) fn schema(tables: &[Table]) -> String {
    let mut sql = "PRAGMA defer_foreign_keys = ON;\nCREATE TABLE log (said);\n".to_owned();
    for (at, table) in tables.iter().enumerate() {
        let name = quoted(NAMES[at]);
        let _ = writeln!(sql, "CREATE TABLE {name} {};", table.body(tables.len(), ""));
        let _ = writeln!(sql, "CREATE INDEX \"i{at}\" ON {name} (n) WHERE v IS NOT NULL;");
        let _ = writeln!(sql, "CREATE VIEW \"v{at}\" AS SELECT id, n FROM {name};");
    }
    const VALUES: [&str; 6] = ["'1'", "1", "1.0", "x'00ff'", "NULL", "9007199254740993"];
    for (at, table) in tables.iter().enumerate() {
        for row in 0..table.rows {
            let mut values = format!("{}", row + 1);
            for (to, _) in &table.references {
                let there = tables[to % tables.len()].rows;
                // To a row that is there, or to none.
                match (row + to) % (there + 1) {
                    0 => values += ", NULL",
                    id => {
                        let _ = write!(values, ", {id}");
                    }
                }
            }
            let _ = write!(values, ", {}, 'Row {row}'", VALUES[(at + row) % VALUES.len()]);
            let columns = table.columns();
            let _ =
                writeln!(sql, "INSERT INTO {} ({columns}) VALUES ({values});", quoted(NAMES[at]));
        }
    }
    for (at, table) in tables.iter().enumerate().filter(|(_, table)| table.trigger) {
        let name = quoted(NAMES[at]);
        for event in ["INSERT", "UPDATE", "DELETE"] {
            let _ = writeln!(
                sql,
                "CREATE TRIGGER \"g{at}{event}\" AFTER {event} ON {name} BEGIN INSERT INTO log VALUES ('{event}'); END;"
            );
        }
        let _ = table;
    }
    sql
}

/// Fewer where many run; `cargo xtask safety` runs them all.
#[expect(clippy::disallowed_methods, reason = "how many is for who runs the tests to say")]
pub(crate) fn cases() -> u32 {
    std::env::var("CLODO_SAFETY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}
