use super::error::PlanError;
use crate::{desired::Desired, observed::Observed};
use std::collections::{BTreeMap, BTreeSet};

/// Which targets wait for which; targets are numbered as in the desired state.
#[derive(Debug)]
pub(super) struct Order {
    /// All targets, each after those that it waits for.
    pub(super) sequence: Vec<usize>,
    waits_for: Vec<BTreeSet<usize>>,
}

impl Order {
    /// The targets whose new version must answer before this one gets traffic.
    pub(super) fn waits_for(&self, target: usize) -> &BTreeSet<usize> {
        &self.waits_for[target]
    }
}

pub(super) fn order(desired: &Desired, observed: &Observed) -> Result<Order, PlanError> {
    let (mut waits_for, soft) = edges(desired, observed);
    loop {
        let sequence = sort(&waits_for);
        if sequence.len() == waits_for.len() {
            return Ok(Order { sequence, waits_for });
        }
        let cycle = cycle(&waits_for, &sequence);
        // Workers that call each other and all exist keep answering each other with their old
        // versions meanwhile, so one of them may go first.
        let links = cycle.iter().zip(cycle.iter().cycle().skip(1));
        match links.map(|(from, to)| (*from, *to)).find(|link| soft.contains(link)) {
            Some((from, to)) => waits_for[from].remove(&to),
            None => return Err(named(desired, &cycle)),
        };
    }
}

type Edges = (Vec<BTreeSet<usize>>, BTreeSet<(usize, usize)>);

/// All edges, and those of them that may be dropped: a binding to a Worker that exists.
fn edges(desired: &Desired, observed: &Observed) -> Edges {
    let by_id: BTreeMap<_, _> =
        desired.targets.iter().enumerate().map(|(at, target)| (&target.id, at)).collect();
    let by_worker: BTreeMap<_, _> = desired
        .targets
        .iter()
        .enumerate()
        .map(|(at, target)| ((&target.id.account, &target.worker), at))
        .collect();
    let mut soft = BTreeSet::new();
    let mut waits_for = Vec::new();
    for (at, target) in desired.targets.iter().enumerate() {
        let mut waits: BTreeSet<usize> = BTreeSet::new();
        for worker in target.bound_workers() {
            let Some(to) = by_worker.get(&(&target.id.account, worker)) else { continue };
            waits.insert(*to);
            let account = observed.accounts.get(&target.id.account);
            if account.is_some_and(|account| account.workers.contains_key(worker)) {
                soft.insert((at, *to));
            }
        }
        // What is not part of this deployment is as ready as it will be.
        for to in target.depends_on.iter().filter_map(|id| by_id.get(id)) {
            waits.insert(*to);
            soft.remove(&(at, *to));
        }
        waits_for.push(waits);
    }
    (waits_for, soft)
}

/// As many targets as can be put in order.
fn sort(waits_for: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut sequence = Vec::new();
    let mut open: BTreeSet<usize> = (0..waits_for.len()).collect();
    loop {
        let free: Vec<usize> =
            open.iter().copied().filter(|at| waits_for[*at].is_disjoint(&open)).collect();
        if free.is_empty() {
            return sequence;
        }
        for at in free {
            open.remove(&at);
            sequence.push(at);
        }
    }
}

/// A cycle among the targets that could not be put in order; each waits for the next.
fn cycle(waits_for: &[BTreeSet<usize>], sequence: &[usize]) -> Vec<usize> {
    let open: BTreeSet<usize> = (0..waits_for.len()).filter(|at| !sequence.contains(at)).collect();
    let mut path: Vec<usize> = open.first().copied().into_iter().collect();
    while let Some(next) =
        path.last().and_then(|last| waits_for[*last].intersection(&open).next().copied())
    {
        if let Some(begin) = path.iter().position(|at| *at == next) {
            return path.split_off(begin);
        }
        path.push(next);
    }
    path
}

fn named(desired: &Desired, cycle: &[usize]) -> PlanError {
    let closed = cycle.iter().chain(cycle.first());
    PlanError::Cycle(closed.map(|at| desired.targets[*at].id.clone()).collect())
}
