use super::error::PlanError;
use crate::{
    desired::{Desired, DesiredTarget},
    observed::{Observed, ObservedAccount},
    resource::ResourceRef,
    trigger::WorkerRef,
};
use clodo_types::{Finding, Hostname, Severity, TargetId};
use std::collections::{BTreeMap, BTreeSet};

/// Refuses what cannot be planned. With `only_look` it tells of what is gone instead.
pub(super) fn check(
    desired: &Desired,
    observed: &Observed,
    only_look: bool,
) -> Result<Vec<Finding>, PlanError> {
    let mut workers = BTreeMap::new();
    for target in &desired.targets {
        if let Some(first) = workers.insert(target.worker_ref(), &target.id) {
            return Err(PlanError::WorkerClaimedTwice {
                worker: target.worker.clone(),
                account: target.id.account.clone(),
                first: Box::new(first.clone()),
                second: Box::new(target.id.clone()),
            });
        }
    }
    claims(desired)?;
    receivers(desired)?;
    workflows(desired)?;
    migrations_agree(desired)?;
    let planned: BTreeSet<WorkerRef> = workers.into_keys().collect();
    let mut gone = Vec::new();
    for target in &desired.targets {
        let account = observed
            .accounts
            .get(&target.id.account)
            .ok_or_else(|| PlanError::UnknownAccount(target.id.account.clone()))?;
        zones(target, account)?;
        let bound = [resources(target, account), callees(target, account, &planned)];
        for error in bound.into_iter().filter_map(Result::err) {
            if !only_look {
                return Err(error);
            }
            gone.push(finding(&error));
        }
    }
    Ok(gone)
}

fn finding(error: &PlanError) -> Finding {
    Finding {
        rule: "bound-gone".to_owned(),
        severity: Severity::Note,
        at: None,
        message: error.to_string(),
        hint: Some(error.hint().to_owned()),
    }
}

fn claims(desired: &Desired) -> Result<(), PlanError> {
    let mut owners: BTreeMap<&Hostname, &TargetId> = BTreeMap::new();
    for target in &desired.targets {
        for hostname in &target.domains {
            if let Some(first) = owners.insert(hostname, &target.id) {
                return Err(PlanError::DomainClaimedTwice {
                    hostname: hostname.clone(),
                    first: Box::new(first.clone()),
                    second: Box::new(target.id.clone()),
                });
            }
        }
    }
    Ok(())
}

/// A queue has one Worker at most that receives from it.
fn receivers(desired: &Desired) -> Result<(), PlanError> {
    let mut receivers = BTreeMap::new();
    for target in &desired.targets {
        for consumer in &target.consumers {
            let queue = (&target.id.account, &consumer.queue);
            if let Some(first) = receivers.insert(queue, &target.id) {
                return Err(PlanError::QueueClaimedTwice {
                    queue: consumer.queue.clone(),
                    first: Box::new(TargetId::clone(first)),
                    second: Box::new(target.id.clone()),
                });
            }
        }
    }
    Ok(())
}

/// A Workflow has one class.
fn workflows(desired: &Desired) -> Result<(), PlanError> {
    let mut holders = BTreeMap::new();
    for target in &desired.targets {
        for own in target.own_workflows() {
            let workflow = (&target.id.account, own.name.clone());
            if let Some(first) = holders.insert(workflow, &target.id) {
                return Err(PlanError::WorkflowClaimedTwice {
                    workflow: own.name,
                    first: Box::new(TargetId::clone(first)),
                    second: Box::new(target.id.clone()),
                });
            }
        }
    }
    Ok(())
}

fn migrations_agree(desired: &Desired) -> Result<(), PlanError> {
    let mut known = BTreeMap::new();
    for target in &desired.targets {
        for database in target.databases.iter().filter(|database| !database.migrations.is_empty()) {
            let key = (&target.id.account, &database.resource);
            let (first, migrations) = *known.entry(key).or_insert((target, &database.migrations));
            let same = migrations
                .iter()
                .map(|file| (&file.name, file.checksum))
                .eq(database.migrations.iter().map(|file| (&file.name, file.checksum)));
            if !same {
                return Err(PlanError::MigrationsDisagree {
                    database: super::migrations::name_of(&database.resource),
                    first: Box::new(first.id.clone()),
                    second: Box::new(target.id.clone()),
                });
            }
        }
    }
    Ok(())
}

fn zones(target: &DesiredTarget, account: &ObservedAccount) -> Result<(), PlanError> {
    for hostname in &target.domains {
        if !account.zones.iter().any(|zone| hostname.is_within(zone)) {
            return Err(PlanError::NoZone {
                hostname: hostname.clone(),
                target: Box::new(target.id.clone()),
                account: target.id.account.clone(),
                zones: account.zones.iter().cloned().collect(),
            });
        }
    }
    Ok(())
}

fn resources(target: &DesiredTarget, account: &ObservedAccount) -> Result<(), PlanError> {
    for database in &target.databases {
        if let ResourceRef::Id(id) = &database.resource
            && account.database_by_id(id).is_none()
        {
            return Err(PlanError::NoDatabase {
                id: id.clone(),
                target: Box::new(target.id.clone()),
                account: target.id.account.clone(),
            });
        }
    }
    for namespace in &target.namespaces {
        if let ResourceRef::Id(id) = &namespace.resource
            && !account.namespaces.values().any(|known| known == id)
        {
            return Err(PlanError::NoNamespace {
                id: id.clone(),
                target: Box::new(target.id.clone()),
                account: target.id.account.clone(),
            });
        }
    }
    Ok(())
}

fn callees(
    target: &DesiredTarget,
    account: &ObservedAccount,
    planned: &BTreeSet<WorkerRef>,
) -> Result<(), PlanError> {
    for worker in target.bound_workers() {
        let callee = WorkerRef { account: target.id.account.clone(), worker: worker.clone() };
        if !planned.contains(&callee) && !account.workers.contains_key(worker) {
            return Err(PlanError::NoWorker {
                worker: worker.clone(),
                target: Box::new(target.id.clone()),
                account: target.id.account.clone(),
            });
        }
    }
    Ok(())
}
