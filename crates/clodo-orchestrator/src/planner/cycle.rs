use std::collections::BTreeSet;

/// Cycles among targets that could not be put in order, one of each knot.
#[derive(Debug)]
pub(super) struct Cycles<'a> {
    waits_for: &'a [BTreeSet<usize>],
    /// Where each target stands: 0 not seen, 1 on the path, 2 left behind.
    seen: Vec<u8>,
    next: usize,
}

impl<'a> Cycles<'a> {
    /// `sorted` are the targets that are in no cycle.
    pub(super) fn of(waits_for: &'a [BTreeSet<usize>], sorted: &[usize]) -> Self {
        let mut seen = vec![0; waits_for.len()];
        for at in sorted {
            seen[*at] = 2;
        }
        Self { waits_for, seen, next: 0 }
    }

    /// Walks from `start` until it meets its own path; each target waits for the next.
    fn walk(&mut self, start: usize) -> Option<Vec<usize>> {
        let mut path = vec![start];
        self.seen[start] = 1;
        while let Some(last) = path.last().copied() {
            // Targets in order are never waited for in vain, so they lead to no cycle.
            let mut waits = self.waits_for[last].iter().copied();
            let Some(next) = waits.find(|to| self.seen[*to] != 2) else {
                self.seen[last] = 2;
                path.pop();
                continue;
            };
            if self.seen[next] == 1 {
                let begin = path.iter().position(|at| *at == next).unwrap_or_default();
                for at in &path {
                    self.seen[*at] = 2;
                }
                return Some(path.split_off(begin));
            }
            self.seen[next] = 1;
            path.push(next);
        }
        None
    }
}

impl Iterator for Cycles<'_> {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        while self.next < self.seen.len() {
            let start = self.next;
            if self.seen[start] == 0
                && let Some(cycle) = self.walk(start)
            {
                return Some(cycle);
            }
            self.next += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(edges: &[&[usize]]) -> Vec<Vec<usize>> {
        let waits_for: Vec<BTreeSet<usize>> =
            edges.iter().map(|waits| waits.iter().copied().collect()).collect();
        Cycles::of(&waits_for, &[]).collect()
    }

    #[test]
    fn each_knot_gives_a_cycle() {
        assert_eq!(cycles(&[&[1], &[0], &[3], &[4], &[2]]), [vec![0, 1], vec![2, 3, 4]]);
        // What only leads into a cycle is not part of it.
        assert_eq!(cycles(&[&[1], &[2], &[1]]), [vec![1, 2]]);
        assert_eq!(cycles(&[&[0]]), [vec![0]]);
        assert!(cycles(&[&[1], &[2], &[]]).is_empty());
    }
}
