use crate::{args::DeploymentsArgs, context::Context, engine::store, report::FORMAT};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{Deployment, DeploymentState, deployments};
use clodo_types::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct DeploymentsDocument<'a> {
    version: u32,
    outcome: &'static str,
    deployments: &'a [Deployment],
}

/// `clodo-deploy deployments`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DeploymentsArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let store = store(&context).await?;
    let portfolio = context.project.portfolio().name();
    let found = deployments(&store, portfolio, args.last).await;
    let found = found.map_err(|error| CliError::of(Exit::Failed, "state", error))?;
    let document = DeploymentsDocument { version: FORMAT, outcome: "done", deployments: &found };
    session.ui.document(&document)?;
    if found.is_empty() {
        session.ui.say("Nothing was deployed from this folder yet.");
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
            shown(deployment.started_at),
            targets.join(" ")
        );
    }
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}

/// A moment in UTC, to the second.
fn shown(moment: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(moment.as_millis()).unwrap_or_default();
    moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
