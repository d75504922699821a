//! What cron triggers run: Workers, and Workflows.

use super::clockwork::{Due, Scheduled, Schedules};
use crate::state::State;
use async_trait::async_trait;
use clodo_storage::{
    InstanceId, InstanceSchedule, InstanceTrigger, NewInstance, WorkflowErrorKind, Workflows,
};
use clodo_workerd::{Directory as _, Dispatch, ScheduledEvent};
use serde_json::json;
use std::sync::Arc;

/// Workers with a `scheduled()`.
#[derive(Debug)]
pub(super) struct WorkerSchedules {
    pub(super) state: State,
    pub(super) dispatch: Arc<dyn Dispatch>,
}

#[async_trait]
impl Scheduled for WorkerSchedules {
    fn schedules(&self) -> Schedules {
        let accounts = self.state.accounts().into_iter();
        accounts.map(|id| (id.clone(), self.state.schedules(&id))).collect()
    }

    async fn run(&self, account: &str, due: Due) {
        let (script, scheduled_time) = (due.name.clone(), due.time());
        let event = ScheduledEvent { cron: due.cron, scheduled_time };
        match self.dispatch.scheduled(account, &script, &event).await {
            Ok(ran) => {
                let outcome = ran.outcome;
                tracing::info!(script, cron = event.cron, %outcome, "a cron trigger ran");
            }
            Err(error) => {
                tracing::warn!(script, cron = event.cron, %error, "a cron trigger did not run");
            }
        }
    }
}

/// Workflows that make an instance by themselves.
#[derive(Debug)]
pub(super) struct WorkflowSchedules {
    pub(super) state: State,
    pub(super) workflows: Workflows,
}

#[async_trait]
impl Scheduled for WorkflowSchedules {
    fn schedules(&self) -> Schedules {
        let snapshot = self.state.snapshot();
        let accounts = snapshot.cloud.accounts.values();
        accounts
            .map(|account| {
                let all = account.workflows.values();
                let crons = all.map(|workflow| (workflow.name.clone(), workflow.schedules.clone()));
                (account.id().to_owned(), crons.collect())
            })
            .collect()
    }

    async fn run(&self, account: &str, due: Due) {
        let (workflow, cron) = (due.name.as_str(), due.cron.as_str());
        let at = {
            let snapshot = self.state.snapshot();
            let account = snapshot.cloud.accounts.get(account);
            let found = account.and_then(|account| account.workflows.get(workflow));
            found.and_then(|found| found.reference(account?.id()))
        };
        let Some(at) = at else { return };
        let id = InstanceId::of_schedule(cron, due.time());
        let mut new = NewInstance::new(id, json!({}), InstanceTrigger::Cron);
        let scheduled_time = due.time().as_millis();
        new.schedule = Some(InstanceSchedule { cron: cron.to_owned(), scheduled_time });
        let made = self.workflows.start(&at, vec![new]).await;
        match made.and_then(|mut made| made.remove(0)) {
            Ok(made) => tracing::info!(workflow, cron, instance = made.id, "a schedule ran"),
            // The minute was made before: a cloud that was killed looks at it again.
            Err(error) if error.kind() == WorkflowErrorKind::Exists => {}
            Err(error) => tracing::warn!(workflow, cron, %error, "a schedule did not run"),
        }
    }
}
