use crate::shell::{Outcome, cargo, read};
use serde_json::Value;
use std::collections::BTreeMap;

type Floors = BTreeMap<String, u64>;

/// One crate uses another that does not stand strictly below it.
#[derive(Debug, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
}

/// Fails on a crate without a floor, and on every sideways or upward edge.
pub(crate) fn check() -> Outcome {
    let text = read(cargo().args(["metadata", "--format-version", "1", "--no-deps", "--quiet"]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let floors = floors(&metadata);
    let edges = edges(&metadata);
    let missing: Vec<&str> = names(&metadata).filter(|name| !floors.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(
            format!("no floor in [workspace.metadata.floors] for {}", missing.join(", ")).into()
        );
    }
    let wrong = wrong(&edges, &floors);
    if wrong.is_empty() {
        println!("floors: {} crates, {} edges, all of them downwards", floors.len(), edges.len());
        return Ok(());
    }
    let floor = |name: &str| floors.get(name).copied().unwrap_or_default();
    let lines: Vec<String> = wrong
        .iter()
        .map(|edge| {
            let (from, to) = (&edge.from, &edge.to);
            format!("{from} (floor {}) uses {to} (floor {})", floor(from), floor(to))
        })
        .collect();
    Err(format!("not strictly downwards:\n  {}", lines.join("\n  ")).into())
}

fn floors(metadata: &Value) -> Floors {
    let table = metadata["metadata"]["floors"].as_object();
    let rows = table.into_iter().flatten();
    rows.filter_map(|(name, floor)| Some((name.clone(), floor.as_u64()?))).collect()
}

fn names(metadata: &Value) -> impl Iterator<Item = &str> {
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|package| package["name"].as_str())
}

/// Every edge between members of the workspace, development dependencies included.
fn edges(metadata: &Value) -> Vec<Edge> {
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let (Some(from), Some(to)) = (package["name"].as_str(), dependency["name"].as_str())
            else {
                continue;
            };
            // A crate may name itself among its development dependencies to switch on a feature.
            if dependency["path"].is_string() && from != to {
                edges.push(Edge { from: from.to_owned(), to: to.to_owned() });
            }
        }
    }
    edges
}

fn wrong<'a>(edges: &'a [Edge], floors: &Floors) -> Vec<&'a Edge> {
    edges.iter().filter(|edge| floors.get(&edge.from) <= floors.get(&edge.to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(floors_of: Value, uses: (&str, &str)) -> usize {
        let metadata = json!({
            "metadata": { "floors": floors_of },
            "packages": [{
                "name": uses.0,
                "dependencies": [{ "name": uses.1, "path": "crates/x" }, { "name": "serde" }],
            }],
        });
        wrong(&edges(&metadata), &floors(&metadata)).len()
    }

    #[test]
    fn only_a_strictly_lower_floor_may_be_used() {
        assert_eq!(check(json!({ "a": 2, "b": 1 }), ("a", "b")), 0);
        assert_eq!(check(json!({ "a": 1, "b": 1 }), ("a", "b")), 1);
        assert_eq!(check(json!({ "a": 0, "b": 1 }), ("a", "b")), 1);
    }
}
