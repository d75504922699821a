use crate::{
    observed::{AccountScope, Scope},
    preview::Preview,
    resource::{
        DesiredBucket, DesiredConsumer, DesiredDatabase, DesiredDurableObject, DesiredNamespace,
        DesiredQueue, DesiredService, DesiredWorkflow, OwnWorkflow,
    },
    strategy::{Rollout, Strategy},
    trigger::{Route, WorkerRef, WorkersDev},
};
use clodo_bundle::Bundle;
use clodo_types::{
    AccountName, BindingName, ContentHash, Hostname, PortfolioName, QueueName, SecretName,
    TargetId, WorkerName,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What should be there after a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Desired {
    /// The portfolio; it marks the Workers that belong to it, and only one run at a time changes it.
    pub portfolio: PortfolioName,
    /// The targets to bring up to date. What is not listed is not touched.
    pub targets: Vec<Arc<DesiredTarget>>,
    /// The revision of the source, such as a commit id; it goes into each version's message.
    pub revision: Option<String>,
    /// In which order groups of targets come.
    pub rollout: Rollout,
}

impl Desired {
    /// Puts targets under a portfolio.
    #[must_use]
    pub fn new(portfolio: PortfolioName, targets: impl IntoIterator<Item = DesiredTarget>) -> Self {
        let targets = targets.into_iter().map(Arc::new).collect();
        Self { portfolio, targets, revision: None, rollout: Rollout::default() }
    }

    /// Puts the bundles back that a text form cannot hold.
    ///
    /// # Errors
    /// With the hashes that `bundles` lacks; then nothing was put back.
    pub fn attach(
        &mut self,
        bundles: &BTreeMap<ContentHash, Arc<Bundle>>,
    ) -> Result<(), BTreeSet<ContentHash>> {
        let wanted = self.targets.iter().map(|target| target.bundle.hash);
        let missing: BTreeSet<_> = wanted.filter(|hash| !bundles.contains_key(hash)).collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        for target in &mut self.targets {
            let target = Arc::make_mut(target);
            target.bundle = Arc::clone(&bundles[&target.bundle.hash]);
        }
        Ok(())
    }

    /// What has to be read to plan this.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let mut accounts: BTreeMap<AccountName, AccountScope> = BTreeMap::new();
        for target in &self.targets {
            let scope = accounts.entry(target.id.account.clone()).or_default();
            scope.workers.insert(target.worker.clone());
            scope.databases |= !target.databases.is_empty();
            scope.namespaces |= !target.namespaces.is_empty();
            scope.buckets |= !target.buckets.is_empty();
            scope.queues |= target.queue_names().next().is_some();
            scope.workflows |= !target.own_workflows().is_empty();
            if target.strategy.splits() && !target.object_migrations.is_empty() {
                scope.objects.insert(target.worker.clone());
            }
            scope.zones |= !target.domains.is_empty() || !target.routes.is_empty();
        }
        Scope { accounts }
    }
}

/// One Worker as it should be.
///
/// Its fields are public; there is no invariant between them that [`plan`](crate::plan) does not
/// check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DesiredTarget {
    /// Which target.
    pub id: TargetId,
    /// The Worker's name in its account.
    pub worker: WorkerName,
    /// What is uploaded. In text there is only its hash: see [`Desired::attach`].
    #[serde(with = "by_hash")]
    pub bundle: Arc<Bundle>,
    /// `YYYY-MM-DD`.
    pub compatibility_date: Option<String>,
    /// Flags of the runtime.
    pub compatibility_flags: Vec<String>,
    /// Plain variables: text becomes a text binding, anything else a JSON binding.
    pub vars: BTreeMap<BindingName, Value>,
    /// Names of secrets; a [`SecretSource`](crate::SecretSource) has the values.
    pub secrets: BTreeSet<SecretName>,
    /// D1 databases.
    pub databases: Vec<DesiredDatabase>,
    /// KV namespaces.
    pub namespaces: Vec<DesiredNamespace>,
    /// R2 buckets.
    pub buckets: Vec<DesiredBucket>,
    /// Queues that the code sends to.
    #[serde(default)]
    pub queues: Vec<DesiredQueue>,
    /// Workflows that the code makes instances of; those whose class is its own are registered.
    #[serde(default)]
    pub workflows: Vec<DesiredWorkflow>,
    /// Other Workers that the code calls.
    pub services: Vec<DesiredService>,
    /// Bindings for which nothing has to be made or found, in the platform's words without their
    /// name: `{ "type": "ai" }`.
    #[serde(default)]
    pub plain_bindings: BTreeMap<BindingName, Map<String, Value>>,
    /// The binding that tells the code its own version.
    pub version_metadata: Option<BindingName>,
    /// How assets are served, as the platform's `assets.config` wants it.
    pub assets_config: Map<String, Value>,
    /// The binding through which the code reaches its assets.
    pub assets_binding: Option<BindingName>,
    /// Durable Object bindings.
    pub durable_objects: Vec<DesiredDurableObject>,
    /// Durable Object migrations, as in the wrangler config.
    pub object_migrations: Vec<Value>,
    /// Settings of the version that are passed through: `placement`, `limits` ….
    pub version_settings: Map<String, Value>,
    /// Settings of the Worker, for all its versions, that are passed through: `observability`,
    /// `logpush`, `tail_consumers`. They are set with the commit mark.
    pub worker_settings: Map<String, Value>,
    /// The Workers that `tail_consumers` names: they must be there when it is set.
    #[serde(default)]
    pub tails: BTreeSet<WorkerName>,
    /// Whether the Worker answers under `workers.dev`, and its versions under preview URLs.
    pub workers_dev: WorkersDev,
    /// Route patterns.
    pub routes: Vec<Route>,
    /// Hostnames that the Worker is the origin of; exactly these.
    pub domains: BTreeSet<Hostname>,
    /// Cron expressions; `None` leaves what is there, an empty list removes all.
    pub crons: Option<Vec<String>>,
    /// Queues whose messages the Worker receives; exactly these, if there are any or were any.
    #[serde(default)]
    pub consumers: Vec<DesiredConsumer>,
    /// Targets that must answer before this one gets traffic, beyond those that bindings name.
    pub depends_on: BTreeSet<TargetId>,
    /// The path that the health probe asks for.
    pub health: Option<String>,
    /// How a new version takes over.
    pub strategy: Strategy,
    /// Take over a Worker, or a domain, that this portfolio did not deploy.
    pub adopt: bool,
    /// The preview that this target is part of, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
}

