//! What can only be checked once the whole file was read.

use crate::{
    account::Account, cycle, known::Domains, placed::Placed, portfolio::Portfolio, rollout_check,
    source::Problems, suggest, vars::Vars,
};
use clodo_types::{
    AccountName, CustomerName, EnvironmentName, Hostname, Location, ServiceName, TargetId, ZoneName,
};
use std::collections::{BTreeMap, BTreeSet};

/// Notes what is wrong between the parts of a portfolio.
pub(crate) fn portfolio(problems: &Problems<'_>, portfolio: &Portfolio) {
    order(problems, portfolio);
    misplaced_domains(problems, portfolio);
    accounts(problems, portfolio);
    hostnames(problems, portfolio);
    names_taken(problems, portfolio);
    rollout_check::telemetry(problems, portfolio);
}

fn order(problems: &Problems<'_>, portfolio: &Portfolio) {
    let edges: BTreeMap<ServiceName, BTreeSet<ServiceName>> = portfolio
        .services
        .iter()
        .map(|(name, service)| {
            let needs = service.depends_on.iter().map(|needed| needed.value.clone());
            (name.clone(), needs.collect())
        })
        .collect();
    let Some(cycle) = cycle::find_cycle(&edges) else { return };
    let first = &portfolio.services[&cycle[0]];
    let Some(edge) = first.depends_on.iter().find(|needed| needed.value == cycle[1]) else {
        return;
    };
    let message = format!("services depend on each other in a circle: {}", cycle::shown(&cycle));
    problems.add_at(edge, message, "take one of these out of `depends_on`");
}

/// With customers there is no target without one that such a domain could belong to.
fn misplaced_domains(problems: &Problems<'_>, portfolio: &Portfolio) {
    let Some(customer) = portfolio.customers.keys().next() else { return };
    for hostname in each_hostname(&portfolio.domains).map(|(_, _, hostname)| hostname) {
        let message = format!("`{}` belongs to no customer", hostname.value);
        let hint = format!("move it to a customer, such as `[customers.{customer}.domains]`");
        problems.add_at(hostname, message, hint);
    }
}

/// Every target has one account.
fn accounts(problems: &Problems<'_>, portfolio: &Portfolio) {
    let undecided = |customer: Option<&CustomerName>| {
        portfolio.environments.keys().find(|name| portfolio.account_of(name, customer).is_none())
    };
    let choices = suggest::listed(portfolio.accounts.keys().map(AccountName::as_str));
    let message = |environment: &EnvironmentName| {
        format!("several accounts and none chosen for `{environment}`: {choices}")
    };
    if portfolio.customers.is_empty()
        && let Some(environment) = undecided(None)
    {
        let hint = "choose one with `account = \"…\"` in `[portfolio]`, or per environment";
        problems.add_with_hint(0, message(environment), hint);
    }
    for (name, customer) in &portfolio.customers {
        if let Some(environment) = undecided(Some(name)) {
            let hint = format!("choose one with `account = \"…\"` in `[customers.{name}]`");
            let place = Placed::new((), customer.at.clone());
            problems.add_at(&place, message(environment), hint);
        }
    }
}

fn hostnames(problems: &Problems<'_>, portfolio: &Portfolio) {
    let mut claims: BTreeMap<&Hostname, (String, &Location)> = BTreeMap::new();
    let mut check = |customer: Option<&CustomerName>, domains| {
        for (environment, service, hostname) in each_hostname(domains) {
            let Some(account) = portfolio.account_of(environment, customer) else { continue };
            zone(problems, &account, &portfolio.accounts[&account], hostname);
            let id = TargetId {
                service: service.clone(),
                environment: environment.clone(),
                customer: customer.cloned(),
                account,
            };
            let claim = (id.to_string(), &hostname.at);
            if let Some(first) = claims.insert(&hostname.value, claim.clone()) {
                claimed_twice(problems, hostname, first, claim);
            }
        }
    };
    if portfolio.customers.is_empty() {
        check(None, &portfolio.domains);
    }
    for (name, customer) in &portfolio.customers {
        check(Some(name), &customer.domains);
    }
}

