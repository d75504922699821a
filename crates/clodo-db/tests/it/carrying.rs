//! What a rebuild carries from the old table to the new one: each row, each value where it belongs, and the
//! numbers by which others find rows.

use crate::{
    applying::rows,
    hazards::{USERS, refused},
    rebuilding::{up, with},
};
use clodo_db::MigrateError;

#[tokio::test]
async fn a_rebuild_says_which_values_it_leaves_behind() {
    let schema =
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, secret); INSERT INTO t VALUES (1, 2, 3)";
    let rebuild = |select: &str, comment: &str| {
        format!(
            "CREATE TABLE n (id INTEGER PRIMARY KEY, a, b);\nINSERT INTO n {select};\n{comment}DROP TABLE t;\n\
             ALTER TABLE n RENAME TO t;"
        )
    };
    let refused =
        up(&with(schema).await, &rebuild("SELECT id, a, NULL FROM t", "")).await.unwrap_err();
    assert!(refused.to_string().ends_with("without the values of column secret"), "{refused}");
    for (select, comment) in [
        ("SELECT id, a, NULL FROM t", "-- clodo:allow drop-column nobody needs it\n"),
        ("SELECT id, a, \"SECRET\" FROM t", ""),
        ("SELECT * FROM t", ""),
    ] {
        up(&with(schema).await, &rebuild(select, comment)).await.unwrap();
    }
}

/// What goes where is read from the statement, not from its words.
#[tokio::test]
async fn a_rebuild_carries_each_value_where_it_belongs() {
    let schema =
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES (1, 'a', 'b');";
    for (fill, rule) in [
        ("INSERT INTO n SELECT id, NULL AS a, b FROM t", "drop-column"),
        ("INSERT INTO n (id, b) SELECT id, b*1 FROM t ORDER BY a", "drop-column"),
        (
            "INSERT INTO n (id, a) SELECT id, a FROM t WHERE 0; INSERT INTO n SELECT * FROM t",
            "drop-column",
        ),
        ("INSERT INTO n SELECT * FROM t; ALTER TABLE n DROP COLUMN b", "drop-column"),
        ("INSERT INTO n (id, b, a) SELECT * FROM t", "rebuild-mixes-columns"),
        ("INSERT INTO n SELECT id, b, a FROM t", "rebuild-mixes-columns"),
        ("INSERT INTO n (id, a, b, c) SELECT id, a, b, \"role\" FROM t", "quoted-text"),
    ] {
        let file = |allowed: &str| {
            format!(
                "CREATE TABLE n (id INTEGER PRIMARY KEY, a, b{});\n{fill};\nDROP TABLE t;\n\
                 ALTER TABLE n RENAME TO t;\n{allowed}",
                if fill.contains(" c") || fill.contains("role") { ", c" } else { "" }
            )
        };
        let error = up(&with(schema).await, &file("")).await.unwrap_err();
        let MigrateError::Refused(refusal) = &error else { panic!("{fill}: {error:?}") };
        assert_eq!(refusal.0.rule, rule, "{fill}: {}", refusal.0.message);
    }
}

/// A full-text index finds rows by their numbers.
#[tokio::test]
async fn rows_keep_the_numbers_by_which_others_find_them() {
    let schema = "CREATE TABLE docs (k TEXT PRIMARY KEY, up TEXT REFERENCES docs (k), body TEXT);\n\
        CREATE VIRTUAL TABLE f USING fts5(body, content=docs);\n\
        INSERT INTO docs VALUES ('a', NULL, 'apple'), ('b', NULL, 'banana'), ('c', 'b', 'cherry');\n\
        DELETE FROM docs WHERE k = 'a'; INSERT INTO f(f) VALUES ('rebuild');";
    let file = |columns: &str| {
        format!(
            "CREATE TABLE n (k TEXT PRIMARY KEY, up TEXT REFERENCES n (k), body TEXT, x INT);\n\
             INSERT INTO n ({columns}) SELECT {columns} FROM docs;\nDROP TABLE docs;\n\
             ALTER TABLE n RENAME TO docs;\n"
        )
    };
    let refused = up(&with(schema).await, &file("k, up, body")).await.unwrap_err();
    assert!(refused.to_string().contains("by which f finds them"), "{refused}");
    let database = with(schema).await;
    up(&database, &file("rowid, k, up, body")).await.unwrap();
    let found = "SELECT group_concat(body) FROM f WHERE f MATCH 'banana'";
    assert_eq!(rows(&database, found).await, [["banana".into()]]);
}

