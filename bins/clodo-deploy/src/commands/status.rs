use crate::{
    args::TargetArgs,
    context::{Context, LoadFrom},
    engine::{Engine, new_deployment, not_begun},
    report::{FORMAT, TargetDocument},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{DeployOptions, Fate, Silent, prepare};
use serde::Serialize;
use std::{fmt::Write as _, sync::Arc};

#[derive(Serialize)]
struct StatusDocument<'a> {
    version: u32,
    outcome: &'static str,
    targets: Vec<TargetDocument<'a>>,
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
    let options = DeployOptions::new(new_deployment());
    let prepared = prepare(&engine.cx, &loaded.desired, &options).await.map_err(not_begun)?;
    let targets = prepared.targets.iter();
    session.ui.document(&StatusDocument {
        version: FORMAT,
        outcome: "done",
        targets: targets
            .map(|target| TargetDocument::new(target, target.fate != Fate::Unchanged))
            .collect(),
    })?;
    let mut text = String::new();
    for target in &prepared.targets {
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
    }
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}
