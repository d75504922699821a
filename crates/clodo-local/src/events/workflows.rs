//! Runs instances of Workflows: one task for each Workflow whose Worker is deployed.

use super::{EventSources, wait};
use crate::state::{model::Cloud, workflow::Workflow};
use clodo_storage::{
    Failure, InstanceHome, InstanceRun, InstanceStatus, RunEnd, WorkflowError, WorkflowErrorKind,
    WorkflowRef,
};
use clodo_types::Timestamp;
use clodo_workerd::{DispatchError, WorkflowOutcome, WorkflowRun};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How many milliseconds a Workflow rests whose file cannot be read.
const REST_AFTER_FAULT: i64 = 5_000;

/// The task that follows the state.
#[derive(Debug)]
pub(super) struct Runners {
    sources: EventSources,
    stop: CancellationToken,
    known: BTreeMap<WorkflowRef, watch::Sender<Arc<Workflow>>>,
    tasks: JoinSet<()>,
}

impl Runners {
    pub(super) fn new(sources: EventSources, stop: CancellationToken) -> Self {
        Self { sources, stop, known: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Runs until `stop`, and until every run that had begun then is over or given up.
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

    fn follow(&mut self, wanted: BTreeMap<WorkflowRef, Arc<Workflow>>) {
        // A task whose sender is gone begins nothing any more.
        self.known.retain(|at, _| wanted.contains_key(at));
        for (at, workflow) in wanted {
            if let Some(task) = self.known.get(&at) {
                task.send_if_modified(|known| {
                    let modified = !Arc::ptr_eq(known, &workflow);
                    *known = workflow;
                    modified
                });
                continue;
            }
            let (sender, receiver) = watch::channel(workflow);
            let runner = Runner {
                sources: self.sources.clone(),
                at: at.clone(),
                drawn: Arc::default(),
                stop: self.stop.clone(),
            };
            self.tasks.spawn(runner.run(receiver));
            self.known.insert(at, sender);
        }
    }
}

/// The Workflows whose instances can run now.
fn wanted(cloud: &Cloud) -> BTreeMap<WorkflowRef, Arc<Workflow>> {
    let accounts = cloud.accounts.values();
    let all = accounts.flat_map(|account| {
        let deployed = |workflow: &&Arc<Workflow>| {
            account.workers.get(&workflow.script).is_some_and(|worker| worker.deployed().is_some())
        };
        let found = account.workflows.values().filter(deployed);
        found.filter_map(|workflow| Some((workflow.reference(account.id())?, Arc::clone(workflow))))
    });
    all.collect()
}

/// The task of one Workflow.
#[derive(Clone, Debug)]
struct Runner {
    sources: EventSources,
    at: WorkflowRef,
    /// Counts the instances whose version was drawn.
    drawn: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Runner {
    async fn run(self, mut wanted: watch::Receiver<Arc<Workflow>>) {
        let arrivals = self.sources.workflows.arrivals(&self.at);
        let clock = Arc::clone(&self.sources.clock);
        let mut running = JoinSet::new();
        while !self.stop.is_cancelled() {
            let workflow = Arc::clone(&wanted.borrow_and_update());
            let until = match self.begin_due(&workflow, &mut running).await {
                Ok(until) => until,
                // It was just deleted: nobody will want this task for long.
                Err(error) if error.kind() == WorkflowErrorKind::WorkflowNotFound => None,
                Err(error) => {
                    tracing::warn!(%error, workflow = workflow.name, "a Workflow cannot be run");
                    let now = clock.now().as_millis();
                    Some(Timestamp::from_millis(now + REST_AFTER_FAULT))
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                changed = wanted.changed() => if changed.is_err() { break },
                () = arrivals.notified() => {}
                Some(_) = running.join_next() => {}
                () = wait::until(&*clock, until) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Begins what is due; says when to look again.
    async fn begin_due(
        &self,
        workflow: &Arc<Workflow>,
        running: &mut JoinSet<()>,
    ) -> Result<Option<Timestamp>, WorkflowError> {
        let engine = &self.sources.workflows;
        let due = engine.due(&self.at).await?;
        for id in due.ids {
            if let Some((run, revoked)) = engine.begin(&self.at, &id).await? {
                let (runner, workflow) = (self.clone(), Arc::clone(workflow));
                running.spawn(async move { runner.follow(&workflow, run, revoked).await });
            }
        }
        Ok(due.next)
    }

    /// One run, from its beginning to its end.
    async fn follow(&self, workflow: &Workflow, run: InstanceRun, revoked: CancellationToken) {
        let ended = tokio::select! {
            biased;
            () = revoked.cancelled() => RunEnd::Over,
            () = self.stopped(&run) => RunEnd::Replaced,
            ended = self.dispatch(workflow, &run) => ended,
        };
        // What was cut off because the cloud stops is made again, and nobody is to blame.
        let ended = match ended {
            RunEnd::Lost if self.stop.is_cancelled() => RunEnd::Replaced,
            other => other,
        };
        if let Err(error) = self.sources.workflows.end(&self.at, &run, ended).await
            && error.kind() != WorkflowErrorKind::WorkflowNotFound
        {
            // The next process takes it for lost, and runs it again.
            let instance = &run.id;
            tracing::warn!(%error, workflow = workflow.name, instance, "a run is not noted");
        }
    }

    /// Returns when the cloud stops and nothing of the run would be cut off.
    async fn stopped(&self, run: &InstanceRun) {
        self.stop.cancelled().await;
        let now = self.sources.workflows.instance(&self.at, &run.id).await;
        if now.is_ok_and(|now| now.status != InstanceStatus::Waiting) {
            std::future::pending::<()>().await;
        }
    }

    async fn dispatch(&self, workflow: &Workflow, run: &InstanceRun) -> RunEnd {
        let home = match self.home(workflow, run) {
            Some(home) => home,
            None => return RunEnd::NotBegun,
        };
        if run.home.as_ref() != Some(&home)
            && let Err(error) = self.sources.workflows.settle_in(&self.at, run, home.clone()).await
        {
            tracing::warn!(%error, workflow = workflow.name, "a run does not begin");
            return RunEnd::NotBegun;
        }
        let wire = WorkflowRun {
            version_id: home.version.clone(),
            class: home.class.clone(),
            workflow: (workflow.id.clone(), workflow.name.clone()),
            instance: run.id.clone(),
            token: run.token.clone(),
            created: run.created,
            params: run.params.clone(),
            schedule: run.schedule.as_ref().and_then(|own| serde_json::to_value(own).ok()),
            undoing: run.undoing.clone().map(|error| (error.name, error.message)),
        };
        let account = self.at.account.as_str();
        match self.sources.dispatch.workflow(account, &home.script, &wire).await {
            Ok(outcome) => ended(outcome, &home),
            Err(error) => {
                let instance = &run.id;
                tracing::warn!(%error, workflow = workflow.name, instance, "an instance does not run");
                match error {
                    DispatchError::NotDeployed | DispatchError::Unavailable { .. } => {
                        RunEnd::NotBegun
                    }
                    other => {
                        RunEnd::Errored(Failure::new("WorkflowInternalError", other.to_string()))
                    }
                }
            }
        }
    }

    /// Where an instance runs: where it ran before, else in a version that is drawn among those
    /// with traffic.
    fn home(&self, workflow: &Workflow, run: &InstanceRun) -> Option<InstanceHome> {
        let snapshot = self.sources.state.snapshot();
        let account = snapshot.cloud.accounts.get(self.at.account.as_str())?;
        let kept = |home: &&InstanceHome| {
            let worker = account.workers.get(&home.script);
            worker.is_some_and(|worker| worker.version(&home.version).is_some())
        };
        if let Some(home) = run.home.as_ref().filter(kept) {
            return Some(home.clone());
        }
        let worker = account.workers.get(&workflow.script)?;
        let live = &worker.deployed()?.versions;
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let version = share(live, number)?.to_owned();
        let registered = workflow.version(&run.version).unwrap_or_else(|| workflow.latest());
        Some(InstanceHome {
            script: workflow.script.clone(),
            version,
            class: registered.class.clone(),
        })
    }
}

/// The version that gets the next instance, so that each gets its share in turn.
fn share(live: &[(String, f64)], number: u64) -> Option<&str> {
    // A step of 61.8 % of the whole spreads any number of instances evenly.
    #[expect(clippy::cast_precision_loss, reason = "so many instances are never made")]
    let point = (number as f64 * 61.803_398_875 + 50.0) % 100.0;
    let mut sum = 0.0;
    for (version, percentage) in live {
        sum += percentage;
        if point < sum {
            return Some(version);
        }
    }
    live.last().map(|(version, _)| version.as_str())
}

fn ended(outcome: WorkflowOutcome, home: &InstanceHome) -> RunEnd {
    match outcome {
        WorkflowOutcome::Complete(output) => RunEnd::Complete(output),
        WorkflowOutcome::Errored(name, message) => RunEnd::Errored(Failure::new(name, message)),
        WorkflowOutcome::Rest => RunEnd::Rest,
        WorkflowOutcome::RolledBack(well) => RunEnd::RolledBack(well),
        WorkflowOutcome::Over => RunEnd::Over,
        WorkflowOutcome::Replaced => RunEnd::Replaced,
        WorkflowOutcome::NoClass => {
            let InstanceHome { script, class, .. } = home;
            let text = format!("The Worker `{script}` exports no Workflow `{class}`.");
            RunEnd::Errored(Failure::new("WorkflowInternalError", text))
        }
        _ => RunEnd::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_gets_its_share_of_instances() {
        let live = [("a".to_owned(), 75.0), ("b".to_owned(), 25.0)];
        let count = |of: usize| (0..of as u64).filter(|n| share(&live, *n) == Some("b")).count();
        assert!((248..=252).contains(&count(1_000)), "{}", count(1_000));
        assert!((4..=6).contains(&count(20)), "{}", count(20));
        let alone = [("a".to_owned(), 100.0), ("b".to_owned(), 0.0)];
        assert!((0..1_000).all(|n| share(&alone, n) == Some("a")));
        assert_eq!(share(&[], 0), None);
    }
}
