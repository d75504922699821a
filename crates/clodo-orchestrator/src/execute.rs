use crate::{
    change::{Applied, Change},
    context::DeployContext,
    deploy::{Prepared, unwritten},
    error::DeployError,
    event::Forward,
    history::{History, Past},
    plan::{Action, Fate, Plan, PlannedStep, PlannedTarget},
    record::{Finish, Occasion, Opening, RecordedVersion},
    report::{DeployReport, FailureReport, Leftover, Outcome},
    step::{Facts, steps},
    trigger::WorkerRef,
    word::Ear,
};
use clodo_saga::{
    Closing, Earlier, Ending, LeaseGuard, Outputs, RunContext, RunError, RunHeader, RunReport,
    StepId, run,
};
use clodo_types::{DeploymentId, PortfolioName, Timestamp};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A plan that nobody objected to, and all that is needed to carry it out.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) began: Timestamp,
    pub(crate) deployment: DeploymentId,
    pub(crate) portfolio: PortfolioName,
    pub(crate) occasion: Occasion,
    pub(crate) prepared: Prepared,
    pub(crate) history: History,
}

/// The only function that writes to the platform.
pub(crate) async fn execute(
    cx: &DeployContext,
    work: Work,
    lock: &Arc<LeaseGuard>,
) -> Result<DeployReport, DeployError> {
    let mut report = if work.prepared.plan.is_empty() {
        unwritten(cx, work.prepared.clone(), Outcome::NothingToDo, work.began)
    } else {
        apply(cx, &work, lock).await?
    };
    report.superseded = supersede(cx, &work, lock).await;
    report.took = cx.clock.now().since(work.began);
    Ok(report)
}

async fn apply(
    cx: &DeployContext,
    work: &Work,
    lock: &Arc<LeaseGuard>,
) -> Result<DeployReport, DeployError> {
    let plan = &work.prepared.plan;
    let observed = work.prepared.observed.clone();
    let settled = settled(work);
    let mut run_cx = RunContext::new(Arc::clone(&cx.journal), Arc::clone(&cx.clock));
    let ear = Ear::listen(cx, &work.deployment, &run_cx.brake);
    let mut facts = Facts::new(work.deployment.clone(), observed, settled, plan);
    facts.fence = Some(lock.fence());
    facts.word = ear.word();
    facts.notes.clone_from(&work.history.notes);
    facts.waited.clone_from(&work.history.waited);
    facts.before.clone_from(&work.history.before);
    facts.no_tests = work.occasion.no_tests;
    let facts = Arc::new(facts);
    run_cx.listener = Arc::new(Forward(Arc::clone(&cx.listener)));
    run_cx.cancel = cx.cancel.clone();
    run_cx.lease = Some(Arc::clone(lock));
    run_cx.concurrency = cx.concurrency;
    let occasion = Occasion { lease: Some(lock.number()), ..work.occasion.clone() };
    let opening = Opening::of(plan, occasion);
    let header = RunHeader {
        id: work.deployment.clone(),
        scope: work.portfolio.to_string(),
        started_at: cx.clock.now(),
        data: serde_json::to_value(&opening).unwrap_or_default(),
    };
    let finish =
        |run: &RunReport| serde_json::to_value(finish(work, &facts, run)).unwrap_or_default();
    let steps = steps(plan, &facts, cx);
    let mut earlier = Earlier::new(work.history.before.clone());
    earlier.outputs = untouched(work);
    match run(steps, header, earlier, &run_cx, finish).await {
        Ok(report) => Ok(describe(cx, work, &facts, report)),
        Err(RunError::Suspended) => Err(DeployError::Suspended(work.deployment.clone())),
        Err(error) => Err(error.into()),
    }
}

/// Outputs of the steps that an interrupted deployment took, on Workers that it finished and that
/// nobody has changed since: nothing about them needs a second look.
fn untouched(work: &Work) -> BTreeMap<StepId, Value> {
    let (plan, done) = (&work.prepared.plan, &work.history.done);
    if done.is_empty() {
        return BTreeMap::new();
    }
    let committed = |worker: &WorkerRef| {
        let id = commits(plan, worker).next_back()?.id.clone();
        updated_on(done.get(&id)?)
    };
    let is_untouched = |target: &&PlannedTarget| {
        let account = work.prepared.observed.accounts.get(&target.worker.account);
        let live = account.and_then(|account| account.workers.get(&target.worker.worker));
        live.is_some_and(|live| {
            live.mark().hashes == target.hashes
                && live.updated_on.is_some()
                && live.updated_on == committed(&target.worker)
                && !work.occasion.redeploy.contains(&target.id)
        })
    };
    let workers: BTreeSet<&WorkerRef> =
        plan.targets.iter().filter(is_untouched).map(|target| &target.worker).collect();
    let of_untouched = plan
        .steps
        .iter()
        .filter(|step| step.worker().is_some_and(|worker| workers.contains(&worker)));
    let outputs =
        of_untouched.filter_map(|step| Some((step.id.clone(), done.get(&step.id)?.clone())));
    outputs.collect()
}

fn settled(work: &Work) -> BTreeSet<WorkerRef> {
    let observed = &work.prepared.observed;
    let live = |worker: &WorkerRef| {
        let account = observed.accounts.get(&worker.account)?;
        account.workers.get(&worker.worker)?.mark().hashes
    };
    let settled = work.prepared.plan.targets.iter().filter(|target| {
        // Who asks for the same version again does not want the one that is there.
        let again = work.occasion.redeploy.contains(&target.id);
        again || work.history.is_settled(&target.worker, live(&target.worker))
    });
    settled.map(|target| target.worker.clone()).collect()
}

