//! The process that serves now, and how its life ends.

use super::{
    blueprint::{Repairs, service_name},
    pool::Pool,
    process::Process,
    pulse::{Pulse, Trouble},
    view::{events_key, workflows_key},
};
use crate::seams::{Generation, ServedVersion};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// How long requests in flight may go on in a process that was replaced.
pub(super) const RETIRE_PATIENCE: Duration = Duration::from_secs(30);
/// The same where the next process cannot start before: requests wait meanwhile.
const HANDOVER_PATIENCE: Duration = Duration::from_secs(2);
/// How long workerd may take to end after SIGTERM.
pub(super) const TERM_PATIENCE: Duration = Duration::from_secs(2);
/// How soon a start that failed is tried again, at first and at last: it may have failed of what
/// passes, such as a machine without memory.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// The process that serves now.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) process: Process,
    pub(super) pulse: Pulse,
    pub(super) ways: Vec<(String, Arc<Pool>)>,
    pub(super) fingerprint: blake3::Hash,
    pub(super) exclusive: bool,
    pub(super) started: Instant,
}

/// What is remembered from one process to the next.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) crashes: u32,
    pub(super) outgrown: Option<Instant>,
    failures: u32,
    retry: Option<Instant>,
}

impl Past {
    /// A start failed: it is tried again, ever more slowly.
    pub(super) fn failed(&mut self) {
        let pause = RETRY[0].saturating_mul(2_u32.saturating_pow(self.failures)).min(RETRY[1]);
        self.failures += 1;
        self.retry = Some(Instant::now() + pause);
    }

    pub(super) fn succeeded(&mut self) {
        (self.failures, self.retry) = (0, None);
    }

    /// Returns when it is time to try again; never if nothing failed.
    pub(super) async fn retry(&self) {
        match self.retry {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

impl Current {
    /// The Workers with requests that have not come back.
    pub(super) fn busy(&self) -> BTreeSet<String> {
        self.those(Pool::is_suspect)
    }

    /// The Workers that did anything.
    pub(super) fn active(&self) -> BTreeSet<String> {
        self.those(|pool| pool.is_suspect() || pool.answered() > 0)
    }

    fn those(&self, which: impl Fn(&Pool) -> bool) -> BTreeSet<String> {
        let found = self.ways.iter().filter(|(_, pool)| which(pool));
        found.map(|(script, _)| script.clone()).collect()
    }
}

/// Every socket that leads to a Worker, and to which.
pub(super) fn ways(
    generation: &Generation,
    pools: &HashMap<String, Arc<Pool>>,
) -> Vec<(String, Arc<Pool>)> {
    let found = |version: &Arc<ServedVersion>| {
        let id = &version.version_id;
        let keys = [id.clone(), events_key(id), workflows_key(id)];
        let pools = keys.iter().filter_map(|key| pools.get(key)).cloned().collect::<Vec<_>>();
        pools.into_iter().map(|pool| (version.script.clone(), pool)).collect::<Vec<_>>()
    };
    generation.versions.iter().flat_map(found).collect()
}

/// What the front says about versions that had to be left out.
pub(super) fn broken_versions(
    generation: &Generation,
    repairs: &Repairs,
) -> BTreeMap<String, String> {
    let why = |version: &ServedVersion| {
        repairs.broken.get(&service_name(&version.script, &version.version_id))
    };
    generation
        .versions
        .iter()
        .filter_map(|version| Some((version.version_id.clone(), why(version)?.clone())))
        .collect()
}

pub(super) async fn ended(current: Option<&Current>) {
    match current {
        Some(current) => current.process.ended().cancelled().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn trouble(current: Option<&Current>) -> Trouble {
    match current {
        Some(current) => current.pulse.trouble().await,
        None => std::future::pending().await,
    }
}

/// New requests no longer come here; those in flight may finish.
pub(super) async fn retire(old: Current) {
    let Current { process, pulse, .. } = old;
    tokio::select! {
        () = pulse.load.idle(RETIRE_PATIENCE) => process.drain(TERM_PATIENCE).await,
        _ = pulse.lost() => process.kill().await,
    }
}

/// Ends a process before its successor may start: two must not open the same objects.
pub(super) async fn hand_over(old: Current) {
    old.pulse.load.idle(HANDOVER_PATIENCE).await;
    old.process.drain(TERM_PATIENCE).await;
}
