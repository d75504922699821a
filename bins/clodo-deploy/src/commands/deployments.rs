use crate::{
    args::DeploymentsArgs,
    context::Context,
    engine::store,
    report::{FORMAT, TargetName},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{
    DeployedTarget, Deployment, DeploymentState, FailureReport, Fate, Verdict, deployments,
};
use clodo_types::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct DeploymentsDocument<'a> {
    version: u32,
    outcome: &'static str,
    deployments: Vec<PastDeployment<'a>>,
}

#[derive(Serialize)]
struct PastDeployment<'a> {
    id: String,
    state: DeploymentState,
    started_at: String,
    ended_at: Option<String>,
    rollback_of: Option<String>,
    revision: Option<&'a str>,
    targets: Vec<PastTarget<'a>>,
    failure: Option<&'a FailureReport>,
}

/// A target with what a deployment did to it.
#[derive(Serialize)]
struct PastTarget<'a> {
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

/// `clodo-deploy deployments`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DeploymentsArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let store = store(&context, context.platform(&args.platform)?).await?;
    let portfolio = context.project.portfolio().name();
    let found = deployments(&*store, portfolio, args.last).await;
    let found = found.map_err(|error| CliError::of(Exit::Failed, "state", error))?;
    session.ui.document(&DeploymentsDocument {
        version: FORMAT,
        outcome: "done",
        deployments: found.iter().map(PastDeployment::from).collect(),
    })?;
    if found.is_empty() {
        session.ui.say("Nothing was deployed there from this folder yet.");
    }
    let mut text = String::new();
    for deployment in &found {
        let state = match deployment.state {
            DeploymentState::Unfinished => "unfinished",
            DeploymentState::Done => "done",
            DeploymentState::Failed => "failed, undone",
            DeploymentState::PartlyDone => "partly done",
            DeploymentState::Superseded => "taken over by a later one",
            _ => "unknown",
        };
        let targets: Vec<String> =
            deployment.targets.iter().map(|target| target.id.to_string()).collect();
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{}  {}  {state}  {}",
            deployment.id,
            moment(deployment.started_at).strftime("%Y-%m-%d %H:%M:%SZ"),
            targets.join(" ")
        );
    }
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}

/// A moment in UTC; its text is RFC 3339.
fn moment(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default()
}
