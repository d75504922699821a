//! What takes rows along that a file does not name, found by people who tried to lose some.

use crate::{
    applying::{files, rows},
    rebuilding::{REBUILD, SCHEMA, up, with},
};
use clodo_db::{Database as _, MigrateError, Migrator, SqliteDatabase, Value};
use clodo_sqlite::{OpenOptions, rusqlite::functions::FunctionFlags};

const BOTH: &str = "SELECT (SELECT group_concat(id || ' ' || a) FROM p), \
    (SELECT group_concat(id || ' ' || ifnull(p, '-')) FROM c)";

/// Rows of other tables that a statement takes along, however it does.
#[tokio::test]
async fn what_takes_rows_of_other_tables_along_is_refused_unless_it_is_said() {
    let child = "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE);";
    let of = |p: &str, c: &str| {
        format!(
            "CREATE TABLE p ({p}); {c} INSERT INTO p VALUES (1, 1); INSERT INTO c VALUES (1, 1);"
        )
    };
    let by_trigger = "CREATE TABLE c (id INTEGER PRIMARY KEY, p);\n\
        CREATE TRIGGER gone AFTER DELETE ON p BEGIN DELETE FROM c WHERE p = old.id; END;\n\
        CREATE TRIGGER moved AFTER UPDATE ON p BEGIN DELETE FROM c WHERE p = old.id; END;";
    let loosely = "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p (a) ON UPDATE SET NULL);";
    for (schema, sql, rule) in [
        (
            of("id INTEGER PRIMARY KEY ON CONFLICT REPLACE, a", child),
            "INSERT INTO p VALUES (1, 5)",
            "replace-cascades",
        ),
        (
            of("id INTEGER PRIMARY KEY, a UNIQUE ON CONFLICT REPLACE", child),
            "UPDATE p SET a = 3",
            "replace-cascades",
        ),
        (
            of("id INTEGER PRIMARY KEY, a", by_trigger),
            "DELETE FROM p WHERE id = 1",
            "delete-cascades",
        ),
        (of("id INTEGER PRIMARY KEY, a", by_trigger), "UPDATE p SET a = 3", "delete-cascades"),
        (
            of("id INTEGER PRIMARY KEY, a UNIQUE", loosely),
            "UPDATE p SET a = a + 1",
            "update-cascades",
        ),
    ] {
        let database = with(&schema).await;
        let before = rows(&database, BOTH).await;
        let error = up(&database, sql).await.unwrap_err();
        let MigrateError::Refused(refusal) = &error else { panic!("{sql}: {error:?}") };
        assert_eq!(refusal.0.rule, rule, "{sql}: {}", refusal.0.message);
        assert_eq!(rows(&database, BOTH).await, before, "{sql}");
        let allowed = format!("-- clodo:allow {rule} it is meant\n{sql}");
        up(&database, &allowed).await.unwrap();
    }
    // What nobody refers to may change.
    let database = with(
        &of("id INTEGER PRIMARY KEY, a UNIQUE, b DEFAULT 0", loosely)
            .replace("(1, 1); INSERT INTO c", "(1, 1, 1); INSERT INTO c"),
    )
    .await;
    up(&database, "UPDATE p SET b = 3, id = id").await.unwrap();
}

#[tokio::test]
async fn what_clodo_and_wrangler_record_is_not_for_migrations() {
    for (sql, rule) in [
        ("DROP TABLE IF EXISTS d1_migrations", "reserved"),
        ("DELETE FROM D1_Migrations WHERE 1", "reserved"),
        ("CREATE TABLE IF NOT EXISTS \"clodo_migrations\" (x)", "reserved"),
        ("CREATE TABLE _clodo_restore (a)", "reserved"),
        ("CREATE TABLE a (x); ALTER TABLE a RENAME TO _clodo_proofs", "reserved"),
        ("CREATE TEMP TABLE parent AS SELECT 1; DROP TABLE main.parent", "forbidden"),
        ("CREATE TABLE temp.parent (x)", "forbidden"),
        ("ALTER TABLE d1_migrations RENAME COLUMN name TO nom", "reserved"),
        ("CREATE TRIGGER z BEFORE INSERT ON d1_migrations BEGIN SELECT 1; END", "reserved"),
    ] {
        let database = with(SCHEMA).await;
        let error = up(&database, sql).await.unwrap_err();
        let MigrateError::Refused(refusal) = &error else { panic!("{sql}: {error:?}") };
        assert_eq!(refusal.0.rule, rule, "{sql}: {}", refusal.0.message);
    }
}

