//! In which order tables are filled.

use super::layout::Table;
use std::collections::BTreeMap;

/// Puts tables that others refer to in front of those, and numbers the groups that refer to each
/// other in a circle; the tables of a group stand side by side. `references` are from, to.
pub(super) fn sort(tables: &mut Vec<Table>, references: &[(String, String)]) {
    // SQLite compares names without regard to the case of ASCII letters.
    let lower = |name: &str| name.to_ascii_lowercase();
    let places: BTreeMap<String, usize> =
        tables.iter().enumerate().map(|(at, table)| (lower(&table.name), at)).collect();
    let mut to = vec![Vec::new(); tables.len()];
    for (from, target) in references {
        if let (Some(from), Some(target)) = (places.get(&lower(from)), places.get(&lower(target))) {
            to[*from].push(*target);
        }
    }
    let groups = groups(&to);
    let mut all: Vec<Option<Table>> = std::mem::take(tables).into_iter().map(Some).collect();
    for (number, group) in groups.iter().enumerate() {
        let circular = group.len() > 1 || to[group[0]].contains(&group[0]);
        for at in group {
            if let Some(mut table) = all[*at].take() {
                table.cycle = circular.then_some(number);
                tables.push(table);
            }
        }
    }
}

/// Where a node stands in the walk.
#[derive(Clone, Copy, Default)]
struct Mark {
    index: Option<usize>,
    low: usize,
    open: bool,
}

/// Strongly connected groups, each after those that it leads to (Tarjan's, without recursion).
fn groups(to: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut marks = vec![Mark::default(); to.len()];
    let (mut next, mut open, mut found) = (0, Vec::new(), Vec::new());
    for root in 0..to.len() {
        if marks[root].index.is_some() {
            continue;
        }
        let mut walk = vec![(root, 0)];
        while let Some((at, edge)) = walk.pop() {
            if edge == 0 {
                marks[at] = Mark { index: Some(next), low: next, open: true };
                next += 1;
                open.push(at);
            }
            let Some(&target) = to[at].get(edge) else {
                close(at, &mut marks, &mut open, &mut found);
                if let Some((above, _)) = walk.last() {
                    marks[*above].low = marks[*above].low.min(marks[at].low);
                }
                continue;
            };
            walk.push((at, edge + 1));
            match marks[target] {
                Mark { index: None, .. } => walk.push((target, 0)),
                Mark { index: Some(index), open: true, .. } => {
                    marks[at].low = marks[at].low.min(index);
                }
                _ => {}
            }
        }
    }
    found
}

fn close(at: usize, marks: &mut [Mark], open: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
    if marks[at].index != Some(marks[at].low) {
        return;
    }
    let begin = open.iter().rposition(|node| *node == at).unwrap_or_default();
    let mut group = open.split_off(begin);
    for node in &group {
        marks[*node].open = false;
    }
    group.sort_unstable();
    found.push(group);
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn what_is_referred_to_comes_first_and_circles_stay_together() {
        // 0 -> 1 -> 2 -> 1, 3 -> 0, 4 -> 4
        let found = groups(&[vec![1], vec![2], vec![1], vec![0], vec![4]]);
        assert_eq!(found, [vec![1, 2], vec![0], vec![3], vec![4]]);
        assert_eq!(groups(&[]), Vec::<Vec<usize>>::new());
        let chain: Vec<Vec<usize>> =
            (0..100_000).map(|at| if at == 99_999 { vec![] } else { vec![at + 1] }).collect();
        assert_eq!(groups(&chain)[0], [99_999]);
    }
}
