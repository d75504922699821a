use crate::{args::RestoreArgs, failure, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::{Stopped, check_snapshot, restore, stop};
use serde::Serialize;
use std::{fmt, time::Duration};

/// What is in flight belongs to the state that goes.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    /// When the snapshot was made, RFC 3339.
    made_on: String,
    /// Whether a state was there before.
    replaced: bool,
    /// Whether a cloud was stopped for it.
    stopped: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "restored the state of {}", self.made_on)?;
        if self.stopped {
            f.write_str("; the cloud was stopped: `clodo-local up --detach` starts it again")?;
        }
        Ok(())
    }
}

/// `clodo-local restore`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &RestoreArgs,
) -> Result<Exit, CliError> {
    let state = Place::find(session, global)?.state();
    let file = session.directory.join(&args.file);
    if !file.is_file() {
        return Err(CliError::usage(format!("there is no file `{}`", args.file.display()))
            .with_hint("`clodo-local snapshot FILE` makes one"));
    }
    let looked_at = file.clone();
    let whole = tokio::task::spawn_blocking(move || check_snapshot(&looked_at)).await;
    // Before anything is asked or stopped.
    whole.map_err(failure::unexpected)?.map_err(failure::snapshot)?;
    let question = format!("replace every Worker and all data in `{}`?", state.display());
    if state.exists() && !args.yes && !session.ui.confirm(&question, "--yes")? {
        return Ok(Exit::Done);
    }
    let stopped = stop(&state, PATIENCE).await.map_err(failure::cloud)? != Stopped::NotRunning;
    let done = tokio::task::spawn_blocking(move || restore(&file, &state)).await;
    let done = done.map_err(failure::unexpected)?;
    let done = done.map_err(failure::snapshot)?;
    session.ui.report(&Report {
        version: 1,
        outcome: "done",
        made_on: done.made_on,
        replaced: done.replaced,
        stopped,
    })?;
    Ok(Exit::Done)
}