#[tokio::test]
async fn records_are_in_a_table_of_their_own() {
    let database = with(SCHEMA).await;
    for name in ["clodo_migrations", "_clodo_restore", "SQLITE_master", "_cf_x"] {
        let refused = Migrator::new(&database).with_records(name).applied().await.unwrap_err();
        assert!(matches!(refused, MigrateError::Reserved(_)), "{name}: {refused:?}");
    }
}

/// Whatever its name, and whatever the database that is left of it.
#[tokio::test]
async fn odd_neighbours_keep_their_rows_and_are_in_nobody_s_way() {
    let wide: String = (0..90).map(|at| format!(", x{at}")).collect();
    let schema = format!(
        "{SCHEMA}CREATE TABLE _clodo_notes (p REFERENCES parent (id) ON DELETE CASCADE);\n\
         INSERT INTO _clodo_notes SELECT id FROM parent;\n\
         CREATE TABLE wide (id INTEGER PRIMARY KEY, p REFERENCES parent (id) ON DELETE CASCADE{wide});\n\
         INSERT INTO wide (id, p, x7) SELECT id, id, 'seven' FROM parent;\n\
         CREATE VIRTUAL TABLE f USING fts5(v);\nINSERT INTO f VALUES ('words');\n\
         CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, \
         applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);\n\
         CREATE INDEX when_applied ON d1_migrations (applied_at);\n\
         CREATE VIEW applied AS SELECT name FROM d1_migrations;\n\
         CREATE VIEW noted AS SELECT id FROM parent -- the ids\n;\n\
         CREATE VIEW open AS SELECT id FROM parent /* the ids"
    );
    let database = with(&schema).await;
    // The tables of the virtual one come before it then.
    let path = tempfile::tempdir().unwrap();
    let file = path.path().join("x.sqlite");
    let copied = SqliteDatabase::open(&file, OpenOptions::default()).await.unwrap();
    copied.script(&schema).await.unwrap();
    drop(copied);
    clodo_sqlite::rusqlite::Connection::open(&file).unwrap().execute_batch("VACUUM").unwrap();
    let copied = SqliteDatabase::open(&file, OpenOptions::default()).await.unwrap();
    for database in [&database, &copied] {
        let report = up(database, REBUILD).await.unwrap();
        let keeps = &report.rebuilds[0].keeps;
        assert!(keeps.contains(&"_clodo_notes".to_owned()), "{keeps:?}");
        let count = "SELECT (SELECT count(*) FROM _clodo_notes) - (SELECT count(*) FROM parent), \
                     (SELECT count(x7) FROM wide) - (SELECT count(*) FROM parent), \
                     (SELECT count(*) FROM noted) - (SELECT count(*) FROM open), \
                     (SELECT count(*) FROM sqlite_master WHERE name LIKE '#_clodo#_%' ESCAPE '#')";
        let zero = Value::Integer(0);
        let one = Value::Integer(1);
        assert_eq!(rows(database, count).await, [[zero.clone(), zero.clone(), zero, one]]);
    }
}

/// D1 takes tables of 100 columns.
#[tokio::test]
async fn a_file_may_have_any_number_of_proofs() {
    let mut schema = SCHEMA.to_owned();
    for at in 0..120 {
        schema += &format!(
            "CREATE TABLE c{at} (p REFERENCES parent (id) ON DELETE CASCADE);\n\
                            INSERT INTO c{at} SELECT id FROM parent;\n"
        );
    }
    let database = with(&schema).await;
    up(&database, REBUILD).await.unwrap();
    let count = "SELECT (SELECT count(*) FROM c119) - (SELECT count(*) FROM parent)";
    assert_eq!(rows(&database, count).await, [[Value::Integer(0)]]);
}

