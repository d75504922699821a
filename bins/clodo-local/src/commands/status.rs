use crate::{args::StatusArgs, place::Place, report::CloudReport};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::find;

/// `clodo-local status`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: StatusArgs,
) -> Result<Exit, CliError> {
    let place = Place::find(session, global)?;
    let running = find(&place.state()).await;
    let absent = running.is_none();
    let report = match running {
        Some(running) => CloudReport::of(&running).with_summary(running.summary().await),
        None => CloudReport::none("done"),
    };
    session.ui.report(&report)?;
    // Without the flag it is an answer like any other: the question was what there is.
    Ok(if absent && args.exit_code { Exit::Found } else { Exit::Done })
}
