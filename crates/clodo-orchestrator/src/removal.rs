mod data;
mod flows;
pub(crate) mod order;
mod prune;

pub(crate) use prune::plan_prune;

use crate::{
    change::Change,
    context::DeployContext,
    deploy::{Prepared, gate, is_blocked, lock, unlock, unwritten},
    desired::{Desired, DesiredTarget},
    error::DeployError,
    event::DeployEvent,
    execute::{Work, execute},
    history::History,
    mark::Mark,
    observed::{Observed, ObservedWorker},
    plan::{Action, Fate, Plan, PlannedStep, PlannedTarget},
    planner::{arrange, change_id},
    preview::Preview,
    record::Occasion,
    report::{DeployReport, Outcome},
    trigger::{Addresses, Check, Through, WorkerRef},
};
use clodo_saga::{LeaseGuard, StepId};
use clodo_types::{DeploymentId, Finding, PortfolioName, Severity, TargetId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What is to be taken away.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Removal {
    /// The portfolio; only its own Workers are taken away.
    pub portfolio: PortfolioName,
    /// The targets that go. Their code is not needed.
    pub targets: Vec<Arc<DesiredTarget>>,
    /// All other targets of the portfolio: what they use stays.
    pub rest: Vec<Arc<DesiredTarget>>,
}

impl Removal {
    /// Takes `targets` away and leaves `rest` alone.
    #[must_use]
    pub fn new(
        portfolio: PortfolioName,
        targets: impl IntoIterator<Item = DesiredTarget>,
        rest: impl IntoIterator<Item = DesiredTarget>,
    ) -> Self {
        let shared = |target| Arc::new(target);
        let targets = targets.into_iter().map(shared).collect();
        Self { portfolio, targets, rest: rest.into_iter().map(shared).collect() }
    }
}

/// What becomes of data: of databases, namespaces, buckets and Durable Objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// It stays; a Worker whose removal would lose some is refused.
    #[default]
    Keep,
    /// It goes for good.
    Remove,
}

/// How to take targets away.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemovalOptions {
    /// The id of the removal, which is a deployment too.
    pub deployment: DeploymentId,
    /// What becomes of data.
    pub data: Data,
    /// Why, for the record.
    pub why: Option<String>,
}

impl RemovalOptions {
    /// Keeps all data.
    #[must_use]
    pub fn new(deployment: DeploymentId) -> Self {
        Self { deployment, data: Data::Keep, why: None }
    }
}

/// Takes targets away: first what leads to them, then the Workers, each only after all that call it,
/// then, if that is wanted, the data that nothing else of the portfolio uses.
///
/// A removed Worker cannot be brought back, so a removal that fails is not undone: what is gone stays
/// gone, and the next run goes on. One whose process dies is finished by the next run as well.
///
/// # Errors
/// When it could not begin; nothing was removed then, except for [`DeployError::LockLost`].
pub async fn destroy(
    cx: &DeployContext,
    removal: &Removal,
    options: &RemovalOptions,
) -> Result<DeployReport, DeployError> {
    let began = cx.clock.now();
    let lock = lock(cx, &removal.portfolio).await?;
    let outcome = destroy_locked(cx, removal, options, began, &lock).await;
    unlock(lock).await;
    outcome
}

/// Does all that [`destroy`] does before it writes.
///
/// # Errors
/// As for [`destroy`].
pub async fn prepare_destroy(
    cx: &DeployContext,
    removal: &Removal,
    options: &RemovalOptions,
) -> Result<Prepared, DeployError> {
    let (prepared, _) = prepare(cx, removal, options).await?;
    Ok(prepared)
}

async fn destroy_locked(
    cx: &DeployContext,
    removal: &Removal,
    options: &RemovalOptions,
    began: Timestamp,
    lock: &Arc<LeaseGuard>,
) -> Result<DeployReport, DeployError> {
    let (prepared, history) = prepare(cx, removal, options).await?;
    if is_blocked(&prepared.findings) {
        cx.listener.hear(&DeployEvent::Refused(prepared.findings.clone()));
        return Ok(unwritten(cx, prepared, Outcome::Refused, began));
    }
    let work = Work {
        began,
        deployment: options.deployment.clone(),
        portfolio: removal.portfolio.clone(),
        occasion: Occasion {
            by: Some(cx.by.clone()),
            why: options.why.clone(),
            removal: Some(options.data),
            ..Occasion::default()
        },
        prepared,
        history,
    };
    execute(cx, work, lock).await
}

async fn prepare(
    cx: &DeployContext,
    removal: &Removal,
    options: &RemovalOptions,
) -> Result<(Prepared, History), DeployError> {
    let read = History::read(&*cx.journal, &removal.portfolio);
    let history = read.await.map_err(DeployError::Journal)?;
    for interrupted in history.unfinished() {
        cx.listener.hear(&DeployEvent::InterruptedFound(interrupted.id));
    }
    let desired = Desired::new(removal.portfolio.clone(), []);
    let mut scope = Desired { targets: removal.targets.clone(), ..desired.clone() }.scope();
    for account in scope.accounts.values_mut() {
        (account.routes, account.queues, account.workflows) = (true, true, true);
    }
    let observed = cx.platform.observe(&scope).await.map_err(DeployError::Observe)?;
    cx.listener.hear(&DeployEvent::Observed);
    let plan = plan_removal(removal, &observed, options.data);
    let prepared = gate(cx, Arc::new(plan), &desired, observed, &history).await;
    Ok((prepared, history))
}

