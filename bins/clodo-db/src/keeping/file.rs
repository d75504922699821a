//! A SQLite file that gets other content as a whole.

use super::{Claim, of_io};
use crate::{failure, places::Place};
use clodo_cli::{CliError, Exit, Ui};
use clodo_db::{
    Database as _, DatabaseError, DatabaseErrorKind, Moments as _, SqliteDatabase, Statement,
};
use clodo_sqlite::{
    Durability, OpenOptions, SqliteErrorKind,
    rusqlite::{self, limits::Limit},
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// What SQLite writes beside a file would be taken for a part of the new one.
pub(crate) fn no_remains(to: &Path) -> Result<(), CliError> {
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

/// Tables that no backup holds would be gone for good.
pub(crate) async fn no_others(place: &Place, live: &SqliteDatabase) -> Result<(), CliError> {
    let sql =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND lower(name) GLOB '_cf_*' LIMIT 1";
    let rows = live.query(&Statement::new(sql)).await;
    let name = place.shown();
    let rows = rows.map_err(|error| failure::of_database(&name, "it cannot be read", error))?.rows;
    let Some(other) = rows.first().and_then(|row| row.first()?.as_text()) else { return Ok(()) };
    let message =
        format!("{name}: table {} is in no backup, and would be gone", other.escape_debug());
    Err(CliError::new(Exit::Refused, "not_in_backups", message)
        .with_hint("rename or drop it, or name another file"))
}

/// The file that others may have open, too.
pub(crate) async fn live(place: &Place, file: &Path) -> Result<SqliteDatabase, CliError> {
    let options = OpenOptions::default().with_create(false).with_keep_journal();
    let opened = SqliteDatabase::open(file, options).await;
    opened.map_err(|error| failure::of_database(&place.shown(), "it cannot be written", error))
}

/// Two that are equal: nobody wrote between them.
pub(crate) async fn moment(place: &Place, live: &SqliteDatabase) -> Result<String, CliError> {
    let moment = live.moment().await;
    moment.map_err(|error| failure::of_database(&place.shown(), "it cannot be read", error))
}

/// Somebody wrote to the database after it was looked at.
pub(crate) fn written_meanwhile(place: &Place) -> CliError {
    let message = format!("{}: somebody wrote to it meanwhile", place.shown());
    CliError::new(Exit::Refused, "written_meanwhile", message)
        .with_hint("nothing was changed; run it again when nobody writes")
}

/// Pages of another size do not go into a file with a log.
pub(crate) async fn page_size(place: &Place, live: &SqliteDatabase) -> Result<i64, CliError> {
    let size = live.sqlite().call(|db| db.query_row("PRAGMA page_size", [], |row| row.get(0)));
    let failed = |error| failure::of_database(&place.shown(), "it cannot be read", said(&error));
    size.await.map_err(failed)
}

/// `SQLITE_LIMIT_VDBE_OP`, as workerd sets it.
const STEPS_ON_D1: i32 = 25_000;

/// What holds while a file is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// References and checks hold, and a statement has no more steps than D1 takes: a trial of what is
    /// meant for D1.
    Enforced,
    /// What was written when they were not: references are not enforced in files of SQLite unless their
    /// programs want it, and a backup gives back what there was.
    AsItWas,
}

impl Rules {
    pub(crate) fn apply(self, options: OpenOptions) -> OpenOptions {
        match self {
            Self::Enforced => options
                .with_init(|db| db.set_limit(Limit::SQLITE_LIMIT_VDBE_OP, STEPS_ON_D1).map(|_| ())),
            Self::AsItWas => options.with_init(|db| {
                db.pragma_update(None, "foreign_keys", false)?;
                db.pragma_update(None, "ignore_check_constraints", true)
            }),
        }
    }
}

/// A file for the new content, which is synced as a whole once it is there.
pub(crate) async fn scratch(
    path: &Path,
    page_size: Option<i64>,
    rules: Rules,
) -> Result<SqliteDatabase, DatabaseError> {
    let options = OpenOptions::default().with_keep_journal().with_durability(Durability::Normal);
    let database = SqliteDatabase::open(path, rules.apply(options)).await?;
    if let Some(size) = page_size {
        let set = move |db: &mut rusqlite::Connection| db.pragma_update(None, "page_size", size);
        database.sqlite().call(set).await.map_err(|error| said(&error))?;
    }
    Ok(database)
}

/// Closes it, so that nothing of it lies beside it.
pub(crate) async fn close(database: SqliteDatabase) {
    let closing = database.sqlite().closing();
    drop(database);
    closing.done().await;
}

/// Gives a live file the content of another one, in one transaction.
pub(crate) async fn fill_file(
    place: &Place,
    live: &SqliteDatabase,
    scratch: &Path,
) -> Result<(), CliError> {
    let filled = live.sqlite().fill_from(scratch).await;
    filled
        .map_err(|error| failure::of_database(&place.shown(), "it cannot be written", said(&error)))
}

/// Gives the content to come the numbers by which a program knows its file, which no backup holds.
pub(crate) async fn keep_numbers(
    place: &Place,
    live: &SqliteDatabase,
    scratch: &Path,
) -> Result<(), CliError> {
    const NUMBERS: [&str; 2] = ["user_version", "application_id"];
    let failed = |error: DatabaseError| {
        failure::of_database(&place.shown(), "its numbers cannot be kept", error)
    };
    let read = live.sqlite().call(|db| {
        let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        NUMBERS.iter().map(|name| number(name)).collect::<rusqlite::Result<Vec<i64>>>()
    });
    let numbers = read.await.map_err(|error| failed(said(&error)))?;
    let options = OpenOptions::default().with_create(false).with_keep_journal();
    let copy = SqliteDatabase::open(scratch, options).await.map_err(failed)?;
    let write = copy.sqlite().call(move |db| {
        NUMBERS
            .iter()
            .zip(numbers)
            .try_for_each(|(name, number)| db.pragma_update(None, name, number))
    });
    let written = write.await.map_err(|error| failed(said(&error)));
    close(copy).await;
    written
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

/// A folder beside a file, for what will take its place; the claim on it ends with the folder.
pub(crate) fn beside(ui: &Ui, to: &Path) -> Result<(Claim, PathBuf), CliError> {
    let mut folder = OsString::from(".");
    folder.push(to.file_name().unwrap_or_default());
    folder.push(".restoring");
    let claim = Claim::of(ui, &to.with_file_name(folder))?;
    let scratch = claim.scratch()?.join("database.sqlite");
    Ok((claim, scratch))
}

/// Gives the file its name, once it is durable; one that came meanwhile keeps it.
pub(crate) fn put(scratch: &Path, to: &Path) -> Result<(), CliError> {
    put_whole(scratch, to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => in_the_way(to),
        _ => of_io(&format!("could not make {}", to.display()), error),
    })
}

/// The file is there, and nobody said that it may go.
pub(crate) fn in_the_way(to: &Path) -> CliError {
    let error = CliError::usage(format!("{} is there already", to.display()));
    error.with_hint("name another file; `--sqlite FILE --over` writes over one")
}

fn put_whole(scratch: &Path, to: &Path) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_d1_would_not_take_does_not_come_into_a_file_either() {
        let folder = tempfile::tempdir().unwrap();
        let rows = vec!["(1, 2, 3)"; 6_000].join(", ");
        let sql = format!("CREATE TABLE t (a, b, c); INSERT INTO t VALUES {rows};");
        for (rules, comes) in [(Rules::Enforced, false), (Rules::AsItWas, true)] {
            let path = folder.path().join(format!("{rules:?}.sqlite"));
            let file = scratch(&path, None, rules).await.unwrap();
            assert_eq!(file.script(&sql).await.is_ok(), comes, "{rules:?}");
            close(file).await;
        }
    }
}
