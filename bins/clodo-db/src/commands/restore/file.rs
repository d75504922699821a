//! Into a SQLite file: made beside it, and put in its place as a whole.

use super::{Into, RestoreReport, Work};
use crate::{
    failure::{self, interrupted},
    keeping::{self, Claim, Watched, of_io, of_restore, shown},
    places::open_file,
};
use clodo_cli::{CliError, Exit};
use clodo_db::{
    Database as _, DatabaseError, DatabaseErrorKind, Moments as _, RestoreOptions, SqliteDatabase,
    Statement, held, restore,
};
use clodo_sqlite::{Durability, OpenOptions, SqliteErrorKind, rusqlite};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

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
        return Err(in_the_way(&to));
    }
    made(work, &to, report).await
}

/// What SQLite writes beside a file would be taken for a part of the new one.
fn no_remains(to: &Path) -> Result<(), CliError> {
    for ending in ["-wal", "-journal", "-shm"] {
        let mut name = to.as_os_str().to_owned();
        name.push(ending);
        if Path::new(&name).exists() {
            let beside = Path::new(&name).display();
            let message = format!("{beside} is there, of a file that is gone");
            let error = CliError::new(Exit::Refused, "remains", message);
            return Err(error.with_hint("move it away: it may hold the last rows of that file"));
        }
    }
    Ok(())
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
    let live = live(work, &to).await?;
    let moment = moment(work, &live).await.map_err(|error| error.with_hint(cannot))?;
    let held = held(&*opened.database).await;
    let held = held.map_err(|error| keeping::of_backup(&place.shown(), error).with_hint(cannot))?;
    no_others(work, &live).await?;
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
        if held.half.is_none() {
            let claim = work.kept.claim_to_read(work.session)?;
            let before = work.kept.before();
            let taken = keeping::take(work.session, place, &opened, (&before, &claim)).await?;
            work.session.ui.say(&format!("{}: kept as {}", place.name, taken.shown.display()));
            report.saved = Some(taken);
        }
    }
    filled(work, (&live, &moment), &to, report).await
}

/// Tables that no backup holds would be gone for good.
async fn no_others(work: &Work<'_, '_>, live: &SqliteDatabase) -> Result<(), CliError> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_clodo_restore' \
               AND (lower(name) GLOB '_cf_*' OR lower(name) GLOB '_clodo_*') \
               AND name NOT GLOB '_clodo_stage_*' AND name NOT GLOB '_clodo_pieces*' LIMIT 1";
    let rows = live.query(&Statement::new(sql)).await;
    let name = work.places.all[0].shown();
    let rows = rows.map_err(|error| failure::of_database(&name, "it cannot be read", error))?.rows;
    let Some(other) = rows.first().and_then(|row| row.first()?.as_text()) else { return Ok(()) };
    let message =
        format!("{name}: table {} is in no backup, and would be gone", other.escape_debug());
    Err(CliError::new(Exit::Refused, "not_in_backups", message)
        .with_hint("rename or drop it, or restore into another file"))
}

async fn live(work: &Work<'_, '_>, to: &Path) -> Result<SqliteDatabase, CliError> {
    let options = OpenOptions::default().with_create(false).with_keep_journal();
    let opened = SqliteDatabase::open(to, options).await;
    let name = work.places.all[0].shown();
    opened.map_err(|error| failure::of_database(&name, "it cannot be written", error))
}

/// Two that are equal: nobody wrote between them.
async fn moment(work: &Work<'_, '_>, live: &SqliteDatabase) -> Result<String, CliError> {
    let name = work.places.all[0].shown();
    live.moment().await.map_err(|error| failure::of_database(&name, "it cannot be read", error))
}

/// The backup becomes a file of this name, which nobody had.
async fn made(work: &Work<'_, '_>, to: &Path, report: &mut RestoreReport) -> Result<(), CliError> {
    no_remains(to)?;
    let (claim, scratch) = beside(work, to, None, report).await?;
    let failed = |error| of_io(&format!("could not make {}", to.display()), error);
    let placed = place(&scratch, to);
    claim.end();
    if placed.is_err() {
        report.restored = None;
    }
    match placed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(in_the_way(to)),
        placed => placed.map_err(failed),
    }
}

