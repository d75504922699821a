use super::{Data, Draft, Going};
use crate::{
    context::DeployContext,
    desired::Desired,
    drift::inspect,
    error::DeployError,
    history::History,
    inspected::{BoundTo, Inspected},
    observed::Observed,
    plan::Plan,
    planner::arrange,
    trigger::WorkerRef,
};
use clodo_saga::StepId;
use clodo_types::{EnvironmentName, Severity, TargetId};
use std::collections::{BTreeMap, BTreeSet};

/// Adds to a plan the removal of all Workers that bear the portfolio's mark and are none of `named`.
/// They go when everything else is done.
pub(crate) async fn plan_prune(
    cx: &DeployContext,
    desired: &Desired,
    plan: Plan,
    (observed, history): (&Observed, &History),
    (named, protected): (&BTreeSet<WorkerRef>, &BTreeSet<EnvironmentName>),
) -> Result<Plan, DeployError> {
    let orphans = orphans(desired, observed, named);
    let inspected = inspect(cx, orphans).await.map_err(DeployError::Observe)?;
    let ids: BTreeMap<&WorkerRef, &TargetId> = history
        .past
        .iter()
        .flat_map(|past| &past.opening.targets)
        .map(|target| (&target.worker, &target.id))
        .collect();
    let mut draft = Draft { observed, plan };
    let after = last_steps(&draft.plan);
    let mut going = Vec::new();
    for (worker, seen) in &inspected {
        let target = ids.get(worker).map(|id| (*id).clone());
        let free = draft.is_free(worker, target.as_ref(), protected);
        if free && draft.may_be_pruned(desired, worker, seen) {
            let calls = bound(seen).filter_map(|(_, bound)| match bound {
                BoundTo::Worker { worker: called, .. } => Some(called.clone()),
                _ => None,
            });
            let account = &worker.account;
            let calls = calls.map(|worker| WorkerRef { account: account.clone(), worker });
            let (worker, calls) = (worker.clone(), calls.collect());
            going.push(Going { worker, target, calls, routes: false });
        }
    }
    let leaving = desired.targets.iter().map(|target| target.worker_ref()).collect();
    draft.remove(&going, (&after, Data::Keep), &leaving);
    draft.plan.steps = arrange(draft.plan.steps);
    Ok(draft.plan)
}

fn orphans(desired: &Desired, observed: &Observed, named: &BTreeSet<WorkerRef>) -> Vec<WorkerRef> {
    let targets: BTreeSet<WorkerRef> =
        desired.targets.iter().map(|target| target.worker_ref()).collect();
    let all = observed.accounts.iter().flat_map(|(account, seen)| {
        let own = seen.workers.iter();
        let own = own.filter(|(_, live)| {
            let mark = live.mark();
            // No file names a preview; it goes with its branch.
            mark.owner.as_ref() == Some(&desired.portfolio) && mark.preview.is_none()
        });
        own.map(|(worker, _)| WorkerRef { account: account.clone(), worker: worker.clone() })
    });
    all.filter(|worker| !named.contains(worker) && !targets.contains(worker)).collect()
}

/// The steps that no other step waits for.
fn last_steps(plan: &Plan) -> Vec<StepId> {
    let needed: BTreeSet<&StepId> = plan.steps.iter().flat_map(|step| &step.needs).collect();
    let last = plan.steps.iter().filter(|step| !needed.contains(&step.id));
    last.map(|step| step.id.clone()).collect()
}

fn bound(seen: &Inspected) -> impl Iterator<Item = (&String, &BoundTo)> {
    seen.serving.iter().flat_map(|version| &version.bindings)
}

impl Draft<'_> {
    /// Objects to a removal in a protected environment.
    fn is_free(
        &mut self,
        worker: &WorkerRef,
        target: Option<&TargetId>,
        protected: &BTreeSet<EnvironmentName>,
    ) -> bool {
        let (name, hint) = (&worker.worker, "give --allow-protected to remove it all the same");
        let message = match target {
            Some(id) if !protected.contains(&id.environment) => return true,
            None if protected.is_empty() => return true,
            Some(id) => format!("`{name}` belongs to `{}`, which is protected", id.environment),
            None => format!("nobody knows to which environment `{name}` belongs"),
        };
        self.say("protected", Severity::Block, message, Some(hint));
        false
    }

    fn may_be_pruned(&mut self, desired: &Desired, worker: &WorkerRef, seen: &Inspected) -> bool {
        let name = &worker.worker;
        let has_objects = bound(seen).any(|(_, bound)| match bound {
            BoundTo::DurableObject { worker: holder, .. } => {
                holder.as_ref().is_none_or(|holder| holder == name)
            }
            _ => false,
        });
        if has_objects {
            let message = format!("`{name}` holds data of Durable Objects, which would go with it");
            let hint = "bring it back into the files and `destroy` it --with-data";
            self.say("data-of-objects", Severity::Block, message, Some(hint));
            return false;
        }
        if !self.may_lose_instances(worker, Data::Keep) {
            return false;
        }
        let caller = desired.targets.iter().find(|target| {
            target.id.account == worker.account && target.bound_workers().any(|one| one == name)
        });
        if let Some(caller) = caller {
            let message = format!("{} calls `{name}`, which the files no longer name", caller.id);
            let hint = "take the binding out of its wrangler config";
            self.say("still-called", Severity::Block, message, Some(hint));
            return false;
        }
        let data = bound(seen).filter_map(|(binding, bound)| match bound {
            BoundTo::Database(_) => Some(format!("database {binding}")),
            BoundTo::Namespace(_) => Some(format!("KV namespace {binding}")),
            BoundTo::Bucket { name, .. } => Some(format!("R2 bucket {name}")),
            BoundTo::Queue(name) => Some(format!("queue {name}")),
            _ => None,
        });
        let data: Vec<String> = data.collect();
        if !data.is_empty() {
            let message = format!("what `{name}` was bound to stays: {}", data.join(", "));
            self.say("data-kept", Severity::Note, message, None);
        }
        true
    }
}
