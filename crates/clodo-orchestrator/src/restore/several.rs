use crate::{
    change::Before,
    history::{Past, migrated_by},
    migration::RestorePoint,
    plan::Fate,
    record::{DeploymentState, RecordedStep, RecordedTarget},
    resource::QueueConsumer,
    trigger::WorkerRef,
};
use clodo_saga::StepId;
use clodo_types::{
    AccountName, DeploymentId, Hostname, QueueName, TargetId, VersionId, WorkerName,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A deployment of which some targets are taken back.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) past: Past,
    pub(crate) targets: BTreeSet<TargetId>,
    /// What its steps saw before they acted.
    pub(crate) before: BTreeMap<StepId, Value>,
}

/// One or several deployments that are taken back together, as if they had been one: each target goes
/// from what the newest of them left to what the oldest of them found.
#[derive(Clone, Debug, Default)]
pub(crate) struct TakenBack {
    /// Newest first.
    pub(crate) ids: Vec<DeploymentId>,
    pub(crate) targets: Vec<TakenTarget>,
    pub(crate) steps: Vec<RecordedStep>,
    before: BTreeMap<(String, WorkerRef), Before>,
    /// To what each migrated database can be put back: by account and name, before which
    /// deployment; `None` where the record has no moment.
    pub(crate) points: BTreeMap<(AccountName, String), (DeploymentId, Point)>,
    /// Who received from each queue before the oldest of them touched it.
    pub(crate) receivers: BTreeMap<(AccountName, QueueName), Option<QueueConsumer>>,
    /// The Workers that are to go back, and those whose databases alone are.
    pub(crate) wanted: BTreeSet<WorkerRef>,
    /// Whom each hostname led to before the oldest of them touched it.
    owners: BTreeMap<(AccountName, Hostname), Option<WorkerName>>,
}

/// A target of deployments that are taken back.
#[derive(Clone, Debug)]
pub(crate) struct TakenTarget {
    /// As the newest deployment left it.
    pub(crate) recorded: RecordedTarget,
    /// The newest deployment that changed it, and how that ended.
    pub(crate) by: DeploymentId,
    pub(crate) state: DeploymentState,
    /// The version that it gave the traffic, when it gave it to another one.
    pub(crate) version: Option<VersionId>,
}

impl TakenBack {
    /// Puts deployments together; `parts` are newest first.
    pub(crate) fn of(parts: Vec<Part>) -> Self {
        let mut taken = Self {
            ids: parts.iter().map(|part| part.past.id.clone()).collect(),
            ..Self::default()
        };
        for part in &parts {
            let changed = part.past.opening.targets.iter().filter(|target| {
                target.fate != Fate::Unchanged && part.targets.contains(&target.id)
            });
            for target in changed {
                taken.add(part, target);
            }
        }
        let wanted = parts.iter().flat_map(|part| {
            let targets = part.past.opening.targets.iter();
            targets.filter(|target| part.targets.contains(&target.id))
        });
        taken.wanted = wanted.map(|target| target.worker.clone()).collect();
        // What the oldest saw is what is gone back to.
        for part in parts.iter().rev() {
            for step in &part.past.opening.steps {
                taken.add_step(part, step);
            }
            taken.add_receivers(part);
        }
        taken
    }

    fn add(&mut self, part: &Part, target: &RecordedTarget) {
        let known = self.targets.iter_mut().find(|known| known.recorded.id == target.id);
        if let Some(known) = known {
            // What an older deployment made has nothing to go back to; what one removed is back.
            if target.fate == Fate::Create {
                known.recorded.fate = Fate::Create;
            }
            return;
        }
        let finish = &part.past.finish.versions;
        let version = finish.iter().find(|found| found.worker == target.worker);
        self.targets.push(TakenTarget {
            recorded: target.clone(),
            by: part.past.id.clone(),
            state: part.past.state,
            version: version.and_then(|found| found.version.clone()),
        });
    }

