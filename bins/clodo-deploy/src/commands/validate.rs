use crate::{
    args::ValidateArgs,
    context::{Context, LoadFrom},
    report::{FORMAT, beside_refusal, refusal, say_findings},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use clodo_config::Platform;
use clodo_types::{Finding, Severity};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct ValidateDocument<'a> {
    version: u32,
    outcome: &'static str,
    targets: usize,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// `clodo-deploy validate`: every file is read, every Worker built and every migration judged; nothing is
/// contacted.
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
        let migrations = clodo::check_migrations(&loaded.desired);
        for note in loaded.notes.into_iter().chain(migrations) {
            if !findings.contains(&note) {
                findings.push(note);
            }
        }
    }
    let refused = findings.iter().any(|finding| finding.severity == Severity::Block);
    let error = refused.then(|| refusal(&findings));
    say_findings(&session.ui, beside_refusal(&findings, refused));
    session.ui.document(&ValidateDocument {
        version: FORMAT,
        outcome: if refused { "refused" } else { "done" },
        targets,
        findings: &findings,
        error: error.as_ref().map(CliError::to_json),
    })?;
    if let Some(error) = error {
        session.ui.error(&error);
        return Ok(error.exit());
    }
    let (targets, notes) = (counted(targets, "target"), counted(findings.len(), "note"));
    session.ui.text(&format!("{targets} can be deployed, {notes}"))?;
    Ok(Exit::Done)
}
