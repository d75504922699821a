use crate::{
    fields::Fields,
    known::{Domains, Known, ServiceDomains, merge},
    sections,
    vars::{self, Vars},
};
use clodo_types::{AccountName, CustomerName, EnvironmentName, Location};
use serde::Serialize;
use std::collections::BTreeMap;

/// A customer: a tenant with variables and domains of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Customer {
    /// The account of its targets, when the file says so.
    pub account: Option<AccountName>,
    /// Variables of every service.
    pub vars: Vars,
    /// Its hostnames by environment and service.
    pub domains: Domains,
    /// Variables in one environment.
    pub environments: BTreeMap<EnvironmentName, Vars>,
    /// Where the file declares it.
    pub at: Location,
}

/// Reads `[customers]`.
pub(crate) fn read(root: &Fields<'_>, known: &Known) -> BTreeMap<CustomerName, Customer> {
    let problems = root.problems;
    root.map("customers", |name: &CustomerName, entry| {
        let title = format!("`[customers.{name}]`");
        let place = (&entry.node, entry.key_offset);
        let fields = Fields::of(problems, place, &sections::CUSTOMER, &title)?;
        let mut domains = known.domains(&fields);
        let mut environments = BTreeMap::new();
        for (environment, (vars, more)) in overlays(&fields, known, name) {
            merge(domains.entry(environment.clone()).or_default(), more);
            environments.insert(environment, vars);
        }
        Some(Customer {
            account: known.account(&fields),
            vars: vars::read(&fields),
            domains,
            environments,
            at: problems.source().location(entry.key_offset),
        })
    })
}

fn overlays(
    fields: &Fields<'_>,
    known: &Known,
    customer: &CustomerName,
) -> BTreeMap<EnvironmentName, (Vars, ServiceDomains)> {
    let problems = fields.problems;
    fields.map("environments", |name: &EnvironmentName, entry| {
        let title = format!("`[customers.{customer}.environments.{name}]`");
        let place = (&entry.node, entry.key_offset);
        let inner = Fields::of(problems, place, &sections::CUSTOMER_IN_ENVIRONMENT, &title)?;
        let known_environment = known.has_environment(problems, name, entry);
        known_environment.then(|| (vars::read(&inner), known.service_domains(&inner)))
    })
}
