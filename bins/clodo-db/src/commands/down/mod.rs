mod check;
mod report;

use crate::{args::DownArgs, failure, findings, keeping, places::Places};
use check::{Checked, check};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use report::{DownReport, Event, Fate, RebuildDocument};

/// `clodo-db down`: as for `up`, every database is checked before the first one is changed, and those
/// behind one that fails are left alone.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DownArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let mut checked = Vec::new();
    for at in 0..places.all.len() {
        checked.push(check(session, global, &mut places, at, args).await?);
    }
    let mut report = DownReport::new(&places, &checked);
    if let Some(refused) = refused(session, &mut checked, &mut report) {
        return report::conclude(session, &places, args, report, Some(refused));
    }
    let which: Vec<usize> = (0..checked.len()).filter(|at| !checked[*at].plan.is_empty()).collect();
    if args.dry_run || which.is_empty() {
        return report::conclude(session, &places, args, report, None);
    }
    let hint = "write a new migration that goes forward instead";
    let allowed = which.iter().try_for_each(|at| places.all[*at].takes_changes(hint));
    if let Err(refused) = allowed {
        return report::conclude(session, &places, args, report, Some(refused));
    }
    sure(session, &places, &checked, &which, args)?;
    let mut failed = None;
    for at in which {
        let done = take_back(session, global, &mut places, (at, &checked[at]), &mut report).await;
        if let Err(error) = done {
            report.databases[at].fate = Fate::Failed;
            failed = Some(error);
            break;
        }
    }
    report::conclude(session, &places, args, report, failed)
}

/// Asks in any case: what a migration made goes with what was written into it.
fn sure(
    session: &Session,
    places: &Places<'_>,
    checked: &[Checked],
    which: &[usize],
    args: &DownArgs,
) -> Result<(), CliError> {
    let files: usize = which.iter().map(|at| checked[*at].plan.len()).sum();
    let names: Vec<String> = which.iter().map(|at| places.all[*at].name.to_string()).collect();
    let question = format!("Take {} back in {}?", counted(files, "migration"), names.join(", "));
    if args.yes || session.ui.confirm(&question, "--yes")? {
        return Ok(());
    }
    Err(failure::not_confirmed())
}

/// Why nothing may be taken back, if so; findings are said.
fn refused(
    session: &Session,
    checked: &mut [Checked],
    report: &mut DownReport,
) -> Option<CliError> {
    let found = checked.iter().flat_map(|one| &one.findings);
    let blocked = findings::gathered(&session.ui, found, &mut report.findings);
    checked.iter_mut().find_map(|one| one.refused.take()).or(blocked)
}

/// Takes back what was checked in one database, the last migration first.
async fn take_back(
    session: &Session,
    global: &GlobalArgs,
    places: &mut Places<'_>,
    (at, checked): (usize, &Checked),
    report: &mut DownReport,
) -> Result<(), CliError> {
    let opened = places.expect(at).await?;
    let place = &places.all[at];
    let kept = places.kept(session, global, at);
    let row = &mut report.databases[at];
    match &opened.d1 {
        Some(d1) => row.bookmark = Some(d1.bookmark().await.map_err(failure::of_platform)?),
        // It has no history of its own.
        None => {
            let claim = kept.claim(session)?;
            let taken = keeping::take(session, place, &opened, (&kept.before(), &claim)).await?;
            row.saved = Some((&taken).into());
        }
    }
    let migrator = place.migrator(&opened);
    let line = session.ui.progress(place.shown());
    for reversal in &checked.reversals {
        if session.cancel.is_cancelled() {
            return Err(failure::interrupted("`clodo-db status` says what is taken back"));
        }
        line.set(&reversal.name);
        session.ui.event(&Event::started(&place.name, &reversal.name))?;
        let rebuilds = migrator.revert(reversal).await;
        let rebuilds = rebuilds.map_err(|error| failure::of_migrate(&place.shown(), error))?;
        session.ui.event(&Event::reverted(&place.name, &reversal.name))?;
        row.reverted.push(reversal.name.clone());
        row.rebuilds.extend(rebuilds.into_iter().map(RebuildDocument::from));
    }
    row.fate = Fate::Reverted;
    line.finish(&format!("{} taken back", row.reverted.len()));
    Ok(())
}
