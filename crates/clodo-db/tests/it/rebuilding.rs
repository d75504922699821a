use crate::applying::{files, rows};
use clodo_db::{Database as _, MigrateError, Migrator, SqliteDatabase, Value};

/// A schema with rows, and a rebuild of `parent` as the tools of this field write it.
pub(crate) const SCHEMA: &str = "\
CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id) ON DELETE CASCADE, n COLLATE NOCASE);
CREATE TABLE grandchild (child INTEGER NOT NULL REFERENCES child ON DELETE CASCADE, b BLOB);
CREATE TABLE loose (a TEXT, b TEXT, parent INTEGER DEFAULT 7 REFERENCES parent ON DELETE SET NULL, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE strict_one (id ANY, parent INTEGER REFERENCES parent ON DELETE RESTRICT, twice INTEGER AS (parent * 2)) STRICT;
CREATE TABLE log (said TEXT);
CREATE TRIGGER child_gone AFTER DELETE ON child BEGIN INSERT INTO log VALUES ('gone ' || old.id); END;
CREATE TRIGGER child_new AFTER INSERT ON child BEGIN INSERT INTO log VALUES ('new ' || new.id); END;
CREATE VIEW names AS SELECT p.name, count(*) AS children FROM parent p JOIN child c ON c.parent = p.id GROUP BY p.id;
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO parent (id, name) VALUES (1, 'one'), (2, 'two'), (9, 'nine');
DELETE FROM parent WHERE id = 9;
INSERT INTO child VALUES (1, 1, 'A'), (2, 1, 'a'), (3, 2, 3), (4, NULL, 1.0);
INSERT INTO grandchild VALUES (1, x'00ff'), (1, x'00ff'), (3, NULL);
INSERT INTO loose VALUES ('x', 'y', 1), ('x', 'z', NULL);
INSERT INTO strict_one VALUES ('1', 1), (1, 2);
INSERT INTO words VALUES ('hello world');
DELETE FROM log;
";

pub(crate) const REBUILD: &str = "\
PRAGMA foreign_keys=OFF;
--> statement-breakpoint
CREATE TABLE `__new_parent` (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `name` TEXT NOT NULL);
--> statement-breakpoint
INSERT INTO `__new_parent`(`id`, `name`) SELECT `id`, `name` FROM `parent`;
--> statement-breakpoint
DROP TABLE `parent`;
--> statement-breakpoint
ALTER TABLE `__new_parent` RENAME TO `parent`;
--> statement-breakpoint
PRAGMA foreign_keys=ON;
";

const ALL: [&str; 8] = [
    "SELECT * FROM parent ORDER BY id",
    "SELECT rowid, id, parent, n, typeof(n) FROM child ORDER BY id",
    "SELECT rowid, child, b FROM grandchild ORDER BY 1",
    "SELECT * FROM loose ORDER BY a, b",
    "SELECT rowid, id, typeof(id), parent, twice FROM strict_one ORDER BY 1",
    "SELECT * FROM log",
    "SELECT * FROM names",
    "SELECT * FROM words WHERE words MATCH 'world'",
];

async fn picture(database: &SqliteDatabase) -> Vec<Vec<Vec<Value>>> {
    let mut all = Vec::new();
    for sql in ALL {
        all.push(rows(database, sql).await);
    }
    all
}

pub(crate) async fn with(schema: &str) -> SqliteDatabase {
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script(schema).await.unwrap();
    database
}

pub(crate) async fn up(
    database: &SqliteDatabase,
    sql: &str,
) -> Result<clodo_db::UpReport, MigrateError> {
    Migrator::new(database).up(&files(&[("1.sql", sql)])).await
}

#[tokio::test]
async fn a_trigger_that_the_new_table_has_before_its_rename_is_on_the_table_that_it_becomes() {
    let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 2); \
        CREATE TABLE log (w);";
    let database = with(schema).await;
    let sql = "CREATE TABLE n (id INTEGER PRIMARY KEY, v NOT NULL); INSERT INTO n SELECT * FROM t; \
        CREATE TRIGGER heard AFTER INSERT ON n BEGIN INSERT INTO log VALUES (new.id); END; \
        DROP TABLE t; ALTER TABLE n RENAME TO t; INSERT INTO t VALUES (3, 4);";
    up(&database, sql).await.unwrap();
    assert_eq!(rows(&database, "SELECT w FROM log").await, [[3.into()]]);
}

