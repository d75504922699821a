use crate::{
    desired::Desired,
    history::Past,
    mark::Hashes,
    plan::{Fate, Plan, PlannedStep},
    ports::Verdict,
    removal::Data,
    report::{FailureReport, Outcome},
    rollback::Reach,
    strategy::{Rollout, Strategy},
    trigger::{Check, WorkerRef},
};
use clodo_saga::{JournalError, JournalStore, RunQuery, RunRecord, StepId};
use clodo_types::{DeploymentId, PortfolioName, TargetId, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the journal keeps about a deployment from its beginning: enough to explain it, to continue
/// after a crash, and to roll it back. No content of files, no value of a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) format: u32,
    #[serde(flatten)]
    pub(crate) occasion: Occasion,
    pub(crate) targets: Vec<RecordedTarget>,
    pub(crate) steps: Vec<RecordedStep>,
}

/// How a deployment came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Occasion {
    pub(crate) rollback_of: Option<DeploymentId>,
    /// What else it took back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rollback_of_others: Vec<DeploymentId>,
    pub(crate) revision: Option<String>,
    #[serde(default)]
    pub(crate) by: Option<String>,
    #[serde(default)]
    pub(crate) why: Option<String>,
    #[serde(default)]
    pub(crate) redeploy: BTreeSet<TargetId>,
    /// Strategies other than all at once, each with the targets that it is for.
    #[serde(default)]
    pub(crate) strategies: Vec<(Strategy, Vec<TargetId>)>,
    #[serde(default)]
    pub(crate) rollout: Rollout,
    #[serde(default)]
    pub(crate) adopt: bool,
    #[serde(default)]
    pub(crate) prune: bool,
    /// How far a rollback goes that names no deployment.
    #[serde(default)]
    pub(crate) reach: Option<Reach>,
    /// What becomes of data, when it is a removal.
    #[serde(default)]
    pub(crate) removal: Option<Data>,
    /// Whether it puts databases back, when it is a rollback.
    #[serde(default)]
    pub(crate) databases: bool,
    /// The targets that a rollback was narrowed to; empty for all.
    #[serde(default)]
    pub(crate) chosen: BTreeSet<TargetId>,
    /// Whether probes are skipped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) no_tests: bool,
    /// The number of the lease under which it runs.
    #[serde(default)]
    pub(crate) lease: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedTarget {
    pub(crate) id: TargetId,
    pub(crate) worker: WorkerRef,
    pub(crate) fate: Fate,
    pub(crate) hashes: Option<Hashes>,
    pub(crate) config: Value,
    pub(crate) check: Check,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedStep {
    pub(crate) id: StepId,
    pub(crate) kind: String,
    pub(crate) worker: Option<WorkerRef>,
    #[serde(default)]
    pub(crate) summary: String,
}

impl Opening {
    pub(crate) const FORMAT: u32 = 1;

    pub(crate) fn of(plan: &Plan, occasion: Occasion) -> Self {
        let targets = plan.targets.iter().map(|target| RecordedTarget {
            id: target.id.clone(),
            worker: target.worker.clone(),
            fate: target.fate,
            hashes: target.hashes,
            config: target.config.clone(),
            check: target.check.clone(),
        });
        let (targets, steps) = (targets.collect(), plan.steps.iter().map(recorded).collect());
        Self { format: Self::FORMAT, occasion, targets, steps }
    }

    /// The Workers that a step of the deployment changes.
    pub(crate) fn workers(&self) -> BTreeSet<&WorkerRef> {
        self.steps.iter().filter_map(|step| step.worker.as_ref()).collect()
    }
}

fn recorded(step: &PlannedStep) -> RecordedStep {
    RecordedStep {
        id: step.id.clone(),
        kind: step.action.kind().to_owned(),
        worker: step.worker(),
        summary: step.summary.clone(),
    }
}

impl RecordedTarget {
    /// The databases that it is bound to, as steps call them: by name, or by id.
    pub(crate) fn databases(&self) -> impl Iterator<Item = &str> {
        let bound = self.config.get("d1_databases").and_then(Value::as_object);
        let names = bound.into_iter().flatten().filter_map(|(_, name)| name.as_str());
        names.map(|name| name.strip_prefix("id:").unwrap_or(name))
    }
}

/// What the journal keeps about a deployment at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finish {
    pub(crate) versions: Vec<RecordedVersion>,
    pub(crate) failure: Option<FailureReport>,
    pub(crate) cancelled: bool,
    #[serde(default)]
    pub(crate) superseded_by: Option<DeploymentId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedVersion {
    pub(crate) worker: WorkerRef,
    pub(crate) version: Option<VersionId>,
    pub(crate) verdict: Option<Verdict>,
    /// When the Worker changed last, as the platform writes it, right after the commit mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) updated_on: Option<String>,
}

/// One deployment of the history.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs, or if its process died.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub state: DeploymentState,
    /// The deployment that it rolled back, when it was a rollback.
    pub rollback_of: Option<DeploymentId>,
    /// The revision of the source.
    pub revision: Option<String>,
    /// Who deployed.
    pub by: Option<String>,
    /// Why, in their words.
    pub why: Option<String>,
    /// The targets that it changed.
    pub targets: Vec<DeployedTarget>,
    /// The targets that it was for, with what they were to become.
    #[serde(skip)]
    pub wanted: BTreeMap<TargetId, Option<Hashes>>,
    /// The targets among them that were to be uploaded even if nothing had changed.
    pub redeploy: BTreeSet<TargetId>,
    /// Whether it was to put databases back, if it was a rollback.
    pub databases: bool,
    /// The targets that it was narrowed to, if it was a rollback; empty for all.
    pub chosen: BTreeSet<TargetId>,
    /// How the targets get traffic that do not get all of it at once.
    #[serde(skip)]
    pub strategies: BTreeMap<TargetId, Strategy>,
    /// In which waves, with whose approval.
    #[serde(skip)]
    pub rollout: Rollout,
    /// Whether it could take over Workers that Clodo had not deployed.
    pub adopt: bool,
    /// Whether it was to remove Workers that the files no longer named.
    pub prune: bool,
    /// Whether it skipped the probes of its new versions: then it has proved nothing.
    pub no_tests: bool,
    /// How far it went back, when it was a rollback that named no deployment.
    pub reach: Option<Reach>,
    /// What was to become of data, when it took targets away.
    pub removal: Option<Data>,
    /// The deployment that took its work over.
    pub superseded_by: Option<DeploymentId>,
    /// Why it failed, when it did.
    pub failure: Option<FailureReport>,
    /// It was told to stop.
    pub cancelled: bool,
    /// The number of the lease under which it runs, or ran: who has a later one is another deployment.
    #[serde(skip)]
    pub lease: Option<u64>,
}

