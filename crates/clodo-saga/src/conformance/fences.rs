use super::{
    journal::{closing, header, id},
    leases::granted,
};
use crate::{
    error::{JournalError, JournalErrorKind},
    journal::{Addition, Ending, Entry, JournalStore},
    lease::{Fence, LeaseStore},
    step::StepId,
};
use clodo_types::Timestamp;

/// Everything about writing under a lease.
pub async fn fences<S: JournalStore + LeaseStore>(store: &S) {
    an_expired_lease_that_nobody_took_still_writes(store).await;
    a_newer_grant_ends_all_writing_under_the_older(store).await;
    a_lease_that_was_given_back_writes_nothing(store).await;
    a_lease_that_was_never_granted_writes_nothing(store).await;
}

fn fenced<T: std::fmt::Debug>(outcome: Result<T, JournalError>) {
    let error = outcome.expect_err("the lease is lost");
    assert_eq!(error.kind(), JournalErrorKind::Fenced);
}

fn entry() -> [Entry; 1] {
    [Entry::Undone { step: StepId::new("a") }]
}

fn under<'a>(fence: &'a Fence, entries: &'a [Entry]) -> Addition<'a> {
    Addition { at: Timestamp::from_millis(9), entries, fence: Some(fence) }
}

async fn an_expired_lease_that_nobody_took_still_writes(store: &dyn Both) {
    let fence = granted(store, "fence/a", 1, 0).await.fence();
    // The store does not look at the clock: the lease ended long before this moment.
    store.open(&header(21, "fences"), Some(&fence)).await.expect("nobody else was granted it");
    store.append(&id(21), &under(&fence, &entry())).await.expect("nobody else was granted it");
    let records = store.records(&id(21), 0).await.expect("entries can be read");
    assert_eq!(records[0].fence.as_ref(), Some(&fence), "an entry carries its lease");
    let end = closing(Ending::Completed);
    store.close(&id(21), &end, Some(&fence)).await.expect("nobody else was granted it");
}

async fn a_newer_grant_ends_all_writing_under_the_older(store: &dyn Both) {
    let stale = granted(store, "fence/b", 1, 0).await.fence();
    store.open(&header(22, "fences"), Some(&stale)).await.expect("it is current");
    let current = granted(store, "fence/b", 2, 31).await.fence();
    assert!(stale.number < current.number);
    let end = closing(Ending::Unwound);
    fenced(store.append(&id(22), &under(&stale, &entry())).await);
    fenced(store.close(&id(22), &end, Some(&stale)).await);
    fenced(store.open(&header(23, "fences"), Some(&stale)).await);
    assert_eq!(store.entries(&id(22)).await.expect("entries can be read"), []);
    assert_eq!(store.find(&id(23)).await.expect("looking is no error"), None);
    store.append(&id(22), &under(&current, &entry())).await.expect("it is current");
    store.close(&id(22), &end, Some(&current)).await.expect("it is current");
    // Closed by the one who took over: the stale one hears that it is stale, not that it is closed.
    fenced(store.append(&id(22), &under(&stale, &entry())).await);
    fenced(store.close(&id(22), &end, Some(&stale)).await);
}

async fn a_lease_that_was_given_back_writes_nothing(store: &dyn Both) {
    let lease = granted(store, "fence/c", 1, 0).await;
    store.release(&lease).await.expect("releasing works");
    fenced(store.open(&header(24, "fences"), Some(&lease.fence())).await);
}

async fn a_lease_that_was_never_granted_writes_nothing(store: &dyn Both) {
    let unknown = Fence { name: "fence/nobody".into(), number: 1 };
    fenced(store.open(&header(25, "fences"), Some(&unknown)).await);
    let lease = granted(store, "fence/d", 1, 0).await;
    let ahead = Fence { number: lease.number + 1, ..lease.fence() };
    fenced(store.open(&header(25, "fences"), Some(&ahead)).await);
}

trait Both: JournalStore + LeaseStore {}

impl<S: JournalStore + LeaseStore> Both for S {}
