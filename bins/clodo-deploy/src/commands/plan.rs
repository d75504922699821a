use crate::{
    args::PlanArgs,
    choose::choose,
    context::{Context, LoadFrom},
    engine::{Engine, not_begun, options},
    failure,
    report::{DeployDocument, beside_refusal, refusal, say_findings},
};
use clodo::Loaded;
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Platform, Protection};
use clodo_orchestrator::{DeployOptions, Prepared, SavedPlan, WorkerRef, prepare};
use clodo_types::{Clock as _, EnvironmentName, SystemClock, Timestamp};
use std::{collections::BTreeSet, path::Path};

/// `clodo-deploy plan`, and `deploy --dry-run`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &PlanArgs,
) -> Result<Exit, CliError> {
    let began = SystemClock.now();
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.targets.platform)?;
    let selection = context.selection_with(&args.targets, args.strategy)?;
    let selection = choose(&context, &args.targets, !args.asks, selection)?;
    let from = LoadFrom { adopt: args.adopt, secrets_file: args.secrets_file.as_deref() };
    let mut loaded = context.load(&selection, platform, &from).await?;
    say_findings(&session.ui, &loaded.notes);
    let to = context.connect(platform).await?;
    let engine = Engine::new(&context, &to, &mut loaded, None).await?.without_question();
    let engine = engine.with_preflight(args.preflight.into());
    let engine = engine.with_no_tests(&context, args.no_tests);
    let mut options = options(&loaded, args.redeploy);
    options.prune = args.prune.then(|| named(&context, platform)).transpose()?;
    options.protected = protected(&context, args.allow_protected);
    let prepared = prepare(&engine.cx, &loaded.desired, &options).await.map_err(not_begun)?;
    if let Some(out) = args.out.as_ref().filter(|_| !prepared.is_refused()) {
        save(&context, &engine, &prepared, &loaded, &options, (platform, out))?;
    }
    match show(&context, &prepared, began)? {
        Exit::Done if args.exit_code && !prepared.plan.is_empty() => Ok(Exit::Found),
        exit => Ok(exit),
    }
}

/// Every Worker that the files name, for removing those that they do not.
pub(crate) fn named(
    context: &Context<'_>,
    platform: Platform,
) -> Result<BTreeSet<WorkerRef>, CliError> {
    let survey = clodo::survey(&context.project, platform).map_err(failure::of_load)?;
    Ok(survey.workers())
}

fn save(
    context: &Context<'_>,
    engine: &Engine,
    prepared: &Prepared,
    loaded: &Loaded,
    options: &DeployOptions,
    (platform, out): (Platform, &Path),
) -> Result<(), CliError> {
    let path = context.session.directory.join(out);
    let (now, by) = (SystemClock.now(), engine.cx.by.clone());
    let saved = SavedPlan::new(&prepared.plan, &loaded.desired, options, now, by);
    let saved = saved.on(platform.to_string());
    clodo::write_plan(&path, &saved)
        .map_err(|error| CliError::of(Exit::Failed, "plan_file", error))?;
    context.session.ui.say(&format!("Saved to {}.", out.display()));
    Ok(())
}

/// Says what a plan would do, or why it is refused.
pub(crate) fn show(
    context: &Context<'_>,
    prepared: &Prepared,
    began: Timestamp,
) -> Result<Exit, CliError> {
    let ui = &context.session.ui;
    say_findings(ui, beside_refusal(&prepared.findings, prepared.is_refused()));
    let took = u64::try_from(SystemClock.now().since(began).as_millis()).unwrap_or(u64::MAX);
    let error = prepared.is_refused().then(|| refusal(&prepared.findings));
    ui.document(&DeployDocument::of_plan(prepared, took, context.calls(), error.as_ref()))?;
    let Some(error) = error else { return Ok(Exit::Done) };
    ui.error(&error);
    Ok(error.exit())
}

/// The environments of which nothing is removed unasked.
pub(crate) fn protected(context: &Context<'_>, allowed: bool) -> BTreeSet<EnvironmentName> {
    let all = context.project.portfolio().environments().iter();
    let guarded = all.filter(|(_, described)| !allowed && described.protection != Protection::None);
    guarded.map(|(name, _)| name.clone()).collect()
}