#[tokio::test]
async fn a_table_that_is_split_takes_the_one_that_gets_its_name() {
    for other in ["a_part", "z_part"] {
        let database = with("CREATE TABLE t (id INTEGER PRIMARY KEY, name, street); INSERT INTO t VALUES (1, 'n', 's')").await;
        let split = format!(
            "CREATE TABLE {other} (id INTEGER PRIMARY KEY, street);\nINSERT INTO {other} SELECT id, street FROM t;\n\
             CREATE TABLE t_new (id INTEGER PRIMARY KEY, name);\nINSERT INTO t_new SELECT id, name FROM t;\n\
             -- clodo:allow drop-column it is in the other table\nDROP TABLE t;\nALTER TABLE t_new RENAME TO t;"
        );
        up(&database, &split).await.unwrap();
        assert_eq!(
            rows(&database, &format!("SELECT name, street FROM t JOIN {other} USING (id)")).await,
            [["n".into(), "s".into()]]
        );
    }
}

pub(crate) const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, name TEXT);\n\
    CREATE TABLE posts (id INTEGER PRIMARY KEY, uid INTEGER REFERENCES users (id) ON DELETE CASCADE);\n\
    INSERT INTO users VALUES (1, 'a', 'A'), (2, 'b', 'B'); INSERT INTO posts VALUES (10, 1), (11, 2);";
const USERS_ANEW: &str = "CREATE TABLE IF NOT EXISTS n (id INTEGER PRIMARY KEY, email TEXT, name TEXT);\n\
    INSERT INTO n SELECT * FROM users;\nDROP TABLE users;\nALTER TABLE n RENAME TO users;\n";

/// A table that was made anew is one of before, with all that refers to it.
#[tokio::test]
async fn what_was_made_anew_is_no_table_of_the_file_s_own() {
    let posts = "SELECT group_concat(id || ' ' || uid) FROM posts";
    let database = with(USERS).await;
    let report = up(&database, &format!("{USERS_ANEW}{USERS_ANEW}")).await.unwrap();
    assert_eq!(report.rebuilds.len(), 2);
    assert_eq!(rows(&database, posts).await, [["10 1,11 2".into()]]);
    let new = "CREATE TABLE g (id INTEGER PRIMARY KEY);\nINSERT INTO g SELECT id FROM users;\n\
               ALTER TABLE posts ADD COLUMN gid INT REFERENCES g (id) ON DELETE CASCADE;\n\
               UPDATE posts SET gid = uid;\nDELETE FROM g WHERE id > 0;";
    for (more, rule) in [
        ("DELETE FROM users WHERE id = 1;", "delete-cascades"),
        ("DELETE FROM users;", "delete-all"),
        ("DROP TABLE users;", "rebuild-by-renaming"),
        ("ALTER TABLE users DROP COLUMN name;", "drop-column"),
        (new, "delete-cascades"),
    ] {
        let database = with(USERS).await;
        let error = up(&database, &format!("{USERS_ANEW}{more}")).await.unwrap_err();
        let MigrateError::Refused(refusal) = &error else { panic!("{more}: {error:?}") };
        assert_eq!(refusal.0.rule, rule, "{more}: {}", refusal.0.message);
    }
}

