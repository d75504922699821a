use super::Restore;
use crate::{
    change::{Before, Change},
    plan::{Action, PlannedStep},
    planner::change_id,
    record::RecordedTarget,
    resource::{DesiredConsumer, QueueConsumer},
    trigger::WorkerRef,
};
use clodo_saga::StepId;
use clodo_types::QueueName;
use std::collections::BTreeMap;

impl Restore<'_> {
    /// What each target's step saw of the account's queues.
    fn receivers(&self, worker: &WorkerRef) -> BTreeMap<QueueName, Option<QueueConsumer>> {
        let takers = self.of.targets.iter().map(|target| &target.recorded.worker);
        let maps = takers.filter(|taker| taker.account == worker.account).filter_map(|taker| {
            match self.before("consumers", taker)? {
                Before::Consumers(map) => Some(map),
                _ => None,
            }
        });
        let mut all: BTreeMap<_, _> = BTreeMap::new();
        for (queue, consumer) in maps.flatten() {
            // Who lost a queue to another target saw the other, or nobody.
            let known: &mut Option<QueueConsumer> = all.entry(queue).or_default();
            if known.is_none() {
                *known = consumer;
            }
        }
        all
    }

    /// The queues from which a Worker received; `None` when nothing was changed about that.
    pub(super) fn received_before(&self, worker: &WorkerRef) -> Option<Vec<DesiredConsumer>> {
        self.before("consumers", worker)?;
        let own = self.receivers(worker).into_iter().filter_map(|(queue, consumer)| {
            let consumer = consumer.filter(|consumer| consumer.worker == worker.worker)?;
            Some(DesiredConsumer { queue, delivery: consumer.delivery })
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
        let takers: Vec<WorkerRef> =
            self.of.targets.iter().map(|target| target.recorded.worker.clone()).collect();
        for taker in &takers {
            for (queue, consumer) in self.receivers(taker) {
                let Some(QueueConsumer { worker, delivery }) = consumer else { continue };
                let loser = WorkerRef { account: taker.account.clone(), worker };
                let given = losers.entry(loser).or_default();
                if given.iter().all(|known| known.queue != queue) {
                    given.push(DesiredConsumer { queue, delivery });
                }
            }
        }
        losers.retain(|loser, _| self.before("consumers", loser).is_none());
        for (worker, given) in losers {
            self.give_to(worker, given);
        }
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
