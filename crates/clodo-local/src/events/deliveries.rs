//! Which queues are delivered: one task for each that has a Worker as its consumer.

use super::{
    EventSources,
    delivery::{self, Delivery},
    plan::{Batching, CONCURRENCY},
};
use crate::state::{model::Account, model::Cloud, queue::Queue};
use clodo_storage::{Exhaustion, QueueRef};
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// The task that follows the state.
#[derive(Debug)]
pub(super) struct Deliveries {
    sources: EventSources,
    stop: CancellationToken,
    known: BTreeMap<QueueRef, watch::Sender<Delivery>>,
    tasks: JoinSet<()>,
}

impl Deliveries {
    pub(super) fn new(sources: EventSources, stop: CancellationToken) -> Self {
        Self { sources, stop, known: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Runs until `stop`, and until every delivery that had begun then is settled.
    pub(super) async fn run(mut self) {
        let mut changes = self.sources.state.changes();
        loop {
            let wanted = wanted(&self.sources.state.snapshot().cloud);
            self.follow(wanted);
            tokio::select! {
                () = self.stop.cancelled() => break,
                changed = changes.changed() => if changed.is_err() { break },
            }
            while self.tasks.try_join_next().is_some() {}
        }
        self.known.clear();
        while self.tasks.join_next().await.is_some() {}
    }

    fn follow(&mut self, wanted: BTreeMap<QueueRef, Delivery>) {
        // A task whose sender is gone ends; what it is delivering it delivers to the end.
        self.known.retain(|at, _| wanted.contains_key(at));
        for (at, delivery) in wanted {
            if let Some(task) = self.known.get(&at) {
                task.send_if_modified(|known| {
                    let modified = *known != delivery;
                    *known = delivery;
                    modified
                });
                continue;
            }
            let (sender, receiver) = watch::channel(delivery);
            self.tasks.spawn(delivery::run(self.sources.clone(), receiver, self.stop.clone()));
            self.known.insert(at, sender);
        }
    }
}

/// The queues that have to be delivered now.
fn wanted(cloud: &Cloud) -> BTreeMap<QueueRef, Delivery> {
    let accounts = cloud.accounts.values();
    let all = accounts.flat_map(|account| {
        account.queues.values().filter_map(|queue| delivery_of(account, queue))
    });
    all.map(|delivery| (delivery.at.clone(), delivery)).collect()
}

fn delivery_of(account: &Account, queue: &Queue) -> Option<Delivery> {
    let (consumer, script) = queue.worker_consumer()?;
    let deployed = account.workers.get(script)?.deployed().is_some();
    if queue.settings.delivery_paused || !deployed {
        return None;
    }
    let settings = consumer.settings;
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let dead = consumer.dead_letter_queue.as_deref();
    let dead = dead.and_then(|name| account.queue_by_name(name));
    Some(Delivery {
        at: queue.reference(account.id())?,
        queue: queue.name.clone(),
        script: script.to_owned(),
        batching: Batching {
            batch_size: size(settings.batch_size),
            max_wait: Duration::from_millis(settings.max_wait_time_ms.into()),
            concurrency: settings.max_concurrency.map_or(CONCURRENCY, size),
        },
        retry_delay: Duration::from_secs(settings.retry_delay.into()),
        exhaustion: Exhaustion {
            max_retries: settings.max_retries,
            dead_letter: dead.and_then(|queue| queue.reference(account.id())),
        },
    })
}
