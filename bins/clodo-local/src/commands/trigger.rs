use crate::{args::TriggerArgs, failure, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::{CronRun, CronTrigger, TriggerError, find};
use serde::Serialize;
use std::fmt;

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    run: CronRun,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CronRun { script, cron, outcome, .. } = &self.run;
        let cron = if cron.is_empty() { "no cron expression" } else { cron };
        write!(f, "{script} ({cron}): {outcome}")
    }
}

/// `clodo-local trigger`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &TriggerArgs,
) -> Result<Exit, CliError> {
    let place = Place::find(session, global)?;
    let running = find(&place.state()).await.ok_or_else(failure::not_running)?;
    let mut trigger = CronTrigger::of(args.script.as_str());
    trigger.account.clone_from(&args.account);
    trigger.cron.clone_from(&args.cron);
    trigger.scheduled_time.clone_from(&args.time);
    let run = running.trigger(&trigger).await.map_err(refused)?;
    let ran_well = run.outcome == "ok";
    let outcome = if ran_well { "done" } else { "failed" };
    session.ui.report(&Report { version: 1, outcome, run })?;
    Ok(if ran_well { Exit::Done } else { Exit::Failed })
}

fn refused(error: TriggerError) -> CliError {
    match error {
        TriggerError::NoAnswer => CliError::of(Exit::Unreachable, "no_answer", error),
        error => CliError::of(Exit::Failed, "not_run", error).with_hint(
            "`clodo-local status` shows what runs; `clodo-local logs` says what happened",
        ),
    }
}
