use crate::{
    args::PlanArgs,
    context::{Context, LoadFrom},
    engine::{Engine, new_deployment, not_begun},
    report::{DeployDocument, refusal, say_findings},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{DeployOptions, prepare};
use clodo_types::{Clock as _, SystemClock};

/// `clodo-deploy plan`, and `deploy --dry-run`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &PlanArgs,
) -> Result<Exit, CliError> {
    let began = SystemClock.now();
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.targets.platform)?;
    let selection = context.selection(&args.targets)?;
    let from = LoadFrom { adopt: args.adopt, secrets_file: None };
    let mut loaded = context.load(&selection, platform, &from).await?;
    say_findings(&session.ui, &loaded.notes);
    let to = context.connect(platform).await?;
    let engine = Engine::new(&context, &to, &mut loaded, None).await?.without_question();
    let options = DeployOptions::new(new_deployment());
    let prepared = prepare(&engine.cx, &loaded.desired, &options).await.map_err(not_begun)?;
    say_findings(&session.ui, &prepared.findings);
    let took = u64::try_from(SystemClock.now().since(began).as_millis()).unwrap_or(u64::MAX);
    let error = prepared.is_refused().then(|| refusal(&prepared.findings));
    let document = DeployDocument::of_plan(&prepared, took, context.calls(), error.as_ref());
    session.ui.document(&document)?;
    match error {
        Some(error) => {
            session.ui.error(&error);
            Ok(error.exit())
        }
        None if args.exit_code && !prepared.plan.is_empty() => Ok(Exit::Found),
        None => Ok(Exit::Done),
    }
}
