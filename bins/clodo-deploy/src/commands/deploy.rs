use crate::{
    args::{DeployArgs, PlanArgs},
    choose::choose,
    commands::{enqueue, plan},
    context::{Context, LoadFrom},
    engine::{Engine, not_begun, options, question},
    report::{
        DeployDocument, beside_refusal, failure, refusal, say_findings, targets_text, too_long,
    },
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{DeployOptions, DeployReport, Desired, FailureKind, Outcome, deploy};

/// `clodo-deploy deploy`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DeployArgs,
) -> Result<Exit, CliError> {
    if args.dry_run {
        let plan = PlanArgs {
            asks: !args.yes,
            targets: args.targets.clone(),
            strategy: args.strategy,
            preflight: args.preflight,
            exit_code: false,
            out: None,
            adopt: args.adopt,
            prune: args.prune,
            allow_protected: args.allow_protected,
            redeploy: args.redeploy,
            no_tests: args.no_tests,
            secrets_file: args.work.secrets_file.clone(),
        };
        return plan::run(session, global, &plan).await;
    }
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.targets.platform)?;
    let selection = context.selection_with(&args.targets, args.strategy)?;
    let selection = choose(&context, &args.targets, args.yes, selection)?;
    let from = LoadFrom { adopt: args.adopt, secrets_file: args.work.secrets_file.as_deref() };
    let mut loaded = context.load(&selection, platform, &from).await?;
    say_findings(&session.ui, &loaded.notes);
    let mut question = question(&context, &loaded.desired, platform, args.yes);
    if args.prune && !args.yes {
        // What is removed may belong to any environment.
        question = question.or_else(|| Some("Deploy this, and remove what is named?".to_owned()));
    }
    if args.enqueue {
        return enqueue::run(&context, platform, loaded, args, question).await;
    }
    let to = context.connect(platform).await?;
    let engine = Engine::new(&context, &to, &mut loaded, question).await?;
    let engine = engine.with_work(&args.work).with_preflight(args.preflight.into());
    let engine = engine.with_no_tests(&context, args.no_tests);
    let mut options = options(&loaded, args.redeploy);
    options.why.clone_from(&args.reason);
    options.no_tests = args.no_tests;
    options.prune = args.prune.then(|| plan::named(&context, platform)).transpose()?;
    options.protected = plan::protected(&context, args.allow_protected);
    carry_out(&context, &engine, &loaded.desired, &options).await
}

/// Deploys what is desired, keeps the code that this proves for who takes it over, and says what came
/// of it.
pub(crate) async fn carry_out(
    context: &Context<'_>,
    engine: &Engine,
    desired: &Desired,
    options: &DeployOptions,
) -> Result<Exit, CliError> {
    let report = deploy(&engine.cx, desired, options).await.map_err(not_begun)?;
    if !options.no_tests {
        engine.keep_for_promotion(context, desired, report.outcome).await;
    }
    conclude(context, engine, &report)
}

/// Says what a deployment, a rollback or a removal came to, or that nobody answered its question.
pub(crate) fn conclude(
    context: &Context<'_>,
    engine: &Engine,
    report: &DeployReport,
) -> Result<Exit, CliError> {
    if let Some(unanswered) = engine.confirmation.take_error() {
        return Err(unanswered);
    }
    let ui = &context.session.ui;
    say_findings(ui, beside_refusal(&report.findings, report.outcome == Outcome::Refused));
    let error = match report.outcome {
        Outcome::Done | Outcome::NothingToDo => None,
        Outcome::Refused => Some(refusal(&report.findings)),
        Outcome::Failed | Outcome::PartlyDone => {
            let failed = failure(report.outcome, report.failure.as_ref(), report.cancelled);
            // What failed by itself says more than that time was up meanwhile.
            let stopped =
                report.failure.as_ref().is_none_or(|one| one.kind == FailureKind::Stopped);
            let late = engine.timed_out() && stopped;
            Some(if late { too_long(report.outcome) } else { failed })
        }
    };
    let calls = context.calls();
    ui.document(&DeployDocument::of(report, calls, error.as_ref()))?;
    if let Some(error) = error {
        for left in report.kept.iter().chain(&report.stuck) {
            ui.warn(&format!("{} stays: {}", left.summary, left.why));
        }
        ui.error(&error);
        return Ok(error.exit());
    }
    if let Some(why) = &report.history_incomplete {
        ui.warn(&format!("the history lacks the end of this deployment: {why}"));
    }
    ui.text(targets_text(&report.targets).trim_end())?;
    let took = report.took.as_millis();
    match &report.deployment {
        Some(id) => ui.say(&format!(
            "Deployment {id} done in {took} ms ({} reads, {} writes).",
            calls.reads, calls.writes
        )),
        None => ui.say(&format!("Looked in {took} ms ({} reads, 0 writes).", calls.reads)),
    }
    Ok(Exit::Done)
}
