//! A cloud, a portfolio, and processes that deploy it and may be killed.

use crate::{
    fleet::{self, Edition, SECRETS},
    killer::{Killer, Mortal},
    view::View,
};
use clodo::{
    CloudflarePlatform, D1Migrator, HealthProbe, LoadOptions, MigrationGate, Project, Secrets,
    UrlStyle,
};
use clodo_bundle::Bundler;
use clodo_cf_api::{Client, ClientOptions, RetryPolicy, d1};
use clodo_config::{Platform, Selection};
use clodo_http::{HttpService, ReqwestHttp, ReqwestOptions};
use clodo_local::{Durability, LocalCloud, RequestCount};
use clodo_npm::NpmCache;
use clodo_orchestrator::{
    DeployContext, DeployOptions, DeployReport, Desired, Ports, RollbackOptions, deploy, rollback,
};
use clodo_saga::{Holder, Liveness, RunQuery, SqliteStore, StateStore};
use clodo_types::{Clock, DeploymentId, SystemClock, Timestamp};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};

/// What a process is started to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    Deploy,
    /// Deploys the other files.
    DeployOther,
    /// Takes back what the process of this number deployed.
    RollBack(u32),
    /// The same, with the databases that it migrated.
    RollBackWithData(u32),
}

/// How a process is told from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the same machine, which sees that the other process has died.
    Here,
    /// On another machine, a minute later: it can only wait for the lease to run out.
    Elsewhere,
}

/// A cloud with its own folder, a portfolio with its journal, and the number of the next process.
pub(crate) struct World {
    folder: tempfile::TempDir,
    runtime: Runtime,
    cloud: Option<LocalCloud>,
    pub(crate) concurrency: usize,
    files: Files,
    /// What somebody else wants to deploy.
    pub(crate) other: Option<Files>,
    next: AtomicU32,
}

/// A clock that goes ahead of the machine's.
#[derive(Debug)]
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        ahead(self.0)
    }
}

/// The clock of a process that may have been stopped.
#[derive(Debug)]
struct Slept(Arc<Killer>);

impl Clock for Slept {
    fn now(&self) -> Timestamp {
        ahead(self.0.slept())
    }
}

fn ahead(by: Duration) -> Timestamp {
    let millis = i64::try_from(by.as_millis()).expect("not that long");
    Timestamp::from_millis(SystemClock.now().as_millis() + millis)
}

impl World {
    /// An empty cloud and a portfolio that was never deployed, or what another world was when it was
    /// stopped; with these files.
    pub(crate) fn new(kept: Option<&Stopped>, files: &Files) -> Self {
        let next = kept.map_or(1, |kept| kept.next);
        let kept = kept.map(|kept| kept.folder.path());
        let folder = tempfile::Builder::new().prefix("ck").tempdir().expect("a folder");
        if let Some(kept) = kept {
            copy(kept, folder.path()).expect("a stopped world can be copied");
        }
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let state = folder.path().join("cloud");
        let cloud = LocalCloud::builder(&workerd(&runtime), Arc::new(SystemClock))
            .state_folder(state)
            .durability(Durability::Normal)
            .account("main".parse().expect("a name"), ["acme.test".parse().expect("a zone")]);
        let cloud = runtime.block_on(cloud.start()).expect("a cloud");
        let files = files.clone();
        let (cloud, next) = (Some(cloud), AtomicU32::new(next));
        Self { folder, runtime, cloud, concurrency: 1, files, other: None, next }
    }

    pub(crate) fn cloud(&self) -> &LocalCloud {
        self.cloud.as_ref().expect("the cloud runs until the world ends")
    }

