use crate::{
    closer::look_closer,
    context::{DeployContext, DeployOptions},
    desired::Desired,
    error::DeployError,
    event::DeployEvent,
    execute::{Work, execute},
    history::History,
    mark::Hashes,
    migration::MigrationTarget,
    observed::{Observed, Scope},
    plan::{Action, Fate, Plan, PlannedTarget},
    planner::{PlanOptions, plan},
    record::{Occasion, grouped},
    removal::plan_prune,
    report::{DeployReport, Outcome, TargetReport},
    resource::ResourceRef,
};
use clodo_saga::{LeaseGuard, LeaseOptions};
use clodo_types::{DeploymentId, Finding, PortfolioName, Severity, TargetId, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A plan and what was known when it was made. Nothing was written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// What would be done.
    pub plan: Arc<Plan>,
    /// What is there.
    pub observed: Observed,
    /// What the plan and the gates have to say.
    pub findings: Vec<Finding>,
    /// What each target is now: with `fate` as what would happen to it.
    pub targets: Vec<TargetReport>,
    /// Deployments whose process died and whose work the next deployment takes over.
    pub interrupted: Vec<DeploymentId>,
}

impl Prepared {
    /// True when a finding stops the deployment.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        is_blocked(&self.findings)
    }
}

/// Brings the platform to the desired state: observes, plans, asks the gates, applies, verifies and
/// records.
///
/// Only one deployment of a portfolio runs at a time. When a step fails, or the deployment is
/// cancelled, what was done is taken back; data stays. A deployment whose process dies is finished
/// by the next one, wherever that runs.
///
/// # Errors
/// When it could not begin; nothing was written then, except for [`DeployError::LockLost`].
pub async fn deploy(
    cx: &DeployContext,
    desired: &Desired,
    options: &DeployOptions,
) -> Result<DeployReport, DeployError> {
    let began = cx.clock.now();
    let lock = lock(cx, &desired.portfolio).await?;
    let outcome = deploy_locked(cx, desired, options, began, &lock).await;
    unlock(lock).await;
    outcome
}

/// Does all that [`deploy`] does before it writes: observes, plans and asks the gates.
///
/// # Errors
/// When the platform or the history cannot be read, or the desired state cannot be planned.
pub async fn prepare(
    cx: &DeployContext,
    desired: &Desired,
    options: &DeployOptions,
) -> Result<Prepared, DeployError> {
    let (prepared, _) = prepare_with_history(cx, desired, options).await?;
    Ok(prepared)
}

pub(crate) fn is_blocked(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Block)
}

/// The name of the lease under which a portfolio is deployed.
#[must_use]
pub fn lease_name(portfolio: &PortfolioName) -> String {
    format!("deploy/{portfolio}")
}

pub(crate) async fn lock(
    cx: &DeployContext,
    portfolio: &PortfolioName,
) -> Result<Arc<LeaseGuard>, DeployError> {
    let options = LeaseOptions::new(lease_name(portfolio), cx.holder.clone())
        .with_ttl(cx.lease_ttl)
        .with_liveness(cx.liveness);
    let (leases, clock) = (Arc::clone(&cx.leases), Arc::clone(&cx.clock));
    Ok(Arc::new(LeaseGuard::acquire(leases, clock, options).await?))
}

pub(crate) async fn unlock(lock: Arc<LeaseGuard>) {
    if let Some(lock) = Arc::into_inner(lock)
        && let Err(error) = lock.release().await
    {
        tracing::warn!(%error, "the lock of the portfolio was not given back; it will expire");
    }
}

