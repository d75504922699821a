//! The public API on real files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use clodo_sqlite::{Durability, OpenOptions, Sqlite, SqliteErrorKind, rusqlite};
use std::{fs, path::PathBuf, time::Duration};
use tempfile::TempDir;

const FORMAT: &[&str] = &["CREATE TABLE t (x INTEGER PRIMARY KEY)"];

fn options() -> OpenOptions {
    OpenOptions::default().with_format(FORMAT)
}

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("deep/er/state.sqlite");
    (folder, file)
}

async fn insert(db: &Sqlite, x: i64) -> Result<usize, clodo_sqlite::SqliteError> {
    db.call(move |db| db.execute("INSERT INTO t VALUES (?1)", [x])).await
}

async fn count(db: &Sqlite) -> i64 {
    db.call(|db| db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))).await.unwrap()
}

#[tokio::test]
async fn rows_outlive_the_handle() {
    let (_folder, file) = folder();
    let db = Sqlite::open(&file, options().with_durability(Durability::Normal)).await.unwrap();
    insert(&db, 1).await.unwrap();
    db.close().await;
    let db = Sqlite::open(&file, OpenOptions::read_only().with_format(FORMAT)).await.unwrap();
    assert_eq!(count(&db).await, 1);
    assert_eq!(insert(&db, 2).await.unwrap_err().kind(), SqliteErrorKind::Denied);
    assert_eq!(db.path(), Some(file.as_path()));
}

#[tokio::test]
async fn a_missing_file_is_not_created_unasked() {
    let (_folder, file) = folder();
    let error = Sqlite::open(&file, options().with_create(false)).await.unwrap_err();
    assert_eq!(error.kind(), SqliteErrorKind::Missing);
    assert!(error.to_string().contains("state.sqlite"), "{error}");
    assert!(!file.exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_on_opening() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "this is no database, however long one makes it".repeat(100)).unwrap();
    let error = Sqlite::open(&file, options()).await.unwrap_err();
    assert_eq!(error.kind(), SqliteErrorKind::Corrupt);
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let (_folder, file) = folder();
    let newer: &[&str] = &["CREATE TABLE t (x INTEGER PRIMARY KEY)", "ALTER TABLE t ADD y"];
    Sqlite::open(&file, OpenOptions::default().with_format(newer)).await.unwrap().close().await;
    let error = Sqlite::open(&file, options()).await.unwrap_err();
    assert_eq!(error.kind(), SqliteErrorKind::NewerFormat);
    let text = error.to_string();
    assert!(text.contains("has format 2") && text.contains("up to 1"), "{text}");
}

#[tokio::test]
async fn an_older_format_is_brought_up_to_date() {
    let (_folder, file) = folder();
    let db = Sqlite::open(&file, options()).await.unwrap();
    insert(&db, 7).await.unwrap();
    db.close().await;
    let newer: &[&str] = &["not run again", "ALTER TABLE t ADD y INTEGER DEFAULT 3"];
    let db = Sqlite::open(&file, OpenOptions::default().with_format(newer)).await.unwrap();
    let y: i64 = db.call(|db| db.query_row("SELECT y FROM t", [], |r| r.get(0))).await.unwrap();
    assert_eq!(y, 3);
}

#[tokio::test]
async fn a_panic_is_an_error_and_leaves_nothing_behind() {
    let db = Sqlite::in_memory(options()).await.unwrap();
    let error = db
        .call::<(), _>(|db| {
            db.execute_batch("BEGIN; INSERT INTO t VALUES (1)")?;
            panic!("half-way");
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), SqliteErrorKind::Caller);
    assert!(error.to_string().contains("half-way"), "{error}");
    assert_eq!(count(&db).await, 0);
}

#[tokio::test]
async fn a_transaction_left_open_is_rolled_back() {
    let db = Sqlite::in_memory(options()).await.unwrap();
    let left = db.call(|db| db.execute_batch("BEGIN; INSERT INTO t VALUES (1)")).await;
    assert_eq!(left.unwrap_err().kind(), SqliteErrorKind::Caller);
    assert_eq!(count(&db).await, 0);
}

