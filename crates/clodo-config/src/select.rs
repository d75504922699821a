use crate::{
    choices::Strategy,
    customer::Customer,
    environment::Environment,
    layers::{Layer, Origin},
    portfolio::Portfolio,
    service::Service,
    suggest,
    target::{Parts, TargetSpec},
};
use clodo_types::{
    AccountName, BindingName, CustomerName, EnvironmentName, Hostname, ServiceName, TargetId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Which targets are meant. The default means all services for all customers in `development`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Selection {
    /// These services; none means all.
    pub services: Vec<ServiceName>,
    /// These environments, in the order in which they come; none means `development`.
    pub environments: Vec<EnvironmentName>,
    /// These customers; none means all.
    pub customers: Vec<CustomerName>,
    /// Only targets that serve this hostname.
    pub domain: Option<Hostname>,
    /// Of all these only the ones that are named here; empty means all.
    pub only: BTreeSet<TargetId>,
    /// What comes from outside the file.
    pub overrides: Overrides,
}

/// What comes from outside the file; it counts for every selected target.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Overrides {
    /// From the process environment: `CLODO_VAR_<NAME>`.
    pub process_environment: BTreeMap<BindingName, String>,
    /// From the command line: `--var NAME=value`.
    pub command_line: BTreeMap<BindingName, String>,
    /// From the command line: how new versions take over, whatever the file says.
    pub strategy: Option<Strategy>,
}

/// The selection does not fit the portfolio.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// There is no such service.
    #[error("unknown service `{name}`")]
    UnknownService {
        /// What was asked for.
        name: ServiceName,
        /// What to try.
        hint: String,
    },
    /// There is no such environment.
    #[error("unknown environment `{name}`")]
    UnknownEnvironment {
        /// What was asked for.
        name: EnvironmentName,
        /// What to try.
        hint: String,
    },
    /// There is no such customer.
    #[error("unknown customer `{name}`")]
    UnknownCustomer {
        /// What was asked for.
        name: CustomerName,
        /// What to try.
        hint: String,
    },
    /// None of the selected targets serves the hostname.
    #[error("no selected target serves `{domain}`")]
    UnknownDomain {
        /// What was asked for.
        domain: Hostname,
        /// What to try.
        hint: String,
    },
}

impl SelectError {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::UnknownService { hint, .. }
            | Self::UnknownEnvironment { hint, .. }
            | Self::UnknownCustomer { hint, .. }
            | Self::UnknownDomain { hint, .. } => hint,
        }
    }
}

impl Portfolio {
    /// The targets that are meant, ordered by environment as they were named, then by service and
    /// then by customer.
    ///
    /// # Errors
    /// When a name is not in the portfolio, or no selected target serves the domain.
    pub fn select(&self, selection: &Selection) -> Result<Vec<TargetSpec>, SelectError> {
        let environments = self.selected_environments(selection)?;
        let services = self.selected_services(selection)?;
        let customers = self.selected_customers(selection)?;
        let mut targets = Vec::new();
        for (environment, described) in &environments {
            for (name, service) in &services {
                for customer in &customers {
                    let parts = Parts { portfolio: self, environment, described, name, service };
                    let target = parts.target(*customer, &selection.overrides);
                    let only = &selection.only;
                    targets.extend(target.filter(|one| only.is_empty() || only.contains(&one.id)));
                }
            }
        }
        match &selection.domain {
            None => Ok(targets),
            Some(domain) => self.serving(domain, &environments, targets),
        }
    }

    /// The account of a target; none when there are several and the file chooses none.
    #[must_use]
    pub fn account_of(
        &self,
        environment: &EnvironmentName,
        customer: Option<&CustomerName>,
    ) -> Option<AccountName> {
        let of_customer = || self.customers.get(customer?)?.account.clone();
        let of_environment = || self.environments.get(environment)?.account.clone();
        let only = || (self.accounts.len() == 1).then(|| self.accounts.keys().next().cloned());
        of_customer()
            .or_else(of_environment)
            .or_else(|| self.account.clone())
            .or_else(|| only().flatten())
    }

