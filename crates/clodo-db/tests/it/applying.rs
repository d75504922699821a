use clodo_db::{
    Database as _, MigrateError, MigrationFile, Migrations, Migrator, SqliteDatabase, Standing,
    Statement, Value,
};

pub(crate) fn files(texts: &[(&str, &str)]) -> Migrations {
    let file = |(name, sql): &(&str, &str)| MigrationFile::new(*name, format!("m/{name}"), *sql);
    Migrations::new(texts.iter().map(file).collect()).unwrap()
}

pub(crate) async fn rows(database: &SqliteDatabase, sql: &str) -> Vec<Vec<Value>> {
    database.query(&Statement::new(sql)).await.unwrap().rows
}

#[tokio::test]
async fn files_are_applied_once_and_in_order() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let two =
        [("1.sql", "CREATE TABLE t (x);"), ("2.sql", "INSERT INTO t VALUES (1) -- no semicolon")];
    let migrator = Migrator::new(&database);
    assert_eq!(migrator.up(&files(&two)).await.unwrap().applied, ["1.sql", "2.sql"]);
    assert!(migrator.up(&files(&two)).await.unwrap().applied.is_empty());
    let three = [two[0], two[1], ("10.sql", "\u{feff}UPDATE t SET x = x + 1;")];
    assert_eq!(migrator.up(&files(&three)).await.unwrap().applied, ["10.sql"]);
    assert_eq!(rows(&database, "SELECT x FROM t").await, [[2.into()]]);
    let status = migrator.status(&files(&three)).await.unwrap();
    assert!(status.migrations.iter().all(|(_, standing)| *standing == Standing::Applied));
}

#[tokio::test]
async fn a_file_that_fails_leaves_nothing_and_those_before_it_stay() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let broken = [
        ("1.sql", "CREATE TABLE t (x NOT NULL);"),
        ("2.sql", "CREATE TABLE u (y); INSERT INTO t VALUES (NULL);"),
    ];
    let migrator = Migrator::new(&database);
    let error = migrator.up(&files(&broken)).await.unwrap_err();
    assert_eq!(error.to_string(), "could not apply m/2.sql");
    assert_eq!(
        rows(&database, "SELECT count(*) FROM sqlite_master WHERE name = 'u'").await,
        [[0.into()]]
    );
    let status = migrator.status(&files(&broken)).await.unwrap();
    assert_eq!(status.pending().collect::<Vec<_>>(), ["2.sql"]);
    let mended = [broken[0], ("2.sql", "INSERT INTO t VALUES (1);")];
    assert_eq!(migrator.up(&files(&mended)).await.unwrap().applied, ["2.sql"]);
}

#[tokio::test]
async fn what_wrangler_applied_is_known_and_goes_on() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let wranglers = "CREATE TABLE \"d1_migrations\"(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, \
                     applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);\n\
                     CREATE TABLE t (x); INSERT INTO d1_migrations (name) VALUES ('1.sql');";
    database.script(wranglers).await.unwrap();
    let all = files(&[("1.sql", "CREATE TABLE t (x);"), ("2.sql", "INSERT INTO t VALUES (1);")]);
    let migrator = Migrator::new(&database);
    assert_eq!(migrator.status(&all).await.unwrap().migrations[0].1, Standing::Unproved);
    assert_eq!(migrator.up(&all).await.unwrap().applied, ["2.sql"]);
    assert_eq!(migrator.status(&all).await.unwrap().migrations[1].1, Standing::Applied);
}

/// The statement that rows do not fit is shown where it stands, whatever the file's own statements became.
#[tokio::test]
async fn a_statement_that_fails_is_named_with_its_place() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let first = "CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL); INSERT INTO t VALUES (1, 2);";
    let same = "-- twice\nUPDATE t SET b = 1 / b;";
    for (second, at) in [
        ("INSERT INTO t VALUES (2, 2);\n  INSERT INTO t VALUES (1, 2) -- no semicolon", "2:3"),
        (&*format!("UPDATE t SET b = 0;\n{same}\n{same}"), "3:1"),
        ("UPDATE t SET b = 0;\nSELECT 1;\nUPDATE t SET b = 1;\nUPDATE t SET b = NULL;", "4:1"),
        (
            "CREATE TABLE n (a INTEGER PRIMARY KEY, b CHECK (b > 2));\n\
             INSERT INTO n SELECT a, b FROM t;\nDROP TABLE t;\nALTER TABLE n RENAME TO t;",
            "2:1",
        ),
    ] {
        let two = files(&[("1.sql", first), ("2.sql", second)]);
        let error = Migrator::new(&database).up(&two).await.unwrap_err();
        let MigrateError::Failed { at: Some(place), source, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(place.to_string(), format!("m/2.sql:{at}"), "{second}: {source}");
        assert!(error.hint().unwrap().contains("nothing of the file was applied"));
    }
}

