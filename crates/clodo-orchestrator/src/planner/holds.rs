use super::{Draft, change_id, shown, stages::Between, step_id};
use crate::{
    change::Change,
    config::hash,
    plan::{Action, Fate, Hold, PlannedStep, PlannedTarget},
    strategy::Approval,
};
use clodo_saga::StepId;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

/// What stands between targets that are done and those that come next.
impl Draft<'_> {
    /// The hold that ends the stage before the target's own.
    pub(super) fn stage_gate(&self, target: usize) -> Option<StepId> {
        let before = self.stages.of(target).checked_sub(1)?;
        self.holds.get(before).cloned()
    }

    /// Workers that others must be bound to before their own code can come.
    pub(super) fn stubs(&mut self) {
        for at in self.order.stubs() {
            let target = &self.desired.targets[at];
            let (worker, owner) = (target.worker_ref(), self.desired.portfolio.clone());
            let summary =
                format!("create {} without code, for others to be bound to", worker.worker);
            let preview = target.preview.clone();
            let change = Change::CreateStub { worker, owner, preview };
            let (id, target) = (change_id(&change), Some(target.id.clone()));
            let (action, needs, details) = (Action::Change(change), Vec::new(), Vec::new());
            self.add(PlannedStep { id: id.clone(), target, action, needs, summary, details });
            self.makers.insert(at, id);
        }
    }

    /// Ends a stage: what comes next waits for the health of all its targets.
    pub(super) fn hold(&mut self, stage: &[usize], targets: &BTreeMap<usize, PlannedTarget>) {
        let Some(between) = self.stages.between.get(self.holds.len()).cloned() else { return };
        let changed = stage.iter().filter(|at| targets[at].fate != Fate::Unchanged);
        let changed: Vec<usize> = changed.copied().collect();
        let mut needs: Vec<StepId> =
            changed.iter().filter_map(|at| self.gates.get(at).cloned()).collect();
        needs.extend(self.holds.last().cloned());
        let Between { name, bake, approval } = between;
        let checks = changed.iter().map(|at| targets[at].check.clone()).collect();
        let subject = subject(targets.values());
        let action = Action::Hold(Hold { bake, approval, checks, subject });
        let summary = summary(&name, bake, approval);
        let mut id = step_id(&action, &format!("{} {name}", self.desired.portfolio));
        if self.known.contains(&id) {
            // Two waves may have one name.
            id = StepId::new(format!("{id} ({})", self.holds.len() + 1));
        }
        let (target, details) = (None, Vec::new());
        let id = self.add(PlannedStep { id, target, action, needs, summary, details });
        self.holds.push(id);
    }

    /// Lets everything wait for a yes, where one is needed.
    pub(super) fn approval(&mut self, targets: &BTreeMap<usize, PlannedTarget>) {
        let Some(approval) = self.desired.rollout.approval.filter(|_| !self.steps.is_empty())
        else {
            return;
        };
        let (bake, checks) = (Duration::ZERO, Vec::new());
        let subject = subject(targets.values());
        let action = Action::Hold(Hold { bake, approval: Some(approval), checks, subject });
        let id = step_id(&action, &format!("{} approval", self.desired.portfolio));
        let (target, needs, details) = (None, Vec::new(), Vec::new());
        let summary = "wait for a yes before anything is written".to_owned();
        for step in self.steps.iter_mut().filter(|step| step.needs.is_empty()) {
            step.needs.push(id.clone());
        }
        let step = PlannedStep { id, target, action, needs, summary, details };
        self.steps.insert(0, step);
    }
}

/// What a yes is given to: exactly these targets as they will be.
fn subject<'a>(targets: impl Iterator<Item = &'a PlannedTarget>) -> clodo_types::ContentHash {
    let targets = targets.map(|target| json!([target.id.to_string(), target.hashes]));
    hash(&targets.collect())
}

fn summary(name: &str, bake: Duration, approval: Option<Approval>) -> String {
    let mut summary = format!("end {name}");
    if !bake.is_zero() {
        summary += &format!(" after {} of health", shown(bake));
    }
    if approval.is_some() {
        summary += ", with a yes to go on";
    }
    summary
}
