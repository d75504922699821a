mod data;
mod domains;
mod queues;
mod several;
mod workflows;

use crate::{
    change::{Before, Change, Traffic},
    history::History,
    inspected::{Inspected, is_clodos},
    mark::Mark,
    observed::{Observed, ObservedWorker},
    plan::{Action, Fate, Plan, PlannedStep, PlannedTarget},
    planner::{arrange, change_id, step_id},
    record::{DeploymentState, RecordedTarget},
    removal::{Going, order},
    trigger::{Check, WorkerRef},
};
use clodo_saga::StepId;
use clodo_types::{Finding, PortfolioName, Severity, VersionId};
use domains::Domains;
use serde_json::Value;
use several::TakenTarget;
pub(crate) use several::{Part, TakenBack};
use std::collections::{BTreeMap, BTreeSet};

/// Says how to get back to what was there before deployments, from the rollback points that they
/// wrote down. `inspected` says what serves now. Pure.
pub(crate) fn plan_rollback(
    portfolio: &PortfolioName,
    (of, databases): (&TakenBack, bool),
    observed: &Observed,
    inspected: &BTreeMap<WorkerRef, Inspected>,
    history: &History,
) -> Plan {
    let mut restore = Restore {
        of,
        observed,
        inspected,
        history,
        plan: Plan {
            portfolio: portfolio.clone(),
            targets: Vec::new(),
            steps: Vec::new(),
            findings: Vec::new(),
        },
    };
    let wanted: Vec<&RecordedTarget> = of.targets.iter().map(|target| &target.recorded).collect();
    // What one target had taken from another is written down with the taker, so all are asked,
    // also those that are back already.
    let domains = restore.domains(&wanted);
    restore.object_to_interrupted();
    restore.say_what_was_pruned();
    for target in &of.targets {
        if restore.may_go_back(target) {
            restore.target(target, &domains);
        }
    }
    restore.give_back(&domains);
    restore.give_queues_back();
    restore.callers_first();
    restore.databases(databases);
    restore.plan.steps = arrange(restore.plan.steps);
    restore.plan
}

struct Restore<'a> {
    of: &'a TakenBack,
    observed: &'a Observed,
    inspected: &'a BTreeMap<WorkerRef, Inspected>,
    history: &'a History,
    plan: Plan,
}