#[tokio::test]
async fn a_plain_rebuild_in_a_transaction_loses_the_children() {
    let database = with(SCHEMA).await;
    // RESTRICT would stop it.
    database.script(&format!("DROP TABLE strict_one; DROP VIEW names; {REBUILD}")).await.unwrap();
    assert_eq!(rows(&database, "SELECT count(*) FROM child").await, [[1.into()]]);
    assert_eq!(rows(&database, "SELECT count(*) FROM grandchild").await, [[0.into()]]);
}

#[tokio::test]
async fn a_rebuild_keeps_every_row_of_every_table_that_refers_to_it() {
    let database = with(SCHEMA).await;
    let before = picture(&database).await;
    let report = up(&database, REBUILD).await.unwrap();
    assert_eq!(report.rebuilds.len(), 1);
    let mut keeps = report.rebuilds[0].keeps.clone();
    keeps.sort();
    assert_eq!(keeps, ["child", "grandchild", "loose", "strict_one"]);
    assert_eq!(picture(&database).await, before);
    let sql = rows(&database, "SELECT sql FROM sqlite_master WHERE name = 'parent'").await;
    assert!(sql[0][0].as_text().unwrap().contains("NOT NULL"), "{sql:?}");
    let left = "SELECT name FROM sqlite_master WHERE name LIKE '\\_clodo%' ESCAPE '\\'";
    assert_eq!(rows(&database, left).await, Vec::<Vec<Value>>::new());
    assert_eq!(rows(&database, "PRAGMA foreign_key_check").await, Vec::<Vec<Value>>::new());
    assert_eq!(rows(&database, "PRAGMA integrity_check").await, [["ok".into()]]);
    // Numbers that were given are not given again, triggers and references work.
    database
        .script("INSERT INTO parent (name) VALUES ('ten'); DELETE FROM grandchild; DELETE FROM child WHERE id = 3;")
        .await
        .unwrap();
    assert_eq!(rows(&database, "SELECT max(id) FROM parent").await, [[10.into()]]);
    assert_eq!(rows(&database, "SELECT said FROM log").await, [["gone 3".into()]]);
}

#[tokio::test]
async fn parent_and_child_made_anew_in_one_file_keep_all() {
    let database = with(SCHEMA).await;
    let before = picture(&database).await;
    let both = format!(
        "{REBUILD}\nCREATE TABLE new_child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id) \
         ON DELETE CASCADE, n COLLATE NOCASE);\nINSERT INTO new_child SELECT id, parent, n FROM child;\n\
         DROP TABLE child;\nALTER TABLE new_child RENAME TO child;\n\
         CREATE TRIGGER child_gone AFTER DELETE ON child BEGIN INSERT INTO log VALUES ('gone ' || old.id); END;"
    );
    assert_eq!(up(&database, &both).await.unwrap().rebuilds.len(), 2);
    assert_eq!(picture(&database).await, before);
}

#[tokio::test]
async fn a_table_that_refers_to_itself_and_circles_keep_all() {
    let schema = "CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree ON DELETE CASCADE);\n\
        CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER REFERENCES b ON DELETE CASCADE, t REFERENCES tree ON DELETE CASCADE);\n\
        CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);\n\
        INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);\n\
        PRAGMA defer_foreign_keys = ON; INSERT INTO a VALUES (1, 1, 3); INSERT INTO b VALUES (1, 1);";
    let database = with(schema).await;
    let rebuild = "CREATE TABLE new_tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree ON DELETE CASCADE, x);\n\
        INSERT INTO new_tree (id, up) SELECT id, up FROM tree;\nDROP TABLE tree;\n\
        ALTER TABLE new_tree RENAME TO tree;";
    up(&database, rebuild).await.unwrap();
    assert_eq!(rows(&database, "SELECT count(*), sum(up) FROM tree").await, [[3.into(), 3.into()]]);
    assert_eq!(
        rows(&database, "SELECT count(*) FROM a JOIN b ON a.b = b.id AND b.a = a.id").await,
        [[1.into()]]
    );
    assert_eq!(rows(&database, "PRAGMA foreign_key_check").await, Vec::<Vec<Value>>::new());
}

