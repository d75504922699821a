//! A whole cloud in one process: state, API, data, runtime and front, put together.

use crate::{
    analytics::Store,
    api::{ApiContext, RequestCount, objects_router, router as api_router},
    builder::CloudBuilder,
    events::{self, EventSources, Events},
    faults::Fault,
    guard::{Door, guarded},
    levers::Levers,
    lifecycle::{CloudError, CloudRecord, Guardian, RunFolder, control},
    limits::Limits,
    snapshots::{Pause, Source, answering, paused},
    state::{OBJECTS_FOLDER, Seed, SeedAccount, SeedToken, State},
};
use clodo_sqlite::Durability;
use clodo_storage::{Data, bindings_router};
use clodo_types::{AccountId, AccountName, Clock, Secret};
use clodo_workerd::{
    Directory, Engine, EngineOptions, HostPort, LinkKind, Outbound, Serving, check_durable_folder,
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What a [`LocalCloud`] is started with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CloudOptions {
    /// Where everything is kept; made when it is missing. One cloud at a time uses it.
    pub state_folder: PathBuf,
    /// The workerd binary.
    pub workerd: PathBuf,
    /// The port of 127.0.0.1; without one that of the last run if it is free, else any free one.
    pub port: Option<u16>,
    /// Where a folder for sockets is made if the state folder's path is too long for sockets.
    pub temp_folder: PathBuf,
    /// Whether `fetch()` of a Worker may leave this machine.
    pub outbound: Outbound,
    /// What of this machine and its private network `fetch()` may reach.
    pub allow_private: Vec<HostPort>,
    /// Whether every Worker gets a port of its own, beside its hostname.
    pub port_per_worker: bool,
    /// Whether an API write is on disk before it is answered. Data of D1, KV, R2 and queues never
    /// waits for the disk: it survives the end of the process, but perhaps not a power failure.
    pub durability: Durability,
    /// How workerd and this process reach each other.
    pub link: LinkKind,
    /// Accounts, zones and tokens that must exist. Without an account, one called `local` is made.
    pub seed: Seed,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Limits from the first call on; [`LocalCloud::set_limits`] changes them.
    pub limits: Limits,
    /// Faults from the first call on; [`LocalCloud::add_fault`] adds more.
    pub faults: Vec<Fault>,
    /// The address that is listened at. Beyond loopback everybody who reaches it can try tokens,
    /// and Workers answer to everybody.
    pub listen: IpAddr,
    /// Names that reach the API, besides `localhost` and addresses.
    pub hosts: Vec<String>,
}

impl CloudOptions {
    /// The usual settings.
    #[must_use]
    pub fn new(
        state_folder: impl Into<PathBuf>,
        workerd: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            state_folder: state_folder.into(),
            workerd: workerd.into(),
            port: None,
            temp_folder: PathBuf::from("/tmp"),
            outbound: Outbound::default(),
            allow_private: Vec::new(),
            port_per_worker: false,
            link: LinkKind::default(),
            seed: Seed::default(),
            clock,
            limits: Limits::off(),
            faults: Vec::new(),
            durability: Durability::default(),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            hosts: Vec::new(),
        }
    }
}

/// A running cloud. [`LocalCloud::stop`] ends it in good order; dropping it ends its processes at
/// once and loses no data.
#[derive(Debug)]
pub struct LocalCloud {
    engine: Engine,
    events: Events,
    state: State,
    data: Data,
    figures: Store,
    record: CloudRecord,
    run_folder: RunFolder,
    stop_asked: CancellationToken,
    guardian: Guardian,
    levers: Levers,
    /// Removed when everything above is gone.
    _temporary: Option<tempfile::TempDir>,
}

