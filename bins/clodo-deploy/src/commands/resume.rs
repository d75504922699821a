use crate::{
    args::{DestroyArgs, ResumeArgs, RollbackArgs, TargetArgs},
    commands::{
        deploy::carry_out,
        destroy, rollback,
        running::{of_state, unfinished},
    },
    context::{Context, LoadFrom},
    engine::{Engine, new_deployment, question, store},
    report::say_findings,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{Data, DeployOptions, Deployment, Reach, unfinished_deployments};
use clodo_saga::JournalStore;
use std::{collections::BTreeSet, sync::Arc};

/// `clodo-deploy resume`: a new deployment that takes over the interrupted one, with the same files.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &ResumeArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.platform)?;
    let store = store(&context, platform).await?;
    let portfolio = context.project.portfolio().name();
    let meant = match args.deployment.as_deref() {
        Some(id) => unfinished(&*store, portfolio, Some(id)).await?,
        None => unfinished_of_environments(&context, &*store).await?,
    };
    if let Some(environment) = of_preview(&context, &meant) {
        return Err(is_of_preview(&meant, environment));
    }
    if let Some(of) = &meant.rollback_of {
        let again = rollback_again(args, of.to_string(), &meant);
        return rollback::run(session, global, &again).await;
    }
    if let Some(data) = meant.removal {
        let again = removal_again(args, data, &meant);
        return destroy::run(session, global, &again).await;
    }
    let selection = context.selection(&same_targets(&meant, args))?;
    let from = LoadFrom { adopt: meant.adopt, secrets_file: args.work.secrets_file.as_deref() };
    let mut loaded = context.load(&selection, platform, &from).await?;
    loaded.desired.targets.retain(|target| meant.wanted.contains_key(&target.id));
    for target in &mut loaded.desired.targets {
        let target = Arc::make_mut(target);
        target.strategy = meant.strategies.get(&target.id).cloned().unwrap_or_default();
    }
    loaded.desired.rollout.clone_from(&meant.rollout);
    say_findings(&session.ui, &loaded.notes);
    let question = question(&context, &loaded.desired, platform, args.yes);
    let to = context.connect(platform).await?;
    let engine = Engine::new(&context, &to, &mut loaded, question).await?;
    let engine = engine.with_work(&args.work).with_no_tests(&context, meant.no_tests);
    let mut options = DeployOptions::new(new_deployment());
    options.redeploy.clone_from(&meant.redeploy);
    options.why.clone_from(&meant.why);
    options.no_tests = meant.no_tests;
    if meant.prune {
        let later = "What the files no longer name is left alone; `clodo-deploy deploy --prune` removes it.";
        session.ui.warn(later);
    }
    options.expected = Some(meant.wanted);
    carry_out(&context, &engine, &loaded.desired, &options).await
}

/// The newest deployment that has not ended and is of no preview, which goes on by other means.
async fn unfinished_of_environments(
    context: &Context<'_>,
    journal: &dyn JournalStore,
) -> Result<Deployment, CliError> {
    let portfolio = context.project.portfolio().name();
    let all = unfinished_deployments(journal, portfolio).await.map_err(of_state)?;
    let (previews, mut others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| of_preview(context, one).is_some());
    if !others.is_empty() {
        return Ok(others.swap_remove(0));
    }
    match previews.first().and_then(|one| Some((one, of_preview(context, one)?))) {
        Some((one, environment)) => Err(is_of_preview(one, environment)),
        None => Err(CliError::usage("no deployment is unfinished")
            .with_hint("`clodo-deploy deployments` lists what there is")),
    }
}

fn is_of_preview(meant: &Deployment, environment: &str) -> CliError {
    let again = if meant.removal.is_some() { "delete" } else { "create" };
    let name = environment.strip_prefix("pr-").unwrap_or(environment);
    let message = format!("the unfinished deployment {} is of the preview `{name}`", meant.id);
    let hint = format!("`clodo-deploy preview {again} {name}` again goes on where it stopped");
    CliError::usage(message).with_hint(hint)
}

/// The preview's environment, which no file describes.
fn of_preview<'a>(context: &Context<'_>, meant: &'a Deployment) -> Option<&'a str> {
    let described = context.project.portfolio().environments();
    let mut unknown = meant.wanted.keys().filter(|id| !described.contains_key(&id.environment));
    let environment = unknown.next()?.environment.as_str();
    environment.starts_with("pr-").then_some(environment)
}

/// What has to be selected so that the targets of a deployment are among it.
fn same_targets(meant: &Deployment, args: &ResumeArgs) -> TargetArgs {
    let services: BTreeSet<_> = meant.wanted.keys().map(|id| id.service.to_string()).collect();
    let customers: BTreeSet<_> =
        meant.wanted.keys().filter_map(|id| Some(id.customer.as_ref()?.to_string())).collect();
    let environments: BTreeSet<_> =
        meant.wanted.keys().map(|id| id.environment.to_string()).collect();
    TargetArgs {
        services: services.into_iter().collect(),
        customers: customers.into_iter().collect(),
        environments: environments.into_iter().collect(),
        domain: None,
        platform: args.platform.clone(),
    }
}

/// An interrupted rollback goes on as a rollback of the same targets.
fn rollback_again(args: &ResumeArgs, of: String, meant: &Deployment) -> RollbackArgs {
    let same = same_targets(meant, args);
    let to_time = match meant.reach {
        Some(Reach::To(time)) => jiff::Timestamp::from_millisecond(time.as_millis()).ok(),
        _ => None,
    };
    let each = meant.reach == Some(Reach::Each);
    RollbackArgs {
        deployment: (to_time.is_none() && !each).then_some(of),
        to_time: to_time.map(|time| time.to_string()),
        each,
        services: same.services,
        environments: same.environments,
        customers: same.customers,
        with_data: meant.databases,
        chosen: meant.databases.then(|| meant.chosen.clone()),
        yes: args.yes,
        reason: meant.why.clone(),
        platform: args.platform.clone(),
        ..RollbackArgs::default()
    }
}

/// An interrupted removal goes on with the same targets; who began it was allowed to.
fn removal_again(args: &ResumeArgs, data: Data, meant: &Deployment) -> DestroyArgs {
    DestroyArgs {
        targets: same_targets(meant, args),
        dry_run: false,
        yes: args.yes,
        with_data: data == Data::Remove,
        allow_protected: true,
        reason: meant.why.clone(),
    }
}
