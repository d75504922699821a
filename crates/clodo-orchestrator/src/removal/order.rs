use super::Going;
use std::collections::BTreeMap;

/// The Workers, each after all that call it, with those callers. Workers that call each other have no
/// such order: then the one that the fewest still call comes first.
pub(crate) fn callers_first(going: &[Going]) -> Vec<(usize, Vec<usize>)> {
    let by_worker: BTreeMap<_, _> =
        going.iter().enumerate().map(|(at, one)| (&one.worker, at)).collect();
    let mut callers: Vec<Vec<usize>> = vec![Vec::new(); going.len()];
    for (at, one) in going.iter().enumerate() {
        for called in one.calls.iter().filter_map(|worker| by_worker.get(worker)) {
            if *called != at {
                callers[*called].push(at);
            }
        }
    }
    let mut waiting: Vec<usize> = callers.iter().map(Vec::len).collect();
    let mut left: Vec<usize> = (0..going.len()).collect();
    let mut order: Vec<(usize, Vec<usize>)> = Vec::with_capacity(going.len());
    let mut done = vec![false; going.len()];
    while let Some(place) =
        (0..left.len()).min_by_key(|place| (waiting[left[*place]], left[*place]))
    {
        let at = left.remove(place);
        let earlier = callers[at].iter().copied().filter(|caller| done[*caller]);
        order.push((at, earlier.collect()));
        done[at] = true;
        for called in going[at].calls.iter().filter_map(|worker| by_worker.get(worker)) {
            waiting[*called] = waiting[*called].saturating_sub(1);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::WorkerRef;

    fn worker(name: &str) -> WorkerRef {
        WorkerRef { account: "main".parse().unwrap(), worker: name.parse().unwrap() }
    }

    fn going(rows: &[(&str, &[&str])]) -> Vec<Going> {
        let one = |(name, calls): &(&str, &[&str])| Going {
            worker: worker(name),
            target: None,
            calls: calls.iter().map(|called| worker(called)).collect(),
            routes: false,
        };
        rows.iter().map(one).collect()
    }

    fn names(rows: &[(&str, &[&str])]) -> Vec<String> {
        let going = going(rows);
        let order = callers_first(&going).into_iter();
        order.map(|(at, _)| going[at].worker.worker.to_string()).collect()
    }

    #[test]
    fn who_is_called_goes_after_who_calls() {
        let rows: [(&str, &[&str]); 4] =
            [("db", &[]), ("orders", &["db"]), ("web", &["orders", "db"]), ("alone", &["away"])];
        assert_eq!(names(&rows), ["web", "orders", "db", "alone"]);
        let going = going(&rows);
        assert_eq!(callers_first(&going)[2], (0, vec![1, 2]));
    }

    #[test]
    fn workers_that_call_each_other_go_all_the_same() {
        assert_eq!(names(&[("a", &["b"]), ("b", &["a"]), ("c", &["a", "c"])]), ["c", "a", "b"]);
    }
}
