use crate::{
    args::WatchArgs,
    commands::running::{holder, of_state},
    context::{Context, name},
    engine::store,
    listener::Teller,
    record::RecordDocument,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{
    DeployEvent, DeployListener as _, Deployment, DeploymentRecord, DeploymentState,
    deployment_record, deployments,
};
use clodo_saga::{Ending, Entry, EntryRecord, Event, JournalStore, LeaseStore, StepId};
use clodo_types::{DeploymentId, PortfolioName, Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// How often the journal is read.
const EVERY: Duration = Duration::from_millis(300);
/// How far back the one that runs is looked for.
const HISTORY: usize = 50;

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
        Some(id) => name(id)?,
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
        if !view.is_carried_out(&*store, portfolio).await? {
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
    let past = deployments(journal, portfolio, HISTORY).await.map_err(of_state)?;
    let unfinished = |one: &&Deployment| one.state == DeploymentState::Unfinished;
    let found = past.iter().find(unfinished).or(past.first());
    found.map(|deployment| deployment.id.clone()).ok_or_else(|| {
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
    unwinding: bool,
    /// How often nobody had the lock: it is taken before a deployment is written down, and given
    /// back after it was closed, so that once means nothing.
    unheld: u32,
}

impl View {
    fn new(context: &Context<'_>, id: DeploymentId) -> Self {
        let teller = Teller::new(&context.session.ui);
        let begun = BTreeMap::new();
        Self { id, teller, seen: 0, begun, opened: false, unwinding: false, unheld: 0 }
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

    async fn is_carried_out(
        &mut self,
        leases: &dyn LeaseStore,
        portfolio: &PortfolioName,
    ) -> Result<bool, CliError> {
        let held = holder(leases, portfolio).await?.is_some();
        self.unheld = if held { 0 } else { self.unheld + 1 };
        Ok(self.unheld < 3)
    }

    /// The deployment has ended: 0 when it is done, 1 when all was taken back, 5 when something stays.
    fn end(&self, context: &Context<'_>, record: &DeploymentRecord) -> Result<Exit, CliError> {
        let (ending, exit, outcome) = match record.deployment.state {
            DeploymentState::Done => (Ending::Completed, Exit::Done, "done"),
            DeploymentState::Failed => (Ending::Unwound, Exit::Failed, "failed"),
            _ => (Ending::PartlyDone, Exit::Partly, "partly_done"),
        };
        self.tell(Event::RunClosed(ending));
        let ui = &context.session.ui;
        ui.document(&RecordDocument::ended(record, outcome))?;
        let failure = record.deployment.failure.as_ref();
        let why = failure.map(|one| format!(": {}: {}", one.summary, one.messages.join(": ")));
        let outcome = outcome.replace('_', " ");
        ui.say(&format!("Deployment {} {outcome}{}", self.id, why.unwrap_or_default()));
        Ok(exit)
    }
}
