//! What this cloud does with what it sees happen.

use crate::tail::TailHub;
use clodo_workerd::{Invocation, Observer, Traces, Workers};
use std::sync::{Arc, Weak};

/// Passes traces to whoever tails.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) tails: Arc<TailHub>,
    /// Weak, since the runtime itself holds on to its observer.
    pub(crate) workers: Weak<dyn Workers>,
}

impl Observer for Observed {
    fn invoked(&self, _invocation: &Invocation<'_>) {}

    fn traced(&self, traces: Traces<'_>) {
        for account_id in self.tails.tell(&traces) {
            if let Some(workers) = self.workers.upgrade() {
                workers.changed(&account_id);
            }
        }
    }
}
