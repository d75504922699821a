use super::Fault;
use crate::{
    mark::VersionMessage,
    migration::AppliedMigration,
    trigger::{Route, TrafficShare, WorkersDev},
};
use clodo_types::{
    AccountName, BindingName, BucketName, DatabaseId, DatabaseName, Hostname, NamespaceId,
    NamespaceTitle, VersionId, WorkerName, ZoneName,
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
    pub(super) zones: BTreeSet<ZoneName>,
    pub(super) domains: BTreeMap<Hostname, WorkerName>,
}

#[derive(Debug)]
pub(super) struct Database {
    pub(super) id: DatabaseId,
    pub(super) applied: Vec<AppliedMigration>,
}

#[derive(Clone, Debug)]
pub(super) struct Worker {
    /// Oldest first.
    pub(super) versions: Vec<Version>,
    pub(super) traffic: Vec<TrafficShare>,
    pub(super) tags: Vec<String>,
    pub(super) settings: Map<String, Value>,
    pub(super) workers_dev: WorkersDev,
    pub(super) routes: Vec<Route>,
    pub(super) schedules: Vec<String>,
    pub(super) migration_tag: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: VersionId,
    pub(super) message: Option<VersionMessage>,
    pub(super) bindings: BTreeMap<BindingName, String>,
}

impl Worker {
    pub(super) fn serving(version: Version) -> Self {
        Self {
            traffic: all_to(&version.id),
            versions: vec![version],
            tags: Vec::new(),
            settings: Map::new(),
            workers_dev: WorkersDev::default(),
            routes: Vec::new(),
            schedules: Vec::new(),
            migration_tag: None,
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

pub(super) fn all_to(version: &VersionId) -> Vec<TrafficShare> {
    vec![TrafficShare { version: version.clone(), percentage: 100.0 }]
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn next_version(&mut self, message: Option<VersionMessage>) -> Version {
        let id = self.next_uuid().parse().expect("this is a UUID");
        Version { id, message, bindings: BTreeMap::new() }
    }

    pub(super) fn next_uuid(&mut self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.number())
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
                databases.map(|(name, database)| (name.to_string(), json!(database.applied)));
            let picture = json!({
                "workers": workers.collect::<Map<_, _>>(),
                "databases": databases.collect::<Map<_, _>>(),
                "namespaces": account.namespaces.keys().collect::<Vec<_>>(),
                "buckets": account.buckets,
                "domains": account.domains.iter().collect::<Vec<_>>(),
            });
            (name.to_string(), picture)
        });
        Value::Object(accounts.collect())
    }
}
