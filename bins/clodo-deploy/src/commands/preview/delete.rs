use super::{Found, args::PreviewDeleteArgs, named, unread};
use crate::{
    commands::{deploy::conclude, plan::show, running::of_state},
    context::Context,
    engine::{new_deployment, not_begun, store},
    report::say_findings,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::Platform;
use clodo_orchestrator::{
    Data, DesiredDatabase, DesiredNamespace, DesiredTarget, PreviewName, Removal, RemovalOptions,
    ResourceRef, deployments, destroy, prepare_destroy, preview_targets, unfinished_deployments,
};
use clodo_types::{Clock as _, Finding, Severity, SystemClock, TargetId};
use std::collections::BTreeSet;

/// How far back it is looked up what this portfolio made.
const HISTORY: usize = 500;

/// `clodo-deploy preview delete`
pub(super) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &PreviewDeleteArgs,
) -> Result<Exit, CliError> {
    let began = SystemClock.now();
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.platform)?;
    let asked = args.name.as_deref().map(named).transpose()?;
    if asked.is_none() && !args.expired && !args.gone {
        return Err(CliError::usage("nobody said which preview is to be deleted").with_hint(
            "give its name, `--expired`, or `--gone --keep BRANCH...`; `clodo-deploy preview list` shows all",
        ));
    }
    let kept = args.keep.iter().map(|text| named(branch_of(text)));
    let kept = kept.collect::<Result<BTreeSet<_>, _>>()?;
    let to = context.connect(platform).await?;
    let question = (!args.yes).then(|| question(asked.as_ref()));
    let found = Found::read(&context, &to, question, true).await?;
    let meant = |name: &PreviewName, over: bool| match &asked {
        Some(asked) => asked == name,
        None if args.gone => !kept.contains(name),
        None => over,
    };
    let now = SystemClock.now();
    let previews = found.previews.values();
    let previews = previews.filter(|one| meant(&one.name, one.is_over(now)));
    let mut targets = Vec::new();
    for preview in previews {
        let own = preview_targets(&*found.engine.cx.platform, &found.observed, preview);
        targets.extend(own.await.map_err(unread)?);
    }
    if let Some(name) = &asked {
        let remains = remains(&context, platform, &found, name).await?;
        if targets.is_empty() && remains.is_empty() {
            return Err(unknown(name, &found));
        }
        add_remains(&mut targets, remains, &found);
    }
    let rest = match clodo::survey(&context.project, platform) {
        Ok(survey) => survey.targets,
        Err(error) => {
            say_findings(&session.ui, &[partly_read(&error.to_string())]);
            Vec::new()
        }
    };
    let removal = Removal::new(context.project.portfolio().name().clone(), targets, rest);
    let mut options = RemovalOptions::new(new_deployment());
    // What a preview holds are copies.
    options.data = Data::Remove;
    options.why.clone_from(&args.reason);
    let engine = found.engine;
    if args.dry_run {
        let engine = engine.without_question();
        let prepared = prepare_destroy(&engine.cx, &removal, &options).await.map_err(not_begun)?;
        return show(&context, &prepared, began);
    }
    let report = destroy(&engine.cx, &removal, &options).await.map_err(not_begun)?;
    conclude(&context, &engine, &report)
}

/// A branch as git lists it: `origin/fix` and `refs/heads/fix` are `fix`.
fn branch_of(text: &str) -> &str {
    let prefixes = ["refs/heads/", "refs/remotes/origin/", "remotes/origin/", "origin/"];
    prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
}

fn question(asked: Option<&PreviewName>) -> String {
    let what =
        asked.map_or_else(|| "these previews".to_owned(), |name| format!("preview `{name}`"));
    format!("Remove {what} with all data in it for good? (It is a copy.)")
}

/// What is left of a preview and hangs on none of its Workers: a creation that was cut short may have
/// made data to which nothing is bound yet, or may only be unfinished in the history. The files tell
/// its names, and the history that this portfolio made it: a name alone may be somebody else's. From
/// files that cannot be read nothing is concluded.
async fn remains(
    context: &Context<'_>,
    platform: Platform,
    found: &Found,
    name: &PreviewName,
) -> Result<Vec<DesiredTarget>, CliError> {
    let portfolio = context.project.portfolio();
    if portfolio.environments().contains_key(&name.environment()) {
        return Ok(Vec::new());
    }
    let store = store(context, platform).await?;
    let unfinished = unfinished_deployments(&*store, portfolio.name()).await.map_err(of_state)?;
    let past = deployments(&*store, portfolio.name(), HISTORY).await.map_err(of_state)?;
    let made: BTreeSet<&TargetId> = past.iter().flat_map(|one| one.wanted.keys()).collect();
    let begun: BTreeSet<&TargetId> = unfinished.iter().flat_map(|one| one.wanted.keys()).collect();
    let surveys = portfolio
        .environments()
        .keys()
        .filter_map(|from| clodo::survey_preview(&context.project, platform, name, from).ok());
    let targets = surveys.flat_map(|survey| survey.targets);
    let is_left = |target: &DesiredTarget| {
        begun.contains(&target.id) || (made.contains(&target.id) && holds_any(found, target))
    };
    Ok(targets.filter(is_left).collect())
}

/// True when data is there that the target would hold.
fn holds_any(found: &Found, target: &DesiredTarget) -> bool {
    let Some(seen) = found.observed.accounts.get(&target.id.account) else { return false };
    let database = |one: &DesiredDatabase| match &one.resource {
        ResourceRef::Name(name) => seen.databases.contains_key(name),
        ResourceRef::Id(_) => false,
    };
    let namespace = |one: &DesiredNamespace| match &one.resource {
        ResourceRef::Name(title) => seen.namespaces.contains_key(title),
        ResourceRef::Id(_) => false,
    };
    target.databases.iter().any(database)
        || target.namespaces.iter().any(namespace)
        || target.buckets.iter().any(|bucket| seen.buckets.contains(&bucket.name))
}

/// Adds what Workers are not bound to; Workers that are no part of the preview are left out.
fn add_remains(targets: &mut Vec<DesiredTarget>, remains: Vec<DesiredTarget>, found: &Found) {
    for one in remains {
        let worker = one.worker_ref();
        if let Some(target) = targets.iter_mut().find(|target| target.worker_ref() == worker) {
            target.databases.extend(one.databases);
            target.namespaces.extend(one.namespaces);
            target.buckets.extend(one.buckets);
            continue;
        }
        let account = found.observed.accounts.get(&worker.account);
        if account.is_some_and(|account| !account.workers.contains_key(&worker.worker)) {
            targets.push(one);
        }
    }
}

fn unknown(name: &PreviewName, found: &Found) -> CliError {
    let names: Vec<String> = found.previews.keys().map(|name| format!("`{name}`")).collect();
    let hint = match names.is_empty() {
        true => "there are no previews".to_owned(),
        false => format!("there is {}", names.join(", ")),
    };
    CliError::usage(format!("there is no preview `{name}`")).with_hint(hint)
}

fn partly_read(why: &str) -> Finding {
    Finding {
        rule: "files-unreadable".to_owned(),
        severity: Severity::Note,
        at: None,
        message: format!("only what the preview's Workers are bound to is removed: {why}"),
        hint: Some("mend the files of all environments".to_owned()),
    }
}
