use crate::{context::DeployOptions, desired::Desired, plan::Plan, trigger::WorkerRef};
use clodo_saga::StepId;
use clodo_types::{ContentHash, Finding, PortfolioName, Severity, TargetId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A plan that somebody looked at, and all that is needed to carry out exactly that plan later and
/// elsewhere, but for the bundles (by their hashes) and the values of secrets (by their names).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    format: u32,
    made_at: Timestamp,
    made_by: String,
    #[serde(default)]
    platform: Option<String>,
    redeploy: BTreeSet<TargetId>,
    #[serde(default)]
    prune: Option<BTreeSet<WorkerRef>>,
    desired: Desired,
    steps: Vec<SavedStep>,
}

/// A step as a person saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedStep {
    id: StepId,
    summary: String,
    details: Vec<String>,
    needs: BTreeSet<StepId>,
}

/// A text is no saved plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedPlanError {
    /// It is something else, or damaged.
    #[error("this is no saved plan")]
    Broken(#[source] serde_json::Error),
    /// A newer Clodo made it.
    #[error("a newer Clodo made this plan (format {0})")]
    NewerFormat(u64),
}

impl SavedPlan {
    const FORMAT: u32 = 1;

    /// Keeps a plan together with what it was made for.
    #[must_use]
    pub fn new(
        plan: &Plan,
        desired: &Desired,
        options: &DeployOptions,
        made_at: Timestamp,
        made_by: impl Into<String>,
    ) -> Self {
        Self {
            format: Self::FORMAT,
            made_at,
            made_by: made_by.into(),
            platform: None,
            redeploy: options.redeploy.clone(),
            prune: options.prune.clone(),
            desired: desired.clone(),
            steps: steps(plan),
        }
    }

    /// Notes the platform that it is for, by the name that people give it.
    #[must_use]
    pub fn on(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
        self
    }

    /// The platform that it is for, if that was noted.
    #[must_use]
    pub fn platform(&self) -> Option<&str> {
        self.platform.as_deref()
    }

    /// The text form. It holds no content of modules and assets, and no value of a secret; migrations
    /// are in it as they are.
    ///
    /// # Errors
    /// Never for a plan that came from [`SavedPlan::new`].
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads the text form. The bundles must be put back with [`Desired::attach`].
    ///
    /// # Errors
    /// When it is no plan, or of a newer format.
    pub fn from_json(text: &[u8]) -> Result<Self, SavedPlanError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let Format { format } = serde_json::from_slice(text).map_err(SavedPlanError::Broken)?;
        if format > Self::FORMAT.into() {
            return Err(SavedPlanError::NewerFormat(format));
        }
        serde_json::from_slice(text).map_err(SavedPlanError::Broken)
    }

    /// Whose plan it is.
    #[must_use]
    pub fn portfolio(&self) -> &PortfolioName {
        &self.desired.portfolio
    }

    /// When it was made.
    #[must_use]
    pub fn made_at(&self) -> Timestamp {
        self.made_at
    }

    /// Who made it.
    #[must_use]
    pub fn made_by(&self) -> &str {
        &self.made_by
    }

    /// What it is for; its bundles have no content yet if it was read from text.
    #[must_use]
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// The targets that are uploaded again although nothing changed.
    #[must_use]
    pub fn redeploy(&self) -> &BTreeSet<TargetId> {
        &self.redeploy
    }

    /// The Workers that the files named, if those that they did not name are to be removed.
    #[must_use]
    pub fn prune(&self) -> Option<&BTreeSet<WorkerRef>> {
        self.prune.as_ref()
    }

    /// The bundles that it needs.
    #[must_use]
    pub fn bundles(&self) -> BTreeSet<ContentHash> {
        self.desired.targets.iter().map(|target| target.bundle.hash).collect()
    }

    /// What is different in a plan that was made now, a line each; nothing if the world is as it was.
    #[must_use]
    pub fn moved(&self, now: &Plan) -> Vec<String> {
        let now = steps(now);
        let then: BTreeMap<_, _> = self.steps.iter().map(|step| (&step.id, step)).collect();
        let by_id: BTreeMap<_, _> = now.iter().map(|step| (&step.id, step)).collect();
        let mut lines = Vec::new();
        for step in &self.steps {
            match by_id.get(&step.id) {
                None => lines.push(format!("no longer needed: {}", step.summary)),
                Some(now) if *now != step => {
                    lines.push(format!("not as it was: {}{}", step.summary, details(step, now)));
                }
                Some(_) => {}
            }
        }
        let new = now.iter().filter(|step| !then.contains_key(&step.id));
        lines.extend(new.map(|step| format!("needed now: {}", step.summary)));
        lines
    }

    /// Refuses a plan that is not the one that somebody agreed to.
    pub(crate) fn objection(&self, now: &Plan) -> Option<Finding> {
        let moved = self.moved(now);
        (!moved.is_empty()).then(|| Finding {
            rule: "stale-plan".to_owned(),
            severity: Severity::Block,
            at: None,
            message: format!(
                "the world has moved since the plan was made:\n  {}",
                moved.join("\n  ")
            ),
            hint: Some("make a new plan, and look at it again".to_owned()),
        })
    }
}

fn steps(plan: &Plan) -> Vec<SavedStep> {
    let step = |step: &crate::plan::PlannedStep| SavedStep {
        id: step.id.clone(),
        summary: step.summary.clone(),
        details: step.details.clone(),
        needs: step.needs.iter().cloned().collect(),
    };
    plan.steps().iter().map(step).collect()
}

fn details(then: &SavedStep, now: &SavedStep) -> String {
    let gone = then.details.iter().filter(|line| !now.details.contains(line));
    let new = now.details.iter().filter(|line| !then.details.contains(line));
    let mut lines: Vec<String> = gone.map(|line| format!("was {line}")).collect();
    lines.extend(new.map(|line| format!("is {line}")));
    if lines.is_empty() { String::new() } else { format!(" ({})", lines.join("; ")) }
}
