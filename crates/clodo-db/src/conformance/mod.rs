//! What every [`Database`] must pass, what every [`Transactional`](crate::Transactional), and what
//! every [`BackupStore`](crate::BackupStore). Each function takes a database or a store of its own,
//! which is empty, and panics when a promise is broken; but for [`migration`], which tells what it saw.

mod checks;
mod migration;
mod queries;
mod stores;
mod transactional;

pub use migration::{Answer, Migrated, answers, migration};
pub use stores::backup_store;
pub use transactional::transactional;

use crate::{Database, DatabaseErrorKind, Integers, Statement, Value};

/// All of it.
pub async fn database(database: &dyn Database) {
    values(database).await;
    transactions(database).await;
    refusals(database).await;
    checks::checks(database).await;
    queries::queries(database).await;
}

/// Values come back as they went in.
async fn values(database: &dyn Database) {
    let make = "CREATE TABLE kinds (id INTEGER PRIMARY KEY, it)";
    database.script(make).await.expect("a table can be made");
    let mut given: Vec<Value> = vec![
        Value::Null,
        0.into(),
        (1_i64 << 53).into(),
        (-(1_i64 << 53)).into(),
        1.5.into(),
        "".into(),
        "it's \u{1f600}; -- \n".into(),
        Value::Blob(vec![]),
        Value::Blob(vec![0, 255, 39]),
    ];
    if database.capabilities().integers == Integers::All {
        given.extend([i64::MAX.into(), i64::MIN.into()]);
    }
    let insert =
        |value: &Value| Statement::new("INSERT INTO kinds (it) VALUES (?)").bind(value.clone());
    let inserts: Vec<Statement> = given.iter().map(insert).collect();
    let done = database.batch(&inserts).await.expect("all of it can be stored");
    assert!(done.iter().all(|one| one.changes == 1), "{done:?}");
    let rows = database.query(&Statement::new("SELECT it FROM kinds ORDER BY id")).await;
    let rows = rows.expect("it can be read");
    assert_eq!(rows.columns, ["it"]);
    let found: Vec<Value> = rows.rows.into_iter().flatten().collect();
    assert_eq!(found, given);
    let same = Statement::new("SELECT 1 AS a, 2 AS a WHERE ? = 'x'").bind("x");
    let rows = database.query(&same).await.expect("columns of one name");
    assert_eq!(
        (rows.columns, rows.rows),
        (vec!["a".into(), "a".into()], vec![vec![1.into(), 2.into()]])
    );
}

/// All or nothing.
async fn transactions(database: &dyn Database) {
    let make = "CREATE TABLE parent (id INTEGER PRIMARY KEY);\n\
                CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE);\n\
                CREATE TRIGGER grow AFTER INSERT ON parent BEGIN\n\
                INSERT INTO child (parent) VALUES (new.id); SELECT ';'; END;\n\
                INSERT INTO parent VALUES (1); INSERT INTO parent VALUES (2);";
    database.script(make).await.expect("a script of many statements");
    let count = async || {
        let sql = "SELECT (SELECT count(*) FROM parent) * 10 + (SELECT count(*) FROM child)";
        let rows = database.query(&Statement::new(sql)).await.expect("it can be read");
        rows.rows[0][0].as_integer().expect("a number")
    };
    assert_eq!(count().await, 22);
    let broken = database.script("DELETE FROM parent; INSERT INTO nothing VALUES (1);").await;
    assert_eq!(broken.expect_err("there is no such table").kind(), DatabaseErrorKind::Sql);
    assert_eq!(count().await, 22, "a script that fails changes nothing");
    let delete = Statement::new("DELETE FROM parent WHERE id = ?").bind(1);
    let orphan = Statement::new("INSERT INTO child (parent) VALUES (?)").bind(9);
    let broken = database.batch(&[delete.clone(), orphan]).await;
    let kind = broken.expect_err("foreign keys are enforced").kind();
    assert_eq!(kind, DatabaseErrorKind::Constraint);
    assert_eq!(count().await, 22, "a batch that fails changes nothing");
    let named = "CREATE TABLE named (x CONSTRAINT \"x, which is small\" CHECK (x < 9));\n\
                 INSERT INTO named SELECT 9;";
    let broken = database.script(named).await.expect_err("nine is not small");
    assert_eq!(broken.kind(), DatabaseErrorKind::Constraint);
    assert!(broken.message().contains("x, which is small"), "{broken}");
    database.batch(&[delete]).await.expect("a row can be deleted");
    assert_eq!(count().await, 11, "a deleted row takes along those that follow it");
}

/// What is wrong is said, without the values.
async fn refusals(database: &dyn Database) {
    let secret = Statement::new("SELECT * FROM missing WHERE it = ?").bind("hunter2");
    let error = database.query(&secret).await.expect_err("there is no such table");
    assert_eq!(error.kind(), DatabaseErrorKind::Sql);
    assert!(error.message().contains("no such table: missing"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let error = database.query(&Statement::new("SELEC 1")).await.expect_err("it is no SQL");
    assert_eq!(error.kind(), DatabaseErrorKind::Sql);
    assert!(!error.may_have_happened());
}
