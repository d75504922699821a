//! What this cloud does with what it sees happen.

use crate::{analytics::Recorder, tail::TailHub};
use clodo_workerd::{Invocation, Observer, Traces, Workers};
use std::sync::{Arc, Weak};

/// Counts invocations, and passes traces to whoever tails.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) tails: Arc<TailHub>,
    /// Weak, since the runtime itself holds on to its observer.
    pub(crate) workers: Weak<dyn Workers>,
    pub(crate) recorder: Arc<Recorder>,
}

impl Observer for Observed {
    fn invoked(&self, invocation: &Invocation<'_>) {
        self.recorder.invoked(invocation);
    }

    fn fetched(&self, account_id: &str, script: &str) {
        self.recorder.fetched(account_id, script);
    }

    fn traced(&self, traces: Traces<'_>) {
        for account_id in self.tails.tell(&traces) {
            if let Some(workers) = self.workers.upgrade() {
                workers.changed(&account_id);
            }
        }
    }
}