#[tokio::test]
async fn files_that_disagree_with_the_database_stop_it_and_repair_mends_them() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database);
    let before = files(&[("1.sql", "CREATE TABLE t (x);"), ("2.sql", "CREATE TABLE u (x);")]);
    migrator.up(&before).await.unwrap();
    let after = files(&[("1.sql", "CREATE TABLE t (x, y);"), ("3.sql", "CREATE TABLE v (x);")]);
    let error = migrator.up(&after).await.unwrap_err();
    assert!(matches!(&error, MigrateError::Problems(problems) if problems.len() == 2), "{error}");
    assert_eq!(
        rows(&database, "SELECT count(*) FROM sqlite_master WHERE name = 'v'").await,
        [[0.into()]]
    );
    let shown = migrator.status(&after).await.unwrap().problems;
    assert_eq!(migrator.repair(&after, &shown[..1]).await.unwrap(), shown[..1]);
    assert_eq!(migrator.status(&after).await.unwrap().problems, shown[1..], "only what was shown");
    migrator.repair(&before, &[]).await.unwrap();
    let edited = "UPDATE clodo_migrations SET sha256 = (SELECT sha256 FROM clodo_migrations WHERE name = '2.sql')";
    database.script(edited).await.unwrap();
    let mended = migrator.repair(&after, &shown).await.unwrap();
    assert_eq!(
        mended.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["1.sql was edited after it was applied", "2.sql was applied, and its file is gone",]
    );
    assert_eq!(migrator.up(&after).await.unwrap().applied, ["3.sql"]);
    let early = files(&[
        ("1.sql", "CREATE TABLE t (x, y);"),
        ("2.sql", "SELECT 1;"),
        ("3.sql", "CREATE TABLE v (x);"),
    ]);
    let error = migrator.up(&early).await.unwrap_err();
    assert_eq!(error.to_string(), "2.sql was not applied, and migrations behind it were");
}

#[tokio::test]
async fn a_baseline_records_and_runs_nothing() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let all = files(&[("1.sql", "CREATE TABLE t (x);"), ("2.sql", "CREATE TABLE u (x);")]);
    let migrator = Migrator::new(&database).with_records("my \"records\"");
    assert!(matches!(migrator.baseline(&all, "3.sql").await, Err(MigrateError::Unknown(_))));
    assert_eq!(migrator.baseline(&all, "1.sql").await.unwrap(), ["1.sql"]);
    assert_eq!(migrator.up(&all).await.unwrap().applied, ["2.sql"]);
    assert_eq!(
        rows(&database, "SELECT count(*) FROM sqlite_master WHERE name = 't'").await,
        [[0.into()]]
    );
}

#[tokio::test]
async fn two_runners_apply_each_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    let options = clodo_sqlite::OpenOptions::default;
    let (one, two) = (
        SqliteDatabase::open(&path, options()).await.unwrap(),
        SqliteDatabase::open(&path, options()).await.unwrap(),
    );
    let texts: Vec<(String, String)> = (1..30)
        .map(|at| {
            (
                format!("{at}.sql"),
                format!("CREATE TABLE t{at} (x); INSERT INTO t{at} VALUES ({at});"),
            )
        })
        .collect();
    let texts: Vec<(&str, &str)> =
        texts.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    let all = files(&texts);
    let (first, second) = (Migrator::new(&one), Migrator::new(&two));
    let (first, second) = tokio::join!(first.up(&all), second.up(&all));
    first.unwrap();
    second.unwrap();
    assert_eq!(rows(&one, "SELECT count(*) FROM d1_migrations").await, [[29.into()]]);
    assert_eq!(rows(&one, "SELECT count(*) FROM t29").await, [[1.into()]]);
}

#[tokio::test]
async fn a_plan_is_what_would_run_and_writes_nothing() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database);
    let first = files(&[(
        "0001_a.sql",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\n\
         CREATE TABLE c (p REFERENCES p ON DELETE CASCADE);\n\
         INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);",
    )]);
    migrator.up(&first).await.unwrap();
    let rebuild = "CREATE TABLE n (id INTEGER PRIMARY KEY, x);\nINSERT INTO n (id) SELECT id FROM p;\n\
                   -- clodo:allow drop-column it comes anew\n\
                   DROP TABLE p;\nALTER TABLE n RENAME TO p;";
    let mut all = first.files().to_vec();
    all.push(MigrationFile::new("0002_b.sql", "m/0002_b.sql", rebuild));
    all.push(MigrationFile::new("0003_c.sql", "m/0003_c.sql", rebuild));
    let all = Migrations::new(all).unwrap();

    let plan = migrator.plan(&all).await.unwrap();
    let plan = plan.files();
    assert_eq!(migrator.status(&all).await.unwrap().pending().count(), 2, "nothing ran");
    assert_eq!((plan.len(), plan[1].rebuilds[0].keeps.as_slice()), (2, &["c".to_owned()][..]));
    for planned in plan {
        database.script(&planned.sql).await.unwrap();
    }
    assert_eq!(migrator.status(&all).await.unwrap().pending().count(), 0);
    let rows = database.query(&Statement::new("SELECT count(*) FROM c")).await.unwrap();
    assert_eq!(rows.rows[0][0], 1.into());
}