/// As drizzle and Prisma write it: the index behind the new name, and what was renamed before.
#[tokio::test]
async fn a_reference_to_what_an_index_makes_unique_stays() {
    let schema = "CREATE TABLE acc (id INTEGER PRIMARY KEY, email TEXT NOT NULL);\n\
        CREATE UNIQUE INDEX ae ON acc (email);\n\
        CREATE TABLE ord (id INTEGER PRIMARY KEY, em TEXT REFERENCES acc (email) ON DELETE CASCADE);\n\
        INSERT INTO acc VALUES (1, 'a'); INSERT INTO ord VALUES (1, 'a');";
    for (name, rename) in [("acc", ""), ("accounts", "ALTER TABLE acc RENAME TO accounts;\n")] {
        let database = with(schema).await;
        let file = format!(
            "{rename}CREATE TABLE n (id INTEGER PRIMARY KEY, email TEXT NOT NULL, x INT);\n\
             INSERT INTO n (id, email) SELECT id, email FROM {name};\nDROP TABLE {name};\n\
             ALTER TABLE n RENAME TO {name};\nPRAGMA foreign_keys=ON;\n\
             CREATE UNIQUE INDEX anew ON {name} (email);"
        );
        up(&database, &file).await.unwrap();
        let joined = format!("SELECT em FROM ord JOIN {name} ON email = em");
        assert_eq!(rows(&database, &joined).await, [["a".into()]]);
    }
}

/// Triggers set off triggers, and references others.
#[tokio::test]
async fn what_a_statement_sets_off_is_followed_to_its_end() {
    let of = |more: &str| format!("{USERS}{more}");
    let stage = "CREATE TABLE stage (id INTEGER PRIMARY KEY, e TEXT);\n\
        CREATE TRIGGER g AFTER INSERT ON stage BEGIN INSERT INTO users VALUES (new.id, new.e, 'x'); END;";
    let sessions = "CREATE TABLE sess (uid); INSERT INTO sess VALUES (1); CREATE TABLE logs (x);\n\
        CREATE TRIGGER u AFTER UPDATE ON users BEGIN INSERT INTO logs VALUES (1); END;\n\
        CREATE TRIGGER l AFTER INSERT ON logs BEGIN DELETE FROM sess; END;";
    let view = "CREATE VIEW v AS SELECT id, email FROM users;\n\
        CREATE TRIGGER i INSTEAD OF DELETE ON v BEGIN DELETE FROM users WHERE id = old.id; END;";
    let chain = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (aid INTEGER PRIMARY KEY REFERENCES a (id) ON UPDATE CASCADE);\n\
        CREATE TABLE d (b REFERENCES b (aid) ON UPDATE SET NULL);";
    let moves = "CREATE TABLE w (x); CREATE TRIGGER m AFTER INSERT ON w BEGIN UPDATE users SET id = id + 10; END;\n\
        CREATE TABLE loose (uid REFERENCES users (id) ON UPDATE SET NULL);";
    let ring = "CREATE TABLE ring (id INTEGER PRIMARY KEY);\n\
        CREATE TRIGGER r AFTER INSERT ON ring BEGIN DELETE FROM ring WHERE id < new.id - 3; END;";
    for (schema, sql, rule) in [
        (of(stage), "INSERT OR REPLACE INTO stage VALUES (1, 'n')", "replace-cascades"),
        (of(sessions), "UPDATE users SET name = 'z'", "delete-cascades"),
        (
            of(sessions),
            "INSERT INTO users VALUES (1, 'a', 'b') ON CONFLICT (id) DO UPDATE SET name = 'z'",
            "delete-cascades",
        ),
        (
            of(sessions),
            "CREATE TABLE own (x); CREATE TRIGGER o AFTER INSERT ON own BEGIN DELETE FROM sess; END; INSERT INTO own VALUES (1)",
            "delete-cascades",
        ),
        (of(view), "DELETE FROM v WHERE id = 1", "delete-cascades"),
        (of(chain), "UPDATE a SET id = 5", "update-cascades"),
        (of(moves), "INSERT INTO w VALUES (1)", "update-cascades"),
        (of(""), "PRAGMA recursive_triggers = ON", "forbidden"),
    ] {
        let error = up(&with(&schema).await, sql).await.unwrap_err();
        let MigrateError::Refused(refusal) = &error else { panic!("{sql}: {error:?}") };
        assert_eq!(refusal.0.rule, rule, "{sql}: {}", refusal.0.message);
    }
    for (schema, sql) in [
        (of(stage), "INSERT INTO stage VALUES (3, 'n')"),
        (of(sessions), "INSERT INTO users VALUES (1, 'a', 'b') ON CONFLICT DO NOTHING"),
        (of(chain), "INSERT INTO a VALUES (1); UPDATE d SET b = NULL"),
        (of(ring), "INSERT INTO ring VALUES (1), (2), (3), (4), (5)"),
    ] {
        up(&with(&schema).await, sql).await.unwrap();
    }
}

