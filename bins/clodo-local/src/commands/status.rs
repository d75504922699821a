use crate::{place::Place, report::CloudReport};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::find;

/// `clodo-local status`
pub(crate) async fn run(session: &Session, global: &GlobalArgs) -> Result<Exit, CliError> {
    let place = Place::find(session, global)?;
    let report = match find(&place.state()).await {
        Some(running) => CloudReport::of(&running).with_summary(running.summary().await),
        None => CloudReport::none("done"),
    };
    session.ui.report(&report)?;
    Ok(Exit::Done)
}
