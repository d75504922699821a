use super::Fault;
use crate::{
    change::Change,
    inspected::{BoundTo, Inspected, InspectedVersion, VersionHead},
    mark::VersionMessage,
    migration::AppliedMigration,
    observed::{ObservedQueue, ObservedWorkflow},
    resource::{DesiredConsumer, OwnWorkflow, QueueConsumer, Registration},
    trigger::{Route, TrafficShare, WorkersDev},
};
use clodo_types::{
    AccountName, BucketName, DatabaseId, DatabaseName, Hostname, NamespaceId, NamespaceTitle,
    QueueName, VersionId, WorkerName, WorkflowName, ZoneName,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) accounts: BTreeMap<AccountName, Account>,
    pub(super) faults: BTreeMap<String, Fault>,
    pub(super) writes: Vec<String>,
    pub(super) reads: usize,
    next: u64,
}

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) workers: BTreeMap<WorkerName, Worker>,
    pub(super) databases: BTreeMap<DatabaseName, Database>,
    pub(super) namespaces: BTreeMap<NamespaceTitle, NamespaceId>,
    pub(super) buckets: BTreeSet<BucketName>,
    pub(super) queues: BTreeMap<QueueName, ObservedQueue>,
    pub(super) workflows: BTreeMap<WorkflowName, Workflow>,
    pub(super) zones: BTreeSet<ZoneName>,
    pub(super) domains: BTreeMap<Hostname, WorkerName>,
}

impl Account {
    /// Whether what a removal is about is gone already.
    pub(super) fn is_gone(&self, change: &Change) -> bool {
        match change {
            Change::RemoveWorker { worker } => !self.workers.contains_key(&worker.worker),
            Change::RemoveDatabase { id, .. } => {
                self.databases.values().all(|known| known.id != *id)
            }
            Change::RemoveNamespace { id, .. } => self.namespaces.values().all(|known| known != id),
            Change::RemoveBucket { name, .. } => !self.buckets.contains(name),
            Change::RemoveQueue { id, .. } => self.queues.values().all(|known| known.id != *id),
            Change::RemoveWorkflow { name, worker, .. } => {
                self.workflows.get(name).is_none_or(|known| known.registration.worker != *worker)
            }
            _ => false,
        }
    }

    /// Makes a removal; what is gone already is no error.
    pub(super) fn take_away(&mut self, change: &Change) {
        match change {
            Change::RemoveWorker { worker } => {
                self.workers.remove(&worker.worker);
                self.stops_receiving(&worker.worker);
                self.domains.retain(|_, by| *by != worker.worker);
            }
            Change::RemoveDatabase { id, .. } => self.databases.retain(|_, known| known.id != *id),
            Change::RemoveNamespace { id, .. } => self.namespaces.retain(|_, known| known != id),
            Change::RemoveBucket { name, .. } => {
                self.buckets.remove(name);
            }
            Change::RemoveQueue { id, .. } => self.queues.retain(|_, known| known.id != *id),
            Change::RemoveWorkflow { name, worker, .. } => {
                let own = |known: &Workflow| known.registration.worker == *worker;
                if self.workflows.get(name).is_some_and(own) {
                    self.workflows.remove(name);
                }
            }
            _ => {}
        }
    }

    pub(super) fn stops_receiving(&mut self, worker: &WorkerName) {
        for queue in self.queues.values_mut() {
            queue.consumer.take_if(|now| now.worker == *worker);
        }
    }

    /// Each queue that a Worker receives from or is to receive from, with who receives from it.
    pub(super) fn receivers(
        &self,
        worker: &WorkerName,
        to: &[DesiredConsumer],
    ) -> BTreeMap<QueueName, Option<QueueConsumer>> {
        let concerns = |name: &QueueName, queue: &ObservedQueue| {
            queue.consumer.as_ref().is_some_and(|now| now.worker == *worker)
                || to.iter().any(|wanted| wanted.queue == *name)
        };
        let queues = self.queues.iter().filter(|(name, queue)| concerns(name, queue));
        queues.map(|(name, queue)| (name.clone(), queue.consumer.clone())).collect()
    }

    pub(super) fn register(&mut self, name: &WorkflowName, registration: Registration) {
        let new = Workflow { registration: registration.clone(), instances: 0, unfinished: 0 };
        self.workflows.entry(name.clone()).or_insert(new).registration = registration;
    }

