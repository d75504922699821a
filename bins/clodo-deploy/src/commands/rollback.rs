use crate::{
    args::RollbackArgs,
    commands::{deploy::finish, plan::show},
    context::{Context, name},
    engine::{Engine, new_deployment, not_begun, store},
};
use clodo::Loaded;
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Platform, Protection};
use clodo_orchestrator::{
    DeployError, Deployment, DeploymentState, RollbackOptions, deployments, prepare_rollback,
    rollback,
};
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
    let past = history(&context, platform).await?;
    let options = options(args, &past)?;
    let to = context.connect(platform).await?;
    let guarded = platform == Platform::Cloudflare || is_protected(&context, &options, &past);
    let question = (guarded && !args.yes && !args.dry_run).then(|| "Roll this back?".to_owned());
    // Nothing is built: a rollback goes back to versions that the platform still has.
    let engine =
        Engine::new(&context, &to, &mut Loaded::nothing(portfolio.clone()), question).await?;
    if args.dry_run {
        let engine = engine.without_question();
        let prepared =
            prepare_rollback(&engine.cx, &portfolio, &options).await.map_err(not_begun)?;
        if prepared.plan.is_empty() && !prepared.is_refused() {
            return Err(not_begun(DeployError::NothingToRollBack));
        }
        return show(&context, &prepared, began);
    }
    let report = rollback(&engine.cx, &portfolio, &options).await.map_err(not_begun)?;
    if let Some(unanswered) = engine.confirmation.take_error() {
        return Err(unanswered);
    }
    finish(&context, &report)
}

async fn history(context: &Context<'_>, platform: Platform) -> Result<Vec<Deployment>, CliError> {
    let store = store(context, platform).await?;
    let past = deployments(&*store, context.project.portfolio().name(), HISTORY).await;
    past.map_err(|error| CliError::of(Exit::Failed, "state", error))
}

/// Whether the deployment that is taken back touched an environment that asks for a person's yes.
fn is_protected(context: &Context<'_>, options: &RollbackOptions, past: &[Deployment]) -> bool {
    let environments = context.project.portfolio().environments();
    let meant = past.iter().find(|deployment| match &options.of {
        Some(id) => deployment.id == *id,
        None => deployment.state == DeploymentState::Done && deployment.rollback_of.is_none(),
    });
    let mut targets = meant.into_iter().flat_map(|deployment| &deployment.targets);
    targets.any(|target| {
        let described = environments.get(&target.id.environment);
        described.is_some_and(|described| described.protection != Protection::None)
    })
}

/// The targets of the services that were named, as the history knows them.
fn options(args: &RollbackArgs, past: &[Deployment]) -> Result<RollbackOptions, CliError> {
    let mut options = RollbackOptions::new(new_deployment());
    options.of = args.deployment.as_deref().map(name).transpose()?;
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
