//! Keeps one workerd process of an account running and up to date.

use super::{
    blame::Incident,
    blueprint::{Blueprint, Naming, Repairs, Surroundings, Target},
    complaints,
    current::{
        Current, Past, RETIRE_PATIENCE, TERM_PATIENCE, broken_versions, ended, hand_over, retire,
        trouble, ways,
    },
    durable,
    layout::ShardId,
    pool::{Load, Pool},
    process::{Launcher, Process, StartError},
    pulse::{Pulse, Trouble},
    view::{Account, events_key, workflows_key},
};
use crate::seams::Generation;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// A generation with many Workers takes a while on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long requests in flight may go on when the whole cloud stops.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Broken connections are noticed a moment after the process ended.
const SETTLE: Duration = Duration::from_millis(20);
/// How long to wait for the account's keeper to draw conclusions from an incident.
const VERDICT_PATIENCE: Duration = Duration::from_secs(1);
/// Who outgrows the memory twice within this time is looked at more closely.
const MEMORY_MERCY: Duration = Duration::from_secs(600);
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

/// What a process is to serve.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desired {
    /// Grows with every change.
    pub(crate) number: u64,
    /// The Workers.
    pub(crate) generation: Arc<Generation>,
}

/// What all processes of an account are started with.
#[derive(Clone, Debug)]
pub(crate) struct Starter {
    pub(crate) launcher: Launcher,
    pub(crate) around: Surroundings,
    pub(crate) numbers: Arc<Numbers>,
    /// Processes that start at once, of all accounts.
    pub(crate) starts: Arc<Semaphore>,
    /// The most memory that a process may take, in bytes.
    pub(crate) memory_limit: u64,
    /// How long a Worker that has a process to itself may compute without a pause.
    pub(crate) cpu_limit: Duration,
}

/// The task behind one process. It ends when the sender of `desired` is dropped.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) account: Arc<Account>,
    pub(crate) starter: Starter,
    pub(crate) desired: watch::Receiver<Desired>,
    pub(crate) incidents: mpsc::UnboundedSender<(ShardId, Incident)>,
    pub(crate) stop: CancellationToken,
}

struct Started {
    process: Process,
    repairs: Repairs,
    exclusive: bool,
}