    /// Each Workflow that is a Worker's or is to be, with as what it is registered.
    pub(super) fn registered(
        &self,
        worker: &WorkerName,
        to: &[OwnWorkflow],
    ) -> BTreeMap<WorkflowName, Option<Registration>> {
        let own = self.workflows.iter().filter(|(_, known)| known.registration.worker == *worker);
        let mut found: BTreeMap<_, _> = to
            .iter()
            .map(|wanted| (wanted.name.clone(), self.workflows.get(&wanted.name)))
            .map(|(name, known)| (name, known.map(|known| known.registration.clone())))
            .collect();
        found.extend(own.map(|(name, known)| (name.clone(), Some(known.registration.clone()))));
        found
    }

    /// The Workers whose newest version is bound to a Worker.
    pub(super) fn callers_of(&self, name: &WorkerName) -> BTreeSet<WorkerName> {
        let calls = |worker: &Worker| {
            let newest = worker.versions.last();
            newest.into_iter().flat_map(|version| version.bindings.values()).any(
                |bound| match bound {
                    BoundTo::Worker { worker, .. } => worker == name,
                    BoundTo::DurableObject { worker, .. } | BoundTo::Workflow { worker, .. } => {
                        worker.as_ref() == Some(name)
                    }
                    _ => false,
                },
            )
        };
        let callers = self.workers.iter().filter(|(own, worker)| *own != name && calls(worker));
        callers.map(|(own, _)| own.clone()).collect()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Workflow {
    pub(super) registration: Registration,
    pub(super) instances: u64,
    pub(super) unfinished: u64,
}

impl Workflow {
    pub(super) fn observed(&self) -> ObservedWorkflow {
        ObservedWorkflow {
            worker: Some(self.registration.worker.clone()),
            class_name: self.registration.class_name.clone(),
            instances: self.instances,
            unfinished: self.unfinished,
        }
    }
}

#[derive(Debug)]
pub(super) struct Database {
    pub(super) id: DatabaseId,
    pub(super) applied: Vec<AppliedMigration>,
    /// What others wrote into it.
    pub(super) rows: Vec<String>,
    /// What it held, by bookmark.
    moments: Vec<(Vec<AppliedMigration>, Vec<String>)>,
    /// Whether the newest moment that has a bookmark is the present one.
    is_named: bool,
}

impl Database {
    pub(super) fn new(id: DatabaseId) -> Self {
        let (applied, rows, moments) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, applied, rows, moments, is_named: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.rows.is_empty()
    }

    /// Something is about to be written.
    pub(super) fn moves_on(&mut self) {
        self.is_named = false;
    }

    /// Names the present moment.
    pub(super) fn bookmark(&mut self) -> String {
        if !self.is_named {
            self.moments.push((self.applied.clone(), self.rows.clone()));
            self.is_named = true;
        }
        format!("moment {}", self.moments.len() - 1)
    }

    fn picture(&self) -> Value {
        let applied = self.applied.iter().map(|done| json!([done.name, done.checksum]));
        json!({ "applied": applied.collect::<Vec<_>>(), "rows": self.rows })
    }

    /// Goes back to a moment that was named; false when there is none of that name.
    pub(super) fn go_back(&mut self, bookmark: &str) -> bool {
        let number =
            bookmark.strip_prefix("moment ").and_then(|number| number.parse::<usize>().ok());
        let moment = number.and_then(|number| self.moments.get(number)).cloned();
        moment.is_some_and(|(applied, rows)| {
            self.moves_on();
            (self.applied, self.rows) = (applied, rows);
            true
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Worker {
    /// Oldest first.
    pub(super) versions: Vec<Version>,
    pub(super) traffic: Vec<TrafficShare>,
    /// What was written about the traffic; nothing when somebody else than Clodo set it.
    pub(super) traffic_message: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) settings: Map<String, Value>,
    pub(super) workers_dev: WorkersDev,
    pub(super) routes: Vec<Route>,
    pub(super) schedules: Vec<String>,
    pub(super) migration_tag: Option<String>,
    /// Counts its changes.
    pub(super) changes: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: VersionId,
    pub(super) number: u64,
    pub(super) message: Option<VersionMessage>,
    pub(super) compatibility_date: Option<String>,
    pub(super) compatibility_flags: Vec<String>,
    pub(super) bindings: BTreeMap<String, BoundTo>,
}

impl Version {
    pub(super) fn head(&self) -> VersionHead {
        let mut head = VersionHead::new(self.id.clone(), self.number);
        head.message = self.message.as_ref().map(ToString::to_string);
        head
    }

    pub(super) fn inspected(&self) -> InspectedVersion {
        let mut version = InspectedVersion::new(self.head());
        version.compatibility_date.clone_from(&self.compatibility_date);
        version.compatibility_flags.clone_from(&self.compatibility_flags);
        version.bindings.clone_from(&self.bindings);
        version
    }
}

impl Worker {
    pub(super) fn serving(version: Version) -> Self {
        Self {
            traffic: all_to(&version.id),
            traffic_message: version.message.as_ref().map(ToString::to_string),
            versions: vec![version],
            tags: Vec::new(),
            settings: Map::new(),
            workers_dev: WorkersDev::default(),
            routes: Vec::new(),
            schedules: Vec::new(),
            migration_tag: None,
            changes: 1,
        }
    }

    /// Takes a version in and gives it all traffic, as others than Clodo do.
    pub(super) fn serve(&mut self, version: Version) {
        (self.traffic, self.traffic_message) = (all_to(&version.id), None);
        self.versions.push(version);
    }

    pub(super) fn inspected(&self) -> Inspected {
        let serves =
            |version: &&Version| self.traffic.iter().any(|share| share.version == version.id);
        Inspected {
            traffic: self.traffic.clone(),
            traffic_message: self.traffic_message.clone(),
            serving: self.versions.iter().filter(serves).map(Version::inspected).collect(),
            newest: self.versions.last().map(Version::head),
            schedules: self.schedules.clone(),
        }
    }

    fn picture(&self) -> Value {
        let shares = self.traffic.iter().map(|share| {
            let version = self.versions.iter().find(|version| version.id == share.version);
            let message = version.and_then(|version| version.message.as_ref());
            let runs = message.map(|message| format!("{} {}", message.content, message.config));
            json!({ "runs": runs, "percentage": share.percentage })
        });
        json!({
            "traffic": shares.collect::<Vec<_>>(),
            "tags": self.tags,
            "settings": self.settings,
            "workers_dev": self.workers_dev,
            "routes": self.routes,
            "schedules": self.schedules,
        })
    }
}

fn uuid(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

pub(super) fn all_to(version: &VersionId) -> Vec<TrafficShare> {
    vec![TrafficShare { version: version.clone(), percentage: 100.0 }]
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn next_version(&mut self, message: Option<VersionMessage>) -> Version {
        let number = self.number();
        let id = uuid(number).parse().expect("this is a UUID");
        let (compatibility_flags, bindings) = (Vec::new(), BTreeMap::new());
        Version { id, number, message, compatibility_date: None, compatibility_flags, bindings }
    }

    pub(super) fn next_uuid(&mut self) -> String {
        uuid(self.number())
    }

    pub(super) fn next_hex(&mut self) -> String {
        format!("{:032x}", self.number())
    }

    pub(super) fn picture(&self) -> Value {
        let accounts = self.accounts.iter().map(|(name, account)| {
            let workers = account.workers.iter();
            let workers = workers.map(|(name, worker)| (name.to_string(), worker.picture()));
            let databases = account.databases.iter();
            let databases =
                databases.map(|(name, database)| (name.to_string(), database.picture()));
            let picture = json!({
                "workers": workers.collect::<Map<_, _>>(),
                "databases": databases.collect::<Map<_, _>>(),
                "namespaces": account.namespaces.keys().collect::<Vec<_>>(),
                "buckets": account.buckets,
                "queues": account.queues.iter().map(|(name, queue)| (name.to_string(), json!(queue.consumer))).collect::<Map<_, _>>(),
                "workflows": account.workflows.iter().map(|(name, known)| (name.to_string(), json!(known.registration))).collect::<Map<_, _>>(),
                "domains": account.domains.iter().collect::<Vec<_>>(),
            });
            (name.to_string(), picture)
        });
        Value::Object(accounts.collect())
    }
}
