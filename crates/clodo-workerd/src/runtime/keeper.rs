//! Keeps one account's workerd running and up to date.

use super::{
    blueprint::{Blueprint, Naming, Repairs, Surroundings, Target, service_name},
    complaints,
    pool::{Load, Pool},
    process::{Launcher, Process, StartError},
    pulse,
    view::{Account, events_key},
};
use crate::seams::{Directory, Generation};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// A generation with many Workers takes a while on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long requests in flight may go on in a process that was replaced.
const RETIRE_PATIENCE: Duration = Duration::from_secs(30);
/// The same where the next process cannot start before: requests wait meanwhile.
const HANDOVER_PATIENCE: Duration = Duration::from_secs(2);
/// The same when the whole cloud stops.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long workerd may take to end after SIGTERM.
const TERM_PATIENCE: Duration = Duration::from_secs(2);
const MAX_REPAIRS: usize = 32;

/// Numbers processes, so that their sockets never share a name.
#[derive(Debug, Default)]
pub(crate) struct Numbers(AtomicU64);

impl Numbers {
    /// A prefix that no other process of this cloud has.
    pub(crate) fn next(&self) -> String {
        format!("p{}-", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// The task behind one [`Account`].
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) account: Arc<Account>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) launcher: Launcher,
    pub(crate) around: Surroundings,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) stop: CancellationToken,
}

/// The process that serves now.
#[derive(Debug)]
struct Current {
    process: Process,
    load: Arc<Load>,
    ping: Option<Arc<Pool>>,
    fingerprint: blake3::Hash,
    exclusive: bool,
    started: Instant,
}

struct Started {
    process: Process,
    repairs: Repairs,
    exclusive: bool,
}

