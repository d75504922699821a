//! What was true not long ago: how the cloud looks where writes arrive late.

use super::{Snapshot, State};
use clodo_types::Timestamp;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Snapshots that were replaced, and when.
#[derive(Debug, Default)]
pub(super) struct Past {
    delay_ms: AtomicU64,
    replaced: Mutex<VecDeque<(Timestamp, Arc<Snapshot>)>>,
}

impl Past {
    fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.load(Ordering::Acquire))
    }

    /// Remembers what is replaced now.
    pub(super) fn keep(&self, now: Timestamp, old: &Arc<Snapshot>) {
        let delay = self.delay();
        if delay.is_zero() {
            return;
        }
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        while replaced.front().is_some_and(|(when, _)| now.since(*when) >= delay) {
            replaced.pop_front();
        }
        replaced.push_back((now, Arc::clone(old)));
    }

    /// What was current one delay ago, if that is not what is current now.
    fn seen(&self, now: Timestamp) -> Option<Arc<Snapshot>> {
        let delay = self.delay();
        if delay.is_zero() {
            return None;
        }
        let replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut later = replaced.iter().filter(|(when, _)| now.since(*when) < delay);
        later.next().map(|(_, snapshot)| Arc::clone(snapshot))
    }
}

impl State {
    /// From now on listings and hostnames show a write only after `delay`.
    pub(crate) fn set_propagation(&self, delay: Duration) {
        let past = &self.inner.past;
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        past.delay_ms.store(millis, Ordering::Release);
        past.replaced.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How late listings and hostnames are.
    pub(crate) fn propagation(&self) -> Duration {
        self.inner.past.delay()
    }

    /// The state as listings and hostnames show it.
    pub(crate) fn seen(&self) -> Arc<Snapshot> {
        self.inner.past.seen(self.inner.clock.now()).unwrap_or_else(|| self.snapshot())
    }
}
