use clodo_db::{
    Database as _, DiagnoseOptions, DiagnoseReport, SourceStatement, SqliteDatabase, diagnose,
};
use clodo_sqlite::{OpenOptions, rusqlite::Connection};
use std::fmt::Write as _;

async fn of(schema: &str, statements: &[&str]) -> DiagnoseReport {
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script(schema).await.unwrap();
    let mut options = DiagnoseOptions::default();
    options.statements = statements.iter().map(|sql| SourceStatement::new(*sql, None)).collect();
    diagnose(&database, &options).await.unwrap()
}

/// Each finding in a line; what mends it has to run.
async fn shown(schema: &str, statements: &[&str]) -> String {
    let report = of(schema, statements).await;
    let mut text = String::new();
    for one in &report.findings {
        let fix = one.fix.clone().unwrap_or_default();
        let _ = writeln!(text, "{:?} {} {}: {}", one.weight, one.code, one.message, fix);
        let database = SqliteDatabase::in_memory().await.unwrap();
        database.script(&format!("{schema}; {fix}")).await.unwrap();
    }
    text
}

#[tokio::test]
async fn foreign_keys_keys_and_needless_indexes_are_found_in_the_schema() {
    let schema = r#"
        CREATE TABLE parents (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE);
        CREATE TABLE "select" (id INTEGER PRIMARY KEY, "a""b" REFERENCES parents (id),
            c REFERENCES parents (code), d REFERENCES parents (id));
        CREATE INDEX "select_by_a""b" ON "select" (id, c);
        CREATE INDEX some ON "select" (c) WHERE c IS NOT NULL;
        CREATE INDEX by_d ON "select" (d);
        CREATE INDEX by_d_and_c ON "select" (d, c);
        CREATE INDEX by_id ON parents (id);
        CREATE INDEX by_code ON parents (code);
        CREATE UNIQUE INDEX unique_d ON "select" (d, id);
        CREATE TABLE loose (x);
        CREATE VIEW v AS SELECT * FROM loose;
        CREATE VIRTUAL TABLE words USING fts5 (text);
    "#;
    insta::assert_snapshot!(shown(schema, &[]).await);
}

#[tokio::test]
async fn statements_that_read_all_rows_get_the_index_that_sqlite_would_use() {
    let schema = "
        CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, city TEXT, age INTEGER);
        CREATE TABLE visits (id INTEGER PRIMARY KEY, person INTEGER, day TEXT);
        CREATE INDEX people_by_age ON people (age);
        CREATE INDEX nobody ON visits (day);
    ";
    let statements = [
        "SELECT * FROM people WHERE city = ? AND age > ? AND name = 'x'",
        "SELECT * FROM people AS p WHERE p.city = ?1",
        "SELECT p.name FROM people p JOIN visits v ON v.person = p.id WHERE p.id = :id",
        "SELECT * FROM people",
        "SELECT * FROM people WHERE lower(name) = ?",
        "SELECT * FROM people WHERE lower(name) = ? LIMIT 3",
        "UPDATE people SET name = '' WHERE age = 3",
        "DELETE FROM visits WHERE person = ?",
        "INSERT INTO visits (person) SELECT id FROM people WHERE name = ?",
        "SELECT * FROM gone",
        "CREATE TABLE more (x)",
        "PRAGMA foreign_keys",
    ];
    insta::assert_snapshot!(shown(schema, &statements).await);
}

#[tokio::test]
async fn nothing_that_is_looked_at_is_run() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script("CREATE TABLE t (x PRIMARY KEY); INSERT INTO t VALUES (1);").await.unwrap();
    let mut options = DiagnoseOptions::default();
    for sql in [
        "DELETE FROM t",
        "DROP TABLE t",
        "INSERT INTO t VALUES (2)",
        "DELETE FROM t; SELECT 1",
        "VACUUM",
    ] {
        options.statements.push(SourceStatement::new(sql, None));
        options.statements.push(SourceStatement::guessed(sql, None));
    }
    diagnose(&database, &options).await.unwrap();
    let rows = database.query(&clodo_db::Statement::new("SELECT x FROM t")).await.unwrap();
    assert_eq!(rows.rows, [[1.into()]]);
}

#[tokio::test]
async fn what_grows_is_found_before_it_ends() {
    let columns: Vec<String> = (0..1_900).map(|at| format!("c{at}")).collect();
    let schema = format!(
        "CREATE TABLE ids (id INTEGER PRIMARY KEY, snowflake INTEGER UNIQUE, word TEXT UNIQUE);
         INSERT INTO ids VALUES (9000000000000000, 1234567890123456789, '99999999999999999999');
         CREATE TABLE few (id INTEGER PRIMARY KEY, n INT UNIQUE); INSERT INTO few VALUES (1, 'text');
         CREATE TABLE wide (id INTEGER PRIMARY KEY, {});",
        columns.join(", ")
    );
    insta::assert_snapshot!(shown(&schema, &[]).await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let fill =
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x); CREATE TABLE k (id INTEGER PRIMARY KEY);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        INSERT INTO t SELECT i, randomblob(1000) FROM n; DELETE FROM t;";
    Connection::open(&path).unwrap().execute_batch(fill).unwrap();
    let database = SqliteDatabase::open(&path, OpenOptions::read_only()).await.unwrap();
    let report = diagnose(&database, &DiagnoseOptions::default()).await.unwrap();
    let codes: Vec<&str> = report.findings.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["free-pages"]);
}

#[tokio::test]
async fn what_analyze_counted_counts() {
    let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, kind TEXT);
        CREATE INDEX by_kind ON t (kind);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        INSERT INTO t SELECT i, 'same' FROM n; ANALYZE;";
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script(schema).await.unwrap();
    let mut options = DiagnoseOptions::default();
    options.big = 200;
    let report = diagnose(&database, &options).await.unwrap();
    assert_eq!(report.findings[0].code, "big-table");
    assert!(report.findings[0].message.contains("about 300 rows"), "{report:?}");
}

#[tokio::test]
async fn keys_that_lead_nowhere_are_problems() {
    let report = of(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, x REFERENCES gone (id)); CREATE INDEX ax ON a (x);
         CREATE TABLE p (id INTEGER PRIMARY KEY, y); CREATE TABLE b (id INTEGER PRIMARY KEY, y REFERENCES p (y));
         CREATE INDEX byy ON b (y);",
        &[],
    )
    .await;
    let found: Vec<(&str, &str)> =
        report.findings.iter().map(|one| (one.code, one.object.as_str())).collect();
    assert_eq!(found, [("foreign-key-broken", "a"), ("foreign-key-broken", "b")]);
}
