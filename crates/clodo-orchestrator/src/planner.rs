mod arrange;
mod check;
mod cycle;
mod error;
mod holds;
mod index;
mod migrations;
mod objects;
mod order;
mod resources;
mod stages;
mod takeover;
mod target;
mod triggers;
mod workflows;

pub use error::PlanError;

pub(crate) use arrange::arrange;
pub(crate) use migrations::name_of;
pub(crate) use takeover::shown;

use crate::{
    change::{Change, Traffic},
    desired::Desired,
    mark::Hashes,
    observed::Observed,
    plan::{Action, Fate, Migration, Plan, PlannedStep, PlannedTarget},
    strategy::{Rollout, Strategy},
    trigger::WorkerRef,
};
use clodo_saga::StepId;
use clodo_types::{Finding, Severity, TargetId};
use index::Index;
use serde_json::Value;
use stages::Stages;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    mem,
};

/// What else a plan depends on.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PlanOptions {
    /// What the record says about Workers, for texts like `vars.BRAND: "A" -> "B"`. A record whose
    /// hashes are not those of the live Worker is not used.
    pub recorded: BTreeMap<WorkerRef, RecordedConfig>,
    /// Targets to upload again even if nothing changed: a secret has a new value.
    pub redeploy: BTreeSet<TargetId>,
    /// Steps that an interrupted deployment began. They are planned again even where their effect
    /// shows already, so that this deployment takes them back if it fails.
    pub interrupted: BTreeSet<StepId>,
    /// The plan is only looked at: that something is gone which a target is bound to is a finding
    /// then, and no error.
    pub only_look: bool,
}

/// A configuration that was deployed once.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedConfig {
    /// The hashes that it had.
    pub hashes: Hashes,
    /// The configuration, as [`DesiredTarget::config`](crate::DesiredTarget::config) gave it.
    pub config: Value,
}

/// Says what to do to get from `observed` to `desired`. Pure: the same input gives the same plan, in
/// whatever order the targets come; [`Plan::targets`](crate::Plan::targets) keeps that order.
///
/// # Errors
/// When the desired state contradicts itself, or names something that is not there.
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    let gone = check::check(desired, observed, options.only_look)?;
    let ids = || desired.targets.iter().map(|target| &target.id);
    if ids().is_sorted() {
        let mut plan = plan_sorted(desired, observed, options)?;
        plan.findings.extend(gone);
        return Ok(plan);
    }
    let mut sorted = desired.clone();
    sorted.targets.sort_by(|a, b| a.id.cmp(&b.id));
    let mut plan = plan_sorted(&sorted, observed, options)?;
    let places: BTreeMap<&TargetId, usize> = ids().enumerate().map(|(at, id)| (id, at)).collect();
    plan.findings.extend(gone);
    plan.targets.sort_by_key(|target| places.get(&target.id).copied());
    Ok(plan)
}

/// The plan for targets that contradict nothing and come in the order of their ids.
fn plan_sorted(
    desired: &Desired,
    observed: &Observed,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    let order = order::order(desired, observed)?;
    let all: BTreeSet<usize> = (0..desired.targets.len()).collect();
    let draft = |stages: Stages| Draft::new(desired, observed, options, &order, stages);
    let one_by_one = desired.rollout != Rollout::default()
        || desired.targets.iter().any(|target| matches!(target.strategy, Strategy::Rolling(_)));
    if !one_by_one {
        return draft(Stages::together(desired.targets.len())).finish();
    }
    // Only targets that change are counted when batches are made.
    let flat = draft(Stages::together(desired.targets.len())).finish()?;
    let changed = |at: &usize| flat.targets[*at].fate != Fate::Unchanged;
    let changed: BTreeSet<usize> = all.into_iter().filter(changed).collect();
    draft(stages::stages(desired, &order, &changed)).finish()
}

/// A plan that is being made.
struct Draft<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    options: &'a PlanOptions,
    order: &'a order::Order,
    index: Index<'a>,
    stages: Stages,
    steps: Vec<PlannedStep>,
    known: HashSet<StepId>,
    findings: Vec<Finding>,
    /// By target: the step after which its new version is known to answer.
    gates: BTreeMap<usize, StepId>,
    /// By target: the step that makes its Worker.
    makers: BTreeMap<usize, StepId>,
    /// The holds between stages, in order.
    holds: Vec<StepId>,
}

