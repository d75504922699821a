//! Workers on workerd behind one port, for whatever [`Directory`] says is deployed.

use crate::{
    addresses::HostPort,
    dispatcher::Dispatcher,
    events::Dispatch,
    front::{Back, Front, Ports, serve_back, serve_front},
    observer::Observer,
    runtime::{Incoming, Link, Outbound, Runtime, RuntimeOptions, TcpLink},
    seams::{Directory, Workers},
};
use axum::Router;
use clodo_types::{Clock, Secret};
use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Flags that keep an idle workerd small; they cost about a tenth of the requests per second.
const V8_FLAGS: [&str; 2] = ["--max-semi-space-size=2", "--max-old-space-size=256"];

/// Many times what a loaded process needs; see [`EngineOptions::memory_limit`].
const MEMORY_LIMIT: u64 = 1024 * 1024 * 1024;
/// Cloudflare's default limit of CPU time.
const CPU_LIMIT: Duration = Duration::from_secs(30);

/// How workerd and this process reach each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkKind {
    /// Unix sockets where there are any, else ports of 127.0.0.1.
    #[default]
    Best,
    /// Ports of 127.0.0.1.
    Tcp,
}

/// What an [`Engine`] needs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineOptions {
    /// The workerd binary.
    pub workerd: PathBuf,
    /// A folder for sockets. Its path must be short (80 bytes at most) and only this user may be
    /// able to enter it; it is made when it is missing.
    pub run_folder: PathBuf,
    /// Durable Objects' files.
    pub durable_folder: PathBuf,
    /// Whether `fetch()` may leave this machine.
    pub outbound: Outbound,
    /// What of this machine and its private network `fetch()` may reach although the internet is
    /// all that is allowed, or nothing.
    pub allow_private: Vec<HostPort>,
    /// Flags for V8.
    pub v8_flags: Vec<String>,
    /// The most memory that one workerd process may take beside its code, in bytes; a process that
    /// takes more is replaced.
    pub memory_limit: u64,
    /// How long a Worker that has a process to itself may compute without a pause, before the
    /// process is killed. Among others it has a second, and a process of its own from then on.
    pub cpu_limit: Duration,
    /// Gives every Worker a port of its own; the file remembers which.
    pub ports: Option<PathBuf>,
    /// How workerd and this process reach each other.
    pub link: LinkKind,
    /// Says what day it is.
    pub clock: Arc<dyn Clock>,
    /// Names that reach the API of [`Serving`], besides addresses and `localhost`.
    pub api_hosts: Vec<String>,
}

impl EngineOptions {
    /// The usual settings.
    #[must_use]
    pub fn new(
        workerd: impl Into<PathBuf>,
        run_folder: impl Into<PathBuf>,
        durable_folder: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            workerd: workerd.into(),
            run_folder: run_folder.into(),
            durable_folder: durable_folder.into(),
            outbound: Outbound::default(),
            allow_private: Vec::new(),
            v8_flags: V8_FLAGS.map(str::to_owned).into(),
            memory_limit: MEMORY_LIMIT,
            cpu_limit: CPU_LIMIT,
            ports: None,
            link: LinkKind::default(),
            clock,
            api_hosts: Vec::new(),
        }
    }
}

/// What an [`Engine`] answers with.
#[derive(Debug)]
pub struct Serving {
    /// The port for everything.
    pub listener: TcpListener,
    /// What is deployed, and at which hostnames.
    pub directory: Arc<dyn Directory>,
    /// Answers what is addressed to this machine itself rather than to a Worker's hostname.
    pub api: Router,
    /// Answers at hostnames that lead to stored objects.
    pub objects: Router,
    /// Answers what D1, KV and R2 bindings ask.
    pub bindings: Router,
    /// Hears of invocations and traces.
    pub observer: Arc<dyn Observer>,
}

/// Runs Workers on workerd behind one port.
///
/// Dropping it ends all processes at once; [`Engine::stop`] lets requests in flight finish.
pub struct Engine {
    runtime: Arc<Runtime>,
    ports: Option<PathBuf>,
    back: Mutex<Option<Box<dyn Incoming>>>,
    key: Secret,
    api_hosts: Vec<String>,
    front: OnceLock<Arc<Front>>,
    stop_front: CancellationToken,
    stop_back: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}