/// Says how to take targets away. Pure.
#[must_use]
pub fn plan_removal(removal: &Removal, observed: &Observed, data: Data) -> Plan {
    let mut draft = Draft::new(&removal.portfolio, observed);
    let mut going = Vec::new();
    for target in &removal.targets {
        let worker = target.worker_ref();
        let live = draft.live(&worker);
        let fate = if live.is_some() { Fate::Remove } else { Fate::Unchanged };
        draft.plan.targets.push(gone(target, fate));
        if live.is_some_and(|live| draft.may_go(target, live, data)) {
            going.push(Going::of(target));
        }
    }
    let removed = draft.remove(&going, (&[], data), &BTreeSet::new());
    draft.data(removal, data, &removed);
    draft.plan.steps = arrange(draft.plan.steps);
    draft.plan
}

fn gone(target: &DesiredTarget, fate: Fate) -> PlannedTarget {
    let (worker, domains) = (target.worker_ref(), BTreeSet::new());
    let addresses = Addresses { worker: worker.clone(), domains, workers_dev: false };
    PlannedTarget {
        id: target.id.clone(),
        fate,
        hashes: None,
        config: Value::Null,
        check: Check {
            target: target.id.clone(),
            addresses,
            health: None,
            knows_version: false,
            through: Through::Addresses,
        },
        worker,
    }
}

/// A Worker that goes, or goes back.
#[derive(Clone, Debug)]
pub(crate) struct Going {
    pub(crate) worker: WorkerRef,
    /// The target that it is, or was.
    pub(crate) target: Option<TargetId>,
    /// Others that it calls.
    pub(crate) calls: BTreeSet<WorkerRef>,
    /// It has routes, as far as the files know.
    pub(crate) routes: bool,
}

impl Going {
    fn of(target: &DesiredTarget) -> Self {
        let account = &target.id.account;
        let calls = target.bound_workers().cloned();
        let calls = calls.map(|worker| WorkerRef { account: account.clone(), worker });
        Self {
            worker: target.worker_ref(),
            target: Some(target.id.clone()),
            calls: calls.collect(),
            routes: !target.routes.is_empty(),
        }
    }
}

/// A plan that is being made.
struct Draft<'a> {
    observed: &'a Observed,
    plan: Plan,
}

impl<'a> Draft<'a> {
    fn new(portfolio: &PortfolioName, observed: &'a Observed) -> Self {
        let (targets, steps, findings) = (Vec::new(), Vec::new(), Vec::new());
        Self { observed, plan: Plan { portfolio: portfolio.clone(), targets, steps, findings } }
    }