    /// Starts a process and lets it run until it ends or is killed; `None` when it was killed.
    pub(crate) fn process(
        &self,
        errand: Errand,
        place: Place,
        killer: &Arc<Killer>,
    ) -> Option<Result<DeployReport, String>> {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        // All that the process is: when this goes, everything that it had begun ends.
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let life = self.live(number, errand, place, killer);
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = killer.killed() => None,
                ended = life => Some(ended),
            }
        })
    }

    async fn live(
        &self,
        number: u32,
        errand: Errand,
        place: Place,
        killer: &Arc<Killer>,
    ) -> Result<DeployReport, String> {
        let cx = self.context(number, place, killer).await?;
        let id = deployment(number);
        match errand {
            Errand::Deploy => deploy(&cx, &self.files.desired, &DeployOptions::new(id)).await,
            Errand::DeployOther => {
                let other = self.other.as_ref().expect("there are other files");
                deploy(&cx, &other.desired, &DeployOptions::new(id)).await
            }
            Errand::RollBack(of) | Errand::RollBackWithData(of) => {
                let mut options = RollbackOptions::new(id);
                options.of = Some(deployment(of));
                options.databases = errand == Errand::RollBackWithData(of);
                rollback(&cx, &self.files.desired.portfolio, &options).await
            }
        }
        .map_err(text)
    }

    /// The context as `clodo-deploy` makes it, with the killer in front of the API and the state.
    async fn context(
        &self,
        number: u32,
        place: Place,
        killer: &Arc<Killer>,
    ) -> Result<DeployContext, String> {
        let store = self.store().await?;
        let http: Arc<dyn HttpService> =
            Arc::new(ReqwestHttp::new(&ReqwestOptions::default()).map_err(text)?);
        let mortal = Mortal { killer: Arc::clone(killer), inner: Arc::clone(&http) };
        let cloud = self.cloud();
        let options = ClientOptions::new(cloud.api_base_url(), cloud.token().clone());
        // Tries again as often as usual, and sooner.
        let options =
            options.with_retry(RetryPolicy::default().with_base(Duration::from_millis(5)));
        let client = Client::new(Arc::new(mortal), options).map_err(text)?;
        let accounts = cloud.accounts().iter();
        let accounts = accounts.map(|one| (one.name.clone(), one.id.clone())).collect();
        let style = UrlStyle::Localhost { port: cloud.port() };
        let secrets = Arc::clone(&self.files.secrets);
        let platform = CloudflarePlatform::new(client, accounts, style, secrets.clone());
        let platform = Arc::new(platform);
        let state = Arc::new(Mortal { killer: Arc::clone(killer), inner: Arc::clone(&store) });
        let clock: Arc<dyn Clock> = match place {
            Place::Here => Arc::new(Slept(Arc::clone(killer))),
            Place::Elsewhere => Arc::new(Ahead(Duration::from_secs(60))),
        };
        let ports = Ports {
            migrator: Arc::new(D1Migrator::new(Arc::clone(&platform))),
            verifier: Arc::new(HealthProbe::new(http, Duration::from_secs(15))),
            platform: Arc::clone(&platform) as _,
            secrets,
            journal: state.clone(),
            leases: state,
            clock,
        };
        let mut cx = DeployContext::new(ports, Holder::new("machine", number, "0"));
        cx.liveness = match place {
            // Whoever held it before was killed.
            Place::Here => |_| Liveness::Dead,
            Place::Elsewhere => |_| Liveness::Unknown,
        };
        cx.gates = vec![Arc::new(MigrationGate::new(platform))];
        cx.signals = Some(store);
        cx.concurrency = NonZeroUsize::new(self.concurrency).unwrap_or(NonZeroUsize::MIN);
        Ok(cx)
    }

    async fn store(&self) -> Result<Arc<dyn StateStore>, String> {
        let file = self.folder.path().join("state.sqlite");
        Ok(Arc::new(SqliteStore::open(file).await.map_err(text)?))
    }

    /// How many deployments the journal has that nobody ended.
    pub(crate) fn unfinished(&self) -> usize {
        let runs = async {
            let store = self.store().await?;
            store.runs(&RunQuery::unfinished()).await.map_err(text)
        };
        self.runtime.block_on(runs).expect("the journal can be read").len()
    }

    fn client(&self) -> Result<Client, String> {
        let http = ReqwestHttp::new(&ReqwestOptions::default()).map_err(text)?;
        let cloud = self.cloud();
        let options = ClientOptions::new(cloud.api_base_url(), cloud.token().clone());
        Client::new(Arc::new(http), options).map_err(text)
    }

    /// Runs SQL as somebody else might, in the database whose name begins so.
    async fn query(&self, database: &str, sql: &str) -> Result<Vec<Map<String, Value>>, String> {
        let (client, account) = (self.client()?, &self.cloud().accounts()[0].id);
        let known = client.list(d1::list_databases(account)).await.map_err(text)?;
        let found = known.into_iter().find(|known| known.name.starts_with(database));
        let id = found.ok_or_else(|| format!("there is no database {database}"))?.id;
        let asked = client.send(d1::query(account, &id, &d1::Sql::new(sql))).await.map_err(text)?;
        Ok(asked.into_iter().flat_map(|answer| answer.results).collect())
    }

    /// The rows that SQL gives.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Vec<Map<String, Value>> {
        self.runtime.block_on(self.query(database, sql)).expect("the database answers")
    }

    /// Whether the database takes this SQL.
    pub(crate) fn tries(&self, database: &str, sql: &str) -> bool {
        self.runtime.block_on(self.query(database, sql)).is_ok()
    }

    /// The names of the Workers that the cloud has.
    pub(crate) fn workers(&self) -> Vec<String> {
        let list = async {
            let list = clodo_cf_api::workers::list_workers(&self.cloud().accounts()[0].id);
            self.client()?.list(list).await.map_err(text)
        };
        let workers = self.runtime.block_on(list).expect("a list");
        workers.into_iter().map(|worker| worker.name.to_string()).collect()
    }

    /// Stops the cloud; what it holds now, and what it was asked to write.
    pub(crate) fn stop(mut self) -> Stopped {
        let cloud = self.cloud.take().expect("the cloud runs until the world ends");
        let count = cloud.requests();
        self.runtime.block_on(cloud.stop());
        let state = self.folder.path().join("cloud");
        let calls = calls(&state, count);
        let writes =
            calls.iter().filter(|line| line["write"] == true).map(|line| told(line, "path"));
        let spoiled = calls.iter().filter(|line| line["fault"].is_string());
        Stopped {
            view: View::of(&state),
            writes: writes.collect(),
            spoiled: spoiled.map(|line| told(line, "route")).collect(),
            folder: self.folder,
            next: self.next.into_inner(),
        }
    }
}