#[tokio::test]
async fn a_new_table_with_other_rows_takes_everything_back() {
    let database = with(SCHEMA).await;
    let before = picture(&database).await;
    let filtered = REBUILD.replace("FROM `parent`;", "FROM `parent` WHERE id = 1;");
    let error = up(&database, &filtered).await.unwrap_err();
    let MigrateError::Failed { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.message().contains("the new table parent has other rows"), "{source}");
    assert_eq!(picture(&database).await, before);
    assert!(Migrator::new(&database).applied().await.unwrap().is_empty());
    // Where it is meant, the children of rows that go must not be left behind.
    let meant = filtered
        .replace("DROP TABLE", "-- clodo:allow rebuild-filters only one is left\nDROP TABLE");
    let error = up(&database, &meant).await.unwrap_err();
    let MigrateError::Failed { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.message().contains("FOREIGN KEY constraint failed"), "{source}");
    assert_eq!(picture(&database).await, before);
}

#[tokio::test]
async fn what_loses_rows_is_refused_where_it_stands_before_anything_happens() {
    let database = with(SCHEMA).await;
    let before = picture(&database).await;
    for (sql, rule, at) in [
        ("SELECT 1;\n DROP TABLE log;", "drop-table", "m/1.sql:2:2"),
        ("DROP TABLE parent", "drop-referenced", "m/1.sql:1:1"),
        (
            "ALTER TABLE parent RENAME TO old; CREATE TABLE parent (id INTEGER PRIMARY KEY, name);\n\
             INSERT INTO parent SELECT * FROM old;\nDROP TABLE old;",
            "rebuild-by-renaming",
            "m/1.sql:3:1",
        ),
        (
            "CREATE TABLE n (id INTEGER PRIMARY KEY, name);\nINSERT INTO n SELECT * FROM parent;\n\
             DROP TABLE parent;\nINSERT INTO log VALUES (1);\nALTER TABLE n RENAME TO parent;",
            "rebuild-unfinished",
            "m/1.sql:3:1",
        ),
        ("DELETE FROM log;", "delete-all", "m/1.sql:1:1"),
        ("DELETE FROM parent WHERE id = 1;", "delete-cascades", "m/1.sql:1:1"),
        ("INSERT OR REPLACE INTO parent VALUES (1, 'x');", "replace-cascades", "m/1.sql:1:1"),
        ("ALTER TABLE child DROP COLUMN n", "drop-column", "m/1.sql:1:1"),
        ("BEGIN; SELECT 1; COMMIT;", "transaction", "m/1.sql:1:1"),
        ("PRAGMA writable_schema = ON", "forbidden", "m/1.sql:1:1"),
        ("PRAGMA ignore_check_constraints = ON", "forbidden", "m/1.sql:1:1"),
        ("VACUUM", "forbidden", "m/1.sql:1:1"),
        ("DELETE FROM log WHERE said = ?", "parameters", "m/1.sql:1:1"),
        ("CREATE TABLE x (a);\nDELETE FROM missing WHERE 1;", "migration-fails", "m/1.sql:2:1"),
        ("CREATE TABLE x (a);\n\nCREAT TABLE y (a);", "migration-unreadable", "m/1.sql:3:1"),
    ] {
        let error = up(&database, sql).await.unwrap_err();
        let MigrateError::Refused(refusal) = &error else { panic!("{sql}: {error:?}") };
        let finding = &refusal.0;
        assert_eq!(finding.rule, rule, "{sql}: {finding:?}");
        assert_eq!(finding.at.as_ref().unwrap().to_string(), at, "{sql}");
        assert!(finding.hint.is_some());
        assert_eq!(picture(&database).await, before, "{sql}");
    }
    let allowed = "-- clodo:allow drop-table nobody reads it any more\nDROP TABLE log;";
    up(&with("CREATE TABLE log (x)").await, allowed).await.unwrap();
}

#[tokio::test]
async fn a_schema_that_changes_meanwhile_is_noticed_before_rows_move() {
    let database = with(SCHEMA).await;
    let file = clodo_db::MigrationFile::new("1.sql", "m/1.sql", REBUILD);
    let schema = clodo_db::Schema::read(&database, "d1_migrations").await.unwrap();
    let protected = clodo_db::protect(&schema, &file).unwrap();
    let more =
        "CREATE TABLE late (p REFERENCES parent ON DELETE CASCADE); INSERT INTO late VALUES (1);";
    database.script(more).await.unwrap();
    let error = database.script(&protected.sql).await.unwrap_err();
    assert!(error.message().contains("the schema has changed since it was read"), "{error}");
    assert_eq!(rows(&database, "SELECT count(*) FROM late").await, [[1.into()]]);
}

