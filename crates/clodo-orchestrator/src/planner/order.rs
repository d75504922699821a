use super::{cycle::Cycles, error::PlanError};
use crate::{desired::Desired, observed::Observed};
use std::collections::{BTreeMap, BTreeSet};

/// Which targets wait for which; targets are numbered as in the desired state.
#[derive(Debug)]
pub(super) struct Order {
    /// All targets, each after those that it waits for.
    pub(super) sequence: Vec<usize>,
    waits_for: Vec<BTreeSet<usize>>,
    binds: Vec<BTreeSet<usize>>,
    stubs: BTreeSet<usize>,
    late: Vec<BTreeSet<usize>>,
}

impl Order {
    /// The targets whose new version must answer before this one gets traffic.
    pub(super) fn waits_for(&self, target: usize) -> &BTreeSet<usize> {
        &self.waits_for[target]
    }

    /// The targets that this one is bound to. They must exist, as a stub at least, before a version
    /// that is bound to them is uploaded; also those that it does not wait for, to break a cycle.
    pub(super) fn binds(&self, target: usize) -> &BTreeSet<usize> {
        &self.binds[target]
    }

    /// The targets that this one calls, and that come after it nevertheless: until they serve, only
    /// their stubs answer.
    pub(super) fn late(&self, target: usize) -> &BTreeSet<usize> {
        &self.late[target]
    }

    /// The targets whose Workers are first made without code of their own.
    pub(super) fn stubs(&self) -> impl Iterator<Item = usize> {
        self.stubs.iter().copied()
    }

    /// Whether the target's Worker is first made without code of its own, since Workers that call
    /// each other cannot all come first.
    pub(super) fn needs_stub(&self, target: usize) -> bool {
        self.stubs.contains(&target)
    }
}

/// What one target has to do with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// No binding, but one sends to a queue from which the other receives: who receives should know
    /// what is sent, and either may go first.
    Loose,
    /// A binding to a Worker that exists: its old version answers meanwhile, so either may go first.
    Live,
    /// A service binding to a Worker that does not exist yet: a stub of it may come first.
    Stub,
    /// Nothing may be put in the way: `depends_on`, or a class of Durable Objects that only the
    /// other's code brings.
    Firm,
}

pub(super) fn order(desired: &Desired, observed: &Observed) -> Result<Order, PlanError> {
    let (mut waits_for, links) = edges(desired, observed);
    let binds = waits_for
        .iter()
        .enumerate()
        .map(|(from, waits)| {
            let is_bound =
                |to: &&usize| links.get(&(from, **to)).is_some_and(|link| *link != Link::Loose);
            let bound = waits.iter().filter(is_bound);
            bound.copied().collect()
        })
        .collect();
    let (mut stubs, mut late) = (BTreeSet::new(), vec![BTreeSet::new(); waits_for.len()]);
    loop {
        let sequence = sort(&waits_for);
        if sequence.len() == waits_for.len() {
            return Ok(Order { sequence, waits_for, binds, stubs, late });
        }
        // One link of each cycle goes; a cycle may lie within another, so look again.
        let cycles: Vec<Vec<usize>> = Cycles::of(&waits_for, &sequence).collect();
        for cycle in cycles {
            let (from, to, link) = weakest(&cycle, &links).ok_or_else(|| named(desired, &cycle))?;
            waits_for[from].remove(&to);
            if link == Link::Stub {
                stubs.insert(to);
                late[from].insert(to);
            }
        }
    }
}

/// The link of a cycle that may best be given up.
fn weakest(cycle: &[usize], links: &Links) -> Option<(usize, usize, Link)> {
    let pairs = cycle.iter().zip(cycle.iter().cycle().skip(1)).map(|(from, to)| (*from, *to));
    let links = pairs.map(|(from, to)| (from, to, links.get(&(from, to)).copied()));
    let found = links.filter_map(|(from, to, link)| Some((from, to, link?))).collect::<Vec<_>>();
    let of = |wanted: Link| found.iter().find(|(_, _, link)| *link == wanted).copied();
    of(Link::Loose).or_else(|| of(Link::Live)).or_else(|| of(Link::Stub))
}

/// What each binding is to the target that has it.
type Links = BTreeMap<(usize, usize), Link>;

/// All edges, and what those that stand for bindings are.
fn edges(desired: &Desired, observed: &Observed) -> (Vec<BTreeSet<usize>>, Links) {
    let by_id: BTreeMap<_, _> =
        desired.targets.iter().enumerate().map(|(at, target)| (&target.id, at)).collect();
    let by_worker: BTreeMap<_, _> = desired
        .targets
        .iter()
        .enumerate()
        .map(|(at, target)| ((&target.id.account, &target.worker), at))
        .collect();
    let receivers: BTreeMap<_, _> = desired
        .targets
        .iter()
        .enumerate()
        .flat_map(|(at, target)| {
            let queues = target.consumers.iter();
            queues.map(move |one| ((&target.id.account, &one.queue), at))
        })
        .collect();
    let mut links = Links::new();
    let mut waits_for = Vec::with_capacity(desired.targets.len());
    for (at, target) in desired.targets.iter().enumerate() {
        let mut waits: BTreeSet<usize> = BTreeSet::new();
        let account = observed.accounts.get(&target.id.account);
        for worker in target.bound_workers() {
            let Some(to) = by_worker.get(&(&target.id.account, worker)) else { continue };
            waits.insert(*to);
            let lives = account.is_some_and(|account| account.workers.contains_key(worker));
            let link = match (lives, target.needs_class_of(worker)) {
                (true, _) => Link::Live,
                (false, true) => Link::Firm,
                (false, false) => Link::Stub,
            };
            links.insert((at, *to), link);
        }
        for queue in target.sends_to() {
            let receiver = receivers.get(&(&target.id.account, queue));
            if let Some(to) = receiver.filter(|to| **to != at) {
                waits.insert(*to);
                links.entry((at, *to)).or_insert(Link::Loose);
            }
        }
        // What is not part of this deployment is as ready as it will be.
        for to in target.depends_on.iter().filter_map(|id| by_id.get(id)) {
            waits.insert(*to);
            if let Some(link) = links.get_mut(&(at, *to)) {
                *link = Link::Firm;
            }
        }
        waits_for.push(waits);
    }
    (waits_for, links)
}

/// As many targets as can be put in order, those that could begin together side by side.
fn sort(waits_for: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut open: Vec<usize> = waits_for.iter().map(BTreeSet::len).collect();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); waits_for.len()];
    for (at, waits) in waits_for.iter().enumerate() {
        for to in waits {
            waiting[*to].push(at);
        }
    }
    let mut sequence = Vec::with_capacity(waits_for.len());
    let mut free: Vec<usize> = (0..open.len()).filter(|at| open[*at] == 0).collect();
    while !free.is_empty() {
        let mut next = Vec::new();
        for at in free {
            sequence.push(at);
            for waiter in &waiting[at] {
                open[*waiter] -= 1;
                if open[*waiter] == 0 {
                    next.push(*waiter);
                }
            }
        }
        next.sort_unstable();
        free = next;
    }
    sequence
}

fn named(desired: &Desired, cycle: &[usize]) -> PlanError {
    let closed = cycle.iter().chain(cycle.first());
    PlanError::Cycle(closed.map(|at| desired.targets[*at].id.clone()).collect())
}
