use super::{DriftFacts, DriftOptions, bindings, target};
use crate::{
    closer::{WITHOUT_RECORD, not_looked_at},
    desired::{Desired, DesiredTarget},
    history::History,
    observed::{AccountScope, ObservedAccount, ObservedWorker},
    trigger::WorkerRef,
};
use clodo_types::Finding;

/// Which Workers are to be read one by one.
#[derive(Debug, Default)]
pub(super) struct Looks {
    pub(super) inspect: Vec<WorkerRef>,
    pub(super) notes: Vec<Finding>,
}

/// Chooses what listings cannot vouch for: Workers that changed since their newest deployment, those
/// of which no record says when they changed last, as far as they are few, and those that are bound
/// to what is no longer there.
pub(super) fn choose(
    desired: &Desired,
    facts: &DriftFacts,
    history: &History,
    options: &DriftOptions,
) -> Looks {
    let mut looks = Looks::default();
    let mut unknown = Vec::new();
    let scope = desired.scope();
    for one in &desired.targets {
        let worker = one.worker_ref();
        let Some(account) = facts.observed.accounts.get(&worker.account) else { continue };
        let Some(live) = account.workers.get(&worker.worker) else { continue };
        if options.deep {
            looks.inspect.push(worker);
            continue;
        }
        if facts.unfinished.contains_key(&worker) {
            // What somebody is still at work on is compared by nobody.
            continue;
        }
        let listed = scope.accounts.get(&worker.account);
        let recorded = history.updated_on(&worker);
        let changed = recorded.is_some_and(|known| live.updated_on.as_deref() != Some(known));
        let lacks = |listed| lacks(one, &worker, live, facts, (account, listed));
        if changed || listed.is_some_and(lacks) {
            looks.inspect.push(worker);
        } else if recorded.is_none() {
            unknown.push(worker);
        }
    }
    if unknown.len() <= WITHOUT_RECORD {
        looks.inspect.append(&mut unknown);
    } else {
        looks.notes.push(not_looked_at(unknown.len()));
    }
    looks
}

/// Whether a listing lacks something that the Worker was bound to when it was deployed.
fn lacks(
    one: &DesiredTarget,
    worker: &WorkerRef,
    live: &ObservedWorker,
    facts: &DriftFacts,
    (account, listed): (&ObservedAccount, &AccountScope),
) -> bool {
    let last = facts.last.get(worker).filter(|last| !last.removed);
    let hashes = live.mark().hashes.or(last.and_then(|last| last.hashes));
    let config = hashes.and_then(|hashes| target::config(one, worker, hashes, facts));
    config.is_some_and(|config| bindings::lacks(&config, account, listed))
}
