use crate::{
    context::DeployContext,
    deploy::{Prepared, gate, is_blocked, lock, unlock, unwritten},
    desired::Desired,
    error::DeployError,
    event::DeployEvent,
    execute::{Work, execute},
    history::{History, Past},
    observed::{AccountScope, Observed, Scope},
    record::{DeploymentState, Occasion},
    report::{DeployReport, Outcome},
    restore::plan_rollback,
};
use clodo_saga::{LeaseGuard, Progress};
use clodo_types::{DeploymentId, PortfolioName, TargetId, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What to roll back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RollbackOptions {
    /// The id of the rollback itself, which is a deployment too.
    pub deployment: DeploymentId,
    /// The deployment to take back; `None` = the newest one that is still in effect.
    pub of: Option<DeploymentId>,
    /// Only these targets of it; empty = all.
    pub targets: BTreeSet<TargetId>,
    /// Why, for the record.
    pub why: Option<String>,
}

impl RollbackOptions {
    /// Takes back all of the newest deployment.
    #[must_use]
    pub fn new(deployment: DeploymentId) -> Self {
        Self { deployment, of: None, targets: BTreeSet::new(), why: None }
    }
}

/// Takes a deployment back: traffic goes to the versions that had it before; domains, routes,
/// schedules and settings become what they were. Data and migrations stay.
///
/// An interrupted deployment can be rolled back like any other.
///
/// A target that the deployment created has nothing to go back to and stays, which a note says. One
/// that was deployed again since is refused.
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
    if is_blocked(&prepared.findings) {
        cx.listener.hear(&DeployEvent::Refused(prepared.findings.clone()));
        return Ok(unwritten(cx, prepared, Outcome::Refused, began));
    }
    if prepared.plan.targets.is_empty() {
        return Err(DeployError::NothingToRollBack);
    }
    let work = Work {
        began,
        deployment: options.deployment.clone(),
        portfolio: portfolio.clone(),
        occasion: Occasion {
            rollback_of: Some(of.id),
            revision: of.opening.occasion.revision,
            by: Some(cx.by.clone()),
            why: options.why.clone(),
            redeploy: BTreeSet::new(),
        },
        prepared,
        history,
    };
    execute(cx, work, lock).await
}

async fn prepare(
    cx: &DeployContext,
    portfolio: &PortfolioName,
    options: &RollbackOptions,
) -> Result<(Prepared, History, Past), DeployError> {
    let read = History::read(&*cx.journal, portfolio).await;
    let history = read.map_err(DeployError::Journal)?;
    let of = choose(cx, &history, options).await?;
    let entries = cx.journal.entries(&of.id).await.map_err(DeployError::Journal)?;
    let before = Progress::of(&entries).before;
    let observed = observe(cx, &of).await?;
    cx.listener.hear(&DeployEvent::Observed);
    let plan = plan_rollback(portfolio, &of, &before, &observed, &history, &options.targets);
    let nothing = Desired::new(portfolio.clone(), []);
    let prepared = gate(cx, Arc::new(plan), &nothing, observed, &history).await;
    Ok((prepared, history, of))
}

async fn choose(
    cx: &DeployContext,
    history: &History,
    options: &RollbackOptions,
) -> Result<Past, DeployError> {
    if let Some(id) = &options.of {
        if let Some(past) = history.past.iter().find(|past| past.id == *id) {
            return Ok(past.clone());
        }
        let found = cx.journal.find(id).await.map_err(DeployError::Journal)?;
        let unknown = || DeployError::UnknownDeployment(id.clone());
        return found.as_ref().and_then(Past::of).ok_or_else(unknown);
    }
    let in_effect = |past: &&Past| {
        matches!(past.state, DeploymentState::Done | DeploymentState::Unfinished)
            && past.rollback_of().is_none()
            && past
                .changed()
                .any(|target| wanted(options, target) && !taken_back(history, past, target))
    };
    history.past.iter().find(in_effect).cloned().ok_or(DeployError::NothingToRollBack)
}

fn wanted(options: &RollbackOptions, target: &TargetId) -> bool {
    options.targets.is_empty() || options.targets.contains(target)
}

/// True when a rollback has taken back what `past` did to the target.
fn taken_back(history: &History, past: &Past, target: &TargetId) -> bool {
    let rollbacks = history.past.iter().filter(|other| other.state == DeploymentState::Done);
    let mut rollbacks = rollbacks.filter(|other| other.rollback_of() == Some(&past.id));
    rollbacks.any(|other| other.changed().any(|id| id == target))
}

async fn observe(cx: &DeployContext, of: &Past) -> Result<Observed, DeployError> {
    let mut accounts: BTreeMap<_, AccountScope> = BTreeMap::new();
    for worker in of.opening.workers() {
        let scope = accounts.entry(worker.account.clone()).or_default();
        scope.workers.insert(worker.worker.clone());
    }
    cx.platform.observe(&Scope { accounts }).await.map_err(DeployError::Observe)
}
