use crate::{
    desired::DesiredTarget,
    mark::Mark,
    migration::MigrationRecord,
    preview::Preview,
    removal::Data,
    resource::{DesiredConsumer, OwnWorkflow, QueueConsumer, Registration},
    trigger::{Route, TrafficShare, WorkerRef, WorkersDev},
};
use clodo_types::{
    AccountName, BucketName, DatabaseId, DatabaseName, DeploymentId, Hostname, NamespaceId,
    NamespaceTitle, PortfolioName, QueueId, QueueName, VersionId, WorkerName, WorkflowName,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One write to a platform. Each is idempotent: it says what should be there, not what to add.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Create a D1 database.
    CreateDatabase {
        /// The account.
        account: AccountName,
        /// Its name.
        name: DatabaseName,
    },
    /// Create a KV namespace.
    CreateNamespace {
        /// The account.
        account: AccountName,
        /// Its title.
        title: NamespaceTitle,
    },
    /// Create an R2 bucket.
    CreateBucket {
        /// The account.
        account: AccountName,
        /// Its name.
        name: BucketName,
        /// The jurisdiction, such as `eu`.
        jurisdiction: Option<String>,
    },
    /// Create a queue.
    CreateQueue {
        /// The account.
        account: AccountName,
        /// Its name.
        name: QueueName,
    },
    /// Create a Worker without code of its own, so that others can be bound to it before its code,
    /// which is bound to them, can be uploaded. It answers 503 until then.
    CreateStub {
        /// The Worker.
        worker: WorkerRef,
        /// Whose Worker it is.
        owner: PortfolioName,
        /// The preview that it is part of, if it is.
        preview: Option<Preview>,
    },
    /// Upload a version with its assets and its secrets.
    Upload(Upload),
    /// Give versions their shares of the traffic.
    SetTraffic {
        /// The Worker.
        worker: WorkerRef,
        /// Which versions.
        to: Traffic,
    },
    /// Switch `workers.dev` and preview URLs.
    SetWorkersDev {
        /// The Worker.
        worker: WorkerRef,
        /// How they should be.
        to: WorkersDev,
    },
    /// Make the Worker the origin of exactly these hostnames, taking them from other Workers.
    SetDomains {
        /// The Worker.
        worker: WorkerRef,
        /// The hostnames.
        to: BTreeSet<Hostname>,
    },
    /// Replace the Worker's routes.
    SetRoutes {
        /// The Worker.
        worker: WorkerRef,
        /// The patterns.
        to: Vec<Route>,
    },
    /// Replace the Worker's cron schedules.
    SetSchedules {
        /// The Worker.
        worker: WorkerRef,
        /// The expressions.
        to: Vec<String>,
    },
    /// Make the Worker the receiver of exactly these queues, taking them from other Workers.
    SetConsumers {
        /// The Worker.
        worker: WorkerRef,
        /// The queues, and how it receives from them.
        to: Vec<DesiredConsumer>,
    },
    /// Have these Workflows registered with classes of the Worker, taking them from other Workers. Others
    /// of the Worker's stay as they are: their instances would go with them.
    SetWorkflows {
        /// The Worker.
        worker: WorkerRef,
        /// The Workflows.
        to: Vec<OwnWorkflow>,
    },
    /// Write the mark into the Worker's tags, leaving other tags alone, and set what is not part
    /// of a version, all in one request. It is the last change to a Worker.
    Commit {
        /// The Worker.
        worker: WorkerRef,
        /// The mark.
        mark: Mark,
        /// `observability`, `logpush`, `tail_consumers` as in the wrangler config; `null` puts one
        /// back to its default, and what is not named is left as it is.
        settings: Map<String, Value>,
    },
    /// Put a D1 database back to a moment of its history, with all its tables and rows: what was
    /// written since is gone.
    RestoreDatabase {
        /// The account.
        account: AccountName,
        /// Its name, or its id where the files go by that.
        name: String,
        /// Its id.
        id: DatabaseId,
        /// The moment.
        bookmark: String,
        /// What the database lacks at that moment and has now, if it is known: it tells whether the
        /// database was put back.
        first: Option<MigrationRecord>,
    },
    /// Take a Worker away, with its versions, secrets and schedules. Like every removal it is final.
    RemoveWorker {
        /// The Worker.
        worker: WorkerRef,
    },
    /// Take a D1 database away, with all its data.
    RemoveDatabase {
        /// The account.
        account: AccountName,
        /// Its name.
        name: DatabaseName,
        /// Its id: one that was made anew under the same name is another one.
        id: DatabaseId,
    },
    /// Take a KV namespace away, with all its data.
    RemoveNamespace {
        /// The account.
        account: AccountName,
        /// Its title.
        title: NamespaceTitle,
        /// Its id.
        id: NamespaceId,
    },
    /// Take an R2 bucket away, with all its objects.
    RemoveBucket {
        /// The account.
        account: AccountName,
        /// Its name.
        name: BucketName,
    },
    /// Take a queue away, with all its messages.
    RemoveQueue {
        /// The account.
        account: AccountName,
        /// Its name.
        name: QueueName,
        /// Its id.
        id: QueueId,
    },
    /// Take a Workflow away, with all its instances and what they left.
    RemoveWorkflow {
        /// The account.
        account: AccountName,
        /// Its name.
        name: WorkflowName,
        /// The Worker that held its class: one that is another's by now is left alone.
        worker: WorkerName,
        /// What becomes of instances that have not come to an end: with [`Data::Keep`] a Workflow
        /// that has some is refused.
        data: Data,
    },
}

