use clodo::LocalError;
use clodo_cli::{CliError, Exit};
use clodo_local::{CloudError, CloudErrorKind, SnapshotError, SnapshotErrorKind};

/// A cloud's error, as the program says it.
pub(crate) fn cloud(error: CloudError) -> CliError {
    let (exit, kind) = match error.kind() {
        CloudErrorKind::PortTaken => (Exit::Unreachable, "port_taken"),
        CloudErrorKind::NoWorkerd => (Exit::Unreachable, "no_workerd"),
        CloudErrorKind::InUse => (Exit::Unreachable, "in_use"),
        CloudErrorKind::Stuck => (Exit::Unreachable, "stuck"),
        CloudErrorKind::Seed | CloudErrorKind::Config => (Exit::Usage, "config"),
        CloudErrorKind::Refused => (Exit::Usage, "refused"),
        _ => (Exit::Failed, "state"),
    };
    let hint = error.hint();
    let error = CliError::of(exit, kind, error);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// A snapshot's error, as the program says it.
pub(crate) fn snapshot(error: SnapshotError) -> CliError {
    match error.kind() {
        SnapshotErrorKind::Running => CliError::of(Exit::Unreachable, "in_use", error)
            .with_hint("`clodo-local down` stops it"),
        SnapshotErrorKind::Unreadable => CliError::of(Exit::Usage, "snapshot", error),
        _ => CliError::of(Exit::Failed, "snapshot", error),
    }
}

/// Words of the command line that mean nothing.
pub(crate) fn words(error: impl std::error::Error) -> CliError {
    CliError::usage(error.to_string())
}

/// The system, or a bug, in the way.
pub(crate) fn unexpected(error: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::of(Exit::Failed, "failed", error)
}

/// Nothing runs, and the command needs something that does.
pub(crate) fn not_running() -> CliError {
    CliError::new(Exit::Failed, "not_running", "no local Cloudflare runs for this project")
        .with_hint("`clodo-local up --detach` starts it")
}

/// workerd could not be had.
pub(crate) fn local(error: LocalError) -> CliError {
    let hint = error.hint();
    let error = match error {
        LocalError::Cloud(error) => return cloud(error),
        other => CliError::of(Exit::Unreachable, "no_workerd", other),
    };
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
