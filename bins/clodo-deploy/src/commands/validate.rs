use crate::{
    args::ValidateArgs,
    context::{Context, LoadFrom},
    report::{FORMAT, say_findings},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::Platform;
use clodo_types::Finding;
use serde::Serialize;

#[derive(Serialize)]
struct ValidateDocument<'a> {
    version: u32,
    outcome: &'static str,
    targets: usize,
    findings: &'a [Finding],
}

/// `clodo-deploy validate`: every file is read and every Worker built; nothing is contacted.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &ValidateArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.targets.platform).unwrap_or(Platform::Local);
    let names: Vec<String> = match args.targets.environments.is_empty() {
        false => args.targets.environments.clone(),
        true => {
            context.project.portfolio().environments().keys().map(ToString::to_string).collect()
        }
    };
    let mut findings: Vec<Finding> = Vec::new();
    let mut targets = 0;
    for name in names {
        let mut one = args.targets.clone();
        one.environments = vec![name];
        let selection = context.selection(&one)?;
        let loaded = context.load(&selection, platform, &LoadFrom::default()).await?;
        targets += loaded.specs.len();
        for note in loaded.notes {
            if !findings.contains(&note) {
                findings.push(note);
            }
        }
    }
    say_findings(&session.ui, &findings);
    session.ui.document(&ValidateDocument {
        version: FORMAT,
        outcome: "done",
        targets,
        findings: &findings,
    })?;
    session.ui.text(&format!("{targets} targets can be deployed, {} notes", findings.len()))?;
    Ok(Exit::Done)
}
