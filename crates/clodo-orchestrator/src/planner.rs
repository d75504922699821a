mod check;
mod error;
mod migrations;
mod order;
mod resources;
mod target;
mod triggers;

pub use error::PlanError;

use crate::{
    change::Change,
    desired::Desired,
    mark::Hashes,
    observed::Observed,
    plan::{Action, Migration, Plan, PlannedStep},
    trigger::WorkerRef,
};
use clodo_saga::StepId;
use clodo_types::{Finding, Severity, TargetId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
}

/// A configuration that was deployed once.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedConfig {
    /// The hashes that it had.
    pub hashes: Hashes,
    /// The configuration, as [`DesiredTarget::config`](crate::DesiredTarget::config) gave it.
    pub config: Value,
}

/// Says what to do to get from `observed` to `desired`. Pure: the same input gives the same plan.
///
/// # Errors
/// When the desired state contradicts itself, or names something that is not there.
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    check::check(desired, observed)?;
    let order = order::order(desired, observed)?;
    let mut draft = Draft {
        desired,
        observed,
        options,
        order: &order,
        steps: Vec::new(),
        findings: Vec::new(),
        gates: BTreeMap::new(),
        uploads: BTreeMap::new(),
    };
    let mut targets: BTreeMap<usize, _> = BTreeMap::new();
    for at in &order.sequence {
        targets.insert(*at, target::plan_target(&mut draft, *at)?);
    }
    let Draft { steps, findings, .. } = draft;
    let portfolio = desired.portfolio.clone();
    Ok(Plan { portfolio, targets: targets.into_values().collect(), steps, findings })
}

/// A plan that is being made.
struct Draft<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    options: &'a PlanOptions,
    order: &'a order::Order,
    steps: Vec<PlannedStep>,
    findings: Vec<Finding>,
    /// By target: the step after which its new version is known to answer.
    gates: BTreeMap<usize, StepId>,
    /// By target: the step that creates its Worker.
    uploads: BTreeMap<usize, StepId>,
}

impl Draft<'_> {
    /// Adds a step, unless one of that name is there: then several targets share it.
    fn add(&mut self, step: PlannedStep) -> StepId {
        let id = step.id.clone();
        if !self.steps.iter().any(|known| known.id == id) {
            self.steps.push(step);
        }
        id
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
        Change::CreateDatabase { name, .. } => name.to_string(),
        Change::CreateNamespace { title, .. } => title.to_string(),
        Change::CreateBucket { name, .. } => name.to_string(),
        _ => change.worker().map(ToString::to_string).unwrap_or_default(),
    };
    step_id(&Action::Change(change.clone()), &format!("{}/{subject}", change.account()))
}

/// The name of the step that applies this file.
pub(crate) fn migration_id(migration: &Migration) -> StepId {
    let database = migrations::name_of(&migration.database);
    let subject = format!("{}/{database} {}", migration.account, migration.file.name);
    StepId::new(format!("migrate {subject}"))
}
