use crate::{
    args::ApplyArgs,
    commands::deploy::carry_out,
    context::Context,
    engine::{Engine, new_deployment, question},
    failure,
};
use clodo::{Loaded, ReadPlan, read_plan};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::DeployOptions;
use std::sync::Arc;

/// `clodo-deploy apply`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &ApplyArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.platform)?;
    let assets = tempfile::tempdir().map_err(|error| {
        CliError::new(Exit::Failed, "temporary", "there is no room for temporary files")
            .with_source(error)
    })?;
    let ReadPlan { saved, desired, .. } = read(&context, args, assets.path())?;
    if let Some(made_for) = saved.platform().filter(|made_for| *made_for != platform.to_string()) {
        let message = format!("the plan is for platform `{made_for}`, not `{platform}`");
        return Err(CliError::usage(message).with_hint("give --platform as `plan` had it"));
    }
    let secrets = context.secrets(args.work.secrets_file.as_deref())?;
    let setting = |name: &str| context.setting(name);
    let secrets = clodo::declare_secrets(&context.project, &desired, platform, secrets, &setting);
    let mut loaded = Loaded::nothing(desired.portfolio.clone());
    loaded.secrets = secrets.map_err(failure::of_load)?;
    let question = question(&context, &desired, platform, args.yes);
    let to = context.connect(platform).await?;
    let engine = Engine::new(&context, &to, &mut loaded, question).await?;
    let engine = engine.with_work(&args.work).with_no_tests(&context, args.no_tests);
    let mut options = DeployOptions::new(new_deployment());
    options.redeploy.clone_from(saved.redeploy());
    options.prune = saved.prune().cloned();
    options.no_tests = args.no_tests;
    options.agreed = Some(Arc::new(saved));
    carry_out(&context, &engine, &desired, &options).await
}

fn read(
    context: &Context<'_>,
    args: &ApplyArgs,
    assets: &std::path::Path,
) -> Result<ReadPlan, CliError> {
    let path = context.session.directory.join(&args.file);
    let read = read_plan(&path, assets).map_err(|error| {
        CliError::of(Exit::Usage, "plan_file", error)
            .with_hint("`clodo-deploy plan --out FILE` writes one")
    })?;
    let own = context.project.portfolio().name();
    if read.saved.portfolio() != own {
        let of = read.saved.portfolio();
        let message = format!("the plan is for portfolio `{of}`, and this is `{own}`");
        return Err(CliError::usage(message)
            .with_hint("give --project with the folder of the plan's portfolio"));
    }
    Ok(read)
}
