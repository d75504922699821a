//! Others who write, requests that fail and answers that are lost, at every place where they can.

use crate::applying::files;
use async_trait::async_trait;
use clodo_db::{
    BackupError, BackupFolder, BackupOptions, Capabilities, Database, DatabaseError,
    DatabaseErrorKind, Existing, Keeper, Migrator, RestoreError, RestoreOptions, Rows,
    SqliteDatabase, Statement, backup, compare, restore, verify_text,
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A database in which something happens at one of its calls.
#[derive(Debug)]
struct Meddled {
    inner: SqliteDatabase,
    calls: AtomicUsize,
    scripts: AtomicUsize,
    meddling: Meddling,
}

#[derive(Debug)]
enum Meddling {
    /// Somebody else writes this before these reads.
    Writes(fn(usize) -> bool, &'static str),
    /// This request is refused.
    Refuses(usize),
    /// This request runs, and its answer is lost.
    Loses(usize),
    /// This request does not arrive, and nobody knows.
    Swallows(usize),
    /// Somebody else begins to restore another dump before this request.
    Overtakes(usize),
}

impl Meddled {
    fn new(inner: &SqliteDatabase, meddling: Meddling) -> Self {
        let (calls, scripts) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { inner: inner.clone(), calls, scripts, meddling }
    }
}

#[async_trait]
impl Database for Meddled {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn query(&self, statement: &Statement) -> Result<Rows, DatabaseError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if let Meddling::Writes(when, sql) = self.meddling
            && when(call)
        {
            self.inner.script(sql).await.unwrap();
        }
        self.inner.query(statement).await
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        self.inner.batch(statements).await
    }

    async fn script(&self, sql: &str) -> Result<(), DatabaseError> {
        let call = self.scripts.fetch_add(1, Ordering::SeqCst);
        let lost = || DatabaseError::new(DatabaseErrorKind::Unreachable, "cut").with_doubt();
        match self.meddling {
            Meddling::Refuses(at) if at == call => {
                Err(DatabaseError::new(DatabaseErrorKind::Unreachable, "down"))
            }
            Meddling::Loses(at) if at == call => {
                self.inner.script(sql).await?;
                Err(lost())
            }
            Meddling::Swallows(at) if at == call => Err(lost()),
            Meddling::Overtakes(at) if at == call => {
                self.inner.script("UPDATE _clodo_restore SET sha256 = 'other', done = 0").await?;
                self.inner.script(sql).await
            }
            _ => self.inner.script(sql).await,
        }
    }
}

const ROWS: &str = "
    CREATE TABLE a (id INTEGER PRIMARY KEY, v);
    CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a (id), up INTEGER REFERENCES b (id));
    CREATE TABLE c (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
    CREATE VIRTUAL TABLE f USING fts5(v);
    CREATE INDEX i ON a (v);
    CREATE TRIGGER t AFTER INSERT ON c BEGIN DELETE FROM c WHERE id = 1; END;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
    INSERT INTO a SELECT i, 'row ' || i FROM n;
    INSERT INTO b SELECT id, id, 201 - id FROM a ORDER BY id;
    INSERT INTO c SELECT NULL, randomblob(2000) FROM a LIMIT 40;
    INSERT INTO c VALUES (99, randomblob(110000));
    INSERT INTO f SELECT v FROM a;";

async fn with_rows() -> SqliteDatabase {
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script(ROWS).await.unwrap();
    database
}

async fn dumped(database: &SqliteDatabase) -> Vec<u8> {
    let mut out = Vec::new();
    backup(database, database, &mut out, &BackupOptions::default()).await.unwrap();
    out
}

/// A database without records is asked three times what it has.
#[tokio::test]
async fn a_first_migration_of_somebody_else_s_is_seen_whenever_it_comes() {
    const THEIRS: &str = "
        CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,
            applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);
        CREATE TABLE clodo_migrations (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL);
        INSERT INTO d1_migrations (name) VALUES ('1.sql'); CREATE TABLE a (x);";
    let all = files(&[("1.sql", "CREATE TABLE a (x);"), ("2.sql", "INSERT INTO a VALUES (2);")]);
    let moments: [fn(usize) -> bool; 3] = [|call| call == 0, |call| call == 1, |call| call == 2];
    for when in moments {
        let inner = SqliteDatabase::in_memory().await.unwrap();
        let database = Meddled::new(&inner, Meddling::Writes(when, THEIRS));
        let migrator = Migrator::new(&database);
        let plan = migrator.plan(&all).await.unwrap();
        assert_eq!(plan.files().len(), 1, "{:?}", plan.files());
        assert_eq!(migrator.up(&all).await.unwrap().applied, ["2.sql"]);
    }
}

