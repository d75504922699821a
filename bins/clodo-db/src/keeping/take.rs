use super::{Claim, Kept, Watched, dump::is_damage, of_backup, of_io};
use crate::{
    failure::interrupted,
    places::{Opened, Place},
};
use clodo_cli::{CliError, Exit, Session};
use clodo_db::{
    BackupError, BackupOptions, BackupReport, Database, Keeper, Moments, RestoreError,
    SqliteDatabase, Statement, Still, Summary,
};
use clodo_sqlite::OpenOptions;
use clodo_types::{Clock as _, SystemClock};
use std::path::{Path, PathBuf};

/// A backup that was just taken: it is durable, and reads back as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) name: String,
    /// The file as messages should show it.
    pub(crate) shown: PathBuf,
    /// How large the file is.
    pub(crate) bytes: u64,
    /// How long its text is.
    pub(crate) text_bytes: u64,
    pub(crate) summary: Summary,
    /// How often the database was gone through.
    pub(crate) attempts: u32,
}

/// Backs a database up.
///
/// A file is copied first, so that the backup is of one moment whoever writes meanwhile; tables of D1
/// that somebody writes to are read again.
pub(crate) async fn take(
    session: &Session,
    place: &Place,
    opened: &Opened,
    (kept, claim): (&Kept, &Claim),
) -> Result<Taken, CliError> {
    let scratch = claim.scratch()?;
    let of_this = kept.of_database(opened);
    let kept = &of_this;
    let name = kept.free_name(SystemClock.now()).await?;
    let report = match (&opened.d1, place.file()) {
        (Some(d1), _) => {
            // Only for the estimate.
            let total = d1.size().await.ok().flatten();
            let options = BackupOptions::default().with_scratch(&scratch);
            let watched = Watched::new(&d1.database, session, &place.name, "read", total);
            write(session, place, (&watched, &d1.database), (kept, &name), &options).await?
        }
        (None, Some(file)) => {
            let copy = copied(place, file, &scratch.join("copy.sqlite")).await?;
            let damage = damaged(place, &copy).await?;
            if let Some(said) = &damage {
                session.ui.warn(&format!(
                    "{}: the file is damaged, and its backup holds only what can be read of it: {said}",
                    place.name
                ));
            }
            let total = std::fs::metadata(scratch.join("copy.sqlite")).ok().map(|file| file.len());
            let watched = Watched::new(&copy, session, &place.name, "read", total);
            let options = BackupOptions::default().with_damage(damage);
            write(session, place, (&watched, &Still), (kept, &name), &options).await?
        }
        (None, None) => return Err(place.missing()),
    };
    read_back(kept, &name, report).await
}

/// The first thing that is wrong with a file.
async fn damaged(place: &Place, copy: &SqliteDatabase) -> Result<Option<String>, CliError> {
    let checked = copy.query(&Statement::new("PRAGMA quick_check(1)")).await;
    let checked =
        checked.map_err(|error| of_backup(&place.shown(), BackupError::Database(error)))?;
    let said = checked.rows.into_iter().flatten().next();
    Ok(said.and_then(|said| said.as_text().map(str::to_owned)).filter(|said| said != "ok"))
}

async fn write(
    session: &Session,
    place: &Place,
    (database, moments): (&dyn Database, &dyn Moments),
    (kept, name): (&Kept, &str),
    options: &BackupOptions,
) -> Result<BackupReport, CliError> {
    let store = kept.store()?;
    let report = Keeper::new(&*store).back_up(database, moments, name, options).await;
    report.map_err(|error| match session.cancel.is_cancelled() {
        true => interrupted("run it again: of this backup nothing is left"),
        false => of_backup(&place.shown(), error),
    })
}

/// The file as it is at one moment.
async fn copied(place: &Place, file: &Path, to: &Path) -> Result<SqliteDatabase, CliError> {
    let options = OpenOptions::default().with_create(false).with_keep_journal();
    let copy = match SqliteDatabase::open(file, options).await {
        Ok(live) => live.copy_to(to).await,
        Err(error) => Err(error),
    };
    copy.map_err(|error| of_backup(&place.shown(), BackupError::Database(error)))
}

/// What a disk gives back is not always what was written to it.
async fn read_back(kept: &Kept, name: &str, report: BackupReport) -> Result<Taken, CliError> {
    let store = kept.store()?;
    let shown = kept.shown_path(name);
    let failed = |error| of_io(&format!("could not read {} back", shown.display()), error);
    let read = Keeper::new(&*store).verify(name).await;
    if !read.as_ref().is_ok_and(|summary| summary.sha256 == report.summary.sha256) {
        // What is not proved does not stay to be taken for a backup.
        store.remove(name).await.map_err(failed)?;
        if let Err(RestoreError::Read(error)) = read
            && !is_damage(&error)
        {
            let doing = format!("{} could not be read back, and was removed", shown.display());
            return Err(of_io(&doing, error));
        }
        let message =
            format!("{} does not read back as it was written, and was removed", shown.display());
        let hint = match kept.is_remote() {
            true => "run it again; earlier backups are as they were",
            false => "check the disk; earlier backups are as they were",
        };
        return Err(CliError::new(Exit::Failed, "damaged", message).with_hint(hint));
    }
    let all = store.list().await.map_err(failed)?;
    let bytes = all.iter().find(|one| one.name == name).map_or(0, |one| one.bytes);
    Ok(Taken {
        shown,
        name: name.to_owned(),
        bytes,
        text_bytes: report.bytes,
        summary: report.summary,
        attempts: report.attempts,
    })
}
