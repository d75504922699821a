use crate::random;
use clodo_db::{
    ComposeError, Composed, Database as _, MigrationFile, Migrations, Migrator, Schema,
    SqliteDatabase, Statement, compose, replay,
};
use clodo_schema_fixture::{Table, schema, table};
use proptest::prelude::{ProptestConfig, prop, proptest};

fn file(name: &str, sql: &str) -> MigrationFile {
    MigrationFile::new(name, name, sql)
}

fn described(sql: &str) -> Schema {
    Schema::described(&file("schema.sql", sql)).unwrap()
}

fn composed(from: &str, desired: &str) -> Result<Composed, ComposeError> {
    compose(&replay(&[file("0001_a.sql", from)]).0, &described(desired))
}

/// The statements and the notes.
#[track_caller]
fn shown(from: &str, desired: &str) -> String {
    let Composed { sql, notes, .. } = composed(from, desired).unwrap();
    let notes: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
    format!("{sql}{notes}")
}

#[test]
fn what_is_the_same_needs_no_migration() {
    let sql = "CREATE TABLE t (a TEXT, b); CREATE INDEX i ON t (a);";
    let other =
        "-- why\ncreate table if not exists [T] (\"a\" text,\n b);\nCREATE INDEX i ON t(A);";
    assert_eq!(composed(sql, other).unwrap(), Composed::default());
}

#[test]
fn what_is_new_is_made_and_columns_are_added_where_that_is_enough() {
    let from = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, FOREIGN KEY (a) REFERENCES t (id));
        CREATE VIEW v AS SELECT id FROM t;";
    let desired =
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT NOT NULL DEFAULT 'it''s, so)',
            c REFERENCES u (id), d TEXT NOT NULL, FOREIGN KEY (a) REFERENCES t (id));
        CREATE TABLE u (id INTEGER PRIMARY KEY, t REFERENCES t (id));
        CREATE INDEX t_b ON t (b);
        CREATE VIEW v AS SELECT id, b FROM t;
        CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;
        CREATE VIEW said AS SELECT 1 -- and no more
        ;
        CREATE VIRTUAL TABLE words USING fts5 (text);";
    insta::assert_snapshot!(shown(from, desired));
}

#[test]
fn a_table_is_made_anew_where_sqlite_cannot_change_it() {
    let from = "CREATE TABLE \"my table\" (id INTEGER PRIMARY KEY, a TEXT, made TEXT, gone);
        CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES \"my table\" (id) ON DELETE CASCADE);
        CREATE INDEX m_a ON \"my table\" (a);
        CREATE VIEW v AS SELECT * FROM \"my table\"; CREATE VIEW w AS SELECT * FROM v;
        CREATE VIEW other AS SELECT * FROM child;
        CREATE TRIGGER c_in AFTER INSERT ON child BEGIN DELETE FROM \"my table\" WHERE a = 1; END;
        CREATE TRIGGER v_in INSTEAD OF INSERT ON v BEGIN SELECT 1; END;
        CREATE TABLE loose (x, y);";
    let desired = "CREATE TABLE \"my table\" (id INTEGER PRIMARY KEY, a TEXT NOT NULL CHECK (a <> ''),
            made TEXT DEFAULT CURRENT_TIMESTAMP, more TEXT NOT NULL);
        CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES \"my table\" (id) ON DELETE CASCADE);
        CREATE INDEX m_a ON \"my table\" (a);
        CREATE VIEW v AS SELECT * FROM \"my table\"; CREATE VIEW w AS SELECT * FROM v;
        CREATE VIEW other AS SELECT * FROM child;
        CREATE TRIGGER c_in AFTER INSERT ON child BEGIN DELETE FROM \"my table\" WHERE a = 1; END;
        CREATE TRIGGER v_in INSTEAD OF INSERT ON v BEGIN SELECT 1; END;
        CREATE TABLE loose (y TEXT, x);";
    insta::assert_snapshot!(shown(from, desired));
}

