//! Whose turn it is: a queue that is fair between clients.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

/// Who waits: what the program calls itself, then which of its connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiter {
    pub(crate) agent: Arc<str>,
    pub(crate) connection: u64,
}

/// Those who wait. Programs take turns, so do the connections of one program, and on one
/// connection the first comes first. A program that asks a thousand things at once does not push
/// back the one thing that another asks.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    agents: Ring<Arc<str>, Ring<u64, Line<T>>>,
    length: usize,
}

trait Queue: Default {
    type Item;
    fn next(&mut self) -> Option<Self::Item>;
    fn is_empty(&self) -> bool;
}

type Line<T> = BTreeMap<u64, T>;

#[derive(Debug)]
struct Ring<K, Q> {
    count: u64,
    order: BTreeMap<u64, K>,
    queues: HashMap<K, (u64, Q)>,
}

impl<T> Turns<T> {
    pub(crate) fn new() -> Self {
        Self { agents: Ring::default(), length: 0 }
    }

    /// Lines up; a smaller ticket comes before the larger ones of its own connection.
    pub(crate) fn push(&mut self, waiter: &Waiter, ticket: u64, item: T) {
        let line = self.agents.of(&waiter.agent).of(&waiter.connection);
        if line.insert(ticket, item).is_none() {
            self.length += 1;
        }
    }

    /// Takes out whoever's turn it is.
    pub(crate) fn next(&mut self) -> Option<T> {
        let next = self.agents.next();
        self.length -= usize::from(next.is_some());
        next
    }

    /// Takes out one that gave up.
    pub(crate) fn remove(&mut self, waiter: &Waiter, ticket: u64) -> Option<T> {
        let of_ring = |ring: &mut Ring<u64, Line<T>>| {
            ring.act_on(&waiter.connection, |line| line.remove(&ticket))
        };
        let removed = self.agents.act_on(&waiter.agent, of_ring).flatten().flatten();
        self.length -= usize::from(removed.is_some());
        removed
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }
}

impl<K: Clone + Eq + Hash, Q: Queue> Ring<K, Q> {
    fn of(&mut self, key: &K) -> &mut Q {
        let (count, order) = (&mut self.count, &mut self.order);
        let (_, queue) = self.queues.entry(key.clone()).or_insert_with(|| {
            *count += 1;
            order.insert(*count, key.clone());
            (*count, Q::default())
        });
        queue
    }

    /// Changes one queue; an empty one is forgotten.
    fn act_on<R>(&mut self, key: &K, act: impl FnOnce(&mut Q) -> R) -> Option<R> {
        let (turn, queue) = self.queues.get_mut(key)?;
        let (turn, done) = (*turn, act(queue));
        if queue.is_empty() {
            self.queues.remove(key);
            self.order.remove(&turn);
        }
        Some(done)
    }
}

impl<K: Clone + Eq + Hash, Q: Queue> Queue for Ring<K, Q> {
    type Item = Q::Item;

    fn next(&mut self) -> Option<Q::Item> {
        let (_, key) = self.order.pop_first()?;
        let (turn, queue) = self.queues.get_mut(&key)?;
        let item = queue.next();
        if queue.is_empty() {
            self.queues.remove(&key);
        } else {
            self.count += 1;
            *turn = self.count;
            self.order.insert(self.count, key);
        }
        item
    }

    fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }
}

impl<T> Queue for Line<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.pop_first().map(|(_, item)| item)
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<K, Q> Default for Ring<K, Q> {
    fn default() -> Self {
        Self { count: 0, order: BTreeMap::new(), queues: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waiter(agent: &str, connection: u64) -> Waiter {
        Waiter { agent: agent.into(), connection }
    }

    fn all(turns: &mut Turns<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| turns.next()).collect()
    }

    #[test]
    fn programs_take_turns_and_so_do_their_connections() {
        let mut turns = Turns::new();
        for ticket in 0..4 {
            turns.push(
                &waiter("greedy", ticket % 2),
                ticket,
                ["g0", "g1", "g2", "g3"][ticket as usize],
            );
        }
        turns.push(&waiter("modest", 9), 4, "m0");
        turns.push(&waiter("modest", 9), 5, "m1");
        assert_eq!(turns.len(), 6);
        assert_eq!(all(&mut turns), ["g0", "m0", "g1", "m1", "g2", "g3"]);
        assert_eq!(turns.len(), 0);
    }

    #[test]
    fn an_earlier_ticket_comes_first_even_when_it_comes_back_later() {
        let mut turns = Turns::new();
        turns.push(&waiter("a", 1), 7, "late");
        turns.push(&waiter("a", 1), 3, "again");
        assert_eq!(all(&mut turns), ["again", "late"]);
    }

    proptest! {
        /// Nobody is lost, nobody is served twice, and nothing is left behind.
        #[test]
        fn everybody_is_served_once_or_gave_up(
            steps in prop::collection::vec((0_u8..3, 0_u8..4, 0_u64..4), 1..200),
        ) {
            let mut turns = Turns::new();
            let mut waiting: BTreeMap<u64, Waiter> = BTreeMap::new();
            for (ticket, (what, agent, connection)) in steps.into_iter().enumerate() {
                let ticket = ticket as u64;
                let who = waiter(&agent.to_string(), connection);
                match what {
                    0 | 1 => {
                        turns.push(&who, ticket, ticket);
                        waiting.insert(ticket, who);
                    }
                    _ if agent == 0 => {
                        if let Some((gone, who)) = waiting.pop_first() {
                            prop_assert_eq!(turns.remove(&who, gone), Some(gone));
                            prop_assert_eq!(turns.remove(&who, gone), None);
                        }
                    }
                    _ => match turns.next() {
                        Some(served) => prop_assert!(waiting.remove(&served).is_some()),
                        None => prop_assert!(waiting.is_empty()),
                    },
                }
                prop_assert_eq!(turns.len(), waiting.len());
            }
            while let Some(served) = turns.next() {
                prop_assert!(waiting.remove(&served).is_some());
            }
            prop_assert!(waiting.is_empty());
            prop_assert!(turns.agents.queues.is_empty() && turns.agents.order.is_empty());
        }
    }
}
