use clodo_bundle::{Bundle, Module, ModuleKind};
use clodo_orchestrator::{
    DeployContext, DeployError, DeployOptions, DeployReport, Desired, DesiredDatabase,
    DesiredNamespace, DesiredService, DesiredTarget, MemoryPlatform, MemorySecrets,
    MemoryTelemetry, MemoryVerifier, MigrationFile, Observed, Plan, Platform, Ports, ResourceRef,
    WorkerRef, deploy, prepare,
};
use clodo_saga::{Holder, Liveness, MemoryStore};
use clodo_types::{
    AccountName, DeploymentId, Hostname, ManualClock, NameError, Secret, TargetId, ZoneName,
};
use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

pub(crate) fn name<T: FromStr<Err = NameError>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn target_id(service: &str) -> TargetId {
    TargetId {
        service: name(service),
        environment: name("staging"),
        customer: None,
        account: name("main"),
    }
}

pub(crate) fn worker(service: &str) -> WorkerRef {
    WorkerRef { account: name("main"), worker: name(service) }
}

pub(crate) fn bundle(code: &str) -> Arc<Bundle> {
    let module = Module {
        name: "index.js".into(),
        kind: ModuleKind::EsModule,
        body: code.to_owned().into(),
    };
    Arc::new(Bundle::new(Some("index.js".into()), vec![module], None))
}

pub(crate) fn target(service: &str) -> DesiredTarget {
    let mut target = DesiredTarget::new(target_id(service), name(service), bundle(service));
    target.domains.insert(host(service));
    target.version_metadata = Some(name("VERSION"));
    target
}

pub(crate) fn host(service: &str) -> Hostname {
    name(&format!("{service}.acme.test"))
}

pub(crate) fn calls(target: &mut DesiredTarget, service: &str) {
    target.services.push(DesiredService {
        binding: name(&service.to_uppercase().replace('-', "_")),
        worker: name(service),
        entrypoint: None,
        props: None,
    });
}

pub(crate) fn database(target: &mut DesiredTarget, database: &str, files: &[(&str, &str)]) {
    let files = files.iter().map(|(name, sql)| {
        MigrationFile::new(*name, format!("services/{database}/migrations/{name}"), *sql)
    });
    target.databases.push(DesiredDatabase {
        binding: name("DB"),
        resource: ResourceRef::Name(name(database)),
        migrations: files.collect(),
        migrations_table: "d1_migrations".into(),
    });
}

/// A small storefront: `catalog` with D1 and KV, `orders` that calls it, `web` that calls `orders`.
pub(crate) fn storefront() -> Vec<DesiredTarget> {
    let mut catalog = target("catalog");
    database(
        &mut catalog,
        "catalog-db",
        &[("0001_init.sql", "CREATE TABLE item (id)"), ("0002_more.sql", "CREATE TABLE tag (id)")],
    );
    catalog.namespaces.push(DesiredNamespace {
        binding: name("CACHE"),
        resource: ResourceRef::Name(name("catalog-cache")),
    });
    catalog.vars.insert(name("BRAND"), "Acme".into());
    let mut orders = target("orders");
    database(&mut orders, "orders-db", &[("0001_init.sql", "CREATE TABLE orders (id)")]);
    orders.secrets.insert(name("KEY"));
    orders.crons = Some(vec!["*/5 * * * *".into()]);
    calls(&mut orders, "catalog");
    let mut web = target("web");
    web.workers_dev.enabled = true;
    web.worker_settings.insert("logpush".into(), true.into());
    calls(&mut web, "orders");
    vec![web, orders, catalog]
}

pub(crate) fn desired(targets: Vec<DesiredTarget>) -> Desired {
    Desired::new(name("shop"), targets)
}

pub(crate) fn deployment(number: u32) -> DeploymentId {
    name(&format!("00000000-0000-7000-8000-{number:012}"))
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) platform: Arc<MemoryPlatform>,
    pub(crate) verifier: Arc<MemoryVerifier>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) telemetry: Arc<MemoryTelemetry>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) cx: DeployContext,
    next: AtomicU32,
}

impl World {
    pub(crate) fn new() -> Self {
        let platform = Arc::<MemoryPlatform>::default();
        let account: AccountName = name("main");
        platform.add_account(&account, [name::<ZoneName>("acme.test")]);
        Self::on(platform)
    }

    /// Another machine: nothing but the platform is the same.
    pub(crate) fn on(platform: Arc<MemoryPlatform>) -> Self {
        let verifier = Arc::new(MemoryVerifier::new(Arc::clone(&platform)));
        let (store, telemetry) = (Arc::<MemoryStore>::default(), Arc::default());
        let clock = Arc::<ManualClock>::default();
        let secrets = MemorySecrets::default().with(
            &target_id("orders"),
            &name("KEY"),
            Secret::new("hunter2-hunter2"),
        );
        let ports = Ports {
            platform: Arc::<MemoryPlatform>::clone(&platform),
            migrator: Arc::<MemoryPlatform>::clone(&platform),
            verifier: Arc::<MemoryVerifier>::clone(&verifier),
            secrets: Arc::new(secrets),
            journal: Arc::<MemoryStore>::clone(&store),
            leases: Arc::<MemoryStore>::clone(&store),
            clock: Arc::<ManualClock>::clone(&clock),
        };
        let mut cx = DeployContext::new(ports, Holder::new("here", 1, "0"));
        // A future that was dropped is a process that died.
        cx.liveness = |_| Liveness::Dead;
        cx.telemetry = Some(Arc::<MemoryTelemetry>::clone(&telemetry));
        cx.signals = Some(Arc::<MemoryStore>::clone(&store));
        let next = AtomicU32::new(1);
        Self { platform, verifier, store, telemetry, clock, cx, next }
    }

    pub(crate) fn options(&self) -> DeployOptions {
        DeployOptions::new(deployment(self.next.fetch_add(1, Ordering::SeqCst)))
    }

    pub(crate) async fn deploy(&self, desired: &Desired) -> Result<DeployReport, DeployError> {
        deploy(&self.cx, desired, &self.options()).await
    }

    pub(crate) async fn observe(&self, desired: &Desired) -> Observed {
        self.platform.observe(&desired.scope()).await.unwrap()
    }

    pub(crate) async fn plan(&self, desired: &Desired) -> Plan {
        let prepared = prepare(&self.cx, desired, &self.options()).await.unwrap();
        Arc::unwrap_or_clone(prepared.plan)
    }
}

pub(crate) fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps().iter().map(|step| step.id.as_str()).collect()
}
