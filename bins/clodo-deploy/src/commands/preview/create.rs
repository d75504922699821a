use super::{Found, args::PreviewCreateArgs, branch, named};
use crate::{
    args::TargetArgs,
    commands::{deploy::carry_out, plan::show},
    context::{Context, LoadFrom},
    engine::{Engine, not_begun, options, question},
    failure,
    report::{refusal, say_findings},
};
use clodo::NewPreview;
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Platform, Protection, parse_time};
use clodo_orchestrator::{Desired, DesiredTarget, FoundPreview, PreviewName, prepare};
use clodo_types::{Clock as _, EnvironmentName, Finding, Severity, SystemClock, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How long a preview lives of which nobody said it.
const USUAL_LIFE: Duration = Duration::from_hours(7 * 24);

/// `clodo-deploy preview create`
pub(super) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &PreviewCreateArgs,
) -> Result<Exit, CliError> {
    let began = SystemClock.now();
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.platform)?;
    let name = name(&context, args)?;
    let life = args.ttl.as_deref().map(life).transpose()?;
    let from = TargetArgs {
        services: args.services.clone(),
        environments: vec![args.from.clone()],
        customers: args.customers.clone(),
        domain: None,
        platform: args.platform.clone(),
    };
    let selection = context.selection(&from)?;
    may_take(&context, args)?;
    let to = context.connect(platform).await?;
    let found = Found::read(&context, &to, None, false).await?;
    let preview = wanted(&context, name, found.previews, selection.environments.first(), life)?;
    let from = LoadFrom { adopt: false, secrets_file: args.work.secrets_file.as_deref() };
    let mut loaded = context.load_preview(&selection, platform, &from, &preview).await?;
    say_findings(&session.ui, &loaded.notes);
    no_other_name(&context, platform, &loaded.desired)?;
    let question = question(&context, &loaded.desired, platform, args.yes);
    let engine = Engine::new(&context, &to, &mut loaded, question).await?;
    let mut engine = engine.with_work(&args.work);
    let mut options = options(&loaded, false);
    options.why.clone_from(&args.reason);
    if args.dry_run {
        let engine = engine.without_question();
        let prepared = prepare(&engine.cx, &loaded.desired, &options).await.map_err(not_begun)?;
        return show(&context, &prepared, began);
    }
    if args.with_data {
        // Gates and the question come before the first write.
        let prepared = prepare(&engine.cx, &loaded.desired, &options).await.map_err(not_begun)?;
        if let Some(unanswered) = engine.confirmation.take_error() {
            return Err(unanswered);
        }
        if prepared.is_refused() {
            return show(&context, &prepared, began);
        }
        let asked = args.yes || platform == Platform::Local || !prepared.plan.is_empty();
        let copying = format!("Copy the data of `{}` into the preview?", args.from);
        if !asked && !context.session.ui.confirm(&copying, "--yes")? {
            return Err(CliError::new(Exit::Refused, "refused", "nobody said yes")
                .with_hint("answer `y`, or give --yes"));
        }
        engine = engine.without_question();
        copy(&context, platform, &loaded.desired, &engine).await?;
    }
    carry_out(&context, &engine, &loaded.desired, &options).await
}

/// A branch's code runs with the secrets of what it is a copy of, and beside what it does not copy:
/// that is not given to it by a slip of the pen, where the files protect it.
fn may_take(context: &Context<'_>, args: &PreviewCreateArgs) -> Result<(), CliError> {
    let described = context.project.portfolio().environments().get(args.from.as_str());
    let is_protected = described
        .is_some_and(|one| one.protection != Protection::None || one.promote_from.is_some());
    if args.allow_protected || !is_protected {
        return Ok(());
    }
    let message =
        format!("`{}` is protected: a preview of it runs this code with its secrets", args.from);
    Err(refusal(&[Finding {
        rule: "protected".to_owned(),
        severity: Severity::Block,
        at: None,
        message,
        hint: Some("give another --from, or --allow-protected if it is really meant".to_owned()),
    }]))
}

