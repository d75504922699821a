//! Random schemas with rows, and rebuilds of their tables: nothing is lost that the file does not name.

use crate::{
    applying::{files, rows},
    schemas::{Key, NAMES, Table, cases, schema, table},
};
use clodo_db::{Database as _, Migrator, SqliteDatabase, Value, quoted};
use proptest::prelude::{ProptestConfig, prop, proptest};

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
