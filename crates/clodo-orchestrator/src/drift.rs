mod account;
mod bindings;
mod looks;
pub(crate) mod serving;
mod target;

use crate::{
    context::DeployContext,
    desired::Desired,
    error::DeployError,
    history::History,
    inspected::Inspected,
    mark::Hashes,
    observed::{Observed, Scope},
    plan::Fate,
    planner::RecordedConfig,
    platform::PlatformError,
    record::DeploymentState,
    trigger::WorkerRef,
};
use clodo_types::{DeploymentId, Finding, TargetId, VersionId};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::task::JoinSet;

/// What to look for beyond the targets themselves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DriftOptions {
    /// Every Worker that the portfolio's files name, in all environments: what bears the portfolio's
    /// mark and is none of these has left the files. `None` = do not look for such Workers.
    pub named: Option<BTreeSet<WorkerRef>>,
    /// Read every Worker in full, also those that listings show as the last deployment left them:
    /// what leaves no trace in any listing is found by that only.
    pub deep: bool,
}

/// One thing that runs otherwise than Clodo left it, or than the files say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Drift {
    /// What kind of thing.
    pub kind: DriftKind,
    /// The target; `None` for a Worker that the files no longer name.
    pub target: Option<TargetId>,
    /// The Worker.
    pub worker: WorkerRef,
    /// What is otherwise: a sentence for a person, without a full stop.
    pub what: String,
    /// What should be there, where it can be said in a line.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// Which command mends it.
    pub hint: String,
}

/// The kinds of things that can be otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DriftKind {
    /// The files say something that was not deployed yet.
    NotDeployed,
    /// A deployment was interrupted.
    Unfinished,
    /// The Worker was deleted.
    WorkerGone,
    /// The Worker belongs to somebody else.
    Owner,
    /// The tags that Clodo wrote were changed or taken away.
    Mark,
    /// Traffic goes to another version of Clodo's.
    Traffic,
    /// A version serves that Clodo did not upload.
    Version,
    /// A newer version lies ready that Clodo did not upload.
    NewerVersion,
    /// A binding or a variable.
    Binding,
    /// The name of a secret.
    Secret,
    /// The compatibility date or flags.
    Compatibility,
    /// `observability`, `logpush`, `tail_consumers`.
    Settings,
    /// Whether it answers under `workers.dev`.
    WorkersDev,
    /// A custom domain.
    Domain,
    /// A route.
    Route,
    /// A cron schedule.
    Schedule,
    /// A Workflow.
    Workflow,
    /// A database, namespace, bucket or Worker that the code is bound to is gone.
    Resource,
    /// A Worker bears the portfolio's mark, and the files do not name it.
    Orphan,
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DriftReport {
    /// What is otherwise, target by target in the order of the desired state.
    pub drifts: Vec<Drift>,
    /// What is worth knowing and no drift.
    pub notes: Vec<Finding>,
    /// The Workers that were read one by one, with all that they serve.
    pub inspected: BTreeSet<WorkerRef>,
    /// The Workers that were compared by listings alone: these show them, marks and all, as the
    /// last deployment left them.
    pub believed: BTreeSet<WorkerRef>,
}

/// What the desired state is compared with.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DriftFacts {
    /// What listings tell.
    pub observed: Observed,
    /// What single Workers tell; one that is missing is compared by the listing alone.
    pub inspected: BTreeMap<WorkerRef, Inspected>,
    /// The configuration of the newest deployment of each Worker.
    pub recorded: BTreeMap<WorkerRef, RecordedConfig>,
    /// What else the record says of each Worker that was deployed.
    pub last: BTreeMap<WorkerRef, LastDeployed>,
    /// The Workers that an interrupted deployment touched.
    pub unfinished: BTreeMap<WorkerRef, DeploymentId>,
    /// As in [`DriftOptions::named`].
    pub named: Option<BTreeSet<WorkerRef>>,
}

/// How a Worker's newest finished deployment left it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastDeployed {
    /// The hashes; `None` when it was left as what Clodo did not deploy, or removed.
    pub hashes: Option<Hashes>,
    /// The version that has the traffic, when the record knows.
    pub version: Option<VersionId>,
    /// Clodo created the Worker: what it did not set was not there before.
    pub created: bool,
    /// Clodo removed it.
    pub removed: bool,
}

