use clodo_db::{
    Batch, BatchError, Database as _, DatabaseError, DatabaseErrorKind, SqliteDatabase, Statement,
    Transactional as _, TransactionalExt as _,
    query::{Expr, Operand as _, Table, Update},
};
use clodo_sqlite::{OpenOptions, rusqlite::Connection};
use std::time::Duration;

const COUNTER: Table = Table::new("counter");

async fn counter() -> SqliteDatabase {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let make = "CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0);";
    database.script(make).await.unwrap();
    database
}

fn read() -> Statement {
    Statement::new("SELECT n FROM counter")
}

async fn value(database: &SqliteDatabase) -> i64 {
    database.query(&read()).await.unwrap().first().unwrap().unwrap()
}

async fn add_one(database: SqliteDatabase) -> Result<(), DatabaseError> {
    database
        .transaction(async |tx| {
            let now = tx.run(&read()).await?.rows[0][0].as_integer().unwrap();
            // Others get their turn between reading and writing.
            tokio::task::yield_now().await;
            tx.run(&Statement::new("UPDATE counter SET n = ?").bind(now + 1)).await?;
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_tasks_at_once_no_update_is_lost() {
    let database = counter().await;
    let tasks: Vec<_> = (0..50).map(|_| tokio::spawn(add_one(database.clone()))).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(value(&database).await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_with_checks_no_update_is_lost_either() {
    let database = counter().await;
    let write = |database: SqliteDatabase| async move {
        let mut lost = 0;
        loop {
            let now = value(&database).await;
            let n = COUNTER.column("n");
            let update = Update::table(COUNTER).set(n, now + 1).filter(n.equals(now));
            let batch = Batch::new().run(update.build().unwrap()).expect_changes(1);
            match batch.send(&database).await {
                Ok(_) => return lost,
                Err(BatchError::Check { at: 1, what }) => {
                    assert_eq!(what, "statement 1 changes 1 row");
                    lost += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    let tasks: Vec<_> = (0..20).map(|_| tokio::spawn(write(database.clone()))).collect();
    let mut lost = 0;
    for task in tasks {
        lost += task.await.unwrap();
    }
    assert_eq!(value(&database).await, 20);
    assert!(lost > 0, "nobody came too late, so nothing was tried");
}

#[tokio::test]
async fn a_transaction_that_waits_for_its_own_database_is_given_up() {
    let database = counter().await.with_idle_transactions(Duration::from_millis(50));
    let outcome = database
        .transaction(async |tx| {
            tx.run(&Statement::new("UPDATE counter SET n = 1")).await?;
            // The wrong handle: it waits until the transaction is over.
            assert_eq!(value(&database).await, 0);
            tx.run(&read()).await
        })
        .await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), DatabaseErrorKind::Limit);
    assert!(error.message().contains("nothing was asked of it"), "{error}");
    assert_eq!(value(&database).await, 0);
    let mut idle = database.begin().await.unwrap();
    idle.run(&Statement::new("UPDATE counter SET n = 2")).await.unwrap();
    assert_eq!(value(&database).await, 0, "it waits for the end");
    assert_eq!(idle.commit().await.unwrap_err().kind(), DatabaseErrorKind::Limit);
}

#[tokio::test]
async fn a_transaction_whose_caller_stops_waiting_is_rolled_back() {
    let database = counter().await;
    let (tell, written) = tokio::sync::oneshot::channel();
    let other = database.clone();
    let task = tokio::spawn(async move {
        let never = other.transaction(async move |tx| {
            tx.run(&Statement::new("UPDATE counter SET n = 7")).await?;
            tell.send(()).unwrap();
            std::future::pending::<Result<(), DatabaseError>>().await
        });
        never.await
    });
    written.await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(value(&database).await, 0);
}

#[tokio::test]
async fn another_program_s_lock_is_busy_and_its_readers_see_no_half() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    let options = OpenOptions::default().with_busy_timeout(Duration::ZERO);
    let database = SqliteDatabase::open(&path, options).await.unwrap();
    database.script("CREATE TABLE t (x)").await.unwrap();
    let other = Connection::open(&path).unwrap();
    let count =
        || other.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap();
    let mut tx = database.begin().await.unwrap();
    tx.run(&Statement::new("INSERT INTO t VALUES (1)")).await.unwrap();
    assert_eq!(count(), 0);
    tx.commit().await.unwrap();
    assert_eq!(count(), 1);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(database.begin().await.unwrap_err().kind(), DatabaseErrorKind::Busy);
}

#[cfg(unix)]
#[tokio::test]
async fn a_commit_into_a_file_that_is_gone_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    let database = SqliteDatabase::open(&path, OpenOptions::default()).await.unwrap();
    database.script("CREATE TABLE t (x)").await.unwrap();
    let mut tx = database.begin().await.unwrap();
    tx.run(&Statement::new("INSERT INTO t VALUES (1)")).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(tx.commit().await.unwrap_err().kind(), DatabaseErrorKind::Missing);
}

#[tokio::test]
async fn a_batch_is_refused_before_it_is_sent() {
    let database = counter().await;
    let sent = async |batch: Batch| batch.send(&database).await.unwrap_err();
    let wrong = sent(Batch::new().expect("?", Expr::raw("? = 1", []))).await;
    assert!(matches!(wrong, BatchError::Build(_)), "{wrong:?}");
    let many = Statement { sql: "SELECT 1".to_owned(), params: vec![1.into(); 32_767] };
    let large = sent(Batch::new().run(read()).run(many)).await;
    assert!(matches!(large, BatchError::TooLarge { at: 2, .. }), "{large:?}");
    let commit = sent(Batch::new().run(Statement::new("COMMIT"))).await;
    let BatchError::Database(commit) = commit else { panic!("{commit:?}") };
    assert_eq!(commit.kind(), DatabaseErrorKind::Denied);
}
