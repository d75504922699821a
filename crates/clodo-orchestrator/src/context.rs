use crate::{
    event::{DeployListener, Silent},
    mark::Hashes,
    platform::Platform,
    ports::{Gate, Migrator, SecretSource, Verifier},
    saved::SavedPlan,
    telemetry::Telemetry,
    trigger::WorkerRef,
};
use clodo_saga::{Holder, JournalStore, LeaseStore, Liveness, SignalStore};
use clodo_types::{Clock, DeploymentId, EnvironmentName, TargetId};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// What a deployment needs from outside.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeployContext {
    /// Where the Workers run.
    pub platform: Arc<dyn Platform>,
    /// Who applies migrations.
    pub migrator: Arc<dyn Migrator>,
    /// Who looks whether a target answers.
    pub verifier: Arc<dyn Verifier>,
    /// Where values of secrets come from.
    pub secrets: Arc<dyn SecretSource>,
    /// What canaries are judged by; without it there are none.
    pub telemetry: Option<Arc<dyn Telemetry>>,
    /// Where people leave word for a running deployment; without it nobody is heard.
    pub signals: Option<Arc<dyn SignalStore>>,
    /// Who deploys, as the record should say: `ada@laptop`.
    pub by: String,
    /// Who may refuse the plan, in the order in which they are asked.
    pub gates: Vec<Arc<dyn Gate>>,
    /// Where deployments are written down.
    pub journal: Arc<dyn JournalStore>,
    /// Where the lock of the portfolio is.
    pub leases: Arc<dyn LeaseStore>,
    /// Who we are, for that lock.
    pub holder: Holder,
    /// Whether another holder still runs; see
    /// [`LeaseOptions::with_liveness`](clodo_saga::LeaseOptions::with_liveness).
    pub liveness: fn(&Holder) -> Liveness,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who hears what happens.
    pub listener: Arc<dyn DeployListener>,
    /// Asks for an end: no further step begins, and what was done is taken back.
    pub cancel: CancellationToken,
    /// How many steps run side by side.
    pub concurrency: NonZeroUsize,
    /// How long the lock lasts when this process dies.
    pub lease_ttl: Duration,
}

/// The ports of a [`DeployContext`] that have no default.
#[derive(Clone, Debug)]
pub struct Ports {
    /// Where the Workers run.
    pub platform: Arc<dyn Platform>,
    /// Who applies migrations.
    pub migrator: Arc<dyn Migrator>,
    /// Who looks whether a target answers.
    pub verifier: Arc<dyn Verifier>,
    /// Where values of secrets come from.
    pub secrets: Arc<dyn SecretSource>,
    /// Where deployments are written down.
    pub journal: Arc<dyn JournalStore>,
    /// Where the lock of the portfolio is.
    pub leases: Arc<dyn LeaseStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl DeployContext {
    /// Without gates and listener; 8 steps side by side, a lock of 30 s, and every other holder
    /// taken for alive until its lock expires.
    #[must_use]
    pub fn new(ports: Ports, holder: Holder) -> Self {
        let Ports { platform, migrator, verifier, secrets, journal, leases, clock } = ports;
        Self {
            platform,
            migrator,
            verifier,
            secrets,
            telemetry: None,
            signals: None,
            by: format!("process {} on {}", holder.pid(), holder.host()),
            gates: Vec::new(),
            journal,
            leases,
            holder,
            liveness: |_| Liveness::Unknown,
            clock,
            listener: Arc::new(Silent),
            cancel: CancellationToken::new(),
            concurrency: NonZeroUsize::new(8).expect("8 is not 0"),
            lease_ttl: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for DeployContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeployContext")
            .field("platform", &self.platform)
            .field("holder", &self.holder)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// How to deploy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeployOptions {
    /// The id of this deployment: a new UUID, best one that sorts by time.
    pub deployment: DeploymentId,
    /// Targets to upload again even if nothing changed.
    pub redeploy: BTreeSet<TargetId>,
    /// The plan that somebody agreed to: any other is refused.
    pub agreed: Option<Arc<SavedPlan>>,
    /// Remove the Workers of the portfolio that its files no longer name, given all that they do name
    /// in any environment; `None` leaves them.
    pub prune: Option<BTreeSet<WorkerRef>>,
    /// Environments whose Workers are not removed by that, nor Workers of which nobody knows the
    /// environment, if there are any here.
    pub protected: BTreeSet<EnvironmentName>,
    /// What the targets must be, as [`Deployment::wanted`](crate::Deployment::wanted) has it: who
    /// goes on with an interrupted deployment does so with the files that it began with.
    pub expected: Option<BTreeMap<TargetId, Option<Hashes>>>,
    /// Why, for the record.
    pub why: Option<String>,
    /// Ask no new version whether it answers: every probe is skipped, which the record says. A
    /// canary is judged all the same.
    pub no_tests: bool,
    /// The plan is only looked at, as [`PlanOptions::only_look`](crate::PlanOptions::only_look) has it.
    pub only_look: bool,
}

impl DeployOptions {
    /// Deploys what changed.
    #[must_use]
    pub fn new(deployment: DeploymentId) -> Self {
        Self {
            deployment,
            redeploy: BTreeSet::new(),
            agreed: None,
            prune: None,
            protected: BTreeSet::new(),
            expected: None,
            why: None,
            no_tests: false,
            only_look: false,
        }
    }
}