/// A file that others may have open gets the content in one transaction.
async fn filled(
    work: &Work<'_, '_>,
    (live, before): (&SqliteDatabase, &str),
    to: &Path,
    report: &mut RestoreReport,
) -> Result<(), CliError> {
    let name = work.places.all[0].shown();
    let doing = "it cannot be written";
    let of_database = |error| failure::of_database(&name, doing, error);
    // Pages of another size do not go into a file with a log.
    let size = live.sqlite().call(|db| db.query_row("PRAGMA page_size", [], |row| row.get(0)));
    let size: i64 = size.await.map_err(|error| of_database(said(&error)))?;
    let (claim, scratch) = beside(work, to, Some(size), report).await?;
    if moment(work, live).await? != before {
        claim.end();
        report.restored = None;
        let message = format!("{name}: somebody wrote to it meanwhile");
        let error = CliError::new(Exit::Refused, "written_meanwhile", message);
        return Err(error.with_hint("nothing was changed; run it again when nobody writes"));
    }
    let filled = live.sqlite().fill_from(&scratch).await;
    claim.end();
    filled.map_err(|error| {
        report.restored = None;
        of_database(said(&error))
    })
}

fn said(error: &clodo_sqlite::SqliteError) -> DatabaseError {
    let kind = match error.kind() {
        SqliteErrorKind::Busy => DatabaseErrorKind::Busy,
        SqliteErrorKind::Full => DatabaseErrorKind::Full,
        SqliteErrorKind::Denied => DatabaseErrorKind::Denied,
        SqliteErrorKind::Corrupt => DatabaseErrorKind::Corrupt,
        _ => DatabaseErrorKind::Other,
    };
    let cause = error.as_rusqlite().map(rusqlite::Error::to_string);
    DatabaseError::new(kind, cause.unwrap_or_else(|| error.to_string()))
}

/// Restores into a file in a folder beside `to`, and says where it is.
async fn beside(
    work: &Work<'_, '_>,
    to: &Path,
    page_size: Option<i64>,
    report: &mut RestoreReport,
) -> Result<(Claim, PathBuf), CliError> {
    let mut folder = std::ffi::OsString::from(".");
    folder.push(to.file_name().unwrap_or_default());
    folder.push(".restoring");
    let claim = Claim::of(&work.session.ui, &to.with_file_name(folder))?;
    let scratch = claim.scratch()?.join("database.sqlite");
    let name = &work.places.all[0].name;
    let restored = into_scratch(work, &scratch, page_size).await;
    match restored {
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

fn in_the_way(to: &Path) -> CliError {
    let error = CliError::usage(format!("{} is there already", to.display()));
    error.with_hint("name another file; `--sqlite FILE --over` writes over one")
}

/// Gives the file its name, once it is durable; one that came meanwhile keeps it.
fn place(scratch: &Path, to: &Path) -> io::Result<()> {
    File::open(scratch)?.sync_all()?;
    match fs::hard_link(scratch, to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Not every file system has links.
        Err(_) => fs::rename(scratch, to)?,
    }
    if let Some(folder) = to.parent()
        && let Ok(folder) = File::open(folder)
    {
        // Where a folder cannot be synced, the name has to do.
        let _ = folder.sync_all();
    }
    Ok(())
}

async fn into_scratch(
    work: &Work<'_, '_>,
    scratch: &Path,
    page_size: Option<i64>,
) -> Result<clodo_db::RestoreReport, clodo_db::RestoreError> {
    let look = |error| clodo_db::RestoreError::Look(clodo_db::BackupError::Database(error));
    // It is synced as a whole once it is there.
    let options = OpenOptions::default().with_keep_journal().with_durability(Durability::Normal);
    let database = SqliteDatabase::open(scratch, options).await.map_err(look)?;
    if let Some(size) = page_size {
        let set = move |db: &mut rusqlite::Connection| db.pragma_update(None, "page_size", size);
        database.sqlite().call(set).await.map_err(|error| look(said(&error)))?;
    }
    let name = &work.places.all[0].name;
    let total = Some(work.dump.text_bytes);
    let watched = Watched::new(&database, work.session, name, "written", total);
    let done = restore(&watched, &work.dump.file.path, &RestoreOptions::default()).await?;
    drop(watched);
    let closing = database.sqlite().closing();
    drop(database);
    closing.done().await;
    Ok(done)
}
