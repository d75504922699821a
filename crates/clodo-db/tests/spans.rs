//! What is traced. A process of its own: whether anybody listens to a span is decided once for all
//! threads.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use clodo_db::{
    BackupOptions, Database as _, MigrationFile, Migrations, Migrator, RestoreOptions,
    SqliteDatabase, Statement, Transactional as _, backup, restore,
};
use std::{
    io,
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that is traced while a database is migrated, asked, backed up and restored.
async fn traced() -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::NEW)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let database = SqliteDatabase::in_memory().await.unwrap();
    let sql = "CREATE TABLE t (x); INSERT INTO t VALUES ('hunter-one');";
    let all = Migrations::new(vec![MigrationFile::new("1.sql", "m/1.sql", sql)]).unwrap();
    Migrator::new(&database).up(&all).await.unwrap();
    let put = Statement::new("INSERT INTO t VALUES (?, 'hunter-two')").bind("hunter-three");
    database.batch(std::slice::from_ref(&put)).await.unwrap_err();
    let put = Statement::new("INSERT INTO t VALUES (? || 'hunter-two')").bind("hunter-three");
    database.batch(&[put.clone(), put]).await.unwrap();
    database.query(&Statement::new("SELECT 'hunter-four'")).await.unwrap();
    let mut held = database.begin().await.unwrap();
    held.run(&Statement::new("DELETE FROM t WHERE x = 'hunter-five'")).await.unwrap();
    held.commit().await.unwrap();
    let mut dump = Vec::new();
    backup(&database, &database, &mut dump, &BackupOptions::default()).await.unwrap();
    let again = SqliteDatabase::in_memory().await.unwrap();
    restore(&again, &dump, &RestoreOptions::default()).await.unwrap();
    drop(guard);
    let text = log.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn calls_migrations_and_backups_are_spans_without_a_value() {
    let text = traced().await;
    let system = "db.system.name=\"sqlite\"";
    for span in [
        format!("migration{{{system} db.operation.name=\"MIGRATE\""),
        format!("backup{{{system} db.operation.name=\"BACKUP\"}}"),
        format!("restore{{{system} db.operation.name=\"RESTORE\"}}"),
        format!("database call{{{system} db.operation.name=\"INSERT\"}}"),
        format!("database call{{{system} db.operation.name=\"SELECT\"}}"),
        format!("database call{{{system} db.operation.name=\"DELETE\"}}"),
        format!("database call{{{system} db.operation.name=\"COMMIT\"}}"),
        "db.operation.name=\"BATCH\" db.operation.batch.size=2}".to_owned(),
        // Calls belong to what they are made for.
        "\"BACKUP\"}:database call{".to_owned(),
        "\"RESTORE\"}:database call{".to_owned(),
    ] {
        assert!(text.contains(&span), "{span} is not in: {text}");
    }
    assert!(!text.contains("hunter"), "{text}");
}
