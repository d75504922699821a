//! What the accounts of the cloud hold, in short: how many of each kind, and where Workers answer.

use crate::state::{
    model::{Account, Cloud},
    worker::Worker,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many Workers are named; a cloud may have thousands.
const NAMED: usize = 20;

/// Every account.
pub(super) fn all(cloud: &Cloud) -> Vec<Value> {
    cloud.accounts.values().map(|account| of(account, cloud)).collect()
}

fn of(account: &Account, cloud: &Cloud) -> Value {
    let zones = cloud.zones_of(account.id());
    json!({
        "id": account.id(),
        "name": account.profile.name,
        "subdomain": account.profile.subdomain,
        "zones": zones.map(|zone| json!({ "id": zone.id, "name": zone.name })).collect::<Vec<_>>(),
        "workers": account.workers.len(),
        "first_workers": named(account, cloud),
        "domains": account.domains.keys().collect::<Vec<_>>(),
        "databases": account.databases.len(),
        "namespaces": account.namespaces.len(),
        "buckets": account.buckets.len(),
        "queues": account.queues.len(),
        "workflows": account.workflows.len(),
        "object_namespaces": account.objects.len(),
    })
}

/// The first Workers by name, each with the addresses that lead to it: hostname and path, without
/// a scheme and without `.localhost`.
fn named(account: &Account, cloud: &Cloud) -> Vec<Value> {
    let mut elsewhere: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for domain in account.domains.values() {
        let paused = cloud.zones.get(&domain.zone_id).is_some_and(|zone| zone.paused);
        if !domain.enabled || paused {
            continue;
        }
        elsewhere.entry(&domain.service).or_default().push(domain.hostname.clone());
    }
    let zones = cloud.zones_of(account.id()).filter(|zone| !zone.paused);
    for route in zones.flat_map(|zone| &zone.routes) {
        if let (Some(script), Some(address)) = (&route.script, plain(&route.pattern)) {
            elsewhere.entry(script).or_default().push(address);
        }
    }
    let one = |worker: &Worker| {
        let mut addresses = workers_dev(worker, account).into_iter().collect::<Vec<_>>();
        addresses.extend(elsewhere.remove(worker.name.as_str()).unwrap_or_default());
        json!({ "name": worker.name, "addresses": addresses })
    };
    account.workers.values().take(NAMED).map(|worker| &**worker).map(one).collect()
}

fn workers_dev(worker: &Worker, account: &Account) -> Option<String> {
    let name = worker.name.to_ascii_lowercase();
    let on = worker.subdomain.enabled;
    on.then(|| format!("{name}.{}.workers.dev", account.profile.subdomain))
}

/// An address that a route's pattern fits; none where the pattern leaves the hostname open.
fn plain(pattern: &str) -> Option<String> {
    let pattern = pattern.trim_start_matches("https://").trim_start_matches("http://");
    let address = pattern.split('*').next().unwrap_or_default();
    let open = pattern.starts_with('*') || (pattern.contains('*') && !address.contains('/'));
    (!open).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_names_a_host_has_an_address() {
        for (pattern, address) in [
            ("acme.test/shop/*", Some("acme.test/shop/")),
            ("https://acme.test/*", Some("acme.test/")),
            ("acme.test/exact", Some("acme.test/exact")),
            ("*.acme.test/*", None),
            ("*acme.test/*", None),
            ("acme.test*", None),
        ] {
            assert_eq!(plain(pattern).as_deref(), address, "{pattern}");
        }
    }
}
