use crate::{
    plan::{Fate, Plan},
    platform::{PlatformError, PlatformErrorKind},
    ports::Verdict,
    trigger::WorkerRef,
};
use clodo_saga::{Failure, FailureCause, StepId};
use clodo_types::{DeploymentId, Finding, TargetId, VersionId};
use serde::{Deserialize, Serialize};
use std::{error::Error, sync::Arc, time::Duration};

/// How a deployment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of the plan is in place.
    Done,
    /// There was nothing to do.
    NothingToDo,
    /// A gate, or the plan itself, said no. Nothing was written.
    Refused,
    /// A step failed or the deployment was cancelled, and everything is as it was.
    Failed,
    /// A step failed or the deployment was cancelled, and something stayed: data, or what could not
    /// be taken back.
    PartlyDone,
}

/// What came of a deployment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeployReport {
    /// How it ended.
    pub outcome: Outcome,
    /// Its id in the history; `None` when nothing was written.
    pub deployment: Option<DeploymentId>,
    /// What was planned.
    pub plan: Arc<Plan>,
    /// What the plan and the gates had to say.
    pub findings: Vec<Finding>,
    /// What became of each target.
    pub targets: Vec<TargetReport>,
    /// The first step that failed.
    pub failure: Option<FailureReport>,
    /// It was cancelled.
    pub cancelled: bool,
    /// Changes that stay on purpose although it failed: migrations, resources with data.
    pub kept: Vec<Leftover>,
    /// Changes that could not be taken back: a person must look.
    pub stuck: Vec<Leftover>,
    /// Interrupted deployments whose work this one took over.
    pub superseded: Vec<DeploymentId>,
    /// The history may lack the end of this deployment, for this reason.
    pub history_incomplete: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TargetReport {
    /// The target.
    pub id: TargetId,
    /// The Worker that it is.
    pub worker: WorkerRef,
    /// What was planned for it.
    pub fate: Fate,
    /// Something about it changed and stayed so.
    pub changed: bool,
    /// The version that it runs, as far as this deployment or the record knows.
    pub version: Option<VersionId>,
    /// Where it answers, best first.
    pub urls: Vec<String>,
    /// What the probe said, when there was one.
    pub verdict: Option<Verdict>,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailureReport {
    /// The step.
    pub step: StepId,
    /// What the step does, for a person.
    pub summary: String,
    /// The target that it is for.
    pub target: Option<TargetId>,
    /// What went wrong, and then its causes, one a line.
    pub messages: Vec<String>,
    /// How to mend it.
    pub hint: Option<String>,
    /// What kind of failure it was.
    pub kind: FailureKind,
}

/// What a caller decides on after a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The platform refused the request.
    Refused,
    /// The token is wrong or lacks a permission.
    NotAllowed,
    /// The platform cannot be reached, fails, or is limiting.
    Unavailable,
    /// The new version did not answer, or not well.
    Verdict,
    /// Somebody wanted it to end while it waited for time, for a verdict or for a person.
    Stopped,
    /// The local state is not usable.
    State,
    /// Anything else.
    Other,
}

/// A change that stayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// The step.
    pub step: StepId,
    /// What the step does, for a person.
    pub summary: String,
    /// Why it stayed.
    pub why: String,
}

/// The target did not answer as it should.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotHealthy(pub(crate) String);

/// A step that waited was to end.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Stopped(pub(crate) String);

impl FailureReport {
    pub(crate) fn of(failure: &Failure, plan: &Plan) -> Self {
        let step = plan.step(&failure.step);
        let error = failure.cause.as_error();
        let mut messages = Vec::new();
        let mut cause = error;
        while let Some(inner) = cause {
            messages.push(inner.to_string());
            cause = inner.source();
        }
        if let FailureCause::Recorded(text) = &failure.cause {
            messages.push(text.clone());
        }
        let platform = error.and_then(|error| error.downcast_ref::<PlatformError>());
        Self {
            step: failure.step.clone(),
            summary: step.map(|step| step.summary.clone()).unwrap_or_default(),
            target: step.and_then(|step| step.target.clone()),
            messages,
            hint: platform.and_then(|error| error.hint()).map(str::to_owned),
            kind: kind(&failure.cause, error),
        }
    }
}

fn kind(cause: &FailureCause, error: Option<&(dyn Error + 'static)>) -> FailureKind {
    if matches!(cause, FailureCause::Journal(_)) {
        return FailureKind::State;
    }
    let Some(error) = error else { return FailureKind::Other };
    if error.is::<NotHealthy>() {
        return FailureKind::Verdict;
    }
    if error.is::<Stopped>() {
        return FailureKind::Stopped;
    }
    match error.downcast_ref::<PlatformError>().map(PlatformError::kind) {
        Some(PlatformErrorKind::Refused) => FailureKind::Refused,
        Some(PlatformErrorKind::NotAllowed) => FailureKind::NotAllowed,
        Some(PlatformErrorKind::Unavailable) => FailureKind::Unavailable,
        None => FailureKind::Other,
    }
}