#[tokio::test]
async fn what_is_half_restored_is_left_alone() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database);
    let all = files(&[("0001_a.sql", "CREATE TABLE IF NOT EXISTS a (x);")]);
    let mark =
        "CREATE TABLE _clodo_restore (sha256, done); INSERT INTO _clodo_restore VALUES ('ab', 7);";
    database.script(mark).await.unwrap();
    for records in ["", "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT UNIQUE);"] {
        database.script(records).await.unwrap();
        let refused = migrator.up(&all).await.unwrap_err();
        assert!(matches!(refused, MigrateError::HalfRestored), "{refused:?}");
        let refused = migrator.baseline(&all, "0001_a.sql").await.unwrap_err();
        assert!(matches!(refused, MigrateError::HalfRestored), "{refused:?}");
    }
    database.script("DROP TABLE _clodo_restore;").await.unwrap();
    migrator.up(&all).await.unwrap();
}

/// Between a look and the first file, and between two files.
#[tokio::test]
async fn what_is_not_as_it_was_seen_is_left_alone() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database);
    let texts = [("1.sql", "CREATE TABLE a (x);"), ("2.sql", "INSERT INTO a VALUES (2);")];
    let (first, ours) = (files(&texts[..1]), files(&texts));
    let theirs = files(&[texts[0], ("3.sql", "INSERT INTO a VALUES (3);")]);
    let early = migrator.plan(&ours).await.unwrap();
    migrator.up(&first).await.unwrap();
    let late = migrator.plan(&ours).await.unwrap();
    migrator.up(&theirs).await.unwrap();

    let overtaken = migrator.carry_out(&ours, late).unwrap().next().await.unwrap_err();
    assert_eq!(
        overtaken.to_string(),
        "could not apply m/2.sql: the last migration of the database was 1.sql and is 3.sql now"
    );
    let mut early = migrator.carry_out(&ours, early).unwrap();
    // Somebody else was faster with the first file, and then had another one.
    let overtaken = early.next().await.unwrap_err();
    assert!(matches!(overtaken, MigrateError::Overtaken { .. }), "{overtaken:?}");
    assert_eq!(rows(&database, "SELECT x FROM a").await, [[3.into()]]);
    assert_eq!(rows(&database, "SELECT count(*) FROM d1_migrations").await, [[2.into()]]);
}

/// Two services may share a database and its files.
#[tokio::test]
async fn what_somebody_else_applied_meanwhile_is_not_ours() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database);
    let texts = [
        ("1.sql", "CREATE TABLE a (x);"),
        ("2.sql", "INSERT INTO a VALUES (2);"),
        ("3.sql", "INSERT INTO a VALUES (3);"),
    ];
    let (some, all) = (files(&texts[..2]), files(&texts));
    let (plan, late) = (migrator.plan(&all).await.unwrap(), migrator.plan(&all).await.unwrap());
    migrator.up(&some).await.unwrap();
    let mut pending = migrator.carry_out(&all, plan).unwrap();
    assert_eq!(pending.next().await.unwrap().unwrap().name, "3.sql");
    assert!(pending.next().await.unwrap().is_none());
    assert!(migrator.carry_out(&all, late).unwrap().next().await.unwrap().is_none());
    assert_eq!(rows(&database, "SELECT group_concat(x) FROM a").await, [["2,3".into()]]);
}

#[tokio::test]
async fn a_restore_that_begins_after_the_look_is_left_alone() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database);
    let all = files(&[("1.sql", "CREATE TABLE a (x);"), ("2.sql", "CREATE TABLE b (x);")]);
    let mut pending = migrator.begin(&all).await.unwrap();
    pending.next().await.unwrap();
    let mark = "CREATE TABLE _clodo_restore (sha256, done);";
    database.script(mark).await.unwrap();
    let refused = pending.next().await.unwrap_err();
    assert!(matches!(refused, MigrateError::HalfRestored), "{refused:?}");
    let (request, _) = migrator.request(&all.files()[1], true).await.unwrap();
    database.script(&request).await.unwrap_err();
    assert_eq!(
        rows(&database, "SELECT name FROM sqlite_master WHERE name = 'b'").await,
        [[Value::Null]; 0]
    );
}

