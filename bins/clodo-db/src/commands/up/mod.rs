mod check;
mod report;

use crate::{args::UpArgs, failure, findings, places::Places};
use check::{Checked, check};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_types::Severity;
use report::{Event, Fate, RebuildDocument, UpDocument, UpReport};

/// `clodo-db up`: every database is checked before the first one is changed; that is the canary for
/// the others, which are left alone once one fails.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &UpArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let mut checked = Vec::new();
    for at in 0..places.all.len() {
        let create = args.create || places.makes_its_own();
        checked.push(check(&mut places, at, create).await?);
    }
    let mut report = UpReport::new(&places, &checked);
    if let Some(refused) = refused(session, &mut checked, &mut report) {
        return conclude(session, &places, args, report, Some(refused));
    }
    if args.dry_run {
        return conclude(session, &places, args, report, None);
    }
    let which: Vec<usize> = (0..checked.len()).filter(|at| !checked[*at].plan.is_empty()).collect();
    if which.is_empty() {
        return conclude(session, &places, args, report, None);
    }
    if let Some(at) = which.iter().find(|at| places.all[**at].wants_approval()) {
        let message = format!(
            "{}: its environment takes changes only with an approval",
            places.all[*at].name
        );
        let refused = CliError::new(Exit::Refused, "wants_approval", message);
        let refused = refused.with_hint("`clodo-deploy deploy` asks for one and migrates with it");
        return conclude(session, &places, args, report, Some(refused));
    }
    let files: usize = checked.iter().map(|one| one.plan.len()).sum();
    let doing = format!("Apply {files} migrations");
    places.confirm(session, &which, &doing, args.yes)?;
    let mut failed = None;
    for at in which {
        if let Err(error) = migrate(session, &mut places, at, &mut report).await {
            report.databases[at].fate = Fate::Failed;
            failed = Some(error);
            break;
        }
    }
    conclude(session, &places, args, report, failed)
}

/// Why nothing may be applied, if so; findings are said.
fn refused(session: &Session, checked: &mut [Checked], report: &mut UpReport) -> Option<CliError> {
    for one in checked.iter() {
        for finding in &one.findings {
            // Databases of customers share their files.
            if !report.findings.contains(finding) {
                report.findings.push(finding.clone());
            }
        }
    }
    let blocks = |one: &&clodo_types::Finding| one.severity == Severity::Block;
    let count = report.findings.iter().filter(blocks).count();
    // The first one is the error of the run.
    let first = report.findings.iter().position(|one| one.severity == Severity::Block);
    let others = report.findings.iter().enumerate().filter(|(at, _)| Some(*at) != first);
    findings::say(&session.ui, others.map(|(_, finding)| finding));
    let disagree = checked.iter_mut().find_map(|one| one.refused.take());
    disagree.or_else(|| Some(failure::of_finding(&report.findings[first?], count)))
}

/// Applies what is pending to one database, file by file.
async fn migrate(
    session: &Session,
    places: &mut Places<'_>,
    at: usize,
    report: &mut UpReport,
) -> Result<(), CliError> {
    let opened = places.ensure(at).await?;
    let place = &places.all[at];
    let row = &mut report.databases[at];
    row.name = place.name.clone();
    if let Some(d1) = &opened.d1 {
        let bookmark = d1.bookmark().await.map_err(failure::of_platform)?;
        session.ui.detail(&format!("{}: before it stands at {bookmark}", place.name));
        row.bookmark = Some(bookmark);
    }
    let migrator = place.migrator(&opened);
    let of_migrate = |error| failure::of_migrate(&place.shown(), error);
    let mut pending = migrator.begin(&place.files).await.map_err(of_migrate)?;
    row.pending.clear();
    let line = session.ui.progress(place.shown());
    while let Some(file) = pending.peek() {
        let name = file.name.clone();
        if session.cancel.is_cancelled() {
            let error = CliError::new(Exit::Interrupted, "interrupted", "it was interrupted");
            return Err(error.with_hint("run the same command again to apply the rest"));
        }
        line.set(&name);
        session.ui.event(&Event::started(&place.name, &name))?;
        let applied = pending.next().await.map_err(of_migrate)?;
        session.ui.event(&Event::applied(&place.name, &name))?;
        row.applied.push(name);
        let rebuilds = applied.into_iter().flat_map(|applied| applied.rebuilds);
        row.rebuilds.extend(rebuilds.map(RebuildDocument::from));
    }
    row.fate = if row.applied.is_empty() { Fate::Unchanged } else { Fate::Applied };
    line.finish(&format!("{} applied", row.applied.len()));
    Ok(())
}

/// Says who is where, and what there is to do.
fn conclude(
    session: &Session,
    places: &Places<'_>,
    args: &UpArgs,
    mut report: UpReport,
    failed: Option<CliError>,
) -> Result<Exit, CliError> {
    report.settle(places, args.dry_run);
    let partly = report.databases.iter().any(|one| !one.applied.is_empty());
    // What is applied stays; the same command goes on.
    let failed = failed.map(|error| match partly && error.exit() != Exit::Interrupted {
        true => error.with_exit(Exit::Partly),
        false => error,
    });
    let document = UpDocument::new(&report, args.dry_run, places.calls(), failed.as_ref());
    session.ui.document(&document)?;
    session.ui.text(report.text(args.dry_run).trim_end())?;
    for hint in report.ways_back() {
        session.ui.say(&hint);
    }
    let Some(error) = failed else { return Ok(Exit::Done) };
    session.ui.error(&error);
    Ok(error.exit())
}
