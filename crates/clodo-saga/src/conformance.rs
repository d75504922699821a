//! What every store must pass. Each function takes a store that is empty and panics when the store
//! breaks a promise.

use crate::{
    journal::{Closing, Ending, Entry, JournalErrorKind, JournalStore, RunHeader, RunQuery},
    lease::{Grant, Holder, Lease, LeaseRequest, LeaseStore},
    step::StepId,
};
use clodo_types::{DeploymentId, Timestamp};
use serde_json::json;
use std::time::Duration;

/// Everything about journals.
pub async fn journal_store(store: &dyn JournalStore) {
    a_run_keeps_its_entries_in_order(store).await;
    runs_are_listed_newest_first(store).await;
    a_closed_run_takes_nothing_more(store).await;
}

fn header(number: u32, scope: &str) -> RunHeader {
    RunHeader {
        id: id(number),
        scope: scope.into(),
        // Clocks go backwards; the order must not depend on them.
        started_at: Timestamp::from_millis(1_000_000 - i64::from(number)),
        data: json!({ "number": number, "text": "ü\u{0}\"" }),
    }
}

fn id(number: u32) -> DeploymentId {
    format!("00000000-0000-7000-8000-{number:012}").parse().expect("this is a UUID")
}

fn closing(ending: Ending) -> Closing {
    Closing { at: Timestamp::from_millis(5), ending, data: json!([1, null]) }
}

async fn a_run_keeps_its_entries_in_order(store: &dyn JournalStore) {
    let run = header(1, "first");
    store.open(&run).await.expect("a new run opens");
    let step = |name: &str| StepId::new(name);
    let entries = [
        Entry::Started { step: step("b"), before: json!({ "version": "x" }) },
        Entry::Started { step: step("a"), before: json!(null) },
        Entry::Done { step: step("a"), output: json!(["out"]) },
        Entry::Failed { step: step("b"), error: "no".into() },
        Entry::Undone { step: step("a") },
        Entry::Kept { step: step("b"), reason: "data".into() },
        Entry::Stuck { step: step("b"), error: "no".into() },
    ];
    for (at, entry) in entries.iter().enumerate() {
        let at = Timestamp::from_millis(-i64::try_from(at).unwrap_or(0));
        store.append(&run.id, at, entry).await.expect("an open run takes entries");
    }
    assert_eq!(store.entries(&run.id).await.expect("entries can be read"), entries);
    assert_eq!(store.entries(&id(999)).await.expect("an unknown run has none"), []);
    let found = store.find(&run.id).await.expect("a run can be found").expect("it is there");
    assert_eq!((found.header, found.closing), (run, None));
    assert_eq!(store.find(&id(999)).await.expect("looking is no error"), None);
}

async fn runs_are_listed_newest_first(store: &dyn JournalStore) {
    for number in 2..=4 {
        let scope = if number == 3 { "other" } else { "second" };
        store.open(&header(number, scope)).await.expect("a new run opens");
    }
    store.close(&id(4), &closing(Ending::Unwound)).await.expect("an open run closes");
    let list = async |query: RunQuery| {
        let runs = store.runs(&query).await.expect("runs can be listed");
        runs.into_iter().map(|run| run.header.id).collect::<Vec<_>>()
    };
    assert_eq!(list(RunQuery::last(10)).await, [id(4), id(3), id(2), id(1)]);
    assert_eq!(list(RunQuery::last(2)).await, [id(4), id(3)]);
    assert_eq!(list(RunQuery::last(10).of_scope("second")).await, [id(4), id(2)]);
    assert_eq!(list(RunQuery::unfinished()).await, [id(3), id(2), id(1)]);
    assert_eq!(list(RunQuery::unfinished().of_scope("other")).await, [id(3)]);
    let closed = store.find(&id(4)).await.expect("a run can be found").expect("it is there");
    assert_eq!(closed.closing, Some(closing(Ending::Unwound)));
}

