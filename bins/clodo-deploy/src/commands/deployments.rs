use crate::{
    args::DeploymentsArgs,
    commands::running::{named, of_state},
    context::Context,
    engine::store,
    record::{PastDeployment, RecordDocument, render, state_word, untested},
    report::{FORMAT, moment},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{Deployment, deployment_record, deployments};
use clodo_saga::JournalStore;
use clodo_types::DeploymentId;
use serde::Serialize;
use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
};

#[derive(Serialize)]
struct DeploymentsDocument<'a> {
    version: u32,
    outcome: &'static str,
    deployments: Vec<PastDeployment<'a>>,
}

/// `clodo-deploy deployments`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DeploymentsArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let store = store(&context, context.platform(&args.platform)?).await?;
    let portfolio = context.project.portfolio().name();
    if let Some(id) = &args.deployment {
        let id = named(&*store, portfolio, id).await?;
        return show(session, &*store, &id, args).await;
    }
    let found = deployments(&*store, portfolio, args.last).await.map_err(of_state)?;
    session.ui.document(&DeploymentsDocument {
        version: FORMAT,
        outcome: "done",
        deployments: found.iter().map(PastDeployment::from).collect(),
    })?;
    if found.is_empty() {
        session.ui.say("Nothing was deployed there from this folder yet.");
    }
    session.ui.text(listed(&found).trim_end())?;
    Ok(Exit::Done)
}

fn listed(found: &[Deployment]) -> String {
    let mut text = String::new();
    for deployment in found {
        let targets: Vec<String> =
            deployment.targets.iter().map(|target| target.id.to_string()).collect();
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{}  {}  {}  {}{}",
            deployment.id,
            moment(deployment.started_at).strftime("%Y-%m-%d %H:%M:%SZ"),
            state_word(deployment.state),
            targets.join(" "),
            untested(deployment).map(|how| format!("  (tests: {how})")).unwrap_or_default()
        );
    }
    text
}

/// One deployment with all its steps.
async fn show(
    session: &Session,
    journal: &dyn JournalStore,
    id: &DeploymentId,
    args: &DeploymentsArgs,
) -> Result<Exit, CliError> {
    let found = deployment_record(journal, id).await.map_err(of_state)?;
    let Some(record) = found else {
        return Err(CliError::usage(format!("there is no deployment {id}"))
            .with_hint("`clodo-deploy deployments` lists what there is"));
    };
    let text = render(&record, args.format);
    if let Some(file) = &args.out {
        let path = session.directory.join(file);
        write_whole(&path, &text).map_err(|error| {
            CliError::new(Exit::Failed, "file", format!("could not write {}", path.display()))
                .with_source(error)
        })?;
        session.ui.say(&format!("Wrote {}.", file.display()));
    }
    session.ui.document(&RecordDocument::of(&record))?;
    if args.out.is_none() {
        session.ui.text(text.trim_end())?;
    }
    Ok(Exit::Done)
}

/// The whole text or nothing.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
