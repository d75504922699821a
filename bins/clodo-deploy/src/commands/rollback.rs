use crate::{
    args::RollbackArgs,
    commands::{deploy::finish, plan::show},
    context::{Context, name},
    engine::{Engine, new_deployment, not_begun, store},
};
use clodo::Loaded;
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::Platform;
use clodo_orchestrator::{RollbackOptions, deployments, prepare_rollback, rollback};
use clodo_types::{Clock as _, ServiceName, SystemClock};

/// How far back services are looked for.
const HISTORY: usize = 50;

/// `clodo-deploy rollback`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &RollbackArgs,
) -> Result<Exit, CliError> {
    let began = SystemClock.now();
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.platform)?;
    let portfolio = context.project.portfolio().name().clone();
    let options = options(&context, args, platform).await?;
    let to = context.connect(platform).await?;
    let ask = !args.yes && !args.dry_run && platform == Platform::Cloudflare;
    let question = ask.then(|| "Roll this back?".to_owned());
    // Nothing is built: a rollback goes back to versions that the platform still has.
    let engine =
        Engine::new(&context, &to, &mut Loaded::nothing(portfolio.clone()), question).await?;
    if args.dry_run {
        let engine = engine.without_question();
        let prepared =
            prepare_rollback(&engine.cx, &portfolio, &options).await.map_err(not_begun)?;
        return show(&context, &prepared, began);
    }
    let report = rollback(&engine.cx, &portfolio, &options).await.map_err(not_begun)?;
    if let Some(unanswered) = engine.confirmation.take_error() {
        return Err(unanswered);
    }
    finish(&context, &report)
}

/// The targets of the services that were named, as the history knows them.
async fn options(
    context: &Context<'_>,
    args: &RollbackArgs,
    platform: Platform,
) -> Result<RollbackOptions, CliError> {
    let mut options = RollbackOptions::new(new_deployment());
    options.of = args.deployment.as_deref().map(name).transpose()?;
    if args.services.is_empty() {
        return Ok(options);
    }
    let store = store(context, platform).await?;
    let portfolio = context.project.portfolio().name();
    let past = deployments(&store, portfolio, HISTORY).await;
    let past = past.map_err(|error| CliError::of(Exit::Failed, "state", error))?;
    for service in &args.services {
        let service: ServiceName = name(service)?;
        let targets = past.iter().flat_map(|deployment| &deployment.targets);
        let of_service = targets.filter(|target| target.id.service == service);
        let before = options.targets.len();
        options.targets.extend(of_service.map(|target| target.id.clone()));
        if options.targets.len() == before {
            return Err(CliError::usage(format!("no deployment changed service `{service}`"))
                .with_hint("`clodo-deploy deployments` lists what there is"));
        }
    }
    Ok(options)
}
