use crate::{
    desired::Desired,
    mark::Hashes,
    plan::Fate,
    planner::RecordedConfig,
    record::{DeploymentState, Finish, Opening, RecordedStep, RecordedTarget, grouped},
    trigger::WorkerRef,
};
use clodo_saga::{
    Ending, Entry, JournalError, JournalStore, Progress, RunQuery, RunRecord, StepId,
};
use clodo_types::{DeploymentId, PortfolioName, TargetId, Timestamp, VersionId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A run of the journal, understood.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    pub(crate) id: DeploymentId,
    /// When it began.
    pub(crate) at: Timestamp,
    pub(crate) state: DeploymentState,
    pub(crate) opening: Opening,
    pub(crate) finish: Finish,
}

impl Past {
    /// `None` for a run that is no deployment, or one of a format that we do not know.
    pub(crate) fn of(run: &RunRecord) -> Option<Self> {
        let opening: Opening = serde_json::from_value(run.header.data.clone()).ok()?;
        if opening.format != Opening::FORMAT {
            return None;
        }
        let state = match run.closing.as_ref().map(|closing| closing.ending) {
            None => DeploymentState::Unfinished,
            Some(Ending::Completed) => DeploymentState::Done,
            Some(Ending::Unwound) => DeploymentState::Failed,
            Some(Ending::Superseded) => DeploymentState::Superseded,
            Some(_) => DeploymentState::PartlyDone,
        };
        let finish = run.closing.as_ref().map(|closing| closing.data.clone());
        let finish = finish.and_then(|data| serde_json::from_value(data).ok()).unwrap_or_default();
        let (id, at) = (run.header.id.clone(), run.header.started_at);
        Some(Self { id, at, state, opening, finish })
    }
}

impl Past {
    pub(crate) fn rollback_of(&self) -> Option<&DeploymentId> {
        self.opening.occasion.rollback_of.as_ref()
    }

    /// True when it took a deployment back, alone or together with others.
    pub(crate) fn takes_back(&self, id: &DeploymentId) -> bool {
        let occasion = &self.opening.occasion;
        occasion.rollback_of.as_ref() == Some(id) || occasion.rollback_of_others.contains(id)
    }

    /// The targets that it changed.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &TargetId> {
        let changed = self.opening.targets.iter().filter(|target| target.fate != Fate::Unchanged);
        changed.map(|target| &target.id)
    }

    /// The targets whose databases it migrated.
    pub(crate) fn migrated(&self) -> BTreeSet<&TargetId> {
        let migrated: BTreeSet<(&str, &str)> =
            self.opening.steps.iter().filter_map(|step| migrated_by(&step.id)).collect();
        let targets = self.opening.targets.iter().filter(|target| {
            let account = target.worker.account.as_str();
            target.databases().any(|name| migrated.contains(&(account, name)))
        });
        targets.map(|target| &target.id).collect()
    }
}

/// What earlier deployments tell a new one.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Newest first.
    pub(crate) past: Vec<Past>,
    /// Of unfinished runs: what each step that was begun has to go back to.
    pub(crate) before: BTreeMap<StepId, Value>,
    /// Of unfinished runs: what steps noted last.
    pub(crate) notes: BTreeMap<StepId, Value>,
    /// Of unfinished runs: how steps ended that waited for a verdict, for time or for a person.
    pub(crate) waited: BTreeMap<StepId, Value>,
    /// Of unfinished runs, newest first: what they did to Workers that they finished.
    finished: Vec<(DeploymentId, Progress)>,
    /// Outputs of steps on such Workers, for a deployment that goes on with the run.
    pub(crate) done: BTreeMap<StepId, Value>,
}

impl History {
    /// How far back the record is read. A Worker that was not touched for longer is looked at more
    /// closely, and its plan says "config changed" without saying what.
    const DEPTH: usize = 50;

    pub(crate) async fn read(
        journal: &dyn JournalStore,
        portfolio: &PortfolioName,
    ) -> Result<Self, JournalError> {
        Self::read_to(journal, portfolio, Self::DEPTH).await
    }

