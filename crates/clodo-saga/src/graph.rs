use crate::step::StepId;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// Steps that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Two steps have the same name.
    #[error("there are two steps `{0}`")]
    Twice(StepId),
    /// A step needs one that is not there.
    #[error("step `{step}` needs `{needs}`, which does not exist")]
    Unknown {
        /// The step.
        step: StepId,
        /// What it needs.
        needs: StepId,
    },
    /// Steps need each other.
    #[error("steps need each other: {}", show(.0))]
    Cycle(Vec<StepId>),
}

fn show(cycle: &[StepId]) -> String {
    let names: Vec<_> = cycle.iter().map(StepId::as_str).collect();
    names.join(" -> ")
}

/// Which node waits for which; nodes are numbered. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// What each node needs, in rising order.
    needs: Arc<[Vec<usize>]>,
    /// What needs each node, in rising order.
    dependents: Arc<[Vec<usize>]>,
}

impl Graph {
    pub(crate) fn new(steps: &[(&StepId, &[StepId])]) -> Result<Self, GraphError> {
        let mut index = HashMap::with_capacity(steps.len());
        for (at, (id, _)) in steps.iter().enumerate() {
            if index.insert(*id, at).is_some() {
                return Err(GraphError::Twice((*id).clone()));
            }
        }
        let number = |step: &StepId, needs: &StepId| {
            let unknown = || GraphError::Unknown { step: step.clone(), needs: needs.clone() };
            index.get(needs).copied().ok_or_else(unknown)
        };
        let mut all = Vec::with_capacity(steps.len());
        for (id, needs) in steps {
            let mut needs =
                needs.iter().map(|need| number(id, need)).collect::<Result<Vec<_>, _>>()?;
            needs.sort_unstable();
            needs.dedup();
            all.push(needs);
        }
        let graph = Self { dependents: turned(&all).into(), needs: all.into() };
        match graph.cycle() {
            None => Ok(graph),
            Some(cycle) => {
                Err(GraphError::Cycle(cycle.into_iter().map(|at| steps[at].0.clone()).collect()))
            }
        }
    }

    pub(crate) fn needs(&self, node: usize) -> &[usize] {
        &self.needs[node]
    }

    /// The same nodes with all edges turned around.
    pub(crate) fn reversed(&self) -> Self {
        Self { needs: Arc::clone(&self.dependents), dependents: Arc::clone(&self.needs) }
    }

    /// Some cycle, with its first node again at the end.
    fn cycle(&self) -> Option<Vec<usize>> {
        // What can never begin waits for a cycle, or is in one.
        let mut schedule = Schedule::new(self);
        while let Some(node) = schedule.next() {
            schedule.finish(node);
        }
        let stuck = |node: &usize| schedule.waits[*node] > 0;
        let mut path = vec![(0..self.needs.len()).find(stuck)?];
        let mut place = HashMap::from([(path[0], 0)]);
        loop {
            let last = *path.last()?;
            let next = *self.needs[last].iter().find(|need| stuck(need))?;
            path.push(next);
            if let Some(begin) = place.insert(next, path.len() - 1) {
                return Some(path.split_off(begin));
            }
        }
    }
}

fn turned(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); needs.len()];
    for (node, its) in needs.iter().enumerate() {
        for need in its {
            dependents[*need].push(node);
        }
    }
    dependents
}

/// Hands out the nodes of a graph, each once all that it needs are finished.
///
/// Each edge is looked at once, however many nodes there are.
#[derive(Debug)]
pub(crate) struct Schedule {
    graph: Graph,
    /// How many of its needs each node still waits for.
    waits: Vec<usize>,
    /// Nodes that may begin.
    ready: BTreeSet<usize>,
    places: Vec<Place>,
    #[cfg(test)]
    looks: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waiting,
    Begun,
    Finished,
}

impl Schedule {
    pub(crate) fn new(graph: &Graph) -> Self {
        let waits: Vec<usize> = graph.needs.iter().map(Vec::len).collect();
        let free = waits.iter().enumerate().filter(|(_, waits)| **waits == 0);
        Self {
            ready: free.map(|(node, _)| node).collect(),
            places: vec![Place::Waiting; waits.len()],
            waits,
            graph: graph.clone(),
            #[cfg(test)]
            looks: 0,
        }
    }

