use super::jobs::job;
use crate::{
    blob::{BlobKey, BlobStore},
    error::StoreErrorKind,
    job::{Claim, Job, JobEnd, JobOutcome, JobStore},
    lease::Holder,
};
use clodo_types::Timestamp;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// Everything about blobs.
pub async fn blob_store<S: BlobStore + JobStore>(store: &S) {
    content_is_what_it_was(store).await;
    what_is_not_used_is_forgotten(store).await;
    what_a_job_needs_stays(store).await;
}

fn key(text: &str) -> BlobKey {
    text.parse().expect("it is a key")
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

async fn put(store: &dyn BlobStore, name: &str, at: i64) {
    store.put(&key(name), name.as_bytes(), second(at)).await.expect("content is kept");
}

async fn content_is_what_it_was(store: &dyn BlobStore) {
    let all_bytes: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
    for (name, content) in [("a/empty", &[][..]), ("a/bytes", &all_bytes)] {
        store.put(&key(name), content, second(5)).await.expect("content is kept");
        let found = store.get(&key(name)).await.expect("content can be read");
        assert!(found.as_deref() == Some(content), "{name}");
    }
    store.put(&key("a/bytes"), &all_bytes, second(5)).await.expect("it is there already");
    let other = store.put(&key("a/bytes"), b"other", second(6)).await;
    assert_eq!(other.expect_err("it is other content").kind(), StoreErrorKind::Conflict);
    assert_eq!(store.get(&key("a/none")).await.expect("looking is no error"), None);
    let keys = BTreeSet::from([key("a/empty"), key("a/none"), key("a/bytes")]);
    let missing = store.missing(&keys, second(5)).await.expect("looking is no error");
    assert_eq!(missing, BTreeSet::from([key("a/none")]));
}

async fn what_is_not_used_is_forgotten(store: &dyn BlobStore) {
    for name in ["b/old", "b/asked", "b/again", "b/edge"] {
        put(store, name, -99).await;
    }
    put(store, "b/again", -50).await;
    // A clock that is behind makes nothing older.
    put(store, "b/again", -98).await;
    put(store, "b/edge", -60).await;
    store.missing(&BTreeSet::from([key("b/asked")]), second(-50)).await.expect("it is used");
    assert_eq!(store.forget_blobs(second(-60)).await.expect("content can be forgotten"), 1);
    assert_eq!(store.get(&key("b/old")).await.expect("looking is no error"), None);
    for name in ["b/asked", "b/again", "b/edge"] {
        let found = store.get(&key(name)).await.expect("content can be read");
        assert_eq!(found.as_deref(), Some(name.as_bytes()));
    }
}

async fn what_a_job_needs_stays<S: BlobStore + JobStore>(store: &S) {
    put(store, "c/bundle", -99).await;
    let blobs = BTreeSet::from([key("c/bundle")]);
    let jobs = [Job { kind: "blobs".into(), blobs, ..job("blobs", 1) }];
    store.enqueue(&jobs, None).await.expect("new jobs are taken");
    assert_eq!(store.forget_blobs(second(-60)).await.expect("content can be forgotten"), 0);
    let holder = Holder::new("runner", 1, "7");
    let claim = Claim::new(holder, second(0), Duration::from_secs(30));
    let claim = claim.with_kinds(["blobs".into()]);
    let claimed = store.claim(&claim).await.expect("claiming works").expect("there is a job");
    assert_eq!(claimed.job, jobs[0]);
    assert_eq!(store.forget_blobs(second(-60)).await.expect("content can be forgotten"), 0);
    let end = JobEnd { at: second(1), outcome: JobOutcome::Done, data: Value::Null };
    store.finish(&claimed.lease, &end).await.expect("it is its own");
    assert_eq!(store.forget_blobs(second(-60)).await.expect("content can be forgotten"), 1);
}