#[tokio::test]
async fn a_view_or_a_trigger_that_worked_works_behind_a_file_too() {
    let anew = "CREATE TABLE n (id INTEGER PRIMARY KEY, email TEXT, full_name TEXT);\n\
        INSERT INTO n SELECT id, email, name FROM users;\nDROP TABLE users;\n\
        ALTER TABLE n RENAME TO users;\n";
    let trigger = "CREATE TRIGGER g AFTER INSERT ON posts BEGIN UPDATE users SET name = name; END;";
    let view = "CREATE VIEW names AS SELECT name FROM users;";
    for (more, mended) in [
        (trigger, "DROP TRIGGER g;"),
        (view, "DROP VIEW names; CREATE VIEW names AS SELECT full_name FROM users;"),
    ] {
        let schema = format!("{USERS}{more}");
        let refused = up(&with(&schema).await, anew).await.unwrap_err();
        assert!(
            refused.to_string().contains("no longer works behind it: no such column"),
            "{refused}"
        );
        up(&with(&schema).await, &format!("{anew}{mended}")).await.unwrap();
    }
    // What was broken before is not this file's.
    let schema = format!("{USERS}{view}CREATE VIEW old AS SELECT 1 FROM nowhere;");
    up(&with(&schema).await, "CREATE TABLE more (x)").await.unwrap();
}

/// A database's program may bring what this one does not know: it stands in nobody's way.
#[tokio::test]
async fn a_schema_with_its_programs_own_collations_functions_and_modules_is_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.db");
    let own = clodo_sqlite::rusqlite::Connection::open(&path).unwrap();
    own.create_collation("german", str::cmp).unwrap();
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    own.create_scalar_function("slug", 1, flags, |call| call.get::<String>(0)).unwrap();
    own.execute_batch(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, a TEXT COLLATE german);
         CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE,
             CHECK (slug(p) <> ''));
         CREATE INDEX i ON p (slug(a));
         CREATE TABLE free (id INTEGER PRIMARY KEY);
         INSERT INTO free VALUES (7);
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql)
             VALUES ('table', 'near', 'near', 0, 'CREATE VIRTUAL TABLE near USING vec0(e)'),
                 ('table', 'cut', 'cut', 0, 'CREATE VIRTUAL TABLE cut USING fts5(e, tokenize = jieba)'),
                 ('trigger', 'fed', 'p', 0, 'CREATE TRIGGER fed AFTER INSERT ON p BEGIN INSERT INTO near VALUES (1); END');",
    )
    .unwrap();
    drop(own);
    let database = SqliteDatabase::open(&path, OpenOptions::default()).await.unwrap();
    let rebuilt = "CREATE TABLE n (id INTEGER PRIMARY KEY, b); INSERT INTO n SELECT * FROM free; \
        DROP TABLE free; ALTER TABLE n RENAME TO free;";
    let two = files(&[("0.sql", "ALTER TABLE free ADD COLUMN b"), ("1.sql", rebuilt)]);
    let applied = Migrator::new(&database).up(&two).await.unwrap().applied;
    assert_eq!(applied.len(), 2);
    assert_eq!(rows(&database, "SELECT id FROM free").await, [[7.into()]]);
    for (sql, rule) in [
        ("-- clodo:allow drop-table gone\nDROP TABLE near", "unknown-module"),
        ("CREATE TABLE x (a COLLATE germann); DROP TABLE x", "migration-fails"),
        ("DROP TABLE p", "drop-referenced"),
        ("DROP TABLE IF EXISTS near", "unknown-module"),
        ("ALTER TABLE p RENAME TO other", "unknown-module"),
    ] {
        let three =
            [("0.sql", "ALTER TABLE free ADD COLUMN b"), ("1.sql", rebuilt), ("2.sql", sql)];
        let error = Migrator::new(&database).up(&files(&three)).await.unwrap_err();
        let MigrateError::Refused(refusal) = &error else { panic!("{sql}: {error:?}") };
        assert_eq!(refusal.0.rule, rule, "{sql}: {}", refusal.0.message);
    }
}

