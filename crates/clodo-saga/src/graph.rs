use crate::step::StepId;
use std::collections::{BTreeMap, BTreeSet};

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

/// Which node waits for which; nodes are numbered.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    needs: Vec<BTreeSet<usize>>,
}

impl Graph {
    pub(crate) fn new(steps: &[(&StepId, &[StepId])]) -> Result<Self, GraphError> {
        let mut index = BTreeMap::new();
        for (at, (id, _)) in steps.iter().enumerate() {
            if index.insert(*id, at).is_some() {
                return Err(GraphError::Twice((*id).clone()));
            }
        }
        let number = |step: &StepId, needs: &StepId| {
            index
                .get(needs)
                .copied()
                .ok_or_else(|| GraphError::Unknown { step: step.clone(), needs: needs.clone() })
        };
        let needs = steps
            .iter()
            .map(|(id, needs)| needs.iter().map(|need| number(id, need)).collect())
            .collect::<Result<Vec<BTreeSet<usize>>, _>>()?;
        let graph = Self { needs };
        match graph.cycle() {
            None => Ok(graph),
            Some(cycle) => {
                Err(GraphError::Cycle(cycle.into_iter().map(|at| steps[at].0.clone()).collect()))
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.needs.len()
    }

    pub(crate) fn needs(&self, node: usize) -> &BTreeSet<usize> {
        &self.needs[node]
    }

    /// The same nodes with all edges turned around.
    pub(crate) fn reversed(&self) -> Self {
        let mut needs = vec![BTreeSet::new(); self.needs.len()];
        for (node, its) in self.needs.iter().enumerate() {
            for need in its {
                needs[*need].insert(node);
            }
        }
        Self { needs }
    }

    /// Some cycle, with its first node again at the end.
    fn cycle(&self) -> Option<Vec<usize>> {
        // Take away what waits for nothing until nothing changes; what is left waits for a cycle.
        let mut left: BTreeSet<usize> = (0..self.needs.len()).collect();
        loop {
            let free: Vec<usize> =
                left.iter().copied().filter(|n| self.needs[*n].is_disjoint(&left)).collect();
            if free.is_empty() {
                break;
            }
            for node in free {
                left.remove(&node);
            }
        }
        let mut path = vec![*left.first()?];
        loop {
            let last = *path.last()?;
            let next = *self.needs[last].intersection(&left).next()?;
            if let Some(begin) = path.iter().position(|node| *node == next) {
                path.push(next);
                return Some(path.split_off(begin));
            }
            path.push(next);
        }
    }
}

/// Hands out the nodes of a graph, each once all that it needs are finished.
#[derive(Debug)]
pub(crate) struct Schedule {
    graph: Graph,
    waiting: BTreeSet<usize>,
    open: BTreeSet<usize>,
}

impl Schedule {
    pub(crate) fn new(graph: Graph) -> Self {
        let all: BTreeSet<usize> = (0..graph.len()).collect();
        Self { graph, waiting: all.clone(), open: all }
    }

    /// The lowest-numbered node that may begin, now begun.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let ready = |node: &&usize| self.graph.needs(**node).is_disjoint(&self.open);
        let node = *self.waiting.iter().find(ready)?;
        self.waiting.remove(&node);
        Some(node)
    }

    pub(crate) fn finish(&mut self, node: usize) {
        self.waiting.remove(&node);
        self.open.remove(&node);
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
            Schedule::new(graph(&[("a", &["c"]), ("b", &[]), ("c", &["b"])]).unwrap());
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
        assert_eq!(reversed.needs(0), &BTreeSet::from([1, 2]));
        assert!(reversed.needs(1).is_empty());
    }
}
