use crate::{failure, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::{Stopped, stop};
use serde::Serialize;
use std::{fmt, time::Duration};

/// How long requests in flight may go on.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    stopped: &'static str,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stopped {
            "not_running" => "nothing was running",
            "killed" => "stopped by force",
            _ => "stopped",
        })
    }
}

/// `clodo-local down`
pub(crate) async fn run(session: &Session, global: &GlobalArgs) -> Result<Exit, CliError> {
    let place = Place::find(session, global)?;
    let (outcome, stopped) = match stop(&place.state(), PATIENCE).await.map_err(failure::cloud)? {
        Stopped::NotRunning => ("nothing_to_do", "not_running"),
        Stopped::Gracefully => ("done", "gracefully"),
        Stopped::Killed => ("done", "killed"),
    };
    session.ui.report(&Report { version: 1, outcome, stopped })?;
    Ok(Exit::Done)
}
