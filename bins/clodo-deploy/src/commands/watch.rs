use crate::{
    args::WatchArgs,
    commands::running::{is_carried_out, named, of_state},
    context::Context,
    engine::store,
    listener::Teller,
    record::RecordDocument,
    report::failure,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{
    DeployEvent, DeployListener as _, Deployment, DeploymentRecord, DeploymentState, Outcome,
    deployment_record, deployments, find_deployment, unfinished_deployments,
};
use clodo_saga::{Ending, Entry, EntryRecord, Event, JournalStore, LeaseStore, StepId};
use clodo_types::{DeploymentId, PortfolioName, Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// How often the journal is read.
const EVERY: Duration = Duration::from_millis(300);

/// `clodo-deploy watch`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &WatchArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let store = store(&context, context.platform(&args.platform)?).await?;
    let portfolio = context.project.portfolio().name();
    let id = match &args.deployment {
        Some(id) => {
            let id = named(&*store, portfolio, id).await?;
            let known = find_deployment(&*store, portfolio, &id).await.map_err(of_state)?;
            known.ok_or_else(|| {
                CliError::usage(format!("there is no deployment {id}"))
                    .with_hint("`clodo-deploy deployments` lists what there is")
            })?;
            id
        }
        None => newest(&*store, portfolio).await?,
    };
    let mut view = View::new(&context, id);
    loop {
        let found = deployment_record(&*store, &view.id).await.map_err(of_state)?;
        let Some(record) = found else {
            return Err(CliError::usage(format!("there is no deployment {}", view.id))
                .with_hint("`clodo-deploy deployments` lists what there is"));
        };
        view.catch_up(&*store, &record).await?;
        if let Some(next) = record.deployment.superseded_by.clone() {
            session.ui.say(&format!("Deployment {} was taken over by {next}.", view.id));
            view = View::new(&context, next);
            continue;
        }
        if record.deployment.state != DeploymentState::Unfinished {
            return view.end(&context, &record);
        }
        if !view.is_alive(&*store, portfolio, &record.deployment).await? {
            let message =
                format!("deployment {} was interrupted: no process carries it out", view.id);
            let hint = "`clodo-deploy resume` goes on with it, `clodo-deploy abort` takes it back";
            return Err(CliError::new(Exit::Partly, "interrupted", message).with_hint(hint));
        }
        let wait = context.session.cancel.run_until_cancelled(tokio::time::sleep(EVERY)).await;
        if wait.is_none() {
            session.ui.say("The deployment goes on; nobody watches it now.");
            return Ok(Exit::Interrupted);
        }
    }
}

/// The deployment that runs, else the last one.
async fn newest(
    journal: &dyn JournalStore,
    portfolio: &PortfolioName,
) -> Result<DeploymentId, CliError> {
    let unfinished = unfinished_deployments(journal, portfolio).await.map_err(of_state)?;
    let found = match unfinished.into_iter().next() {
        Some(found) => Some(found),
        None => deployments(journal, portfolio, 1).await.map_err(of_state)?.into_iter().next(),
    };
    found.map(|deployment| deployment.id).ok_or_else(|| {
        CliError::usage("nothing was deployed there yet")
            .with_hint("`clodo-deploy deploy` makes a deployment")
    })
}

/// What the watcher has seen so far.
struct View {
    id: DeploymentId,
    teller: Teller,
    seen: u64,
    begun: BTreeMap<StepId, Timestamp>,
    opened: bool,
    /// Its probes are skipped.
    untested: bool,
    unwinding: bool,
    /// How often nobody had the lock: it is taken before a deployment is written down, and given
    /// back after it was closed, so that once means nothing.
    unheld: u32,
}

impl View {
    fn new(context: &Context<'_>, id: DeploymentId) -> Self {
        Self {
            id,
            teller: Teller::new(&context.session.ui),
            seen: 0,
            begun: BTreeMap::new(),
            opened: false,
            untested: false,
            unwinding: false,
            unheld: 0,
        }
    }

    /// Tells what was written since.
    async fn catch_up(
        &mut self,
        journal: &dyn JournalStore,
        record: &DeploymentRecord,
    ) -> Result<(), CliError> {
        if !self.opened {
            self.opened = true;
            self.teller
                .knows(record.steps.iter().map(|step| (step.id.clone(), step.summary.clone())));
            self.untested = record.deployment.no_tests;
            self.tell(Event::RunOpened(self.id.clone()));
        }
        for record in journal.records(&self.id, self.seen).await.map_err(of_state)? {
            self.seen = record.number;
            self.hear(record);
        }
        Ok(())
    }

    fn hear(&mut self, record: EntryRecord) {
        let at = record.at;
        let undoes =
            matches!(record.entry, Entry::Undone { .. } | Entry::Kept { .. } | Entry::Stuck { .. });
        if undoes && !self.unwinding {
            self.unwinding = true;
            self.tell(Event::UnwindingBegan);
        }
        match record.entry {
            Entry::Started { step, .. } => {
                self.begun.insert(step.clone(), at);
                self.tell(Event::StepStarted(step));
            }
            Entry::Done { step, .. } => {
                if self.untested && step.as_str().starts_with("verify ") {
                    self.teller.hear(&DeployEvent::Skipped(step.clone()));
                }
                let took = self.begun.get(&step).map(|begun| at.since(*begun)).unwrap_or_default();
                self.tell(Event::StepDone { step, took });
            }
            Entry::Failed { step, error } => self.tell(Event::StepFailed { step, error }),
            Entry::Undone { step } => self.tell(Event::StepUndone(step)),
            Entry::Kept { step, reason } => self.tell(Event::StepKept { step, reason }),
            Entry::Stuck { step, error } => self.tell(Event::StepStuck { step, error }),
            _ => {}
        }
    }

    fn tell(&self, event: Event) {
        self.teller.hear(&DeployEvent::Run(event));
    }

    async fn is_alive(
        &mut self,
        leases: &dyn LeaseStore,
        portfolio: &PortfolioName,
        deployment: &Deployment,
    ) -> Result<bool, CliError> {
        let held = is_carried_out(leases, portfolio, deployment).await?;
        self.unheld = if held { 0 } else { self.unheld + 1 };
        Ok(self.unheld < 3)
    }

    /// The deployment has ended: its error and exit code are those of its own process.
    fn end(&self, context: &Context<'_>, record: &DeploymentRecord) -> Result<Exit, CliError> {
        let (ending, outcome) = match record.deployment.state {
            DeploymentState::Done => (Ending::Completed, Outcome::Done),
            DeploymentState::Failed => (Ending::Unwound, Outcome::Failed),
            _ => (Ending::PartlyDone, Outcome::PartlyDone),
        };
        let Deployment { failure: failed, cancelled, .. } = &record.deployment;
        let error =
            (outcome != Outcome::Done).then(|| failure(outcome, failed.as_ref(), *cancelled));
        self.tell(Event::RunClosed(ending));
        let ui = &context.session.ui;
        ui.document(&RecordDocument::ended(record, outcome, error.as_ref()))?;
        match error {
            None => ui.say(&format!("Deployment {} done", self.id)),
            Some(error) => {
                ui.error(&error);
                return Ok(error.exit());
            }
        }
        Ok(Exit::Done)
    }
}