fn claimed_twice(
    problems: &Problems<'_>,
    hostname: &Placed<Hostname>,
    one: (String, &Location),
    other: (String, &Location),
) {
    // The error stands at the later place and names the earlier one.
    let (first, second) = if one.1 <= other.1 { (one, other) } else { (other, one) };
    let message = match first.0 == second.0 {
        true => format!("`{}` is listed twice for {}", hostname.value, first.0),
        false => format!("`{}` is claimed by {} and by {}", hostname.value, first.0, second.0),
    };
    let place = Placed::new((), second.1.clone());
    problems.add_at(&place, message, format!("the other claim is at {}", first.1));
}

fn zone(
    problems: &Problems<'_>,
    name: &AccountName,
    account: &Account,
    hostname: &Placed<Hostname>,
) {
    if account.zones.iter().any(|zone| hostname.value.is_within(&zone.value)) {
        return;
    }
    let zones: Vec<_> = account.zones.iter().map(|zone| zone.value.as_str()).collect();
    let message = match zones.is_empty() {
        true => format!("`{}` is in no zone: account `{name}` lists none", hostname.value),
        false => format!(
            "`{}` is in no zone of account `{name}`, which has {}",
            hostname.value,
            suggest::listed(zones.iter().copied())
        ),
    };
    let usual = usual_zone(&hostname.value);
    let add = format!("add `{usual}` to `zones` in `[accounts.{name}]`");
    let hint = match suggest::similar(usual.as_str(), zones) {
        Some(similar) => format!("did you mean a name in `{similar}`? Otherwise {add}"),
        None => add,
    };
    problems.add_at(hostname, message, hint);
}

/// The last two labels; right more often than not, and only a suggestion.
fn usual_zone(hostname: &Hostname) -> ZoneName {
    let text = hostname.as_str();
    let dots: Vec<_> = text.rmatch_indices('.').map(|(at, _)| at).collect();
    let zone = dots.get(1).map_or(text, |dot| &text[dot + 1..]);
    zone.parse().expect("a hostname's last labels are a zone's name")
}

/// A Worker cannot bind one name twice.
fn names_taken(problems: &Problems<'_>, portfolio: &Portfolio) {
    let secrets: BTreeMap<&str, &ServiceName> = portfolio
        .services
        .iter()
        .flat_map(|(name, service)| service.secrets.iter().map(move |secret| (secret, name)))
        .map(|(secret, service)| (secret.name.as_str(), service))
        .collect();
    let check = |vars: &Vars| {
        for (name, var) in vars {
            if let Some(service) = secrets.get(name.as_str()) {
                let message = format!("variable `{name}` is also a secret of `{service}`");
                problems.add_at(var, message, "rename one of them");
            }
        }
    };
    check(&portfolio.vars);
    portfolio.environments.values().for_each(|environment| check(&environment.vars));
    for customer in portfolio.customers.values() {
        check(&customer.vars);
        customer.environments.values().for_each(check);
    }
    for (name, service) in &portfolio.services {
        let own = |vars: &Vars| {
            for (var_name, var) in vars {
                if service.secrets.iter().any(|secret| secret.name.as_str() == var_name.as_str()) {
                    let message = format!("`{var_name}` of `{name}` is both variable and secret");
                    problems.add_at(var, message, "rename one of them");
                }
            }
        };
        own(&service.vars);
        service.environments.values().for_each(|inner| own(&inner.vars));
    }
}

fn each_hostname(
    domains: &Domains,
) -> impl Iterator<Item = (&EnvironmentName, &ServiceName, &Placed<Hostname>)> {
    domains.iter().flat_map(|(environment, services)| {
        services.iter().flat_map(move |(service, hostnames)| {
            hostnames.iter().map(move |hostname| (environment, service, hostname))
        })
    })
}
