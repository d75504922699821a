use clodo_saga::{
    Addition, Entry, Grant, Holder, JournalErrorKind, JournalStore, LeaseRequest, LeaseStore,
    MemoryStore, Progress, RunHeader, RunQuery, SqliteStore, StepId, conformance,
};
use clodo_sqlite::{OpenOptions, Sqlite};
use clodo_types::{DeploymentId, Timestamp};
use std::time::Duration;
use tempfile::TempDir;

#[tokio::test]
async fn memory_keeps_its_promises() {
    conformance::journal_store(&MemoryStore::default()).await;
    conformance::lease_store(&MemoryStore::default()).await;
    conformance::fences(&MemoryStore::default()).await;
    conformance::signal_store(&MemoryStore::default()).await;
    conformance::budget_store(&MemoryStore::default()).await;
    conformance::job_store(&MemoryStore::default()).await;
    conformance::blob_store(&MemoryStore::default()).await;
}

#[tokio::test]
async fn sqlite_keeps_its_promises() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("state.sqlite")).await.unwrap();
    conformance::journal_store(&store).await;
    conformance::lease_store(&store).await;
    conformance::fences(&store).await;
    conformance::signal_store(&store).await;
    conformance::budget_store(&store).await;
    conformance::job_store(&store).await;
    conformance::blob_store(&store).await;
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
    store.open(&header, None).await.unwrap();
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

#[tokio::test]
async fn a_store_of_the_first_format_is_brought_up_to_date() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("state.sqlite");
    let first =
        OpenOptions::default().with_init(|db| db.execute_batch(include_str!("format-1.sql")));
    Sqlite::open(&file, first).await.unwrap().close().await;
    let store = SqliteStore::open(&file).await.unwrap();
    let unfinished = &store.runs(&RunQuery::unfinished()).await.unwrap()[0];
    let id: DeploymentId = "00000000-0000-7000-8000-000000000002".parse().unwrap();
    assert_eq!(unfinished.header.id, id);
    let records = store.records(&id, 0).await.unwrap();
    assert_eq!((records[0].at, &records[0].fence), (Timestamp::from_millis(3500), &None));
    // The dead holder's lease expired; the number goes on from there, and the run under it.
    let request = LeaseRequest {
        name: "deploy/shop".into(),
        holder: Holder::new("ci-2", 1, "1"),
        now: Timestamp::from_millis(33_000),
        ttl: Duration::from_secs(30),
    };
    let Grant::Granted(lease) = store.acquire(&request).await.unwrap() else { panic!("expired") };
    assert_eq!(lease.number, 8);
    let done = [Entry::Done { step: StepId::new("a"), output: serde_json::json!("v2") }];
    let fence = lease.fence();
    let added = Addition { at: request.now, entries: &done, fence: Some(&fence) };
    store.append(&id, &added).await.unwrap();
    let progress = Progress::of(&store.entries(&id).await.unwrap());
    assert_eq!(progress.outputs[&StepId::new("a")], "v2");
    assert_eq!(store.runs(&RunQuery::last(9)).await.unwrap().len(), 2);
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
