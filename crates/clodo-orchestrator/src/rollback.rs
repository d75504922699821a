use crate::{
    context::DeployContext,
    deploy::{Prepared, gate, is_blocked, lock, unlock, unwritten},
    desired::Desired,
    drift::inspect,
    error::DeployError,
    event::DeployEvent,
    execute::{Work, execute},
    history::{History, Past},
    observed::{AccountScope, Observed, Scope},
    record::{DeploymentState, Occasion},
    report::{DeployReport, Outcome},
    restore::{Part, TakenBack, plan_rollback},
};
use clodo_saga::{LeaseGuard, Progress};
use clodo_types::{DeploymentId, PortfolioName, TargetId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How many deployments back a time is looked for.
const FAR: usize = 1_000;

/// What to roll back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RollbackOptions {
    /// The id of the rollback itself, which is a deployment too.
    pub deployment: DeploymentId,
    /// The deployment to take back; `None` = the newest one that is still in effect.
    pub of: Option<DeploymentId>,
    /// Only these targets; empty = all.
    pub targets: BTreeSet<TargetId>,
    /// How far, when no deployment is named.
    pub reach: Reach,
    /// Whether databases go back as well that the deployment `of` migrated: all that was written since
    /// is lost. Without a deployment that is named they stay.
    pub databases: bool,
    /// Why, for the record.
    pub why: Option<String>,
}

/// How far a rollback goes that names no deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reach {
    /// Back before the newest deployment that is still in effect, for the targets that it changed.
    #[default]
    Newest,
    /// Each target back before the newest deployment that changed it, which may be others for others.
    Each,
    /// Back to what was there at this time, over all deployments since.
    To(Timestamp),
}

impl RollbackOptions {
    /// Takes back all of the newest deployment.
    #[must_use]
    pub fn new(deployment: DeploymentId) -> Self {
        let (targets, reach) = (BTreeSet::new(), Reach::Newest);
        Self { deployment, of: None, targets, reach, databases: false, why: None }
    }

    /// Databases go back only with a deployment that is named.
    fn puts_back(&self) -> bool {
        self.databases && self.of.is_some()
    }
}

/// Takes a deployment back: traffic goes to the versions that had it before; domains, routes,
/// schedules and settings become what they were. Data and migrations stay, unless
/// [`RollbackOptions::databases`] says otherwise: then databases that were migrated go back to the moment
/// before.
///
/// An interrupted deployment can be rolled back like any other.
///
/// A target that the deployment created has nothing to go back to and stays, which a note says. One
/// that was deployed again since is refused, and so is one at which traffic was moved by others: a
/// rollback takes nobody's place unseen. Several deployments are taken back as if they had been one;
/// callers go back before what they call, and if one target is not well afterwards, all of it is undone.
///
/// # Errors
/// When there is no such deployment, or as for [`deploy`](crate::deploy()).
pub async fn rollback(
    cx: &DeployContext,
    portfolio: &PortfolioName,
    options: &RollbackOptions,
) -> Result<DeployReport, DeployError> {
    let began = cx.clock.now();
    let lock = lock(cx, portfolio).await?;
    let outcome = rollback_locked(cx, portfolio, options, began, &lock).await;
    unlock(lock).await;
    outcome
}

/// Does all that [`rollback`] does before it writes.
///
/// # Errors
/// As for [`rollback`].
pub async fn prepare_rollback(
    cx: &DeployContext,
    portfolio: &PortfolioName,
    options: &RollbackOptions,
) -> Result<Prepared, DeployError> {
    let (prepared, ..) = prepare(cx, portfolio, options).await?;
    Ok(prepared)
}

async fn rollback_locked(
    cx: &DeployContext,
    portfolio: &PortfolioName,
    options: &RollbackOptions,
    began: Timestamp,
    lock: &Arc<LeaseGuard>,
) -> Result<DeployReport, DeployError> {
    let (prepared, history, of) = prepare(cx, portfolio, options).await?;
    let mut ids = of.ids.into_iter();
    if is_blocked(&prepared.findings) {
        cx.listener.hear(&DeployEvent::Refused(prepared.findings.clone()));
        return Ok(unwritten(cx, prepared, Outcome::Refused, began));
    }
    if prepared.plan.targets.is_empty() && prepared.plan.is_empty() {
        return Err(DeployError::NothingToRollBack);
    }
    let work = Work {
        began,
        deployment: options.deployment.clone(),
        portfolio: portfolio.clone(),
        occasion: Occasion {
            rollback_of: ids.next(),
            rollback_of_others: ids.collect(),
            revision: revision(&history, &options.of),
            by: Some(cx.by.clone()),
            why: options.why.clone(),
            reach: options.of.is_none().then_some(options.reach),
            databases: options.puts_back(),
            chosen: options.targets.clone(),
            ..Occasion::default()
        },
        prepared,
        history,
    };
    execute(cx, work, lock).await
}

/// The revision of a single deployment that is taken back; of several there is none.
fn revision(history: &History, of: &Option<DeploymentId>) -> Option<String> {
    let past = history.past.iter().find(|past| Some(&past.id) == of.as_ref())?;
    past.opening.occasion.revision.clone()
}

