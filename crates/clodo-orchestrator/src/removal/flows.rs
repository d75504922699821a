use super::{Data, Draft, Going};
use crate::{change::Change, observed::ObservedWorkflow, trigger::WorkerRef};
use clodo_saga::StepId;
use clodo_types::{Severity, WorkflowName};

impl Draft<'_> {
    /// Whether nothing that a Worker runs would end half-way with it, or may.
    pub(super) fn may_lose_instances(&mut self, worker: &WorkerRef, data: Data) -> bool {
        let mut may = true;
        for (name, workflow) in self.workflows_of(worker) {
            if workflow.unfinished == 0 {
                continue;
            }
            let what = format!(
                "{} instances of Workflow `{name}` of `{}` have not ended, and go with it",
                workflow.unfinished, worker.worker
            );
            match data {
                Data::Keep => {
                    let hint = "wait for their end, or `destroy` it --with-data to lose them";
                    self.say("instances-of-workflows", Severity::Block, what, Some(hint));
                    may = false;
                }
                Data::Remove => self.say("data-lost", Severity::Note, what, None),
            }
        }
        may
    }

    /// A Workflow goes after the Worker that holds its class: nobody makes an instance of it then.
    pub(super) fn forget_workflows(&mut self, one: &Going, removed: &StepId, data: Data) {
        for (name, workflow) in self.workflows_of(&one.worker) {
            let details = match workflow.instances {
                0 => Vec::new(),
                count => vec![format!("what its {count} instances left goes with it")],
            };
            let summary = format!("remove Workflow {name}");
            let (account, worker) = (one.worker.account.clone(), one.worker.worker.clone());
            let change = Change::RemoveWorkflow { account, name, worker, data };
            self.push(one.target.clone(), change, vec![removed.clone()], summary, details);
        }
    }

    fn workflows_of(&self, worker: &WorkerRef) -> Vec<(WorkflowName, ObservedWorkflow)> {
        let account = self.observed.accounts.get(&worker.account);
        let own = account.into_iter().flat_map(|account| account.workflows_of(&worker.worker));
        own.map(|(name, one)| (name.clone(), one.clone())).collect()
    }
}
