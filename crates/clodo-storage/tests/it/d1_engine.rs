//! The D1 engine by itself: what SQL it takes, what it refuses, and in which words.

use clodo_storage::{
    D1, D1ErrorKind, D1Options, D1Request, D1Statement, DatabaseRef, ExportOptions, Param,
    RowFormat,
};
use clodo_types::{Clock, ManualClock, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

struct World {
    _folder: tempfile::TempDir,
    root: std::path::PathBuf,
    d1: D1,
    at: DatabaseRef,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let d1 = D1::new(&root, clock(), D1Options::default());
        let at = database("018f3c5e-0000-7000-8000-000000000001");
        d1.create(&at).await.unwrap();
        Self { _folder: folder, root, d1, at }
    }

    async fn run(&self, sql: &str) -> Result<Value, String> {
        self.ask(D1Request::sql(sql)).await
    }

    async fn ask(&self, request: D1Request) -> Result<Value, String> {
        let answer = self.d1.query(&self.at, request).await.map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(&answer.results).unwrap())
    }

    /// The rows of the last statement.
    async fn rows(&self, sql: &str) -> Value {
        let mut results = self.run(sql).await.unwrap();
        results.as_array_mut().unwrap().pop().unwrap()["results"].take()
    }

    async fn refusal(&self, sql: &str) -> String {
        self.run(sql).await.expect_err(sql)
    }

    fn file(&self) -> std::path::PathBuf {
        self.root.join(self.at.account.as_str()).join("d1").join(format!("{}.sqlite", self.at.id))
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)))
}

pub(crate) fn database(id: &str) -> DatabaseRef {
    DatabaseRef {
        account: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        id: id.parse().unwrap(),
    }
}

#[tokio::test]
async fn each_statement_answers_with_rows_and_counters() {
    let world = World::new().await;
    let results = world
        .run(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX i ON t (a);\
              INSERT INTO t (a) VALUES ('x'), ('y'); SELECT * FROM t",
        )
        .await
        .unwrap();
    assert_eq!(results[3]["results"], json!([{"id": 1, "a": "x"}, {"id": 2, "a": "y"}]));
    let (insert, select) = (&results[2]["meta"], &results[3]["meta"]);
    assert_eq!(insert["changes"], 2);
    assert_eq!(insert["last_row_id"], 2);
    assert_eq!(insert["changed_db"], true);
    assert_eq!(insert["rows_written"], 4);
    assert_eq!(select["changed_db"], false);
    assert_eq!(select["rows_read"], 2);
    assert_eq!(select["served_by_primary"], true);
    assert!(select["size_after"].as_u64().unwrap() >= 4096);
    assert_eq!(results[0]["success"], true);
}

#[tokio::test]
async fn rows_come_in_the_format_that_was_asked_for() {
    let world = World::new().await;
    let mut request = D1Request::sql("SELECT 1 AS a, x'00ff' AS b, 3 AS a");
    assert_eq!(
        world.ask(request.clone()).await.unwrap()[0]["results"],
        json!([{"a": 3, "b": [0, 255]}])
    );
    request.format = RowFormat::ColumnsAndRows;
    let raw = world.ask(request.clone()).await.unwrap();
    assert_eq!(raw[0]["results"], json!({"columns": ["a", "b", "a"], "rows": [[1, [0, 255], 3]]}));
    request.format = RowFormat::Nothing;
    assert_eq!(world.ask(request).await.unwrap()[0]["results"], json!([]));
}

#[tokio::test]
async fn values_come_back_as_javascript_can_hold_them() {
    let world = World::new().await;
    let rows = world
        .rows("SELECT 9007199254740993 AS big, 9e999 AS inf, CAST(x'61ff' AS TEXT) AS bad, 1.0 AS one")
        .await;
    // A number without a fraction is written without one; `json!(1)` is not `json!(1.0)`.
    let want =
        json!([{ "big": 9_007_199_254_740_992_i64, "inf": null, "bad": "a\u{fffd}", "one": 1 }]);
    assert_eq!(rows, want);
}

