use crate::plan::PlannedStep;
use std::collections::{BTreeSet, HashMap};

/// Puts each step after those that it needs, and leaves the order as it is otherwise.
pub(crate) fn arrange(steps: Vec<PlannedStep>) -> Vec<PlannedStep> {
    let places: HashMap<_, _> = steps.iter().enumerate().map(|(at, step)| (&step.id, at)).collect();
    let needs: Vec<BTreeSet<usize>> = steps
        .iter()
        .map(|step| step.needs.iter().filter_map(|need| places.get(need).copied()).collect())
        .collect();
    let in_order =
        needs.iter().enumerate().all(|(at, its)| its.last().is_none_or(|last| *last < at));
    if in_order {
        return steps;
    }
    let mut open: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (at, its) in needs.iter().enumerate() {
        for need in its {
            waiting[*need].push(at);
        }
    }
    let mut free: BTreeSet<usize> = (0..steps.len()).filter(|at| open[*at] == 0).collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(at) = free.pop_first() {
        order.push(at);
        for waiter in &waiting[at] {
            open[*waiter] -= 1;
            if open[*waiter] == 0 {
                free.insert(*waiter);
            }
        }
    }
    // Without an end of all waiting there is a cycle, which running refuses by name.
    order.extend((0..steps.len()).filter(|at| open[*at] > 0));
    let mut steps: Vec<Option<PlannedStep>> = steps.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| steps[at].take()).collect()
}
