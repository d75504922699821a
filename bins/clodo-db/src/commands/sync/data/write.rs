//! Rows are read, changed, tried, and only then written.

use super::{
    ends::Both,
    job::{Job, Next, Side, Target, Work},
    report::{Fate, Row},
};
use crate::{
    failure::{self, interrupted},
    keeping::{self, Claim, Dump, Rules, Watched, of_backup, of_io, of_restore},
    places::Place,
};
use clodo_cli::{CliError, Exit};
use clodo_db::{
    BackupOptions, CopyError, CopyPlan, Ends, Existing, Keeper, MisfitError, RestoreOptions,
    try_copy,
};
use std::path::{Path, PathBuf};

/// What is written.
pub(super) struct Ready {
    dump: Dump,
    existing: Existing,
    /// For a file: the new content, and the claim on where that lies.
    file: Option<(Claim, PathBuf)>,
    /// Where the destination was when it was read.
    before: Option<String>,
}

const AGAIN: &str = "nothing was written; run it again";

/// Puts together what the destination will be, and tries it in a database of its own.
pub(super) async fn make(work: &Work<'_>, both: &Both<'_>, job: &Job) -> Result<Ready, CliError> {
    let plan = match &job.next {
        Next::GoOn(dump) => {
            let (dump, existing) = (dump.clone(), Existing::GoOn);
            return Ok(Ready { dump, existing, file: None, before: None });
        }
        Next::Copy(plan) => plan,
    };
    let to = &both.to.all[job.to];
    let before = match &job.target {
        Target::There(side) => Some(moment(to, side).await?),
        Target::New(_) => None,
    };
    let dump = read(work, both, job, plan).await?;
    let made = tried(work, to, job, &dump).await;
    match made {
        Ok(file) => Ok(Ready { dump, existing: Existing::Replace, file, before }),
        Err(error) => {
            forget(job).await;
            Err(error)
        }
    }
}

async fn moment(to: &Place, side: &Side) -> Result<String, CliError> {
    let moment = side.moments().moment().await;
    moment.map_err(|error| failure::of_database(&to.shown(), "it cannot be read", error))
}

/// Reads the rows into a file of the shape of a backup.
async fn read(
    work: &Work<'_>,
    both: &Both<'_>,
    job: &Job,
    plan: &CopyPlan,
) -> Result<Dump, CliError> {
    let from = &both.from.all[job.from];
    let kept = job.kept.sync();
    let store = kept.store()?;
    // What is left of runs that wrote nothing is of no use.
    for name in kept.names().await? {
        store
            .remove(&name)
            .await
            .map_err(|error| of_io(&format!("could not remove {name}"), error))?;
    }
    let watched = Watched::new(job.source.database(), work.session, &from.name, "read", None);
    let there = match &job.target {
        Target::There(side) => Some((side.database(), side.moments())),
        Target::New(_) => None,
    };
    let ends = Ends { source: (&watched, job.source.moments()), destination: there };
    let options = BackupOptions::default().with_scratch(job.claim.scratch()?);
    let keeper = Keeper::new(&*store);
    let copied = keeper.copy(&ends, (plan, work.key.as_ref()), &job.dump, &options).await;
    let report = copied.map_err(|error| match error {
        _ if work.session.cancel.is_cancelled() => interrupted(AGAIN),
        CopyError::Backup(error) => of_backup(&from.shown(), error),
        _ => super::key::missing(),
    })?;
    if !report.summary.consistent {
        work.session.ui.warn(&format!(
            "{}: it was written to while it was read: the rows are of no one moment",
            from.name
        ));
    }
    Dump::check(work.session, kept.file(work.session, &job.dump).await?).await
}

/// A copy of which nothing was written is of no use.
async fn forget(job: &Job) {
    if let Ok(store) = job.kept.sync().store() {
        // What stays is removed by the next run.
        let _ = store.remove(&job.dump).await;
    }
}

