use crate::report::{FORMAT, TargetName, moment};
use clodo_cli::CliError;
use clodo_orchestrator::{
    DeployedTarget, Deployment, DeploymentRecord, DeploymentState, FailureReport, Fate, Outcome,
    StepRecord, StepState, Verdict,
};
use serde::Serialize;
use serde_json::Value;

/// A deployment of the history as a document.
#[derive(Serialize)]
pub(crate) struct PastDeployment<'a> {
    id: String,
    state: DeploymentState,
    started_at: String,
    ended_at: Option<String>,
    rollback_of: Option<String>,
    revision: Option<&'a str>,
    by: Option<&'a str>,
    why: Option<&'a str>,
    /// `skipped` where nobody asked the new versions whether they answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<&'static str>,
    targets: Vec<PastTarget<'a>>,
    failure: Option<&'a FailureReport>,
}

/// A target with what a deployment did to it.
#[derive(Serialize)]
pub(crate) struct PastTarget<'a> {
    #[serde(flatten)]
    id: TargetName<'a>,
    worker: &'a str,
    fate: Fate,
    version_id: Option<String>,
    verdict: Option<&'a Verdict>,
}

impl<'a> From<&'a Deployment> for PastDeployment<'a> {
    fn from(past: &'a Deployment) -> Self {
        Self {
            id: past.id.to_string(),
            state: past.state,
            started_at: moment(past.started_at).to_string(),
            ended_at: past.ended_at.map(|at| moment(at).to_string()),
            rollback_of: past.rollback_of.as_ref().map(ToString::to_string),
            revision: past.revision.as_deref(),
            by: past.by.as_deref(),
            why: past.why.as_deref(),
            tests: past.no_tests.then_some("skipped"),
            targets: past.targets.iter().map(PastTarget::from).collect(),
            failure: past.failure.as_ref(),
        }
    }
}

impl<'a> From<&'a DeployedTarget> for PastTarget<'a> {
    fn from(target: &'a DeployedTarget) -> Self {
        Self {
            id: (&target.id).into(),
            worker: target.worker.worker.as_str(),
            fate: target.fate,
            version_id: target.version.as_ref().map(ToString::to_string),
            verdict: target.verdict.as_ref(),
        }
    }
}

/// A deployment of the history with all its steps.
#[derive(Serialize)]
pub(crate) struct RecordDocument<'a> {
    version: u32,
    outcome: Outcome,
    deployment: PastDeployment<'a>,
    steps: Vec<PastStep<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// What became of a step.
#[derive(Serialize)]
struct PastStep<'a> {
    id: &'a str,
    kind: &'a str,
    summary: &'a str,
    worker: Option<String>,
    state: StepState,
    began_at: Option<String>,
    ended_at: Option<String>,
    duration_ms: Option<u64>,
    why: Option<&'a str>,
    note: Option<&'a Value>,
}

impl<'a> RecordDocument<'a> {
    pub(crate) fn of(record: &'a DeploymentRecord) -> Self {
        let steps = record.steps.iter().map(PastStep::from).collect();
        let deployment = (&record.deployment).into();
        Self { version: FORMAT, outcome: Outcome::Done, deployment, steps, error: None }
    }

    /// The same for who waited for its end.
    pub(crate) fn ended(
        record: &'a DeploymentRecord,
        outcome: Outcome,
        error: Option<&CliError>,
    ) -> Self {
        Self { outcome, error: error.map(CliError::to_json), ..Self::of(record) }
    }
}

impl<'a> From<&'a StepRecord> for PastStep<'a> {
    fn from(step: &'a StepRecord) -> Self {
        Self {
            id: step.id.as_str(),
            kind: &step.kind,
            summary: &step.summary,
            worker: step.worker.as_ref().map(ToString::to_string),
            state: step.state,
            began_at: step.began_at.map(|at| moment(at).to_string()),
            ended_at: step.ended_at.map(|at| moment(at).to_string()),
            duration_ms: millis(step),
            why: step.why.as_deref(),
            note: step.note.as_ref(),
        }
    }
}

/// How long a step took that has ended.
pub(crate) fn millis(step: &StepRecord) -> Option<u64> {
    let (began, ended) = step.began_at.zip(step.ended_at)?;
    u64::try_from(ended.since(began).as_millis()).ok()
}

/// The words for how a deployment ended.
pub(crate) fn state_word(state: DeploymentState) -> &'static str {
    match state {
        DeploymentState::Unfinished => "unfinished",
        DeploymentState::Done => "done",
        DeploymentState::Failed => "failed, undone",
        DeploymentState::PartlyDone => "partly done",
        DeploymentState::Superseded => "taken over by a later one",
        _ => "unknown",
    }
}

/// The word for how far a step came.
pub(crate) fn step_word(state: StepState) -> &'static str {
    match state {
        StepState::Waiting => "not begun",
        StepState::Running => "running",
        StepState::Done => "done",
        StepState::Skipped => "skipped",
        StepState::Failed => "failed",
        StepState::Undone => "undone",
        StepState::Kept => "kept",
        StepState::Stuck => "stuck",
        _ => "unknown",
    }
}

/// That nobody tested a deployment, and who wanted it so.
pub(crate) fn untested(past: &Deployment) -> Option<String> {
    let by = past.by.as_deref().unwrap_or("somebody");
    past.no_tests.then(|| format!("skipped by --no-tests, by {by}"))
}