async fn deploy_locked(
    cx: &DeployContext,
    desired: &Desired,
    options: &DeployOptions,
    began: Timestamp,
    lock: &Arc<LeaseGuard>,
) -> Result<DeployReport, DeployError> {
    let options = &DeployOptions { only_look: false, ..options.clone() };
    let (prepared, history) = prepare_with_history(cx, desired, options).await?;
    if prepared.is_refused() {
        cx.listener.hear(&DeployEvent::Refused(prepared.findings.clone()));
        return Ok(unwritten(cx, prepared, Outcome::Refused, began));
    }
    check_secrets(cx, &prepared.plan).await?;
    let work = Work {
        began,
        deployment: options.deployment.clone(),
        portfolio: desired.portfolio.clone(),
        occasion: Occasion {
            revision: desired.revision.clone(),
            by: Some(cx.by.clone()),
            why: options.why.clone(),
            redeploy: options.redeploy.clone(),
            strategies: grouped(desired),
            rollout: desired.rollout.clone(),
            adopt: desired.targets.iter().any(|target| target.adopt),
            prune: options.prune.is_some(),
            no_tests: options.no_tests,
            ..Occasion::default()
        },
        prepared,
        history,
    };
    execute(cx, work, lock).await
}

async fn prepare_with_history(
    cx: &DeployContext,
    desired: &Desired,
    options: &DeployOptions,
) -> Result<(Prepared, History), DeployError> {
    let read = History::read(&*cx.journal, &desired.portfolio);
    let mut history = read.await.map_err(DeployError::Journal)?;
    history.go_on(desired);
    for interrupted in history.unfinished() {
        cx.listener.hear(&DeployEvent::InterruptedFound(interrupted.id));
    }
    let mut scope = desired.scope();
    // Nothing may lead to a Worker that goes, so routes and receivers have to be known.
    for account in scope.accounts.values_mut() {
        account.routes = options.prune.is_some();
        account.queues |= options.prune.is_some();
        account.workflows |= options.prune.is_some();
    }
    // What the files no longer name may have to go.
    for (worker, recorded) in &history.configs() {
        let registered = recorded.config.get("registered_workflows").is_some();
        let is_target = desired.targets.iter().any(|target| target.worker_ref() == *worker);
        if let Some(account) = scope.accounts.get_mut(&worker.account).filter(|_| is_target) {
            account.workflows |= registered;
        }
    }
    let observed = observe(cx, desired, &scope).await.map_err(DeployError::Observe)?;
    cx.listener.hear(&DeployEvent::Observed);
    let closer = look_closer(cx, desired, &observed, &history).await;
    let closer = closer.map_err(DeployError::Observe)?;
    let plan_options = PlanOptions {
        recorded: history.configs(),
        interrupted: history.before.keys().cloned().collect(),
        redeploy: options.redeploy.union(&closer.moved).cloned().collect(),
        only_look: options.only_look,
    };
    let mut plan = plan(desired, &observed, &plan_options).map_err(DeployError::Plan)?;
    if let Some(named) = &options.prune {
        plan = plan_prune(cx, desired, plan, (&observed, &history), (named, &options.protected))
            .await?;
    }
    plan.findings.extend(closer.findings);
    if let Some(agreed) = &options.agreed {
        plan.findings.extend(agreed.objection(&plan));
    }
    plan.findings.extend(options.expected.as_ref().and_then(|expected| moved_on(&plan, expected)));
    let prepared = gate(cx, Arc::new(plan), desired, observed, &history).await;
    Ok((prepared, history))
}

/// Refuses files that are not those with which an interrupted deployment began.
fn moved_on(plan: &Plan, expected: &BTreeMap<TargetId, Option<Hashes>>) -> Option<Finding> {
    let other = |target: &&PlannedTarget| expected.get(&target.id) != Some(&target.hashes);
    let changed: Vec<String> =
        plan.targets.iter().filter(other).map(|target| target.id.to_string()).collect();
    let planned: BTreeSet<&TargetId> = plan.targets.iter().map(|target| &target.id).collect();
    let gone = expected.keys().filter(|id| !planned.contains(id)).map(ToString::to_string);
    let changed: Vec<String> = changed.into_iter().chain(gone).collect();
    if changed.is_empty() {
        return None;
    }
    let message =
        format!("the files have changed since the deployment began: {}", changed.join(", "));
    let hint = "check out what it was made from; `deploy` takes it over with the files of now";
    Some(Finding {
        rule: "files-changed".to_owned(),
        severity: Severity::Block,
        at: None,
        message,
        hint: Some(hint.to_owned()),
    })
}

