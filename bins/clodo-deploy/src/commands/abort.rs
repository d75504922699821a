use crate::{
    args::{AbortArgs, RollbackArgs},
    commands::{
        rollback,
        running::{is_carried_out, unfinished},
        signal::tell,
    },
    context::Context,
    engine::store,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_saga::{Signal, SignalKind};
use clodo_types::{Clock as _, SystemClock};

/// `clodo-deploy abort`: a running deployment is told to stop; one whose process died is rolled
/// back.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &AbortArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let store = store(&context, context.platform(&args.platform)?).await?;
    let portfolio = context.project.portfolio().name();
    let meant = unfinished(&*store, portfolio, args.deployment.as_deref()).await?;
    if !is_carried_out(&*store, portfolio, &meant).await? {
        session.ui.say(&format!("Deployment {} was interrupted; it is rolled back.", meant.id));
        let back = RollbackArgs {
            deployment: Some(meant.id.to_string()),
            yes: args.yes,
            reason: args.reason.clone(),
            platform: args.platform.clone(),
            ..RollbackArgs::default()
        };
        return rollback::run(session, global, &back).await;
    }
    let signal = Signal {
        kind: SignalKind::Abort,
        step: None,
        by: context.person(),
        why: args.reason.clone(),
        at: SystemClock.now(),
    };
    tell(&context, &*store, &meant, signal).await
}