async fn a_closed_run_takes_nothing_more(store: &dyn JournalStore) {
    let run = header(5, "closed");
    store.open(&run).await.expect("a new run opens");
    store.close(&run.id, &closing(Ending::Completed)).await.expect("an open run closes");
    let entry = Entry::Undone { step: StepId::new("a") };
    let at = Timestamp::from_millis(0);
    let late = store.append(&run.id, at, &entry).await.expect_err("it is closed");
    assert_eq!(late.kind(), JournalErrorKind::Conflict);
    let twice = store.close(&run.id, &closing(Ending::Unwound)).await.expect_err("it is closed");
    assert_eq!(twice.kind(), JournalErrorKind::Conflict);
    let again = store.open(&run).await.expect_err("the id is taken");
    assert_eq!(again.kind(), JournalErrorKind::Conflict);
    let nobody = store.append(&id(999), at, &entry).await.expect_err("there is no such run");
    assert_eq!(nobody.kind(), JournalErrorKind::Unknown);
    let found = store.find(&run.id).await.expect("a run can be found").expect("it is there");
    assert_eq!(found.closing, Some(closing(Ending::Completed)));
    assert_eq!(store.entries(&run.id).await.expect("entries can be read"), []);
}

/// Everything about leases.
pub async fn lease_store(store: &dyn LeaseStore) {
    one_holder_at_a_time(store).await;
    a_lost_lease_cannot_be_renewed_or_released(store).await;
    names_do_not_share_a_lease(store).await;
}

const TTL: Duration = Duration::from_secs(30);

async fn ask(store: &dyn LeaseStore, name: &str, pid: u32, second: i64) -> Grant {
    let (name, holder) = (name.to_owned(), Holder::new("host", pid, "start:7"));
    let now = Timestamp::from_millis(second * 1_000);
    let request = LeaseRequest { name, holder, now, ttl: TTL };
    store.acquire(&request).await.expect("asking works")
}

async fn granted(store: &dyn LeaseStore, name: &str, pid: u32, second: i64) -> Lease {
    match ask(store, name, pid, second).await {
        Grant::Granted(lease) => lease,
        Grant::Held(by) => panic!("`{name}` should be free at {second} s, {by:?} has it"),
    }
}

async fn one_holder_at_a_time(store: &dyn LeaseStore) {
    let first = granted(store, "a", 1, 0).await;
    assert_eq!(first.expires_at, Timestamp::from_millis(30_000));
    assert_eq!(ask(store, "a", 2, 29).await, Grant::Held(first.clone()));
    let until = Timestamp::from_millis(50_000);
    assert!(store.renew(&first, until).await.expect("renewing works"), "it is still the holder's");
    let renewed = Lease { expires_at: until, ..first.clone() };
    assert_eq!(ask(store, "a", 2, 49).await, Grant::Held(renewed.clone()));
    store.release(&renewed).await.expect("releasing works");
    let second = granted(store, "a", 2, 49).await;
    assert!(first.number < second.number, "numbers rise");
    let third = granted(store, "a", 3, 79).await;
    assert!(second.number < third.number, "an expired lease is free, and numbers rise");
}

async fn a_lost_lease_cannot_be_renewed_or_released(store: &dyn LeaseStore) {
    let lost = granted(store, "b", 1, 0).await;
    let current = granted(store, "b", 2, 31).await;
    let until = Timestamp::from_millis(90_000);
    assert!(!store.renew(&lost, until).await.expect("renewing works"), "it is another's");
    store.release(&lost).await.expect("releasing works");
    assert_eq!(ask(store, "b", 3, 32).await, Grant::Held(current.clone()));
    store.release(&current).await.expect("releasing works");
    assert!(!store.renew(&current, until).await.expect("renewing works"), "it was given back");
}

async fn names_do_not_share_a_lease(store: &dyn LeaseStore) {
    granted(store, "c", 1, 0).await;
    granted(store, "d", 2, 0).await;
}
