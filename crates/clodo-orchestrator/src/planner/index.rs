use crate::{desired::Desired, observed::Observed};
use clodo_types::{AccountName, Hostname, WorkerName};
use std::collections::{BTreeMap, BTreeSet};

/// What is looked up again and again while a plan is made.
#[derive(Debug, Default)]
pub(super) struct Index<'a> {
    /// The target that claims a hostname.
    pub(super) claims: BTreeMap<(&'a AccountName, &'a Hostname), usize>,
    domains: BTreeMap<(&'a AccountName, &'a WorkerName), BTreeSet<&'a Hostname>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(desired: &'a Desired, observed: &'a Observed) -> Self {
        let mut index = Self::default();
        for (at, target) in desired.targets.iter().enumerate() {
            let own = target.domains.iter().map(|host| ((&target.id.account, host), at));
            index.claims.extend(own);
        }
        for (name, account) in &observed.accounts {
            for (host, worker) in &account.domains {
                index.domains.entry((name, worker)).or_default().insert(host);
            }
        }
        index
    }

    /// The hostnames that lead to a Worker.
    pub(super) fn domains_of(
        &self,
        account: &'a AccountName,
        worker: &'a WorkerName,
    ) -> BTreeSet<&'a Hostname> {
        self.domains.get(&(account, worker)).cloned().unwrap_or_default()
    }
}
