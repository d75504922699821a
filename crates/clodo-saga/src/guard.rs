use crate::{
    error::LeaseStoreError,
    lease::{Fence, Grant, Holder, Lease, LeaseRequest, LeaseStore, Liveness, after},
};
use clodo_types::{Clock, Timestamp};
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{task::AbortHandle, time::Instant};

/// How a lease is asked for and kept.
#[derive(Clone)]
#[non_exhaustive]
pub struct LeaseOptions {
    /// What is locked.
    pub name: String,
    /// Who locks it.
    pub holder: Holder,
    /// How long it lasts when its holder dies; it is renewed three times as often. 30 s unless set.
    pub ttl: Duration,
    liveness: Arc<dyn Fn(&Holder) -> Liveness + Send + Sync>,
}

impl LeaseOptions {
    /// A lease of 30 s that takes every other holder for alive until its lease expires.
    #[must_use]
    pub fn new(name: impl Into<String>, holder: Holder) -> Self {
        let (name, ttl) = (name.into(), Duration::from_secs(30));
        Self { name, holder, ttl, liveness: Arc::new(|_| Liveness::Unknown) }
    }

    /// Sets how long it lasts when its holder dies.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets how to find out whether another holder still runs, so that the lease of a process that
    /// died on this machine is free at once.
    #[must_use]
    pub fn with_liveness(
        mut self,
        liveness: impl Fn(&Holder) -> Liveness + Send + Sync + 'static,
    ) -> Self {
        self.liveness = Arc::new(liveness);
        self
    }
}

impl fmt::Debug for LeaseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseOptions")
            .field("name", &self.name)
            .field("holder", &self.holder)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// The lease was not granted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Somebody else is at work.
    #[error("`{}` is locked by process {} on {}", .0.name, .0.holder.pid(), .0.holder.host())]
    Held(Lease),
    /// The store failed.
    #[error("could not lock `{name}`")]
    Store {
        /// What was to be locked.
        name: String,
        /// Why.
        #[source]
        source: LeaseStoreError,
    },
}

/// A clock that is never set back: it runs at least as fast as the machine's own.
#[derive(Clone, Debug)]
struct SteadyClock {
    clock: Arc<dyn Clock>,
    began: (Timestamp, Instant),
}

impl SteadyClock {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let began = (clock.now(), Instant::now());
        Self { clock, began }
    }

    fn now(&self) -> Timestamp {
        let (moment, instant) = self.began;
        self.clock.now().max(after(moment, instant.elapsed()))
    }
}

/// A lease that is renewed for as long as this guard lives.
///
/// Dropped without [`LeaseGuard::release`], it is no longer renewed and expires. A process that was
/// stopped for longer than the lease lasts finds it lost, also when the clock was set back.
#[derive(Debug)]
pub struct LeaseGuard {
    store: Arc<dyn LeaseStore>,
    clock: SteadyClock,
    lease: Lease,
    valid_until: Arc<Mutex<Option<Timestamp>>>,
    renewal: AbortHandle,
}

impl LeaseGuard {
    /// Takes the lease, also from a holder that is dead, and begins to renew it.
    ///
    /// # Errors
    /// When a live holder has it, or the store fails.
    pub async fn acquire(
        store: Arc<dyn LeaseStore>,
        clock: Arc<dyn Clock>,
        options: LeaseOptions,
    ) -> Result<Self, LeaseError> {
        let failed = |source| LeaseError::Store { name: options.name.clone(), source };
        let clock = SteadyClock::new(clock);
        let lease = match ask(&*store, &clock, &options).await.map_err(failed)? {
            Grant::Granted(lease) => lease,
            Grant::Held(other) if (options.liveness)(&other.holder) == Liveness::Dead => {
                // Only the dead holder's own grant goes: if another process was quicker, its newer
                // number keeps this from touching it.
                store.release(&other).await.map_err(failed)?;
                match ask(&*store, &clock, &options).await.map_err(failed)? {
                    Grant::Granted(lease) => lease,
                    Grant::Held(other) => return Err(LeaseError::Held(other)),
                }
            }
            Grant::Held(other) => return Err(LeaseError::Held(other)),
        };
        Ok(Self::keep(store, clock, lease, options.ttl))
    }

    /// Begins to renew a lease that was granted already, such as a claimed job's.
    #[must_use]
    pub fn adopt(
        store: Arc<dyn LeaseStore>,
        clock: Arc<dyn Clock>,
        lease: Lease,
        ttl: Duration,
    ) -> Self {
        Self::keep(store, SteadyClock::new(clock), lease, ttl)
    }

    fn keep(store: Arc<dyn LeaseStore>, clock: SteadyClock, lease: Lease, ttl: Duration) -> Self {
        let valid_until = Arc::new(Mutex::new(Some(lease.expires_at)));
        let renewed = (lease.clone(), ttl);
        let task = renew(Arc::clone(&store), clock.clone(), renewed, Arc::clone(&valid_until));
        let renewal = tokio::spawn(task).abort_handle();
        Self { store, clock, lease, valid_until, renewal }
    }

    /// The fencing number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.lease.number
    }

    /// What writes under this lease carry.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.lease.fence()
    }

    /// True while the lease lasts at least `margin` longer. Ask before each write, with a margin as
    /// long as the write may take.
    #[must_use]
    pub fn lasts(&self, margin: Duration) -> bool {
        let until = *self.valid_until.lock().expect("no holder panics");
        until.is_some_and(|until| after(self.clock.now(), margin) < until)
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// When the store fails; then the lease expires.
    pub async fn release(self) -> Result<(), LeaseStoreError> {
        self.renewal.abort();
        self.store.release(&self.lease).await
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn ask(
    store: &dyn LeaseStore,
    clock: &SteadyClock,
    options: &LeaseOptions,
) -> Result<Grant, LeaseStoreError> {
    let LeaseOptions { name, holder, ttl, .. } = options;
    let (name, holder) = (name.clone(), holder.clone());
    store.acquire(&LeaseRequest { name, holder, now: clock.now(), ttl: *ttl }).await
}

async fn renew(
    store: Arc<dyn LeaseStore>,
    clock: SteadyClock,
    (lease, ttl): (Lease, Duration),
    valid_until: Arc<Mutex<Option<Timestamp>>>,
) {
    let set = |until| *valid_until.lock().expect("no holder panics") = until;
    loop {
        tokio::time::sleep(ttl / 3).await;
        // Taken before the store is asked: if that takes long, the lease lasts no longer for it.
        let until = after(clock.now(), ttl);
        match store.renew(&lease, until).await {
            Ok(true) => set(Some(until)),
            Ok(false) => return set(None),
            // It may work the next time; if it never does, the lease runs out by itself.
            Err(error) => tracing::warn!(%error, lease = lease.name, "could not renew a lease"),
        }
    }
}