/// How a deployment of the history ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeploymentState {
    /// It runs, or its process died.
    Unfinished,
    /// It did all that it planned.
    Done,
    /// It failed or was cancelled, and everything was taken back.
    Failed,
    /// It failed or was cancelled, and something stayed.
    PartlyDone,
    /// Its process died, and a later deployment took its work over.
    Superseded,
}

impl DeploymentState {
    /// The word for it in the history, for the outcome that its report had.
    #[must_use]
    pub fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done | Outcome::NothingToDo => Self::Done,
            Outcome::PartlyDone => Self::PartlyDone,
            Outcome::Refused | Outcome::Failed => Self::Failed,
        }
    }
}

/// What a deployment did to one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DeployedTarget {
    /// The target.
    pub id: TargetId,
    /// The Worker that it is.
    pub worker: WorkerRef,
    /// What happened to it.
    pub fate: Fate,
    /// The version that was uploaded.
    pub version: Option<VersionId>,
    /// What the probe said.
    pub verdict: Option<Verdict>,
}

/// The newest deployments of a portfolio, newest first. Refused ones and those that had nothing to
/// do are not part of the history.
///
/// # Errors
/// When the history cannot be read.
pub async fn deployments(
    journal: &dyn JournalStore,
    portfolio: &PortfolioName,
    last: usize,
) -> Result<Vec<Deployment>, JournalError> {
    let runs = journal.runs(&RunQuery::last(last).of_scope(portfolio.as_str())).await?;
    Ok(runs.iter().filter_map(deployment).collect())
}

