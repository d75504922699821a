use crate::{
    args::DriftArgs,
    context::{Context, LoadFrom},
    engine::{Engine, not_begun},
    report::{ApiCalls, FORMAT, say_findings},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::Platform;
use clodo_orchestrator::{Drift, DriftOptions, DriftReport, Silent, WorkerRef, drift};
use clodo_types::{Finding, Severity};
use serde::Serialize;
use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

#[derive(Serialize)]
struct DriftDocument<'a> {
    version: u32,
    outcome: &'static str,
    api_calls: ApiCalls,
    targets: usize,
    inspected: usize,
    /// The Workers that were read one by one.
    read_in_full: &'a BTreeSet<WorkerRef>,
    /// The Workers that listings show as they were left; only `--deep` reads these.
    believed: &'a BTreeSet<WorkerRef>,
    drifts: &'a [Drift],
    findings: &'a [Finding],
}

/// `clodo-deploy drift`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DriftArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let wanted = &args.targets;
    let platform = context.platform(&wanted.platform)?;
    let selection = context.selection(wanted)?;
    let mut loaded = context.load(&selection, platform, &LoadFrom::default()).await?;
    let mut options = DriftOptions::default();
    options.deep = args.deep;
    let mut notes = Vec::new();
    // Who asks about some targets does not ask what else there is.
    if wanted.services.is_empty() && wanted.customers.is_empty() && wanted.domain.is_none() {
        options.named = named(&context, platform, &mut notes);
    }
    let to = context.connect(platform).await?;
    let mut engine = Engine::new(&context, &to, &mut loaded, None).await?;
    engine.cx.listener = Arc::new(Silent);
    let mut report = drift(&engine.cx, &loaded.desired, &options).await.map_err(not_begun)?;
    report.notes.extend(notes);
    let targets = loaded.desired.targets.len();
    session.ui.document(&DriftDocument {
        version: FORMAT,
        outcome: if report.drifts.is_empty() { "done" } else { "found" },
        api_calls: context.calls().into(),
        targets,
        inspected: report.inspected.len(),
        read_in_full: &report.inspected,
        believed: &report.believed,
        drifts: &report.drifts,
        findings: &report.notes,
    })?;
    say_findings(&session.ui, &report.notes);
    session.ui.text(text(&report, targets).trim_end())?;
    Ok(if report.drifts.is_empty() { Exit::Done } else { Exit::Found })
}

/// Every Worker that the files name; nothing when a file of any service cannot be read, since then
/// a Worker could be taken for one that has left them.
fn named(
    context: &Context<'_>,
    platform: Platform,
    notes: &mut Vec<Finding>,
) -> Option<BTreeSet<WorkerRef>> {
    match clodo::survey(&context.project, platform) {
        Ok(survey) => Some(survey.workers()),
        Err(error) => {
            notes.push(Finding {
                rule: "orphans-unknown".to_owned(),
                severity: Severity::Note,
                at: None,
                message: format!("Workers that left the files were not looked for: {error}"),
                hint: Some("mend the files of all environments".to_owned()),
            });
            None
        }
    }
}

fn text(report: &DriftReport, targets: usize) -> String {
    let mut text = String::new();
    if report.drifts.is_empty() {
        text = match targets {
            1 => "No drift: 1 target runs as it was deployed.\n".to_owned(),
            _ => format!("No drift: {targets} targets run as they were deployed.\n"),
        };
    }
    for drift in &report.drifts {
        let subject = match &drift.target {
            Some(target) => target.to_string(),
            None => drift.worker.to_string(),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{subject:<32} {}", drift.what);
        let rows = [("was", &drift.expected), ("is", &drift.found)];
        for (title, value) in rows {
            if let Some(value) = value {
                let _ = writeln!(text, "{:<32} {title}: {value}", "");
            }
        }
        let _ = writeln!(text, "{:<32} hint: {}", "", drift.hint);
    }
    let looks = [
        ("Read in full", &report.inspected),
        ("Believed, as listings show them unchanged (`--deep` reads them too)", &report.believed),
    ];
    for (how, workers) in looks.into_iter().filter(|(_, workers)| !workers.is_empty()) {
        let _ = writeln!(text, "{how}: {}", few(workers));
    }
    text
}

/// Names, as many as a person reads.
fn few(workers: &BTreeSet<WorkerRef>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<&str> = workers.iter().take(SHOWN).map(|one| one.worker.as_str()).collect();
    match workers.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{}, and {more} more (`--json` names all)", names.join(", ")),
    }
}
