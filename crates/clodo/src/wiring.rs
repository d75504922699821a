use crate::{
    connect::Connection,
    holder::{liveness, this_process},
    load::Loaded,
    migration_gate::MigrationGate,
    migrator::D1Migrator,
    platform::{CloudflarePlatform, UrlStyle},
    project::Project,
    promotion_gate::PromotionGate,
    secret_gate::SecretGate,
    telemetry::PortfolioTelemetry,
    verifier::HealthProbe,
};
use clodo_cf_api::Client;
use clodo_config::Platform;
use clodo_http::HttpService;
use clodo_orchestrator::{DeployContext, Ports};
use clodo_saga::StateStore;
use clodo_types::{DeploymentId, SystemClock};
use std::{fmt, sync::Arc, time::Duration};

/// How long a new version may take until it answers: on this machine, and on Cloudflare.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(90));

/// A project's adapters, ready to be plugged into the orchestrator's ports.
///
/// What comes out is a [`DeployContext`] like any other: put a platform, a verifier or gates of your
/// own into it before you deploy.
#[derive(Clone, Copy)]
pub struct Wiring<'a> {
    /// The project.
    pub project: &'a Project,
    /// The platform's API, and how URLs of Workers are written.
    pub connection: &'a Connection,
    /// The API's client, from [`Connection::client`] or [`Connection::paced_client`].
    pub client: &'a Client,
    /// Sends what is no call of the API: probes, questions to Prometheus.
    pub http: &'a Arc<dyn HttpService>,
    /// Journals, leases and the rest, from [`open_state`](crate::open_state).
    pub state: &'a Arc<dyn StateStore>,
    /// Reads a variable of the process environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Wiring<'_> {
    /// Everything that a deployment of `loaded` needs. Its secrets are taken out of it, since they
    /// lie with the platform from then on.
    ///
    /// The gates are those for migrations, promotion and secrets, in this order.
    #[must_use]
    pub fn context(&self, loaded: &mut Loaded) -> DeployContext {
        let secrets = Arc::new(std::mem::take(&mut loaded.secrets));
        let (patience, kind) = match self.connection.style {
            UrlStyle::Localhost { .. } => (PATIENCE.0, Platform::Local),
            UrlStyle::Public => (PATIENCE.1, Platform::Cloudflare),
        };
        let accounts = self.connection.accounts.clone();
        let style = self.connection.style;
        let platform = CloudflarePlatform::new(
            self.client.clone(),
            accounts,
            style,
            Arc::clone(&secrets) as _,
        );
        let platform = Arc::new(platform.with_folders(loaded.folders.clone()));
        let portfolio = self.project.portfolio();
        let telemetry = PortfolioTelemetry::new(
            portfolio.clone(),
            Arc::clone(&platform),
            Arc::clone(self.http),
            Arc::new(SystemClock),
            self.environment,
        );
        let ports = Ports {
            migrator: Arc::new(D1Migrator::new(Arc::clone(&platform))),
            verifier: Arc::new(HealthProbe::new(Arc::clone(self.http), patience)),
            platform: Arc::clone(&platform) as _,
            secrets: Arc::clone(&secrets) as _,
            journal: Arc::clone(self.state) as _,
            leases: Arc::clone(self.state) as _,
            clock: Arc::new(SystemClock),
        };
        let mut cx = DeployContext::new(ports, this_process());
        cx.liveness = liveness;
        let promotion = PromotionGate::new(Arc::clone(self.state) as _, portfolio);
        cx.gates = vec![
            Arc::new(MigrationGate::new(platform).within(self.project.clone(), kind)),
            Arc::new(promotion),
            Arc::new(SecretGate::new(secrets)),
        ];
        cx.signals = Some(Arc::clone(self.state) as _);
        cx.telemetry = Some(Arc::new(telemetry));
        cx
    }
}

impl fmt::Debug for Wiring<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wiring")
            .field("project", &self.project.root())
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// A new id for a deployment; ids sort by the time at which they were made.
///
/// # Panics
/// Never: a UUID in lower case is a deployment id.
#[must_use]
pub fn new_deployment() -> DeploymentId {
    uuid::Uuid::now_v7().to_string().parse().expect("a UUID in lower case is a deployment id")
}