/// Copies the environment's data, before migrations of the branch run on the copies.
async fn copy(
    context: &Context<'_>,
    platform: Platform,
    desired: &Desired,
    engine: &Engine,
) -> Result<(), CliError> {
    let survey = clodo::survey(&context.project, platform).map_err(failure::of_load)?;
    let copies: Vec<&DesiredTarget> = desired.targets.iter().map(|target| &**target).collect();
    let (client, accounts) = engine.api();
    let copied = clodo::copy_data(client, accounts, &survey.targets, &copies, SystemClock.now());
    let told = copied.await.map_err(|error| {
        CliError::of(Exit::Partly, "copy", error)
            .with_hint("run the same command again: it goes on where it stopped")
    })?;
    for line in told {
        context.session.ui.say(&line);
    }
    Ok(())
}

/// The given name, else that of the branch.
fn name(context: &Context<'_>, args: &PreviewCreateArgs) -> Result<PreviewName, CliError> {
    if let Some(text) = &args.name {
        return named(text);
    }
    let branch = branch::current(context.project.root()).ok_or_else(|| {
        CliError::usage("the preview needs a name: no branch is checked out here")
            .with_hint("give one, such as that of the branch: `clodo-deploy preview create NAME`")
    })?;
    named(&branch)
}

fn life(text: &str) -> Result<Duration, CliError> {
    let wrong = |why: &str| {
        CliError::usage(format!("--ttl `{text}` {why}"))
            .with_hint("write a number and a unit: `12h`, `7d`")
    };
    match parse_time(text) {
        Ok(life) if life.as_secs() == 0 => Err(wrong("is no time to live")),
        Ok(life) => Ok(life),
        Err(why) => Err(wrong(why)),
    }
}

/// What the preview is to be: what it is already stays, but for its end, if a life is given.
fn wanted(
    context: &Context<'_>,
    name: PreviewName,
    mut found: BTreeMap<PreviewName, FoundPreview>,
    from: Option<&EnvironmentName>,
    life: Option<Duration>,
) -> Result<NewPreview, CliError> {
    let there = found.remove(&name);
    if let Some(there) = there.as_ref().filter(|there| from.is_some_and(|from| *from != there.from))
    {
        let message = format!("preview `{name}` is there already, as a copy of `{}`", there.from);
        return Err(CliError::usage(message).with_hint(format!(
            "give --from {}, choose another name, or remove it: `clodo-deploy preview delete {name}`",
            there.from
        )));
    }
    let environment = name.environment();
    if context.project.portfolio().environments().contains_key(&environment) {
        let message =
            format!("a preview `{name}` would be called as the environment `{environment}`");
        return Err(CliError::usage(message).with_hint("choose another name"));
    }
    let now = SystemClock.now();
    let until = |life: Duration| {
        let life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(now.as_millis().saturating_add(life))
    };
    let usual = || until(USUAL_LIFE);
    let ends = life.map(until);
    Ok(match there {
        None => NewPreview {
            name,
            since: now,
            ends: Some(ends.unwrap_or_else(usual)),
            by: context.person(),
            present: BTreeSet::new(),
        },
        Some(there) => NewPreview {
            name,
            since: there.since,
            ends: ends.or(there.ends),
            present: there.originals().collect(),
            by: there.by,
        },
    })
}

/// Nothing of a preview may be called as something that the files name.
fn no_other_name(
    context: &Context<'_>,
    platform: Platform,
    desired: &Desired,
) -> Result<(), CliError> {
    // Where not all files can be read, what is there already is still looked at before it is changed.
    let Ok(survey) = clodo::survey(&context.project, platform) else { return Ok(()) };
    let named = survey.names();
    let mut own = desired.targets.iter().flat_map(|target| clodo::names_of(target));
    match own.find(|name| named.contains(name)) {
        None => Ok(()),
        Some((_, what)) => {
            let message = format!("{what} of the preview would be one that the files name");
            Err(CliError::usage(message).with_hint("choose another name for the preview"))
        }
    }
}