/// Reads the platform, and the migrations of the databases that have migration files.
pub(crate) async fn observe(
    cx: &DeployContext,
    desired: &Desired,
    scope: &Scope,
) -> Result<Observed, crate::platform::PlatformError> {
    let mut observed = cx.platform.observe(scope).await?;
    let mut wanted = BTreeMap::new();
    for target in &desired.targets {
        let files = target.databases.iter().filter(|database| !database.migrations.is_empty());
        for database in files {
            let key = (target.id.account.clone(), database.resource.clone());
            wanted.insert(key, database.migrations_table.clone());
        }
    }
    for ((account_name, resource), table) in wanted {
        let Some(account) = observed.accounts.get_mut(&account_name) else { continue };
        let found = account.databases.iter_mut().find(|(name, known)| match &resource {
            ResourceRef::Name(wanted) => *name == wanted,
            ResourceRef::Id(wanted) => known.id == *wanted,
        });
        let Some((name, known)) = found else { continue };
        let (account, id, name) = (account_name, known.id.clone(), Some(name.clone()));
        known.applied = cx.migrator.applied(&MigrationTarget { account, id, name, table }).await?;
    }
    Ok(observed)
}

pub(crate) async fn gate(
    cx: &DeployContext,
    plan: Arc<Plan>,
    desired: &Desired,
    observed: Observed,
    history: &History,
) -> Prepared {
    cx.listener.hear(&DeployEvent::Planned(Arc::clone(&plan)));
    let mut findings = plan.findings.clone();
    for gate in &cx.gates {
        if is_blocked(&findings) {
            break;
        }
        findings.extend(gate.check(&plan, desired).await);
    }
    let targets = now(cx, &plan, &observed, history);
    let interrupted = history.unfinished().into_iter().map(|past| past.id).collect();
    Prepared { plan, observed, findings, targets, interrupted }
}

/// The targets as they are before anything is done.
pub(crate) fn now(
    cx: &DeployContext,
    plan: &Plan,
    observed: &Observed,
    history: &History,
) -> Vec<TargetReport> {
    let report = |target: &PlannedTarget| {
        let account = observed.accounts.get(&target.worker.account);
        let live = account.and_then(|account| account.workers.get(&target.worker.worker));
        let hashes = live.and_then(|live| live.mark().hashes);
        TargetReport {
            id: target.id.clone(),
            worker: target.worker.clone(),
            fate: target.fate,
            changed: false,
            version: history.version(&target.worker, hashes),
            urls: match target.fate {
                Fate::Create => Vec::new(),
                _ => cx.platform.urls(&target.check.addresses),
            },
            verdict: None,
        }
    };
    plan.targets.iter().map(report).collect()
}

pub(crate) fn unwritten(
    cx: &DeployContext,
    prepared: Prepared,
    outcome: Outcome,
    began: Timestamp,
) -> DeployReport {
    DeployReport {
        outcome,
        deployment: None,
        plan: prepared.plan,
        findings: prepared.findings,
        targets: prepared.targets,
        failure: None,
        cancelled: false,
        kept: Vec::new(),
        stuck: Vec::new(),
        superseded: Vec::new(),
        history_incomplete: None,
        took: cx.clock.now().since(began),
    }
}

/// A Worker that is new needs a value for each of its secrets; one that exists may keep the values
/// that it has.
async fn check_secrets(cx: &DeployContext, plan: &Plan) -> Result<(), DeployError> {
    let mut missing = Vec::new();
    for step in &plan.steps {
        let Action::Change(crate::change::Change::Upload(upload)) = &step.action else { continue };
        for name in upload.target.secrets.iter().filter(|_| upload.first) {
            let target = &upload.target.id;
            let value = cx.secrets.resolve(target, name).await.map_err(DeployError::Secrets)?;
            if value.is_none() {
                missing.push((target.clone(), name.clone()));
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(DeployError::MissingSecrets(missing)) }
}
