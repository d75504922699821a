use crate::{
    args::TargetArgs,
    context::{Context, LoadFrom},
    engine::{Engine, new_deployment, not_begun},
    report::{FORMAT, TargetDocument, say_findings},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{
    DeployError, DeployOptions, Fate, Inspected, Platform, Silent, TargetReport, prepare,
};
use clodo_types::Finding;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use std::{fmt::Write as _, sync::Arc};

/// Up to so many targets it is asked of each who has the traffic: no listing tells.
const CLOSELY: usize = 50;
/// How many are asked side by side.
const AT_ONCE: usize = 8;

#[derive(Serialize)]
struct StatusDocument<'a> {
    version: u32,
    outcome: &'static str,
    targets: Vec<StatusTarget<'a>>,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct StatusTarget<'a> {
    #[serde(flatten)]
    target: TargetDocument<'a>,
    /// Who has the traffic; left out where so many targets were named that it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic: Option<Vec<Share>>,
}

/// A version and how much of the traffic it has.
#[derive(Serialize)]
struct Share {
    version_id: String,
    percentage: f64,
    /// What it was made with, as far as the platform says: `wrangler, upload`.
    made_by: Option<String>,
}

/// `clodo-deploy status`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &TargetArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.platform)?;
    let selection = context.selection(args)?;
    let mut loaded = context.load(&selection, platform, &LoadFrom::default()).await?;
    let to = context.connect(platform).await?;
    let mut engine = Engine::new(&context, &to, &mut loaded, None).await?;
    engine.cx.gates.clear();
    engine.cx.listener = Arc::new(Silent);
    let mut options = DeployOptions::new(new_deployment());
    options.only_look = true;
    let prepared = prepare(&engine.cx, &loaded.desired, &options).await.map_err(not_begun)?;
    let traffic = traffic(&*engine.cx.platform, &prepared.targets).await?;
    say_findings(&session.ui, &prepared.findings);
    let mut text = String::new();
    for (target, traffic) in prepared.targets.iter().zip(&traffic) {
        let state = match target.fate {
            Fate::Create => "not deployed",
            Fate::Update | Fate::Remove => "differs from the files",
            Fate::Unchanged => "up to date",
        };
        let version = target.version.as_ref().map(ToString::to_string).unwrap_or_default();
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{:<32} {state:<24} {version}  {}",
            target.id.to_string(),
            target.urls.join("  ")
        );
        let shares = traffic.iter().flatten().filter(|share| share.percentage > 0.0);
        let shares: Vec<&Share> = shares.collect();
        for share in shares.iter().filter(|_| shares.len() > 1) {
            let made_by = share.made_by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
            let _ = writeln!(text, "  {:>5} % {}{made_by}", share.percentage, share.version_id);
        }
    }
    let targets = prepared.targets.iter().zip(traffic).map(|(target, traffic)| StatusTarget {
        target: TargetDocument::new(target, target.fate != Fate::Unchanged),
        traffic,
    });
    session.ui.document(&StatusDocument {
        version: FORMAT,
        outcome: "done",
        targets: targets.collect(),
        findings: &prepared.findings,
    })?;
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}

/// Who has each target's traffic, in the same order; nothing of any when there are too many.
async fn traffic(
    platform: &dyn Platform,
    targets: &[TargetReport],
) -> Result<Vec<Option<Vec<Share>>>, CliError> {
    if targets.len() > CLOSELY {
        return Ok(targets.iter().map(|_| None).collect());
    }
    let reads = targets.iter().map(|target| async move {
        // One that does not exist costs no call.
        let there = target.fate != Fate::Create;
        let seen = match there {
            true => platform.inspect(&target.worker).await,
            false => Ok(None),
        };
        seen.map(|seen| Some(seen.map(shares).unwrap_or_default()))
    });
    let all = stream::iter(reads).buffered(AT_ONCE).try_collect().await;
    all.map_err(|error| not_begun(DeployError::Observe(error)))
}

fn shares(seen: Inspected) -> Vec<Share> {
    let made_by = |version: &clodo_types::VersionId| {
        let mut serving = seen.serving.iter();
        serving.find(|one| one.head.id == *version).and_then(|one| one.head.made_by.clone())
    };
    let share = |share: &clodo_orchestrator::TrafficShare| Share {
        version_id: share.version.to_string(),
        percentage: share.percentage,
        made_by: made_by(&share.version),
    };
    seen.traffic.iter().map(share).collect()
}