    fn add_step(&mut self, part: &Part, step: &RecordedStep) {
        self.steps.push(step.clone());
        self.add_point(part, step);
        let Some(worker) = &step.worker else { return };
        let mut targets = part.past.opening.targets.iter();
        let is_part =
            targets.any(|target| target.worker == *worker && part.targets.contains(&target.id));
        let before = part.before.get(&step.id).cloned();
        let before = before.and_then(|before| serde_json::from_value(before).ok());
        let Some(before) = before.filter(|_| is_part) else { return };
        if let Before::Domains(owners) = &before {
            for (host, owner) in owners {
                let key = (worker.account.clone(), host.clone());
                self.owners.entry(key).or_insert_with(|| owner.clone());
            }
        }
        let key = (step.kind.clone(), worker.clone());
        match self.before.get_mut(&key) {
            Some(older) => fill_up(older, before),
            None => {
                self.before.insert(key, before);
            }
        }
    }

    /// Within one deployment who lost a queue to another target may have seen the other, or nobody.
    fn add_receivers(&mut self, part: &Part) {
        let mut seen: BTreeMap<(AccountName, QueueName), Option<QueueConsumer>> = BTreeMap::new();
        let steps = part.past.opening.steps.iter().filter(|step| step.kind == "consumers");
        for (step, worker) in steps.filter_map(|step| Some((step, step.worker.as_ref()?))) {
            let before = part.before.get(&step.id).cloned();
            let before = before.and_then(|before| serde_json::from_value(before).ok());
            let Some(Before::Consumers(map)) = before else { continue };
            for (queue, consumer) in map {
                let known = seen.entry((worker.account.clone(), queue)).or_default();
                if known.is_none() {
                    *known = consumer;
                }
            }
        }
        for (queue, consumer) in seen {
            self.receivers.entry(queue).or_insert(consumer);
        }
    }

    /// The oldest part comes first, and within it the first file of a database.
    fn add_point(&mut self, part: &Part, step: &RecordedStep) {
        let Some((account, database)) = migrated_by(&step.id) else { return };
        let mut targets = part.past.opening.targets.iter();
        let is_part = targets.any(|target| {
            part.targets.contains(&target.id)
                && target.worker.account.as_str() == account
                && target.databases().any(|name| name == database)
        });
        let Ok(account) = account.parse() else { return };
        // A step that was never begun migrated nothing.
        let Some(before) = part.before.get(&step.id).filter(|_| is_part) else { return };
        let point = Point::of(before);
        let key = (account, database.to_owned());
        self.points.entry(key).or_insert_with(|| (part.past.id.clone(), point));
    }

    /// Whom a hostname led to before any of the deployments touched it.
    pub(crate) fn owner(&self, account: &AccountName, host: &Hostname) -> Option<WorkerName> {
        self.owners.get(&(account.clone(), host.clone())).cloned().flatten()
    }

    /// What was there before one kind of step on a Worker.
    pub(crate) fn before(&self, kind: &str, worker: &WorkerRef) -> Option<Before> {
        self.before.get(&(kind.to_owned(), worker.clone())).cloned()
    }
}

/// To what a database can be put back.
#[derive(Clone, Debug)]
pub(crate) enum Point {
    /// To a moment.
    Known(RestorePoint),
    /// To nothing: the deployment made it.
    Made,
    /// Nobody wrote it down.
    Unknown,
}

impl Point {
    fn of(before: &Value) -> Self {
        if *before == Value::Bool(false) {
            return Self::Made;
        }
        serde_json::from_value(before.clone()).map_or(Self::Unknown, Self::Known)
    }
}

/// Adds what only the newer one saw: domains and settings that the older one did not touch.
fn fill_up(older: &mut Before, newer: Before) {
    match (older, newer) {
        (Before::Domains(older), Before::Domains(newer)) => {
            for (host, owner) in newer {
                older.entry(host).or_insert(owner);
            }
        }
        (Before::Settings { settings: older, .. }, Before::Settings { settings: newer, .. }) => {
            for (key, value) in newer {
                older.entry(key).or_insert(value);
            }
        }
        (Before::Workflows(older), Before::Workflows(newer)) => {
            for (name, was) in newer {
                older.entry(name).or_insert(was);
            }
        }
        (Before::Consumers(older), Before::Consumers(newer)) => {
            for (queue, consumer) in newer {
                older.entry(queue).or_insert(consumer);
            }
        }
        _ => {}
    }
}
