//! What runs by itself: queues deliver to their consumers, cron triggers fire, instances of
//! Workflows run.

mod clockwork;
mod deliveries;
mod delivery;
mod expression;
mod outcome;
mod plan;
mod schedules;
mod wait;
mod workflows;

pub(crate) use expression::Cron;

use crate::state::State;
use clockwork::{Clockwork, Scheduled};
use clodo_storage::{Queues, Workflows};
use clodo_types::Clock;
use clodo_workerd::Dispatch;
use deliveries::Deliveries;
use schedules::{WorkerSchedules, WorkflowSchedules};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use workflows::Runners;

/// What events need of a cloud.
#[derive(Clone, Debug)]
pub(crate) struct EventSources {
    pub(crate) state: State,
    pub(crate) queues: Queues,
    pub(crate) workflows: Workflows,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The running broker and clockwork. Dropping it stops both where they are; nothing is lost, since
/// a message whose delivery was not settled comes again.
#[derive(Debug)]
pub(crate) struct Events {
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
    _guard: DropGuard,
}

impl Events {
    /// Starts to deliver and to fire.
    pub(crate) fn start(sources: EventSources) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (state, dispatch) = (sources.state.clone(), Arc::clone(&sources.dispatch));
        let workers = Arc::new(WorkerSchedules { state: state.clone(), dispatch });
        let workflows = Arc::new(WorkflowSchedules { state, workflows: sources.workflows.clone() });
        for scheduled in [workers as Arc<dyn Scheduled>, workflows] {
            let clock = Arc::clone(&sources.clock);
            tasks.spawn(Clockwork { scheduled, clock, stop: stop.clone() }.run());
        }
        tasks.spawn(Runners::new(sources.clone(), stop.clone()).run());
        tasks.spawn(Deliveries::new(sources, stop.clone()).run());
        Self { _guard: stop.clone().drop_guard(), stop, tasks: Mutex::new(tasks) }
    }

    /// Begins no delivery and fires nothing from now on.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until every delivery that had begun is settled.
    pub(crate) async fn settled(&self) {
        self.stop.cancel();
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }
}

/// Tells the engines what the state says of every queue and every Workflow.
pub(crate) fn configure(state: &State, queues: &Queues, workflows: &Workflows) {
    for account in state.snapshot().cloud.accounts.values() {
        for queue in account.queues.values() {
            if let Some(at) = queue.reference(account.id()) {
                queues.configure(&at, queue.engine_settings());
            }
        }
        for workflow in account.workflows.values() {
            if let (Some(at), Ok(name)) = (workflow.reference(account.id()), workflow.name.parse())
            {
                workflows.configure(&at, &name, workflow.engine_settings());
            }
        }
    }
}