pub(crate) fn deployment(run: &RunRecord) -> Option<Deployment> {
    let past = Past::of(run)?;
    let version = |worker: &WorkerRef| past.finish.versions.iter().find(|v| v.worker == *worker);
    let changed = past.opening.targets.iter().filter(|target| target.fate != Fate::Unchanged);
    let targets = changed.map(|target| DeployedTarget {
        id: target.id.clone(),
        worker: target.worker.clone(),
        fate: target.fate,
        version: version(&target.worker).and_then(|found| found.version.clone()),
        verdict: version(&target.worker).and_then(|found| found.verdict.clone()),
    });
    Some(Deployment {
        id: run.header.id.clone(),
        started_at: run.header.started_at,
        ended_at: run.closing.as_ref().map(|closing| closing.at),
        state: past.state,
        targets: targets.collect(),
        wanted: past.opening.targets.iter().map(|one| (one.id.clone(), one.hashes)).collect(),
        rollback_of: past.opening.occasion.rollback_of.clone(),
        revision: past.opening.occasion.revision.clone(),
        by: past.opening.occasion.by.clone(),
        why: past.opening.occasion.why.clone(),
        redeploy: past.opening.occasion.redeploy.clone(),
        databases: past.opening.occasion.databases,
        chosen: past.opening.occasion.chosen.clone(),
        strategies: each_strategy(&past.opening.occasion.strategies),
        rollout: past.opening.occasion.rollout.clone(),
        adopt: past.opening.occasion.adopt,
        prune: past.opening.occasion.prune,
        no_tests: past.opening.occasion.no_tests,
        reach: past.opening.occasion.reach,
        removal: past.opening.occasion.removal,
        superseded_by: past.finish.superseded_by.clone(),
        failure: past.finish.failure.clone(),
        cancelled: past.finish.cancelled,
        lease: past.opening.occasion.lease,
    })
}

/// The deployments of a portfolio that have not ended, newest first: they run, or their processes
/// died.
///
/// # Errors
/// When the history cannot be read.
pub async fn unfinished_deployments(
    journal: &dyn JournalStore,
    portfolio: &PortfolioName,
) -> Result<Vec<Deployment>, JournalError> {
    let runs = journal.runs(&RunQuery::unfinished().of_scope(portfolio.as_str())).await?;
    Ok(runs.iter().filter_map(deployment).collect())
}

/// One deployment of a portfolio; `None` when it has no such deployment.
///
/// # Errors
/// When the history cannot be read.
pub async fn find_deployment(
    journal: &dyn JournalStore,
    portfolio: &PortfolioName,
    id: &DeploymentId,
) -> Result<Option<Deployment>, JournalError> {
    let run = journal.find(id).await?.filter(|run| run.header.scope == portfolio.as_str());
    Ok(run.as_ref().and_then(deployment))
}

/// The strategies of a deployment as they are recorded: a fleet has few of them.
pub(crate) fn grouped(desired: &Desired) -> Vec<(Strategy, Vec<TargetId>)> {
    let mut groups: Vec<(Strategy, Vec<TargetId>)> = Vec::new();
    for target in desired.targets.iter().filter(|one| one.strategy != Strategy::default()) {
        match groups.iter_mut().find(|(strategy, _)| *strategy == target.strategy) {
            Some((_, targets)) => targets.push(target.id.clone()),
            None => groups.push((target.strategy.clone(), vec![target.id.clone()])),
        }
    }
    groups
}

fn each_strategy(groups: &[(Strategy, Vec<TargetId>)]) -> BTreeMap<TargetId, Strategy> {
    let each = groups.iter().flat_map(|(strategy, targets)| {
        targets.iter().map(|target| (target.clone(), strategy.clone()))
    });
    each.collect()
}
