//! Values that migrations have no business with, read before and behind.

use crate::{
    applying::files,
    rebuilding::{REBUILD, SCHEMA, with},
};
use clodo_db::{Database as _, Migrator, SqliteDatabase, Untouched};

async fn untouched(database: &SqliteDatabase, sql: &str) -> Untouched {
    let all = files(&[("1.sql", sql)]);
    Migrator::new(database).plan(&all).await.unwrap().untouched().clone()
}

/// Applies a file, then changes something behind its back; says which tables hold other values.
async fn changed(database: &SqliteDatabase, sql: &str, behind: &str) -> Vec<String> {
    let untouched = untouched(database, sql).await;
    let frozen = untouched.freeze(database).await.unwrap();
    Migrator::new(database).up(&files(&[("1.sql", sql)])).await.unwrap();
    database.script(behind).await.unwrap();
    untouched.changed(database, &frozen).await.unwrap()
}

const TWO: &str = "CREATE TABLE p (id INTEGER PRIMARY KEY, a TEXT, b); \
    CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE, n); \
    INSERT INTO p VALUES (1, 'x', 1), (2, 'y', 2.5), (3, NULL, x'00ff'); \
    INSERT INTO c VALUES (1, 1, 1), (2, 1, 2), (3, 3, 9007199254740993);";

#[tokio::test]
async fn what_a_rebuild_keeps_is_the_same_in_whatever_order() {
    let database = with(SCHEMA).await;
    let untouched = untouched(&database, REBUILD).await;
    let frozen = untouched.freeze(&database).await.unwrap();
    assert!(untouched.tables() > 3 && frozen.rows() > 5, "{untouched:?} {frozen:?}");
    assert_eq!(changed(&database, REBUILD, "").await, [""; 0]);

    let rename = "ALTER TABLE p RENAME COLUMN a TO title; ALTER TABLE p RENAME TO parents; \
        ALTER TABLE parents ADD COLUMN z DEFAULT 1; ALTER TABLE c DROP COLUMN n;"
        .replace("ALTER TABLE c DROP", "\n-- clodo:allow drop-column gone\nALTER TABLE c DROP");
    assert_eq!(changed(&with(TWO).await, &rename, "").await, [""; 0]);
    let order = "CREATE TABLE n (a TEXT, id INTEGER PRIMARY KEY, b); \
        INSERT INTO n (b, id, a) SELECT b, id, a FROM p ORDER BY id DESC; \
        DROP TABLE p; ALTER TABLE n RENAME TO p;";
    assert_eq!(changed(&with(TWO).await, order, "").await, [""; 0]);
}

#[tokio::test]
async fn what_changes_besides_is_found_in_any_value() {
    let rename = "ALTER TABLE p RENAME COLUMN a TO title; ALTER TABLE c RENAME TO children;";
    for (behind, table) in [
        ("UPDATE p SET title = 'X' WHERE id = 1", "p"),
        ("UPDATE p SET title = '' WHERE id = 3", "p"),
        ("UPDATE p SET b = '1' WHERE id = 1", "p"),
        ("UPDATE p SET b = CAST(x'00ff' AS TEXT) WHERE id = 3", "p"),
        ("UPDATE children SET n = n - 1 WHERE id = 3", "c"),
        ("UPDATE children SET p = 2 WHERE id = 3", "c"),
        ("DELETE FROM children WHERE id = 2", "c"),
        ("INSERT INTO children SELECT 4, p, n FROM children WHERE id = 2", "c"),
        // Two values change places.
        ("UPDATE children SET n = 3 - n WHERE id < 3", "c"),
        ("DROP TABLE children", "c"),
    ] {
        assert_eq!(changed(&with(TWO).await, rename, behind).await, [table], "{behind}");
    }
}

/// What a file names may change: directly, by a reference, by a trigger, by a type.
#[tokio::test]
async fn what_a_file_names_is_left_out() {
    let kept = async |schema: &str, sql: &str| {
        let database = with(&format!("{TWO}{schema}")).await;
        let all = format!("{:?}", untouched(&database, sql).await);
        ["p", "c"].map(|table| {
            let (_, rest) =
                all.split_once(&format!("before: Columns {{ table: \"{table}\", names: "))?;
            Some(rest.split_once(']')?.0.replace(['[', '"'], ""))
        })
    };
    let some = |columns: &str| Some(columns.to_owned());
    let (p, c) = (some("a, b, id"), some("id, n, p"));
    for (schema, sql, expected) in [
        ("", "CREATE TABLE t (x)", [p.clone(), c.clone()]),
        ("", "UPDATE p SET a = 1", [some("b, id"), c.clone()]),
        ("", "INSERT INTO p VALUES (9, 9, 9)", [None, c.clone()]),
        ("", "-- clodo:allow delete-cascades so\nDELETE FROM p WHERE id = 1", [None, None]),
        ("", "-- clodo:allow replace-cascades so\nREPLACE INTO p VALUES (1, 1, 1)", [None, None]),
        (
            "CREATE TRIGGER t AFTER UPDATE ON p BEGIN UPDATE c SET n = 0; END;",
            "UPDATE p SET a = 1",
            [some("b, id"), some("id, p")],
        ),
        ("", "UPDATE p SET rowid = id + 10", [some("a, b"), c.clone()]),
        (
            "",
            "CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'd', b); \
             INSERT OR REPLACE INTO n SELECT * FROM p; DROP TABLE p; ALTER TABLE n RENAME TO p;",
            [None, c.clone()],
        ),
        (
            "CREATE TABLE log (x); INSERT INTO log VALUES (1);",
            "-- clodo:allow drop-table x\nDROP TABLE log; CREATE TABLE n (id, a, b); \
             INSERT INTO n SELECT * FROM p WHERE id = 1; ALTER TABLE n RENAME TO log;",
            [p.clone(), c.clone()],
        ),
        (
            "",
            "CREATE TABLE n (id INTEGER PRIMARY KEY, a INTEGER, b); INSERT INTO n SELECT id, a, b FROM p; \
             DROP TABLE p; ALTER TABLE n RENAME TO p;",
            [some("b, id"), c.clone()],
        ),
        (
            "",
            "CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT, b); INSERT INTO n SELECT id, upper(a), b FROM p; \
             UPDATE n SET b = 1; DROP TABLE p; ALTER TABLE n RENAME TO p;",
            [some("id"), c.clone()],
        ),
        (
            "",
            "CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT, b); INSERT INTO n SELECT * FROM p; \
             INSERT INTO n VALUES (7, 7, 7);\n-- clodo:allow rebuild-filters more\nDROP TABLE p; \
             ALTER TABLE n RENAME TO p;",
            [None, c.clone()],
        ),
    ] {
        assert_eq!(kept(schema, sql).await, expected, "{sql}");
    }
}

/// A value that is read by itself counts with all its bytes.
#[tokio::test]
async fn large_values_count_to_their_last_byte() {
    let large = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); \
        INSERT INTO t VALUES (1, zeroblob(1200000)), (2, printf('%.*c', 1200000, 'x'));";
    let sql = "CREATE TABLE other (x)";
    assert_eq!(changed(&with(large).await, sql, "").await, [""; 0]);
    for behind in [
        "UPDATE t SET v = CAST(zeroblob(1199999) || x'01' AS BLOB) WHERE id = 1",
        "UPDATE t SET v = substr(v, 2) || 'y' WHERE id = 2",
        "UPDATE t SET v = CAST(v AS BLOB) WHERE id = 2",
    ] {
        assert_eq!(changed(&with(large).await, sql, behind).await, ["t"], "{behind}");
    }
}