impl<'a> Draft<'a> {
    fn new(
        desired: &'a Desired,
        observed: &'a Observed,
        options: &'a PlanOptions,
        order: &'a order::Order,
        stages: Stages,
    ) -> Self {
        Self {
            desired,
            observed,
            options,
            order,
            index: Index::new(desired, observed),
            stages,
            steps: Vec::new(),
            known: HashSet::new(),
            findings: Vec::new(),
            gates: BTreeMap::new(),
            makers: BTreeMap::new(),
            holds: Vec::new(),
        }
    }

    fn finish(mut self) -> Result<Plan, PlanError> {
        let mut sequence = self.order.sequence.clone();
        // What another target waits for is in no later stage, so this is an order as well.
        sequence.sort_by_key(|at| self.stages.of(*at));
        self.stubs();
        let mut targets: BTreeMap<usize, PlannedTarget> = BTreeMap::new();
        let mut stage = Vec::new();
        for at in sequence {
            if self.stages.of(at) > self.holds.len() {
                self.hold(&mem::take(&mut stage), &targets);
            }
            targets.insert(at, target::plan_target(&mut self, at)?);
            stage.push(at);
        }
        self.approval(&targets);
        let portfolio = self.desired.portfolio.clone();
        let steps = arrange(self.steps);
        let targets = targets.into_values().collect();
        Ok(Plan { portfolio, targets, steps, findings: self.findings })
    }

    /// Adds a step, unless one of that name is there: then several targets share it.
    fn add(&mut self, step: PlannedStep) -> StepId {
        let id = step.id.clone();
        if self.known.insert(id.clone()) {
            self.steps.push(step);
        }
        id
    }

    /// The targets that take over a queue from which this one receives: it gives it up after they have
    /// it.
    fn takers(&self, target: usize) -> impl Iterator<Item = usize> {
        let targets = &self.desired.targets;
        let own = &targets[target];
        let account = self.observed.accounts.get(&own.id.account);
        let now = account.and_then(|account| account.consumed_by(&own.worker)).unwrap_or_default();
        targets.iter().enumerate().filter_map(move |(at, other)| {
            let takes = at != target
                && other.id.account == own.id.account
                && other.consumers.iter().any(|one| now.contains_key(&one.queue));
            takes.then_some(at)
        })
    }

    /// Whether a target waits for another within its stage, by way of others as well.
    fn waits_in_the_end(&self, target: usize, other: usize) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![target]);
        while let Some(next) = open.pop() {
            let before = self.order.waits_for(next).iter().chain(self.stages.after.get(&next));
            let before = before.copied().chain(self.takers(next));
            open.extend(before.filter(|to| seen.insert(*to)));
        }
        seen.contains(&other)
    }

    fn was_interrupted(&self, step: &StepId) -> bool {
        self.options.interrupted.contains(step)
    }

    fn object(&mut self, rule: &str, severity: Severity, message: String, hint: &str) {
        let (rule, hint) = (rule.to_owned(), Some(hint.to_owned()));
        let finding = Finding { rule, severity, at: None, message, hint };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// A step's name: what it does, and to what. It must not depend on anything that differs between
/// two runs that do the same.
pub(crate) fn step_id(action: &Action, subject: &str) -> StepId {
    StepId::new(format!("{} {subject}", action.kind()))
}

/// The name of the step that makes this change.
pub(crate) fn change_id(change: &Change) -> StepId {
    let subject = match change {
        Change::CreateDatabase { name, .. } | Change::RemoveDatabase { name, .. } => {
            name.to_string()
        }
        Change::CreateNamespace { title, .. } | Change::RemoveNamespace { title, .. } => {
            title.to_string()
        }
        Change::CreateBucket { name, .. } | Change::RemoveBucket { name, .. } => name.to_string(),
        // To another moment it is another step: one that was done is not done again.
        Change::RestoreDatabase { name, bookmark, .. } => format!("{name} {bookmark}"),
        Change::CreateQueue { name, .. } | Change::RemoveQueue { name, .. } => name.to_string(),
        Change::RemoveWorkflow { name, .. } => name.to_string(),
        _ => change.worker().map(ToString::to_string).unwrap_or_default(),
    };
    // All traffic is the end of every strategy; what comes before it has a share in its name.
    let share = match change {
        Change::SetTraffic { to: Traffic::Split(part), .. } if *part < 100.0 => format!(" {part}%"),
        _ => String::new(),
    };
    step_id(&Action::Change(change.clone()), &format!("{}/{subject}{share}", change.account()))
}

/// The name of the step that applies this file.
pub(crate) fn migration_id(migration: &Migration) -> StepId {
    let database = name_of(&migration.database);
    let subject = format!("{}/{database} {}", migration.account, migration.file.name);
    StepId::new(format!("migrate {subject}"))
}
