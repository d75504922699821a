//! From a host and a path to a Worker.
//!
//! Order, as Cloudflare documents it: the most specific route, then an exact custom domain, then
//! `workers.dev`. A route without a Worker switches routes off for what it matches; the custom
//! domain below it still answers.

use crate::state::model::{Account, Cloud};
use crate::state::worker::Worker;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Where a request belongs, borrowed from the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) account_id: String,
    pub(crate) script: String,
    pub(crate) version: Option<String>,
}

/// All hostnames of one state, ready to be looked up.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    exact: HashMap<String, Vec<Entry>>,
    /// Longest host first.
    wildcard: Vec<(String, Entry)>,
    domains: HashMap<String, Destination>,
    /// From `<subdomain>.workers.dev` to the account's id.
    dev: HashMap<String, String>,
    /// From account and a Worker's name in lower case to a name with capitals.
    capitals: HashMap<(String, String), String>,
}

#[derive(Clone, Debug)]
struct Entry {
    pattern: Pattern,
    account_id: String,
    script: Option<String>,
}

/// A parsed route pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// True for `*example.com` and `*.example.com`.
    pub(crate) any_prefix: bool,
    /// In lower case, without the `*`.
    pub(crate) host: String,
    path: String,
    any_suffix: bool,
}

impl Pattern {
    /// Reads a pattern; `Err` says what Cloudflare would not take.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (any_prefix, host) = match host.strip_prefix('*') {
            Some(host) => (true, host),
            None => (false, host),
        };
        let (path, any_suffix) = match path.strip_suffix('*') {
            Some(path) => (path, true),
            None => (path, false),
        };
        if host.contains('*') || path.contains('*') {
            return Err(
                "a wildcard may only stand at the start of the host and the end of the path",
            );
        }
        if path.contains('?') {
            return Err("a pattern must not have a query string");
        }
        let host = host.to_ascii_lowercase();
        Ok(Self { any_prefix, host, path: path.to_owned(), any_suffix })
    }

    /// The name that decides which zone the pattern belongs to.
    pub(crate) fn zone_host(&self) -> &str {
        self.host.trim_start_matches('.')
    }

    fn path_matches(&self, path: &str) -> bool {
        if self.any_suffix { path.starts_with(&self.path) } else { path == self.path }
    }
}

impl RouteTable {
    pub(crate) fn build(cloud: &Cloud) -> Self {
        let mut table = Self::default();
        for zone in cloud.zones.values().filter(|zone| !zone.paused) {
            for route in &zone.routes {
                let Ok(pattern) = Pattern::parse(&route.pattern) else { continue };
                let (account_id, script) = (zone.account_id.clone(), route.script.clone());
                table.add_route(Entry { pattern, account_id, script });
            }
        }
        let specific = |entry: &Entry| (entry.pattern.path.len(), !entry.pattern.any_suffix);
        table
            .exact
            .values_mut()
            .for_each(|list| list.sort_by_key(|e| std::cmp::Reverse(specific(e))));
        table.wildcard.sort_by_key(|(host, e)| std::cmp::Reverse((host.len(), specific(e))));
        for account in cloud.accounts.values() {
            table.add_account(account, cloud);
        }
        table
    }

    fn add_route(&mut self, entry: Entry) {
        let host = entry.pattern.host.clone();
        if entry.pattern.any_prefix {
            self.wildcard.push((host, entry));
        } else {
            self.exact.entry(host).or_default().push(entry);
        }
    }

    fn add_account(&mut self, account: &Arc<Account>, cloud: &Cloud) {
        let paused = |id: &str| cloud.zones.get(id).is_some_and(|zone| zone.paused);
        for domain in account.domains.values().filter(|domain| domain.enabled) {
            if paused(&domain.zone_id) {
                continue;
            }
            let to = destination(account, &domain.service, None);
            self.domains.insert(domain.hostname.to_ascii_lowercase(), to);
        }
        let suffix = format!("{}.workers.dev", account.profile.subdomain);
        self.dev.insert(suffix, account.id().to_owned());
        // Names may hold capitals, hostnames may not.
        for name in account.workers.keys().filter(|name| has_capitals(name)) {
            let key = (account.id().to_owned(), name.to_ascii_lowercase());
            self.capitals.insert(key, name.clone());
        }
    }

