use crate::{mark::VersionMessage, trigger::TrafficShare};
use clodo_types::{
    BucketName, DatabaseId, NamespaceId, QueueName, VersionId, WorkerName, WorkflowName,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What one Worker runs, as far as no listing of the account tells.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Inspected {
    /// Who has the traffic; empty for a Worker that was never deployed.
    pub traffic: Vec<TrafficShare>,
    /// What was written about that traffic by who set it.
    pub traffic_message: Option<String>,
    /// The versions that have a share of it, with all that they are made of.
    pub serving: Vec<InspectedVersion>,
    /// The newest version, whether it serves or not.
    pub newest: Option<VersionHead>,
    /// The cron expressions.
    pub schedules: Vec<String>,
}

/// A version in a listing of a Worker's versions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionHead {
    /// Its id.
    pub id: VersionId,
    /// Counts up from 1.
    pub number: u64,
    /// What its maker wrote about it.
    pub message: Option<String>,
    /// What it was made with and why, as far as is known: `wrangler, upload`.
    pub made_by: Option<String>,
}

impl VersionHead {
    /// A version about which nothing else is known.
    #[must_use]
    pub fn new(id: VersionId, number: u64) -> Self {
        Self { id, number, message: None, made_by: None }
    }

    /// What Clodo wrote about it, if Clodo made it.
    #[must_use]
    pub fn of_clodo(&self) -> Option<VersionMessage> {
        self.message.as_deref()?.parse().ok()
    }

    /// True when Clodo made it, be it only a place for others to be bound to.
    pub(crate) fn is_clodos(&self) -> bool {
        self.message.as_deref().is_some_and(is_clodos)
    }
}

/// True for what Clodo writes about versions and about traffic.
pub(crate) fn is_clodos(message: &str) -> bool {
    message.starts_with("clodo ") || message.starts_with("clodo:")
}

/// A version and what it is made of. It never changes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InspectedVersion {
    /// Which one.
    pub head: VersionHead,
    /// `YYYY-MM-DD`.
    pub compatibility_date: Option<String>,
    /// Flags of the runtime.
    pub compatibility_flags: Vec<String>,
    /// What the code reaches as `env.NAME`.
    pub bindings: BTreeMap<String, BoundTo>,
}

impl InspectedVersion {
    /// A version without bindings.
    #[must_use]
    pub fn new(head: VersionHead) -> Self {
        let (compatibility_flags, bindings) = (Vec::new(), BTreeMap::new());
        Self { head, compatibility_date: None, compatibility_flags, bindings }
    }
}

/// What a binding of a live version leads to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BoundTo {
    /// A plain variable.
    Var(Value),
    /// A secret, of which only the name is known.
    Secret,
    /// A D1 database.
    Database(DatabaseId),
    /// A KV namespace.
    Namespace(NamespaceId),
    /// An R2 bucket.
    Bucket {
        /// Which one.
        name: BucketName,
        /// The jurisdiction, such as `eu`; such buckets stand in no listing.
        jurisdiction: Option<String>,
    },
    /// A queue to send to.
    Queue(QueueName),
    /// A Workflow to make instances of.
    Workflow {
        /// Its name.
        name: WorkflowName,
        /// The Worker that holds the class, when it says so.
        worker: Option<WorkerName>,
    },
    /// Another Worker.
    Worker {
        /// Which one.
        worker: WorkerName,
        /// A named entrypoint, when given.
        entrypoint: Option<String>,
    },
    /// A class of Durable Objects.
    DurableObject {
        /// The class.
        class_name: String,
        /// The Worker that holds the class, when it is another one.
        worker: Option<WorkerName>,
    },
    /// What the code knows about its own version.
    VersionMetadata,
    /// The Worker's static assets.
    Assets,
    /// Something else, by the platform's word for it.
    Other(String),
}
