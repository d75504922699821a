use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many calls at a time; so many more may wait, first come first served, and the rest is
/// refused, so that a pile of callers cannot grow without bound.
#[derive(Debug)]
pub struct Bulkhead {
    slots: Arc<Semaphore>,
    at_once: usize,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// A place inside; leaving is dropping it.
#[derive(Debug)]
pub struct BulkheadSlot(
    #[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit,
);

/// As many are inside and waiting as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} calls wait already")]
pub struct BulkheadFull {
    /// How many wait.
    pub waiting: usize,
}

impl Bulkhead {
    /// `at_once` inside (at least one), `most_waiting` before the door.
    #[must_use]
    pub fn new(at_once: usize, most_waiting: usize) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(at_once));
        Self { slots, at_once, waiting: AtomicUsize::new(0), most_waiting }
    }

    /// Waits for a place. Dropping the future gives up the place in the queue.
    ///
    /// # Errors
    /// At once, when too many wait already.
    pub async fn enter(&self) -> Result<BulkheadSlot, BulkheadFull> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(BulkheadSlot(slot));
        }
        let _waiting = Waiting::beside(&self.waiting, self.most_waiting)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        Ok(BulkheadSlot(slot.expect("the semaphore is never closed")))
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.at_once.saturating_sub(self.slots.available_permits())
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn beside(count: &'a AtomicUsize, most: usize) -> Result<Self, BulkheadFull> {
        let more = |waiting: usize| (waiting < most).then_some(waiting + 1);
        let counted = count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        counted.map(|_| Self(count)).map_err(|waiting| BulkheadFull { waiting })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn who_comes_when_all_places_are_taken_waits_or_is_refused() {
        let bulkhead = Arc::new(Bulkhead::new(1, 1));
        let inside = bulkhead.enter().await.unwrap();
        let waiter = tokio::spawn({
            let bulkhead = Arc::clone(&bulkhead);
            async move { bulkhead.enter().await }
        });
        tokio::task::yield_now().await;
        assert_eq!((bulkhead.inside(), bulkhead.waiting()), (1, 1));
        assert_eq!(bulkhead.enter().await.unwrap_err(), BulkheadFull { waiting: 1 });
        drop(inside);
        let next = waiter.await.unwrap().unwrap();
        assert_eq!((bulkhead.inside(), bulkhead.waiting()), (1, 0));
        drop(next);
        assert_eq!(bulkhead.inside(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_leaves_its_place() {
        let bulkhead = Bulkhead::new(0, 1);
        let inside = bulkhead.enter().await.unwrap();
        assert!(timeout(Duration::from_secs(1), bulkhead.enter()).await.is_err());
        assert_eq!(bulkhead.waiting(), 0);
        drop(inside);
        assert!(bulkhead.enter().await.is_ok());
    }
}