#[tokio::test]
async fn another_writer_makes_it_busy_and_the_message_names_the_file() {
    let (_folder, file) = folder();
    let db = Sqlite::open(&file, options().with_busy_timeout(Duration::ZERO)).await.unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = insert(&db, 1).await.unwrap_err();
    assert_eq!(error.kind(), SqliteErrorKind::Busy);
    assert!(error.to_string().contains("state.sqlite"), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    insert(&db, 1).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_goes_while_work_waits_is_noticed_at_its_end() {
    let (folder, file) = folder();
    let db = Sqlite::open(&file, options()).await.unwrap();
    let outcome = db
        .hold(move |db| {
            db.execute("INSERT INTO t VALUES (1)", [])?;
            fs::remove_dir_all(folder.path()).expect("the folder can be removed");
            Ok(())
        })
        .await;
    assert_eq!(outcome.unwrap_err().kind(), SqliteErrorKind::Gone);
}

#[cfg(unix)]
#[tokio::test]
async fn a_deleted_folder_is_noticed_before_the_next_write() {
    let (_folder, file) = folder();
    let db = Sqlite::open(&file, options()).await.unwrap();
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    assert_eq!(insert(&db, 1).await.unwrap_err().kind(), SqliteErrorKind::Gone);
    // A new file in its place is not the one that was opened either.
    Sqlite::open(&file, options()).await.unwrap().close().await;
    assert_eq!(insert(&db, 1).await.unwrap_err().kind(), SqliteErrorKind::Gone);
}

#[tokio::test]
async fn a_constraint_has_a_kind_of_its_own() {
    let db = Sqlite::in_memory(options()).await.unwrap();
    insert(&db, 1).await.unwrap();
    assert_eq!(insert(&db, 1).await.unwrap_err().kind(), SqliteErrorKind::Constraint);
    let error = db.call(|db| db.execute_batch("nonsense")).await.unwrap_err();
    assert_eq!(error.kind(), SqliteErrorKind::Sql);
    assert!(error.as_rusqlite().is_some());
}

#[tokio::test]
async fn a_copy_is_complete_and_replaces_the_old_one() {
    let (folder, file) = folder();
    let db = Sqlite::open(&file, options()).await.unwrap();
    let copy = folder.path().join("copies/one.sqlite");
    for round in 1..=2 {
        insert(&db, round).await.unwrap();
        db.back_up_to(&copy).await.unwrap();
        let copy = Sqlite::open(&copy, OpenOptions::read_only()).await.unwrap();
        assert_eq!(count(&copy).await, round);
        copy.close().await;
    }
    let left: Vec<_> = fs::read_dir(folder.path().join("copies")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn a_file_that_others_have_open_is_filled_as_a_whole_or_not_at_all() {
    let (folder, file) = folder();
    let other = folder.path().join("other.sqlite");
    let source = Sqlite::open(&other, options()).await.unwrap();
    for value in 1..=3 {
        insert(&source, value).await.unwrap();
    }
    source.close().await;
    let db = Sqlite::open(&file, options()).await.unwrap();
    insert(&db, 1).await.unwrap();
    let reader = Sqlite::open(&file, OpenOptions::read_only()).await.unwrap();
    assert_eq!(count(&reader).await, 1);
    assert!(db.fill_from(folder.path().join("none.sqlite")).await.is_err());
    fs::write(folder.path().join("no.sqlite"), "no database").unwrap();
    assert!(db.fill_from(folder.path().join("no.sqlite")).await.is_err());
    assert_eq!((count(&db).await, count(&reader).await), (1, 1));
    db.fill_from(&other).await.unwrap();
    assert_eq!((count(&db).await, count(&reader).await), (3, 3));
    insert(&db, 4).await.unwrap();
    assert_eq!(count(&reader).await, 4);
}

#[tokio::test]
async fn a_dropped_call_that_has_not_begun_is_skipped() {
    let db = Sqlite::in_memory(options()).await.unwrap();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let busy = tokio::spawn({
        let db = db.clone();
        async move { db.call(move |_| Ok(held.recv().is_ok())).await }
    });
    tokio::task::yield_now().await;
    let dropped = tokio::spawn({
        let db = db.clone();
        async move { insert(&db, 1).await }
    });
    tokio::task::yield_now().await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    hold.send(()).unwrap();
    assert!(busy.await.unwrap().unwrap());
    assert_eq!(count(&db).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_one_connection() {
    let db = Sqlite::in_memory(options()).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for x in 0..200 {
        let db = db.clone();
        calls.spawn(async move { insert(&db, x).await });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(count(&db).await, 200);
}

#[tokio::test]
async fn an_init_hook_may_fail_or_panic() {
    let broken = OpenOptions::default().with_init(|db| db.execute_batch("nonsense"));
    assert_eq!(Sqlite::in_memory(broken).await.unwrap_err().kind(), SqliteErrorKind::Sql);
    let panics = OpenOptions::default().with_init(|_| panic!("no"));
    assert_eq!(Sqlite::in_memory(panics).await.unwrap_err().kind(), SqliteErrorKind::Caller);
}
