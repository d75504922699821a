use crate::{
    args::DestroyArgs,
    commands::{deploy::conclude, plan::show},
    context::Context,
    engine::{Engine, new_deployment, not_begun},
    failure,
    report::refusal,
};
use clodo::Loaded;
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Protection, TargetSpec};
use clodo_orchestrator::{Data, Removal, RemovalOptions, destroy, prepare_destroy};
use clodo_types::{Clock as _, Finding, Severity, SystemClock, TargetId};
use std::collections::BTreeSet;

/// `clodo-deploy destroy`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DestroyArgs,
) -> Result<Exit, CliError> {
    let began = SystemClock.now();
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.targets.platform)?;
    let portfolio = context.project.portfolio();
    let selected = portfolio.select(&context.selection(&args.targets)?);
    let selected = selected.map_err(|error| failure::of_load(error.into()))?;
    if let Some(protected) = protected(&selected).filter(|_| !args.allow_protected && !args.dry_run)
    {
        return Err(refusal(&[protected]));
    }
    let ids: BTreeSet<&TargetId> = selected.iter().map(|spec| &spec.id).collect();
    let survey = clodo::survey(&context.project, platform).map_err(failure::of_load)?;
    let (targets, rest): (Vec<_>, Vec<_>) =
        survey.targets.into_iter().partition(|target| ids.contains(&target.id));
    let question = (!args.yes).then(|| question(targets.len(), args.with_data));
    let removal = Removal::new(portfolio.name().clone(), targets, rest);
    let mut options = RemovalOptions::new(new_deployment());
    options.data = if args.with_data { Data::Remove } else { Data::Keep };
    options.why.clone_from(&args.reason);
    let to = context.connect(platform).await?;
    // Nothing is built: what goes needs no code.
    let mut nothing = Loaded::nothing(portfolio.name().clone());
    let engine = Engine::new(&context, &to, &mut nothing, question).await?;
    if args.dry_run {
        let engine = engine.without_question();
        let prepared = prepare_destroy(&engine.cx, &removal, &options).await.map_err(not_begun)?;
        return show(&context, &prepared, began);
    }
    let report = destroy(&engine.cx, &removal, &options).await.map_err(not_begun)?;
    conclude(&context, &engine, &report)
}

/// A protected environment is not emptied by a slip of the pen.
fn protected(selected: &[TargetSpec]) -> Option<Finding> {
    let spec = selected.iter().find(|spec| spec.protection != Protection::None)?;
    Some(Finding {
        rule: "protected".to_owned(),
        severity: Severity::Block,
        at: None,
        message: format!("{} is in the protected environment `{}`", spec.id, spec.id.environment),
        hint: Some("give --allow-protected if it is really meant".to_owned()),
    })
}

fn question(targets: usize, with_data: bool) -> String {
    let data = if with_data { ", WITH ALL THEIR DATA," } else { "" };
    match targets {
        1 => format!("Remove this target{} for good?", data.replace("THEIR", "ITS")),
        _ => format!("Remove these {targets} targets{data} for good?"),
    }
}