impl LocalCloud {
    /// A cloud for a test: in this process, beside as many others as there are tests.
    ///
    /// ```
    /// use clodo_local::{Fault, FaultKind, Limits, LocalCloud};
    /// use clodo_types::SystemClock;
    /// use std::{path::Path, sync::Arc, time::Duration};
    ///
    /// # async fn test(workerd: &Path) -> Result<(), Box<dyn std::error::Error>> {
    /// // An upload that is done, and whose answer never arrives: one in five, the same each time.
    /// let lost = Fault::new(FaultKind::CutAfter).on("PUT /accounts/*/workers/scripts/*")?;
    /// let cloud = LocalCloud::builder(workerd, Arc::new(SystemClock))
    ///     .account("main".parse()?, ["acme.test".parse()?])
    ///     .limits(Limits::of_calls(30, Duration::from_secs(10)))
    ///     .fault(lost.with_rate(0.2).with_seed(7))
    ///     .start()
    ///     .await?;
    /// assert!(cloud.api_base_url().starts_with("http://127.0.0.1:"));
    /// assert_eq!(cloud.requests().writes, 0);
    /// cloud.stop().await;
    /// # Ok(()) }
    /// # // workerd as the other tests have it; `clodo-npm` installs it.
    /// # #[allow(clippy::disallowed_methods)]
    /// # fn environment(name: &str) -> Option<std::ffi::OsString> { std::env::var_os(name) }
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// #     let cache = clodo_npm::NpmCache::new(clodo_npm::cache_root(&environment).ok_or("a cache")?);
    /// #     let workerd = match environment("CLODO_WORKERD") {
    /// #         Some(path) => path.into(),
    /// #         None => cache.ensure(&clodo_npm::workerd()?).await?.binary().to_owned(),
    /// #     };
    /// #     test(&workerd).await
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(workerd: &Path, clock: Arc<dyn Clock>) -> CloudBuilder {
        CloudBuilder::new(workerd, clock)
    }

    pub(crate) fn with_folder(self, folder: tempfile::TempDir) -> Self {
        Self { _temporary: Some(folder), ..self }
    }

    /// Starts a cloud and returns as soon as it answers.
    ///
    /// # Errors
    /// When another cloud uses the folder, the port is taken, or the state cannot be read.
    pub async fn start(options: CloudOptions) -> Result<Self, CloudError> {
        let state = open(&options).await?;
        // From here on the folder is ours: the state holds its lock.
        let last = CloudRecord::read(&options.state_folder).await;
        let listener = listen(&options, last.as_ref()).await?;
        let port = listener.local_addr().map_err(CloudError::io("open", "a port"))?.port();
        let run_folder = RunFolder::prepare(&options, last.as_ref())?;
        let engine = engine(&options, &run_folder).await?;
        let record = CloudRecord::next(last.as_ref(), port, &options, &run_folder);
        state.seed(seed(&options.seed, record.token())).await?;
        let data = Data::at(options.state_folder.join("data"), Arc::clone(&options.clock));
        let saved_at = Arc::clone(&options.clock);
        let stop_asked = CancellationToken::new();
        events::configure(&state, &data.queues, &data.workflows);
        let clock = Arc::clone(&options.clock);
        let context = ApiContext::new(state.clone(), engine.workers(), data.clone(), options.clock)
            .with_dispatch(engine.dispatch());
        let (observer, figures) = (context.observer(), context.figures.clone());
        let objects = objects_router(&context);
        let levers = context.levers();
        levers.set_up(options.limits, options.faults);
        let pause = Pause::default();
        let api = answering(
            api_router(context),
            Source {
                folder: options.state_folder.clone(),
                token: record.token().clone(),
                data: data.clone(),
                pause: Arc::clone(&pause),
                clock: saved_at,
            },
        );
        let api = control::around(api, &record, stop_asked.clone());
        let api = guarded(api, Door::of(options.hosts, options.listen));
        let directory = Arc::new(state.clone()) as Arc<dyn Directory>;
        let bindings = paused(bindings_router(data.clone()), &pause);
        engine.serve(Serving { listener, directory, api, objects, bindings, observer });
        let events = Events::start(EventSources {
            state: state.clone(),
            queues: data.queues.clone(),
            workflows: data.workflows.clone(),
            dispatch: engine.dispatch(),
            clock,
        });
        // Whoever waits for the file may connect at once.
        record.write(&options.state_folder).map_err(CloudError::io("write", "cloud.json"))?;
        let guardian = Guardian::watch(&options.state_folder, &record);
        Ok(Self {
            engine,
            events,
            state,
            data,
            figures,
            record,
            run_folder,
            stop_asked,
            guardian,
            levers,
            _temporary: None,
        })
    }

    /// Where it answers, such as `http://127.0.0.1:8787`.
    #[must_use]
    pub fn url(&self) -> String {
        self.record.url()
    }

    /// What `CLOUDFLARE_API_BASE_URL` must be.
    #[must_use]
    pub fn api_base_url(&self) -> String {
        self.record.api_base_url()
    }

