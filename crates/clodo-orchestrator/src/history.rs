use crate::{
    mark::Hashes,
    plan::Fate,
    planner::RecordedConfig,
    record::{DeploymentState, Finish, Opening, RecordedStep, RecordedTarget},
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
        // From the newest to the oldest, so that the oldest rollback point of a step wins.
        for past in history.unfinished() {
            let entries = journal.entries(&past.id).await?;
            let progress = Progress::of(&entries);
            history.notes.extend(progress.notes.clone());
            history.waited.extend(waited(&past.opening, &progress));
            history.before.extend(match entries.iter().any(takes_back) {
                // It was on its way back, which is all or nothing.
                true => progress.before,
                false => rollback_points(&past.opening, progress),
            });
        }
        Ok(history)
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

/// What an interrupted deployment has to go back to, except for Workers that it finished.
fn rollback_points(opening: &Opening, progress: Progress) -> BTreeMap<StepId, Value> {
    let is_done = |step: &&RecordedStep| progress.outputs.contains_key(&step.id);
    let commits = opening.steps.iter().filter(|step| step.kind == "commit").filter(is_done);
    let finished: BTreeSet<&WorkerRef> = commits.filter_map(|step| step.worker.as_ref()).collect();
    let of_finished = |id: &StepId| {
        let step = opening.steps.iter().find(|step| step.id == *id);
        step.and_then(|step| step.worker.as_ref()).is_some_and(|w| finished.contains(w))
    };
    progress.before.into_iter().filter(|(id, _)| !of_finished(id)).collect()
}
