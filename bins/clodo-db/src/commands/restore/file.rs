//! Into a SQLite file: made beside it, and put in its place as a whole.

use super::{Into, RestoreReport, Work};
use crate::{
    failure::interrupted,
    keeping::{self, Claim, Rules, Watched, of_restore, shown},
    places::open_file,
};
use clodo_cli::CliError;
use clodo_db::{RestoreOptions, SqliteDatabase, held, restore};
use std::path::{Path, PathBuf};

/// Of a D1 database into a file that is not there.
pub(super) async fn into_new(
    work: &mut Work<'_, '_>,
    file: &Path,
    report: &mut RestoreReport,
) -> Result<(), CliError> {
    let to = work.session.directory.join(file);
    report.into = Into::File;
    report.file = Some(shown(work.session, &to));
    if to.exists() {
        return Err(keeping::in_the_way(&to));
    }
    made(work, &to, report).await
}

/// Into the file that was named with `--sqlite`, whether it is there or not.
pub(super) async fn into_own(
    work: &mut Work<'_, '_>,
    report: &mut RestoreReport,
) -> Result<(), CliError> {
    let place = &work.places.all[0];
    let to = place.file().expect("a place that is a file").to_owned();
    report.into = Into::File;
    report.file = Some(shown(work.session, &to));
    if !to.exists() {
        return made(work, &to, report).await;
    }
    let cannot = "move it away, with its `-wal` and `-shm`, then run it again";
    let opened = open_file(&place.name, &to, false).await;
    let opened = opened.map_err(|error| match error.kind() {
        "not_a_database" => error.with_hint(cannot),
        _ => error,
    })?;
    let live = keeping::live(place, &to).await?;
    let moment = keeping::moment_of(place, &live).await;
    let moment = moment.map_err(|error| error.with_hint(cannot))?;
    let held = held(&*opened.database).await;
    let held = held.map_err(|error| keeping::of_backup(&place.shown(), error).with_hint(cannot))?;
    keeping::no_others(place, &live).await?;
    if !held.is_empty() {
        if !work.args.over {
            return Err(of_restore(&place.shown(), clodo_db::RestoreError::NotEmpty)
                .with_hint("give --over when all that it holds may go, or name another file"));
        }
        let counts = keeping::counted_rows(held.rows.values());
        work.session.ui.say(&format!(
            "{}: {counts} go; {}.",
            place.name,
            match held.half {
                None => "a backup of them is taken first",
                Some(_) => "it is half restored, so that no backup of them is taken",
            }
        ));
        work.sure(&format!("Put the backup in the place of all that {} holds?", place.name))?;
        let claim = work.kept.claim_to_read(work.session)?;
        let half = held.half.is_some();
        let keep = (&work.kept, &claim);
        report.saved = keeping::save(work.session, (place, &opened), half, keep).await?;
    }
    filled(work, (&live, &moment), &to, report).await
}

/// The backup becomes a file of this name, which nobody had.
async fn made(work: &Work<'_, '_>, to: &Path, report: &mut RestoreReport) -> Result<(), CliError> {
    keeping::no_remains(to)?;
    let (claim, scratch) = beside(work, to, None, report).await?;
    let placed = keeping::put(&scratch, to);
    claim.end();
    if placed.is_err() {
        report.restored = None;
    }
    placed
}

/// A file that others may have open gets the content in one transaction.
async fn filled(
    work: &Work<'_, '_>,
    (live, before): (&SqliteDatabase, &str),
    to: &Path,
    report: &mut RestoreReport,
) -> Result<(), CliError> {
    let place = &work.places.all[0];
    let size = keeping::page_size(place, live).await?;
    let (claim, scratch) = beside(work, to, Some(size), report).await?;
    let filled = match keeping::moment_of(place, live).await {
        Ok(now) if now == before => match keeping::keep_numbers(place, live, &scratch).await {
            Ok(()) => keeping::fill_file(place, live, &scratch).await,
            Err(error) => Err(error),
        },
        Ok(_) => Err(keeping::written_meanwhile(place)),
        Err(error) => Err(error),
    };
    claim.end();
    if filled.is_err() {
        report.restored = None;
    }
    filled
}

/// Restores into a file in a folder beside `to`, and says where it is.
async fn beside(
    work: &Work<'_, '_>,
    to: &Path,
    page_size: Option<i64>,
    report: &mut RestoreReport,
) -> Result<(Claim, PathBuf), CliError> {
    let (claim, scratch) = keeping::beside(&work.session.ui, to)?;
    let name = &work.places.all[0].name;
    match into_scratch(work, &scratch, page_size).await {
        Ok(done) => {
            report.restored = Some(done);
            Ok((claim, scratch))
        }
        Err(error) => {
            claim.end();
            Err(match work.session.cancel.is_cancelled() {
                true => interrupted("nothing was changed; run it again"),
                // What was done is done in the scratch file only.
                false => of_restore(&name.to_string(), error),
            })
        }
    }
}

async fn into_scratch(
    work: &Work<'_, '_>,
    scratch: &Path,
    page_size: Option<i64>,
) -> Result<clodo_db::RestoreReport, clodo_db::RestoreError> {
    let look = |error| clodo_db::RestoreError::Look(clodo_db::BackupError::Database(error));
    let database = keeping::scratch(scratch, page_size, Rules::AsItWas).await.map_err(look)?;
    let name = &work.places.all[0].name;
    let total = Some(work.dump.text_bytes);
    let watched = Watched::new(&database, work.session, name, "written", total);
    let done = restore(&watched, &work.dump.file.path, &RestoreOptions::default()).await?;
    drop(watched);
    keeping::close(database).await;
    Ok(done)
}
