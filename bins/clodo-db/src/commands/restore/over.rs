//! Into the D1 database that is there.

use super::{Into, RestoreReport, Work};
use crate::{
    failure::interrupted,
    keeping::{self, Claim, Rules, Watched, of_backup, of_restore},
    places::Opened,
};
use clodo_cli::{CliError, Exit};
use clodo_db::{
    BackupError, Database, DatabaseErrorKind, Existing, Held, RestoreError, RestoreOptions, held,
    restore,
};

pub(super) async fn into_database(
    work: &mut Work<'_, '_>,
    report: &mut RestoreReport,
) -> Result<(), CliError> {
    report.into = Into::Database;
    work.places.connect().await?;
    let made = work.args.create || work.places.makes_its_own();
    let doing = format!("Restore {}", work.dump.file.shown.display());
    let opened = match work.places.find(0).await? {
        Some(opened) => {
            work.allowed(&doing)?;
            opened
        }
        None if !made => return Err(work.places.all[0].missing()),
        None => {
            work.allowed(&doing)?;
            let (all, maker) = work.places.maker();
            maker.ensure(&mut all[0]).await?
        }
    };
    // Another restore on this machine would write the same rows.
    let claim = work.kept.claim_to_read(work.session)?;
    let held = held(&*opened.database).await;
    let held = held.map_err(|error| of_backup(&work.places.all[0].shown(), error))?;
    let same = held.half.as_ref().is_some_and(|half| half.sha256 == work.dump.summary.sha256);
    let existing = match (held.is_empty() || same, work.args.over) {
        (true, _) => Existing::GoOn,
        (false, true) => Existing::Replace,
        // The library says which of the two it is.
        (false, false) => Existing::Refuse,
    };
    of_this_one(work, &opened, existing)?;
    if existing == Existing::Replace {
        rehearse(work, &claim).await?;
        give_up(work, &opened, (&held, &claim), report).await?;
    }
    run(work, &*opened.database, existing, report).await
}

/// Says that a backup is of another database that is called alike, as one that was made anew is; and refuses
/// it over rows where nobody has said that this one is meant.
fn of_this_one(work: &Work<'_, '_>, opened: &Opened, existing: Existing) -> Result<(), CliError> {
    let path = &work.dump.file.path;
    // By the name alone it was said before.
    if work.kept.is_of_another(path) || !work.kept.of_database(opened).is_of_another(path) {
        return Ok(());
    }
    let message = format!("{} is of another database, by its name", work.dump.file.shown.display());
    if existing == Existing::Replace && work.args.backup == "latest" {
        return Err(CliError::new(Exit::Refused, "of_another", message)
            .with_hint("`clodo-db backups` lists all; name the one that is meant"));
    }
    work.session.ui.warn(&message);
    Ok(())
}

/// Sees that the backup comes back at all, before anything goes: in a file, by D1's rules.
async fn rehearse(work: &Work<'_, '_>, claim: &Claim) -> Result<(), CliError> {
    let name = &work.places.all[0].name;
    let look = |error| of_backup(&name.to_string(), BackupError::Database(error));
    let path = claim.scratch()?.join("rehearsal.sqlite");
    let database = keeping::scratch(&path, None, Rules::Enforced).await.map_err(look)?;
    let watched = Watched::new(&database, work.session, name, "tried", Some(work.dump.text_bytes));
    let tried = restore(&watched, &work.dump.file.path, &RestoreOptions::default()).await;
    drop(watched);
    keeping::close(database).await;
    // What stays goes with the folder, before the next command.
    let _ = std::fs::remove_file(&path);
    let error = match tried {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    if work.session.cancel.is_cancelled() {
        return Err(interrupted("nothing was changed; run it again"));
    }
    match &error {
        // That is no fault of the backup.
        RestoreError::Stopped { source, .. } if source.kind() == DatabaseErrorKind::Full => {
            let said = format!("{name}: there is no room to try the backup first: {source}");
            work.session.ui.warn(&said);
            Ok(())
        }
        RestoreError::Stopped { .. } => {
            Err(of_restore(&name.to_string(), error).with_exit(Exit::Refused).with_hint(
                "nothing was changed: this backup does not come back; `backups` lists others",
            ))
        }
        _ => Err(of_restore(&name.to_string(), error)),
    }
}

/// Says what goes, asks, and keeps it.
async fn give_up(
    work: &Work<'_, '_>,
    opened: &Opened,
    (held, claim): (&Held, &Claim),
    report: &mut RestoreReport,
) -> Result<(), CliError> {
    let place = &work.places.all[0];
    let counts = keeping::counted_rows(held.rows.values());
    let session = work.session;
    for (table, rows) in &held.rows {
        session.ui.detail(&format!("{}: {table} holds {rows} rows", place.name));
    }
    let what = match held.half {
        None => "a backup of them is taken first",
        Some(_) => "it is half restored, so that no backup of them is taken",
    };
    session.ui.say(&format!("{}: {counts} go; {what}.", place.name));
    work.sure(&format!("Put the backup in the place of all that {} holds?", place.name))?;
    let half = held.half.is_some();
    report.saved = keeping::save(session, (place, opened), half, (&work.kept, claim)).await?;
    Ok(())
}

/// Restores, and says what became of the database when it is stopped.
pub(super) async fn run(
    work: &Work<'_, '_>,
    database: &dyn Database,
    existing: Existing,
    report: &mut RestoreReport,
) -> Result<(), CliError> {
    let place = (&work.places.all[0], database);
    match keeping::fill(work.session, place, &work.dump, existing).await {
        Ok(done) => {
            report.restored = Some(done);
            Ok(())
        }
        Err(stopped) => {
            report.half = stopped.half;
            Err(stopped.error)
        }
    }
}