/// What to upload, and as what.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// The target, with its bundle and its bindings.
    pub target: Arc<DesiredTarget>,
    /// The Worker does not exist: the upload creates it and gives it all traffic. The new Worker
    /// must carry the mark's owner (and no hashes) from its first moment.
    pub first: bool,
    /// It brings migrations of Durable Objects that the Worker lacks, as far as is known: the new
    /// version gets all traffic with the upload, and there is no way back to the one before.
    pub migrates: bool,
    /// The hashes that go into the version's message, and whose Worker it is.
    pub mark: Mark,
    /// The revision of the source.
    pub revision: Option<String>,
}

impl Upload {
    /// Why an upload that migrated Durable Objects is not taken back.
    #[must_use]
    pub fn no_way_back(&self) -> String {
        format!(
            "the Durable Objects of `{}` are migrated, and no version from before may serve again",
            self.target.worker
        )
    }
}

/// Which versions get traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// All of it to the version that this deployment uploaded ([`Inputs::version`]).
    Uploaded,
    /// So many percent to that version, and the rest to the one that had the most before
    /// ([`Inputs::before`]), which stays at hand even when nothing is left for it.
    Split(f64),
    /// These shares; they sum up to 100.
    Shares(Vec<TrafficShare>),
}

impl Traffic {
    /// The shares that this means: `uploaded` is the version that this deployment uploaded, `before`
    /// says who had the traffic before it. `None` when the version is needed and not known.
    #[must_use]
    pub fn shares(
        &self,
        uploaded: Option<&VersionId>,
        before: &[TrafficShare],
    ) -> Option<Vec<TrafficShare>> {
        let part = match self {
            Self::Shares(shares) => return Some(shares.clone()),
            Self::Uploaded => None,
            Self::Split(part) => Some(*part),
        };
        let uploaded =
            TrafficShare { version: uploaded?.clone(), percentage: part.unwrap_or(100.0) };
        let old = part.and_then(|part| {
            let version = main_version(before)?.clone();
            Some(TrafficShare { version, percentage: 100.0 - part })
        });
        Some(match old {
            Some(old) => vec![old, uploaded],
            // There is nothing to share with.
            None => vec![TrafficShare { percentage: 100.0, ..uploaded }],
        })
    }
}

/// The version that has the most traffic; the earlier one of equals.
#[must_use]
pub fn main_version(shares: &[TrafficShare]) -> Option<&VersionId> {
    let best = shares.iter().reduce(|a, b| if b.percentage > a.percentage { b } else { a });
    best.map(|share| &share.version)
}

/// Who had the traffic before a deployment gave `uploaded` a share of it, told from who has it now.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "there are two versions at most")]
pub fn traffic_before(now: &[TrafficShare], uploaded: &VersionId) -> Vec<TrafficShare> {
    let mut others: Vec<TrafficShare> =
        now.iter().filter(|share| share.version != *uploaded).cloned().collect();
    let sum: f64 = others.iter().map(|share| share.percentage).sum();
    let equal = 100.0 / others.len().max(1) as f64;
    for share in &mut others {
        share.percentage = if sum > 0.0 { share.percentage / sum * 100.0 } else { equal };
    }
    others
}