    /// Whether both lead to the same table. Nothing is compared in depth: what was not written is
    /// the very same value.
    pub(crate) fn is_same(old: &Cloud, new: &Cloud) -> bool {
        let mut accounts = old.accounts.values().zip(new.accounts.values());
        same(&old.zones, &new.zones)
            && old.accounts.len() == new.accounts.len()
            && accounts.all(|(old, new)| {
                Arc::ptr_eq(old, new)
                    || (Arc::ptr_eq(&old.profile, &new.profile)
                        && same(&old.domains, &new.domains)
                        && same_capitals(&old.workers, &new.workers))
            })
    }

    /// `host` as [`plain_host`] returns it; `path` without the query. `cloud` is the one that the
    /// table was built from, or the same to [`RouteTable::is_same`].
    pub(crate) fn find(&self, cloud: &Cloud, host: &str, path: &str) -> Option<Destination> {
        self.by_route(host, path)
            .or_else(|| self.domains.get(host).cloned())
            .or_else(|| self.by_workers_dev(cloud, host))
    }

    fn by_route(&self, host: &str, path: &str) -> Option<Destination> {
        let exact = self.exact.get(host).into_iter().flatten();
        let wildcard = self.wildcard.iter().filter(|(suffix, _)| host.ends_with(suffix.as_str()));
        let hit = exact
            .chain(wildcard.map(|(_, entry)| entry))
            .find(|entry| entry.pattern.path_matches(path))?;
        let script = hit.script.clone()?;
        Some(Destination { account_id: hit.account_id.clone(), script, version: None })
    }

    fn by_workers_dev(&self, cloud: &Cloud, host: &str) -> Option<Destination> {
        let (label, suffix) = host.split_once('.')?;
        let account = cloud.accounts.get(self.dev.get(suffix)?)?;
        if let Some(worker) = self.worker_of_label(account, label) {
            return worker.subdomain.enabled.then(|| destination(account, &worker.name, None));
        }
        label.match_indices('-').find_map(|(at, _)| {
            let worker = self.worker_of_label(account, &label[at + 1..])?;
            preview(account, worker, &label[..at])
        })
    }

    fn worker_of_label<'a>(&self, account: &'a Account, label: &str) -> Option<&'a Arc<Worker>> {
        account.workers.get(label).or_else(|| {
            if self.capitals.is_empty() {
                return None;
            }
            let key = (account.id().to_owned(), label.to_owned());
            account.workers.get(self.capitals.get(&key)?)
        })
    }
}

