//! Which exit code an error about a backup means.

use crate::failure;
use clodo_cli::{CliError, Exit};
use clodo_db::{BackupError, DatabaseError, DatabaseErrorKind, RestoreError};
use std::io;

/// A file or folder, or a bucket, that cannot be read or written.
pub(crate) fn of_io(doing: &str, error: io::Error) -> CliError {
    let error = match error.downcast::<DatabaseError>() {
        Ok(error) => {
            let failed = failure::of_call(doing, &error);
            return match error.kind() {
                DatabaseErrorKind::Missing => failed.with_hint(
                    "check the name of the bucket; `wrangler r2 bucket create NAME` makes one",
                ),
                DatabaseErrorKind::Denied => {
                    failed.with_hint("give the token \"Workers R2 Storage: Edit\"")
                }
                _ => failed,
            };
        }
        Err(error) => error,
    };
    let (exit, kind, hint) = match error.kind() {
        io::ErrorKind::NotFound => (Exit::Usage, "files", "check the path"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (Exit::NotAllowed, "not_allowed", "check the permissions of the folder and the file")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (Exit::Failed, "full", "make room, then run it again; earlier backups are as they were")
        }
        _ => (Exit::Failed, "files", "check the disk, then run it again"),
    };
    CliError::new(exit, kind, doing).with_source(error).with_hint(hint)
}

/// A backup of the database `place` that was not made.
pub(crate) fn of_backup(place: &str, error: BackupError) -> CliError {
    let hint = error.hint();
    match error {
        BackupError::Database(source) => failure::of_database(place, "it cannot be read", source),
        BackupError::Write(source) => {
            of_io(&format!("{place}: the backup cannot be written"), source)
        }
        other => {
            let kind = match other {
                BackupError::HalfRestored => "half_restored",
                BackupError::Unsupported { .. }
                | BackupError::Foreign(_)
                | BackupError::Encoding => "unsupported",
                _ => "failed",
            };
            CliError::new(Exit::Failed, kind, format!("{place}: {other}")).with_hint(hint)
        }
    }
}

/// A restore into the database `place` that did not come to its end. What the dump itself is refused
/// for was said before.
pub(crate) fn of_restore(place: &str, error: RestoreError) -> CliError {
    let hint = error.hint();
    let refused = |kind, error: &RestoreError| {
        CliError::new(Exit::Refused, kind, format!("{place}: {error}")).with_hint(hint)
    };
    match error {
        RestoreError::Read(source) => of_io(&format!("{place}: the backup cannot be read"), source),
        RestoreError::Look(error) => of_backup(place, error),
        RestoreError::NotEmpty => refused("not_empty", &error).with_hint(
            "give --over when all that it holds may go, or --new NAME for a new database",
        ),
        RestoreError::HalfRestored { .. } => refused("half_restored", &error).with_hint(
            "restore that backup again: it goes on; or give --over to begin anew with this one",
        ),
        RestoreError::Contentless { .. } => refused("unsupported", &error),
        RestoreError::Overtaken => {
            CliError::of(Exit::Partly, "overtaken", format!("{place}: {error}")).with_hint(hint)
        }
        RestoreError::Stopped { statement, source, .. } => {
            let doing = format!("statement {statement} of the backup was refused");
            failure::of_database(place, &doing, source)
        }
        other => refused("no_backup", &other),
    }
}