/// A world without its cloud.
pub(crate) struct Stopped {
    folder: tempfile::TempDir,
    next: u32,
    pub(crate) view: View,
    /// Method and path of each call that wrote, in their order.
    pub(crate) writes: Vec<String>,
    /// Method and route of each call that a fault hit.
    pub(crate) spoiled: Vec<String>,
}

impl Stopped {
    /// The same state again.
    pub(crate) fn copied(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(self.folder.path(), folder.path()).expect("a stopped world can be copied");
        let (view, writes) = (self.view.clone(), self.writes.clone());
        Self { folder, next: self.next, view, writes, spoiled: self.spoiled.clone() }
    }

    /// How often each write was made; ids in paths are replaced by names.
    pub(crate) fn counted(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for write in &self.writes {
            *counts.entry(self.view.named(write)).or_default() += 1;
        }
        counts
    }
}

/// The calls in the cloud's request log, which a thread of the cloud's writes a little later.
fn calls(state: &Path, count: RequestCount) -> Vec<Value> {
    let want = usize::try_from(count.reads + count.writes).expect("not that many");
    loop {
        let text = fs::read_to_string(state.join("requests.jsonl")).unwrap_or_default();
        let mut lines: Vec<Value> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.len() >= want {
            // Earlier lines are of the world that this one was copied from.
            return lines.split_off(lines.len() - want);
        }
        std::thread::yield_now();
    }
}

/// The method and the path, or the route, of a line of the log.
fn told(line: &Value, what: &str) -> String {
    let word = |key: &str| line[key].as_str().unwrap_or_default();
    format!("{} {}", word("method"), word(what))
}

/// The id of what the process of this number does.
fn deployment(number: u32) -> DeploymentId {
    format!("00000000-0000-7000-8000-{number:012}").parse().expect("a deployment id")
}

/// What the files of an edition say.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    desired: Desired,
    secrets: Arc<Secrets>,
}

impl Files {
    /// Without the services of other names.
    pub(crate) fn only(mut self, services: &[&str]) -> Self {
        self.desired.targets.retain(|target| services.contains(&target.id.service.as_str()));
        self
    }
}

/// Reads the files of an edition.
pub(crate) fn load(edition: Edition) -> Files {
    let folder = tempfile::tempdir().expect("a folder");
    fleet::write(folder.path(), edition);
    let project = Project::open(None, folder.path()).expect("a project");
    let selection = Selection::default();
    let options = LoadOptions {
        selection: &selection,
        platform: Platform::Local,
        adopt: false,
        secrets: Secrets::new().with_file(SECRETS),
        environment: &|_| None,
    };
    let bundler = Bundler::new(cache());
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let loaded = runtime.block_on(clodo::load(&project, &bundler, options)).expect("good files");
    assert_eq!(loaded.desired.targets.len(), fleet::WORKERS);
    Files { desired: loaded.desired, secrets: Arc::new(loaded.secrets) }
}

fn text(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn cache() -> NpmCache {
    NpmCache::new(clodo_npm::cache_root(&environment).expect("a cache folder"))
}

fn workerd(runtime: &Runtime) -> PathBuf {
    let chosen = environment("CLODO_WORKERD").map(Into::into);
    let found = runtime.block_on(clodo::ensure_workerd(Some(&cache()), chosen, |_| ()));
    found.expect("workerd")
}

#[expect(clippy::disallowed_methods, reason = "a test is a program")]
fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