    /// Every level that speaks about a target's variables, weakest first; for `explain`.
    #[must_use]
    pub fn layers(&self, id: &TargetId, overrides: &Overrides) -> Vec<Layer> {
        let service = self.services.get(&id.service);
        let inner = service.and_then(|service| service.environments.get(&id.environment));
        let environment = self.environments.get(&id.environment);
        let customer = id.customer.as_ref().and_then(|name| self.customers.get(name));
        let there = customer.and_then(|customer| customer.environments.get(&id.environment));
        let file = [
            (Origin::Default, Some(&self.vars)),
            (Origin::Service, service.map(|service| &service.vars)),
            (Origin::Environment, environment.map(|environment| &environment.vars)),
            (Origin::ServiceInEnvironment, inner.map(|inner| &inner.vars)),
            (Origin::Customer, customer.map(|customer| &customer.vars)),
            (Origin::CustomerInEnvironment, there),
        ];
        let outside = [
            (Origin::ProcessEnvironment, &overrides.process_environment),
            (Origin::CommandLine, &overrides.command_line),
        ];
        file.into_iter()
            .filter_map(|(origin, vars)| Some(Layer::of_file(origin, vars?)))
            .chain(outside.into_iter().map(|(origin, texts)| Layer::of_texts(origin, texts)))
            .filter(|layer| !layer.vars.is_empty())
            .collect()
    }

    /// Each once, in the order in which they were named.
    fn selected_environments(
        &self,
        selection: &Selection,
    ) -> Result<Vec<(&EnvironmentName, &Environment)>, SelectError> {
        let mut asked: Vec<&str> = Vec::new();
        for name in selection.environments.iter().map(EnvironmentName::as_str) {
            if !asked.contains(&name) {
                asked.push(name);
            }
        }
        if asked.is_empty() {
            asked.push("development");
        }
        let known = |asked: &&str| {
            self.environments.get_key_value(*asked).ok_or_else(|| {
                let names = self.environments.keys().map(EnvironmentName::as_str);
                let hint = match selection.environments.is_empty() {
                    false => suggest::hint_for(asked, names),
                    true => {
                        let names: Vec<_> = names.collect();
                        format!("choose one with --env: {}", names.join(", "))
                    }
                };
                let name = asked.parse().expect("it was a name before");
                SelectError::UnknownEnvironment { name, hint }
            })
        };
        asked.iter().map(known).collect()
    }

    fn selected_services(
        &self,
        selection: &Selection,
    ) -> Result<Vec<(&ServiceName, &Service)>, SelectError> {
        for name in &selection.services {
            if !self.services.contains_key(name) {
                let names = self.services.keys().map(ServiceName::as_str);
                let hint = suggest::hint_for(name.as_str(), names);
                return Err(SelectError::UnknownService { name: name.clone(), hint });
            }
        }
        let asked =
            |name: &ServiceName| selection.services.is_empty() || selection.services.contains(name);
        Ok(self.services.iter().filter(|(name, _)| asked(name)).collect())
    }

    /// Customers to go through; a portfolio without any has one target per service.
    fn selected_customers(
        &self,
        selection: &Selection,
    ) -> Result<Vec<Option<(&CustomerName, &Customer)>>, SelectError> {
        for name in &selection.customers {
            if !self.customers.contains_key(name) {
                let names = self.customers.keys().map(CustomerName::as_str);
                let hint = match self.customers.is_empty() {
                    true => "this portfolio has no customers: leave --customer out".to_owned(),
                    false => suggest::hint_for(name.as_str(), names),
                };
                return Err(SelectError::UnknownCustomer { name: name.clone(), hint });
            }
        }
        if self.customers.is_empty() {
            return Ok(vec![None]);
        }
        let asked = |name: &CustomerName| {
            selection.customers.is_empty() || selection.customers.contains(name)
        };
        Ok(self.customers.iter().filter(|(name, _)| asked(name)).map(Some).collect())
    }

    fn serving(
        &self,
        domain: &Hostname,
        environments: &[(&EnvironmentName, &Environment)],
        mut targets: Vec<TargetSpec>,
    ) -> Result<Vec<TargetSpec>, SelectError> {
        let all: Vec<Hostname> =
            targets.iter().flat_map(|target| target.domains.iter().cloned()).collect();
        targets.retain(|target| target.domains.contains(domain));
        if !targets.is_empty() {
            return Ok(targets);
        }
        let hint = match self.environments_of(domain).next() {
            Some(other) if environments.iter().all(|(asked, _)| *asked != other) => {
                format!("it is served in `--env {other}`")
            }
            _ => suggest::hint_for(domain.as_str(), all.iter().map(Hostname::as_str)),
        };
        Err(SelectError::UnknownDomain { domain: domain.clone(), hint })
    }

    fn environments_of<'a>(
        &'a self,
        domain: &'a Hostname,
    ) -> impl Iterator<Item = &'a EnvironmentName> {
        let of_customers = self.customers.values().flat_map(|customer| &customer.domains);
        self.domains.iter().chain(of_customers).filter_map(move |(environment, services)| {
            let served = services.values().flatten().any(|hostname| hostname.value == *domain);
            served.then_some(environment)
        })
    }
}
