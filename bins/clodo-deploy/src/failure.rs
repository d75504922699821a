use crate::engine::STATE_HINT;
use clodo::{ConnectError, LoadError, LoadErrorKind, LocalError, QueueError, StateError};
use clodo_cli::{CliError, Exit};
use clodo_config::Platform;
use clodo_local::CloudErrorKind;
use clodo_orchestrator::{DeployError, DeployErrorKind};
use clodo_saga::StoreErrorKind;
use std::error::Error;

/// Files that cannot be used: exit 2, or 1 where the code of a Worker is at fault.
pub(crate) fn of_load(error: LoadError) -> CliError {
    let (exit, kind) = match error.kind() {
        LoadErrorKind::Build => (Exit::Failed, "build"),
        LoadErrorKind::Tool => (Exit::Unreachable, "tool"),
        LoadErrorKind::Files => (Exit::Failed, "files"),
        _ => (Exit::Usage, "config"),
    };
    if error.places().is_empty() {
        return hinted(CliError::of(exit, kind, plain(&error)), error.hint());
    }
    CliError::of_sources(error.places().to_vec()).with_exit(exit).with_kind(kind)
}

/// A platform that nobody said how to reach: exit 2.
pub(crate) fn of_connect(error: ConnectError) -> CliError {
    let hint = error.hint();
    CliError::of(Exit::Usage, "connection", error).with_hint(hint)
}

/// A local Cloudflare that cannot be had: exit 7.
pub(crate) fn of_local(error: LocalError) -> CliError {
    let kind = match &error {
        LocalError::Workerd(_) | LocalError::NoWorkerd(_) => "no_workerd",
        LocalError::Cloud(error) if error.kind() == CloudErrorKind::PortTaken => "port_taken",
        LocalError::Cloud(error) if error.kind() == CloudErrorKind::NoWorkerd => "no_workerd",
        _ => "local_cloud",
    };
    let hint = error.hint();
    hinted(CliError::of(Exit::Unreachable, kind, error), hint.as_deref())
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

/// State that cannot be used: exit 7 when the shared one cannot be reached, 6 when it does not let us
/// in.
pub(crate) fn of_state(error: StateError, shared: bool, platform: Platform) -> CliError {
    let (exit, kind) = match error.kind() {
        Some(StoreErrorKind::Unreachable) => (Exit::Unreachable, "state_unreachable"),
        Some(StoreErrorKind::Denied) if shared => (Exit::NotAllowed, "state_denied"),
        _ if matches!(error, StateError::Url(_)) => (Exit::Usage, "config"),
        _ => (Exit::Failed, "state"),
    };
    let file = clodo::state_file(platform);
    let hint = match error.kind() {
        Some(StoreErrorKind::NewerFormat) => {
            "use a clodo-deploy at least as new as the last one here".to_owned()
        }
        Some(StoreErrorKind::Denied) if shared => {
            "give the password in CLODO_STATE_PASSWORD or a pgpass file; the database must be there, \
             and its user may create a schema in it; a server that wants TLS needs \
             `?sslmode=require` at the end of the URL"
                .to_owned()
        }
        _ if shared => "check `state` in clodo.toml, and that the server runs".to_owned(),
        _ => format!("{STATE_HINT}; if it is damaged, delete .clodo/{file}: that loses the history, and nothing that is deployed"),
    };
    CliError::of(exit, kind, error).with_hint(hint)
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

fn hinted(error: CliError, hint: Option<&str>) -> CliError {
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The error's text with its cause, as an error that can be owned.
fn plain(error: &LoadError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