impl Change {
    /// A stable word for what it does, such as `upload` or `traffic`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CreateDatabase { .. } => "create-database",
            Self::CreateNamespace { .. } => "create-namespace",
            Self::CreateBucket { .. } => "create-bucket",
            Self::CreateQueue { .. } => "create-queue",
            Self::CreateStub { .. } => "stub",
            Self::Upload(_) => "upload",
            Self::SetTraffic { .. } => "traffic",
            Self::SetWorkersDev { .. } => "workers-dev",
            Self::SetDomains { .. } => "domains",
            Self::SetRoutes { .. } => "routes",
            Self::SetSchedules { .. } => "schedules",
            Self::SetConsumers { .. } => "consumers",
            Self::SetWorkflows { .. } => "workflows",
            Self::Commit { .. } => "commit",
            Self::RestoreDatabase { .. } => "restore-database",
            Self::RemoveWorker { .. } => "remove-worker",
            Self::RemoveDatabase { .. } => "remove-database",
            Self::RemoveNamespace { .. } => "remove-namespace",
            Self::RemoveBucket { .. } => "remove-bucket",
            Self::RemoveQueue { .. } => "remove-queue",
            Self::RemoveWorkflow { .. } => "remove-workflow",
        }
    }

    /// The account that is written to.
    #[must_use]
    pub fn account(&self) -> &AccountName {
        match self {
            Self::CreateDatabase { account, .. }
            | Self::CreateNamespace { account, .. }
            | Self::CreateBucket { account, .. }
            | Self::CreateQueue { account, .. }
            | Self::RemoveQueue { account, .. }
            | Self::RemoveWorkflow { account, .. }
            | Self::RestoreDatabase { account, .. }
            | Self::RemoveDatabase { account, .. }
            | Self::RemoveNamespace { account, .. }
            | Self::RemoveBucket { account, .. } => account,
            Self::Upload(upload) => &upload.target.id.account,
            Self::CreateStub { worker, .. }
            | Self::SetTraffic { worker, .. }
            | Self::SetWorkersDev { worker, .. }
            | Self::SetDomains { worker, .. }
            | Self::SetRoutes { worker, .. }
            | Self::SetSchedules { worker, .. }
            | Self::SetConsumers { worker, .. }
            | Self::SetWorkflows { worker, .. }
            | Self::Commit { worker, .. }
            | Self::RemoveWorker { worker } => &worker.account,
        }
    }

    /// The Worker that is written to, for changes to one.
    #[must_use]
    pub fn worker(&self) -> Option<&WorkerName> {
        match self {
            Self::Upload(upload) => Some(&upload.target.worker),
            Self::CreateStub { worker, .. }
            | Self::SetTraffic { worker, .. }
            | Self::SetWorkersDev { worker, .. }
            | Self::SetDomains { worker, .. }
            | Self::SetRoutes { worker, .. }
            | Self::SetSchedules { worker, .. }
            | Self::SetConsumers { worker, .. }
            | Self::SetWorkflows { worker, .. }
            | Self::Commit { worker, .. }
            | Self::RemoveWorker { worker } => Some(&worker.worker),
            _ => None,
        }
    }

    /// The Worker that is written to, in its account.
    pub(crate) fn worker_ref(&self) -> Option<WorkerRef> {
        let (account, worker) = (self.account().clone(), self.worker()?.clone());
        Some(WorkerRef { account, worker })
    }

    /// What there is to say about taking back a change that cannot be: a removal.
    #[must_use]
    pub fn is_final(&self) -> Option<Undone> {
        let is_final = matches!(
            self,
            Self::RemoveWorker { .. }
                | Self::RemoveDatabase { .. }
                | Self::RemoveNamespace { .. }
                | Self::RemoveBucket { .. }
                | Self::RemoveQueue { .. }
                | Self::RemoveWorkflow { .. }
        );
        is_final.then(|| Undone::Kept("what is removed cannot be brought back".to_owned()))
    }
}

/// What earlier steps, and the listings, found out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Inputs {
    /// The deployment that this belongs to.
    pub deployment: DeploymentId,
    /// For an upload: ids of the account's D1 databases, those that this deployment made included.
    pub databases: BTreeMap<DatabaseName, DatabaseId>,
    /// For an upload: ids of the account's KV namespaces, as with databases.
    pub namespaces: BTreeMap<NamespaceTitle, NamespaceId>,
    /// The version that this deployment uploaded for the same target.
    pub version: Option<VersionId>,
    /// Who had the traffic before this deployment touched it, once a step has found out.
    pub before: Option<Vec<TrafficShare>>,
    /// The Worker as the listing showed it; `None` when it is being created.
    pub worker: Option<crate::observed::ObservedWorker>,
    /// For domains: where the hostnames that the Worker had or gets lead, as the listing showed it.
    pub domains: BTreeMap<Hostname, WorkerName>,
    /// True when an earlier run may have left something behind, known or not: then
    /// [`Platform::look`](crate::Platform::look) must search for the effect. False when the
    /// record says that the last run finished: then it reads only what [`Before`] needs. For an
    /// upload, the newest version counts, if its [`VersionMessage`](crate::VersionMessage) fits.
    pub search: bool,
}