#[tokio::test]
async fn a_plan_for_another_schema_is_worked_out_anew() {
    let more =
        "CREATE TABLE late (p REFERENCES parent ON DELETE CASCADE); INSERT INTO late VALUES (1);";
    let database = with(SCHEMA).await;
    let migrator = Migrator::new(&database);
    let all = files(&[("1.sql", REBUILD)]);
    let plan = migrator.plan(&all).await.unwrap();
    database.script(more).await.unwrap();
    let applied = migrator.carry_out(&all, plan).unwrap().next().await.unwrap().unwrap();
    assert!(applied.rebuilds[0].keeps.contains(&"late".to_owned()), "{applied:?}");
    assert_eq!(rows(&database, "SELECT count(*) FROM late").await, [[1.into()]]);

    let database =
        with("CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1);").await;
    let migrator = Migrator::new(&database);
    for dropping in [
        "-- clodo:allow drop-table it is old\nDROP TABLE parent",
        "DELETE FROM parent WHERE id = 1",
    ] {
        let all = files(&[("1.sql", dropping)]);
        let plan = migrator.plan(&all).await.unwrap();
        database.script(more).await.unwrap();
        let refused = migrator.carry_out(&all, plan).unwrap().next().await.unwrap_err();
        assert!(matches!(refused, MigrateError::Refused(_)), "{refused:?}");
        assert_eq!(rows(&database, "SELECT count(*) FROM late").await, [[1.into()]]);
        database.script("DROP TABLE late").await.unwrap();
    }
}

/// D1 takes statements of 100,000 bytes.
#[tokio::test]
async fn a_schema_is_compared_whatever_the_length_of_its_statements() {
    let note = "it's ünusual ".repeat(6_000);
    let long = format!("CREATE TABLE long (id INTEGER PRIMARY KEY /* {note} */)");
    let database = with(&format!("{SCHEMA}{long};")).await;
    let migrator = Migrator::new(&database);
    let all = files(&[("1.sql", REBUILD)]);
    let plan = migrator.plan(&all).await.unwrap();
    for piece in clodo_db::split(&plan.files()[0].sql) {
        assert!(piece.text.len() < 100_000, "{} bytes", piece.text.len());
    }
    migrator.carry_out(&all, plan).unwrap().next().await.unwrap();

    // The very last character of it.
    let all = files(&[("1.sql", REBUILD), ("2.sql", "DELETE FROM long WHERE id = 1")]);
    let plan = migrator.plan(&all).await.unwrap();
    let changed = long.replace("*/", "+*/").replacen("it's", "its", 1);
    database.script(&format!("DROP TABLE long; {changed};")).await.unwrap();
    let error = database.script(&plan.files()[0].sql).await.unwrap_err();
    assert!(error.message().contains("the schema has changed since it was read"), "{error}");
}

/// What people try instead, in a transaction with foreign keys on: the reason for what is done here.
#[tokio::test]
async fn neither_deferring_nor_renaming_keeps_the_children() {
    let schema = "CREATE TABLE parent (id INTEGER PRIMARY KEY);\n\
        CREATE TABLE child (parent REFERENCES parent ON DELETE CASCADE);\n\
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);";
    let anew = "CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent SELECT * FROM old; DROP TABLE old;";
    for sql in [
        "PRAGMA defer_foreign_keys = ON; CREATE TABLE n (id INTEGER PRIMARY KEY);\n\
         INSERT INTO n SELECT * FROM parent; DROP TABLE parent; ALTER TABLE n RENAME TO parent;"
            .to_owned(),
        format!("ALTER TABLE parent RENAME TO old; {anew}"),
        format!("PRAGMA legacy_alter_table = ON; ALTER TABLE parent RENAME TO old; {anew}"),
    ] {
        let database = with(schema).await;
        database.script(&sql).await.unwrap();
        assert_eq!(rows(&database, "SELECT count(*) FROM child").await, [[0.into()]], "{sql}");
    }
}
