//! Tells the runtime of a change once more when it has arrived everywhere.

use crate::state::State;
use async_trait::async_trait;
use clodo_types::Clock;
use clodo_workerd::{Handlers, RuntimeStatus, ServedVersion, ValidationError, Workers};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often the clock is looked at; it may be one that somebody moves by hand.
const POLL: Duration = Duration::from_millis(20);

/// The runtime, for a state whose writes arrive late.
#[derive(Debug)]
pub(crate) struct LateWorkers {
    inner: Arc<dyn Workers>,
    state: State,
    clock: Arc<dyn Clock>,
}

impl LateWorkers {
    pub(crate) fn new(inner: Arc<dyn Workers>, state: State, clock: Arc<dyn Clock>) -> Self {
        Self { inner, state, clock }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Workers for LateWorkers {
    async fn validate(&self, version: &ServedVersion) -> Result<Handlers, ValidationError> {
        self.inner.validate(version).await
    }

    fn changed(&self, account_id: &str) {
        self.inner.changed(account_id);
        let delay = self.state.propagation();
        if delay.is_zero() {
            return;
        }
        // Weak: a cloud that ends does not wait for its writes to arrive.
        let (workers, clock) = (Arc::downgrade(&self.inner), Arc::clone(&self.clock));
        let (account_id, since) = (account_id.to_owned(), self.clock.now());
        tokio::spawn(async move {
            while clock.now().since(since) < delay {
                sleep(POLL).await;
                if workers.strong_count() == 0 {
                    return;
                }
            }
            if let Some(workers) = workers.upgrade() {
                workers.changed(&account_id);
            }
        });
    }

    async fn settled(&self, account_id: &str) {
        self.inner.settled(account_id).await;
    }

    fn status(&self) -> RuntimeStatus {
        self.inner.status()
    }
}