/// Says what is otherwise than Clodo left it or than the files say. Pure.
#[must_use]
pub fn diff(desired: &Desired, facts: &DriftFacts) -> DriftReport {
    let inspected = facts.inspected.keys().cloned().collect();
    let mut report = DriftReport { inspected, ..DriftReport::default() };
    let scope = desired.scope();
    for target in &desired.targets {
        let Some(listed) = scope.accounts.get(&target.id.account) else { continue };
        target::compare(desired, target, listed, facts, &mut report);
    }
    account::orphans(desired, facts, &mut report);
    report
}

/// Reads listings, reads in full what these show as changed, and compares. A Worker that they show as
/// its last deployment left it is believed, unless [`DriftOptions::deep`] says otherwise. Writes
/// nothing and takes no lock.
///
/// # Errors
/// When the platform or the history cannot be read.
pub async fn drift(
    cx: &DeployContext,
    desired: &Desired,
    options: &DriftOptions,
) -> Result<DriftReport, DeployError> {
    let history = History::read(&*cx.journal, &desired.portfolio).await;
    let history = history.map_err(DeployError::Journal)?;
    let observed = cx.platform.observe(&scope(desired)).await.map_err(DeployError::Observe)?;
    let mut facts = DriftFacts {
        recorded: history.configs(),
        last: last(&history, &observed),
        unfinished: unfinished(&history),
        named: options.named.clone(),
        observed,
        inspected: BTreeMap::new(),
    };
    let looks = looks::choose(desired, &facts, &history, options);
    facts.inspected = inspect(cx, looks.inspect).await.map_err(DeployError::Observe)?;
    let mut report = diff(desired, &facts);
    report.notes.extend(looks.notes);
    Ok(report)
}

/// What the files have to do with, and routes. What they do not use is not listed: an account need
/// not have R2, nor a token the permission for D1.
fn scope(desired: &Desired) -> Scope {
    let mut scope = desired.scope();
    for account in scope.accounts.values_mut() {
        account.routes = true;
        // Nothing here is compared with how far objects are migrated, which costs a call for each.
        account.objects.clear();
    }
    scope
}

/// Looks at Workers one by one, several side by side. One that vanishes meanwhile is left out.
pub(crate) async fn inspect(
    cx: &DeployContext,
    workers: impl IntoIterator<Item = WorkerRef>,
) -> Result<BTreeMap<WorkerRef, Inspected>, PlatformError> {
    let mut waiting = workers.into_iter();
    let mut running = JoinSet::new();
    let mut found = BTreeMap::new();
    loop {
        while running.len() < cx.concurrency.get() {
            let Some(worker) = waiting.next() else { break };
            let platform = Arc::clone(&cx.platform);
            running.spawn(async move {
                let seen = platform.inspect(&worker).await;
                seen.map(|seen| (worker, seen))
            });
        }
        let Some(ended) = running.join_next().await else { return Ok(found) };
        let (worker, seen) = ended.expect("no adapter panics")?;
        if let Some(seen) = seen {
            found.insert(worker, seen);
        }
    }
}

fn last(history: &History, observed: &Observed) -> BTreeMap<WorkerRef, LastDeployed> {
    let mut last: BTreeMap<WorkerRef, LastDeployed> = BTreeMap::new();
    let done = history.past.iter().filter(|past| past.state == DeploymentState::Done);
    for target in done.flat_map(|past| &past.opening.targets) {
        let known = last.contains_key(&target.worker);
        let entry = last.entry(target.worker.clone()).or_default();
        if !known {
            let account = observed.accounts.get(&target.worker.account);
            let live = account.and_then(|account| account.workers.get(&target.worker.worker));
            entry.hashes = target.hashes;
            entry.removed = target.fate == Fate::Remove;
            let hashes = live.and_then(|live| live.mark().hashes).or(target.hashes);
            entry.version = history.version(&target.worker, hashes);
        }
        entry.created |= target.fate == Fate::Create;
    }
    last
}

fn unfinished(history: &History) -> BTreeMap<WorkerRef, DeploymentId> {
    let mut unfinished = BTreeMap::new();
    for past in history.unfinished() {
        let touched = past.opening.workers();
        unfinished.extend(touched.into_iter().map(|worker| (worker.clone(), past.id.clone())));
    }
    unfinished
}