fn has_capitals(name: &str) -> bool {
    name.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn same<T>(old: &BTreeMap<String, Arc<T>>, new: &BTreeMap<String, Arc<T>>) -> bool {
    old.len() == new.len()
        && old.iter().zip(new).all(|((a, old), (b, new))| Arc::ptr_eq(old, new) && a == b)
}

fn same_capitals<T>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> bool {
    let names = |all: &BTreeMap<String, T>| {
        all.keys().filter(|name| has_capitals(name)).cloned().collect::<Vec<_>>()
    };
    names(old) == names(new)
}

/// A preview address begins with the first eight digits of the version's id, or with its alias.
fn preview(account: &Account, worker: &Worker, prefix: &str) -> Option<Destination> {
    if !worker.subdomain.previews_enabled {
        return None;
    }
    let version = worker.preview(prefix)?;
    Some(destination(account, &worker.name, Some(version.id.clone())))
}

fn destination(account: &Account, script: &str, version: Option<String>) -> Destination {
    Destination { account_id: account.id().to_owned(), script: script.to_owned(), version }
}

/// A `Host` header without port and `.localhost`, in lower case.
pub(crate) fn plain_host(header: &str) -> String {
    let host = match header.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => header,
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match host.strip_suffix(".localhost") {
        Some(host) => host.to_owned(),
        None => host,
    }
}

#[cfg(any(test, feature = "fuzzing"))]
#[path = "routing_fuzzing.rs"]
mod fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzzing::route_patterns;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{
        ids::Moment,
        model::Profile,
        worker::{Content, Deployment, NewVersion, Subdomain},
        zone::{Domain, Route, Zone},
    };

    fn worker(name: &str, version: &str) -> Worker {
        let mut worker = Worker::new(name, "t".into(), Moment::default());
        worker.subdomain = Subdomain { enabled: true, previews_enabled: true };
        worker.add_version(NewVersion {
            id: version.into(),
            now: Moment::default(),
            source: "api".into(),
            etag: String::new(),
            annotations: [("workers/alias".to_owned(), "staging".to_owned())].into(),
            content: Content::default(),
            handlers: clodo_workerd::Handlers::default(),
        });
        worker.deploy(Deployment {
            id: "d".into(),
            source: "api".into(),
            created_on: Moment::default(),
            annotations: [].into(),
            versions: vec![(version.into(), 100.0)],
        });
        worker
    }

    fn table() -> (RouteTable, Cloud) {
        let mut account = Account::new(Profile {
            id: "a".into(),
            name: "main".into(),
            created_on: Moment::default(),
            subdomain: "local".into(),
            settings: Default::default(),
        });
        for (name, version) in [("shop", "11111111-2222"), ("My_Shop-api", "33333333-4444")] {
            account.workers.insert(name.into(), Arc::new(worker(name, version)));
        }
        let domain = Domain {
            id: "d".into(),
            zone_id: "z".into(),
            zone_name: "acme.test".into(),
            hostname: "shop.acme.test".into(),
            service: "shop".into(),
            enabled: true,
            previews_enabled: false,
        };
        account.domains.insert(domain.hostname.clone(), Arc::new(domain));
        let route = |pattern: &str, script: Option<&str>| Route {
            id: pattern.into(),
            pattern: pattern.into(),
            script: script.map(str::to_owned),
        };
        let zone = Zone {
            id: "z".into(),
            name: "acme.test".into(),
            account_id: "a".into(),
            created_on: Moment::default(),
            paused: false,
            dns: Vec::new(),
            routes: vec![
                route("*.acme.test/*", Some("all")),
                route("shop.acme.test/api/*", Some("api")),
                route("shop.acme.test/api/v2/*", Some("v2")),
                route("shop.acme.test/plain/*", None),
                route("acme.test", Some("root")),
            ],
        };
        let mut cloud = Cloud::default();
        cloud.accounts.insert("a".into(), Arc::new(account));
        cloud.zones.insert("z".into(), Arc::new(zone));
        (RouteTable::build(&cloud), cloud)
    }

    #[test]
    fn the_most_specific_route_wins_then_the_domain_then_workers_dev() {
        let (table, cloud) = table();
        for (host, path, expected) in [
            ("shop.acme.test", "/api/x", Some("api")),
            ("shop.acme.test", "/api/v2/x", Some("v2")),
            ("shop.acme.test", "/plain/x", Some("shop")),
            ("other.acme.test:8787", "/", Some("all")),
            ("OTHER.acme.test.localhost:8787", "/", Some("all")),
            ("acme.test", "/", Some("root")),
            ("acme.test", "/deeper", None),
            ("shop.local.workers.dev", "/", Some("shop")),
            ("my_shop-api.local.workers.dev.localhost", "/", Some("My_Shop-api")),
            ("11111111-shop.local.workers.dev", "/", Some("shop@11111111-2222")),
            ("staging-my_shop-api.local.workers.dev", "/", Some("My_Shop-api@33333333-4444")),
            ("99999999-shop.local.workers.dev", "/", None),
            ("shop.other.workers.dev", "/", None),
            ("127.0.0.1:8787", "/", None),
        ] {
            let found =
                table.find(&cloud, &plain_host(host), path).map(|found| match found.version {
                    Some(version) => format!("{}@{version}", found.script),
                    None => found.script,
                });
            assert_eq!(found.as_deref(), expected, "{host}{path}");
        }
    }

    #[test]
    fn no_worker_answers_at_the_hostnames_of_a_paused_zone() {
        let (_, mut cloud) = table();
        Arc::make_mut(cloud.zones.get_mut("z").unwrap()).paused = true;
        let table = RouteTable::build(&cloud);
        for host in ["shop.acme.test", "other.acme.test", "acme.test"] {
            assert_eq!(table.find(&cloud, host, "/"), None, "{host}");
        }
        assert!(table.find(&cloud, "shop.local.workers.dev", "/").is_some());
    }

    #[test]
    fn a_pattern_with_a_wildcard_in_the_middle_is_refused() {
        for bad in ["a.*.test/", "acme.test/*/x", "acme.test/x?y"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        let pattern = Pattern::parse("https://*.Acme.test/api/*").unwrap();
        assert_eq!((pattern.zone_host(), pattern.any_prefix), ("acme.test", true));
    }
}