    fn live(&self, worker: &WorkerRef) -> Option<&'a ObservedWorker> {
        self.observed.accounts.get(&worker.account)?.workers.get(&worker.worker)
    }

    fn say(&mut self, rule: &str, severity: Severity, message: String, hint: Option<&str>) {
        let (rule, hint) = (rule.to_owned(), hint.map(str::to_owned));
        self.plan.findings.push(Finding { rule, severity, at: None, message, hint });
    }

    /// Only the portfolio's own Workers go, and data of Durable Objects only when that is wanted.
    fn may_go(&mut self, target: &DesiredTarget, live: &ObservedWorker, data: Data) -> bool {
        let name = &target.worker;
        if live.mark().owner.as_ref() != Some(&self.plan.portfolio) {
            let message = format!("worker `{name}` of {} was not deployed by Clodo", target.id);
            let hint = "name other targets, or take it over first: `deploy --adopt`";
            self.say("foreign-worker", Severity::Block, message, Some(hint));
            return false;
        }
        let (wanted, found) = (target.preview.as_ref(), live.mark().preview);
        if wanted.map(|wanted| &wanted.name) != found.as_ref().map(|found| &found.name) {
            let message = match found {
                Some(found) => format!("worker `{name}` belongs to preview `{}`", found.name),
                None => format!("worker `{name}` is no part of a preview"),
            };
            let hint = "`clodo-deploy preview delete` removes previews, and nothing else does";
            self.say("foreign-preview", Severity::Block, message, Some(hint));
            return false;
        }
        let lives = |preview: &Preview| (preview.since, preview.ends);
        if wanted.map(lives) != found.as_ref().map(lives) {
            let message =
                format!("somebody has made or prolonged the preview of `{name}` meanwhile");
            let hint = "look at `clodo-deploy preview list`, and give the command again";
            self.say("preview-changed", Severity::Block, message, Some(hint));
            return false;
        }
        if !self.may_lose_instances(&target.worker_ref(), data) {
            return false;
        }
        if target.object_migrations.is_empty() {
            return true;
        }
        let what = format!("`{name}` holds data of Durable Objects, which goes with it");
        match data {
            Data::Keep => {
                let hint = "give --with-data to lose it";
                self.say("data-of-objects", Severity::Block, what, Some(hint));
                false
            }
            Data::Remove => {
                self.say("data-lost", Severity::Note, format!("{what}, for good"), None);
                true
            }
        }
    }

    /// Writes the steps that take Workers away after `after`, and returns those that do so. Who of
    /// `leaving` calls one of them no longer does by then.
    fn remove(
        &mut self,
        going: &[Going],
        (after, data): (&[StepId], Data),
        leaving: &BTreeSet<WorkerRef>,
    ) -> Vec<StepId> {
        let mut first: Vec<StepId> = after.to_vec();
        for one in going {
            first.extend(self.unhook(one, after));
        }
        let going_names = going.iter().map(|one| &one.worker).chain(leaving).collect();
        let mut removed: BTreeMap<&WorkerRef, StepId> = BTreeMap::new();
        for (at, callers) in order::callers_first(going) {
            let one = &going[at];
            self.object_to_callers(&one.worker, &going_names);
            let mut needs = first.clone();
            needs.extend(callers.iter().filter_map(|at| removed.get(&going[*at].worker).cloned()));
            let summary = format!("remove worker {}", one.worker.worker);
            let details =
                vec!["with its versions, secrets and schedules; it cannot be undone".into()];
            let change = Change::RemoveWorker { worker: one.worker.clone() };
            let id = self.push(one.target.clone(), change, needs, summary, details);
            self.forget_workflows(one, &id, data);
            removed.insert(&one.worker, id);
        }
        removed.into_values().collect()
    }

    /// Nothing may lead to a Worker that goes, nor may it receive anything: the steps that see to it.
    fn unhook(&mut self, one: &Going, needs: &[StepId]) -> Vec<StepId> {
        let Some(account) = self.observed.accounts.get(&one.worker.account) else { return vec![] };
        let (worker, name) = (one.worker.clone(), &one.worker.worker);
        let mut steps = Vec::new();
        let domains = account.domains_of(name);
        if !domains.is_empty() {
            let details = domains.iter().map(|host| format!("- {host}")).collect();
            let change = Change::SetDomains { worker: worker.clone(), to: BTreeSet::new() };
            let summary = format!("take the domains of {name} away");
            steps.push(self.push(one.target.clone(), change, needs.to_vec(), summary, details));
        }
        if account.consumed_by(name).is_some_and(|queues| !queues.is_empty()) {
            let change = Change::SetConsumers { worker: worker.clone(), to: Vec::new() };
            let summary = format!("let {name} receive from no queue");
            steps.push(self.push(one.target.clone(), change, needs.to_vec(), summary, Vec::new()));
        }
        let routes = account.routes_of(name);
        if routes.as_ref().map_or(one.routes, |routes| !routes.is_empty()) {
            let routes = routes.unwrap_or_default();
            let details = routes.iter().map(|pattern| format!("- {pattern}")).collect();
            let needs = vec![self.unmark(one, needs)];
            let change = Change::SetRoutes { worker, to: Vec::new() };
            let summary = format!("take the routes of {name} away");
            steps.push(self.push(one.target.clone(), change, needs, summary, details));
        }
        steps
    }

    /// A Worker that loses its routes, which no listing of Workers shows, must not bear a mark that
    /// says that it has them: whatever becomes of the removal, a deployment then sets them again.
    fn unmark(&mut self, one: &Going, needs: &[StepId]) -> StepId {
        let owner = Some(self.plan.portfolio.clone());
        let mark = Mark { owner, ..Mark::default() };
        let (worker, settings) = (one.worker.clone(), Map::new());
        let summary = format!("mark {} as not deployed", worker.worker);
        let change = Change::Commit { worker, mark, settings };
        self.push(one.target.clone(), change, needs.to_vec(), summary, Vec::new())
    }

    fn object_to_callers(&mut self, worker: &WorkerRef, going: &BTreeSet<&WorkerRef>) {
        let Some(live) = self.live(worker) else { return };
        let stays = |caller: &&clodo_types::WorkerName| {
            let account = worker.account.clone();
            !going.contains(&WorkerRef { account, worker: (*caller).clone() })
        };
        let callers: Vec<&str> =
            live.called_by.iter().filter(stays).map(|name| name.as_str()).collect();
        if !callers.is_empty() {
            let message = format!("`{}` is still called by {}", worker.worker, callers.join(", "));
            let hint = "deploy those without the binding first, or remove them as well";
            self.say("still-called", Severity::Block, message, Some(hint));
        }
    }

    fn push(
        &mut self,
        target: Option<TargetId>,
        change: Change,
        needs: Vec<StepId>,
        summary: String,
        details: Vec<String>,
    ) -> StepId {
        let (id, action) = (change_id(&change), Action::Change(change));
        let step = PlannedStep { id: id.clone(), target, action, needs, summary, details };
        self.plan.steps.push(step);
        id
    }
}
