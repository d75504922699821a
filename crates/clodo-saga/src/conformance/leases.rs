use crate::lease::{Grant, Holder, Lease, LeaseRequest, LeaseStore};
use clodo_types::Timestamp;
use std::time::Duration;

/// Everything about leases.
pub async fn lease_store(store: &dyn LeaseStore) {
    one_holder_at_a_time(store).await;
    a_lost_lease_cannot_be_renewed_or_released(store).await;
    names_do_not_share_a_lease(store).await;
    what_is_held_can_be_listed(store).await;
}

const TTL: Duration = Duration::from_secs(30);

async fn ask(store: &dyn LeaseStore, name: &str, pid: u32, second: i64) -> Grant {
    let (name, holder) = (name.to_owned(), Holder::new("host", pid, "start:7"));
    let now = Timestamp::from_millis(second * 1_000);
    let request = LeaseRequest { name, holder, now, ttl: TTL };
    store.acquire(&request).await.expect("asking works")
}

pub(super) async fn granted(store: &dyn LeaseStore, name: &str, pid: u32, second: i64) -> Lease {
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

async fn what_is_held_can_be_listed(store: &dyn LeaseStore) {
    let long = granted(store, "listed/b", 1, 20).await;
    let short = granted(store, "listed/a", 2, 0).await;
    let back = granted(store, "listed/c", 3, 20).await;
    store.release(&back).await.expect("releasing works");
    let at = |second: i64| async move {
        let held = store.held(Timestamp::from_millis(second * 1_000)).await;
        let mut held = held.expect("listing works");
        held.retain(|lease| lease.name.starts_with("listed/"));
        held
    };
    assert_eq!(at(21).await, [short, long.clone()]);
    assert_eq!(at(30).await, [long], "a lease has ended at its very end");
}
