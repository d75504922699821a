//! What is in memory of Workflows: who has which instance, and who waits for what.

use super::WorkflowRef;
use crate::pool::lock;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Shared by all clones of the engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Live(Arc<Mutex<HashMap<WorkflowRef, Known>>>);

#[derive(Debug, Default)]
struct Known {
    arrivals: Arc<Notify>,
    runs: HashMap<String, Run>,
}

/// A run in memory.
#[derive(Debug)]
struct Run {
    token: String,
    revoked: CancellationToken,
    wake: Arc<Notify>,
}

impl Live {
    fn with<T>(&self, at: &WorkflowRef, work: impl FnOnce(&mut Known) -> T) -> T {
        work(lock(&self.0).entry(at.clone()).or_default())
    }

    pub(super) fn arrivals(&self, at: &WorkflowRef) -> Arc<Notify> {
        self.with(at, |known| Arc::clone(&known.arrivals))
    }

    pub(super) fn arrived(&self, at: &WorkflowRef) {
        self.with(at, |known| known.arrivals.notify_one());
    }

    /// Notes the run that has an instance from now on; what it returns is cancelled when the run
    /// is to stop. One that had it before stops.
    pub(super) fn add(&self, at: &WorkflowRef, id: &str, token: &str) -> CancellationToken {
        let revoked = CancellationToken::new();
        let run = Run { token: token.to_owned(), revoked: revoked.clone(), wake: Arc::default() };
        if let Some(before) = self.with(at, |known| known.runs.insert(id.to_owned(), run)) {
            before.revoked.cancel();
        }
        revoked
    }

    /// A run stops, unless it is not this one any more.
    pub(super) fn remove(&self, at: &WorkflowRef, id: &str, token: &str) {
        self.with(at, |known| {
            if known.runs.get(id).is_some_and(|run| run.token == token)
                && let Some(run) = known.runs.remove(id)
            {
                run.revoked.cancel();
                run.wake.notify_one();
            }
        });
    }

    /// Every run of a Workflow stops.
    pub(super) fn revoke_all(&self, at: &WorkflowRef) {
        if let Some(known) = lock(&self.0).remove(at) {
            known.runs.into_values().for_each(|run| run.revoked.cancel());
            known.arrivals.notify_one();
        }
    }

    /// The run that has an instance.
    pub(super) fn token(&self, at: &WorkflowRef, id: &str) -> Option<String> {
        self.with(at, |known| known.runs.get(id).map(|run| run.token.clone()))
    }

    /// What wakes a run that waits.
    pub(super) fn waker(&self, at: &WorkflowRef, id: &str, token: &str) -> Option<Arc<Notify>> {
        self.with(at, |known| {
            known.runs.get(id).filter(|run| run.token == token).map(|run| Arc::clone(&run.wake))
        })
    }

    /// The run that has an instance looks again at what it waits for.
    pub(super) fn wake(&self, at: &WorkflowRef, id: &str) {
        self.with(at, |known| {
            if let Some(run) = known.runs.get(id) {
                run.wake.notify_one();
            }
        });
    }
}