/// Applies a file to a database of this schema; the rule that it is refused for, if it is.
pub(crate) async fn refused(schema: &str, sql: &str) -> Option<String> {
    match up(&with(schema).await, sql).await {
        Ok(_) => None,
        Err(MigrateError::Refused(refusal)) => Some(refusal.0.rule),
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

const FAMILY: &str = "CREATE TABLE p (id INTEGER PRIMARY KEY, a); \
    CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE); \
    INSERT INTO p VALUES (1, 1), (2, 2); INSERT INTO c VALUES (1, 1), (2, 2);";

/// SQLite takes a byte order mark for a blank wherever a word could begin.
#[tokio::test]
async fn a_byte_order_mark_hides_no_name() {
    for (sql, rule) in [
        ("DELETE FROM \u{feff}p WHERE id = 1", "delete-cascades"),
        ("DROP TABLE IF EXISTS \u{feff}c", "drop-table"),
        ("DROP TABLE \u{feff}p", "drop-referenced"),
        ("INSERT OR REPLACE INTO \u{feff}p VALUES (1, 5)", "replace-cascades"),
        ("DROP TABLE \u{feff}d1_migrations", "reserved"),
        ("PRAGMA \u{feff}writable_schema = ON", "forbidden"),
        ("CREATE TABLE \u{feff}temp.c (x)", "forbidden"),
        ("PRAGMA legacy_alter_table = ON", "forbidden"),
    ] {
        assert_eq!(
            refused(FAMILY, &format!("SELECT 1;\n{sql}")).await.as_deref(),
            Some(rule),
            "{sql:?}"
        );
    }
    let database = with(FAMILY).await;
    let rebuild = "CREATE TABLE n (id INTEGER PRIMARY KEY, a NOT NULL); INSERT INTO n SELECT * FROM \u{feff}p; \
        DROP TABLE \u{feff}p; ALTER TABLE n RENAME TO \u{feff}p;";
    up(&database, rebuild).await.unwrap();
    assert_eq!(rows(&database, "SELECT count(*) FROM c").await, [[2.into()]]);
}

/// D1 keeps names that begin so to itself; in a file they are names like others.
#[tokio::test]
async fn tables_and_triggers_that_are_called_like_d1s_are_seen() {
    let schema = FAMILY.replace("TABLE c ", "TABLE _cf_c ").replace("INTO c ", "INTO _cf_c ")
        + "CREATE TABLE stats (n); INSERT INTO stats VALUES (1); \
           CREATE TRIGGER _cf_t AFTER DELETE ON _cf_c BEGIN DELETE FROM stats; END;";
    let database = with(&schema).await;
    let rebuild = "CREATE TABLE n (id INTEGER PRIMARY KEY, a NOT NULL); INSERT INTO n SELECT * FROM p; \
        DROP TABLE p; ALTER TABLE n RENAME TO p;";
    let done = up(&database, rebuild).await.unwrap();
    assert_eq!(done.rebuilds[0].keeps, ["_cf_c"]);
    let counts = "SELECT (SELECT count(*) FROM _cf_c), (SELECT count(*) FROM stats)";
    assert_eq!(rows(&database, counts).await, [[2.into(), 1.into()]]);
}

/// Permissions are for the statement behind them, and not for the one behind that.
#[tokio::test]
async fn a_comment_behind_a_statement_allows_nothing_for_the_next_one() {
    let sql = "DROP TABLE IF EXISTS tmp; -- clodo:allow drop-table left over\nDROP TABLE c;";
    assert_eq!(refused(FAMILY, sql).await.as_deref(), Some("drop-table"));
}

/// What people and tools write besides, which takes no rows along.
#[tokio::test]
async fn what_is_harmless_is_applied() {
    let rebuild =
        "CREATE TABLE n (id INTEGER PRIMARY KEY, a NOT NULL); INSERT INTO n SELECT * FROM p;";
    let renamed = "DROP TABLE p; ALTER TABLE n RENAME TO p;";
    for sql in [
        format!("DROP TABLE IF EXISTS n; {rebuild} {renamed}"),
        "DROP TABLE IF EXISTS stage; CREATE TABLE stage (x); INSERT INTO stage VALUES (1); DROP TABLE stage"
            .to_owned(),
        // It has its name before the rename, as have its trigger and its view.
        format!(
            "{rebuild} CREATE TRIGGER touch AFTER UPDATE ON main.n BEGIN UPDATE n SET a = 1 WHERE id = new.id; \
             END; CREATE VIEW v AS SELECT a FROM n; {renamed}"
        ),
        "CREATE TABLE u (g AS (a + 1), a); CREATE TRIGGER gg AFTER UPDATE ON u BEGIN SELECT 1; END".to_owned(),
        "CREATE TABLE s (x);\n-- clodo:allow drop-table junk\nDROP TABLE c; \
         PRAGMA defer_foreign_keys = ON; CREATE TABLE k (p REFERENCES p); INSERT INTO k VALUES (9); \
         INSERT INTO p VALUES (9, 9);"
            .to_owned(),
        "CREATE TABLE people (id INTEGER PRIMARY KEY, a); INSERT INTO people SELECT p, id FROM c;\n\
         -- clodo:allow drop-table they are people now\nDROP TABLE c;"
            .to_owned(),
    ] {
        assert_eq!(refused(FAMILY, &sql).await, None, "{sql}");
    }
}

/// SQLite forgets which references are open when they are no longer deferred.
#[tokio::test]
async fn references_are_looked_at_though_a_file_says_that_they_are_not() {
    let schema = FAMILY.replace("ON DELETE CASCADE", "");
    let sql = "PRAGMA defer_foreign_keys = ON; DELETE FROM p WHERE id = 1; PRAGMA defer_foreign_keys = 'off';";
    let error = up(&with(&schema).await, sql).await.unwrap_err();
    assert!(matches!(error, MigrateError::Failed { .. }), "{error:?}");
}

/// A full-text index finds out only when it is asked that what it shows is gone.
#[tokio::test]
async fn a_full_text_index_that_worked_works_behind_a_file_too() {
    let schema = "CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT); \
        CREATE VIRTUAL TABLE df USING fts5(body, content='docs', content_rowid='id'); \
        CREATE VIRTUAL TABLE bare USING fts5(body, content='');";
    for sql in
        ["ALTER TABLE docs RENAME COLUMN body TO text", "ALTER TABLE docs RENAME TO documents"]
    {
        assert_eq!(refused(schema, sql).await.as_deref(), Some("breaks-schema"), "{sql}");
    }
    assert_eq!(refused(schema, "ALTER TABLE docs ADD COLUMN more").await, None);
}

/// SQLite's own tables that anybody may write, and views of the new table that name one another.
#[tokio::test]
async fn counters_and_views_of_views_are_no_riddle() {
    let schema =
        "CREATE TABLE p (id INTEGER PRIMARY KEY AUTOINCREMENT, a); INSERT INTO p VALUES (1, 1);";
    for sql in [
        "UPDATE sqlite_sequence SET seq = 100 WHERE name = 'p'",
        "DELETE FROM sqlite_sequence WHERE name = 'p'",
        "INSERT INTO sqlite_sequence (name, seq) VALUES ('q', 5)",
        "CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT, a NOT NULL); INSERT INTO n SELECT * FROM p; \
         CREATE VIEW v1 AS SELECT a FROM n; CREATE VIEW v2 AS SELECT n.id FROM n JOIN v1 ON v1.a = n.a; \
         DROP TABLE p; ALTER TABLE n RENAME TO p;",
    ] {
        assert_eq!(refused(schema, sql).await, None, "{sql}");
    }
}