impl Restore<'_> {
    /// What was there before one kind of step on a Worker.
    fn before(&self, kind: &str, worker: &WorkerRef) -> Option<Before> {
        self.of.before(kind, worker)
    }

    fn mark_before(&self, worker: &WorkerRef) -> Mark {
        match self.before("commit", worker) {
            Some(Before::Settings { tags, .. }) => Mark::from_tags(&tags),
            _ => {
                let account = self.observed.accounts.get(&worker.account);
                let live = account.and_then(|account| account.workers.get(&worker.worker));
                live.map(ObservedWorker::mark).unwrap_or_default()
            }
        }
    }

    /// Rolling back an older deployment would leave behind what a newer one had begun.
    fn object_to_interrupted(&mut self) {
        let Some(oldest) = self.of.ids.last() else { return };
        let newer = self.history.past.iter().take_while(|past| past.id != *oldest);
        let interrupted = newer.filter(|past| {
            past.state == DeploymentState::Unfinished
                && !self.of.ids.contains(&past.id)
                && !self.of.ids.iter().any(|id| past.takes_back(id))
        });
        for past in interrupted.cloned().collect::<Vec<_>>() {
            self.object(
                "interrupted",
                Severity::Block,
                format!("deployment {} was interrupted and is not finished", past.id),
                "roll that one back first, or deploy again to finish it",
            );
        }
    }

    /// Workers that the deployment removed since the files no longer named them.
    fn say_what_was_pruned(&mut self) {
        let targets: BTreeSet<&WorkerRef> =
            self.of.targets.iter().map(|target| &target.recorded.worker).collect();
        let removals = self.of.steps.iter().filter(|step| step.kind == "remove-worker");
        let workers = removals.filter_map(|step| step.worker.as_ref());
        let pruned: Vec<_> = workers.filter(|worker| !targets.contains(worker)).cloned().collect();
        for WorkerRef { worker, .. } in pruned {
            self.object(
                "removed",
                Severity::Note,
                format!("`{worker}` was removed, and a removal cannot be taken back"),
                "bring it back into the files, and deploy it",
            );
        }
    }

    fn object(&mut self, rule: &str, severity: Severity, message: String, hint: &str) {
        let (rule, hint) = (rule.to_owned(), Some(hint.to_owned()));
        self.plan.findings.push(Finding { rule, severity, at: None, message, hint });
    }

    fn may_go_back(&mut self, taken: &TakenTarget) -> bool {
        let target = &taken.recorded;
        let account = self.observed.accounts.get(&target.worker.account);
        let live = account.and_then(|account| account.workers.get(&target.worker.worker));
        let hashes = live.and_then(|live| live.mark().hashes);
        if target.fate == Fate::Remove {
            self.object(
                "removed",
                Severity::Block,
                format!("{} was removed, and a removal cannot be taken back", target.id),
                "deploy it again",
            );
            return false;
        }
        if target.fate == Fate::Create {
            self.object(
                "nothing-before",
                Severity::Note,
                format!("{} did not exist before; it stays as it is", target.id),
                "deploy what should be there",
            );
            return false;
        }
        if taken.state == DeploymentState::Unfinished {
            // How far it came cannot be told from the mark, which comes last.
            return true;
        }
        let earlier = self.mark_before(&target.worker).hashes;
        if hashes.is_some() && hashes == earlier && earlier != target.hashes {
            // It is back already: an earlier rollback did it.
            self.plan.targets.push(PlannedTarget {
                id: target.id.clone(),
                worker: target.worker.clone(),
                fate: Fate::Unchanged,
                hashes,
                config: Value::Null,
                check: target.check.clone(),
            });
            return false;
        }
        if hashes != target.hashes {
            self.object(
                "deployed-since",
                Severity::Block,
                format!("{} was changed after deployment {}", target.id, taken.by),
                "roll back the newer deployment first, or deploy what should be there",
            );
            return false;
        }
        self.serves_what_was_deployed(taken)
    }

    /// A rollback gives the traffic to an older version; it must not take it from a version that
    /// somebody put there since, who had reasons.
    fn serves_what_was_deployed(&mut self, taken: &TakenTarget) -> bool {
        let worker = &taken.recorded.worker;
        let Some(seen) = self.inspected.get(worker) else { return true };
        let has_traffic = |version: &VersionId| {
            let mut shares = seen.traffic.iter().filter(|share| share.percentage > 0.0);
            shares.any(|share| share.version == *version)
        };
        let stranger = seen
            .serving
            .iter()
            .find(|version| has_traffic(&version.head.id) && !version.head.is_clodos());
        let by_clodo = seen.traffic_message.as_deref().is_some_and(is_clodos);
        let moved =
            !by_clodo && taken.version.as_ref().is_some_and(|version| !has_traffic(version));
        let what = match stranger {
            Some(version) => format!(
                "{} serves version {}, which Clodo did not upload",
                taken.recorded.id, version.head.id
            ),
            None if moved => format!("somebody has moved the traffic of {}", taken.recorded.id),
            None => return true,
        };
        let hint = "`drift` says what differs; deploy what should be there";
        self.object("moved-since", Severity::Block, what, hint);
        false
    }

    /// Who calls another target goes back before that one does: the other way round than they were
    /// deployed.
    fn callers_first(&mut self) {
        let going: Vec<Going> = self.plan.targets.iter().map(|target| self.going(target)).collect();
        for (at, callers) in order::callers_first(&going) {
            let traffic = Change::SetTraffic {
                worker: going[at].worker.clone(),
                to: Traffic::Shares(Vec::new()),
            };
            let needs: Vec<StepId> =
                callers.iter().filter_map(|caller| self.gate_of(&going[*caller].worker)).collect();
            let id = change_id(&traffic);
            if let Some(step) = self.plan.steps.iter_mut().find(|step| step.id == id) {
                step.needs.extend(needs);
            }
        }
    }

    /// The step after which a target is known to be back.
    fn gate_of(&self, worker: &WorkerRef) -> Option<StepId> {
        let of_worker = |kind: &str| {
            self.plan.steps.iter().find(|step| match &step.action {
                Action::Verify(check) => kind == "verify" && check.addresses.worker == *worker,
                Action::Change(change @ Change::SetTraffic { worker: own, .. }) => {
                    kind == "traffic" && change.account() == &worker.account && own == worker
                }
                _ => false,
            })
        };
        of_worker("verify").or_else(|| of_worker("traffic")).map(|step| step.id.clone())
    }

    fn going(&self, target: &PlannedTarget) -> Going {
        let taken = self.of.targets.iter().find(|taken| taken.recorded.id == target.id);
        let services = taken.and_then(|taken| taken.recorded.config.get("services")?.as_object());
        let called = services.into_iter().flatten().filter_map(|(_, service)| {
            let worker = service["worker"].as_str()?.parse().ok()?;
            Some(WorkerRef { account: target.worker.account.clone(), worker })
        });
        let (worker, calls) = (target.worker.clone(), called.collect());
        Going { worker, target: None, calls, routes: false }
    }

    fn target(&mut self, taken: &TakenTarget, domains: &Domains) {
        let (target, state) = (&taken.recorded, taken.state);
        let worker = &target.worker;
        let mark = self.mark_before(worker);
        let earlier = mark.hashes.and_then(|hashes| self.history.target(worker, hashes)).cloned();
        let check = self.check(target, earlier.as_ref(), domains);
        let own = self.changes(target, domains, &mark, &check);
        // An interrupted deployment that had changed nothing yet is over with this.
        let fate = match (own, state) {
            (0, DeploymentState::Unfinished) => Fate::Unchanged,
            (0, _) => return,
            _ => Fate::Update,
        };
        self.plan.targets.push(PlannedTarget {
            id: target.id.clone(),
            worker: worker.clone(),
            fate,
            hashes: mark.hashes,
            config: earlier.map(|earlier| earlier.config).unwrap_or_default(),
            check,
        });
    }

    /// How to look at the target once it is as it was.
    fn check(
        &self,
        target: &RecordedTarget,
        earlier: Option<&RecordedTarget>,
        domains: &Domains,
    ) -> Check {
        let mut check = target.check.clone();
        if let Some(domains) = domains.get(&target.worker) {
            check.addresses.domains.clone_from(domains);
        }
        if let Some(Before::WorkersDev(before)) = self.before("workers-dev", &target.worker) {
            check.addresses.workers_dev = before.enabled;
        }
        // What nobody recorded may know its version or not; do not wait for it to tell.
        check.knows_version = earlier.is_some_and(|earlier| earlier.check.knows_version);
        if let Some(earlier) = earlier {
            check.health.clone_from(&earlier.check.health);
        }
        check
    }

    /// Plans the steps of one target and returns how many there are.
    fn changes(
        &mut self,
        target: &RecordedTarget,
        domains: &Domains,
        mark: &Mark,
        check: &Check,
    ) -> usize {
        let worker = target.worker.clone();
        let mut own = Vec::new();
        let mut traffic = None;
        let deaf = self.stops_receiving(target);
        own.extend(deaf.clone());
        self.say_what_stays_registered(&worker);
        if let Some(Before::Traffic(shares)) = self.before("traffic", &worker) {
            let to = Traffic::Shares(shares);
            let change = Change::SetTraffic { worker: worker.clone(), to };
            let summary = format!("give {}'s earlier version its traffic back", worker.worker);
            traffic = Some(self.push(target, change, deaf.into_iter().collect(), summary));
            own.extend(traffic.clone());
        }
        let needs: Vec<StepId> = traffic.into_iter().collect();
        for (change, what) in self.triggers(&worker, domains) {
            let summary = format!("put the {what} of {} back", worker.worker);
            let mut needs = needs.clone();
            if matches!(change, Change::SetDomains { .. }) {
                needs.extend(self.takers(&worker, domains));
            }
            own.push(self.push(target, change, needs, summary));
        }
        let addresses = &check.addresses;
        if !own.is_empty() && (addresses.workers_dev || !addresses.domains.is_empty()) {
            own.push(self.verify(target, check, own.clone()));
        }
        if let Some(Before::Settings { settings, .. }) = self.before("commit", &worker) {
            let summary = format!("mark {} as what it was", worker.worker);
            let change = Change::Commit { worker, mark: mark.clone(), settings };
            own.push(self.push(target, change, own.clone(), summary));
        }
        own.len()
    }

    fn triggers(&self, worker: &WorkerRef, domains: &Domains) -> Vec<(Change, &'static str)> {
        let mut changes = Vec::new();
        if let Some(Before::WorkersDev(to)) = self.before("workers-dev", worker) {
            changes.push((
                Change::SetWorkersDev { worker: worker.clone(), to },
                "workers.dev address",
            ));
        }
        if let Some(to) = domains.get(worker) {
            let change = Change::SetDomains { worker: worker.clone(), to: to.clone() };
            changes.push((change, "domains"));
        }
        if let Some(Before::Routes(to)) = self.before("routes", worker) {
            changes.push((Change::SetRoutes { worker: worker.clone(), to }, "routes"));
        }
        if let Some(Before::Schedules(to)) = self.before("schedules", worker) {
            changes.push((Change::SetSchedules { worker: worker.clone(), to }, "schedules"));
        }
        let to = self.registered_before(worker);
        if !to.is_empty() {
            changes.push((Change::SetWorkflows { worker: worker.clone(), to }, "Workflows"));
        }
        let to = self.received_before(worker).unwrap_or_default();
        if !to.is_empty() {
            changes.push((Change::SetConsumers { worker: worker.clone(), to }, "queues"));
        }
        changes
    }

    fn push(
        &mut self,
        target: &RecordedTarget,
        change: Change,
        needs: Vec<StepId>,
        summary: String,
    ) -> StepId {
        let details = details(&change);
        let id = change_id(&change);
        let (target, action) = (Some(target.id.clone()), Action::Change(change));
        self.plan.steps.push(PlannedStep {
            id: id.clone(),
            target,
            action,
            needs,
            summary,
            details,
        });
        id
    }

    fn verify(&mut self, target: &RecordedTarget, check: &Check, needs: Vec<StepId>) -> StepId {
        let action = Action::Verify(check.clone());
        let id = step_id(&action, &target.worker.to_string());
        let (target, details) = (Some(target.id.clone()), Vec::new());
        let summary = format!("wait until {} answers", check.addresses.worker.worker);
        self.plan.steps.push(PlannedStep {
            id: id.clone(),
            target,
            action,
            needs,
            summary,
            details,
        });
        id
    }
}

fn details(change: &Change) -> Vec<String> {
    match change {
        Change::SetTraffic { to: Traffic::Shares(shares), .. } => {
            let share = |share: &crate::trigger::TrafficShare| {
                format!("{}% to version {}", share.percentage, share.version)
            };
            shares.iter().map(share).collect()
        }
        Change::SetDomains { to, .. } => to.iter().map(|host| format!("= {host}")).collect(),
        _ => Vec::new(),
    }
}
