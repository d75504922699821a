use crate::{
    account::Account,
    choices::{Protection, Rules, Strategy},
    customer::Customer,
    environment::Environment,
    layers::{Origin, Sourced, effective},
    portfolio::Portfolio,
    rollout::RolloutSettings,
    select::Overrides,
    service::{SecretDeclaration, Service},
};
use clodo_types::{BindingName, CustomerName, EnvironmentName, Hostname, ServiceName, TargetId};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// One target as the file describes it: what a deployment is going to make true.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TargetSpec {
    /// Which target.
    pub id: TargetId,
    /// The service's folder, relative to [`Portfolio::folder`].
    pub service_path: PathBuf,
    /// Where the service says it is well, such as `/health`.
    pub health: Option<String>,
    /// Services that the file says go first.
    pub depends_on: Vec<ServiceName>,
    /// The hostnames that it serves, in order.
    pub domains: Vec<Hostname>,
    /// Its variables; those of the wrangler config are weaker than any of them.
    pub vars: BTreeMap<BindingName, Sourced<Value>>,
    /// Secrets that it needs.
    pub secrets: Vec<SecretDeclaration>,
    /// What a deployment needs first.
    pub protection: Protection,
    /// How strict the security rules are.
    pub rules: Rules,
    /// How a new version takes over.
    pub strategy: Sourced<Strategy>,
    /// What else is said about that, by all levels together.
    pub rollout: RolloutSettings,
    /// The account that `id` names.
    pub account: Account,
}

/// What a target is put together from, besides its customer.
pub(crate) struct Parts<'a> {
    pub(crate) portfolio: &'a Portfolio,
    pub(crate) environment: &'a EnvironmentName,
    pub(crate) described: &'a Environment,
    pub(crate) name: &'a ServiceName,
    pub(crate) service: &'a Service,
}

impl Parts<'_> {
    /// A file that was read without errors has an account for every target.
    pub(crate) fn target(
        &self,
        customer: Option<(&CustomerName, &Customer)>,
        overrides: &Overrides,
    ) -> Option<TargetSpec> {
        let customer_name = customer.map(|(name, _)| name);
        let account = self.portfolio.account_of(self.environment, customer_name)?;
        let account_info = self.portfolio.accounts.get(&account)?.clone();
        let id = TargetId {
            service: self.name.clone(),
            environment: self.environment.clone(),
            customer: customer_name.cloned(),
            account,
        };
        let domains = customer.map_or(&self.portfolio.domains, |(_, customer)| &customer.domains);
        let hostnames = domains.get(self.environment).and_then(|all| all.get(self.name));
        let depends_on = self.service.depends_on.iter();
        Some(TargetSpec {
            service_path: self.service.path.clone(),
            health: self.service.health.clone(),
            depends_on: depends_on.map(|needed| needed.value.clone()).collect(),
            domains: hostnames.into_iter().flatten().map(|name| name.value.clone()).collect(),
            vars: effective(&self.portfolio.layers(&id, overrides)),
            secrets: self.service.secrets.clone(),
            protection: self.described.protection,
            rules: self.described.rules,
            strategy: self.strategy(overrides),
            rollout: self.portfolio.rollout(self.name, self.environment),
            account: account_info,
            id,
        })
    }

    fn strategy(&self, overrides: &Overrides) -> Sourced<Strategy> {
        let inner = self.service.environments.get(self.environment);
        let levels = [
            (Origin::CommandLine, overrides.strategy),
            (Origin::ServiceInEnvironment, inner.and_then(|inner| inner.strategy)),
            (Origin::Environment, self.described.strategy),
            (Origin::Service, self.service.strategy),
        ];
        let found = levels.into_iter().find_map(|(origin, strategy)| Some((origin, strategy?)));
        let (origin, strategy) = found.unwrap_or((Origin::Default, Strategy::AllAtOnce));
        Sourced::new(strategy, origin)
    }
}
