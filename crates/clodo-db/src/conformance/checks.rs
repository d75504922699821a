use crate::{
    Batch, BatchError, Database, DatabaseErrorKind, Statement,
    query::{Column, Expr, Insert, OnConflict, Operand as _, Select, Table, Update},
};

const STOCK: Table = Table::new("stock");
const SKU: Column = STOCK.column("sku");
const COUNT: Column = STOCK.column("count");

fn take(sku: &str, count: i64) -> Statement {
    let update = Update::table(STOCK).set(COUNT, COUNT.minus(count)).filter(SKU.equals(sku));
    update.returning([COUNT]).build().expect("an update")
}

fn left(sku: &str) -> Expr {
    Select::from(STOCK).column(COUNT).filter(SKU.equals(sku)).into()
}

/// A batch happens only if its checks hold.
pub(super) async fn checks(database: &dyn Database) {
    let make = "CREATE TABLE stock (sku TEXT PRIMARY KEY, count INTEGER CHECK (count < 100));\n\
                CREATE TABLE log (sku);\n\
                CREATE TRIGGER noted AFTER UPDATE ON stock BEGIN INSERT INTO log VALUES (new.sku); \
                INSERT INTO log VALUES (old.sku); END;\n\
                INSERT INTO stock VALUES ('a', 5), ('b', NULL), ('it''s', 1);";
    database.script(make).await.expect("a table with rows");
    let total = async || {
        let rows = database.query(&Statement::new("SELECT total(count) FROM stock")).await;
        rows.expect("it can be read").first::<f64>().expect("a number")
    };
    let good = Batch::new()
        .expect("there is enough", left("a").at_least(2))
        .run(take("a", 2))
        .expect_changes(1)
        .run(take("it's", 1))
        .expect("none is left", left("it's").equals(0));
    let done = good.send(database).await.expect("every check holds");
    assert_eq!(done.len(), 2, "checks are no statements: {done:?}");
    assert_eq!(done[0].rows, [[3.into()]]);
    assert_eq!(total().await, Some(3.0));

    let too_late = Batch::new()
        .run(take("a", 3))
        .expect_changes(1)
        .expect("it's still there", left("it's").greater_than(0))
        .send(database)
        .await;
    match too_late.expect_err("nothing is there") {
        BatchError::Check { at: 2, what } => assert_eq!(what, "it's still there"),
        other => panic!("{other:?}"),
    }
    assert_eq!(total().await, Some(3.0), "a batch whose check fails changes nothing");

    // A count of before is none of this statement, nor are the rows that a trigger added.
    let nobody = Batch::new().run(take("a", 1)).expect_changes(1).run(take("z", 1));
    let nobody = nobody.expect_changes(1).send(database).await;
    assert!(matches!(&nobody, Err(BatchError::Check { at: 2, .. })), "{nobody:?}");
    let insert = Insert::into(STOCK).columns([SKU, COUNT]).row(("a", 1));
    let insert = insert.on_conflict(OnConflict::of([SKU])).build().expect("an insert");
    let there = Batch::new().run(insert).expect_changes(0).send(database).await;
    assert!(there.is_ok(), "{there:?}");
    let unknown = Batch::new().expect("b is known", left("b").at_least(0)).send(database).await;
    assert!(
        matches!(&unknown, Err(BatchError::Check { at: 1, .. })),
        "null is not true: {unknown:?}"
    );
    let wrong = Batch::new().run(take("a", -200)).expect_changes(1).send(database).await;
    let Err(BatchError::Database(error)) = wrong else { panic!("{wrong:?}") };
    assert_eq!(error.kind(), DatabaseErrorKind::Constraint);
    assert_eq!(total().await, Some(3.0));
}
