use crate::migration::MigrationFile;
use clodo_types::{
    BindingName, BucketName, DatabaseId, DatabaseName, NamespaceId, NamespaceTitle, QueueName,
    WorkerName, WorkflowName,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A resource that a binding points at: by a name, and then Clodo creates it when it is missing,
/// or by an id, and then it must exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceRef<N, I> {
    /// By name.
    Name(N),
    /// By id.
    Id(I),
}

/// A D1 database, by name or id.
pub type DatabaseRef = ResourceRef<DatabaseName, DatabaseId>;
/// A KV namespace, by title or id.
pub type NamespaceRef = ResourceRef<NamespaceTitle, NamespaceId>;

/// A D1 binding and the migrations that the database should have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DesiredDatabase {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// Which database.
    pub resource: DatabaseRef,
    /// All migration files, in the order in which they apply.
    pub migrations: Vec<MigrationFile>,
    /// The table that records applied migrations; wrangler's default is `d1_migrations`.
    pub migrations_table: String,
}

/// A KV binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredNamespace {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// Which namespace.
    pub resource: NamespaceRef,
}

/// An R2 binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredBucket {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The bucket; it is created when it is missing.
    pub name: BucketName,
    /// The jurisdiction, such as `eu`.
    pub jurisdiction: Option<String>,
}

/// A binding to another Worker of the same account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DesiredService {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The other Worker.
    pub worker: WorkerName,
    /// A named entrypoint, when given.
    pub entrypoint: Option<String>,
    /// Properties handed to the entrypoint.
    pub props: Option<Value>,
}

/// A Durable Object binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredDurableObject {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The class.
    pub class_name: String,
    /// The Worker that holds the class, when it is another one.
    pub worker: Option<WorkerName>,
}

/// A binding that sends to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredQueue {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The queue; it is created when it is missing.
    pub name: QueueName,
}

/// A queue whose messages a Worker receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredConsumer {
    /// The queue; it is created when it is missing.
    pub queue: QueueName,
    /// How the Worker receives them.
    #[serde(flatten)]
    pub delivery: Delivery,
}

impl DesiredConsumer {
    /// Whether who receives `now` is `worker` for exactly the queues that it wants, in the way it wants.
    #[must_use]
    pub fn are_set<'a>(
        wanted: &[Self],
        worker: &WorkerName,
        now: impl IntoIterator<Item = (&'a QueueName, &'a QueueConsumer)>,
    ) -> bool {
        let own = now.into_iter().filter(|(_, consumer)| consumer.worker == *worker);
        let own: BTreeMap<_, _> = own.collect();
        let is_met =
            |one: &Self| own.get(&one.queue).is_some_and(|now| now.delivery.is_like(&one.delivery));
        own.len() == wanted.len() && wanted.iter().all(is_met)
    }
}

/// How messages of a queue are delivered to a Worker. What is left out is the platform's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delivery {
    /// The queue that gets what could not be delivered; it is created when it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_queue: Option<QueueName>,
    /// The most messages of one batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// The most batches at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// How often a message is delivered again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Milliseconds that a batch waits to be full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_wait_time_ms: Option<u64>,
    /// Seconds before a message is delivered again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_delay: Option<u32>,
}

impl Delivery {
    /// Whether both come to the same, with Cloudflare's choices for what is left out
    /// (<https://developers.cloudflare.com/queues/configuration/configure-queues/>).
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.filled() == other.filled()
    }

    fn filled(&self) -> Self {
        Self {
            dead_letter_queue: self.dead_letter_queue.clone(),
            batch_size: self.batch_size.or(Some(10)),
            max_concurrency: self.max_concurrency,
            max_retries: self.max_retries.or(Some(3)),
            max_wait_time_ms: self.max_wait_time_ms.or(Some(5_000)),
            retry_delay: self.retry_delay.or(Some(0)),
        }
    }
}

/// The Worker that receives a queue's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueConsumer {
    /// Which one.
    pub worker: WorkerName,
    /// How it receives them.
    #[serde(flatten)]
    pub delivery: Delivery,
}

/// A binding to a Workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredWorkflow {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The Workflow.
    pub name: WorkflowName,
    /// The class that `run`s it.
    pub class_name: String,
    /// The Worker that holds the class, when it is another one: then that one registers it.
    pub worker: Option<WorkerName>,
    /// How many steps an instance may have, when that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}

impl DesiredWorkflow {
    /// The Workflow as its own Worker has it registered.
    #[must_use]
    pub fn registration(&self) -> OwnWorkflow {
        let (name, class_name) = (self.name.clone(), self.class_name.clone());
        OwnWorkflow { name, class_name, steps: self.steps }
    }
}

/// A Workflow of which a Worker holds the class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnWorkflow {
    /// Its name.
    pub name: WorkflowName,
    /// The class.
    pub class_name: String,
    /// How many steps an instance may have; `None` is the platform's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}

/// As what a Workflow is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The Worker that holds the class.
    pub worker: WorkerName,
    /// The class.
    pub class_name: String,
    /// How many steps an instance may have, when that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}

impl Registration {
    /// What a Worker wants.
    #[must_use]
    pub fn of(worker: &WorkerName, wanted: &OwnWorkflow) -> Self {
        let (class_name, steps) = (wanted.class_name.clone(), wanted.steps);
        Self { worker: worker.clone(), class_name, steps }
    }

    /// Whether it is what a Worker wants.
    #[must_use]
    pub fn is(&self, worker: &WorkerName, wanted: &OwnWorkflow) -> bool {
        let own = (&self.class_name, self.steps) == (&wanted.class_name, wanted.steps);
        self.worker == *worker && own
    }
}
