use crate::{args::ResetArgs, failure, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::{reset, stop};
use serde::Serialize;
use std::{fmt, path::PathBuf, time::Duration};

/// Nobody needs what is in flight: it is about to be deleted.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    deleted: Vec<PathBuf>,
    left: Vec<PathBuf>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.deleted.is_empty() {
            f.write_str("there was nothing to delete")?;
        } else {
            write!(f, "deleted {} files and folders", self.deleted.len())?;
        }
        for path in &self.left {
            write!(f, "\nleft `{}`, which is not ours", path.display())?;
        }
        Ok(())
    }
}

/// `clodo-local reset`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &ResetArgs,
) -> Result<Exit, CliError> {
    let state = Place::find(session, global)?.state();
    let question = format!("delete every Worker and all data in `{}`?", state.display());
    if state.exists() && !args.yes && !session.ui.confirm(&question, "--yes")? {
        return Ok(Exit::Done);
    }
    stop(&state, PATIENCE).await.map_err(failure::cloud)?;
    let done = reset(&state).map_err(failure::cloud)?;
    let outcome = if done.deleted.is_empty() { "nothing_to_do" } else { "done" };
    session.ui.report(&Report { version: 1, outcome, deleted: done.deleted, left: done.left })?;
    Ok(Exit::Done)
}
