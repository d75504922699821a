use clodo_db::{
    CheckName, Database as _, HealthOptions, HealthReport, MigrationFile, Migrations, Migrator,
    SqliteDatabase, Verdict, check_health,
};
use clodo_sqlite::{
    OpenOptions,
    rusqlite::{Connection, TransactionBehavior},
};
use std::{path::Path, time::Duration};

const TABLES: &str = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
CREATE TABLE \"select\" (id INTEGER PRIMARY KEY, \"a\"\"b\" REFERENCES parents);
CREATE TABLE plain (k TEXT PRIMARY KEY, p REFERENCES parents (id)) WITHOUT ROWID;
";

async fn health(path: &Path) -> HealthReport {
    let options = OpenOptions::default().with_busy_timeout(Duration::from_millis(20));
    match SqliteDatabase::open(path, options).await {
        Ok(database) => check_health(&database, &HealthOptions::new(&Migrations::default())).await,
        Err(error) => HealthReport::unreachable(error.message()),
    }
}

fn verdict(report: &HealthReport, name: CheckName) -> (Verdict, &str) {
    let check = report.checks.iter().find(|check| check.check == name).unwrap();
    (check.verdict, &check.message)
}

/// What is not well; every check is there in any case.
fn found(report: &HealthReport) -> Vec<CheckName> {
    assert_eq!(report.checks.len(), 7, "{report:?}");
    let found = report.checks.iter().filter(|check| check.verdict == Verdict::Found);
    found.map(|check| check.check).collect()
}

#[tokio::test]
async fn a_database_with_all_its_migrations_and_parents_is_well() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let files =
        Migrations::new(vec![MigrationFile::new("0001_a.sql", "0001_a.sql", TABLES)]).unwrap();
    let clock = || Duration::from_millis(7);
    let mut options = HealthOptions::new(&files);
    options.clock = Some(&clock);
    let before = check_health(&database, &options).await;
    assert_eq!(found(&before), [CheckName::Migrations]);
    assert_eq!(before.checks[5].details, ["0001_a.sql is pending"]);
    Migrator::new(&database).up(&files).await.unwrap();
    options.full = true;
    let after = check_health(&database, &options).await;
    assert!(!after.is_found(), "{after:#?}");
    assert!(after.checks.iter().all(|check| check.verdict == Verdict::Ok), "{after:#?}");
    assert_eq!(after.latency, Some(Duration::ZERO));
    assert!(after.bytes.is_some_and(|bytes| bytes >= 4_096), "{after:#?}");
    options.bytes = Some(9_000_000_000_000_000_000);
    assert_eq!(found(&check_health(&database, &options).await), [CheckName::Limits]);
}

#[tokio::test]
async fn rows_without_their_parents_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let orphans =
        "INSERT INTO \"select\" VALUES (7, 1), (8, NULL); INSERT INTO plain VALUES ('x', 9);";
    let db = Connection::open(&path).unwrap();
    db.execute_batch(&format!("PRAGMA foreign_keys = OFF; {TABLES}{orphans}")).unwrap();
    let report = health(&path).await;
    assert_eq!(found(&report), [CheckName::ForeignKeys]);
    let mut said: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    said.sort();
    assert_eq!(
        said,
        [
            "a row of plain: p refers to no row of parents",
            "row 7 of select: a\"b refers to no row of parents"
        ]
    );
    let more = "WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 300) \
                INSERT INTO \"select\" SELECT i, i FROM n";
    db.execute_batch(more).unwrap();
    let report = health(&path).await;
    assert_eq!(report.violations.len(), 100);
    let (_, message) = verdict(&report, CheckName::ForeignKeys);
    assert!(message.starts_with("more than 100 rows"), "{message}");
    db.execute_batch("DROP TABLE plain; CREATE TABLE c (x REFERENCES \"select\" (\"a\"\"b\"))")
        .unwrap();
    let report = health(&path).await;
    let (verdict, message) = verdict(&report, CheckName::ForeignKeys);
    assert_eq!(verdict, Verdict::Found);
    assert!(message.contains("no key"), "{message}");
}

#[tokio::test]
async fn what_is_no_database_or_a_broken_or_a_locked_one_is_never_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    std::fs::write(&path, [0xff; 5_000]).unwrap();
    assert_eq!(found(&health(&path).await), [CheckName::Connects]);
    std::fs::remove_file(&path).unwrap();
    let mut db = Connection::open(&path).unwrap();
    db.execute_batch(&format!(
        "{TABLES} CREATE TABLE big (id INTEGER PRIMARY KEY, x TEXT); CREATE INDEX big_x ON big (x); \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
         INSERT INTO big SELECT i, hex(randomblob(40)) FROM n;"
    ))
    .unwrap();
    let lock = db.transaction_with_behavior(TransactionBehavior::Exclusive).unwrap();
    let locked = health(&path).await;
    assert_eq!(found(&locked), [CheckName::Connects]);
    assert!(verdict(&locked, CheckName::Connects).1.contains("locked"), "{locked:#?}");
    drop(lock);
    drop(db);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let broken = health(&path).await;
    assert_eq!(verdict(&broken, CheckName::Integrity).0, Verdict::Found, "{broken:#?}");
}

#[tokio::test]
async fn a_table_with_nearly_as_many_columns_as_may_be_is_near_the_limit() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let columns: Vec<String> = (0..1_700).map(|at| format!("c{at}")).collect();
    database.script(&format!("CREATE TABLE wide ({});", columns.join(", "))).await.unwrap();
    let files = Migrations::default();
    let report = check_health(&database, &HealthOptions::new(&files)).await;
    assert_eq!(found(&report), [CheckName::Limits]);
    assert_eq!(verdict(&report, CheckName::Latency).0, Verdict::Skipped, "there is no clock");
    assert_eq!(report.checks[6].details, ["table wide has 1700 columns of 2000"]);
}
