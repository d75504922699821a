use crate::{
    Analytics, D1, D1Options, Kv, PoolOptions, Queues, R2, RateLimits, StorageObserver, Workflows,
};
use clodo_types::Clock;
use std::{path::PathBuf, sync::Arc};
use tokio::sync::OwnedRwLockWriteGuard;

/// As long as this lives every file is whole and closed: requests to the engines wait.
#[derive(Debug)]
pub struct Stillness {
    _guards: [OwnedRwLockWriteGuard<()>; 6],
}

/// The engines over one folder. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Data {
    /// SQL databases.
    pub d1: D1,
    /// Key-value namespaces.
    pub kv: Kv,
    /// Object buckets.
    pub r2: R2,
    /// Queues of messages.
    pub queues: Queues,
    /// Workflows with their instances.
    pub workflows: Workflows,
    /// Data points of Analytics Engine.
    pub analytics: Analytics,
    /// Counts of rate limits, which are not kept on disk.
    pub rate_limits: RateLimits,
}

impl Data {
    /// Uses `root` (made when it is first written to) as `root/<account>/{d1,kv,r2,queues,workflows}/…` and
    /// `root/<account>/analytics.sqlite`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        let root = root.into();
        let queues = Queues::new(root.clone(), Arc::clone(&clock), PoolOptions::default());
        Self {
            d1: D1::new(root.clone(), Arc::clone(&clock), D1Options::default()),
            kv: Kv::new(root.clone(), Arc::clone(&clock), PoolOptions::default()),
            r2: R2::new(root.clone(), Arc::clone(&clock), PoolOptions::default())
                .with_queues(queues.clone()),
            queues,
            workflows: Workflows::new(root.clone(), Arc::clone(&clock), PoolOptions::default()),
            analytics: Analytics::new(root, Arc::clone(&clock), PoolOptions::default()),
            rate_limits: RateLimits::new(clock),
        }
    }

    /// Tells `observer` of every operation from now on, on all clones; the first observer stays.
    pub fn observe(&self, observer: Arc<dyn StorageObserver>) {
        for watch in [&self.d1.watch, &self.kv.watch, &self.r2.watch] {
            watch.set(Arc::clone(&observer));
        }
    }

    /// Closes every open store and waits until they are closed; a later request opens them again.
    pub async fn close(&self) {
        self.d1.close().await;
        self.kv.close().await;
        self.r2.close().await;
        self.queues.close().await;
        self.workflows.close().await;
        self.analytics.close().await;
    }

    /// Waits until nothing uses a file, whether for a request or in the background, and closes all:
    /// what the folder holds then is whole.
    pub async fn still(&self) -> Stillness {
        Stillness {
            _guards: [
                self.d1.rest().await,
                self.kv.rest().await,
                self.r2.rest().await,
                self.queues.rest().await,
                self.workflows.rest().await,
                self.analytics.rest().await,
            ],
        }
    }
}