#[tokio::test]
async fn a_rebuild_does_not_exchange_one_row_for_another() {
    let exchanged = "CREATE TABLE n (id INTEGER PRIMARY KEY, email TEXT, name TEXT);\n\
        INSERT INTO n SELECT * FROM users WHERE id < 2; INSERT INTO n VALUES (0, NULL, 'nobody');\n\
        DROP TABLE users;\nALTER TABLE n RENAME TO users;\n";
    let database = with(USERS).await;
    let failed = up(&database, exchanged).await.unwrap_err();
    let MigrateError::Failed { source, .. } = &failed else { panic!("{failed:?}") };
    assert!(source.message().contains("has other rows than the old one"), "{source}");
    assert_eq!(rows(&database, "SELECT group_concat(id) FROM users").await, [["1,2".into()]]);
}

/// Rows that others know by their number keep it.
#[tokio::test]
async fn whoever_knows_rows_by_their_numbers_is_seen() {
    let notes = "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT); ";
    let heard = "CREATE TRIGGER heard AFTER INSERT ON notes \
        BEGIN INSERT INTO f (rowid, body) VALUES (new.\"RowId\", new.body); END;";
    let rebuild = |rowid: &str| {
        format!(
            "CREATE TABLE n (id TEXT PRIMARY KEY, body TEXT NOT NULL); \
             INSERT INTO n ({rowid} id, body) SELECT {rowid} id, body FROM notes; \
             DROP TABLE notes; ALTER TABLE n RENAME TO notes;"
        )
    };
    for kind in ["fts5(body)", "fts5(body, content='')"] {
        let schema = format!("{notes} CREATE VIRTUAL TABLE f USING {kind}; {heard}");
        let rule = refused(&schema, &rebuild("")).await;
        assert_eq!(rule.as_deref(), Some("rebuild-renumbers"), "{kind}");
        assert_eq!(refused(&schema, &rebuild("rowid,")).await, None, "{kind}");
    }
    let schema = format!("{notes} CREATE VIRTUAL TABLE f USING fts5(body); {heard}");
    let again = |rowid: &str| {
        format!(
            "CREATE VIRTUAL TABLE f2 USING fts5(body, tokenize = 'porter'); \
             INSERT INTO f2 ({rowid} body) SELECT {rowid} body FROM f; DROP TABLE f; \
             ALTER TABLE f2 RENAME TO f;"
        )
    };
    assert_eq!(refused(&schema, &again("")).await.as_deref(), Some("rebuild-renumbers"));
    assert_eq!(refused(&schema, &again("rowid,")).await, None);
}

const RENAMED: &str = "ALTER TABLE n RENAME TO t;";
const KEYLESS: &str =
    "CREATE TABLE t (a, b); INSERT INTO t VALUES ('one', 1), ('two', 2), ('two', 2);";
const KEYED: &str =
    "CREATE TABLE t (id TEXT PRIMARY KEY, b INT); INSERT INTO t VALUES ('a', 1), ('b', 2);";

/// Without a key, or under another name of it, rows are compared by what is carried.
#[tokio::test]
async fn rows_are_not_exchanged_for_others_whatever_they_are_known_by() {
    for (schema, fill) in [
        (
            KEYLESS,
            "CREATE TABLE n (a, b NOT NULL); INSERT INTO n SELECT a, b FROM t WHERE b < 2; \
             INSERT INTO n SELECT a, b FROM t WHERE b <= 2 AND rowid < 3;",
        ),
        (
            KEYED,
            "CREATE TABLE n (t_id TEXT, b INT); INSERT INTO n SELECT id, b FROM t WHERE b < 2; \
             INSERT INTO n SELECT id, b FROM t WHERE b <= 1;",
        ),
    ] {
        let sql = format!("{fill} DROP TABLE t; {RENAMED}");
        let error = up(&with(schema).await, &sql).await.unwrap_err();
        assert!(error.hint().unwrap().contains("clodo:allow rebuild-filters"), "{error:?}");
    }
    // Types that are written otherwise, and keys that are worked out.
    for (schema, fill) in [
        (
            "CREATE TABLE t (b TEXT, c); INSERT INTO t VALUES ('p', 1), ('q', 2);",
            "CREATE TABLE n (id INTEGER PRIMARY KEY, b VARCHAR, c INT); INSERT INTO n (b, c) SELECT b, c FROM t \
             WHERE b = 'p'; INSERT INTO n (b, c) SELECT b, c FROM t WHERE b = 'p';",
        ),
        (
            KEYED,
            "CREATE TABLE n (id TEXT PRIMARY KEY, b INT); INSERT INTO n SELECT 'u' || id, b FROM t WHERE b = 1; \
             INSERT INTO n SELECT 'v' || id, b FROM t WHERE b = 1;",
        ),
    ] {
        let sql = format!("{fill} DROP TABLE t; {RENAMED}");
        let error = up(&with(schema).await, &sql).await.unwrap_err();
        assert!(matches!(error, MigrateError::Failed { .. }), "{error:?}");
    }
}

