use crate::{
    fields::{Fields, named, one_or_more},
    node::Entry,
    placed::Placed,
    source::Problems,
    suggest,
};
use clodo_types::{AccountName, CustomerName, EnvironmentName, Hostname, ServiceName};
use std::{borrow::Borrow, collections::BTreeMap, collections::BTreeSet, fmt, str::FromStr};

/// A service's hostnames in one environment.
pub type ServiceDomains = BTreeMap<ServiceName, Vec<Placed<Hostname>>>;

/// Hostnames by environment and service.
pub type Domains = BTreeMap<EnvironmentName, ServiceDomains>;

/// The names that the file declares, known before the tables that refer to them are read.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) accounts: BTreeSet<AccountName>,
    pub(crate) environments: BTreeSet<EnvironmentName>,
    pub(crate) services: BTreeSet<ServiceName>,
    pub(crate) customers: BTreeSet<CustomerName>,
}

impl Known {
    pub(crate) fn read(root: &Fields<'_>) -> Self {
        let mut environments: BTreeSet<EnvironmentName> = names(root, "environments");
        if environments.is_empty() {
            environments = crate::environment::default_names().collect();
        }
        let mut accounts: BTreeSet<AccountName> = names(root, "accounts");
        if accounts.is_empty() {
            accounts.insert(crate::account::default_name());
        }
        let (services, customers) = (names(root, "services"), names(root, "customers"));
        Self { accounts, environments, services, customers }
    }

    /// Reads the key `account`.
    pub(crate) fn account(&self, fields: &Fields<'_>) -> Option<AccountName> {
        let name: Placed<AccountName> = fields.parsed("account")?;
        if !self.accounts.contains(&name.value) {
            let hint = suggest::hint_for(name.value.as_str(), texts(&self.accounts));
            fields.problems.add_at(&name, format!("unknown account `{}`", name.value), hint);
            return None;
        }
        Some(name.value)
    }

    /// Whether `name`, the key of `entry`, is an environment; notes it if not.
    pub(crate) fn has_environment(
        &self,
        problems: &Problems<'_>,
        name: &EnvironmentName,
        entry: &Entry,
    ) -> bool {
        has(problems, &self.environments, "environment", name, entry)
    }

    /// Reads the key `domains` where it goes environment.service = hostname.
    pub(crate) fn domains(&self, fields: &Fields<'_>) -> Domains {
        let problems = fields.problems;
        fields.map("domains", |environment, entry| {
            if !self.has_environment(problems, environment, entry) {
                return None;
            }
            let Some(entries) = entry.node.entries() else {
                let message = format!(
                    "expected `{environment}.SERVICE = \"hostname\"`, found {}",
                    entry.node.kind()
                );
                problems.add(entry.node.offset, message);
                return None;
            };
            Some(self.hostnames(problems, entries))
        })
    }

    /// Reads the key `domains` where it goes service = hostname.
    pub(crate) fn service_domains(&self, fields: &Fields<'_>) -> ServiceDomains {
        let entries = fields.entry("domains").and_then(|entry| match entry.node.entries() {
            None => {
                let message = format!(
                    "expected a table of hostnames by service, found {}",
                    entry.node.kind()
                );
                fields.problems.add(entry.node.offset, message);
                None
            }
            entries => entries,
        });
        self.hostnames(fields.problems, entries.unwrap_or_default())
    }

    fn hostnames(&self, problems: &Problems<'_>, entries: &[Entry]) -> ServiceDomains {
        named(problems, entries, |service, entry| {
            let known = has(problems, &self.services, "service", service, entry);
            known.then(|| one_or_more(problems, &entry.node, "a hostname or a list of hostnames"))
        })
    }
}

/// Puts the hostnames of the long form (`environments.E.domains.S`) beside those of the short one.
pub(crate) fn merge(into: &mut ServiceDomains, more: ServiceDomains) {
    for (service, hostnames) in more {
        into.entry(service).or_default().extend(hostnames);
    }
}

/// The names in a set, as text.
pub(crate) fn texts<T: Borrow<str>>(names: &BTreeSet<T>) -> impl Iterator<Item = &str> + Clone {
    names.iter().map(Borrow::borrow)
}

fn has<T: Borrow<str> + Ord>(
    problems: &Problems<'_>,
    known: &BTreeSet<T>,
    what: &str,
    name: &T,
    entry: &Entry,
) -> bool {
    let found = known.contains::<T>(name);
    if !found {
        let name: &str = name.borrow();
        let hint = suggest::hint_for(name, texts(known));
        problems.add_with_hint(entry.key_offset, format!("unknown {what} `{name}`"), hint);
    }
    found
}

/// Names that do not parse are left to whoever reads the tables.
fn names<T: FromStr<Err: fmt::Display> + Ord>(root: &Fields<'_>, key: &'static str) -> BTreeSet<T> {
    let entries = root.entry(key).and_then(|entry| entry.node.entries()).unwrap_or_default();
    entries.iter().filter_map(|entry| entry.key.parse().ok()).collect()
}
