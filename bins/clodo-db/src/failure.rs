//! Which exit code an error means.

use clodo::{LoadError, LoadErrorKind, program::hinted};
use clodo_cli::{CliError, Exit};
use clodo_db::{DatabaseError, DatabaseErrorKind, FolderError, MigrateError, Refusal};
use clodo_orchestrator::{PlatformError, PlatformErrorKind};
use clodo_types::Finding;
use std::error::Error;

/// Files that cannot be used: exit 2; migrations that cannot be put in order are refused.
pub(crate) fn of_load(error: LoadError) -> CliError {
    let (exit, kind) = match error.kind() {
        LoadErrorKind::Files => (Exit::Failed, "files"),
        LoadErrorKind::Migrations => (Exit::Refused, "migrations"),
        _ => (Exit::Usage, "config"),
    };
    if error.places().is_empty() {
        let text = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        return hinted(CliError::of(exit, kind, text), error.hint());
    }
    CliError::of_sources(error.places().to_vec()).with_exit(exit).with_kind(kind)
}

/// Migration files that cannot be read, or put in order.
pub(crate) fn of_folder(error: FolderError) -> CliError {
    let (exit, hint) = match error {
        FolderError::Unreadable { .. } => (Exit::Failed, error.hint()),
        _ => (Exit::Refused, error.hint()),
    };
    CliError::of(exit, "migrations", error).with_hint(hint)
}

/// Ctrl-C between two calls.
pub(crate) fn interrupted(hint: &str) -> CliError {
    CliError::new(Exit::Interrupted, "interrupted", "it was interrupted").with_hint(hint)
}

/// A person was asked, and did not agree.
pub(crate) fn not_confirmed() -> CliError {
    CliError::new(Exit::Refused, "not_confirmed", "nobody said yes")
        .with_hint("answer `y`, or give --yes")
}

/// The error of a run of which something was done, and stays: the same command goes on.
pub(crate) fn after_a_part(error: CliError, done: bool) -> CliError {
    match done && error.exit() != Exit::Interrupted {
        true => error.with_exit(Exit::Partly),
        false => error,
    }
}

/// A call of the platform that failed.
pub(crate) fn of_platform(error: PlatformError) -> CliError {
    let (exit, kind) = match error.kind() {
        PlatformErrorKind::NotAllowed => (Exit::NotAllowed, "not_allowed"),
        PlatformErrorKind::Unavailable => (Exit::Unreachable, "unavailable"),
        _ => (Exit::Failed, "platform_refused"),
    };
    let hint = error.hint().map(str::to_owned);
    hinted(CliError::of(exit, kind, error), hint.as_deref())
}

/// What a database said, with what was tried in `place`.
pub(crate) fn of_database(place: &str, doing: &str, error: DatabaseError) -> CliError {
    of_call(&format!("{place}: {doing}"), &error)
}

/// A call for a database, or for what is kept of it, that failed.
pub(crate) fn of_call(doing: &str, error: &DatabaseError) -> CliError {
    let (exit, kind, hint) = verdict(error);
    hinted(CliError::new(exit, kind, doing).with_source(causes(error)), hint)
}

/// What it says with its causes. An adapter may repeat what its cause says: that is said once.
fn causes(error: &DatabaseError) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.dedup();
    texts.join(": ")
}

/// Migrations of the database `place` that could not be read or applied.
pub(crate) fn of_migrate(place: &str, error: MigrateError) -> CliError {
    let hint = error.hint();
    let refused = |kind| {
        let message = format!("{place}: {error}");
        hinted(CliError::new(Exit::Refused, kind, message), hint.as_deref())
    };
    match error {
        MigrateError::Refused(refusal) => of_refusal(&refusal),
        MigrateError::Problems(_) => refused("migrations_disagree"),
        MigrateError::HalfRestored => refused("half_restored"),
        MigrateError::Overtaken { .. } => refused("migrated_meanwhile"),
        MigrateError::Unknown(_) | MigrateError::Reserved(_) => {
            hinted(CliError::usage(format!("{place}: {error}")), hint.as_deref())
        }
        MigrateError::Database { source, .. } => {
            of_database(place, "its migrations could not be read or recorded", source)
        }
        MigrateError::Failed { path, at, source } => {
            let doing = format!("could not apply {}", path.display());
            let failed = of_database(place, &doing, source);
            let failed = match at {
                Some(at) => failed.with_location(at),
                None => failed,
            };
            hinted(failed, hint.as_deref())
        }
        other => CliError::new(Exit::Failed, "failed", format!("{place}: {other}")),
    }
}

/// A file that would lose rows, or does not fit.
pub(crate) fn of_refusal(refusal: &Refusal) -> CliError {
    of_finding(&refusal.0, 1)
}

/// The first of `count` findings that block.
pub(crate) fn of_finding(finding: &Finding, count: usize) -> CliError {
    let mut message = format!("{} [{}]", finding.message, finding.rule);
    if count > 1 {
        message += &format!(" (and {} more)", count - 1);
    }
    let mut error = CliError::new(Exit::Refused, "refused", message);
    if let Some(at) = &finding.at {
        error = error.with_location(at.clone());
    }
    hinted(error, finding.hint.as_deref())
}

fn verdict(error: &DatabaseError) -> (Exit, &'static str, Option<&'static str>) {
    match error.kind() {
        // The library's own word: no permission is meant.
        DatabaseErrorKind::Denied if error.message().starts_with("a query must not") => {
            (Exit::Refused, "writes", Some("give --write when it is meant to change something"))
        }
        DatabaseErrorKind::Denied if error.message().starts_with("a statement of a") => {
            (Exit::Refused, "refused", Some("each statement is a transaction of its own"))
        }
        DatabaseErrorKind::Denied => (
            Exit::NotAllowed,
            "not_allowed",
            Some("check the token's permissions (`D1 Edit`), or those of the file"),
        ),
        DatabaseErrorKind::Busy => (
            Exit::NotAllowed,
            "locked",
            Some("another process holds the database: wait until it is done, or end it"),
        ),
        DatabaseErrorKind::Unreachable => {
            (Exit::Unreachable, "unavailable", Some("try again when the platform answers"))
        }
        DatabaseErrorKind::Corrupt => (
            Exit::Failed,
            "not_a_database",
            Some("name another file, or bring one back from a backup"),
        ),
        DatabaseErrorKind::Missing => {
            (Exit::Failed, "gone", Some("check its id in the wrangler config, or `--sqlite`"))
        }
        DatabaseErrorKind::Full => (Exit::Failed, "full", Some("make room, then run it again")),
        _ => (Exit::Failed, "failed", None),
    }
}