    /// The lowest-numbered node that may begin, now begun.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let node = self.ready.pop_first()?;
        self.places[node] = Place::Begun;
        Some(node)
    }

    /// Whether a node may begin now.
    pub(crate) fn has_next(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes a node for finished, also one that was never begun.
    pub(crate) fn finish(&mut self, node: usize) {
        if self.places[node] == Place::Finished {
            return;
        }
        self.places[node] = Place::Finished;
        self.ready.remove(&node);
        for dependent in &self.graph.dependents[node] {
            #[cfg(test)]
            {
                self.looks += 1;
            }
            self.waits[*dependent] -= 1;
            if self.waits[*dependent] == 0 && self.places[*dependent] == Place::Waiting {
                self.ready.insert(*dependent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Result<Graph, GraphError> {
        let steps: Vec<(StepId, Vec<StepId>)> = edges
            .iter()
            .map(|(id, needs)| {
                (StepId::new(*id), needs.iter().map(|need| StepId::new(*need)).collect())
            })
            .collect();
        let borrowed: Vec<_> = steps.iter().map(|(id, needs)| (id, needs.as_slice())).collect();
        Graph::new(&borrowed)
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let text = |edges| graph(edges).unwrap_err().to_string();
        assert_eq!(text(&[("a", &[]), ("a", &[])]), "there are two steps `a`");
        assert_eq!(text(&[("a", &["b"])]), "step `a` needs `b`, which does not exist");
        assert_eq!(
            text(&[("z", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["b"])]),
            "steps need each other: b -> c -> d -> b"
        );
        assert_eq!(text(&[("a", &["a"])]), "steps need each other: a -> a");
    }

    #[test]
    fn a_node_begins_when_all_it_needs_are_finished() {
        let mut schedule =
            Schedule::new(&graph(&[("a", &["c"]), ("b", &[]), ("c", &["b"])]).unwrap());
        assert_eq!(schedule.next(), Some(1));
        assert_eq!(schedule.next(), None);
        schedule.finish(1);
        assert_eq!(schedule.next(), Some(2));
        schedule.finish(2);
        assert_eq!(schedule.next(), Some(0));
    }

    #[test]
    fn reversing_turns_every_edge() {
        let reversed = graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"])]).unwrap().reversed();
        assert_eq!(reversed.needs(0), [1, 2]);
        assert!(reversed.needs(1).is_empty());
        assert_eq!(reversed.reversed().needs(1), [0]);
    }

    #[test]
    fn a_node_that_was_finished_before_is_never_handed_out() {
        let mut schedule =
            Schedule::new(&graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]).unwrap());
        schedule.finish(1);
        schedule.finish(1);
        assert_eq!(
            (schedule.next(), schedule.has_next()),
            (Some(0), true),
            "`c` waits for nothing"
        );
        schedule.finish(0);
        assert_eq!((schedule.next(), schedule.next()), (Some(2), None));
    }

    /// Rows of 20: each node needs all of the row before it.
    fn fleet(nodes: usize) -> Vec<(StepId, Vec<StepId>)> {
        let name = |node: usize| StepId::new(format!("step {node}"));
        let needs = |node: usize| {
            let row = node - node % 20;
            (row.saturating_sub(20)..row).map(name).collect()
        };
        (0..nodes).map(|node| (name(node), needs(node))).collect()
    }

    #[test]
    fn twenty_thousand_nodes_cost_one_look_at_each_edge() {
        let steps = fleet(20_000);
        let borrowed: Vec<_> = steps.iter().map(|(id, needs)| (id, needs.as_slice())).collect();
        let graph = Graph::new(&borrowed).unwrap();
        for graph in [graph.clone(), graph.reversed()] {
            let mut schedule = Schedule::new(&graph);
            let mut order = Vec::new();
            while let Some(node) = schedule.next() {
                order.push(node);
                schedule.finish(node);
            }
            assert_eq!(order.len(), 20_000);
            assert_eq!(schedule.looks, (20_000 - 20) * 20);
        }
    }

    #[test]
    fn a_cycle_among_twenty_thousand_nodes_is_found() {
        let mut steps = fleet(20_000);
        let last = steps[19_999].0.clone();
        steps[10_000].1.push(last);
        let borrowed: Vec<_> = steps.iter().map(|(id, needs)| (id, needs.as_slice())).collect();
        let Err(GraphError::Cycle(cycle)) = Graph::new(&borrowed) else { panic!("it is a cycle") };
        assert_eq!(cycle.first(), cycle.last());
        // One node of each row from 500 to 999, and the first again.
        assert_eq!(cycle.len(), 501);
    }
}
