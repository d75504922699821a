//! Random schemas with rows come back from their backups as they were.

use crate::{backing_up::comes_back, random::cases};
use clodo_db::{BackupOptions, Database as _, SqliteDatabase, quoted};
use clodo_schema_fixture::{NAMES, Table, schema, table};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};

/// Values that are lost easily, as SQL.
fn value() -> impl Strategy<Value = String> {
    proptest::prop_oneof![
        any::<i64>().prop_map(
            |number| format!("({number} + 0)").replace("(-9223372036854775808 + 0)", "NULL")
        ),
        any::<f64>()
            .prop_filter("a number", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| format!("x'{}'", hex::encode(bytes))),
        prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| format!("CAST(x'{}' AS TEXT)", hex::encode(bytes))),
        any::<String>().prop_map(|text| format!("CAST(x'{}' AS TEXT)", hex::encode(text))),
        prop::sample::select(vec!["9e999", "-9e999", "'1'", "' 1'", "'1e3'", "''", "char(13)"])
            .prop_map(str::to_owned),
    ]
}

async fn check(tables: &[Table], values: &[String], (search, page): (bool, u64)) {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let mut sql = schema(tables);
    for (at, value) in values.iter().enumerate() {
        let name = quoted(NAMES[at % tables.len()]);
        sql += &format!("UPDATE {name} SET v = {value} WHERE id = {};\n", 1 + at / tables.len());
    }
    if search {
        // Versions of SQLite write fractions as different texts, and that is what is indexed.
        let name = quoted(NAMES[0]);
        sql += &format!(
            "CREATE VIRTUAL TABLE words USING fts5(n, v);\nINSERT INTO words (rowid, n, v) SELECT id * 3, n, iif(typeof(v) = 'real', 1, v) FROM {name};\n\
             CREATE VIRTUAL TABLE outside USING fts5(n, content={}, content_rowid='id');\n\
             INSERT INTO outside (rowid, n) SELECT id, n FROM {name} WHERE id % 2;\n",
            quoted(NAMES[0])
        );
    }
    database.script(&sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    comes_back(&database, &BackupOptions::default().with_page_bytes(page)).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases() / 2))]
    #[test]
    fn a_random_database_comes_back_as_it_was(
        tables in prop::collection::vec(table(), 1..=NAMES.len()),
        values in prop::collection::vec(value(), 0..24),
        search in any::<bool>(),
        page in prop::sample::select(vec![1, 5_000, 2 << 20]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(&tables, &values, (search, page)));
    }
}
