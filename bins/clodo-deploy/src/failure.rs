use clodo::{
    LoadError, LoadErrorKind, QueueError,
    program::{STATE_HINT, hinted},
};
use clodo_cli::{CliError, Exit};
use clodo_orchestrator::{DeployError, DeployErrorKind};
use clodo_saga::StoreErrorKind;
use std::error::Error;

/// Files that cannot be used: exit 2, or 1 where the code of a Worker is at fault.
pub(crate) fn of_load(error: LoadError) -> CliError {
    let (exit, kind) = match error.kind() {
        LoadErrorKind::Build => (Exit::Failed, "build"),
        LoadErrorKind::Tool => (Exit::Unreachable, "tool"),
        LoadErrorKind::Files => (Exit::Failed, "files"),
        LoadErrorKind::Migrations => (Exit::Refused, "migrations"),
        _ => (Exit::Usage, "config"),
    };
    if error.places().is_empty() {
        return hinted(CliError::of(exit, kind, plain(&error)), error.hint());
    }
    CliError::of_sources(error.places().to_vec()).with_exit(exit).with_kind(kind)
}

/// A deployment that could not begin.
pub(crate) fn of_deploy(error: DeployError) -> CliError {
    let (exit, kind) = match error.kind() {
        DeployErrorKind::Locked => (Exit::NotAllowed, "locked"),
        DeployErrorKind::Config => (Exit::Usage, "config"),
        DeployErrorKind::NotAllowed => (Exit::NotAllowed, "not_allowed"),
        DeployErrorKind::Unavailable => (Exit::Unreachable, "unavailable"),
        DeployErrorKind::State => (Exit::Failed, "state"),
        DeployErrorKind::Suspended => (Exit::Partly, "suspended"),
        _ => (Exit::Failed, "failed"),
    };
    let of_state = matches!(error, DeployError::Lock(_) | DeployError::Journal(_));
    let otherwise = of_state.then_some(STATE_HINT);
    let locked =
        "wait until it is finished; `clodo-deploy watch` follows it, `pause` and `abort` steer it";
    let hint = match error.kind() {
        DeployErrorKind::Locked => Some(locked.to_owned()),
        _ => error.hint().or(otherwise).map(str::to_owned),
    };
    hinted(CliError::of(exit, kind, error), hint.as_deref())
}

/// A deployment that could not be handed to a runner.
pub(crate) fn of_queue(error: QueueError) -> CliError {
    match error {
        QueueError::Store(error) => {
            let unreachable = error.kind() == StoreErrorKind::Unreachable;
            let exit = if unreachable { Exit::Unreachable } else { Exit::Failed };
            CliError::of(exit, "state", error).with_hint(STATE_HINT)
        }
        error => CliError::of(Exit::Failed, "queue", error),
    }
}

/// The error's text with its cause, as an error that can be owned.
fn plain(error: &LoadError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
