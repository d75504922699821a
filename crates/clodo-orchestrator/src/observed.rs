use crate::{
    mark::Mark, migration::AppliedMigration, resource::QueueConsumer, trigger::WorkersDev,
};
use clodo_types::{
    AccountName, BucketName, DatabaseId, DatabaseName, Hostname, NamespaceId, NamespaceTitle,
    QueueId, QueueName, WorkerName, WorkflowName, ZoneName,
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What has to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// What of each account.
    pub accounts: BTreeMap<AccountName, AccountScope>,
}

/// What has to be read of one account. Workers and custom domains are always listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountScope {
    /// The Workers that matter; a listing may hold more.
    pub workers: BTreeSet<WorkerName>,
    /// D1 databases matter.
    pub databases: bool,
    /// KV namespaces matter.
    pub namespaces: bool,
    /// R2 buckets matter.
    pub buckets: bool,
    /// Queues matter, and who receives from them; they are listed where the token may.
    pub queues: bool,
    /// Workflows matter; they are listed where the token may.
    pub workflows: bool,
    /// Zones matter.
    pub zones: bool,
    /// Workers of which it matters how far their Durable Objects are migrated.
    pub objects: BTreeSet<WorkerName>,
    /// Routes matter; they are listed by zone, where the token may.
    pub routes: bool,
}

/// What is there, as far as listings tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Each account that was asked for.
    pub accounts: BTreeMap<AccountName, ObservedAccount>,
}

/// What one account holds. What the [`Scope`] did not ask for may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedAccount {
    /// Workers by name.
    pub workers: BTreeMap<WorkerName, ObservedWorker>,
    /// D1 databases by name.
    pub databases: BTreeMap<DatabaseName, ObservedDatabase>,
    /// KV namespaces by title.
    pub namespaces: BTreeMap<NamespaceTitle, NamespaceId>,
    /// R2 buckets.
    pub buckets: BTreeSet<BucketName>,
    /// Queues by name; `None` when they were not listed.
    pub queues: Option<BTreeMap<QueueName, ObservedQueue>>,
    /// Workflows by name; `None` when they were not listed.
    pub workflows: Option<BTreeMap<WorkflowName, ObservedWorkflow>>,
    /// Zones.
    pub zones: BTreeSet<ZoneName>,
    /// Custom domains and the Workers that they lead to.
    pub domains: BTreeMap<Hostname, WorkerName>,
    /// Patterns of routes and the Workers that they lead to; `None` when they were not listed.
    pub routes: Option<BTreeMap<String, WorkerName>>,
}

impl ObservedAccount {
    /// The domains that lead to `worker`.
    #[must_use]
    pub fn domains_of(&self, worker: &WorkerName) -> BTreeSet<Hostname> {
        let own = self.domains.iter().filter(|(_, owner)| *owner == worker);
        own.map(|(hostname, _)| hostname.clone()).collect()
    }

    /// The patterns of the routes that lead to `worker`; `None` when routes were not listed.
    #[must_use]
    pub fn routes_of(&self, worker: &WorkerName) -> Option<BTreeSet<String>> {
        let own = self.routes.as_ref()?.iter().filter(|(_, owner)| *owner == worker);
        Some(own.map(|(pattern, _)| pattern.clone()).collect())
    }

    /// How `worker` receives messages, by queue; `None` when queues were not listed.
    #[must_use]
    pub fn consumed_by(&self, worker: &WorkerName) -> Option<BTreeMap<&QueueName, &QueueConsumer>> {
        let queues = self.queues.as_ref()?.iter();
        let own = queues.filter_map(|(name, queue)| Some((name, queue.consumer.as_ref()?)));
        Some(own.filter(|(_, consumer)| consumer.worker == *worker).collect())
    }

    /// The Workflows whose class `worker` holds; none when they were not listed.
    pub fn workflows_of(
        &self,
        worker: &WorkerName,
    ) -> impl Iterator<Item = (&WorkflowName, &ObservedWorkflow)> {
        let all = self.workflows.iter().flatten();
        all.filter(move |(_, one)| one.worker.as_ref() == Some(worker))
    }

    pub(crate) fn database_by_id(&self, id: &DatabaseId) -> Option<&ObservedDatabase> {
        self.databases.values().find(|database| database.id == *id)
    }
}

/// A Worker in a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedWorker {
    /// Its tags.
    pub tags: Vec<String>,
    /// When it last changed, as the platform writes it.
    pub updated_on: Option<String>,
    /// Whether it answers under `workers.dev`, when the listing says so.
    pub workers_dev: Option<WorkersDev>,
    /// `observability`, `logpush`, `tail_consumers`, as far as the listing says.
    pub settings: Map<String, Value>,
    /// The tag of the newest migration of its Durable Objects, where the [`Scope`] asked for it and
    /// there was one.
    pub migration_tag: Option<String>,
    /// Other Workers that are bound to it, as far as the listing says.
    pub called_by: BTreeSet<WorkerName>,
}

impl ObservedWorker {
    /// What the last deployment left in the tags.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark::from_tags(&self.tags)
    }
}

/// A Workflow in a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedWorkflow {
    /// The Worker that holds the class.
    pub worker: Option<WorkerName>,
    /// The class.
    pub class_name: String,
    /// How many instances there are.
    pub instances: u64,
    /// How many of them have not come to an end.
    pub unfinished: u64,
}

/// A queue in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedQueue {
    /// Its id.
    pub id: QueueId,
    /// The Worker that receives its messages.
    pub consumer: Option<QueueConsumer>,
}

/// A D1 database in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedDatabase {
    /// Its id.
    pub id: DatabaseId,
    /// The migrations that it has; the platform leaves this empty, and a
    /// [`Migrator`](crate::Migrator) fills it in for databases that have migration files.
    pub applied: Vec<AppliedMigration>,
    /// How many bytes it holds, when the listing says so.
    pub size: Option<u64>,
}

impl ObservedDatabase {
    /// A database about whose migrations nothing is known yet.
    #[must_use]
    pub fn new(id: DatabaseId) -> Self {
        Self { id, applied: Vec::new(), size: None }
    }
}