impl Keeper {
    /// Runs until the cloud stops; leaves no process behind.
    pub(crate) async fn run(self) {
        let mut current: Option<Current> = None;
        let mut retired = JoinSet::new();
        let mut crashes = 0;
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = ended(current.as_ref()) => {
                    crashes = self.after_crash(&mut current, crashes).await;
                }
                () = stuck(current.as_ref()) => {
                    tracing::error!(account = self.account.id, "workerd does not answer; restarting it");
                    if let Some(stuck) = current.take() {
                        self.show_gone();
                        stuck.process.kill().await;
                    }
                    self.account.dirty.notify_one();
                }
                () = self.account.dirty.notified() => {
                    self.swap(&mut current, &mut retired).await;
                }
            }
            while retired.try_join_next().is_some() {}
        }
        if let Some(current) = current {
            current.load.idle(STOP_PATIENCE).await;
            current.process.drain(TERM_PATIENCE).await;
        }
        // Dropping the set would leave the replaced processes to the watchdog.
        retired.abort_all();
        while retired.join_next().await.is_some() {}
    }

    /// A process that ends on its own is replaced; one that keeps ending, ever more slowly.
    async fn after_crash(&self, current: &mut Option<Current>, crashes: u32) -> u32 {
        let lived = current.take().map_or(Duration::ZERO, |gone| gone.started.elapsed());
        tracing::error!(account = self.account.id, "workerd ended unexpectedly; starting it again");
        self.show_gone();
        self.account.dirty.notify_one();
        if lived > Duration::from_secs(10) {
            return 0;
        }
        if crashes > 0 {
            sleep(Duration::from_millis(100) * 2_u32.pow(crashes.min(5))).await;
        }
        crashes + 1
    }

    /// Requests wait from now on, rather than fail.
    fn show_gone(&self) {
        let behind = self.account.wanted().wrapping_sub(1);
        self.account.show(|view| {
            view.pools.clear();
            view.broken.clear();
            view.epoch = behind;
        });
    }

    async fn swap(&self, current: &mut Option<Current>, retired: &mut JoinSet<()>) {
        let (epoch, generation) =
            self.account.generation(|| self.directory.generation(&self.account.id));
        let blank = Naming { prefix: "", link: None };
        let blueprint = Blueprint::of(&generation, &self.around, &Repairs::default(), blank);
        let fingerprint = blueprint.fingerprint();
        if current.as_ref().is_some_and(|current| current.fingerprint == fingerprint) {
            self.account.show(|view| view.epoch = epoch);
            return;
        }
        if blueprint.exclusive
            && let Some(folder) = &self.around.durable_folder
            && let Err(error) = std::fs::create_dir_all(folder)
        {
            tracing::error!(%error, "the folder for Durable Objects cannot be made");
        }
        let servable = blueprint.sockets.iter().any(|(_, target)| *target != Target::Ping);
        let handover = blueprint.exclusive && current.as_ref().is_some_and(|now| now.exclusive);
        if handover && let Some(old) = current.take() {
            self.account.show(|view| view.held = true);
            old.load.idle(HANDOVER_PATIENCE).await;
            old.process.drain(TERM_PATIENCE).await;
        }
        let started = if servable { Some(self.start(&generation).await) } else { None };
        let old = match started {
            Some(Ok(started)) => {
                let next = self.adopt(epoch, &generation, started, fingerprint);
                current.replace(next)
            }
            Some(Err(error)) => {
                self.show_failure(epoch, &error);
                return;
            }
            None => {
                self.account.show(|view| *view = super::view::View { epoch, ..Default::default() });
                current.take()
            }
        };
        if let Some(old) = old {
            retired.spawn(retire(old));
        }
    }

    /// Starts a process; what workerd refuses is left out, so that one Worker's fault does not
    /// keep its neighbours from being deployed.
    async fn start(&self, generation: &Generation) -> Result<Started, StartError> {
        let mut repairs = Repairs::default();
        for _ in 0..MAX_REPAIRS {
            let name = self.numbers.next();
            let naming = Naming { prefix: &name, link: Some(&*self.launcher.link) };
            let mut around = self.around.clone();
            around.newest_date = self.launcher.newest_date();
            let blueprint = Blueprint::of(generation, &around, &repairs, naming);
            match self.launcher.start(&name, &blueprint, START_PATIENCE).await {
                Ok(process) => {
                    return Ok(Started { process, repairs, exclusive: blueprint.exclusive });
                }
                Err(StartError::Refused(said)) if self.launcher.learn_newest_date(&said) => {}
                Err(StartError::Refused(said)) if complaints::repair(&said, &mut repairs) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StartError::Refused(vec!["too many Workers are broken".to_owned()]))
    }

    /// Shows the new process to the front.
    fn adopt(
        &self,
        epoch: u64,
        generation: &Generation,
        started: Started,
        fingerprint: blake3::Hash,
    ) -> Current {
        let Started { process, repairs, exclusive } = started;
        let load = Arc::new(Load::default());
        let mut pools = HashMap::new();
        let mut ping = None;
        for (target, endpoint) in process.sockets() {
            let link = Arc::clone(&self.launcher.link);
            match target {
                Target::Version(version) => {
                    let pool = Pool::new(link, endpoint.clone(), Arc::clone(&load));
                    pools.insert(version.clone(), pool);
                }
                Target::Events(versions) => {
                    let pool = Pool::new(link, endpoint.clone(), Arc::clone(&load));
                    for version in versions {
                        pools.insert(events_key(version), Arc::clone(&pool));
                    }
                }
                // Pings are not load: they have a count of their own.
                Target::Ping => ping = Some(Pool::new(link, endpoint.clone(), Arc::default())),
            }
        }
        tracing::info!(account = self.account.id, pid = process.pid(), "workerd serves");
        self.account.show(|view| {
            view.epoch = epoch;
            view.pools = pools;
            view.broken = broken_versions(generation, &repairs);
            view.failure = None;
            view.held = false;
        });
        Current { process, load, ping, fingerprint, exclusive, started: Instant::now() }
    }

    fn show_failure(&self, epoch: u64, error: &StartError) {
        tracing::error!(account = self.account.id, %error, "the new generation does not start");
        self.account.show(|view| {
            view.epoch = epoch;
            view.failure = Some(error.to_string());
            view.held = false;
        });
    }
}

/// What the front says about versions that had to be left out.
fn broken_versions(generation: &Generation, repairs: &Repairs) -> BTreeMap<String, String> {
    let why = |version: &crate::seams::ServedVersion| {
        repairs.broken.get(&service_name(&version.script, &version.version_id))
    };
    generation
        .versions
        .iter()
        .filter_map(|version| Some((version.version_id.clone(), why(version)?.clone())))
        .collect()
}

async fn ended(current: Option<&Current>) {
    match current {
        Some(current) => current.process.ended().cancelled().await,
        None => std::future::pending().await,
    }
}

async fn stuck(current: Option<&Current>) {
    match current.and_then(|current| current.ping.as_ref().map(|ping| (ping, &current.load))) {
        Some((ping, load)) => pulse::lost(ping, load).await,
        None => std::future::pending().await,
    }
}

/// New requests no longer come here; those in flight may finish.
async fn retire(old: Current) {
    let Current { process, load, ping, .. } = old;
    let stuck = async {
        match &ping {
            Some(ping) => pulse::lost(ping, &load).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = load.idle(RETIRE_PATIENCE) => process.drain(TERM_PATIENCE).await,
        () = stuck => process.kill().await,
    }
}
