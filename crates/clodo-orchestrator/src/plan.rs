use crate::{
    change::Change,
    mark::Hashes,
    migration::MigrationFile,
    resource::DatabaseRef,
    strategy::{Approval, Canary},
    trigger::{Check, WorkerRef},
};
use clodo_saga::StepId;
use clodo_types::{AccountName, ContentHash, Finding, PortfolioName, Severity, TargetId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// The ordered steps that take the observed state to the desired one. Only [`plan`](crate::plan())
/// and [`prepare_rollback`](crate::prepare_rollback) make one.
///
/// Its JSON form is for printing: it holds no content of files and no value of a secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub(crate) portfolio: PortfolioName,
    pub(crate) targets: Vec<PlannedTarget>,
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) findings: Vec<Finding>,
}

impl Plan {
    /// The portfolio that it changes.
    #[must_use]
    pub fn portfolio(&self) -> &PortfolioName {
        &self.portfolio
    }

    /// What becomes of each target, in the order of the desired state.
    #[must_use]
    pub fn targets(&self) -> &[PlannedTarget] {
        &self.targets
    }

    /// The steps; a step comes after all that it needs.
    #[must_use]
    pub fn steps(&self) -> &[PlannedStep] {
        &self.steps
    }

    /// What planning itself has to object to; a `block` finding refuses the plan.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// True when there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// True when a finding of the plan itself refuses it.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Block)
    }

    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.id == *id)
    }
}

/// What becomes of one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedTarget {
    /// The target.
    pub id: TargetId,
    /// The Worker that it is.
    pub worker: WorkerRef,
    /// What happens to it.
    pub fate: Fate,
    /// The hashes that it will have; `None` when it goes back to what Clodo did not deploy.
    pub hashes: Option<Hashes>,
    /// Its configuration as it will be, without any secret's value; the record of the deployment
    /// keeps it, so that the next plan can say what changed.
    #[serde(skip)]
    pub config: Value,
    /// How it is looked at.
    #[serde(skip)]
    pub check: Check,
}

/// What happens to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The Worker does not exist yet.
    Create,
    /// Something about it changes.
    Update,
    /// The Worker goes.
    Remove,
    /// Nothing about it changes.
    Unchanged,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlannedStep {
    /// Names the step in the journal, in events and in messages.
    pub id: StepId,
    /// The target that it is for; resources that several targets share have none.
    pub target: Option<TargetId>,
    /// What it does.
    pub action: Action,
    /// The steps that must be done before.
    pub needs: Vec<StepId>,
    /// What it does, for a person: `upload a new version of orders-staging`.
    pub summary: String,
    /// What is different, a line each: `vars.BRAND: "A" -> "B"`.
    pub details: Vec<String>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Something that the [`Platform`](crate::Platform) does.
    Change(Change),
    /// Something that the [`Migrator`](crate::Migrator) does.
    Migrate(Migration),
    /// Something that the [`Verifier`](crate::Verifier) does.
    Verify(Check),
    /// Watch a canary until it is judged.
    Judge(Judgement),
    /// Wait for health, time or a person before anything else begins.
    Hold(Hold),
}

/// A canary that serves some of the traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The target.
    pub check: Check,
    /// The share of the traffic that it has, in percent.
    pub percentage: f64,
    /// How it is judged.
    pub canary: Canary,
}

/// What lies between the targets that are done and those that come next.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// How long the targets must stay healthy.
    pub bake: Duration,
    /// Whose yes is needed.
    pub approval: Option<Approval>,
    /// The targets to look at meanwhile.
    pub checks: Vec<Check>,
    /// What a yes is given to; it is worth nothing for anything else.
    pub subject: ContentHash,
}

/// One file for one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The account that the database lives in.
    pub account: AccountName,
    /// The database, which an earlier step may yet have to create.
    pub database: DatabaseRef,
    /// The table that records applied migrations.
    pub table: String,
    /// The file.
    pub file: MigrationFile,
}

impl Action {
    /// A stable word for what it does, such as `upload` or `migrate`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Migrate(_) => "migrate",
            Self::Verify(_) => "verify",
            Self::Judge(_) => "judge",
            Self::Hold(_) => "hold",
            Self::Change(change) => change.kind(),
        }
    }
}

impl PlannedStep {
    /// The Worker that it changes or looks at.
    pub(crate) fn worker(&self) -> Option<WorkerRef> {
        match &self.action {
            Action::Change(change) => change.worker_ref(),
            Action::Verify(check) | Action::Judge(Judgement { check, .. }) => {
                Some(check.addresses.worker.clone())
            }
            Action::Migrate(_) | Action::Hold(_) => None,
        }
    }
}

impl Serialize for PlannedStep {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            id: &'a StepId,
            kind: &'a str,
            target: &'a Option<TargetId>,
            needs: &'a [StepId],
            summary: &'a str,
            details: &'a [String],
        }
        let Self { id, target, needs, summary, details, action } = self;
        Shown { id, kind: action.kind(), target, needs, summary, details }.serialize(to)
    }
}
