use crate::{
    args::{PromoteArgs, TargetArgs},
    commands::{deploy::carry_out, plan::show},
    context::{Context, LoadFrom},
    engine::{Engine, not_begun, options, question, store},
    failure,
};
use clodo::{QueueError, fetch_bundles, program::parsed as name, proved_code};
use clodo_bundle::Bundle;
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::Selection;
use clodo_orchestrator::prepare;
use clodo_saga::StateStore;
use clodo_types::{Clock as _, ContentHash, EnvironmentName, ServiceName, SystemClock};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// `clodo-deploy promote`: the code that one environment has proved goes to another, unbuilt.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &PromoteArgs,
) -> Result<Exit, CliError> {
    let began = SystemClock.now();
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.platform)?;
    let (from, to) = between(&context, args)?;
    let targets = TargetArgs {
        services: args.services.clone(),
        customers: args.customers.clone(),
        environments: vec![to.to_string()],
        domain: None,
        platform: args.platform.clone(),
    };
    let selection = context.selection_with(&targets, args.strategy)?;
    let store = store(&context, platform).await?;
    let assets = tempfile::tempdir().map_err(|error| {
        CliError::new(Exit::Failed, "temporary", "there is no room for temporary files")
            .with_source(error)
    })?;
    let bundles = proved(&context, &*store, &selection, &from, assets.path()).await?;
    let load = LoadFrom { adopt: false, secrets_file: args.work.secrets_file.as_deref() };
    let mut loaded = context.load_built(&selection, platform, &load, &bundles)?;
    crate::report::say_findings(&session.ui, &loaded.notes);
    let question = question(&context, &loaded.desired, platform, args.yes || args.dry_run);
    let connection = context.connect(platform).await?;
    let engine = Engine::new(&context, &connection, &mut loaded, question).await?;
    let engine = engine.with_preflight(args.preflight.into());
    let engine = engine.with_no_tests(&context, args.no_tests);
    let mut options = options(&loaded, false);
    options.why.clone_from(&args.reason);
    options.no_tests = args.no_tests;
    if args.dry_run {
        let engine = engine.without_question();
        let prepared = prepare(&engine.cx, &loaded.desired, &options).await.map_err(not_begun)?;
        return show(&context, &prepared, began);
    }
    let engine = engine.with_work(&args.work);
    carry_out(&context, &engine, &loaded.desired, &options).await
}

/// Which environment's code goes where: without `--from`, what clodo.toml says.
fn between(
    context: &Context<'_>,
    args: &PromoteArgs,
) -> Result<(EnvironmentName, EnvironmentName), CliError> {
    let to: EnvironmentName = name(&args.to)?;
    let environments = context.project.portfolio().environments();
    let usual = environments.get(&to).and_then(|described| described.promote_from.clone());
    let from = args.from.as_deref().map(name).transpose()?.or(usual).ok_or_else(|| {
        CliError::usage(format!("nobody said whose code {to} is to get"))
            .with_hint("give --from ENVIRONMENT, or set `promote_from` of the environment")
    })?;
    for named in [&from, &to] {
        if !environments.contains_key(named) {
            let known: Vec<&str> = environments.keys().map(EnvironmentName::as_str).collect();
            return Err(CliError::usage(format!("there is no environment `{named}`"))
                .with_hint(format!("there is {}", known.join(", "))));
        }
    }
    if from == to {
        return Err(CliError::usage(format!("{to} cannot get its own code")));
    }
    Ok((from, to))
}

/// The bundle of each selected service, as `from` has proved it.
async fn proved(
    context: &Context<'_>,
    store: &dyn StateStore,
    selection: &Selection,
    from: &EnvironmentName,
    assets: &Path,
) -> Result<BTreeMap<ServiceName, Arc<Bundle>>, CliError> {
    let portfolio = context.project.portfolio();
    let specs = portfolio
        .select(selection)
        .map_err(|error| failure::of_load(clodo::LoadError::from(error)))?;
    let services: BTreeSet<&ServiceName> = specs.iter().map(|spec| &spec.id.service).collect();
    let code = proved_code(store, portfolio.name(), from).await;
    let code = code.map_err(crate::commands::running::of_state)?;
    let first = format!(
        "`clodo-deploy deploy --env {from}` comes first, with --redeploy after one with --no-tests"
    );
    let wanted: BTreeMap<&ServiceName, ContentHash> = services
        .into_iter()
        .map(|service| match code.get(service) {
            Some(hash) => Ok((service, *hash)),
            None => {
                let message = format!("{from} has not proved `{service}`");
                Err(CliError::new(Exit::Refused, "not_proved", message).with_hint(&*first))
            }
        })
        .collect::<Result<_, _>>()?;
    let fetched = fetch_bundles(store, wanted.values().copied().collect(), assets).await;
    let bundles = fetched.map_err(|error| match error {
        QueueError::Missing(hash) => {
            let message = format!("the code that {from} has proved was not kept ({hash})");
            let hint = format!(
                "set `promote_from = \"{from}\"` of the environment in clodo.toml, and deploy {from} \
                 once more with --redeploy: from then on its code is kept for 30 days"
            );
            CliError::new(Exit::Refused, "not_kept", message).with_hint(hint)
        }
        error => failure::of_queue(error),
    })?;
    let of = |(service, hash): (&ServiceName, ContentHash)| {
        Some((service.clone(), Arc::clone(bundles.get(&hash)?)))
    };
    Ok(wanted.into_iter().filter_map(of).collect())
}
