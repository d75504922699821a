use crate::{failure, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::find;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    url: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// `clodo-local page`
pub(crate) async fn run(session: &Session, global: &GlobalArgs) -> Result<Exit, CliError> {
    let place = Place::find(session, global)?;
    let running = find(&place.state()).await.ok_or_else(failure::not_running)?;
    // A fragment is never sent to a server.
    let url = format!("{}/#token={}", running.url, running.token.expose());
    session.ui.report(&Report { version: 1, outcome: "done", url })?;
    Ok(Exit::Done)
}
