//! A database gets what a dump says, and what it held before is kept.

use super::{Claim, Dump, Kept, Taken, Watched, of_restore, take};
use crate::{
    failure::{self, interrupted},
    places::{Opened, Place},
    report::DatabaseName,
};
use clodo_cli::{CliError, Exit, Session};
use clodo_db::{
    Database, DatabaseErrorKind, Existing, Held, RestoreError, RestoreOptions, RestoreReport, held,
    restore,
};

/// What a database held before it was changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Saved {
    pub(crate) taken: Option<Taken>,
    /// Of D1, whose own history has it.
    pub(crate) bookmark: Option<String>,
}

impl Saved {
    /// How to get it back.
    pub(crate) fn way_back(&self, name: &DatabaseName) -> Option<String> {
        let command = match (&self.bookmark, &self.taken) {
            (Some(bookmark), _) => name.command(&format!("rewind {bookmark}")),
            // It holds less than there was.
            (None, Some(taken)) if taken.summary.damage.is_some() => return None,
            (None, Some(taken)) => {
                format!("{} --over", name.command(&format!("restore {}", taken.name)))
            }
            (None, None) => return None,
        };
        Some(format!("`{command}` takes {name} back to what it was before."))
    }
}

/// Where D1 stands now, for whoever wants to come back here; none for a file.
pub(crate) async fn noted(opened: &Opened) -> Result<Saved, CliError> {
    let bookmark = match &opened.d1 {
        Some(d1) => Some(d1.bookmark().await.map_err(failure::of_platform)?),
        None => None,
    };
    Ok(Saved { taken: None, bookmark })
}

/// Keeps what a database holds: a backup, and of D1 a bookmark. Of one that is half filled there is no
/// backup.
pub(crate) async fn save(
    session: &Session,
    (place, opened): (&Place, &Opened),
    half: bool,
    (kept, claim): (&Kept, &Claim),
) -> Result<Saved, CliError> {
    let mut saved = Saved::default();
    if let Some(d1) = &opened.d1 {
        saved.bookmark = Some(d1.bookmark().await.map_err(failure::of_platform)?);
    }
    if half {
        return Ok(saved);
    }
    match take(session, place, opened, (&kept.before(), claim)).await {
        Ok(taken) => {
            session.ui.say(&format!("{}: kept as {}", place.name, taken.shown.display()));
            // What others wrote while it was taken is in no backup: the way back leads behind that.
            if let Some(d1) = &opened.d1 {
                saved.bookmark = Some(d1.bookmark().await.map_err(failure::of_platform)?);
            }
            saved.taken = Some(taken);
            Ok(saved)
        }
        // D1's own history has it all.
        Err(error) if error.kind() == "unsupported" && saved.bookmark.is_some() => {
            session.ui.warn(&format!("no backup was taken, only the bookmark noted: {error}"));
            Ok(saved)
        }
        Err(error) => Err(error),
    }
}

/// It did not come to its end.
pub(crate) struct Stopped {
    pub(crate) error: CliError,
    /// The database is half filled.
    pub(crate) half: bool,
}

/// Fills a database, and says what became of it when that is stopped.
pub(crate) async fn fill(
    session: &Session,
    (place, database): (&Place, &dyn Database),
    dump: &Dump,
    existing: Existing,
) -> Result<RestoreReport, Stopped> {
    let total = Some(dump.text_bytes);
    let watched = Watched::new(database, session, &place.name, "written", total);
    let options = RestoreOptions::default().with_existing(existing);
    let error = match restore(&watched, &dump.file.path, &options).await {
        Ok(done) => return Ok(done),
        Err(error) => error,
    };
    let of_this_dump =
        |held: Held| held.half.is_some_and(|half| half.sha256 == dump.summary.sha256);
    let half = match (&error, held(database).await) {
        (_, Ok(held)) => of_this_dump(held),
        // Nobody knows; whoever runs it again finds out.
        (RestoreError::Stopped { .. } | RestoreError::Look(_) | RestoreError::Read(_), Err(_)) => {
            true
        }
        (_, Err(_)) => false,
    };
    let go_on = "run the same command again: it goes on where it was stopped";
    if session.cancel.is_cancelled() {
        let hint = if half { go_on } else { "nothing was written; run it again" };
        return Err(Stopped { error: interrupted(hint), half });
    }
    let stays = match &error {
        RestoreError::Stopped { source, .. } => matches!(
            source.kind(),
            DatabaseErrorKind::Sql | DatabaseErrorKind::Constraint | DatabaseErrorKind::Limit
        ),
        _ => false,
    };
    let hint = match stays {
        true => "it stops there whenever it is run: `clodo-db rewind` takes the database back",
        false => go_on,
    };
    let failed = of_restore(&place.shown(), error);
    let error = if half { failed.with_exit(Exit::Partly).with_hint(hint) } else { failed };
    Err(Stopped { error, half })
}
