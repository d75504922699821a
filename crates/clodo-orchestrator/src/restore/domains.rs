use super::Restore;
use crate::{
    change::{Before, Change},
    plan::{Action, Fate, PlannedStep},
    planner::change_id,
    record::RecordedTarget,
    trigger::WorkerRef,
};
use clodo_saga::StepId;
use clodo_types::{Hostname, WorkerName};
use std::collections::{BTreeMap, BTreeSet};

/// Which domains each Worker should have, for Workers whose domains change.
pub(super) type Domains = BTreeMap<WorkerRef, BTreeSet<Hostname>>;

impl Restore<'_> {
    pub(super) fn domains(&self, targets: &[&RecordedTarget]) -> Domains {
        let mut owners: BTreeMap<(&WorkerRef, Hostname), Option<WorkerName>> = BTreeMap::new();
        let mut touched: BTreeSet<WorkerRef> = BTreeSet::new();
        for target in targets.iter().filter(|target| target.fate != Fate::Create) {
            let worker = &target.worker;
            let Some(Before::Domains(map)) = self.before("domains", worker) else { continue };
            touched.insert(worker.clone());
            for host in map.into_keys() {
                let owner = self.of.owner(&worker.account, &host);
                let owner_ref = |owner: &WorkerName| WorkerRef {
                    account: worker.account.clone(),
                    worker: owner.clone(),
                };
                touched.extend(owner.as_ref().map(owner_ref));
                owners.insert((worker, host), owner);
            }
        }
        let domains_of = |worker: &WorkerRef| {
            let account = self.observed.accounts.get(&worker.account);
            let now = account.map(|account| account.domains_of(&worker.worker)).unwrap_or_default();
            let moved = |host: &Hostname| owners.keys().any(|(_, moved)| moved == host);
            let mut domains: BTreeSet<Hostname> =
                now.into_iter().filter(|host| !moved(host)).collect();
            let own = owners.iter().filter(|((by, _), owner)| {
                by.account == worker.account && owner.as_ref() == Some(&worker.worker)
            });
            domains.extend(own.map(|((_, host), _)| host.clone()));
            domains
        };
        touched.into_iter().map(|worker| (worker.clone(), domains_of(&worker))).collect()
    }

    /// The steps by which other Workers get domains back that this one has: they go first, so that
    /// no domain leads nowhere in between. Two that swap domains cannot both go first.
    pub(super) fn takers(&self, worker: &WorkerRef, domains: &Domains) -> Vec<StepId> {
        let gets_from = |taker: &WorkerRef, giver: &WorkerRef| {
            let account = self.observed.accounts.get(&giver.account);
            let now = account.map(|account| account.domains_of(&giver.worker)).unwrap_or_default();
            taker != giver && domains.get(taker).is_some_and(|to| !to.is_disjoint(&now))
        };
        let takers =
            domains.keys().filter(|taker| gets_from(taker, worker) && !gets_from(worker, taker));
        let step = |taker: &WorkerRef| {
            change_id(&Change::SetDomains { worker: taker.clone(), to: BTreeSet::new() })
        };
        takers.map(step).collect()
    }

    /// Domains that the deployment had taken from Workers that it did not change otherwise.
    pub(super) fn give_back(&mut self, domains: &Domains) {
        for (worker, to) in domains {
            let change = Change::SetDomains { worker: worker.clone(), to: to.clone() };
            let id = change_id(&change);
            let account = self.observed.accounts.get(&worker.account);
            let is_back = account.is_some_and(|now| now.domains_of(&worker.worker) == *to);
            if !is_back && self.plan.step(&id).is_none() {
                self.plan.steps.push(PlannedStep {
                    id,
                    target: None,
                    action: Action::Change(change),
                    needs: Vec::new(),
                    summary: format!("give {} its domains back", worker.worker),
                    details: to.iter().map(|host| format!("= {host}")).collect(),
                });
            }
        }
    }
}