#[tokio::test]
async fn what_others_write_meanwhile_is_read_again() {
    // At each of the first calls: also while the schema is read, and within each table.
    for at in (0..48).step_by(3) {
        let database = with_rows().await;
        let when: fn(usize) -> bool = |call| call == AT.with(std::cell::Cell::get);
        AT.with(|cell| cell.set(at));
        let sql = "UPDATE a SET v = 'new' WHERE id IN (1, 200); DELETE FROM b WHERE id IN (1, 200); \
                   INSERT INTO f VALUES ('more'); INSERT INTO c (v) VALUES (1);";
        let sql = if at == 0 { sql } else { sql.split_inclusive(';').nth(at % 4).unwrap() };
        let meddled = Meddled::new(&database, Meddling::Writes(when, sql));
        let scratch = tempfile::tempdir().unwrap();
        let options = BackupOptions::default().with_page_bytes(5_000).with_scratch(scratch.path());
        let mut out = Vec::new();
        let report = backup(&meddled, &database, &mut out, &options).await;
        let report = match report {
            Ok(report) => report,
            Err(error) => panic!("at {at}: {error:?}"),
        };
        assert!(report.summary.consistent, "at {at}");
        let again = SqliteDatabase::in_memory().await.unwrap();
        restore(&again, &out, &RestoreOptions::default()).await.unwrap();
        assert_eq!(compare(&database, &again).await.unwrap(), [], "at {at}");
    }
}

