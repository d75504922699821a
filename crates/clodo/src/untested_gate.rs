use async_trait::async_trait;
use clodo_config::{Portfolio, Protection, Rules};
use clodo_orchestrator::{Action, Desired, Gate, Plan};
use clodo_types::{EnvironmentName, Finding, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// Looks at a deployment that asks no new version whether it answers
/// ([`DeployOptions::no_tests`](clodo_orchestrator::DeployOptions::no_tests)): environments with the
/// protection `approve` refuse it, and under production rules it is worth a note.
#[derive(Clone, Debug)]
pub struct UntestedGate {
    environments: BTreeMap<EnvironmentName, (Protection, Rules)>,
    by: String,
}

impl UntestedGate {
    /// Knows the environments of the portfolio, and who deploys.
    #[must_use]
    pub fn new(portfolio: &Portfolio, by: impl Into<String>) -> Self {
        let environments = portfolio.environments().iter();
        let environments = environments
            .map(|(name, described)| (name.clone(), (described.protection, described.rules)));
        Self { environments: environments.collect(), by: by.into() }
    }

    fn finding(&self, environment: &EnvironmentName) -> Option<Finding> {
        let (protection, rules) = *self.environments.get(environment)?;
        let by = &self.by;
        let (rule, severity, message, hint) = match (protection, rules) {
            (Protection::Approve, _) => (
                "tests-required",
                Severity::Block,
                format!("{environment} takes no version that nobody tests: it asks for approvals"),
                "leave out --no-tests",
            ),
            (_, Rules::Production) => (
                "tests-skipped",
                Severity::Note,
                format!("tests of {environment} are skipped by --no-tests, by {by}"),
                "without --no-tests a version that does not answer is taken back",
            ),
            _ => return None,
        };
        let (rule, hint) = (rule.to_owned(), Some(hint.to_owned()));
        Some(Finding { rule, severity, at: None, message, hint })
    }
}

#[async_trait]
impl Gate for UntestedGate {
    async fn check(&self, plan: &Plan, _: &Desired) -> Vec<Finding> {
        let tested = plan.steps().iter().filter_map(|step| match &step.action {
            Action::Verify(check) => Some(&check.target.environment),
            _ => None,
        });
        let environments: BTreeSet<&EnvironmentName> = tested.collect();
        environments.into_iter().filter_map(|name| self.finding(name)).collect()
    }
}
