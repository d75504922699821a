use super::Restore;
use crate::{
    change::Change,
    plan::{Action, PlannedStep},
    planner::change_id,
    record::RecordedTarget,
    resource::{DesiredConsumer, QueueConsumer},
    trigger::WorkerRef,
};
use clodo_saga::StepId;
use clodo_types::{QueueName, WorkerName};
use std::collections::BTreeMap;

impl Restore<'_> {
    /// The queues from which a Worker received; `None` when nothing was changed about that.
    pub(super) fn received_before(&self, worker: &WorkerRef) -> Option<Vec<DesiredConsumer>> {
        self.before("consumers", worker)?;
        let own = self.of.receivers.iter().filter_map(|((account, queue), consumer)| {
            let consumer = consumer.as_ref().filter(|consumer| consumer.worker == worker.worker)?;
            let (queue, delivery) = (queue.clone(), consumer.delivery.clone());
            (*account == worker.account).then_some(DesiredConsumer { queue, delivery })
        });
        Some(own.collect())
    }

    /// Before the earlier version has the traffic, which may have no handler.
    pub(super) fn stops_receiving(&mut self, target: &RecordedTarget) -> Option<StepId> {
        let worker = target.worker.clone();
        let to = self.received_before(&worker).filter(Vec::is_empty)?;
        let summary = format!("let {} receive from no queue", worker.worker);
        Some(self.push(target, Change::SetConsumers { worker, to }, Vec::new(), summary))
    }

    /// Queues that the deployment had taken from Workers that it did not change otherwise.
    pub(super) fn give_queues_back(&mut self) {
        let mut losers: BTreeMap<WorkerRef, Vec<DesiredConsumer>> = BTreeMap::new();
        for ((account, queue), consumer) in &self.of.receivers {
            let Some(QueueConsumer { worker, delivery }) = consumer else { continue };
            let loser = WorkerRef { account: account.clone(), worker: worker.clone() };
            if self.before("consumers", &loser).is_none() && self.may_have_back(&loser, queue) {
                let (queue, delivery) = (queue.clone(), delivery.clone());
                losers.entry(loser).or_default().push(DesiredConsumer { queue, delivery });
            }
        }
        for (worker, given) in losers {
            self.give_to(worker, given);
        }
    }

    /// Whether a Worker is there, and the queue is with nobody but who took it from it.
    fn may_have_back(&self, loser: &WorkerRef, queue: &QueueName) -> bool {
        let Some(account) = self.observed.accounts.get(&loser.account) else { return false };
        let now = account.queues.as_ref().and_then(|queues| queues.get(queue));
        let Some(now) = now.filter(|_| account.workers.contains_key(&loser.worker)) else {
            return false;
        };
        let is_taker = |worker: &WorkerName| {
            let mut targets = self.of.targets.iter().map(|target| &target.recorded.worker);
            targets.any(|taker| taker.account == loser.account && taker.worker == *worker)
        };
        now.consumer.as_ref().is_none_or(|now| is_taker(&now.worker))
    }

    fn give_to(&mut self, worker: WorkerRef, given: Vec<DesiredConsumer>) {
        let account = self.observed.accounts.get(&worker.account);
        let now =
            account.and_then(|account| account.consumed_by(&worker.worker)).unwrap_or_default();
        let mut to: Vec<DesiredConsumer> = now
            .into_iter()
            .filter(|(queue, _)| given.iter().all(|one| one.queue != **queue))
            .map(|(queue, consumer)| DesiredConsumer {
                queue: queue.clone(),
                delivery: consumer.delivery.clone(),
            })
            .collect();
        to.extend(given);
        let name = worker.worker.clone();
        let change = Change::SetConsumers { worker, to };
        // The taker gives them up first.
        let takers = self.plan.steps.iter().filter(|step| step.action.kind() == "consumers");
        let needs = takers.map(|step| step.id.clone()).collect();
        self.plan.steps.push(PlannedStep {
            id: change_id(&change),
            target: None,
            action: Action::Change(change),
            needs,
            summary: format!("give {name} its queues back"),
            details: Vec::new(),
        });
    }
}