    /// The port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.record.port()
    }

    /// A token for every account.
    #[must_use]
    pub fn token(&self) -> &Secret {
        self.record.token()
    }

    /// The accounts that the cloud was started with.
    #[must_use]
    pub fn accounts(&self) -> &[CloudAccount] {
        self.record.accounts()
    }

    /// The durable state, for tests that look behind the API.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The data engines, for tests that look behind the API.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Puts limits in force; everybody's budget is full afterwards.
    pub fn set_limits(&self, limits: Limits) {
        self.levers.set_limits(limits);
    }

    /// Adds a fault and says what it is called.
    pub fn add_fault(&self, fault: Fault) -> String {
        self.levers.add_fault(fault)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.levers.faults.clear(None);
    }

    /// How many calls the API had.
    #[must_use]
    pub fn requests(&self) -> RequestCount {
        self.levers.requests()
    }

    /// Waits until somebody asks the cloud to stop, or its state folder is deleted. In the latter
    /// case every answer says so from then on.
    pub async fn until_asked_to_stop(&self) -> Ended {
        tokio::select! {
            () = self.stop_asked.cancelled() => Ended::Asked,
            () = self.guardian.gone() => {
                self.engine.state_is_gone();
                Ended::StateGone
            }
        }
    }

    /// Lets requests in flight finish, ends every process, closes every file.
    pub async fn stop(self) {
        self.events.stop();
        self.engine.stop().await;
        self.events.settled().await;
        self.data.close().await;
        self.figures.close().await;
        self.record.clear(self.state.folder());
        self.run_folder.remove();
    }
}

/// An account of a running cloud.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CloudAccount {
    /// Its name.
    pub name: AccountName,
    /// Its id.
    pub id: AccountId,
}

/// Why a cloud ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody asked for it, through the control route or by a signal.
    Asked,
    /// Its state folder was deleted.
    StateGone,
}

async fn open(options: &CloudOptions) -> Result<State, CloudError> {
    let clock = Arc::clone(&options.clock);
    Ok(State::open_with(&options.state_folder, clock, options.durability).await?)
}

async fn listen(
    options: &CloudOptions,
    last: Option<&CloudRecord>,
) -> Result<TcpListener, CloudError> {
    let address = options.listen;
    if address != Ipv4Addr::LOCALHOST && !address.is_unspecified() {
        // Whoever looks for the cloud looks at 127.0.0.1.
        return Err(CloudError::Listen { address });
    }
    let bind = |port: u16| TcpListener::bind((address, port));
    if let Some(port) = options.port {
        return bind(port).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => CloudError::PortTaken { port, source },
            _ => CloudError::io("open", "the port")(source),
        });
    }
    if let Some(last) = last
        && let Ok(listener) = bind(last.port()).await
    {
        return Ok(listener);
    }
    bind(0).await.map_err(CloudError::io("open", "a port"))
}

async fn engine(options: &CloudOptions, run: &RunFolder) -> Result<Engine, CloudError> {
    let durable = options.state_folder.join(OBJECTS_FOLDER);
    let mut engine =
        EngineOptions::new(&options.workerd, run.path(), &durable, Arc::clone(&options.clock));
    engine.api_hosts.clone_from(&options.hosts);
    engine.outbound = options.outbound;
    engine.link = options.link;
    engine.allow_private.clone_from(&options.allow_private);
    engine.ports = options.port_per_worker.then(|| options.state_folder.join("ports.json"));
    if !is_file(&options.workerd) {
        return Err(CloudError::NoWorkerd { path: options.workerd.clone() });
    }
    check_durable_folder(&options.workerd, &durable).await?;
    Engine::new(engine).await.map_err(CloudError::io("prepare", "the Workers runtime"))
}

fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file())
}

fn seed(wanted: &Seed, token: &Secret) -> Seed {
    let mut seed = wanted.clone();
    if seed.accounts.is_empty() {
        seed.accounts.push(default_account());
    }
    seed.tokens.push(SeedToken::new(token.clone()));
    seed
}

/// The account of a cloud that was started without any: `local`, without zones.
#[must_use]
pub fn default_account() -> SeedAccount {
    let name = "local".parse().expect("the name of the default account is valid");
    SeedAccount { name, id: None, zones: Vec::new() }
}
