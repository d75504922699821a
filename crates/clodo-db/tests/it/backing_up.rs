//! Backups come back as what they were of, in every database that reads them.

use async_trait::async_trait;
use clodo_db::{
    BackupError, BackupOptions, Capabilities, Database, DatabaseError, Existing, RestoreError,
    RestoreOptions, Rows, SqliteDatabase, Statement, Still, Value, backup, compare, restore,
    verify_text,
};
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

pub(crate) async fn dump(database: &SqliteDatabase, options: &BackupOptions) -> Vec<u8> {
    let mut out = Vec::new();
    let report = backup(database, database, &mut out, options).await.unwrap();
    assert!(report.summary.consistent);
    assert_eq!(report.bytes, out.len() as u64);
    assert_eq!(verify_text(&mut out.as_slice()).unwrap(), report.summary);
    out
}

/// Restored here and by the shell of SQLite, it is the same.
pub(crate) async fn comes_back(database: &SqliteDatabase, options: &BackupOptions) -> Vec<u8> {
    let out = dump(database, options).await;
    let again = SqliteDatabase::in_memory().await.unwrap();
    let small = RestoreOptions::default().with_request_bytes(2_000);
    restore(&again, &out, &small).await.unwrap_or_else(|error| {
        panic!("{error:?}\n{}", String::from_utf8_lossy(&out));
    });
    same(database, &again, &out).await;
    let twice = dump(&again, options).await;
    assert_eq!(body(&out), body(&twice));
    if shell().is_some() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        load(&path, &out);
        let loaded = SqliteDatabase::open(&path, clodo_sqlite::OpenOptions::default());
        same(database, &loaded.await.unwrap(), &out).await;
    }
    out
}

async fn same(one: &SqliteDatabase, other: &SqliteDatabase, dump: &[u8]) {
    let differences = compare(one, other).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}\n{}", String::from_utf8_lossy(dump));
    assert!(compare(other, one).await.unwrap().is_empty());
}

/// Without the last line, which names the moment.
fn body(dump: &[u8]) -> &[u8] {
    let end = dump[..dump.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    &dump[..end]
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn shell() -> Option<&'static str> {
    let found = Command::new("sqlite3").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no sqlite3 here to load the dump with");
    }
    found.then_some("sqlite3")
}