#[test]
fn what_takes_rows_away_is_written_without_its_permission() {
    let from = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a);
        CREATE INDEX b_a ON b (a); CREATE VIEW v AS SELECT * FROM b;
        CREATE TABLE t (id INTEGER PRIMARY KEY, x, y);";
    let desired =
        "CREATE TABLE c (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, z);";
    let written = shown(from, desired);
    insta::assert_snapshot!(written);
    let sql = composed(from, desired).unwrap().sql;
    let files = Migrations::new(vec![file("0001_a.sql", from), file("0002_b.sql", &sql)]).unwrap();
    let rules: Vec<String> = clodo_db::lint(&files, 1).into_iter().map(|one| one.rule).collect();
    assert!(rules.contains(&"drop-column".to_owned()), "{rules:?}");
}

#[test]
fn what_only_a_person_can_decide_is_not_guessed() {
    let by_hand = |from: &str, desired: &str| match composed(from, desired) {
        Err(ComposeError::ByHand(why)) => why,
        other => panic!("{other:?}"),
    };
    let why = by_hand("CREATE TABLE t (a, b UNIQUE);", "CREATE TABLE t (a);");
    assert!(why.contains("column b of table t") && why.contains("UNIQUE"), "{why}");
    let why = by_hand("CREATE TABLE t (a);", "CREATE TABLE t (b);");
    assert!(why.contains("column a of table t"), "{why}");
    let why = by_hand("CREATE TABLE t (a, b);", "CREATE TABLE t (a, b AS (a || 'x') STORED);");
    assert!(why.contains("column b of table t would be worked out anew"), "{why}");
    let fts = "CREATE VIRTUAL TABLE t USING fts5 (a);";
    let why = by_hand(fts, "CREATE VIRTUAL TABLE t USING fts5 (a, b);");
    assert!(why.contains("virtual table t"), "{why}");
    assert_eq!(composed(fts, fts).unwrap(), Composed::default());
    let error =
        Schema::described(&file("schema.sql", "CREATE TABLE t (a);\nCREATE INDEX i ON u (a);"));
    assert_eq!(error.unwrap_err().to_string(), "schema.sql:2:1: no such table: main.u");
}

#[tokio::test]
async fn rows_and_the_rows_that_refer_to_them_stay() {
    let from = "CREATE TABLE p (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE k (x);
        CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p (id) ON DELETE CASCADE);
        INSERT INTO p VALUES (1, 'x'), (7, 'y'); INSERT INTO c VALUES (1, 7), (2, 1), (3, NULL);
        INSERT INTO k (rowid, x) VALUES (5, 'five');";
    let desired = "CREATE TABLE p (id INTEGER PRIMARY KEY, a TEXT NOT NULL, at TEXT DEFAULT CURRENT_TIMESTAMP);
        CREATE TABLE k (x TEXT);
        CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id) ON DELETE CASCADE);";
    let sql = composed(from, desired).unwrap().sql;
    let files = Migrations::new(vec![file("0001_a.sql", from), file("0002_b.sql", &sql)]).unwrap();
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database);
    migrator.up(&files).await.unwrap();
    assert_eq!(described(desired).drift(&migrator.schema().await.unwrap()), []);
    let count = "SELECT (SELECT group_concat(id || a) FROM p), (SELECT group_concat(id || ifnull(p, '-')) FROM c), \
                 (SELECT rowid || x FROM k)";
    let rows = database.query(&Statement::new(count)).await.unwrap().rows;
    assert_eq!(rows, [["1x,7y".into(), "17,21,3-".into(), "5five".into()]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(random::cases()))]
    /// Whatever is given makes the desired schema: that is proved inside. Whatever is not given is for a
    /// person to decide.
    #[test]
    fn any_schema_becomes_any_other(
        from in prop::collection::vec(table(), 1..5),
        desired in prop::collection::vec(table(), 1..5),
    ) {
        let only_schema = |tables: &[Table]| -> String {
            let sql = schema(tables);
            let pieces = clodo_db::split(&sql).filter(|piece| piece.text.starts_with("CREATE"));
            pieces.map(|piece| format!("{}\n", piece.text)).collect()
        };
        let (from, desired) = (only_schema(&from), only_schema(&desired));
        match composed(&from, &desired) {
            Ok(_) | Err(ComposeError::ByHand(_)) => {}
            // Tables that refer to one another in a circle cannot go one by one.
            Err(ComposeError::Refused(refusal)) if refusal.0.rule == "drop-referenced" => {}
            Err(error) => panic!("{error}\n{from}\n---\n{desired}"),
        }
    }
}
