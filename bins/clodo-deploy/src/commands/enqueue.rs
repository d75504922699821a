use crate::{
    context::Context,
    engine::{new_deployment, options, store},
    failure,
    report::{FORMAT, TargetName},
};
use clodo::{Loaded, Order};
use clodo_cli::{CliError, Exit};
use clodo_config::Platform;
use clodo_types::{Clock as _, SystemClock};
use serde::Serialize;

/// What `deploy --enqueue` says as JSON.
#[derive(Serialize)]
struct EnqueuedDocument<'a> {
    version: u32,
    outcome: &'static str,
    deployment_id: &'a str,
    targets: Vec<TargetName<'a>>,
    /// Names of secrets that the runner must have.
    requires: Vec<&'a str>,
}

/// `clodo-deploy deploy --enqueue`: hands what was built to whichever runner claims it first.
///
/// Nobody looks at the platform here, so that no token for it is needed; the runner plans, asks the
/// gates, and applies.
pub(crate) async fn run(
    context: &Context<'_>,
    platform: Platform,
    loaded: Loaded,
    redeploy: bool,
    question: Option<String>,
) -> Result<Exit, CliError> {
    let ui = &context.session.ui;
    if let Some(question) = question
        && !ui.confirm(&question, "--yes")?
    {
        return Err(CliError::new(Exit::Refused, "refused", "nobody said yes")
            .with_hint("answer `y`, or give --yes"));
    }
    let id = new_deployment();
    let again = options(&loaded, redeploy).redeploy;
    let order = Order::new(loaded.desired, context.person()).with_redeploy(again);
    let store = store(context, platform).await?;
    let enqueued = order.enqueue(&*store, &id, SystemClock.now()).await;
    enqueued.map_err(failure::of_queue)?;
    let requires = order.requires();
    ui.document(&EnqueuedDocument {
        version: FORMAT,
        outcome: "enqueued",
        deployment_id: id.as_str(),
        targets: order.desired.targets.iter().map(|target| (&target.id).into()).collect(),
        requires: requires.iter().map(String::as_str).collect(),
    })?;
    ui.say(&format!("Deployment {id} waits for a runner: `clodo-deploy runner` is one."));
    Ok(Exit::Done)
}
