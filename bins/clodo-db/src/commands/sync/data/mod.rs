mod ends;
mod job;
mod key;
mod masks;
mod report;
mod rules;
mod write;

use crate::{args::SyncDataArgs, failure, places::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use ends::Both;
use job::{Job, Work};
use report::{Fate, Row};

/// `clodo-db sync data`: all databases are read, and what they will be is tried, before the first one is
/// changed.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &SyncDataArgs,
) -> Result<Exit, CliError> {
    let mut both = Both::open(session, global, args).await?;
    let used: Vec<&Place> = both.pairs.iter().map(|(_, to)| &both.to.all[*to]).collect();
    used.into_iter().try_for_each(|place| refuse_protected(place, args))?;
    one_kind(&both, args)?;
    let key = key::read(session, &args.key)?;
    let work = Work { session, global, args, key };
    let row = |(from, to): &(usize, usize)| Row {
        from: both.from.all[*from].name.clone(),
        to: both.to.all[*to].name.clone(),
        ..Row::default()
    };
    let mut rows: Vec<Row> = both.pairs.iter().map(row).collect();
    let failed = all(&work, &mut both, &mut rows).await.err();
    if !args.dry_run {
        rows.iter_mut().for_each(Row::settle);
    }
    report::conclude(session, args, (&both, &rows), failed)
}

async fn all(work: &Work<'_>, both: &mut Both<'_>, rows: &mut [Row]) -> Result<(), CliError> {
    let mut jobs = Vec::new();
    for (at, pair) in both.pairs.clone().into_iter().enumerate() {
        let prepared = job::prepare(work, both, pair, &mut rows[at]).await;
        // What would be done is worth knowing, even where it may not be.
        let unknown = prepared.is_err() && rows[at].fate != Fate::Planned;
        jobs.push(prepared.inspect_err(|_| {
            if unknown {
                rows[at].fate = Fate::Failed;
            }
        })?);
    }
    if work.args.dry_run {
        return Ok(());
    }
    ask(work, both, (&jobs, rows))?;
    let mut ready = Vec::new();
    for (at, job) in jobs.iter().enumerate() {
        if work.session.cancel.is_cancelled() {
            return Err(failure::interrupted("nothing was written; run it again"));
        }
        let made = write::make(work, both, job).await;
        ready.push(made.inspect_err(|_| rows[at].fate = Fate::Failed)?);
    }
    for (at, (job, ready)) in jobs.iter().zip(ready).enumerate() {
        if work.session.cancel.is_cancelled() {
            return Err(failure::interrupted("run the same command again for the rest"));
        }
        write::put(work, both, (job, ready), &mut rows[at]).await?;
    }
    Ok(())
}

/// Rows of elsewhere have no place in a protected environment, unless somebody says so twice.
fn refuse_protected(place: &Place, args: &SyncDataArgs) -> Result<(), CliError> {
    place.takes_changes(
        "write a migration: `clodo-deploy deploy` asks for an approval and applies it",
    )?;
    if !place.is_protected() || (args.into_protected && (args.yes || args.dry_run)) {
        return Ok(());
    }
    let message =
        format!("{}: its environment is protected, and its rows would be others", place.name);
    Err(CliError::new(Exit::Refused, "protected", message)
        .with_hint("name another `--to`; give both --into-protected and --yes when this is meant"))
}

/// One file of rules is about one schema.
fn one_kind(both: &Both<'_>, args: &SyncDataArgs) -> Result<(), CliError> {
    let kinds = both.from.all.windows(2).all(|two| two[0].name.kind() == two[1].name.kind());
    if args.mask.is_none() || kinds {
        return Ok(());
    }
    let error = CliError::usage("one file of rules is about the tables of one service and binding");
    Err(error.with_hint(
        "name one service, or write a `masks.toml` beside the migrations of each and leave --mask out",
    ))
}

/// Asks where rows go, and where the environment or the platform wants that.
fn ask(work: &Work<'_>, both: &Both<'_>, (jobs, rows): (&[Job], &[Row])) -> Result<(), CliError> {
    let goes: u64 = jobs.iter().map(Job::goes).sum();
    let which: Vec<usize> = jobs.iter().map(|job| job.to).collect();
    let copied: Vec<String> =
        rows.iter().map(|row| format!("{} into {}", row.counted(), row.to)).collect();
    let doing = format!("Copy {}", copied.join("; "));
    if goes == 0 {
        return both.to.confirm(work.session, &which, &doing, work.args.yes);
    }
    let gone = counted(usize::try_from(goes).unwrap_or(usize::MAX), "row");
    let question = format!("{doing}, in the place of {gone}?");
    if work.args.yes || work.session.ui.confirm(&question, "--yes")? {
        return Ok(());
    }
    Err(failure::not_confirmed())
}
