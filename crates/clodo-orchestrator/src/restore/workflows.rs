use super::Restore;
use crate::{change::Before, resource::OwnWorkflow, trigger::WorkerRef};
use clodo_types::Severity;

impl Restore<'_> {
    /// The Workflows that were registered with classes of a Worker.
    pub(super) fn registered_before(&self, worker: &WorkerRef) -> Vec<OwnWorkflow> {
        let Some(Before::Workflows(were)) = self.before("workflows", worker) else {
            return Vec::new();
        };
        let own = were.into_iter().filter_map(|(name, was)| {
            let was = was.filter(|was| was.worker == worker.worker)?;
            Some(OwnWorkflow { name, class_name: was.class_name, steps: was.steps })
        });
        own.collect()
    }

    /// A Workflow that is new holds what its instances left: a rollback takes no data.
    pub(super) fn say_what_stays_registered(&mut self, worker: &WorkerRef) {
        let Some(Before::Workflows(were)) = self.before("workflows", worker) else { return };
        let account = self.observed.accounts.get(&worker.account);
        for (name, was) in were {
            let now = account.and_then(|account| account.workflows.as_ref()?.get(&name));
            let is_own = now.is_some_and(|now| now.worker.as_ref() == Some(&worker.worker));
            if was.is_some() || !is_own {
                continue;
            }
            let message = format!(
                "Workflow `{name}`, which was not there before, stays registered for `{}`",
                worker.worker
            );
            let hint = format!("`wrangler workflows delete {name}` removes it with its instances");
            self.object("workflow-kept", Severity::Note, message, &hint);
        }
    }
}
