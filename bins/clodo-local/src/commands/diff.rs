use crate::{args::DiffArgs, failure, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::{Difference, Differing, diff_states, find, save_running, save_stopped, unpack};
use clodo_types::SystemClock;
use serde::Serialize;
use std::{fmt, path::Path, sync::Arc};

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    differences: Vec<Difference>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.differences.is_empty() {
            return f.write_str("nothing differs");
        }
        for (at, one) in self.differences.iter().enumerate() {
            let sign = match one.how {
                Differing::Added => '+',
                Differing::Removed => '-',
                Differing::Changed => '~',
            };
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{sign} {}", one.what)?;
            if !one.detail.is_empty() {
                write!(f, ": {}", one.detail)?;
            }
        }
        Ok(())
    }
}

/// `clodo-local diff`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DiffArgs,
) -> Result<Exit, CliError> {
    let scratch = tempfile::tempdir().map_err(failure::unexpected)?;
    let to = match &args.to {
        Some(file) => session.directory.join(file),
        None => {
            let file = scratch.path().join("now.tar");
            save(session, global, &file).await?;
            file
        }
    };
    let from = session.directory.join(&args.from);
    let (before, after) = (scratch.path().join("from"), scratch.path().join("to"));
    let compared = tokio::task::spawn_blocking(move || {
        unpack(&from, &before)?;
        unpack(&to, &after)?;
        diff_states(&before, &after)
    });
    let compared = compared.await.map_err(failure::unexpected)?;
    let differences = compared.map_err(failure::snapshot)?.differences;
    let found = !differences.is_empty();
    let outcome = if found { "found" } else { "done" };
    session.ui.report(&Report { version: 1, outcome, differences })?;
    Ok(if found && args.exit_code { Exit::Found } else { Exit::Done })
}

async fn save(session: &Session, global: &GlobalArgs, file: &Path) -> Result<(), CliError> {
    let state = Place::find(session, global)?.state();
    let saved = match find(&state).await {
        Some(running) => save_running(&running, file).await,
        None => save_stopped(&state, file, Arc::new(SystemClock)).await,
    };
    saved.map(drop).map_err(failure::snapshot)
}