impl Shard {
    /// Runs until the cloud stops or the process is no longer needed; leaves none behind.
    pub(crate) async fn run(mut self) {
        let mut current: Option<Current> = None;
        let mut retired = JoinSet::new();
        let mut past = Past::default();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = ended(current.as_ref()) => {
                    self.after_crash(&mut current, &mut past).await;
                    self.swap(&mut current, &mut past, &mut retired).await;
                }
                trouble = trouble(current.as_ref()) => {
                    self.after_trouble(trouble, &mut current, &mut past, &mut retired).await;
                    self.swap(&mut current, &mut past, &mut retired).await;
                }
                changed = self.desired.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.swap(&mut current, &mut past, &mut retired).await;
                }
                () = past.retry() => self.swap(&mut current, &mut past, &mut retired).await,
            }
            while retired.try_join_next().is_some() {}
        }
        self.end(current, retired).await;
    }

    async fn end(self, current: Option<Current>, mut retired: JoinSet<()>) {
        if let Some(current) = current {
            let patience = if self.stop.is_cancelled() { STOP_PATIENCE } else { RETIRE_PATIENCE };
            // The front goes on finding the way until everyone knows the new one.
            self.stop.run_until_cancelled(current.pulse.load.idle(patience)).await;
            self.account.show(|view| drop(view.shards.remove(&self.id)));
            current.pulse.load.idle(STOP_PATIENCE).await;
            current.process.drain(TERM_PATIENCE).await;
        }
        self.account.show(|view| drop(view.shards.remove(&self.id)));
        // Dropping the set would leave the replaced processes to the watchdog.
        retired.abort_all();
        while retired.join_next().await.is_some() {}
    }

    /// A process that ends on its own is replaced; one that keeps ending, ever more slowly.
    async fn after_crash(&mut self, current: &mut Option<Current>, past: &mut Past) {
        let Some(gone) = current.take() else { return };
        tracing::error!(account = self.account.id, "workerd ended unexpectedly; starting it again");
        self.show_gone();
        sleep(SETTLE).await;
        self.report("its process ended", gone.busy()).await;
        if gone.started.elapsed() > Duration::from_secs(10) {
            past.crashes = 0;
            return;
        }
        if past.crashes > 0 {
            sleep(Duration::from_millis(100) * 2_u32.pow(past.crashes.min(5))).await;
        }
        past.crashes += 1;
    }

    async fn after_trouble(
        &mut self,
        trouble: Trouble,
        current: &mut Option<Current>,
        past: &mut Past,
        retired: &mut JoinSet<()>,
    ) {
        let Some(now) = current.take() else { return };
        let (account, pid) = (&self.account.id, now.process.pid());
        match trouble {
            Trouble::Memory(bytes) if bytes < self.starter.memory_limit.saturating_mul(2) => {
                tracing::warn!(account, pid, bytes, "workerd outgrew its memory; replacing it");
                let again = past.outgrown.is_some_and(|at| at.elapsed() < MEMORY_MERCY);
                past.outgrown = Some(Instant::now());
                if again {
                    self.report("it outgrew the memory of its process", now.active()).await;
                }
                if now.exclusive {
                    self.account.show_shard(self.id, |shard| shard.held = true);
                    return hand_over(now).await;
                }
                // Its successor starts beside it, so that no request is lost.
                let next = self.replace(&now).await;
                if let Some(old) = std::mem::replace(current, next).or(Some(now)) {
                    retired.spawn(retire(old));
                }
            }
            Trouble::Stands => {
                tracing::error!(account, pid, "workerd does not answer; restarting it");
                self.show_gone();
                now.process.kill().await;
            }
            Trouble::Loops | Trouble::Memory(_) => {
                tracing::error!(account, pid, ?trouble, "workerd is lost; restarting it");
                self.show_gone();
                let suspects = now.busy();
                if suspects.len() == 1 {
                    // Nobody else was at work: what it was doing is what the process died of.
                    let guilty = now.ways.iter().filter(|(_, pool)| pool.is_suspect());
                    guilty.for_each(|(_, pool)| pool.convict());
                }
                now.process.kill().await;
                let what = match trouble {
                    Trouble::Memory(_) => "it outgrew the memory of its process",
                    _ => "it computed without end",
                };
                self.report(what, suspects).await;
            }
        }
    }

    /// Tells the account's keeper, and waits until it has decided what runs here from now on.
    async fn report(&mut self, what: &'static str, suspects: BTreeSet<String>) {
        let generation = Arc::clone(&self.desired.borrow().generation);
        let scripts = generation.versions.iter().map(|version| version.script.clone()).collect();
        let incident = Incident { scripts, suspects, what };
        self.desired.mark_unchanged();
        if self.incidents.send((self.id, incident)).is_ok() {
            let _ = timeout(VERDICT_PATIENCE, self.desired.changed()).await;
        }
    }

    /// Requests wait from now on, rather than fail.
    fn show_gone(&self) {
        self.account.show_shard(self.id, |shard| {
            shard.pools.clear();
            shard.broken.clear();
            shard.reached = 0;
        });
    }

    /// The same once more, in a fresh process.
    async fn replace(&self, now: &Current) -> Option<Current> {
        let Desired { number, generation } = self.desired.borrow().clone();
        let started = self.start(&generation).await.ok()?;
        Some(self.adopt(number, &generation, started, now.fingerprint))
    }

    /// Serves what is desired now; what does not start is tried again later.
    async fn swap(
        &mut self,
        current: &mut Option<Current>,
        past: &mut Past,
        retired: &mut JoinSet<()>,
    ) {
        let Desired { number, generation } = self.desired.borrow_and_update().clone();
        match self.start_next(number, &generation, current).await {
            Ok(old) => {
                past.succeeded();
                if let Some(old) = old {
                    retired.spawn(retire(old));
                }
            }
            Err(error) => {
                past.failed();
                self.show_failure(number, &error, current.is_some());
            }
        }
    }

    /// Puts the process for a generation into the place of the one before, and gives that back;
    /// unless it was the same, or had to end first.
    async fn start_next(
        &self,
        number: u64,
        generation: &Generation,
        current: &mut Option<Current>,
    ) -> Result<Option<Current>, StartError> {
        let blank = Naming { prefix: "", link: None };
        let around = &self.starter.around;
        let blueprint = Blueprint::of(generation, around, &Repairs::default(), blank);
        let fingerprint = blueprint.fingerprint();
        if current.as_ref().is_some_and(|current| current.fingerprint == fingerprint) {
            self.account.show_shard(self.id, |shard| shard.reached = number);
            return Ok(None);
        }
        let servable = blueprint.sockets.iter().any(|(_, target)| *target != Target::Ping);
        let handover = current.as_ref().is_some_and(|now| now.exclusive);
        if handover && let Some(old) = current.take() {
            self.account.show_shard(self.id, |shard| shard.held = true);
            hand_over(old).await;
        }
        if blueprint.exclusive
            && let Some(folder) = &around.durable_folder
        {
            let made = durable::make(folder, &self.starter.launcher).await;
            made.map_err(|error| StartError::Refused(vec![error.to_string()]))?;
        }
        if !servable {
            self.show_idle(number);
            return Ok(current.take());
        }
        let started = self.start(generation).await?;
        let next = self.adopt(number, generation, started, fingerprint);
        Ok(current.replace(next))
    }

    /// Starts a process; what workerd refuses is left out, so that one Worker's fault does not
    /// keep its neighbours from being deployed.
    async fn start(&self, generation: &Generation) -> Result<Started, StartError> {
        let Starter { launcher, around, numbers, starts, .. } = &self.starter;
        let _turn = starts.acquire().await;
        let mut repairs = Repairs::default();
        for _ in 0..MAX_REPAIRS {
            let name = numbers.next();
            let naming = Naming { prefix: &name, link: Some(&*launcher.link) };
            let mut around = around.clone();
            around.newest_date = launcher.newest_date();
            let blueprint = Blueprint::of(generation, &around, &repairs, naming);
            match launcher.start(&name, &blueprint, START_PATIENCE).await {
                Ok(process) => {
                    return Ok(Started { process, repairs, exclusive: blueprint.exclusive });
                }
                Err(StartError::Refused(said)) if launcher.learn_newest_date(&said) => {}
                Err(StartError::Refused(said)) if complaints::repair(&said, &mut repairs) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StartError::Refused(vec!["too many Workers are broken".to_owned()]))
    }

    /// Shows the new process to the front.
    fn adopt(
        &self,
        number: u64,
        generation: &Generation,
        started: Started,
        fingerprint: blake3::Hash,
    ) -> Current {
        let Started { process, repairs, exclusive } = started;
        let load = Arc::new(Load::default());
        let mut pools = HashMap::new();
        let mut ping = None;
        for (target, endpoint) in process.sockets() {
            let link = Arc::clone(&self.starter.launcher.link);
            match target {
                Target::Version(version) => {
                    let pool = Pool::new(link, endpoint.clone(), Arc::clone(&load));
                    pools.insert(version.clone(), pool);
                }
                // A way for each, so that it shows whose events do not come back.
                Target::Events(versions) | Target::Workflows(versions) => {
                    let events = matches!(target, Target::Events(_));
                    for version in versions {
                        let link = Arc::clone(&link);
                        let pool = Pool::new(link, endpoint.clone(), Arc::clone(&load));
                        let key = if events { events_key } else { workflows_key };
                        pools.insert(key(version), pool);
                    }
                }
                // Pings are not load: they have a count of their own.
                Target::Ping => ping = Some(Pool::new(link, endpoint.clone(), Arc::default())),
            }
        }
        tracing::info!(account = self.account.id, pid = process.pid(), "workerd serves");
        let scripts: BTreeSet<&str> =
            generation.versions.iter().map(|v| v.script.as_str()).collect();
        let pulse = Pulse {
            pid: process.pid(),
            ping,
            load,
            cpu_limit: if scripts.len() == 1 { self.starter.cpu_limit } else { Duration::ZERO },
            memory_limit: self.starter.memory_limit,
        };
        let ways = ways(generation, &pools);
        self.account.show_shard(self.id, |shard| {
            shard.reached = number;
            shard.pools = pools;
            shard.broken = broken_versions(generation, &repairs);
            shard.failure = None;
            shard.held = false;
        });
        Current { process, pulse, ways, fingerprint, exclusive, started: Instant::now() }
    }

    /// What an older process serves goes on, if there is one.
    fn show_failure(&self, number: u64, error: &StartError, served: bool) {
        tracing::error!(account = self.account.id, %error, "the new generation does not start");
        self.account.show_shard(self.id, |shard| {
            if !served {
                shard.pools.clear();
                shard.broken.clear();
            }
            shard.reached = number;
            shard.failure = Some(error.to_string());
            shard.held = false;
        });
    }

    /// Nothing here needs a process: there are only assets.
    fn show_idle(&self, number: u64) {
        self.account.show_shard(self.id, |shard| {
            shard.reached = number;
            shard.pools.clear();
            shard.broken.clear();
            shard.failure = None;
            shard.held = false;
        });
    }
}
