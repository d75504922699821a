pub(crate) mod check;
mod fleet;
mod report;

use crate::{
    args::UpArgs,
    failure, findings,
    keeping::Kept,
    places::{Opened, Places},
    running::CodeDocument,
};
use check::{Checked, check};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use clodo_db::MigrationFolder;
use fleet::{Fleet, Job};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use report::{UpDocument, UpReport};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use report::{PlanDocument, RebuildDocument, kept};

/// `clodo-db up`: every database is checked before the first one is changed; others are left alone
/// once one fails.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &UpArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let (mut checked, found) = check_all(session, &mut places, args).await?;
    add_costs(&places, &found, &mut checked).await?;
    let tried: BTreeSet<&CodeDocument> =
        checked.iter().filter_map(|one| one.code.as_ref()).collect();
    for code in tried {
        session.ui.say(&code.text());
    }
    let mut report = UpReport::new(&places, &checked, args.dry_run);
    if let Some(refused) = refused(session, &mut checked, &mut report) {
        return conclude(session, &places, args, report, Some(refused));
    }
    if args.dry_run {
        return conclude(session, &places, args, report, None);
    }
    let which: Vec<usize> = (0..checked.len()).filter(|at| checked[*at].planned() > 0).collect();
    if which.is_empty() {
        return conclude(session, &places, args, report, None);
    }
    let hint = "`clodo-deploy deploy` asks for one and migrates with it";
    let allowed = which.iter().try_for_each(|at| places.all[*at].takes_changes(hint));
    if let Err(refused) = allowed {
        return conclude(session, &places, args, report, Some(refused));
    }
    let files: usize = checked.iter().map(|one| one.planned()).sum();
    let doing = format!("Apply {}", counted(files, "migration"));
    places.confirm(session, &which, &doing, args.yes)?;
    let which: BTreeSet<usize> = which.into_iter().collect();
    let keep = |at: usize| args.backup.then(|| places.kept(session, global, at));
    let kept: Vec<Option<Kept>> = (0..places.all.len()).map(keep).collect();
    let (all, maker) = places.maker();
    let plans = checked.into_iter().map(|one| one.plan);
    let jobs = all.iter_mut().zip(&mut report.databases).zip(kept).zip(plans).enumerate();
    let jobs = jobs.filter(|(at, _)| which.contains(at));
    let job = |(_, (((place, row), kept), plan))| Some(Job { place, row, kept, plan: plan? });
    let jobs = jobs.filter_map(job).collect();
    let done =
        Fleet::new(session, maker).freezing(args.freeze).run(jobs, args.at_once.concurrency).await;
    conclude(session, &places, args, report, done.err())
}

/// Looks at every database, several at the same time.
async fn check_all(
    session: &Session,
    places: &mut Places<'_>,
    args: &UpArgs,
) -> Result<(Vec<Checked>, Vec<Option<Opened>>), CliError> {
    let create = args.create || places.makes_its_own();
    let found = places.find_all().await?;
    let running = places.running(session)?;
    let checks = places.all.iter().zip(&found);
    let checks = checks.map(|(place, opened)| check(place, opened.as_ref(), &running, create));
    let checks = stream::iter(checks).buffered(args.at_once.concurrency.get());
    let mut texts = BTreeSet::new();
    let shared = checks.map_ok(|mut checked| {
        if let Some(plan) = &mut checked.plan {
            plan.share_texts(&mut texts);
        }
        checked
    });
    let checked: Vec<Checked> = shared.try_collect().await?;
    Ok((checked, found))
}

/// Adds what reading big tables is billed as, which costs a question: of many databases with the same
/// files the first ones are asked.
async fn add_costs(
    places: &Places<'_>,
    found: &[Option<Opened>],
    checked: &mut [Checked],
) -> Result<(), CliError> {
    /// So many rows are read before anybody is told.
    const BIG: u64 = 1_000_000;
    const ASKED: usize = 4;
    let mut asked: BTreeMap<&MigrationFolder, usize> = BTreeMap::new();
    for ((place, opened), checked) in places.all.iter().zip(found).zip(checked) {
        let (Some(opened), Some(plan)) = (opened, &checked.plan) else { continue };
        let count = asked.entry(place.migrations()).or_default();
        *count += 1;
        if *count > ASKED {
            continue;
        }
        let costs = plan.costs(&*opened.database, BIG).await;
        let doing = "what it costs is not known";
        let costs = costs.map_err(|error| failure::of_database(&place.shown(), doing, error))?;
        checked.findings.extend(costs);
    }
    Ok(())
}

/// Why nothing may be applied, if so; findings are said.
fn refused(session: &Session, checked: &mut [Checked], report: &mut UpReport) -> Option<CliError> {
    let found = checked.iter().flat_map(|one| &one.findings);
    let blocked = findings::gathered(&session.ui, found, &mut report.findings);
    checked.iter_mut().find_map(|one| one.refused.take()).or(blocked)
}

/// Says who is where, and what there is to do.
fn conclude(
    session: &Session,
    places: &Places<'_>,
    args: &UpArgs,
    mut report: UpReport,
    failed: Option<CliError>,
) -> Result<Exit, CliError> {
    report.settle(places);
    let partly = report.databases.iter().any(|one| !one.applied.is_empty());
    let failed = failed.map(|error| failure::after_a_part(error, partly));
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
