use crate::{
    blob::BlobKey,
    error::StoreError,
    lease::{Fence, Holder, Lease, LeaseRequest},
};
use async_trait::async_trait;
use clodo_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

/// Work that any number of runners claim, each job by one of them.
///
/// # Contract
/// - A method that writes returns only once what it wrote survives the end of the process, and
///   writes all of it or nothing.
/// - A claimed job comes with a lease of the same store, named `job/<id>`: its holder renews it (see
///   [`LeaseGuard::adopt`](crate::LeaseGuard::adopt)), and proves by it that the job is still its
///   own when it finishes. Once the lease is given back or has expired, the job can be claimed again.
/// - Of several who claim at the same time no two get the same job, and none waits for another.
/// - Jobs are claimed in the order in which they were enqueued; one that needs what the claimer has
///   not is passed over.
/// - Jobs hold names of secrets, never values.
#[async_trait]
pub trait JobStore: fmt::Debug + Send + Sync + 'static {
    /// Adds jobs. One that is known and the same is left as it is, so that asking again does no
    /// harm.
    ///
    /// # Errors
    /// When an id is known for another job, a blob is missing, the lease is lost, or the store
    /// fails.
    async fn enqueue(&self, jobs: &[Job], fence: Option<&Fence>) -> Result<(), StoreError>;

    /// Claims the oldest job that nobody has and the claimer can do; none when there is no such.
    ///
    /// # Errors
    /// When the store fails.
    async fn claim(&self, claim: &Claim) -> Result<Option<ClaimedJob>, StoreError>;

    /// Ends a claimed job and gives its lease back.
    ///
    /// # Errors
    /// When the lease is lost, the job has ended, or the store fails.
    async fn finish(&self, lease: &Lease, end: &JobEnd) -> Result<(), StoreError>;

    /// Ends all jobs of a group that nobody has at that moment, and says how many.
    ///
    /// # Errors
    /// When the lease is lost or the store fails.
    async fn withdraw(
        &self,
        group: &str,
        at: Timestamp,
        fence: Option<&Fence>,
    ) -> Result<u64, StoreError>;

    /// Jobs that match, in the order in which they were enqueued.
    ///
    /// # Errors
    /// When the store fails.
    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobRecord>, StoreError>;

    /// Forgets jobs that ended before this moment, and says how many.
    ///
    /// # Errors
    /// When the store fails.
    async fn forget_jobs(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// The name of a job: unique in its store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// Takes any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the lease under which the job is done.
    #[must_use]
    pub fn lease_name(&self) -> String {
        format!("job/{}", self.0)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Work for one runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id, made by who enqueues it.
    pub id: JobId,
    /// What it is part of, such as a deployment's id.
    pub group: String,
    /// What a runner must be able to do.
    pub kind: String,
    /// The names of secrets that a runner must have the values of.
    pub requires: BTreeSet<String>,
    /// The blobs that it needs; they stay for as long as it has not ended.
    pub blobs: BTreeSet<BlobKey>,
    /// When it was enqueued.
    pub at: Timestamp,
    /// Whatever the runner needs to know. No secrets.
    pub data: Value,
}

/// Who claims, and what it can do.
#[derive(Clone)]
#[non_exhaustive]
pub struct Claim {
    /// Who claims.
    pub holder: Holder,
    /// The present moment.
    pub now: Timestamp,
    /// How long the job stays claimed when its holder dies.
    pub ttl: Duration,
    /// The kinds of jobs that it can do; `None` = all.
    pub kinds: Option<BTreeSet<String>>,
    has: Has,
}

type Has = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl Claim {
    /// By somebody who can do all kinds of jobs and has no secret.
    #[must_use]
    pub fn new(holder: Holder, now: Timestamp, ttl: Duration) -> Self {
        Self { holder, now, ttl, kinds: None, has: Arc::new(|_| false) }
    }

    /// Sets the kinds of jobs that it can do.
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl IntoIterator<Item = String>) -> Self {
        self.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// Sets which secrets it has the values of, asked by name.
    #[must_use]
    pub fn with_secrets(mut self, has: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.has = Arc::new(has);
        self
    }

    /// Of these names those of which it has the values.
    pub(crate) fn able(&self, needed: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        needed.into_iter().filter(|name| (self.has)(name)).collect()
    }

    pub(crate) fn lease(&self, job: &JobId) -> LeaseRequest {
        let (name, holder) = (job.lease_name(), self.holder.clone());
        LeaseRequest { name, holder, now: self.now, ttl: self.ttl }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("holder", &self.holder)
            .field("now", &self.now)
            .field("ttl", &self.ttl)
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}

/// A job that is its claimer's.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedJob {
    /// The job.
    pub job: Job,
    /// The lease under which it is done.
    pub lease: Lease,
    /// How often it was claimed, this time included: more than once after a runner died.
    pub attempt: u64,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: JobOutcome,
    /// Whatever its owner wants to know. No secrets.
    pub data: Value,
}

/// How a job ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobOutcome {
    /// Its runner did it.
    Done,
    /// Its runner tried, and failed.
    Failed,
    /// It was not wanted any more.
    Withdrawn,
}

impl JobEnd {
    pub(crate) fn withdrawn(at: Timestamp) -> Self {
        Self { at, outcome: JobOutcome::Withdrawn, data: Value::Null }
    }
}

/// A job in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRecord {
    /// The job.
    pub job: Job,
    /// How it stands.
    pub state: JobState,
    /// How often it was claimed.
    pub attempts: u64,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// Nobody has it.
    Waiting,
    /// Somebody has it, or had it until the lease expired.
    Claimed(Lease),
    /// It has ended.
    Ended(JobEnd),
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobQuery {
    /// Only jobs of this group.
    pub group: Option<String>,
    /// Only jobs that have not ended.
    pub unfinished: bool,
}

impl JobQuery {
    /// All jobs.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// All jobs that have not ended.
    #[must_use]
    pub fn unfinished() -> Self {
        Self { unfinished: true, ..Self::default() }
    }

    /// Of these, only those of one group.
    #[must_use]
    pub fn of_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }
}
