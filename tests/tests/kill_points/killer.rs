//! Ends a simulated process at one of its calls: before the call is passed on, or when it has been
//! done and the answer is not yet known.

use async_trait::async_trait;
use clodo_http::{HttpService, Request, Response, TransportError};
use clodo_saga::{
    Addition, Closing, EntryRecord, Fence, Grant, JournalError, JournalStore, Lease, LeaseRequest,
    LeaseStore, LeaseStoreError, RunHeader, RunQuery, RunRecord,
};
use clodo_types::{DeploymentId, Timestamp};
use std::{
    future::pending,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// One point at which a process can be killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) when: When,
    pub(crate) call: Call,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    Before,
    After,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Method and path.
    Api(http::Method, String),
    /// What is written, and of which step.
    Journal(&'static str, String),
    Lease(&'static str),
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let when = if self.when == When::Before { "before" } else { "after" };
        match &self.call {
            Call::Api(method, path) => write!(f, "{when} {method} {path}"),
            Call::Journal(what, step) => write!(f, "{when} journal {what} {step}"),
            Call::Lease(what) => write!(f, "{when} lease {what}"),
        }
    }
}

/// Counts the points that a process passes, and ends or stops it at one of them.
#[derive(Debug)]
pub(crate) struct Killer {
    at: Option<usize>,
    passed: Mutex<Vec<Point>>,
    killed: watch::Sender<bool>,
    /// For one that is only stopped.
    sleep: Option<Sleep>,
}

/// How long a process was stopped, for its clock.
const SLEPT: Duration = Duration::from_secs(61);

#[derive(Debug, Default)]
struct Sleep {
    state: Mutex<Asleep>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asleep {
    #[default]
    NotYet,
    Now,
    Woken,
}

impl Sleep {
    fn set(&self, to: Asleep) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = to;
        self.changed.notify_all();
    }

    fn until(&self, wanted: Asleep) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.changed.wait_while(state, |state| *state != wanted);
        drop(state.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Killer {
    /// Kills at the point of this number, counted from 0; without one, never.
    pub(crate) fn at(at: Option<usize>) -> Arc<Self> {
        let (passed, killed) = (Mutex::default(), watch::Sender::new(false));
        Arc::new(Self { at, passed, killed, sleep: None })
    }

    /// Stops the whole process at the point of this number until it is woken, as SIGSTOP does.
    pub(crate) fn stopping_at(at: usize) -> Arc<Self> {
        let (passed, killed) = (Mutex::default(), watch::Sender::new(false));
        Arc::new(Self { at: Some(at), passed, killed, sleep: Some(Sleep::default()) })
    }

    /// Waits until the process stands still.
    pub(crate) fn stopped(&self) {
        self.sleep.iter().for_each(|sleep| sleep.until(Asleep::Now));
    }

    /// Lets it go on; its clock is a minute ahead of where it was.
    pub(crate) fn wake(&self) {
        self.sleep.iter().for_each(|sleep| sleep.set(Asleep::Woken));
    }

    /// By how much the process's clock has gone on while it stood still.
    pub(crate) fn slept(&self) -> Duration {
        let state = |sleep: &Sleep| *sleep.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.sleep.as_ref().map(state) {
            Some(Asleep::Woken) => SLEPT,
            _ => Duration::ZERO,
        }
    }

    /// The points that were passed; the last is the one at which the process was killed.
    pub(crate) fn passed(&self) -> Vec<Point> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when the process is to end.
    pub(crate) async fn killed(&self) {
        let mut killed = self.killed.subscribe();
        // The sender is ours, so it cannot be gone.
        let _ = killed.wait_for(|killed| *killed).await;
    }

    async fn point(&self, when: When, call: &Call) {
        if let Some(sleep) = &self.sleep {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            passed.push(Point { when, call: call.clone() });
            if Some(passed.len() - 1) == self.at {
                drop(passed);
                // The thread is all that the process has, so nothing else of it goes on either.
                sleep.set(Asleep::Now);
                sleep.until(Asleep::Woken);
            }
            return;
        }
        let dead = {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever is killed does nothing more, even before that is noticed.
            let dead = self.at.is_some_and(|at| passed.len() > at);
            let now = Some(passed.len()) == self.at;
            if !dead {
                passed.push(Point { when, call: call.clone() });
            }
            if now {
                self.killed.send_replace(true);
            }
            dead || now
        };
        if dead {
            pending::<()>().await;
        }
    }

    async fn around<T>(&self, call: Call, work: impl Future<Output = T>) -> T {
        self.point(When::Before, &call).await;
        let done = work.await;
        self.point(When::After, &call).await;
        done
    }
}

/// Something with a killer in front of it.
#[derive(Debug)]
pub(crate) struct Mortal<S: ?Sized> {
    pub(crate) killer: Arc<Killer>,
    pub(crate) inner: Arc<S>,
}

#[async_trait]
impl HttpService for Mortal<dyn HttpService> {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let call = Call::Api(request.method().clone(), request.uri().path().to_owned());
        self.killer.around(call, self.inner.call(request)).await
    }
}

#[async_trait]
impl JournalStore for Mortal<dyn clodo_saga::StateStore> {
    async fn open(&self, run: &RunHeader, fence: Option<&Fence>) -> Result<(), JournalError> {
        let call = Call::Journal("open", String::new());
        self.killer.around(call, self.inner.open(run, fence)).await
    }

    async fn append(&self, run: &DeploymentId, added: &Addition<'_>) -> Result<(), JournalError> {
        let first = added.entries.first();
        let what = first.map_or("nothing", |entry| kind(entry));
        let step = first.map_or(String::new(), |entry| entry.step().to_string());
        self.killer.around(Call::Journal(what, step), self.inner.append(run, added)).await
    }

    async fn close(
        &self,
        run: &DeploymentId,
        closing: &Closing,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let call = Call::Journal("close", String::new());
        self.killer.around(call, self.inner.close(run, closing, fence)).await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>, JournalError> {
        self.inner.runs(query).await
    }

    async fn find(&self, run: &DeploymentId) -> Result<Option<RunRecord>, JournalError> {
        self.inner.find(run).await
    }

    async fn records(
        &self,
        run: &DeploymentId,
        after: u64,
    ) -> Result<Vec<EntryRecord>, JournalError> {
        self.inner.records(run, after).await
    }
}

fn kind(entry: &clodo_saga::Entry) -> &'static str {
    use clodo_saga::Entry;
    match entry {
        Entry::Started { .. } => "started",
        Entry::Done { .. } => "done",
        Entry::Noted { .. } => "noted",
        Entry::Failed { .. } => "failed",
        Entry::Undone { .. } => "undone",
        Entry::Kept { .. } => "kept",
        Entry::Stuck { .. } => "stuck",
        _ => "other",
    }
}

#[async_trait]
impl LeaseStore for Mortal<dyn clodo_saga::StateStore> {
    async fn acquire(&self, request: &LeaseRequest) -> Result<Grant, LeaseStoreError> {
        self.killer.around(Call::Lease("acquire"), self.inner.acquire(request)).await
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<bool, LeaseStoreError> {
        self.inner.renew(lease, until).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), LeaseStoreError> {
        self.killer.around(Call::Lease("release"), self.inner.release(lease)).await
    }

    async fn held(&self, now: Timestamp) -> Result<Vec<Lease>, LeaseStoreError> {
        self.inner.held(now).await
    }
}