#[tokio::test]
async fn parameters_keep_their_types() {
    let world = World::new().await;
    let params = vec![
        Param::Null,
        Param::Integer(7),
        Param::Real(1.5),
        Param::Text("ü".into()),
        Param::Blob(vec![1, 2]),
    ];
    let sql = "SELECT typeof(?1) a, typeof(?2) b, typeof(?3) c, typeof(?4) d, hex(?5) e";
    let statement = D1Statement { sql: sql.into(), params: params.clone() };
    let mut request = D1Request { statements: vec![statement], format: RowFormat::Objects };
    let expected = json!([{"a": "null", "b": "integer", "c": "real", "d": "text", "e": "0102"}]);
    for _ in 0..3 {
        assert_eq!(world.ask(request.clone()).await.unwrap()[0]["results"], expected);
    }
    request.statements[0].params.push(Param::Null);
    let error = world.ask(request.clone()).await.unwrap_err();
    assert_eq!(error, "Wrong number of parameter bindings for SQL query.");
    request.statements = vec![D1Statement { sql: "SELECT 1; SELECT 2".into(), params }];
    assert!(world.ask(request).await.unwrap_err().starts_with("Wrong number of parameter"));
}

#[tokio::test]
async fn errors_have_the_words_of_d1() {
    let world = World::new().await;
    world
        .run(
            "CREATE TABLE t (a UNIQUE NOT NULL, CHECK (a <> 'c')); INSERT INTO t VALUES ('a');\
              CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p)",
        )
        .await
        .unwrap();
    for (sql, expected) in [
        ("SELECT * FROM nope", "no such table: nope: SQLITE_ERROR"),
        ("SELECT nope FROM t", "no such column: nope at offset 7: SQLITE_ERROR"),
        ("SELEC 1", "near \"SELEC\": syntax error at offset 0: SQLITE_ERROR"),
        (
            "INSERT INTO t VALUES ('a')",
            "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
        ),
        (
            "INSERT INTO t VALUES (NULL)",
            "NOT NULL constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)",
        ),
        (
            "INSERT INTO t VALUES ('c')",
            "CHECK constraint failed: a <> 'c': SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)",
        ),
        (
            "INSERT INTO c VALUES (9)",
            "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)",
        ),
        (" -- nothing\n;", "No SQL statements detected."),
        ("", "No SQL statements detected."),
        (
            "SELECT 'a' LIKE printf('%.*c', 51, 'x')",
            "LIKE or GLOB pattern too complex: SQLITE_ERROR",
        ),
        ("SELECT zeroblob(2000001)", "string or blob too big: SQLITE_TOOBIG"),
        (
            "SELECT load_extension('x')",
            "not authorized to use function: load_extension at offset 7: SQLITE_ERROR",
        ),
        (
            "SELECT sqlite_version()",
            "not authorized to use function: sqlite_version at offset 7: SQLITE_ERROR",
        ),
    ] {
        assert_eq!(world.refusal(sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn what_d1_does_not_allow_is_refused() {
    let world = World::new().await;
    world.run("CREATE TABLE t (a)").await.unwrap();
    for sql in ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s"] {
        assert!(world.refusal(sql).await.starts_with("To execute a transaction"), "{sql}");
    }
    for sql in [
        "ATTACH ':memory:' AS x",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = ON",
        "PRAGMA user_version = 7",
        "PRAGMA user_version",
        "PRAGMA compile_options",
        "CREATE TEMP TABLE x (a)",
        "CREATE TABLE _cf_x (a)",
        "ALTER TABLE t RENAME TO _cf_x",
        "CREATE VIRTUAL TABLE x USING dbstat",
    ] {
        assert!(world.refusal(sql).await.contains("not authorized"), "{sql}");
    }
    assert!(world.refusal("VACUUM").await.contains("SQLITE_"));
    assert_eq!(world.rows("SELECT count(*) AS n FROM t").await, json!([{"n": 0}]));
}

#[tokio::test]
async fn what_d1_documents_works() {
    let world = World::new().await;
    for sql in [
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT, j TEXT)",
        "CREATE INDEX i ON t (a)",
        "CREATE VIRTUAL TABLE f USING fts5(body)",
        "INSERT INTO f VALUES ('the quick brown fox')",
        "ALTER TABLE t ADD COLUMN b",
        "ALTER TABLE t RENAME COLUMN b TO c",
        "ALTER TABLE t DROP COLUMN c",
        "ALTER TABLE t RENAME TO u",
        "ALTER TABLE u RENAME TO t",
        "CREATE VIEW v AS SELECT * FROM t",
        "PRAGMA table_list",
        "PRAGMA table_info(t)",
        "PRAGMA table_xinfo('t')",
        "PRAGMA index_list(t)",
        "PRAGMA index_info(i)",
        "PRAGMA index_xinfo(i)",
        "PRAGMA foreign_key_list(t)",
        "PRAGMA foreign_key_check",
        "PRAGMA quick_check",
        "PRAGMA optimize",
        "PRAGMA case_sensitive_like = ON",
        "PRAGMA case_sensitive_like = OFF",
        "ANALYZE",
        "REINDEX t",
        "SELECT * FROM pragma_table_info('t')",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT * FROM n",
        "SELECT json_extract('{\"a\": 1}', '$.a'), sqrt(2), pow(2, 3), unixepoch()",
        "EXPLAIN QUERY PLAN SELECT * FROM t",
        "DROP TABLE f",
    ] {
        world.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    world
        .run("CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('a fox'), ('a dog')")
        .await
        .unwrap();
    assert_eq!(
        world
            .rows(
                "SELECT highlight(f, 0, '<', '>') AS h FROM f WHERE f MATCH 'fox' ORDER BY bm25(f)"
            )
            .await,
        json!([{"h": "a <fox>"}])
    );
}

#[tokio::test]
async fn a_request_is_all_or_nothing() {
    let world = World::new().await;
    world.run("CREATE TABLE t (a UNIQUE)").await.unwrap();
    let before = world.d1.info(&world.at).await.unwrap().bookmark;
    let batch = |last: &str| D1Request {
        statements: ["INSERT INTO t VALUES (1)", "CREATE TABLE u (x)", last]
            .map(D1Statement::new)
            .to_vec(),
        format: RowFormat::Objects,
    };
    world.ask(batch("INSERT INTO t VALUES (1)")).await.unwrap_err();
    world.ask(batch("SELECT * FROM nope")).await.unwrap_err();
    world.run("INSERT INTO t VALUES (5); CREATE TABLE u (x); SELECT raise_it()").await.unwrap_err();
    assert_eq!(world.rows("SELECT count(*) AS n FROM t").await, json!([{"n": 0}]));
    assert_eq!(
        world.rows("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'u'").await,
        json!([{"n": 0}])
    );
    assert_eq!(world.d1.info(&world.at).await.unwrap().bookmark, before);
    world.ask(batch("INSERT INTO t VALUES (2)")).await.unwrap();
    assert_eq!(world.rows("SELECT count(*) AS n FROM t").await, json!([{"n": 2}]));
}

#[tokio::test]
async fn foreign_keys_are_on_and_stay_on() {
    let world = World::new().await;
    world
        .run("CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);\
              CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE); INSERT INTO c VALUES (1), (1);\
              PRAGMA foreign_keys = OFF")
        .await
        .unwrap();
    world.run("PRAGMA foreign_keys = OFF").await.unwrap();
    world.run("PRAGMA foreign_keys = OFF").await.unwrap();
    assert_eq!(world.rows("PRAGMA foreign_keys").await, json!([{"foreign_keys": 1}]));
    // The standard rebuild of a parent loses the children, as it does on D1.
    world
        .run(
            "PRAGMA foreign_keys = OFF; CREATE TABLE n (id INTEGER PRIMARY KEY, x);\
              INSERT INTO n (id) SELECT id FROM p; DROP TABLE p; ALTER TABLE n RENAME TO p",
        )
        .await
        .unwrap();
    assert_eq!(world.rows("SELECT count(*) AS n FROM c").await, json!([{"n": 0}]));
}

#[tokio::test]
async fn a_deferred_foreign_key_fails_the_request_at_its_end() {
    let world = World::new().await;
    world
        .run("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p)")
        .await
        .unwrap();
    let error = world
        .run("PRAGMA defer_foreign_keys = ON; INSERT INTO c VALUES (1); SELECT 1")
        .await
        .unwrap_err();
    assert!(error.starts_with("FOREIGN KEY constraint failed: SQLITE_CONSTRAINT"), "{error}");
    assert_eq!(world.rows("SELECT count(*) AS n FROM c").await, json!([{"n": 0}]));
    world
        .run("PRAGMA defer_foreign_keys = ON; INSERT INTO c VALUES (1); INSERT INTO p VALUES (1)")
        .await
        .unwrap();
}

#[tokio::test]
async fn bookmarks_grow_with_each_write_and_survive_a_restart() {
    let world = World::new().await;
    let mut last = world.d1.info(&world.at).await.unwrap().bookmark;
    world.run("CREATE TABLE t (a)").await.unwrap();
    for _ in 0..3 {
        let answer =
            world.d1.query(&world.at, D1Request::sql("INSERT INTO t VALUES (1)")).await.unwrap();
        assert!(answer.bookmark > last && answer.bookmark.to_string() > last.to_string());
        last = answer.bookmark;
        let read = world.d1.query(&world.at, D1Request::sql("SELECT * FROM t")).await.unwrap();
        assert_eq!(read.bookmark, last);
    }
    world.d1.close().await;
    assert_eq!(world.d1.info(&world.at).await.unwrap().bookmark, last);
    assert_eq!(last.to_string().split('-').map(str::len).collect::<Vec<_>>(), [8, 8, 8, 32]);
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = D1Options::default();
    options.max_duration = std::time::Duration::from_millis(50);
    let d1 = D1::new(folder.path(), clock(), options);
    let at = database("018f3c5e-0000-7000-8000-000000000001");
    d1.create(&at).await.unwrap();
    let endless =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n";
    let error = d1.query(&at, D1Request::sql(endless)).await.unwrap_err();
    assert!(error.to_string().contains("exceeded timeout"), "{error}");
    d1.query(&at, D1Request::sql("SELECT 1")).await.unwrap();
}

#[tokio::test]
async fn a_dump_loads_into_an_equal_database() {
    let world = World::new().await;
    world
        .run("CREATE TABLE \"q t\" (id INTEGER PRIMARY KEY, s TEXT, b BLOB, r REAL); CREATE TABLE c (p REFERENCES \"q t\");\
              INSERT INTO \"q t\" VALUES (1, 'it''s; two' || char(10) || 'lines', x'00ff', 1.5), (2, NULL, NULL, NULL);\
              INSERT INTO c VALUES (1); CREATE INDEX i ON c (p);\
              CREATE TRIGGER g AFTER INSERT ON c BEGIN UPDATE c SET p = CASE WHEN p > 5 THEN 1 ELSE p END; END;")
        .await
        .unwrap();
    let file = world.root.join("dump.sql");
    world.d1.export(&world.at, ExportOptions::default(), &file).await.unwrap();
    let other = database("018f3c5e-0000-7000-8000-000000000002");
    world.d1.create(&other).await.unwrap();
    let report = world.d1.import(&other, &file, |_| ()).await.unwrap();
    assert_eq!(report.num_queries, 8);
    let again = world.root.join("again.sql");
    world.d1.export(&other, ExportOptions::default(), &again).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), std::fs::read_to_string(&again).unwrap());
    world.run("CREATE VIRTUAL TABLE f USING fts5(x)").await.unwrap();
    let error = world.d1.export(&world.at, ExportOptions::default(), &file).await.unwrap_err();
    assert!(error.to_string().contains("Virtual Tables"), "{error}");
}

#[tokio::test]
async fn an_import_that_fails_leaves_nothing_behind() {
    let world = World::new().await;
    let file = world.root.join("in.sql");
    let filler = "INSERT INTO t VALUES ('x; -- y');\n".repeat(10_000);
    std::fs::write(&file, format!("CREATE TABLE t (a);\n{filler}INSERT INTO nope VALUES (1);"))
        .unwrap();
    let error = world.d1.import(&world.at, &file, |_| ()).await.unwrap_err();
    assert_eq!(error.to_string(), "no such table: nope: SQLITE_ERROR");
    assert_eq!(world.rows("SELECT count(*) AS n FROM sqlite_schema").await, json!([{"n": 0}]));
    std::fs::write(&file, format!("CREATE TABLE t (a);\n{filler}")).unwrap();
    let report = world.d1.import(&world.at, &file, |_| ()).await.unwrap();
    assert_eq!((report.num_queries, report.meta.changes), (10_001, 10_000));
}

#[tokio::test]
async fn a_missing_database_is_never_made_by_asking() {
    let world = World::new().await;
    let other = database("018f3c5e-0000-7000-8000-000000000002");
    let kind = |outcome: Result<_, clodo_storage::D1Error>| outcome.map(|_| ()).unwrap_err().kind();
    assert_eq!(
        kind(world.d1.query(&other, D1Request::sql("SELECT 1")).await),
        D1ErrorKind::NotFound
    );
    assert_eq!(world.d1.create(&world.at).await.unwrap_err().kind(), D1ErrorKind::Exists);
    world.run("CREATE TABLE t (a)").await.unwrap();
    // Somebody deletes the state folder under the open database.
    std::fs::remove_dir_all(world.file().parent().unwrap()).unwrap();
    assert_eq!(
        kind(world.d1.query(&world.at, D1Request::sql("SELECT 1")).await),
        D1ErrorKind::NotFound
    );
    assert!(!world.d1.delete(&world.at).await.unwrap());
    world.d1.create(&world.at).await.unwrap();
    assert_eq!(world.refusal("SELECT * FROM t").await, "no such table: t: SQLITE_ERROR");
    assert!(world.d1.delete(&world.at).await.unwrap());
}

#[tokio::test]
async fn a_damaged_file_is_an_error_that_names_it() {
    let world = World::new().await;
    world.run("CREATE TABLE t (a); INSERT INTO t VALUES (randomblob(100000))").await.unwrap();
    world.d1.close().await;
    let whole = std::fs::read(world.file()).unwrap();
    let mut scrambled = whole.clone();
    scrambled[4096..].fill(0x5a);
    for bad in [b"this is no database at all, whoever wrote it here".repeat(100), scrambled] {
        std::fs::write(world.file(), bad).unwrap();
        let error = world.d1.query(&world.at, D1Request::sql("SELECT * FROM t")).await.unwrap_err();
        assert_eq!(error.kind(), D1ErrorKind::Storage, "{error}");
        assert!(error.to_string().contains(".sqlite"), "{error}");
        world.d1.close().await;
    }
    std::fs::write(world.file(), whole).unwrap();
    assert_eq!(world.rows("SELECT count(*) AS n FROM t").await, json!([{"n": 1}]));
}

// conformance: d1 | limits: 32 arguments of a function, 100 variables, 100 columns, 2 MB values, 50 bytes of a LIKE pattern, 100 KB statements | documented
#[tokio::test]
async fn the_documented_limits_hold_to_the_byte() {
    let world = World::new().await;
    world.run("CREATE TABLE t (a)").await.unwrap();
    let list = |count: usize, of: &str| vec![of; count].join(",");
    for (good, bad, words) in [
        (
            format!("SELECT coalesce({})", list(32, "1")),
            format!("SELECT coalesce({})", list(33, "1")),
            "too many arguments on function coalesce",
        ),
        (
            format!("CREATE TABLE wide ({})", columns(100)),
            format!("CREATE TABLE wider ({})", columns(101)),
            "too many columns on wider",
        ),
        (
            "SELECT length(zeroblob(2000000))".into(),
            "SELECT length(zeroblob(2000001))".into(),
            "string or blob too big: SQLITE_TOOBIG",
        ),
        (
            format!("SELECT 'x' LIKE '{}'", "x".repeat(50)),
            format!("SELECT 'x' LIKE '{}'", "x".repeat(51)),
            "LIKE or GLOB pattern too complex: SQLITE_ERROR",
        ),
        (
            format!("SELECT 'x' GLOB '{}'", "x".repeat(50)),
            format!("SELECT 'x' GLOB '{}'", "x".repeat(51)),
            "LIKE or GLOB pattern too complex: SQLITE_ERROR",
        ),
        (
            format!("SELECT {}1{}", "(".repeat(50), ")".repeat(50)),
            format!("SELECT {}1{}", "1+(".repeat(200), ")".repeat(200)),
            "Expression tree is too large (maximum depth 100)",
        ),
        ("SELECT 1".into(), "SELECT randomblob(2000000000)".into(), "string or blob too big"),
        (
            "SELECT 1".into(),
            format!("SELECT '{}'", "x".repeat(100_000)),
            "statement too long: SQLITE_TOOBIG",
        ),
    ] {
        world.run(&good).await.unwrap_or_else(|error| panic!("{good:.80}: {error}"));
        let error = world.refusal(&bad).await;
        assert!(error.starts_with(words), "{bad:.80}: {error}");
    }
    let with = |count: usize| D1Request {
        statements: vec![D1Statement {
            sql: format!("SELECT {}", list(count, "?")),
            params: vec![Param::Integer(1); count],
        }],
        format: RowFormat::Nothing,
    };
    world.ask(with(100)).await.unwrap();
    let error = world.ask(with(101)).await.unwrap_err();
    assert!(error.starts_with("too many SQL variables at offset "), "{error}");
    assert!(error.ends_with(": SQLITE_ERROR"), "{error}");
}

fn columns(count: usize) -> String {
    (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn hostile_text_is_an_answer_and_not_a_crash() {
    let world = World::new().await;
    world.run("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await.unwrap();
    let deep = "SELECT ".to_owned() + &"(SELECT ".repeat(5_000) + "1" + &")".repeat(5_000);
    let nested = "[".repeat(90_000);
    for sql in [
        deep.as_str(),
        &format!("SELECT json('{nested}')"),
        &"SELECT 1 UNION ALL ".repeat(4_000),
        &"x".repeat(10_000_000),
        &";".repeat(10_000_000),
        "SELECT load_extension('/etc/passwd')",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('/tmp/x', 1)",
        "SELECT fts3_tokenizer('x', x'00')",
        "SELECT * FROM sqlite_dbpage",
        "SELECT * FROM dbstat",
        "SELECT * FROM pragma_user_version",
        "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = ''",
        "UPDATE sqlite_schema SET sql = 'x'",
        "DELETE FROM sqlite_schema",
        "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 2, 'x')",
        "DROP TABLE sqlite_schema",
        "VACUUM INTO '/tmp/x'",
        "ATTACH '/etc/passwd' AS x",
        "DETACH main",
        "PRAGMA temp_store_directory = '/tmp'",
        "CREATE VIRTUAL TABLE x USING fts3(a)",
        "CREATE VIRTUAL TABLE x USING csv(filename='/etc/passwd')",
        "\u{0}",
    ] {
        assert!(world.run(sql).await.is_err(), "{sql:.60}");
    }
    // What stands behind a NUL is not SQL any more, as in SQLite.
    assert_eq!(world.rows("SELECT 1 AS n\0; DROP TABLE t").await, json!([{ "n": 1 }]));
    assert_eq!(world.rows("SELECT a FROM t").await, json!([{ "a": 1 }]));
    let many = "SELECT 1;".repeat(20_000);
    assert_eq!(world.run(&many).await.unwrap().as_array().unwrap().len(), 20_000);
}

#[tokio::test]
async fn one_databases_endless_query_does_not_hold_up_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = D1Options::default();
    options.max_duration = std::time::Duration::from_secs(3);
    let d1 = D1::new(folder.path(), clock(), options);
    let (busy, free) = (
        database("018f3c5e-0000-7000-8000-000000000001"),
        database("018f3c5e-0000-7000-8000-000000000002"),
    );
    d1.create(&busy).await.unwrap();
    d1.create(&free).await.unwrap();
    let endless = D1Request::sql(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    );
    let mut stuck = std::pin::pin!(d1.query(&busy, endless));
    for _ in 0..50 {
        tokio::select! {
            biased;
            answer = d1.query(&free, D1Request::sql("SELECT 1")) => drop(answer.unwrap()),
            ended = &mut stuck => panic!("it ended first: {ended:?}"),
        }
    }
    let error = stuck.await.unwrap_err().to_string();
    assert!(error.contains("exceeded timeout"), "{error}");
    d1.query(&busy, D1Request::sql("SELECT 1")).await.unwrap();
}
