use super::{Draft, target::Writer};
use crate::{
    change::Change,
    desired::DesiredTarget,
    observed::{ObservedAccount, ObservedWorkflow},
    removal::Data,
    resource::OwnWorkflow,
};
use clodo_saga::StepId;
use clodo_types::{Severity, WorkerName, WorkflowName};
use serde_json::Value;

/// Workflows of which the Worker holds the classes.
impl Writer<'_, '_> {
    /// As wrangler does, after the new version has the traffic: a class that only the new version has
    /// cannot be registered before on the word of Cloudflare's documentation, and one that the old
    /// version has no more must not be run by it.
    pub(super) fn workflows(&mut self, needs: &[StepId]) -> Option<StepId> {
        let to = self.target.own_workflows();
        let worker = &self.target.worker;
        let same = match &self.account.workflows {
            Some(listed) => {
                let is_set = |own: &OwnWorkflow| {
                    listed.get(&own.name).is_some_and(|now| is_registered(now, worker, own))
                };
                // Listings do not show all of it.
                let settings = !self.triggers_changed() || self.recorded_same(REGISTERED);
                to.iter().all(is_set) && settings
            }
            None => to.is_empty() || (self.mark.hashes.is_some() && !self.triggers_changed()),
        };
        let left = self.left_workflows();
        let change = Change::SetWorkflows { worker: self.target.worker_ref(), to };
        let unchanged = left.is_empty() && (same || self.has_no_workflows());
        if unchanged && !self.was_interrupted(&change) {
            return None;
        }
        self.say_what_is_late();
        let details = self.recorded_details(REGISTERED);
        let summary = format!("register the Workflows of {worker}");
        Some(self.push(change, needs.to_vec(), summary, details))
    }

    /// It has none, and had none that Clodo knows of.
    fn has_no_workflows(&self) -> bool {
        let had = self.recorded.is_some_and(|recorded| recorded.get(REGISTERED).is_some());
        self.target.own_workflows().is_empty() && !had
    }

    /// Takes away what was this target's and is so no longer, last of all that the target does: what its
    /// instances left cannot be had back.
    pub(super) fn forget_workflows(&mut self, needs: &[StepId]) {
        let (account, worker) = (self.target.id.account.clone(), self.target.worker.clone());
        for (name, now) in self.left_workflows() {
            if now.unfinished > 0 {
                let message = format!(
                    "Workflow `{name}`, which the files of `{worker}` no longer name, stays: {} of \
                     its instances have not ended",
                    now.unfinished
                );
                let hint = format!("`wrangler workflows delete {name}` removes it with them");
                self.draft.object("workflow-kept", Severity::Note, message, &hint);
                continue;
            }
            let details = match now.instances {
                0 => Vec::new(),
                count => vec![format!("what its {count} instances left goes with it")],
            };
            let summary = format!("remove Workflow {name}");
            let change = Change::RemoveWorkflow {
                account: account.clone(),
                name,
                worker: worker.clone(),
                data: Data::Keep,
            };
            self.push(change, needs.to_vec(), summary, details);
        }
    }

    /// Workflows that Clodo registered for this Worker, and that the files no longer name.
    fn left_workflows(&self) -> Vec<(WorkflowName, ObservedWorkflow)> {
        let recorded = self.recorded.and_then(|recorded| recorded.get(REGISTERED));
        let recorded = recorded.and_then(Value::as_object);
        let was_ours =
            |name: &WorkflowName| recorded.is_some_and(|known| known.contains_key(name.as_str()));
        let is_wanted = |name: &WorkflowName| {
            let targets = self.draft.desired.targets.iter();
            let mut same_account = targets.filter(|one| one.id.account == self.target.id.account);
            same_account.any(|one| one.own_workflows().iter().any(|own| own.name == *name))
        };
        let now = self.account.workflows_of(&self.target.worker);
        let left = now.filter(|(name, _)| was_ours(name) && !is_wanted(name));
        left.map(|(name, one)| (name.clone(), one.clone())).collect()
    }

    /// A version that gets its traffic little by little cannot make instances of a Workflow that is
    /// registered at the end.
    fn say_what_is_late(&mut self) {
        if self.live.is_none() || !self.target.strategy.splits() {
            return;
        }
        let Some(listed) = &self.account.workflows else { return };
        let new = self.target.own_workflows().into_iter().map(|own| own.name);
        let new: Vec<String> =
            new.filter(|name| !listed.contains_key(name)).map(|name| format!("`{name}`")).collect();
        if !new.is_empty() {
            let message = format!(
                "Workflow {} of `{}` is registered when the new version has all traffic; until then \
                 the code cannot make instances of it",
                new.join(", "),
                self.target.worker
            );
            let hint = "deploy the class all at once first, and the code that uses it afterwards";
            self.draft.object("workflow-late", Severity::Note, message, hint);
        }
    }
}

/// What the record of a deployment calls them.
const REGISTERED: &str = "registered_workflows";

fn is_registered(now: &ObservedWorkflow, worker: &WorkerName, own: &OwnWorkflow) -> bool {
    now.worker.as_ref() == Some(worker) && now.class_name == own.class_name
}

/// A Workflow that runs the class of somebody else's Worker is not taken over unasked. One whose
/// Worker is gone runs nothing.
pub(super) fn object_to_holders(
    draft: &mut Draft<'_>,
    target: &DesiredTarget,
    account: &ObservedAccount,
    is_ours: &dyn Fn(&WorkerName) -> bool,
) {
    let Some(listed) = &account.workflows else { return };
    for OwnWorkflow { name, .. } in target.own_workflows() {
        let holder = listed.get(&name).and_then(|now| now.worker.as_ref());
        let lives = |holder: &&WorkerName| account.workers.contains_key(*holder);
        let Some(holder) = holder.filter(lives).filter(|holder| !is_ours(holder)) else { continue };
        draft.object(
            "workflow-taken",
            Severity::Block,
            format!(
                "{} has a class for Workflow `{name}`, which runs one of worker `{holder}`",
                target.id
            ),
            "deploy with `--adopt` to take it over, or choose another name",
        );
    }
}
