use crate::{
    Database, DatabaseError, DatabaseErrorKind, Statement, Transaction, Transactional,
    TransactionalExt as _,
};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
};

/// What every [`Transactional`] must pass.
pub async fn transactional(database: &dyn Transactional) {
    let make = "CREATE TABLE t (x UNIQUE); CREATE TABLE p (id INTEGER PRIMARY KEY);\n\
                CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED);";
    database.script(make).await.expect("tables can be made");
    commits(database).await;
    rolls_back(database).await;
    goes_on_after_a_refusal(database).await;
    ends_once(database).await;
}

fn insert(x: i64) -> Statement {
    Statement::new("INSERT INTO t VALUES (?)").bind(x)
}

async fn count(database: &dyn Database) -> i64 {
    let rows = database.query(&Statement::new("SELECT count(*) FROM t")).await;
    rows.expect("it can be read").first().expect("a number").expect("a row")
}

async fn commits(database: &dyn Transactional) {
    let done = database.transaction(async |tx| {
        assert_eq!(tx.run(&insert(1)).await?.changes, 1);
        let rows = tx.run(&Statement::new("SELECT x FROM t")).await?;
        assert_eq!(rows.rows, [[1.into()]], "it sees what it wrote");
        Ok::<_, DatabaseError>("done")
    });
    assert_eq!(done.await.expect("it is committed"), "done");
    assert_eq!(count(database).await, 1);
}

async fn rolls_back(database: &dyn Transactional) {
    // An error, which may be any type.
    #[derive(Debug, PartialEq)]
    struct Own(Option<DatabaseErrorKind>);
    impl From<DatabaseError> for Own {
        fn from(error: DatabaseError) -> Self {
            Self(Some(error.kind()))
        }
    }
    let failed = database.transaction(async |tx| {
        tx.run(&insert(2)).await?;
        Err::<(), _>(Own(None))
    });
    assert_eq!(failed.await, Err(Own(None)));
    assert_eq!(count(database).await, 1, "what fails is taken back");

    let mut panics = Box::pin(database.transaction(async |tx| {
        tx.run(&insert(3)).await?;
        assert!(count_in(tx).await? < 2, "half-way");
        Ok::<_, DatabaseError>(())
    }));
    let caught = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| panics.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(_)) => Poll::Ready(false),
            Err(_) => Poll::Ready(true),
        }
    });
    assert!(caught.await, "the panic goes on");
    // As an executor does with a task that has panicked.
    drop(panics);
    assert_eq!(count(database).await, 1, "what panics is taken back");

    let mut dropped = database.begin().await.expect("it begins again");
    dropped.run(&insert(4)).await.expect("a row");
    drop(dropped);
    assert_eq!(count(database).await, 1, "what is dropped is taken back");

    let late = database.transaction(async |tx| {
        tx.run(&Statement::new("INSERT INTO c VALUES (9)")).await?;
        Ok::<_, DatabaseError>(())
    });
    let late = late.await.expect_err("there is no such parent");
    assert_eq!(late.kind(), DatabaseErrorKind::Constraint);
    let rows = database.query(&Statement::new("SELECT count(*) FROM c")).await;
    assert_eq!(rows.expect("it can be read").rows, [[0.into()]]);
}

async fn count_in(tx: &mut Transaction) -> Result<i64, DatabaseError> {
    let rows = tx.run(&Statement::new("SELECT count(*) FROM t")).await?;
    Ok(rows.first().expect("a number").expect("a row"))
}

async fn goes_on_after_a_refusal(database: &dyn Transactional) {
    let done = database.transaction(async |tx| {
        tx.run(&insert(5)).await?;
        let twice = tx.run(&insert(5)).await.expect_err("it is there");
        assert_eq!(twice.kind(), DatabaseErrorKind::Constraint);
        let secret = Statement::new("SELECT ? FROM missing").bind("hunter2");
        let missing = tx.run(&secret).await.expect_err("there is no such table");
        assert_eq!(missing.kind(), DatabaseErrorKind::Sql);
        assert!(!format!("{missing:?}").contains("hunter2"), "{missing:?}");
        for bound in ["COMMIT", "/* */ rollback", "SAVEPOINT x", "BEGIN", "END", ";RELEASE x"] {
            let bound = tx.run(&Statement::new(bound)).await.expect_err("it is not its own");
            assert_eq!(bound.kind(), DatabaseErrorKind::Denied);
        }
        tx.run(&insert(6)).await
    });
    assert_eq!(done.await.expect("it goes on").changes, 1);
    assert_eq!(count(database).await, 3);
}

async fn ends_once(database: &dyn Transactional) {
    let mut broken = database.begin().await.expect("it begins");
    broken.run(&insert(7)).await.expect("a row");
    let by_itself = Statement::new("INSERT OR ROLLBACK INTO t VALUES (?)").bind(7);
    broken.run(&by_itself).await.expect_err("it is there");
    broken.run(&insert(8)).await.expect_err("it was ended: this row would be for good");
    broken.commit().await.expect_err("there is nothing to commit");
    assert_eq!(count(database).await, 3);
    let taken_back = database.begin().await.expect("it begins");
    taken_back.roll_back().await.expect("it ends");
    assert_eq!(count(database).await, 3);
}