thread_local! {
    static AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[tokio::test]
async fn what_others_write_while_it_goes_to_a_store_is_read_again() {
    const SQL: &str =
        "UPDATE a SET v = v || '!' WHERE id IN (1, 200); INSERT INTO f VALUES ('more');";
    let mut passes = std::collections::BTreeSet::new();
    for at in (4..36).step_by(4) {
        let database = with_rows().await;
        // Once on the way straight to the store, and twice more when tables are read into files.
        let when: fn(usize) -> bool =
            |call| AT.with(|at| [0, 45, 90].iter().any(|later| at.get() + later == call));
        AT.with(|cell| cell.set(at));
        let meddled = Meddled::new(&database, Meddling::Writes(when, SQL));
        let folder = tempfile::tempdir().unwrap();
        let store = BackupFolder::open(folder.path().join("store")).unwrap();
        let keeper = Keeper::new(&store);
        let options = BackupOptions::default()
            .with_page_bytes(5_000)
            .with_scratch(folder.path().join("scratch"));
        let report = keeper.back_up(&meddled, &database, "a.sql.zst", &options).await.unwrap();
        assert!(report.summary.consistent && report.attempts > 1, "at {at}: {report:?}");
        passes.insert(report.attempts);
        assert_eq!(keeper.verify("a.sql.zst").await.unwrap(), report.summary, "at {at}");
        let again = SqliteDatabase::in_memory().await.unwrap();
        let kept = keeper.dump("a.sql.zst");
        restore(&again, &kept, &RestoreOptions::default()).await.unwrap();
        assert_eq!(compare(&database, &again).await.unwrap(), [], "at {at}");
        let left = std::fs::read_dir(folder.path().join("store")).unwrap().count();
        assert_eq!(left, 1, "nothing is left of the first way");
    }
    assert!(passes.len() > 1, "some are read into files more than once: {passes:?}");
}

#[tokio::test]
async fn a_backup_that_never_settles_says_so() {
    let database = with_rows().await;
    let scratch = tempfile::tempdir().unwrap();
    let all = Meddling::Writes(|call| call % 5 == 0, "UPDATE a SET v = v || '!' WHERE id = 7;");
    let meddled = Meddled::new(&database, all);
    for options in [
        BackupOptions::default().with_scratch(scratch.path()).with_attempts(3),
        BackupOptions::default(),
    ] {
        let mut out = Vec::new();
        let report = backup(&meddled, &database, &mut out, &options).await.unwrap();
        assert!(!report.summary.consistent && report.summary.moment.is_none());
        assert_eq!(report.attempts, if options.scratch.is_some() { 3 } else { 1 });
        assert!(!verify_text(&mut out.as_slice()).unwrap().consistent);
        let again = SqliteDatabase::in_memory().await.unwrap();
        restore(&again, &out, &RestoreOptions::default()).await.unwrap();
    }
    // A schema that changes has no backup at all: half of one would not even load.
    let all = Meddling::Writes(
        |call| call > 8,
        "ALTER TABLE a RENAME TO x; ALTER TABLE x RENAME TO y; ALTER TABLE y RENAME TO a; DROP TABLE IF EXISTS z; CREATE TABLE z (q); DROP VIEW IF EXISTS w;",
    );
    let meddled = Meddled::new(&database, all);
    let options = BackupOptions::default().with_scratch(scratch.path()).with_attempts(2);
    let report = backup(&meddled, &database, &mut Vec::new(), &options).await;
    assert!(
        matches!(&report, Err(BackupError::Changed))
            || report.as_ref().is_ok_and(|report| !report.summary.consistent),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_copy_is_of_one_moment_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let options = clodo_sqlite::OpenOptions::default;
    let live = SqliteDatabase::open(folder.path().join("live.sqlite"), options()).await.unwrap();
    live.script(ROWS).await.unwrap();
    let before = dumped(&live).await;
    let copy = live.copy_to(folder.path().join("copy.sqlite")).await.unwrap();
    live.script("DELETE FROM b; DELETE FROM a;").await.unwrap();
    let mut out = Vec::new();
    let report = backup(&copy, &copy, &mut out, &BackupOptions::default()).await.unwrap();
    assert!(report.summary.consistent);
    assert_eq!(report.summary.rows, verify_text(&mut before.as_slice()).unwrap().rows);
}

/// Runs a restore with one request meddled with, for each request there is.
async fn at_each_request(
    meddling: fn(usize) -> Meddling,
    mut after: impl AsyncFnMut(&SqliteDatabase, Result<(), RestoreError>, &Vec<u8>),
) -> usize {
    let original = with_rows().await;
    let dump = dumped(&original).await;
    let options = RestoreOptions::default().with_request_bytes(20_000);
    for at in 0.. {
        let into = SqliteDatabase::in_memory().await.unwrap();
        let meddled = Meddled::new(&into, meddling(at));
        let outcome = restore(&meddled, &dump, &options).await.map(|_| ());
        let requests = meddled.scripts.load(Ordering::SeqCst);
        if requests <= at {
            outcome.unwrap();
            return requests;
        }
        after(&into, outcome, &dump).await;
        assert_eq!(compare(&original, &into).await.unwrap(), [], "request {at}");
    }
    unreachable!("there is a last request")
}

#[tokio::test]
async fn a_restore_writes_nothing_into_another_one() {
    let original = with_rows().await;
    let dump = dumped(&original).await;
    let options = RestoreOptions::default().with_request_bytes(20_000);
    // The first request marks the database, the last one takes the mark away.
    for at in 1.. {
        let into = SqliteDatabase::in_memory().await.unwrap();
        let meddled = Meddled::new(&into, Meddling::Overtakes(at));
        let outcome = restore(&meddled, &dump, &options).await;
        if meddled.scripts.load(Ordering::SeqCst) <= at {
            outcome.unwrap();
            assert!(at > 5, "{at} requests");
            return;
        }
        assert!(matches!(outcome, Err(RestoreError::Overtaken)), "request {at}: {outcome:?}");
        let mark = Statement::new("SELECT sha256, done FROM _clodo_restore");
        let mark = into.query(&mark).await.unwrap().rows;
        assert_eq!(mark, [["other".into(), 0.into()]], "request {at}");
    }
}

#[tokio::test]
async fn a_restore_that_was_stopped_anywhere_says_so_and_goes_on() {
    let requests = at_each_request(Meddling::Refuses, async |into, outcome, dump| {
        let error = outcome.unwrap_err();
        let RestoreError::Stopped { done, .. } = error else { panic!("{error:?}") };
        let marked = async || {
            let sql = "SELECT count(*) FROM sqlite_master WHERE name = '_clodo_restore'";
            into.query(&Statement::new(sql)).await.unwrap().rows[0][0] == 1.into()
        };
        if marked().await {
            let refused = backup(into, into, &mut Vec::new(), &BackupOptions::default()).await;
            assert!(matches!(refused, Err(BackupError::HalfRestored)));
            let refused = restore(into, dump, &RestoreOptions::default()).await.unwrap_err();
            assert!(matches!(refused, RestoreError::HalfRestored { same: true }));
            let mut other = Vec::new();
            let empty = SqliteDatabase::in_memory().await.unwrap();
            backup(&empty, &empty, &mut other, &BackupOptions::default()).await.unwrap();
            let go_on = RestoreOptions::default().with_existing(Existing::GoOn);
            let refused = restore(into, &other, &go_on).await.unwrap_err();
            assert!(matches!(refused, RestoreError::HalfRestored { same: false }));
        } else {
            assert_eq!(done, 0, "nothing was written");
        }
        let go_on = RestoreOptions::default().with_existing(Existing::GoOn);
        let report = restore(into, dump, &go_on).await.unwrap();
        assert_eq!(report.before, done);
        assert!(!marked().await);
    })
    .await;
    assert!(requests > 8, "{requests}");
}

#[tokio::test]
async fn a_restore_that_was_stopped_anywhere_begins_anew_when_told_to() {
    at_each_request(Meddling::Refuses, async |into, outcome, dump| {
        outcome.unwrap_err();
        let anew = RestoreOptions::default().with_existing(Existing::Replace);
        assert_eq!(restore(into, dump, &anew).await.unwrap().before, 0);
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_neither_repeats_nor_leaves_out_a_request() {
    at_each_request(Meddling::Loses, async |_, outcome, _| outcome.unwrap()).await;
    at_each_request(Meddling::Swallows, async |into, outcome, dump| {
        // Only of the first request nothing is left by which to know.
        if outcome.is_err() {
            let go_on = RestoreOptions::default().with_existing(Existing::GoOn);
            assert_eq!(restore(into, dump, &go_on).await.unwrap().before, 0);
        }
    })
    .await;
}