/// What the history keeps at the end.
fn finish(work: &Work, facts: &Facts, run: &RunReport) -> Finish {
    let plan = &work.prepared.plan;
    let changed = plan.targets.iter().filter(|target| target.fate != Fate::Unchanged);
    let versions = changed.map(|target| RecordedVersion {
        worker: target.worker.clone(),
        version: version(facts, &target.worker, run),
        verdict: verdict(work, &target.worker, run),
        updated_on: commits(plan, &target.worker)
            .next_back()
            .and_then(|step| updated_on(run.outputs.get(&step.id)?)),
    });
    Finish {
        versions: versions.collect(),
        failure: run.failures.first().map(|failure| FailureReport::of(failure, plan)),
        cancelled: run.cancelled,
        superseded_by: None,
    }
}

fn version(facts: &Facts, worker: &WorkerRef, run: &RunReport) -> Option<clodo_types::VersionId> {
    facts.version(worker, &Outputs::from(run.outputs.clone()))
}

fn verdict(work: &Work, worker: &WorkerRef, run: &RunReport) -> Option<crate::ports::Verdict> {
    let mut checks = work.prepared.plan.steps.iter().filter(|step| match &step.action {
        Action::Verify(check) => check.addresses.worker == *worker,
        _ => false,
    });
    let output = run.outputs.get(&checks.next()?.id)?;
    serde_json::from_value(output.clone()).ok()
}

fn commits<'a>(
    plan: &'a Plan,
    worker: &WorkerRef,
) -> impl DoubleEndedIterator<Item = &'a PlannedStep> {
    plan.steps.iter().filter(move |step| match &step.action {
        Action::Change(Change::Commit { worker: own, .. }) => own == worker,
        _ => false,
    })
}

/// When the Worker changed last, as the platform said with the commit mark.
fn updated_on(commit: &Value) -> Option<String> {
    match serde_json::from_value(commit.clone()).ok()? {
        Applied::Marked(updated_on) => Some(updated_on),
        _ => None,
    }
}

fn describe(cx: &DeployContext, work: &Work, facts: &Facts, run: RunReport) -> DeployReport {
    let plan = &work.prepared.plan;
    let outcome = match run.ending {
        Ending::Completed => Outcome::Done,
        Ending::Unwound => Outcome::Failed,
        _ => Outcome::PartlyDone,
    };
    let mut report = unwritten(cx, work.prepared.clone(), outcome, work.began);
    report.findings.extend(facts.said());
    report.deployment = Some(run.run.clone());
    report.failure = run.failures.first().map(|failure| FailureReport::of(failure, plan));
    report.cancelled = run.cancelled;
    let leftover = |(step, why): &(StepId, String)| Leftover {
        step: step.clone(),
        summary: plan.step(step).map(|step| step.summary.clone()).unwrap_or_default(),
        why: why.clone(),
    };
    report.kept = run.kept.iter().map(leftover).collect();
    report.stuck = run.stuck.iter().map(leftover).collect();
    report.history_incomplete = run.journal_error.as_ref().map(ToString::to_string);
    if outcome == Outcome::Done {
        for (target, planned) in report.targets.iter_mut().zip(&plan.targets) {
            target.changed = planned.fate != Fate::Unchanged;
            target.urls = cx.platform.urls(&planned.check.addresses);
            target.verdict = verdict(work, &target.worker, &run);
            target.version = version(facts, &target.worker, &run).or(target.version.take());
        }
    }
    report
}

/// Closes interrupted deployments that have nothing left to finish. One that touched Workers which
/// are no part of this deployment stays open.
async fn supersede(cx: &DeployContext, work: &Work, lock: &LeaseGuard) -> Vec<DeploymentId> {
    let plan = &work.prepared.plan;
    let removed = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Change(Change::RemoveWorker { worker }) => Some(worker),
        _ => None,
    });
    let changed = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Change(change) => change.worker_ref(),
        _ => None,
    });
    let changed: Vec<WorkerRef> = changed.collect();
    let own: BTreeSet<&WorkerRef> =
        plan.targets.iter().map(|target| &target.worker).chain(removed).chain(&changed).collect();
    let observed = &work.prepared.observed;
    let is_gone = |worker: &WorkerRef| {
        let account = observed.accounts.get(&worker.account);
        account.is_some_and(|account| !account.workers.contains_key(&worker.worker))
    };
    // A Worker that was to be removed, and is, needs nobody to finish anything.
    let is_removed = |past: &Past, worker: &WorkerRef| {
        let mut steps = past.opening.steps.iter().filter(|step| step.kind == "remove-worker");
        steps.any(|step| step.worker.as_ref() == Some(worker)) && is_gone(worker)
    };
    let covered = |past: &Past| {
        let mut workers = past.opening.workers().into_iter();
        // Only who goes on with it knows which databases are back already.
        let goes_on = !past.opening.occasion.databases
            || past.opening.occasion.rollback_of == work.occasion.rollback_of;
        goes_on && workers.all(|worker| own.contains(worker) || is_removed(past, worker))
    };
    let mut closed = Vec::new();
    for past in work.history.unfinished().into_iter().filter(covered) {
        let by = Some(work.deployment.clone());
        let data = Finish { superseded_by: by, ..past.finish };
        let data = serde_json::to_value(data).unwrap_or(Value::Null);
        let closing = Closing { at: cx.clock.now(), ending: Ending::Superseded, data };
        match cx.journal.close(&past.id, &closing, Some(&lock.fence())).await {
            Ok(()) => closed.push(past.id),
            Err(error) => tracing::warn!(%error, "an interrupted deployment was not closed"),
        }
    }
    closed
}
