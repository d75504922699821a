use crate::{
    error::{JournalError, JournalErrorKind},
    event::{Event, Listener},
    guard::LeaseGuard,
    journal::{Addition, Entry, JournalStore},
    lease::Fence,
    step::{Outputs, Step, StepError, StepId, Undo},
};
use clodo_types::{Clock, DeploymentId};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What all steps of one run share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) run: DeploymentId,
    pub(crate) journal: Arc<dyn JournalStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) lease: Option<Arc<LeaseGuard>>,
    pub(crate) fence: Option<Fence>,
    pub(crate) margin: Duration,
    pub(crate) outputs: Outputs,
    /// What each step that was begun goes back to.
    pub(crate) begun: Mutex<BTreeMap<StepId, Value>>,
}

/// Why a step did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(StepError),
    Journal(JournalError),
    LeaseLost,
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        match error.kind() {
            JournalErrorKind::Fenced => Self::LeaseLost,
            _ => Self::Journal(error),
        }
    }
}

impl Core {
    pub(crate) fn tell(&self, event: Event) {
        self.listener.hear(&event);
    }

    pub(crate) async fn write(&self, entry: Entry) -> Result<(), JournalError> {
        self.write_all(&[entry]).await
    }

    /// Writes entries that belong together.
    pub(crate) async fn write_all(&self, entries: &[Entry]) -> Result<(), JournalError> {
        let at = self.clock.now();
        let added = Addition { at, entries, fence: self.fence.as_ref() };
        self.journal.append(&self.run, &added).await
    }

    pub(crate) fn before(&self, step: &StepId) -> Option<Value> {
        self.begun.lock().expect("no holder panics").get(step).cloned()
    }

    pub(crate) fn begin(&self, step: &StepId, before: Value) {
        self.begun.lock().expect("no holder panics").insert(step.clone(), before);
    }

    fn check_lease(&self) -> Result<(), Stop> {
        let lasts = self.lease.as_ref().is_none_or(|lease| lease.lasts(self.margin));
        if lasts { Ok(()) } else { Err(Stop::LeaseLost) }
    }

    /// Looks, writes down what it saw, acts, and writes down what came of it.
    pub(crate) async fn perform(self: Arc<Self>, step: Arc<dyn Step>) -> Result<(), Stop> {
        let began = self.clock.now();
        let id = step.id().clone();
        if self.outputs.get(&id).is_some() {
            // It is an interrupted run's, which came to its end with it.
            self.tell(Event::StepFound(id.clone()));
            self.tell(Event::StepDone { step: id, took: Duration::ZERO });
            return Ok(());
        }
        let look = step.look(&self.outputs).await.map_err(Stop::Failed)?;
        self.check_lease()?;
        // What an interrupted run saw counts: now the world holds that run's own doing.
        let before = self.before(&id).unwrap_or(look.before);
        let entry = Entry::Started { step: id.clone(), before: before.clone() };
        self.write(entry).await?;
        self.begin(&id, before);
        let output = match look.already {
            Some(output) => {
                self.tell(Event::StepFound(id.clone()));
                output
            }
            None => {
                // Writing may have taken long, and this process may have been stopped meanwhile.
                self.check_lease()?;
                self.tell(Event::StepStarted(id.clone()));
                step.act(&self.outputs).await.map_err(Stop::Failed)?
            }
        };
        self.outputs.put(id.clone(), output.clone());
        let entry = Entry::Done { step: id.clone(), output };
        self.write(entry).await?;
        self.tell(Event::StepDone { step: id, took: self.clock.now().since(began) });
        Ok(())
    }

    /// Takes a step back. The journal is told, but a journal that fails stops no unwinding.
    pub(crate) async fn take_back(self: Arc<Self>, step: Arc<dyn Step>) -> Result<Undo, Stop> {
        self.check_lease()?;
        let id = step.id().clone();
        let before = self.before(&id).unwrap_or(Value::Null);
        let output = self.outputs.get(&id);
        step.undo(&before, output.as_ref(), &self.outputs).await.map_err(Stop::Failed)
    }
}

/// Whether a write was refused because another process has the lease now.
pub(crate) fn is_fenced(written: &Result<(), JournalError>) -> bool {
    written.as_ref().is_err_and(|error| error.kind() == JournalErrorKind::Fenced)
}

/// The text of an error with all its causes, for the journal.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