impl Engine {
    /// Prepares everything, and runs nothing yet; versions can be validated from now on.
    ///
    /// # Errors
    /// When the folders cannot be made or no socket can be opened.
    pub async fn new(options: EngineOptions) -> io::Result<Self> {
        private_folder(&options.run_folder)?;
        let link = link(&options);
        let (back, back_address) = link.listen("back").await?;
        let key = Secret::new(uuid::Uuid::new_v4().simple().to_string());
        let runtime = Runtime::new(RuntimeOptions {
            binary: options.workerd,
            run_folder: options.run_folder,
            durable_folder: options.durable_folder,
            link,
            back_address,
            back_key: key.clone(),
            outbound: options.outbound,
            allow_private: options.allow_private,
            v8_flags: options.v8_flags,
            memory_limit: options.memory_limit,
            cpu_limit: options.cpu_limit,
            clock: options.clock,
        })?;
        Ok(Self {
            runtime,
            ports: options.ports,
            back: Mutex::new(Some(back)),
            key,
            api_hosts: options.api_hosts,
            front: OnceLock::new(),
            stop_front: CancellationToken::new(),
            stop_back: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// The runtime as the API sees it.
    #[must_use]
    pub fn workers(&self) -> Arc<dyn Workers> {
        Arc::clone(&self.runtime) as Arc<dyn Workers>
    }

    /// Gives Workers events other than requests; until [`Engine::serve`] nothing is deployed.
    #[must_use]
    pub fn dispatch(&self) -> Arc<dyn Dispatch> {
        Arc::new(Dispatcher::new(Arc::clone(&self.runtime)))
    }

    /// Starts to answer. Only the first call has an effect.
    pub fn serve(&self, serving: Serving) {
        let back = self.back.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listener) = back else { return };
        let Serving { listener: port, directory, api, objects, bindings, observer } = serving;
        let runtime = Arc::clone(&self.runtime);
        let (known, hears) = (Arc::clone(&directory), Arc::clone(&observer));
        let front = Front::new(api, objects, known, runtime, hears);
        let front = Arc::new(front.with_api_hosts(self.api_hosts.clone()));
        let _ = self.front.set(Arc::clone(&front));
        let back = Arc::new(Back::new(bindings, Arc::clone(&front), self.key.clone()));
        self.tasks.spawn(serve_back(listener, back, self.stop_back.clone()));
        self.tasks.spawn(serve_front(port, front, self.stop_front.clone()));
        if let Some(file) = &self.ports {
            let ports = Arc::new(Ports::new(file.clone(), self.stop_front.clone()));
            self.runtime.set_ports(Arc::clone(&ports));
            let front = self.front.get().cloned();
            self.tasks.spawn(async move {
                if let Some(front) = front {
                    ports.run(front).await;
                }
            });
        }
        self.runtime.serve(directory, observer);
    }

    /// From now on every Worker's hostname says that the state folder was deleted.
    pub fn state_is_gone(&self) {
        if let Some(front) = self.front.get() {
            front.state_is_gone();
        }
    }

    /// Stops to accept, lets requests in flight finish (for a few seconds), ends every process.
    pub async fn stop(&self) {
        self.stop_front.cancel();
        self.runtime.stop().await;
        self.stop_back.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop_front.cancel();
        self.stop_back.cancel();
        self.runtime.abandon();
    }
}

#[cfg(unix)]
fn link(options: &EngineOptions) -> Arc<dyn Link> {
    match options.link {
        LinkKind::Best => {
            Arc::new(crate::runtime::UnixLink::new(options.run_folder.clone())) as Arc<dyn Link>
        }
        LinkKind::Tcp => Arc::new(TcpLink),
    }
}

#[cfg(not(unix))]
fn link(_options: &EngineOptions) -> Arc<dyn Link> {
    Arc::new(TcpLink)
}

#[cfg(unix)]
fn private_folder(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // It may have been there before, with another mode.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn private_folder(path: &std::path::Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}
