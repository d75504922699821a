use super::running::among;
use crate::{
    args::RollbackArgs,
    commands::{deploy::conclude, plan::show},
    context::Context,
    engine::{Engine, new_deployment, not_begun, store},
};
use clodo::{Loaded, program::parsed as name};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Platform, Protection};
use clodo_orchestrator::{
    DeployError, Deployment, DeploymentState, Reach, RollbackOptions, deployments,
    prepare_rollback, rollback,
};
use clodo_types::{
    Clock as _, CustomerName, EnvironmentName, ServiceName, SystemClock, TargetId, Timestamp,
};
use std::{error::Error, fmt::Display, str::FromStr};

/// How far back targets are looked for.
const HISTORY: usize = 1_000;

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
    let options = options(&context, args, &past)?;
    let to = context.connect(platform).await?;
    let guarded = platform == Platform::Cloudflare || is_protected(&context, &options, &past);
    let asked = (guarded || args.with_data) && !args.yes && !args.dry_run;
    let words = match args.with_data {
        true => "Roll this back, and lose what was written to the databases since?",
        false => "Roll this back?",
    };
    let question = asked.then(|| words.to_owned());
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
    conclude(&context, &engine, &report)
}

async fn history(context: &Context<'_>, platform: Platform) -> Result<Vec<Deployment>, CliError> {
    let store = store(context, platform).await?;
    let past = deployments(&*store, context.project.portfolio().name(), HISTORY).await;
    past.map_err(|error| CliError::of(Exit::Failed, "state", error))
}

/// Whether anything that may be taken back is in an environment that asks for a person's yes.
fn is_protected(context: &Context<'_>, options: &RollbackOptions, past: &[Deployment]) -> bool {
    let environments = context.project.portfolio().environments();
    let chosen = |id: &TargetId| options.targets.is_empty() || options.targets.contains(id);
    let is_newest = |deployment: &&Deployment| {
        deployment.state == DeploymentState::Done
            && deployment.rollback_of.is_none()
            && deployment.targets.iter().any(|target| chosen(&target.id))
    };
    let meant: Vec<&Deployment> = match (&options.of, options.reach) {
        (Some(id), _) => past.iter().filter(|deployment| deployment.id == *id).collect(),
        (None, Reach::Newest) => past.iter().filter(is_newest).take(1).collect(),
        (None, _) => past.iter().collect(),
    };
    let mut targets = meant.into_iter().flat_map(|deployment| &deployment.targets);
    targets.any(|target| {
        let described = environments.get(&target.id.environment);
        let is_protected =
            described.is_some_and(|described| described.protection != Protection::None);
        is_protected && chosen(&target.id)
    })
}

/// What was named, as the history knows it.
fn options(
    context: &Context<'_>,
    args: &RollbackArgs,
    past: &[Deployment],
) -> Result<RollbackOptions, CliError> {
    let mut options = RollbackOptions::new(new_deployment());
    options.why.clone_from(&args.reason);
    options.databases = args.with_data;
    let of = args.deployment.as_deref();
    options.of = of.map(|id| among(past.iter().map(|one| &one.id), id)).transpose()?;
    if let Some(text) = &args.to_time {
        options.reach = Reach::To(time(text)?);
    } else if args.each {
        options.reach = Reach::Each;
    }
    if let Some(chosen) = &args.chosen {
        options.targets.clone_from(chosen);
        return Ok(options);
    }
    let ids = || past.iter().flat_map(|one| &one.targets).map(|target| &target.id);
    let environments = narrowed(&args.environments, "environment", |wanted: &EnvironmentName| {
        ids().any(|id| id.environment == *wanted)
    })?;
    let services = narrowed(&args.services, "service", |wanted: &ServiceName| {
        ids().any(|id| id.service == *wanted)
    })?;
    let customers = narrowed(&args.customers, "customer", |wanted: &CustomerName| {
        ids().any(|id| id.customer.as_ref() == Some(wanted))
    })?;
    // A preview is only meant by who names it: what a branch does is no news of the environments.
    let described = context.project.portfolio().environments();
    let is_preview = |id: &TargetId| {
        !described.contains_key(&id.environment) && id.environment.as_str().starts_with("pr-")
    };
    let leaves_out = environments.is_empty() && options.of.is_none() && ids().any(is_preview);
    let names_all = services.is_empty() && customers.is_empty() && environments.is_empty();
    if names_all && !leaves_out {
        return Ok(options);
    }
    let fits = |id: &&TargetId| {
        let customer = |one: &CustomerName| id.customer.as_ref() == Some(one);
        (services.is_empty() || services.contains(&id.service))
            && (customers.is_empty() || customers.iter().any(customer))
            && (environments.is_empty() || environments.contains(&id.environment))
            && !(leaves_out && is_preview(id))
    };
    options.targets = ids().filter(fits).cloned().collect();
    if options.targets.is_empty() {
        return Err(CliError::usage("no deployment changed such a target")
            .with_hint("`clodo-deploy deployments` lists what there is"));
    }
    Ok(options)
}

/// Names from the command line that the history knows.
fn narrowed<T>(
    texts: &[String],
    what: &str,
    is_known: impl Fn(&T) -> bool,
) -> Result<Vec<T>, CliError>
where
    T: FromStr + Display,
    T::Err: Error,
{
    let known = |text: &String| {
        let parsed: T = name(text)?;
        if is_known(&parsed) {
            return Ok(parsed);
        }
        Err(CliError::usage(format!("no deployment changed {what} `{parsed}`"))
            .with_hint("`clodo-deploy deployments` lists what there is"))
    };
    texts.iter().map(known).collect()
}

/// A moment, or how long ago.
fn time(text: &str) -> Result<Timestamp, CliError> {
    let wrong = || {
        CliError::usage(format!("`{text}` is no time"))
            .with_hint("write `2026-11-28T10:00:00Z`, or how long ago: `2h`, `30m`")
    };
    let now = SystemClock.now();
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        let moment = Timestamp::from_millis(moment.as_millisecond());
        if moment > now {
            return Err(wrong());
        }
        return Ok(moment);
    }
    let ago = text.parse::<jiff::SignedDuration>().map_err(|_| wrong())?;
    let ago = i64::try_from(ago.as_millis()).ok().filter(|ago| *ago >= 0).ok_or_else(wrong)?;
    Ok(Timestamp::from_millis(now.as_millis().saturating_sub(ago)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_how_long_ago() {
        let moment = time("2026-01-02T03:04:05+01:00").expect("a moment").as_millis();
        assert_eq!(moment, 1_767_319_445_000);
        let ago = |text: &str| SystemClock.now().since(time(text).expect("a time")).as_secs();
        assert!((7_200..7_260).contains(&ago("2h")) && (90..150).contains(&ago("90s")));
        for odd in ["", "yesterday", "-2h", "9999-01-01T00:00:00Z", "2h ahead"] {
            assert!(time(odd).is_err(), "{odd}");
        }
    }
}