/// Keys of another name, of another type, among other columns, and none at all.
#[tokio::test]
async fn rows_that_are_all_there_pass_whatever_they_are_known_by() {
    for (schema, fill) in [
        (
            KEYLESS,
            "CREATE TABLE n (b INT, a TEXT NOT NULL); INSERT INTO n (a, b) SELECT a, b FROM t;",
        ),
        (
            KEYED,
            "CREATE TABLE n (t_id TEXT PRIMARY KEY, b INT); INSERT INTO n SELECT id, b FROM t;",
        ),
        (
            KEYED,
            "CREATE TABLE n (nr INTEGER PRIMARY KEY, id TEXT, b INT); INSERT INTO n (id, b) SELECT id, b FROM t;",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (-1, 1), (20, x'00'), (3, 1.5);",
            "CREATE TABLE n (id TEXT PRIMARY KEY, b); INSERT INTO n SELECT id, b FROM t;",
        ),
        (
            "CREATE TABLE t (id REAL PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, '02'), (2.0, 'x');",
            "CREATE TABLE n (id INTEGER PRIMARY KEY, b INT); INSERT INTO n SELECT id, b FROM t;",
        ),
        (
            "CREATE TABLE t (b TEXT); INSERT INTO t VALUES ('02'), ('2'), ('x'), (NULL);",
            "CREATE TABLE n (b INTEGER, c); INSERT INTO n (b) SELECT b FROM t;",
        ),
        (
            KEYED,
            "CREATE TABLE n (id TEXT PRIMARY KEY, b INT); INSERT INTO n SELECT id, b FROM t; \
             UPDATE n SET id = id || '!';",
        ),
    ] {
        let database = with(schema).await;
        let before = rows(&database, "SELECT count(*) FROM t").await;
        up(&database, &format!("{fill} DROP TABLE t; {RENAMED}")).await.unwrap();
        assert_eq!(rows(&database, "SELECT count(*) FROM t").await, before, "{fill}");
    }
}

/// Numbers of rows that a full-text index or a trigger keeps, whether a column shows them or not.
#[tokio::test]
async fn numbers_that_a_column_shows_are_kept_too() {
    let docs = "CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO docs VALUES (2, 'apple'), (3, 'pear');";
    let search = "CREATE VIRTUAL TABLE df USING fts5(body, content='docs'); INSERT INTO df (df) VALUES ('rebuild');";
    let heard = "CREATE VIRTUAL TABLE df USING fts5(body); \
        CREATE TRIGGER fed AFTER INSERT ON docs BEGIN INSERT INTO df (rowid, body) VALUES (new.id, new.body); END;";
    for index in [search, heard] {
        let schema = format!("{docs} {index}");
        for (new, rule) in [
            (
                "(id BIGINT PRIMARY KEY, body TEXT); INSERT INTO n SELECT * FROM docs",
                Some("rebuild-renumbers"),
            ),
            (
                "(nr INTEGER PRIMARY KEY, id INT, body TEXT); INSERT INTO n (id, body) SELECT id, body FROM docs",
                Some("rebuild-renumbers"),
            ),
            (
                "(id INTEGER PRIMARY KEY, body TEXT NOT NULL); INSERT INTO n SELECT * FROM docs",
                None,
            ),
            (
                "(id TEXT PRIMARY KEY, body TEXT); INSERT INTO n (rowid, id, body) SELECT id, id, body FROM docs",
                None,
            ),
        ] {
            let sql =
                format!("CREATE TABLE n {new}; DROP TABLE docs; ALTER TABLE n RENAME TO docs;");
            assert_eq!(refused(&schema, &sql).await.as_deref(), rule, "{sql}");
        }
    }
    // A trigger that only finds its own row again keeps no number.
    let touch = "CREATE TABLE docs (id TEXT PRIMARY KEY, body TEXT, at TEXT); CREATE TRIGGER touch AFTER UPDATE OF body \
        ON docs BEGIN UPDATE docs SET at = CURRENT_TIMESTAMP WHERE rowid = new.rowid; END;";
    let sql = "CREATE TABLE n (id TEXT PRIMARY KEY, body TEXT NOT NULL, at TEXT); INSERT INTO n SELECT * FROM docs; \
        DROP TABLE docs; ALTER TABLE n RENAME TO docs;";
    assert_eq!(refused(touch, sql).await, None);
}