fn load(path: &Path, dump: &[u8]) {
    let mut shell = Command::new("sqlite3")
        .args(["-batch", "-bail"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    // Nothing has to survive a power cut here.
    input.write_all(b"PRAGMA synchronous=OFF;\n").unwrap();
    input.write_all(dump).unwrap();
    input.write_all(b"PRAGMA integrity_check;\n").unwrap();
    drop(input);
    let done = shell.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{said}\n{}", String::from_utf8_lossy(dump));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "ok\n");
}

async fn with(sql: &str) -> SqliteDatabase {
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script(sql).await.unwrap();
    database
}

async fn one(database: &dyn Database, sql: &str) -> Value {
    database.query(&Statement::new(sql)).await.unwrap().rows[0][0].clone()
}

const ODD: &str = "
    CREATE TABLE \"a\"\"b;--\" (\"c'd\" PRIMARY KEY, \"select\" TEXT, g AS (\"select\" || '!') STORED);
    INSERT INTO \"a\"\"b;--\" VALUES (9007199254740993, 'x'), (-9223372036854775808, NULL), (x'0027', ''),
        ('it''s', 'a' || char(13) || char(10) || 'b;' || char(10) || '-- clodo-backup-end {}'), (9e999, '.quit');
    INSERT INTO \"a\"\"b;--\" VALUES (-9e999, CAST(x'ff00fe' AS TEXT)), (0.1, char(0) || 'x'), (1.0, char(65533)),
        (5e-324, CAST(x'c328' AS TEXT)), (1.7976931348623157e308, CAST(x'' AS TEXT)), (123456789.12345678, 'ü');
    CREATE TABLE hidden (a, b); INSERT INTO hidden (rowid, a, b) VALUES (-5, 1, 2), (7, 'x', x''), (9007199254740995, NULL, 1);
    CREATE TABLE taken (rowid TEXT, _rowid_, oid INTEGER); INSERT INTO taken VALUES ('x', 1, 2), (NULL, NULL, NULL);
    CREATE TABLE partly (rowid TEXT, b); INSERT INTO partly (_rowid_, rowid, b) VALUES (44, 'x', 1);
    CREATE TABLE down (id INTEGER PRIMARY KEY DESC, x); INSERT INTO down (rowid, id, x) VALUES (99, 1, 2);
    CREATE TABLE pair (a TEXT COLLATE NOCASE, b BLOB, c, PRIMARY KEY (b, a DESC)) WITHOUT ROWID;
    INSERT INTO pair VALUES ('A', 1, 1), ('b', 1, 2), ('a', x'01', 3), (CAST(x'ff' AS TEXT), 'q', 4), ('a', 1.5, 4);
    CREATE TABLE strict (id INTEGER PRIMARY KEY AUTOINCREMENT, v ANY, r REAL, t TEXT) STRICT;
    INSERT INTO strict VALUES (4, '1', 1, '1'), (5, 1, 2.5, '2'); DELETE FROM strict WHERE id = 5;
    CREATE TABLE log (said);
    CREATE TRIGGER \"tr;\" AFTER INSERT ON strict BEGIN INSERT INTO log VALUES ('it''s; END;'); SELECT 1; END;
    CREATE VIEW v (x, y) AS SELECT id, CASE WHEN v THEN 1 END FROM strict -- why
    ;
    CREATE TRIGGER iv INSTEAD OF INSERT ON v BEGIN INSERT INTO log VALUES (new.x); END;
    CREATE UNIQUE INDEX \"i\"\"1\" ON hidden (a) WHERE b > 0;
    CREATE INDEX i2 ON hidden (a + 1, lower(b) DESC);
    CREATE TABLE parent (id INTEGER, name TEXT); CREATE UNIQUE INDEX p ON parent (id);
    CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent (id) ON DELETE CASCADE);
    INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (1, 1), (2, NULL);
    CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER NOT NULL REFERENCES tree (id) ON DELETE RESTRICT);
    INSERT INTO tree VALUES (3, 3), (1, 3), (2, 1);
    CREATE TABLE \"\" (id INTEGER PRIMARY KEY, x REFERENCES \"\" (id), t); INSERT INTO \"\" VALUES (1, 2, '\"_clodo_pieces\"'), (2, 1, '');
    CREATE TABLE egg (id INTEGER PRIMARY KEY, hen INTEGER NOT NULL REFERENCES hen (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE hen (id INTEGER PRIMARY KEY, egg INTEGER NOT NULL REFERENCES egg (id) DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO egg VALUES (1, 2), (2, 1); INSERT INTO hen VALUES (2, 1), (1, 2);
    CREATE TABLE empty (a);";

#[tokio::test]
async fn odd_values_and_schemas_come_back() {
    let database = with(ODD).await;
    let out = comes_back(&database, &BackupOptions::default()).await;
    let text = String::from_utf8(out).unwrap();
    assert!(text.lines().all(|line| line.len() < 100_000));
    // However small the pages are.
    comes_back(&database, &BackupOptions::default().with_page_bytes(1)).await;
    let scratch = tempfile::tempdir().unwrap();
    let options = BackupOptions::default().with_scratch(scratch.path());
    let through_files = comes_back(&database, &options).await;
    assert_eq!(body(&through_files), body(text.as_bytes()));
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn an_empty_database_comes_back() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    comes_back(&database, &BackupOptions::default()).await;
}

const SEARCH: &str = "
    CREATE VIRTUAL TABLE plain USING fts5(title, body UNINDEXED, n, tokenize = \"porter unicode61\");
    INSERT INTO plain (rowid, title, body, n) VALUES (3, 'running foxes', x'00ff', 9007199254740993), (9007199254740993, 'a fox', 'b', NULL);
    INSERT INTO plain (plain, rank) VALUES ('pgsz', 64), ('rank', 'bm25(10.0, 5.0, 1.0)');
    CREATE TABLE notes (id INTEGER PRIMARY KEY, \"te xt\" TEXT, public);
    CREATE VIRTUAL TABLE partial USING fts5(\"te xt\", content='notes', content_rowid='id');
    CREATE TRIGGER in_index AFTER INSERT ON notes WHEN new.public BEGIN
        INSERT INTO partial (rowid, \"te xt\") VALUES (new.id, new.\"te xt\"); END;
    INSERT INTO notes VALUES (1, 'open words', 1), (2, 'secret words', 0), (-4, 'more open words', 1);
    CREATE VIEW shown AS SELECT id AS rowid, upper(\"te xt\") AS \"text\" FROM notes WHERE public;
    CREATE VIRTUAL TABLE over_view USING fts5(text, content='shown');
    INSERT INTO over_view (over_view) VALUES ('rebuild');
    CREATE VIRTUAL TABLE bare USING fts5(a, b, content='', contentless_delete=1);
    INSERT INTO bare (rowid, a, b) VALUES (5, 'hello world', 'x'), (8, 'other', 'hello'), (9, 'gone', 'gone');
    DELETE FROM bare WHERE rowid = 9;
    CREATE VIRTUAL TABLE \"words of it's\" USING fts5vocab(plain, row);
    CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, +note);
    INSERT INTO boxes VALUES (1, 0.1, 2.5, 'it'), (7, -3, 4, x'00');
    CREATE VIRTUAL TABLE old USING fts4(a, b, tokenize=porter);
    INSERT INTO old (docid, a, b) VALUES (12, 'running', 'foxes');";

#[tokio::test]
async fn virtual_tables_find_what_they_found() {
    let database = with(SEARCH).await;
    let out = dump(&database, &BackupOptions::default()).await;
    assert_eq!(verify_text(&mut out.as_slice()).unwrap().contentless, ["bare"]);
    let again = SqliteDatabase::in_memory().await.unwrap();
    restore(&again, &out, &RestoreOptions::default()).await.unwrap();
    same(&database, &again, &out).await;
    for (sql, gives) in [
        ("SELECT group_concat(rowid) FROM plain WHERE plain MATCH 'fox'", "3,9007199254740993"),
        ("SELECT group_concat(rowid) FROM partial WHERE partial MATCH 'words'", "-4,1"),
        ("SELECT group_concat(rowid) FROM over_view WHERE over_view MATCH 'more'", "-4"),
        ("SELECT group_concat(rowid) FROM bare WHERE bare MATCH 'hello OR gone'", "5,8"),
        ("SELECT group_concat(docid) FROM old WHERE old MATCH 'run'", "12"),
        ("SELECT group_concat(term) FROM \"words of it's\"", "a,fox,run,9007199254740993"),
        ("SELECT group_concat(id) FROM boxes WHERE x1 < 3", "1"),
        (
            "SELECT group_concat(k || v) FROM plain_config WHERE k <> 'version'",
            "pgsz64,rankbm25(10.0, 5.0, 1.0)",
        ),
    ] {
        let mut found = [one(&database, sql).await, one(&again, sql).await];
        for value in &mut found {
            let mut parts: Vec<&str> = value.as_text().unwrap().split(',').collect();
            parts.sort_unstable();
            *value = parts.join(",").into();
        }
        let mut gives: Vec<&str> = gives.split(',').collect();
        gives.sort_unstable();
        assert_eq!(found, [gives.join(",").into(), gives.join(",").into()], "{sql}");
    }
    for name in ["plain", "partial", "over_view", "bare", "old"] {
        let check = format!("INSERT INTO {name} ({name}) VALUES ('integrity-check')");
        again.script(&check).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let check = one(&again, "SELECT rtreecheck('boxes')").await;
    assert_eq!(check, "ok".into());
    // A write after the restore goes to the index that the rows came with.
    again
        .script(
            "INSERT INTO bare (rowid, a) VALUES (10, 'hello'); DELETE FROM bare WHERE rowid = 5;",
        )
        .await
        .unwrap();
    let found = one(&again, "SELECT group_concat(rowid) FROM bare WHERE bare MATCH 'hello'").await;
    assert_eq!(found, "8,10".into());
}

/// SQLite says of any table that is called like one of a virtual table's that it is one.
#[tokio::test]
async fn tables_that_are_only_called_like_those_of_a_virtual_one_are_kept() {
    for (sql, rows) in [
        (
            "CREATE VIRTUAL TABLE notes USING fts3(body); CREATE TABLE notes_stat (day TEXT, views INT); \
             INSERT INTO notes VALUES ('hello'); INSERT INTO notes_stat VALUES ('a', 5), ('b', 6);",
            2,
        ),
        (
            "CREATE TABLE docs_content (id INTEGER PRIMARY KEY, body TEXT); \
             INSERT INTO docs_content VALUES (1, 'hello'), (2, 'bye'); \
             CREATE VIRTUAL TABLE docs USING fts5(body, content='docs_content', content_rowid='id'); \
             INSERT INTO docs (docs) VALUES ('rebuild');",
            2,
        ),
        (
            "CREATE TABLE src (a); INSERT INTO src VALUES ('one'); \
             CREATE VIRTUAL TABLE n USING fts4(content=\"src\", a); CREATE TABLE n_content (x); \
             INSERT INTO n_content VALUES (1), (2), (3); INSERT INTO n (n) VALUES ('rebuild');",
            3,
        ),
        (
            "CREATE VIRTUAL TABLE n USING fts5(a, columnsize=0); CREATE TABLE n_docsize (x); \
             INSERT INTO n_docsize VALUES (1); INSERT INTO n VALUES ('one');",
            1,
        ),
    ] {
        let database = with(sql).await;
        let dump = comes_back(&database, &BackupOptions::default()).await;
        let kept = verify_text(&mut dump.as_slice()).unwrap().rows;
        assert!(kept.values().any(|count| *count == rows), "{sql}\n{kept:?}");
    }
}

/// What nobody else could make again is no backup.
#[tokio::test]
async fn a_schema_that_only_its_own_program_knows_is_refused_and_may_be_looked_at() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let own = |db: &mut clodo_sqlite::rusqlite::Connection| db.create_collation("own", str::cmp);
    database.sqlite().call(own).await.unwrap();
    database
        .script("CREATE TABLE t (a TEXT COLLATE own); INSERT INTO t VALUES ('x');")
        .await
        .unwrap();
    let mut out = Vec::new();
    let refused = backup(&database, &database, &mut out, &BackupOptions::default()).await;
    assert!(
        matches!(&refused, Err(BackupError::Foreign(what)) if what.contains("own")),
        "{refused:?}"
    );
    assert_eq!(clodo_db::held(&database).await.unwrap().rows["t"], 1);
    // D1 lets no program bring anything along: what this SQLite lacks there, D1 has again.
    let mut out = Vec::new();
    backup(&OnD1(database), &Still, &mut out, &BackupOptions::default()).await.unwrap();
    assert_eq!(verify_text(&mut out.as_slice()).unwrap().rows["t"], 1);
}

/// A database that no program can have given anything of its own.
#[derive(Debug)]
struct OnD1(SqliteDatabase);

#[async_trait]
impl Database for OnD1 {
    fn capabilities(&self) -> Capabilities {
        Capabilities::d1()
    }

    async fn query(&self, statement: &Statement) -> Result<Rows, DatabaseError> {
        self.0.query(statement).await
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        self.0.batch(statements).await
    }

    async fn script(&self, sql: &str) -> Result<(), DatabaseError> {
        self.0.script(sql).await
    }
}

/// As on D1, whose build has them.
#[tokio::test]
async fn a_schema_that_calculates_comes_back() {
    let database = with(
        "CREATE TABLE t (a REAL CHECK (ceil(a) = a), b AS (pow(a, 2)) STORED); \
         CREATE INDEX root ON t (sqrt(a)); INSERT INTO t VALUES (9.0), (16.0);",
    )
    .await;
    let dump = comes_back(&database, &BackupOptions::default()).await;
    assert!(String::from_utf8(dump).unwrap().contains("ceil(a)"));
}

/// Counters are those of tables that count.
#[tokio::test]
async fn counters_that_count_nothing_are_left_behind() {
    let database = with(
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x); CREATE TABLE b (id INTEGER PRIMARY KEY, x); \
         DROP TABLE a; INSERT INTO sqlite_sequence VALUES ('b', 5);",
    )
    .await;
    let dumped = comes_back(&database, &BackupOptions::default()).await;
    assert!(!String::from_utf8(dumped).unwrap().contains("sqlite_sequence"));
}

/// Keys of some length, of rows whose values are fetched by themselves.
#[tokio::test]
async fn long_keys_fit_the_statements_that_ask_for_them() {
    let database = with(
        "CREATE TABLE pages (url TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
         INSERT INTO pages SELECT printf('a%06d', i), 'x' FROM n;
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
         INSERT INTO pages SELECT printf('h%06d%.*c', i, 480, 'p'), printf('%.*c', 4000, 'b') FROM n;",
    )
    .await;
    // As much as D1 takes.
    let limit = clodo_sqlite::rusqlite::limits::Limit::SQLITE_LIMIT_SQL_LENGTH;
    database.sqlite().call(move |db| db.set_limit(limit, 100_000).map(|_| ())).await.unwrap();
    comes_back(&database, &BackupOptions::default()).await;
}

#[tokio::test]
async fn the_shell_of_sqlite_loads_full_text_indexes() {
    if shell().is_none() {
        return;
    }
    // Debian's is older than `contentless_delete`.
    let database = with(
        &SEARCH
            .replace(", contentless_delete=1", "")
            .replace("DELETE FROM bare WHERE rowid = 9;", ""),
    )
    .await;
    let out = dump(&database, &BackupOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    load(&path, &out);
    let loaded = SqliteDatabase::open(&path, clodo_sqlite::OpenOptions::default()).await.unwrap();
    same(&database, &loaded, &out).await;
}

#[tokio::test]
async fn values_beyond_a_statement_come_back_whole() {
    let database = with(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, json TEXT CHECK (json_valid(json)), raw BLOB,
            a AS (json_extract(json, '$[0]')) STORED, odd TEXT);
         INSERT INTO big (id, json, raw, odd) VALUES
            (1, '[' || replace(hex(zeroblob(50000)), '0', '1,') || '0]', randomblob(1000001),
                CAST(x'ff' || randomblob(100001) AS TEXT)),
            (2, '[1]', x'00', 'x'),
            (3, '[2]', randomblob(60000), replace(hex(zeroblob(30000)), '0', '''')),
            (4, '[3]', zeroblob(2000001), NULL);",
    )
    .await;
    let out = comes_back(&database, &BackupOptions::default()).await;
    let text = std::str::from_utf8(&out).unwrap();
    let lengths: Vec<usize> = clodo_db::split(text).map(|one| one.text.len()).collect();
    // Only of what D1 could not hold is a statement longer than D1 takes.
    assert_eq!(lengths.iter().filter(|length| **length > 100_000).count(), 16);
    assert!(lengths.iter().all(|length| *length < 300_000));
}

#[tokio::test]
async fn pages_are_small_where_values_are_large() {
    let database = with(
        "CREATE TABLE keyed (k TEXT, v, PRIMARY KEY (k)) WITHOUT ROWID;
         INSERT INTO keyed VALUES (hex(randomblob(60000)), 1), ('b', randomblob(300000)),
            (char(10), hex(randomblob(20000)));
         CREATE TABLE many (id INTEGER PRIMARY KEY, v);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO many SELECT i, CASE WHEN i % 7 = 0 THEN randomblob(i) ELSE i END FROM n;",
    )
    .await;
    comes_back(&database, &BackupOptions::default().with_page_bytes(10_000)).await;
}

#[tokio::test]
async fn a_table_with_a_hundred_columns_comes_back() {
    let columns: Vec<String> = (0..100).map(|at| format!("c{at}")).collect();
    let values: Vec<String> = (0..100).map(|at| format!("hex(randomblob({}))", at * 20)).collect();
    let sql = format!(
        "CREATE TABLE wide ({}); INSERT INTO wide VALUES ({});",
        columns.join(", "),
        values.join(", ")
    );
    comes_back(&with(&sql).await, &BackupOptions::default()).await;
}

#[tokio::test]
async fn what_would_not_come_back_is_refused() {
    let refused = async |database: &SqliteDatabase| {
        let options = BackupOptions::default();
        backup(database, &Still, &mut Vec::new(), &options).await.unwrap_err()
    };
    let marked = with("CREATE TABLE _clodo_restore (sha256, done);").await;
    assert!(matches!(refused(&marked).await, BackupError::HalfRestored));
    let wide = SqliteDatabase::in_memory().await.unwrap();
    wide.sqlite()
        .call(|db| db.execute_batch("PRAGMA encoding = 'UTF-16'; CREATE TABLE t (x)"))
        .await
        .unwrap();
    assert!(matches!(refused(&wide).await, BackupError::Encoding));
    let locale = with("CREATE VIRTUAL TABLE f USING fts5(a, locale=1);").await;
    assert!(
        matches!(refused(&locale).await, BackupError::Unsupported { table, .. } if table == "f")
    );
}

#[tokio::test]
async fn a_dump_that_is_not_whole_is_refused_before_anything_is_written() {
    let database =
        with("CREATE TABLE t (x); INSERT INTO t VALUES ('a\n-- clodo-backup-end {}\nb');").await;
    let out = dump(&database, &BackupOptions::default()).await;
    let text = String::from_utf8(out.clone()).unwrap();
    let into = SqliteDatabase::in_memory().await.unwrap();
    let refused =
        async |dump: Vec<u8>| restore(&into, &dump, &RestoreOptions::default()).await.unwrap_err();
    assert!(matches!(refused(Vec::new()).await, RestoreError::NoDump));
    assert!(matches!(refused(b"CREATE TABLE t (x);\n".to_vec()).await, RestoreError::NoDump));
    assert!(matches!(refused(vec![0xff; 100]).await, RestoreError::NoDump));
    let newer = text.replacen("clodo-backup 1", "clodo-backup 2", 1).into_bytes();
    assert!(matches!(refused(newer).await, RestoreError::Format { format: 2 }));
    for end in [30, out.len() / 2, out.len() - 100, out.len() - 2, out.len() - 1] {
        assert!(
            matches!(refused(out[..end].to_vec()).await, RestoreError::Cut | RestoreError::Edited),
            "{end}"
        );
    }
    for (from, to) in [("'a", "'b"), ("\"t\":1", "\"t\":2"), ("sha256=", "sha256=0")] {
        assert!(text.contains(from));
        let edited = text.replacen(from, to, 1).into_bytes();
        assert!(matches!(refused(edited).await, RestoreError::Edited), "{from}");
    }
    let mut more = out.clone();
    more.extend(b"DROP TABLE t;\n");
    assert!(matches!(refused(more).await, RestoreError::Cut));
    assert_eq!(one(&into, "SELECT count(*) FROM sqlite_master").await, 0.into());
}

#[tokio::test]
async fn a_database_that_holds_something_is_left_as_it_is_unless_said_otherwise() {
    let database = with(ODD).await;
    let out = dump(&database, &BackupOptions::default()).await;
    let into = with(&format!("{ODD}{SEARCH}")).await;
    let error = restore(&into, &out, &RestoreOptions::default()).await.unwrap_err();
    assert!(matches!(error, RestoreError::NotEmpty));
    let go_on = RestoreOptions::default().with_existing(Existing::GoOn);
    assert!(matches!(restore(&into, &out, &go_on).await, Err(RestoreError::NotEmpty)));
    let replace = RestoreOptions::default().with_existing(Existing::Replace);
    restore(&into, &out, &replace).await.unwrap();
    same(&database, &into, &out).await;
}

/// What is compared is really looked at.
#[tokio::test]
async fn databases_that_differ_are_told_apart() {
    let all = format!("{ODD}{SEARCH}");
    for (change, name) in [
        ("UPDATE hidden SET rowid = 8 WHERE rowid = 7", "hidden"),
        (
            "UPDATE \"a\"\"b;--\" SET \"select\" = CAST(x'ff00fd' AS TEXT) WHERE \"c'd\" = -9e999",
            "a\"b;--",
        ),
        (
            "UPDATE \"a\"\"b;--\" SET \"c'd\" = 9007199254740992 WHERE \"c'd\" = 9007199254740993",
            "a\"b;--",
        ),
        ("UPDATE hidden SET b = '1' WHERE rowid = 9007199254740995", "hidden"),
        ("DELETE FROM pair WHERE c = 2", "pair"),
        ("DELETE FROM sqlite_sequence", "sqlite_sequence"),
        ("DROP INDEX i2", "index i2"),
        ("CREATE TRIGGER more AFTER INSERT ON log BEGIN SELECT 1; END", "trigger more"),
        ("DROP VIEW v; CREATE VIEW v AS SELECT 1", "trigger iv"),
        ("UPDATE plain SET title = 'running foxe' WHERE rowid = 3", "plain"),
        ("INSERT INTO partial (rowid, \"te xt\") VALUES (2, 'secret words')", "partial"),
        ("INSERT INTO bare (rowid, a) VALUES (6, 'hello')", "bare"),
        ("UPDATE boxes SET x1 = 9 WHERE id = 7", "boxes"),
    ] {
        let (one, other) = (with(&all).await, with(&all).await);
        other.script(change).await.unwrap();
        let found = compare(&one, &other).await.unwrap();
        assert!(found.iter().any(|difference| difference.name == name), "{change}: {found:?}");
    }
}

/// As D1 is: tables of virtual tables are written only through those.
#[tokio::test]
async fn an_index_without_texts_is_refused_where_it_cannot_be_written() {
    use clodo_sqlite::rusqlite::config::DbConfig;
    let defensive = async || {
        let database = SqliteDatabase::in_memory().await.unwrap();
        let set = database
            .sqlite()
            .call(|db| db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map(|_| ()));
        set.await.unwrap();
        database
    };
    let out = dump(&with(SEARCH).await, &BackupOptions::default()).await;
    let into = defensive().await;
    let refused = restore(&into, &out, &RestoreOptions::default()).await.unwrap_err();
    assert!(matches!(&refused, RestoreError::Contentless { tables } if *tables == ["bare"]));
    assert_eq!(one(&into, "SELECT count(*) FROM sqlite_master").await, 0.into());
    // All the others come back there, too.
    let rest = with(&format!("{SEARCH} DROP TABLE bare;")).await;
    let out = dump(&rest, &BackupOptions::default()).await;
    let into = defensive().await;
    restore(&into, &out, &RestoreOptions::default()).await.unwrap();
    same(&rest, &into, &out).await;
}

/// The key of a table without row numbers may tell apart what its columns do not.
#[tokio::test]
async fn rows_are_read_by_the_collation_of_their_key() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let sql = "CREATE TABLE t (k TEXT COLLATE NOCASE, v, PRIMARY KEY (k COLLATE BINARY)) WITHOUT ROWID;\n\
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)\n\
        INSERT INTO t SELECT 'a' || i, i FROM n;\n\
        INSERT INTO t SELECT upper(k), -v FROM t; INSERT INTO t VALUES ('0', 0);\n\
        CREATE TABLE large (k TEXT COLLATE NOCASE, v, PRIMARY KEY (k COLLATE BINARY)) WITHOUT ROWID;\n\
        INSERT INTO large VALUES ('a', zeroblob(1200000)), ('A', randomblob(1200000));\n\
        CREATE TABLE trimmed (k TEXT COLLATE RTRIM, v, PRIMARY KEY (k COLLATE BINARY)) WITHOUT ROWID;\n\
        INSERT INTO trimmed VALUES ('a', zeroblob(200000)), ('a ', randomblob(200000)), ('b', 1);";
    database.script(sql).await.unwrap();
    for page in [1, 5_000, 2 << 20] {
        comes_back(&database, &BackupOptions::default().with_page_bytes(page)).await;
    }
    let mut dump = Vec::new();
    let summary = backup(&database, &database, &mut dump, &BackupOptions::default()).await.unwrap();
    assert_eq!(summary.summary.rows["t"], 601);
}