async fn prepare(
    cx: &DeployContext,
    portfolio: &PortfolioName,
    options: &RollbackOptions,
) -> Result<(Prepared, History, TakenBack), DeployError> {
    let journal = &*cx.journal;
    let history = match options.reach {
        Reach::Newest => History::read(journal, portfolio).await,
        _ => History::read_to(journal, portfolio, FAR).await,
    };
    let history = history.map_err(DeployError::Journal)?;
    let mut parts = Vec::new();
    for (past, targets) in choose(cx, &history, options).await? {
        let entries = journal.entries(&past.id).await.map_err(DeployError::Journal)?;
        let before = Progress::of(&entries).before;
        parts.push(Part { past, targets, before });
    }
    let observed = observe(cx, &parts).await?;
    cx.listener.hear(&DeployEvent::Observed);
    let of = TakenBack::of(parts);
    let there = of.targets.iter().map(|target| &target.recorded.worker).filter(|worker| {
        let account = observed.accounts.get(&worker.account);
        account.is_some_and(|account| account.workers.contains_key(&worker.worker))
    });
    let inspected = inspect(cx, there.cloned()).await.map_err(DeployError::Observe)?;
    let plan =
        plan_rollback(portfolio, (&of, options.puts_back()), &observed, &inspected, &history);
    let nothing = Desired::new(portfolio.clone(), []);
    let prepared = gate(cx, Arc::new(plan), &nothing, observed, &history).await;
    Ok((prepared, history, of))
}

/// The deployments to take back, newest first, each with the targets of it.
async fn choose(
    cx: &DeployContext,
    history: &History,
    options: &RollbackOptions,
) -> Result<Vec<(Past, BTreeSet<TargetId>)>, DeployError> {
    let targets = |past: &Past| -> BTreeSet<TargetId> {
        let migrated = if options.puts_back() { past.migrated() } else { BTreeSet::new() };
        let all = past.changed().chain(migrated);
        all.filter(|target| wanted(options, target)).cloned().collect()
    };
    if let Some(id) = &options.of {
        let past = named(cx, history, id).await?;
        let targets = targets(&past);
        return Ok(vec![(past, targets)]);
    }
    let in_effect = |past: &Past, target: &TargetId| {
        matches!(past.state, DeploymentState::Done | DeploymentState::Unfinished)
            && past.rollback_of().is_none()
            && !taken_back(history, past, target)
    };
    let mut chosen = Vec::new();
    let mut met = BTreeSet::new();
    for past in &history.past {
        let mut own = targets(past);
        match options.reach {
            Reach::Newest => {
                if own.iter().any(|target| in_effect(past, target)) {
                    return Ok(vec![(past.clone(), own)]);
                }
            }
            Reach::Each => {
                own.retain(|target| in_effect(past, target) && met.insert(target.clone()));
                add(&mut chosen, past, own);
            }
            Reach::To(time) => {
                let left_traces =
                    !matches!(past.state, DeploymentState::Failed | DeploymentState::Superseded);
                if past.at > time && left_traces {
                    add(&mut chosen, past, own);
                }
            }
        }
    }
    if chosen.is_empty() { Err(DeployError::NothingToRollBack) } else { Ok(chosen) }
}

fn add(chosen: &mut Vec<(Past, BTreeSet<TargetId>)>, past: &Past, targets: BTreeSet<TargetId>) {
    if !targets.is_empty() {
        chosen.push((past.clone(), targets));
    }
}

async fn named(
    cx: &DeployContext,
    history: &History,
    id: &DeploymentId,
) -> Result<Past, DeployError> {
    if let Some(past) = history.past.iter().find(|past| past.id == *id) {
        return Ok(past.clone());
    }
    let found = cx.journal.find(id).await.map_err(DeployError::Journal)?;
    let unknown = || DeployError::UnknownDeployment(id.clone());
    found.as_ref().and_then(Past::of).ok_or_else(unknown)
}

fn wanted(options: &RollbackOptions, target: &TargetId) -> bool {
    options.targets.is_empty() || options.targets.contains(target)
}

/// True when a rollback has taken back what `past` did to the target.
fn taken_back(history: &History, past: &Past, target: &TargetId) -> bool {
    let rollbacks = history.past.iter().filter(|other| other.state == DeploymentState::Done);
    let mut rollbacks = rollbacks.filter(|other| other.takes_back(&past.id));
    rollbacks.any(|other| other.changed().any(|id| id == target))
}

async fn observe(cx: &DeployContext, parts: &[Part]) -> Result<Observed, DeployError> {
    let mut accounts: BTreeMap<_, AccountScope> = BTreeMap::new();
    let concerned = parts.iter().flat_map(|part| {
        let targets = part.past.opening.targets.iter();
        let chosen = targets.filter(|target| part.targets.contains(&target.id));
        part.past.opening.workers().into_iter().chain(chosen.map(|target| &target.worker))
    });
    for worker in concerned {
        let scope = accounts.entry(worker.account.clone()).or_default();
        scope.workers.insert(worker.worker.clone());
    }
    // Who received from a queue before may have to receive from it again.
    let has = |kind: &str| {
        let mut steps = parts.iter().flat_map(|part| &part.past.opening.steps);
        steps.any(|step| step.kind == kind)
    };
    let (queues, workflows) = (has("consumers"), has("workflows"));
    for scope in accounts.values_mut() {
        (scope.queues, scope.workflows) = (queues, workflows);
    }
    cx.platform.observe(&Scope { accounts }).await.map_err(DeployError::Observe)
}
