use crate::{
    project::Project,
    state::{StateError, open_state, state_file},
};
use clodo_cli::{CliError, Exit, Session};
use clodo_config::Platform;
use clodo_saga::{StateStore, StoreErrorKind};
use std::sync::Arc;

/// What may help when journals or leases cannot be read or written.
pub const STATE_HINT: &str =
    "check the disk and the folder .clodo/, or the server that `state` names";

/// Journals, leases, budgets and the rest of a portfolio's state.
///
/// # Errors
/// When it cannot be used: exit 7 when the shared one cannot be reached, 6 when it does not let us
/// in.
pub async fn state(
    session: &Session,
    project: &Project,
    platform: Platform,
) -> Result<Arc<dyn StateStore>, CliError> {
    let environment = |name: &str| session.environment.get(name).map(str::to_owned);
    let shared = project.portfolio().state().is_some();
    let opened = open_state(project, platform, &environment).await;
    opened.map_err(|error| of_state(error, shared, platform))
}

fn of_state(error: StateError, shared: bool, platform: Platform) -> CliError {
    let (exit, kind) = match error.kind() {
        Some(StoreErrorKind::Unreachable) => (Exit::Unreachable, "state_unreachable"),
        Some(StoreErrorKind::Denied) if shared => (Exit::NotAllowed, "state_denied"),
        _ if matches!(error, StateError::Url(_)) => (Exit::Usage, "config"),
        _ => (Exit::Failed, "state"),
    };
    let file = state_file(platform);
    let hint = match error.kind() {
        Some(StoreErrorKind::NewerFormat) => {
            "use programs of Clodo at least as new as the last one here".to_owned()
        }
        Some(StoreErrorKind::Denied) if shared => {
            "give the password in CLODO_STATE_PASSWORD or a pgpass file; the database must be there, \
             and its user may create a schema in it; a server that wants TLS needs \
             `?sslmode=require` at the end of the URL"
                .to_owned()
        }
        _ if shared => "check `state` in clodo.toml, and that the server runs".to_owned(),
        _ => format!(
            "{STATE_HINT}; if it is damaged, delete .clodo/{file}: that loses the history, and \
             nothing that is deployed"
        ),
    };
    CliError::of(exit, kind, error).with_hint(hint)
}
