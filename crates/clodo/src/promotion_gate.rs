use async_trait::async_trait;
use clodo_config::Portfolio;
use clodo_orchestrator::{
    Action, Change, Deployment, DeploymentState, Desired, DesiredTarget, Gate, Plan, deployments,
};
use clodo_saga::{JournalError, JournalStore};
use clodo_types::{
    ContentHash, EnvironmentName, Finding, PortfolioName, ServiceName, Severity, TargetId,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How far back the history is read.
const LAST: usize = 500;

/// Refuses to upload code to an environment that takes only what another one has proved.
///
/// Proved is the content that the last finished deployment there left at the same service, for any
/// customer; variables may differ. What goes back to an older version uploads nothing, and is free.
#[derive(Debug)]
pub struct PromotionGate {
    journal: Arc<dyn JournalStore>,
    from: BTreeMap<EnvironmentName, EnvironmentName>,
}

impl PromotionGate {
    /// Reads the history in `journal`.
    #[must_use]
    pub fn new(journal: Arc<dyn JournalStore>, portfolio: &Portfolio) -> Self {
        let from = portfolio.environments().iter().filter_map(|(name, environment)| {
            Some((name.clone(), environment.promote_from.clone()?))
        });
        Self { journal, from: from.collect() }
    }

    fn objection(&self, target: &DesiredTarget, past: &[Deployment]) -> Option<Finding> {
        let from = self.from.get(&target.id.environment)?;
        let content = target.hashes().content;
        if proved(past, &target.id, from).contains(&content) {
            return None;
        }
        let message = format!("{from} has not proved the code of {} ({content})", target.id);
        let hint = format!(
            "deploy it there first (`clodo-deploy deploy --env {from}`), or take over what is proved: `clodo-deploy promote --to {}`",
            target.id.environment
        );
        Some(blocked("not-proved", message, hint))
    }
}

#[async_trait]
impl Gate for PromotionGate {
    async fn check(&self, plan: &Plan, _: &Desired) -> Vec<Finding> {
        let uploads = plan.steps().iter().filter_map(|step| match &step.action {
            Action::Change(Change::Upload(upload)) => Some(&upload.target),
            _ => None,
        });
        let protected =
            |target: &&Arc<DesiredTarget>| self.from.contains_key(&target.id.environment);
        let uploads: Vec<_> = uploads.filter(protected).collect();
        if uploads.is_empty() {
            return Vec::new();
        }
        match deployments(&*self.journal, plan.portfolio(), LAST).await {
            Ok(past) => uploads.iter().filter_map(|target| self.objection(target, &past)).collect(),
            Err(error) => {
                let message = format!("what is proved cannot be read: {error}");
                vec![blocked("not-proved", message, "check the state store".to_owned())]
            }
        }
    }
}

/// The code that an environment has proved, by service: what the newest finished deployment there
/// left at any of its targets.
///
/// # Errors
/// When the history cannot be read.
pub async fn proved_code(
    journal: &dyn JournalStore,
    portfolio: &PortfolioName,
    from: &EnvironmentName,
) -> Result<BTreeMap<ServiceName, ContentHash>, JournalError> {
    let past = deployments(journal, portfolio, LAST).await?;
    let mut newest = BTreeMap::new();
    for deployment in past.iter().filter(|past| past.state == DeploymentState::Done) {
        let there = left(deployment).filter(|(id, _)| id.environment == *from);
        for (id, content) in there {
            newest.entry(id.service.clone()).or_insert(content);
        }
    }
    // What was taken away there has proved nothing since.
    Ok(newest.into_iter().filter_map(|(service, content)| Some((service, content?))).collect())
}

/// What the newest finished deployment left at each target of the service in `from`.
fn proved(past: &[Deployment], target: &TargetId, from: &EnvironmentName) -> BTreeSet<ContentHash> {
    let mut newest: BTreeMap<&TargetId, Option<ContentHash>> = BTreeMap::new();
    for deployment in past.iter().filter(|past| past.state == DeploymentState::Done) {
        let there = left(deployment);
        let there = there.filter(|(id, _)| id.service == target.service && id.environment == *from);
        for (id, content) in there {
            newest.entry(id).or_insert(content);
        }
    }
    newest.into_values().flatten().collect()
}

/// What a finished deployment proved at each of its targets; nothing where it removed one, or changed
/// one and nobody tested it. What it left as it was keeps the proof that it had.
fn left(deployment: &Deployment) -> impl Iterator<Item = (&TargetId, Option<ContentHash>)> {
    let changed: BTreeSet<&TargetId> = deployment.targets.iter().map(|one| &one.id).collect();
    let untested = deployment.no_tests;
    deployment.wanted.iter().filter_map(move |(id, hashes)| match untested {
        true if changed.contains(id) => Some((id, None)),
        true => None,
        false => Some((id, hashes.map(|hashes| hashes.content))),
    })
}

fn blocked(rule: &str, message: String, hint: String) -> Finding {
    Finding {
        rule: rule.to_owned(),
        severity: Severity::Block,
        at: None,
        message,
        hint: Some(hint),
    }
}
