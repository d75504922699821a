use clodo_saga::{
    JournalErrorKind, JournalStore, MemoryStore, RunHeader, RunQuery, SqliteStore, conformance,
};
use clodo_sqlite::{OpenOptions, Sqlite};
use clodo_types::Timestamp;
use tempfile::TempDir;

#[tokio::test]
async fn memory_keeps_its_promises() {
    conformance::journal_store(&MemoryStore::default()).await;
    conformance::lease_store(&MemoryStore::default()).await;
}

#[tokio::test]
async fn sqlite_keeps_its_promises() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("state.sqlite")).await.unwrap();
    conformance::journal_store(&store).await;
    conformance::lease_store(&store).await;
}

#[tokio::test]
async fn what_sqlite_was_told_outlives_the_process() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("deep/state.sqlite");
    let header = RunHeader {
        id: "00000000-0000-7000-8000-000000000001".parse().unwrap(),
        scope: "shop".into(),
        started_at: Timestamp::from_millis(1),
        data: serde_json::json!({ "a": 1 }),
    };
    let store = SqliteStore::open(&file).await.unwrap();
    store.open(&header).await.unwrap();
    store.close().await;
    let store = SqliteStore::open(&file).await.unwrap();
    let runs = store.runs(&RunQuery::unfinished()).await.unwrap();
    assert_eq!(runs[0].header, header);
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("state.sqlite");
    let newer = OpenOptions::default().with_init(|db| db.pragma_update(None, "user_version", 99));
    Sqlite::open(&file, newer).await.unwrap().close().await;
    let error = SqliteStore::open(&file).await.unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::NewerFormat);
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_that_was_deleted_says_so() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("state/state.sqlite")).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("state")).unwrap();
    let error = store.runs(&RunQuery::unfinished()).await.unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::Gone);
}
