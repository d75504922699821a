use clodo_db::{Database as _, DatabaseErrorKind, SqliteDatabase, Statement, conformance};
use clodo_sqlite::OpenOptions;

#[tokio::test]
async fn sqlite_is_a_database() {
    conformance::database(&SqliteDatabase::in_memory().await.unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteDatabase::open(folder.path().join("x.sqlite"), OpenOptions::default());
    conformance::database(&file.await.unwrap()).await;
}

#[tokio::test]
async fn sqlite_has_transactions() {
    conformance::transactional(&SqliteDatabase::in_memory().await.unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteDatabase::open(folder.path().join("x.sqlite"), OpenOptions::default());
    conformance::transactional(&file.await.unwrap()).await;
}

#[tokio::test]
async fn a_query_that_would_write_is_refused() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script("CREATE TABLE t (x)").await.unwrap();
    let insert = Statement::new("INSERT INTO t VALUES (1) RETURNING x");
    assert_eq!(database.query(&insert).await.unwrap_err().kind(), DatabaseErrorKind::Denied);
    let count = Statement::new("SELECT count(*) FROM t");
    assert_eq!(database.query(&count).await.unwrap().rows[0][0], 0.into());
}

#[tokio::test]
async fn what_is_no_database_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    std::fs::write(&path, "not a database, but long enough to be looked at as one".repeat(100))
        .unwrap();
    let opened = SqliteDatabase::open(&path, OpenOptions::default()).await;
    assert_eq!(opened.unwrap_err().kind(), DatabaseErrorKind::Corrupt);
    let nothing = OpenOptions::default().with_create(false);
    let opened = SqliteDatabase::open(folder.path().join("none.sqlite"), nothing).await;
    assert_eq!(opened.unwrap_err().kind(), DatabaseErrorKind::Missing);
}
