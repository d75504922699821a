//! Random schemas with rows, and rebuilds of their tables: nothing is lost that the file does not name.

use crate::applying::{files, rows};
use clodo_db::{Database as _, Migrator, SqliteDatabase, Value, quoted};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};
use std::fmt::Write as _;

/// A table of a random schema.
#[derive(Clone, Debug)]
struct Table {
    /// How its rows are told apart.
    key: Key,
    /// To which table each of its references leads (by its number, modulo all), and what a deletion does.
    references: Vec<(usize, usize)>,
    strict: bool,
    generated: bool,
    trigger: bool,
    /// So many rows.
    rows: usize,
}

#[derive(Clone, Copy, Debug)]
enum Key {
    Alias,
    CountsUp,
    Hidden,
    Text,
    WithoutRowid,
}

const ACTIONS: [&str; 5] =
    ["", "ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE NO ACTION", "ON DELETE CASCADE"];
/// Names that need quotes.
const NAMES: [&str; 12] = [
    "parent", "select", "My Table", "a\"b", "it's", "ü", "order", "t;--", "_x", "rowid", "x.y",
    "[z",
];

fn table() -> impl Strategy<Value = Table> {
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
    fn body(&self, all: usize, more: &str) -> String {
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

    fn columns(&self) -> String {
        let references = (0..self.references.len()).map(|at| format!("r{at}, "));
        format!("id, {}v, n", references.collect::<String>())
    }
}

/// The schema and its rows.
fn schema(tables: &[Table]) -> String {
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

/// The table is made anew with one more column, as the tools of this field write it.
fn rebuild(tables: &[Table], at: usize) -> String {
    let (table, name) = (&tables[at], quoted(NAMES[at]));
    let (body, columns) = (table.body(tables.len(), ", more TEXT DEFAULT 'new'"), table.columns());
    let also = match table.key {
        Key::Text | Key::WithoutRowid => ", also",
        _ => "",
    };
    format!(
        "PRAGMA foreign_keys=OFF;\nCREATE TABLE \"__new\" {body};\n\
         INSERT INTO \"__new\" ({columns}{also}) SELECT {columns}{also} FROM {name};\n\
         DROP TABLE {name};\nALTER TABLE \"__new\" RENAME TO {name};\nPRAGMA foreign_keys=ON;\n"
    )
}

async fn picture(database: &SqliteDatabase, tables: &[Table]) -> Vec<Vec<Vec<Value>>> {
    let mut all = vec![rows(database, "SELECT * FROM log").await];
    for (at, table) in tables.iter().enumerate() {
        let columns: Vec<String> = table
            .columns()
            .split(", ")
            .map(|column| format!("{column}, typeof({column})"))
            .collect();
        let (columns, name) = (columns.join(", "), quoted(NAMES[at]));
        all.push(rows(database, &format!("SELECT {columns} FROM {name} ORDER BY id")).await);
    }
    all
}

async fn check(tables: &[Table], anew: &[usize]) {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let schema = schema(tables);
    database.script(&schema).await.unwrap_or_else(|error| panic!("{error}\n{schema}"));
    let before = picture(&database, tables).await;
    let file: String = anew.iter().map(|at| rebuild(tables, at % tables.len())).collect();
    let report = Migrator::new(&database).up(&files(&[("1.sql", &file)])).await;
    let report = report.unwrap_or_else(|error| panic!("{error:?}\n{schema}\n{file}"));
    assert_eq!(report.rebuilds.len(), anew.len());
    assert_eq!(picture(&database, tables).await, before, "{schema}\n{file}");
    let nothing = Vec::<Vec<Value>>::new();
    assert_eq!(rows(&database, "PRAGMA foreign_key_check").await, nothing, "{schema}\n{file}");
    assert_eq!(rows(&database, "PRAGMA integrity_check").await, [["ok".into()]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    #[test]
    fn a_random_schema_keeps_its_rows_whichever_tables_are_made_anew(
        tables in prop::collection::vec(table(), 1..12),
        anew in prop::collection::hash_set(0..12_usize, 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let anew: std::collections::BTreeSet<usize> = anew.iter().map(|at| at % tables.len()).collect();
        let anew: Vec<usize> = anew.into_iter().collect();
        runtime.block_on(check(&tables, &anew));
    }
}

/// Fewer where many run; `cargo xtask safety` runs them all.
#[expect(clippy::disallowed_methods, reason = "how many is for who runs the tests to say")]
fn cases() -> u32 {
    std::env::var("CLODO_SAFETY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}