/// Fills a database of its own with it; of a file that is what takes its place.
async fn tried(
    work: &Work<'_>,
    to: &Place,
    job: &Job,
    dump: &Dump,
) -> Result<Option<(Claim, PathBuf)>, CliError> {
    let (claim, path, size) = match (&job.target, to.file()) {
        (Target::New(file), _) => {
            keeping::no_remains(file)?;
            let (claim, path) = keeping::beside(&work.session.ui, file)?;
            (Some(claim), path, None)
        }
        (Target::There(Side { file: Some(live), .. }), Some(file)) => {
            let size = keeping::page_size(to, live).await?;
            let (claim, path) = keeping::beside(&work.session.ui, file)?;
            (Some(claim), path, Some(size))
        }
        _ => (None, job.claim.scratch()?.join("trial.sqlite"), None),
    };
    let tried = fill_scratch(&path, size, dump).await.map_err(|error| misfit(to, error));
    match (claim, tried) {
        (Some(claim), Ok(())) => Ok(Some((claim, path))),
        (Some(claim), Err(error)) => {
            claim.end();
            Err(error)
        }
        (None, tried) => tried.map(|()| None),
    }
}

async fn fill_scratch(path: &Path, size: Option<i64>, dump: &Dump) -> Result<(), MisfitError> {
    let look = |error| clodo_db::RestoreError::Look(clodo_db::BackupError::Database(error));
    let scratch = keeping::scratch(path, size, Rules::Enforced).await;
    let scratch = scratch.map_err(|error| MisfitError::Trial(look(error)))?;
    let tried = try_copy(&dump.file.path, &scratch, &RestoreOptions::default()).await;
    keeping::close(scratch).await;
    tried.map(|_| ())
}

fn misfit(to: &Place, error: MisfitError) -> CliError {
    let hint = match &error {
        MisfitError::Trial(_) => None,
        MisfitError::References(_) => {
            Some("give columns that refer to each other the same rule, and copy both tables")
        }
        _ => Some("change the rules: `hash` and `fake email` keep apart what is told apart"),
    };
    match (error, hint) {
        (MisfitError::Trial(error), _) => of_restore(&to.shown(), error),
        (error, hint) => {
            let message = format!("{}: {error}", to.name);
            let error = CliError::new(Exit::Refused, "does_not_fit", message);
            error.with_hint(hint.unwrap_or(AGAIN))
        }
    }
}

/// Writes it, once what was there is kept.
pub(super) async fn put(
    work: &Work<'_>,
    both: &Both<'_>,
    (job, ready): (&Job, Ready),
    row: &mut Row,
) -> Result<(), CliError> {
    row.fate = Fate::Failed;
    let to = &both.to.all[job.to];
    let done = match &job.target {
        Target::New(file) => match ready.file {
            Some((claim, scratch)) => {
                let put = keeping::put(&scratch, file);
                claim.end();
                put
            }
            None => Err(to.missing()),
        },
        Target::There(side) => over(work, to, (job, side), ready, row).await,
    };
    if done.is_ok() {
        row.half_filled = false;
    }
    if !row.half_filled {
        forget(job).await;
    }
    done?;
    row.fate = Fate::Copied;
    Ok(())
}

async fn over(
    work: &Work<'_>,
    to: &Place,
    (job, side): (&Job, &Side),
    ready: Ready,
    row: &mut Row,
) -> Result<(), CliError> {
    if work.session.cancel.is_cancelled() {
        return Err(interrupted(AGAIN));
    }
    let half = ready.existing == Existing::GoOn;
    let keep = (&job.kept, &job.claim);
    row.saved = keeping::save(work.session, (to, &side.opened), half, keep).await?;
    let written = match &ready.before {
        Some(before) => moment(to, side).await? != *before,
        None => false,
    };
    if written {
        return Err(keeping::written_meanwhile(to));
    }
    if let (Some((claim, scratch)), Some(live)) = (ready.file, &side.file) {
        let filled = match keeping::keep_numbers(to, live, &scratch).await {
            Ok(()) => keeping::fill_file(to, live, &scratch).await,
            Err(error) => Err(error),
        };
        claim.end();
        return filled;
    }
    match keeping::fill(work.session, (to, side.database()), &ready.dump, ready.existing).await {
        Ok(done) => {
            row.went_on = done.before > 0 || half;
            Ok(())
        }
        Err(stopped) => {
            row.half_filled = stopped.half;
            if stopped.half {
                row.fate = Fate::Half;
            }
            Err(stopped.error)
        }
    }
}