impl Inputs {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(deployment: DeploymentId) -> Self {
        Self {
            deployment,
            databases: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            version: None,
            before: None,
            worker: None,
            domains: BTreeMap::new(),
            search: true,
        }
    }
}

/// What was there before a change: the change's rollback point. It is written to the journal before
/// the change is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Before {
    /// The resource or the Worker did not exist.
    Absent,
    /// It existed, so undoing the change leaves it alone.
    Present,
    /// Who had the traffic.
    Traffic(Vec<TrafficShare>),
    /// How `workers.dev` was.
    WorkersDev(WorkersDev),
    /// Each hostname that the Worker had or gets, with the Worker that it led to.
    Domains(BTreeMap<Hostname, Option<WorkerName>>),
    /// The routes.
    Routes(Vec<Route>),
    /// The schedules.
    Schedules(Vec<String>),
    /// Each queue that the Worker received from or is to receive from, with who received from it.
    Consumers(BTreeMap<QueueName, Option<QueueConsumer>>),
    /// Each Workflow that was the Worker's or is to be, with as what it was registered.
    Workflows(BTreeMap<WorkflowName, Option<Registration>>),
    /// The moment of a database's history.
    Bookmark(String),
    /// All tags, and the settings that the change names.
    Settings {
        /// All tags.
        tags: Vec<String>,
        /// The settings that the change names, as they were; `null` for one that was not set.
        settings: Map<String, Value>,
    },
}

/// What a look at the platform says about a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// What is there now.
    pub before: Before,
    /// Set when the effect of the change is in place already: nothing needs to be written.
    pub already: Option<Applied>,
}

impl Look {
    /// The change has yet to be made.
    #[must_use]
    pub fn pending(before: Before) -> Self {
        Self { before, already: None }
    }

    /// The change is in place.
    #[must_use]
    pub fn done(before: Before, applied: Applied) -> Self {
        Self { before, already: Some(applied) }
    }
}

/// What a change brought about that later steps need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Applied {
    /// Nothing that anybody needs.
    Done,
    /// A database with this id.
    Database(DatabaseId),
    /// A namespace with this id.
    Namespace(NamespaceId),
    /// A version with this id.
    Version(VersionId),
    /// A split of the traffic, which this was before.
    Split(Vec<TrafficShare>),
    /// The mark is written, and this is when the Worker changed last, as a listing shows it from now
    /// on: a later time tells that somebody else changed it.
    Marked(String),
}

/// How undoing a change ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// What was there before is there again.
    Restored,
    /// It stays, for this reason: it holds data, or somebody else changed it since.
    Kept(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> VersionId {
        format!("00000000-0000-4000-8000-{number:012}").parse().expect("this is a UUID")
    }

    fn shares(rows: &[(u32, f64)]) -> Vec<TrafficShare> {
        let share = |(number, percentage): &(u32, f64)| TrafficShare {
            version: version(*number),
            percentage: *percentage,
        };
        rows.iter().map(share).collect()
    }

    #[track_caller]
    fn check(to: &Traffic, before: &[(u32, f64)], expected: &[(u32, f64)]) {
        assert_eq!(to.shares(Some(&version(9)), &shares(before)), Some(shares(expected)));
    }

    #[test]
    fn a_split_shares_with_the_version_that_had_the_most() {
        check(&Traffic::Split(5.0), &[(1, 100.0)], &[(1, 95.0), (9, 5.0)]);
        check(&Traffic::Split(5.0), &[(1, 30.0), (2, 70.0)], &[(2, 95.0), (9, 5.0)]);
        check(&Traffic::Split(100.0), &[(1, 100.0)], &[(1, 0.0), (9, 100.0)]);
        check(&Traffic::Split(5.0), &[], &[(9, 100.0)]);
        check(&Traffic::Uploaded, &[(1, 100.0)], &[(9, 100.0)]);
        assert_eq!(Traffic::Split(5.0).shares(None, &shares(&[(1, 100.0)])), None);
    }

    #[test]
    fn who_had_the_traffic_is_told_from_who_has_it_now() {
        let before = |now: &[(u32, f64)]| traffic_before(&shares(now), &version(9));
        assert_eq!(before(&[(1, 95.0), (9, 5.0)]), shares(&[(1, 100.0)]));
        assert_eq!(before(&[(1, 0.0), (9, 100.0)]), shares(&[(1, 100.0)]));
        assert_eq!(before(&[(1, 100.0)]), shares(&[(1, 100.0)]));
        assert!(before(&[(9, 100.0)]).is_empty());
    }
}
