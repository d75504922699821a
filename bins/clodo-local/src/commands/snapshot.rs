use crate::{args::SnapshotArgs, failure, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::{find, save_running, save_stopped};
use clodo_types::SystemClock;
use serde::Serialize;
use std::{fmt, path::PathBuf, sync::Arc};

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    file: PathBuf,
    bytes: u64,
    /// Whether the cloud ran meanwhile.
    running: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saved {} bytes to `{}`", self.bytes, self.file.display())
    }
}

/// `clodo-local snapshot`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &SnapshotArgs,
) -> Result<Exit, CliError> {
    let state = Place::find(session, global)?.state();
    let file = session.directory.join(&args.file);
    if file.exists() && !args.force {
        let message = format!("`{}` is there already", args.file.display());
        return Err(CliError::usage(message).with_hint("`--force` replaces it"));
    }
    let running = find(&state).await;
    let saved = match &running {
        Some(running) => save_running(running, &file).await,
        None => save_stopped(&state, &file, Arc::new(SystemClock)).await,
    };
    let bytes = saved.map_err(failure::snapshot)?;
    let running = running.is_some();
    session.ui.report(&Report { version: 1, outcome: "done", file, bytes, running })?;
    Ok(Exit::Done)
}
