use crate::{
    args::SignalArgs,
    commands::running::{is_carried_out, of_state, unfinished},
    context::Context,
    engine::store,
    report::FORMAT,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::Deployment;
use clodo_saga::{Signal, SignalKind, SignalStore, StepId};
use clodo_types::{Clock as _, SystemClock};
use serde::Serialize;

#[derive(Serialize)]
struct SignalDocument<'a> {
    version: u32,
    outcome: &'static str,
    deployment_id: String,
    signal: SignalKind,
    by: &'a str,
}

/// `clodo-deploy pause` and `clodo-deploy continue`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &SignalArgs,
    kind: SignalKind,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let store = store(&context, context.platform(&args.platform)?).await?;
    let portfolio = context.project.portfolio().name();
    let meant = unfinished(&*store, portfolio, args.deployment.as_deref()).await?;
    if !is_carried_out(&*store, portfolio, &meant).await? {
        return Err(nobody_listens(&meant));
    }
    let step = args.step.as_deref().map(StepId::new);
    let signal = Signal {
        kind,
        step,
        by: context.person(),
        why: args.reason.clone(),
        at: SystemClock.now(),
    };
    tell(&context, &*store, &meant, signal).await
}

/// Leaves word, and says so.
pub(crate) async fn tell(
    context: &Context<'_>,
    store: &dyn SignalStore,
    meant: &Deployment,
    signal: Signal,
) -> Result<Exit, CliError> {
    store.send(&meant.id, &signal).await.map_err(of_state)?;
    let ui = &context.session.ui;
    ui.document(&SignalDocument {
        version: FORMAT,
        outcome: "done",
        deployment_id: meant.id.to_string(),
        signal: signal.kind,
        by: &signal.by,
    })?;
    let told = match signal.kind {
        SignalKind::Pause => "to begin no further step",
        SignalKind::Continue => "to go on",
        _ => "to stop and to take back what it did",
    };
    ui.say(&format!("Told deployment {} {told}; `clodo-deploy watch` follows it.", meant.id));
    Ok(Exit::Done)
}

fn nobody_listens(meant: &Deployment) -> CliError {
    let message = format!("deployment {} was interrupted: no process carries it out", meant.id);
    let hint = "`clodo-deploy resume` goes on with it, `clodo-deploy abort` takes it back";
    CliError::new(Exit::Partly, "interrupted", message).with_hint(hint)
}