    /// As [`History::read`], and so many deployments far back.
    pub(crate) async fn read_to(
        journal: &dyn JournalStore,
        portfolio: &PortfolioName,
        depth: usize,
    ) -> Result<Self, JournalError> {
        let mut history = Self::default();
        let scope = portfolio.as_str();
        let mut runs = journal.runs(&RunQuery::last(depth).of_scope(scope)).await?;
        for old in journal.runs(&RunQuery::unfinished().of_scope(scope)).await? {
            if !runs.iter().any(|run| run.header.id == old.header.id) {
                runs.push(old);
            }
        }
        history.past = runs.iter().filter_map(Past::of).collect();
        let past = history.past.clone();
        let mut settled: BTreeSet<&WorkerRef> = BTreeSet::new();
        // From the newest to the oldest, so that the oldest rollback point of a step wins.
        for past in &past {
            if matches!(past.state, DeploymentState::Done | DeploymentState::Failed) {
                settled.extend(past.opening.workers());
            }
            if past.state == DeploymentState::Unfinished {
                let entries = journal.entries(&past.id).await?;
                history.add(past, &settled, &entries);
            }
        }
        Ok(history)
    }

    /// Learns from a run that was interrupted. What became of `settled` Workers since is another
    /// deployment's doing.
    fn add(&mut self, past: &Past, settled: &BTreeSet<&WorkerRef>, entries: &[Entry]) {
        let mut progress = Progress::of(entries);
        self.notes.extend(progress.notes.clone());
        self.waited.extend(waited(&past.opening, &progress));
        let workers: BTreeMap<&StepId, &WorkerRef> = past
            .opening
            .steps
            .iter()
            .filter_map(|step| Some((&step.id, step.worker.as_ref()?)))
            .collect();
        progress.before.retain(|id, _| workers.get(id).is_none_or(|own| !settled.contains(own)));
        if entries.iter().any(takes_back) {
            // It was on its way back, which is all or nothing.
            self.before.extend(progress.before);
            return;
        }
        let finished = finished(&past.opening, &progress);
        let is_of_finished =
            |id: &StepId| workers.get(id).is_some_and(|own| finished.contains(own));
        let (of_finished, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            progress.before.into_iter().partition(|(id, _)| is_of_finished(id));
        self.before.extend(others);
        progress.before = of_finished;
        progress.outputs.retain(|id, _| is_of_finished(id));
        self.finished.push((past.id.clone(), progress));
    }

    /// Makes one of a deployment and those before it that were interrupted and wanted the same: if it
    /// fails, also the Workers that they finished are taken back. One that wants something else
    /// begins with what they finished.
    pub(crate) fn go_on(&mut self, desired: &Desired) {
        for (id, progress) in &self.finished {
            let Some(past) = self.past.iter().find(|past| past.id == *id) else { break };
            if !wants_the_same(past, desired) {
                break;
            }
            self.before.extend(progress.before.clone());
            if past.opening.occasion.strategies == grouped(desired) {
                for (step, output) in &progress.outputs {
                    self.done.entry(step.clone()).or_insert_with(|| output.clone());
                }
            }
        }
    }

    pub(crate) fn unfinished(&self) -> Vec<Past> {
        let unfinished = self.past.iter().filter(|p| p.state == DeploymentState::Unfinished);
        unfinished.cloned().collect()
    }

    /// The newest configuration of each Worker.
    pub(crate) fn configs(&self) -> BTreeMap<WorkerRef, RecordedConfig> {
        let mut configs = BTreeMap::new();
        for past in self.past.iter().filter(|past| past.state == DeploymentState::Done) {
            for target in &past.opening.targets {
                // A rollback may go back to what no record describes.
                if let Some(hashes) = target.hashes.filter(|_| !target.config.is_null()) {
                    let recorded = RecordedConfig { hashes, config: target.config.clone() };
                    configs.entry(target.worker.clone()).or_insert(recorded);
                }
            }
        }
        configs
    }

    /// True when the newest deployment that touched the Worker ended well and left these hashes:
    /// then nothing of an interrupted one lies around.
    pub(crate) fn is_settled(&self, worker: &WorkerRef, live: Option<Hashes>) -> bool {
        let touched = self.past.iter().find(|past| past.opening.workers().contains(worker));
        touched.is_some_and(|past| {
            let mut targets = past.opening.targets.iter();
            past.state == DeploymentState::Done
                && targets.any(|t| t.worker == *worker && t.hashes == live)
                && live.is_some()
        })
    }

    /// What is known about a Worker as it was when it had these hashes.
    pub(crate) fn target(&self, worker: &WorkerRef, hashes: Hashes) -> Option<&RecordedTarget> {
        let targets = self.past.iter().flat_map(|past| &past.opening.targets);
        targets.into_iter().find(|t| t.worker == *worker && t.hashes == Some(hashes))
    }

    /// When the Worker changed last, as far as its newest deployment knows; `None` when that did not
    /// end well, or did not say.
    pub(crate) fn updated_on(&self, worker: &WorkerRef) -> Option<&str> {
        let touched = self.past.iter().find(|past| past.opening.workers().contains(worker))?;
        let done = Some(touched).filter(|past| past.state == DeploymentState::Done)?;
        let version = done.finish.versions.iter().find(|found| found.worker == *worker)?;
        version.updated_on.as_deref()
    }

    /// The version that the newest finished deployment gave the Worker, if it left these hashes.
    pub(crate) fn version(&self, worker: &WorkerRef, live: Option<Hashes>) -> Option<VersionId> {
        let done = self.past.iter().filter(|past| past.state == DeploymentState::Done);
        let mut uploads = done.filter_map(|past| {
            let version = past.finish.versions.iter().find(|found| found.worker == *worker)?;
            let target = past.opening.targets.iter().find(|found| found.worker == *worker)?;
            Some((target.hashes, version.version.clone()?))
        });
        let (hashes, version) = uploads.next()?;
        // A deployment that only changed routes or schedules left the version as it was.
        let same = |a: Hashes, b: Hashes| a.content == b.content && a.config == b.config;
        hashes.zip(live).is_some_and(|(then, now)| same(then, now)).then_some(version)
    }
}

/// The account and the database that a step migrates: the name of the step tells.
pub(crate) fn migrated_by(step: &StepId) -> Option<(&str, &str)> {
    let (database, _) = step.as_str().strip_prefix("migrate ")?.split_once(' ')?;
    database.split_once('/')
}

/// How the steps of an interrupted deployment ended that need not wait again.
fn waited(opening: &Opening, progress: &Progress) -> BTreeMap<StepId, Value> {
    let steps = opening
        .steps
        .iter()
        .filter(|step| matches!(&*step.kind, "judge" | "hold" | "restore-database"));
    let ended = steps.filter_map(|step| {
        let output = progress.outputs.get(&step.id)?;
        Some((step.id.clone(), output.clone()))
    });
    ended.collect()
}

/// Whether an entry says that a run had failed, or had begun to take back what it did.
fn takes_back(entry: &Entry) -> bool {
    use Entry::{Failed, Kept, Stuck, Undone};
    matches!(entry, Failed { .. } | Undone { .. } | Kept { .. } | Stuck { .. })
}

/// The Workers that an interrupted deployment finished.
fn finished<'a>(opening: &'a Opening, progress: &Progress) -> BTreeSet<&'a WorkerRef> {
    let is_done = |step: &&RecordedStep| progress.outputs.contains_key(&step.id);
    let commits = opening.steps.iter().filter(|step| step.kind == "commit").filter(is_done);
    commits.filter_map(|step| step.worker.as_ref()).collect()
}

/// Whether an interrupted deployment wanted of each target what a new one wants.
fn wants_the_same(past: &Past, desired: &Desired) -> bool {
    let opening = &past.opening;
    let mut changed = opening.targets.iter().filter(|target| target.fate != Fate::Unchanged);
    let wanted: BTreeMap<&TargetId, Hashes> =
        desired.targets.iter().map(|target| (&target.id, target.hashes())).collect();
    past.rollback_of().is_none()
        && opening.occasion.removal.is_none()
        && changed.all(|target| wanted.get(&target.id).copied() == target.hashes)
}
