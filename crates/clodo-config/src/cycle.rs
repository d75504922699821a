use clodo_types::ServiceName;
use std::collections::{BTreeMap, BTreeSet};

/// One way round in a graph of dependencies, with its start repeated at the end (`a, b, a`); none
/// when services can go one after the other. The same graph gives the same answer every time.
///
/// Edges to services that are no key of the graph lead nowhere.
#[must_use]
pub fn find_cycle(
    edges: &BTreeMap<ServiceName, BTreeSet<ServiceName>>,
) -> Option<Vec<ServiceName>> {
    let mut done: BTreeSet<&ServiceName> = BTreeSet::new();
    for start in edges.keys().filter(|name| !edges[*name].is_empty()) {
        if done.contains(start) {
            continue;
        }
        // A stack of our own: a chain may be longer than the thread's stack is deep.
        let mut path = vec![(start, edges[start].iter())];
        let mut on_path = BTreeMap::from([(start, 0)]);
        while let Some((_, next)) = path.last_mut() {
            let Some(name) = next.next() else {
                if let Some((finished, _)) = path.pop() {
                    on_path.remove(finished);
                    done.insert(finished);
                }
                continue;
            };
            if let Some(at) = on_path.get(name) {
                let names = path[*at..].iter().map(|(name, _)| *name).chain([name]);
                return Some(names.cloned().collect());
            }
            if let Some((name, more)) = edges.get_key_value(name)
                && !done.contains(name)
            {
                on_path.insert(name, path.len());
                path.push((name, more.iter()));
            }
        }
    }
    None
}

/// `a -> b -> a`; the middle of a long one is left out.
pub(crate) fn shown(cycle: &[ServiceName]) -> String {
    let mut names: Vec<&str> = cycle.iter().map(ServiceName::as_str).collect();
    if names.len() > 12 {
        names.splice(6..names.len() - 5, ["…"]);
    }
    names.join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, proptest};

    fn graph(edges: &[(&str, &str)]) -> BTreeMap<ServiceName, BTreeSet<ServiceName>> {
        let mut graph: BTreeMap<ServiceName, BTreeSet<ServiceName>> = BTreeMap::new();
        for (from, to) in edges {
            graph.entry(to.parse().unwrap()).or_default();
            graph.entry(from.parse().unwrap()).or_default().insert(to.parse().unwrap());
        }
        graph
    }

    #[test]
    fn a_cycle_is_named_from_its_first_service_on() {
        for (edges, expected) in [
            (&[("a", "b"), ("b", "c")][..], None),
            (&[("a", "b"), ("b", "a")], Some("a -> b -> a")),
            (&[("a", "a")], Some("a -> a")),
            (&[("x", "b"), ("b", "c"), ("c", "b")], Some("b -> c -> b")),
            (&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")], None),
        ] {
            let found = find_cycle(&graph(edges)).map(|cycle| shown(&cycle));
            assert_eq!(found.as_deref(), expected, "{edges:?}");
        }
    }

    #[test]
    fn a_long_chain_does_not_exhaust_the_stack() {
        let names: Vec<String> = (0..3_000).map(|n| format!("s{n:05}")).collect();
        let edges: Vec<_> = names.windows(2).map(|w| (w[0].as_str(), w[1].as_str())).collect();
        assert_eq!(find_cycle(&graph(&edges)), None);
    }

    proptest! {
        #[test]
        fn what_is_found_really_is_a_cycle(pairs in prop::collection::vec((0_u8..6, 0_u8..6), 0..12)) {
            let names: Vec<_> = pairs.iter().map(|(a, b)| (format!("n{a}"), format!("n{b}"))).collect();
            let edges: Vec<_> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let graph = graph(&edges);
            match find_cycle(&graph) {
                Some(cycle) => {
                    assert_eq!(cycle.first(), cycle.last());
                    assert!(cycle.windows(2).all(|w| graph[&w[0]].contains(&w[1])));
                }
                // An order exists: take away services that need nothing until none is left.
                None => {
                    let mut left = graph;
                    while !left.is_empty() {
                        let before = left.len();
                        let free: Vec<_> = left.iter().filter(|(_, to)| to.is_empty()).map(|(n, _)| n.clone()).collect();
                        left.retain(|name, _| !free.contains(name));
                        left.values_mut().for_each(|to| to.retain(|name| !free.contains(name)));
                        assert!(left.len() < before, "{left:?}");
                    }
                }
            }
        }
    }
}
