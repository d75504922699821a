use crate::error::{Fault, SqliteError};
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
    ffi,
};
use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Copies `from` beside `to`, syncs the copy, and only then gives it its name.
pub(crate) fn copy(from: &Connection, to: &Path) -> Result<(), SqliteError> {
    let named = |fault| SqliteError::new(format!("`{}`", to.display()), fault);
    let io = |source| named(Fault::Io { doing: "write a copy to", source });
    let sqlite = |source| named(Fault::Sqlite { doing: "write a copy to", source });
    let partial = beside(to);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    let written = write(from, &partial).map_err(sqlite).and_then(|()| {
        File::open(&partial).and_then(|file| file.sync_all()).map_err(io)?;
        fs::rename(&partial, to).map_err(io)
    });
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written?;
    sync_folder(to);
    Ok(())
}

/// Makes `to` what the file `from` is, in one transaction: it has all of it or what it had.
pub(crate) fn fill(to: &mut Connection, from: &Path) -> rusqlite::Result<()> {
    let from = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match Backup::new(&from, to)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)),
    }
}

fn beside(to: &Path) -> PathBuf {
    let mut name = to.file_name().map(OsString::from).unwrap_or_default();
    name.push(".partial");
    to.with_file_name(name)
}

fn write(from: &Connection, to: &Path) -> rusqlite::Result<()> {
    let _ = fs::remove_file(to);
    let mut copy = Connection::open(to)?;
    match Backup::new(from, &mut copy)?.step(-1)? {
        StepResult::Done => {}
        _ => return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)),
    }
    // The header says WAL; a copy should be one file that anyone can open read-only.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
}

/// Makes the new name durable where a folder can be synced; elsewhere the rename has to do.
fn sync_folder(of: &Path) {
    if let Some(folder) = of.parent()
        && let Ok(folder) = File::open(folder)
    {
        let _ = folder.sync_all();
    }
}