impl DesiredTarget {
    /// A Worker without bindings and without addresses.
    #[must_use]
    pub fn new(id: TargetId, worker: WorkerName, bundle: Arc<Bundle>) -> Self {
        Self {
            id,
            worker,
            bundle,
            compatibility_date: None,
            compatibility_flags: Vec::new(),
            vars: BTreeMap::new(),
            secrets: BTreeSet::new(),
            databases: Vec::new(),
            namespaces: Vec::new(),
            buckets: Vec::new(),
            queues: Vec::new(),
            workflows: Vec::new(),
            services: Vec::new(),
            plain_bindings: BTreeMap::new(),
            version_metadata: None,
            assets_config: Map::new(),
            assets_binding: None,
            durable_objects: Vec::new(),
            object_migrations: Vec::new(),
            version_settings: Map::new(),
            worker_settings: Map::new(),
            tails: BTreeSet::new(),
            workers_dev: WorkersDev::default(),
            routes: Vec::new(),
            domains: BTreeSet::new(),
            crons: None,
            consumers: Vec::new(),
            depends_on: BTreeSet::new(),
            health: None,
            strategy: Strategy::default(),
            adopt: false,
            preview: None,
        }
    }

    /// The Worker that this target is.
    #[must_use]
    pub fn worker_ref(&self) -> WorkerRef {
        WorkerRef { account: self.id.account.clone(), worker: self.worker.clone() }
    }

    /// Whether a binding needs a class, of Durable Objects or of a Workflow, that only `worker`'s code
    /// brings.
    pub(crate) fn needs_class_of(&self, worker: &WorkerName) -> bool {
        let objects = self.durable_objects.iter().filter_map(|object| object.worker.as_ref());
        let workflows = self.workflows.iter().filter_map(|workflow| workflow.worker.as_ref());
        objects.chain(workflows).any(|holder| holder == worker)
    }

    /// The Workers that must be there: those that the code calls by a binding, which are services
    /// and holders of Durable Objects and Workflows, and those that receive its events.
    pub fn bound_workers(&self) -> impl Iterator<Item = &WorkerName> {
        let services = self.services.iter().map(|service| &service.worker);
        let holders = self.durable_objects.iter().filter_map(|object| object.worker.as_ref());
        let runners = self.workflows.iter().filter_map(|workflow| workflow.worker.as_ref());
        // A Worker may call itself; that is no dependency.
        services
            .chain(holders)
            .chain(runners)
            .chain(&self.tails)
            .filter(move |worker| **worker != self.worker)
    }

    /// The Workflows whose classes the Worker holds: it has them registered.
    #[must_use]
    pub fn own_workflows(&self) -> Vec<OwnWorkflow> {
        let own = self.workflows.iter().filter(|workflow| workflow.worker.is_none());
        let mut own: Vec<OwnWorkflow> = own.map(DesiredWorkflow::registration).collect();
        // The code may be bound to one by several names.
        own.sort_by(|a, b| a.name.cmp(&b.name));
        own.dedup();
        own
    }

    /// The queues that the Worker sends to: by bindings, and what it could not handle.
    pub(crate) fn sends_to(&self) -> impl Iterator<Item = &QueueName> {
        let letters = self.consumers.iter();
        let letters = letters.filter_map(|one| one.delivery.dead_letter_queue.as_ref());
        self.queues.iter().map(|queue| &queue.name).chain(letters)
    }

    /// All queues that must be there.
    pub(crate) fn queue_names(&self) -> impl Iterator<Item = &QueueName> {
        self.sends_to().chain(self.consumers.iter().map(|consumer| &consumer.queue))
    }
}

/// A bundle by its hash; what is read has no content yet.
mod by_hash {
    use clodo_bundle::Bundle;
    use clodo_types::ContentHash;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<S: Serializer>(bundle: &Arc<Bundle>, to: S) -> Result<S::Ok, S::Error> {
        bundle.hash.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Bundle>, D::Error> {
        let mut empty = Bundle::new(None, Vec::new(), None);
        empty.hash = ContentHash::deserialize(from)?;
        Ok(Arc::new(empty))
    }
}
