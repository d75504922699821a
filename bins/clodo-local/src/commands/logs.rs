use crate::{args::LogsArgs, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::log_path;
use std::{
    fs::File,
    io::{self, Read as _},
    time::Duration,
};
use tokio::time::sleep;

const POLL: Duration = Duration::from_millis(200);

/// `clodo-local logs`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &LogsArgs,
) -> Result<Exit, CliError> {
    let path = log_path(&Place::find(session, global)?.state());
    let mut log = match File::open(&path) {
        Ok(log) => Some(log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(CliError::of(Exit::Failed, "state", error)),
    };
    if log.is_none() && !args.follow {
        let message = "no cloud of this project ever ran in the background";
        return Err(CliError::new(Exit::Failed, "no_log", message)
            .with_hint("`clodo-local up --detach` starts one"));
    }
    loop {
        if log.is_none() {
            log = File::open(&path).ok();
        }
        if let Some(log) = &mut log {
            print(session, log)?;
        }
        if !args.follow {
            return Ok(Exit::Done);
        }
        if session.cancel.run_until_cancelled(sleep(POLL)).await.is_none() {
            return Ok(Exit::Done);
        }
    }
}

/// Prints whatever was added since the last time.
fn print(session: &Session, log: &mut File) -> Result<(), CliError> {
    let mut text = Vec::new();
    log.read_to_end(&mut text).map_err(|error| CliError::of(Exit::Failed, "state", error))?;
    for line in String::from_utf8_lossy(&text).lines() {
        session.ui.text(line)?;
    }
    Ok(())
}