/// The schema comes with the records, and only where something is pending.
#[tokio::test]
async fn a_look_finds_the_schema_that_files_are_pending_for() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database).with_records("my \"own\"");
    let texts = [("1.sql", "CREATE TABLE a (x); CREATE INDEX i ON a (x);"), ("2.sql", "SELECT 1;")];
    let (first, both) = (files(&texts[..1]), files(&texts));
    database.script("CREATE TABLE b (y)").await.unwrap();
    let may_break = files(&[("1.sql", "ALTER TABLE b DROP COLUMN y;")]);
    assert!(migrator.look(&may_break).await.unwrap().may_break_code(), "without any records");
    migrator.up(&first).await.unwrap();
    assert_eq!(migrator.look(&first).await.unwrap().plan(&migrator).unwrap().files(), []);
    let spoiling = files(&[texts[0], ("2.sql", "ALTER TABLE a DROP COLUMN x;")]);
    assert!(migrator.look(&spoiling).await.unwrap().may_break_code());
    let plan = migrator.plan(&both).await.unwrap();
    let mut pending = migrator.carry_out(&both, plan).unwrap();
    assert_eq!(pending.next().await.unwrap().unwrap().name, "2.sql");
    assert!(pending.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_plan_is_for_the_files_that_it_was_made_of() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database);
    let texts = [("1.sql", "CREATE TABLE a (x);"), ("2.sql", "INSERT INTO a VALUES (1);")];
    let all = files(&texts);
    let plan = migrator.plan(&all).await.unwrap();
    let edited = files(&[texts[0], ("2.sql", "INSERT INTO a VALUES (2);")]);
    for others in [files(&texts[..1]), edited] {
        let refused = migrator.carry_out(&others, plan.clone()).unwrap_err();
        assert!(matches!(&refused, MigrateError::Unknown(name) if name == "2.sql"), "{refused:?}");
    }
    let elsewhere = Migrator::new(&database).with_records("elsewhere");
    elsewhere.carry_out(&all, plan).unwrap().next().await.unwrap();
    assert_eq!(rows(&database, "SELECT name FROM elsewhere").await, [["1.sql".into()]]);
}

#[tokio::test]
async fn a_file_that_failed_is_still_the_next_one() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script("CREATE TABLE a (x UNIQUE); INSERT INTO a VALUES (1)").await.unwrap();
    let migrator = Migrator::new(&database);
    let all = files(&[("1.sql", "INSERT INTO a VALUES (1);"), ("2.sql", "CREATE TABLE b (x);")]);
    let mut pending = migrator.begin(&all).await.unwrap();
    pending.next().await.unwrap_err();
    database.script("DELETE FROM a").await.unwrap();
    assert_eq!(pending.next().await.unwrap().unwrap().name, "1.sql");
    assert_eq!(pending.next().await.unwrap().unwrap().name, "2.sql");
}

/// In a table of one's own, and where only wrangler's table is there.
#[tokio::test]
async fn rebuilds_are_carried_out_whatever_the_records_are() {
    let rebuild = "CREATE TABLE n (id INTEGER PRIMARY KEY, y);\nINSERT INTO n (id) SELECT id FROM p;\n\
                   DROP TABLE p;\nALTER TABLE n RENAME TO p;";
    let texts = [
        ("1.sql", "CREATE TABLE p (id INTEGER PRIMARY KEY);\nINSERT INTO p VALUES (7);"),
        ("2.sql", "CREATE TABLE c (p REFERENCES p ON DELETE CASCADE);\nINSERT INTO c VALUES (7);"),
        ("3.sql", rebuild),
        ("4.sql", "-- clodo:allow drop-column nobody reads it\nALTER TABLE p DROP COLUMN y;"),
    ];
    let all = files(&texts);
    for (records, theirs) in [("my \"own\"", ""), ("d1_migrations", "('1.sql'), (NULL)")] {
        let database = SqliteDatabase::in_memory().await.unwrap();
        let migrator = Migrator::new(&database).with_records(records);
        if !theirs.is_empty() {
            let by_wrangler = format!(
                "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, \
                 applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);\n\
                 INSERT INTO d1_migrations (name) VALUES {theirs};\n{}",
                texts[0].1
            );
            database.script(&by_wrangler).await.unwrap();
        }
        let plan = migrator.plan(&all).await.unwrap();
        let planned = plan.files().len();
        let mut pending = migrator.carry_out(&all, plan).unwrap();
        for _ in 0..planned {
            pending.next().await.unwrap().unwrap();
        }
        assert_eq!(rows(&database, "SELECT p FROM c").await, [[7.into()]], "{records}");
        assert_eq!(migrator.status(&all).await.unwrap().pending().count(), 0, "{records}");
    }
}
