//! Deployments that runners carry out: packed into the state store here, unpacked from it there.

use crate::bundles::{fetch_bundles, keep_bundles};
use clodo_orchestrator::Desired;
use clodo_saga::{Job, JobId, JobStore, StateStore, StoreError};
use clodo_types::{ContentHash, DeploymentId, PortfolioName, SecretName, TargetId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, io, path::Path};

/// The format of what a job holds.
const FORMAT: u32 = 1;

/// A deployment as it waits for a runner: everything that it needs but the bundles, which lie beside
/// it by their hashes, and the values of secrets, which the runner has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Order {
    format: u32,
    /// What the targets are to be.
    pub desired: Desired,
    /// The targets that are uploaded again although nothing changed.
    pub redeploy: BTreeSet<TargetId>,
    /// Who ordered it, for the record.
    pub by: String,
    /// Why, for the record.
    pub why: Option<String>,
}

/// A deployment could not be handed to a runner, or taken by one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The store failed.
    #[error("the state store failed")]
    Store(#[from] StoreError),
    /// A file of a bundle cannot be read any more, or not be written here.
    #[error("a bundle could not be packed or unpacked")]
    Files(#[source] io::Error),
    /// What the job holds cannot be used.
    #[error("the job is damaged, or a newer Clodo made it")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A bundle is not in the store any more.
    #[error("bundle {0} is not in the store any more")]
    Missing(ContentHash),
}

impl Order {
    /// Deploys what changed.
    #[must_use]
    pub fn new(desired: Desired, by: impl Into<String>) -> Self {
        Self { format: FORMAT, desired, redeploy: BTreeSet::new(), by: by.into(), why: None }
    }

    /// Also uploads these targets again.
    #[must_use]
    pub fn with_redeploy(mut self, redeploy: BTreeSet<TargetId>) -> Self {
        self.redeploy = redeploy;
        self
    }

    /// Says why.
    #[must_use]
    pub fn with_why(mut self, why: Option<String>) -> Self {
        self.why = why;
        self
    }

    /// Reads what a job holds. Its bundles have no content yet; see [`Order::fetch`].
    ///
    /// # Errors
    /// When it holds something else, or a newer format.
    pub fn of(job: &Job) -> Result<Self, QueueError> {
        let damaged = |error: serde_json::Error| QueueError::Damaged(error.into());
        let order: Self = serde_json::from_value(job.data.clone()).map_err(damaged)?;
        if order.format > FORMAT {
            return Err(QueueError::Damaged("it has a newer format".into()));
        }
        Ok(order)
    }

    /// The secrets that a runner must have the values of, as a job names them.
    #[must_use]
    pub fn requires(&self) -> BTreeSet<String> {
        let targets = self.desired.targets.iter();
        let names = targets
            .flat_map(|target| target.secrets.iter().map(|name| required_secret(&target.id, name)));
        names.collect()
    }

    /// Puts the bundles into the store that are not there, and then the job, whole or not at all.
    /// `id` becomes the id of the deployment, unless that has to be begun twice.
    ///
    /// # Errors
    /// When a bundle cannot be packed, or the store fails.
    pub async fn enqueue(
        &self,
        store: &dyn StateStore,
        id: &DeploymentId,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let bundles = self.desired.targets.iter().map(|target| &target.bundle);
        let blobs = keep_bundles(store, bundles, now).await?;
        let job = Job {
            id: JobId::new(id.as_str()),
            group: self.desired.portfolio.to_string(),
            kind: job_kind(&self.desired.portfolio),
            requires: self.requires(),
            blobs,
            at: now,
            data: serde_json::to_value(self).map_err(|error| QueueError::Damaged(error.into()))?,
        };
        Ok(JobStore::enqueue(store, &[job], None).await?)
    }

    /// Takes the bundles from the store. Their assets are put into `folder`, where they must stay
    /// until the deployment has ended.
    ///
    /// # Errors
    /// When a bundle is missing or damaged, or the store fails.
    pub async fn fetch(&mut self, store: &dyn StateStore, folder: &Path) -> Result<(), QueueError> {
        let hashes: BTreeSet<ContentHash> =
            self.desired.targets.iter().map(|target| target.bundle.hash).collect();
        let bundles = fetch_bundles(store, hashes, folder).await?;
        self.desired.attach(&bundles).map_err(|missing| {
            let first = missing.into_iter().next();
            first.map_or_else(|| QueueError::Damaged("it is empty".into()), QueueError::Missing)
        })
    }
}

/// The kind of job that a deployment of a portfolio is: a runner works for one portfolio, whose
/// files say where accounts and secrets come from.
#[must_use]
pub fn job_kind(portfolio: &PortfolioName) -> String {
    format!("deploy/{portfolio}")
}

/// How a job names a secret that its runner must have the value of.
#[must_use]
pub fn required_secret(target: &TargetId, name: &SecretName) -> String {
    format!("{name} of {target} in {}", target.account)
}
