//! Queues, and the Workers that receive from them.

use super::{CloudflarePlatform, errors::failed, resources::gone};
use clodo_cf_api::queues::{self, Consumer, ConsumerSettings, NewConsumer, Queue};
use clodo_orchestrator::{
    Applied, Before, Delivery, DesiredConsumer, Inputs, Look, ObservedQueue, PlatformError,
    PlatformErrorKind, QueueConsumer, Undone, WorkerRef,
};
use clodo_types::{AccountId, AccountName, QueueId, QueueName, WorkerName};
use std::collections::BTreeMap;

/// Each queue, with the Worker that receives from it.
type Receivers = BTreeMap<QueueName, Option<QueueConsumer>>;

impl CloudflarePlatform {
    /// The queues; nothing when they are not asked for, or the token may not see them.
    pub(super) async fn queues(
        &self,
        id: &AccountId,
        wanted: bool,
    ) -> Result<Option<BTreeMap<QueueName, ObservedQueue>>, PlatformError> {
        if !wanted {
            return Ok(None);
        }
        match self.list_queues(id).await {
            Ok(queues) => Ok(Some(queues.iter().filter_map(observed).collect())),
            Err(error) if error.kind() == PlatformErrorKind::NotAllowed => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list_queues(&self, id: &AccountId) -> Result<Vec<Queue>, PlatformError> {
        let listed = self.client.list(queues::list_queues(id)).await;
        listed.map_err(failed("could not list the queues"))
    }

    pub(super) async fn look_queue(
        &self,
        account: &AccountName,
        name: &QueueName,
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        if !inputs.search {
            return Ok(Look::pending(Before::Absent));
        }
        let found = self.client.find_queue(self.account(account)?, name.as_str()).await;
        let found = found.map_err(failed(format!("could not look for queue `{name}`")))?;
        Ok(match found {
            Some(_) => Look::done(Before::Present, Applied::Done),
            None => Look::pending(Before::Absent),
        })
    }

    pub(super) async fn create_queue(
        &self,
        account: &AccountName,
        name: &QueueName,
    ) -> Result<Applied, PlatformError> {
        let made = self.client.ensure_queue(self.account(account)?, name.as_str()).await;
        made.map_err(failed(format!("could not create queue `{name}`")))?;
        Ok(Applied::Done)
    }

    /// A queue that holds messages stays.
    pub(super) async fn undo_queue(
        &self,
        account: &AccountName,
        name: &QueueName,
    ) -> Result<Undone, PlatformError> {
        let account = self.account(account)?;
        let doing = || failed(format!("could not remove queue `{name}` again"));
        let found = self.client.find_queue(account, name.as_str()).await.map_err(doing())?;
        let Some(queue) = found else { return Ok(Undone::Restored) };
        let backlog = self.client.send(queues::metrics(account, &queue.id)).await;
        // One whose messages nobody counted may hold some.
        if backlog.map_err(doing())?.messages != Some(0) {
            return Ok(Undone::Kept(format!("queue `{name}` has messages")));
        }
        gone(self.client.send(queues::delete_queue(account, &queue.id)).await).map_err(doing())
    }

    pub(super) async fn remove_queue(
        &self,
        account: &AccountName,
        name: &QueueName,
        id: &QueueId,
    ) -> Result<Applied, PlatformError> {
        let id = id.as_str().parse().expect("32 digits are an id of the API too");
        let removed = self.client.send(queues::delete_queue(self.account(account)?, &id)).await;
        gone(removed).map_err(failed(format!("could not remove queue `{name}`")))?;
        Ok(Applied::Done)
    }

    /// A Worker that is being created may have taken over a queue already: an interrupted run did.
    pub(super) async fn look_consumers(
        &self,
        worker: &WorkerRef,
        to: &[DesiredConsumer],
    ) -> Result<Look, PlatformError> {
        let queues = match self.list_queues(self.account(&worker.account)?).await {
            // A token that may not see queues has none to take away.
            Err(error) if to.is_empty() && error.kind() == PlatformErrorKind::NotAllowed => {
                return Ok(Look::done(Before::Consumers(BTreeMap::new()), Applied::Done));
            }
            listed => listed?,
        };
        let concerned = queues.iter().filter_map(observed).filter(|(name, queue)| {
            let receives = queue.consumer.as_ref().is_some_and(|now| now.worker == worker.worker);
            receives || to.iter().any(|wanted| wanted.queue == *name)
        });
        let now: Receivers = concerned.map(|(name, queue)| (name, queue.consumer)).collect();
        let taken = now.iter().filter_map(|(queue, by)| Some((queue, by.as_ref()?)));
        let there = DesiredConsumer::are_set(to, &worker.worker, taken);
        let before = Before::Consumers(now);
        Ok(if there { Look::done(before, Applied::Done) } else { Look::pending(before) })
    }

    pub(super) async fn set_consumers(
        &self,
        worker: &WorkerRef,
        to: &[DesiredConsumer],
    ) -> Result<Applied, PlatformError> {
        let wanted = |wanted: &DesiredConsumer| {
            let (worker, delivery) = (worker.worker.clone(), wanted.delivery.clone());
            (wanted.queue.clone(), Some(QueueConsumer { worker, delivery }))
        };
        let mut receivers: Receivers = to.iter().map(wanted).collect();
        let queues = self.list_queues(self.account(&worker.account)?).await?;
        for (name, queue) in queues.iter().filter_map(observed) {
            if queue.consumer.is_some_and(|now| now.worker == worker.worker) {
                receivers.entry(name).or_default();
            }
        }
        self.receive(worker, &queues, &receivers).await?;
        Ok(Applied::Done)
    }

    /// A queue that is gone meanwhile needs no receiver, and one that had none is only taken from the
    /// Worker itself: another step may have given it back to somebody else.
    pub(super) async fn undo_consumers(
        &self,
        worker: &WorkerRef,
        were: &Receivers,
    ) -> Result<Undone, PlatformError> {
        if were.is_empty() {
            return Ok(Undone::Restored);
        }
        let queues = self.list_queues(self.account(&worker.account)?).await?;
        let there: BTreeMap<_, _> = queues.iter().filter_map(observed).collect();
        let mut were = were.clone();
        were.retain(|name, was| {
            there.get(name).is_some_and(|queue| {
                let now = queue.consumer.as_ref();
                was.is_some() || now.is_some_and(|now| now.worker == worker.worker)
            })
        });
        self.receive(worker, &queues, &were).await?;
        Ok(Undone::Restored)
    }

    /// Gives each of the queues its receiver, or none. Who receives now goes first: Cloudflare knows
    /// one Worker per queue.
    async fn receive(
        &self,
        worker: &WorkerRef,
        queues: &[Queue],
        receivers: &Receivers,
    ) -> Result<(), PlatformError> {
        let account = self.account(&worker.account)?;
        for (name, wanted) in receivers {
            let doing = || failed(format!("could not set who receives from queue `{name}`"));
            let Some(queue) = queues.iter().find(|queue| queue.name == name.as_str()) else {
                let doing = format!("there is no queue `{name}` to receive from");
                return Err(PlatformError::new(PlatformErrorKind::Refused, doing));
            };
            let mut now = queue.consumers.iter().find(|consumer| worker_of(consumer).is_some());
            let same_worker =
                |now: &&Consumer| worker_of(now) == wanted.as_ref().map(|to| &to.worker).cloned();
            if let Some(id) = now.filter(|now| !same_worker(now)).and_then(|now| now.id.as_ref()) {
                let removed =
                    self.client.send(queues::delete_consumer(account, &queue.id, id)).await;
                gone(removed).map_err(doing())?;
                now = None;
            }
            let Some(wanted) = wanted else { continue };
            let new = new_consumer(wanted);
            let set = match now.and_then(|now| now.id.as_ref()) {
                Some(id) => queues::put_consumer(account, &queue.id, id, &new),
                None => queues::create_consumer(account, &queue.id, &new),
            };
            self.client.send(set).await.map_err(doing())?;
        }
        Ok(())
    }
}

fn observed(queue: &Queue) -> Option<(QueueName, ObservedQueue)> {
    let consumer = queue.consumers.iter().find_map(|consumer| {
        Some(QueueConsumer { worker: worker_of(consumer)?, delivery: delivery(consumer) })
    });
    Some((
        queue.name.parse().ok()?,
        ObservedQueue { id: queue.id.as_str().parse().ok()?, consumer },
    ))
}

fn worker_of(consumer: &Consumer) -> Option<WorkerName> {
    consumer.script_name.as_deref()?.parse().ok()
}

fn delivery(consumer: &Consumer) -> Delivery {
    let settings = &consumer.settings;
    let letters = consumer.dead_letter_queue.as_deref().filter(|name| !name.is_empty());
    Delivery {
        dead_letter_queue: letters.and_then(|name| name.parse().ok()),
        batch_size: settings.batch_size,
        max_concurrency: settings.max_concurrency,
        max_retries: settings.max_retries,
        max_wait_time_ms: settings.max_wait_time_ms,
        retry_delay: settings.retry_delay,
    }
}

fn new_consumer(wanted: &QueueConsumer) -> NewConsumer {
    let delivery = &wanted.delivery;
    let mut new = NewConsumer::worker(wanted.worker.clone());
    new.dead_letter_queue = delivery.dead_letter_queue.as_ref().map(ToString::to_string);
    new.settings = ConsumerSettings {
        batch_size: delivery.batch_size,
        max_concurrency: delivery.max_concurrency,
        max_retries: delivery.max_retries,
        max_wait_time_ms: delivery.max_wait_time_ms,
        retry_delay: delivery.retry_delay,
        ..ConsumerSettings::default()
    };
    new
}
