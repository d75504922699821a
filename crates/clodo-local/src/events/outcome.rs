//! From what a consumer said to what becomes of its messages: a pure decision.

use clodo_storage::Settlement;
use clodo_workerd::{EventOutcome, QueueOutcome};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// The longest delay that a Worker can ask for, in seconds.
const MAX_DELAY: u32 = 86_400;

/// What becomes of the messages of a batch. What a Worker said of one message counts more than
/// what it said of all, and that more than how it ended.
pub(super) fn settlement(
    ids: &[String],
    outcome: &QueueOutcome,
    retry_delay: Duration,
) -> Settlement {
    let acks: HashSet<&str> = outcome.acks.iter().map(String::as_str).collect();
    let retries: HashMap<&str, Option<u32>> =
        outcome.retries.iter().map(|(id, delay)| (id.as_str(), *delay)).collect();
    let ended_well = outcome.outcome == EventOutcome::Ok;
    let mut settlement = Settlement::default();
    for id in ids {
        let retry = if acks.contains(id.as_str()) {
            None
        } else if let Some(delay) = retries.get(id.as_str()) {
            Some(*delay)
        } else if outcome.ack_all {
            None
        } else if let Some(delay) = outcome.retry_all {
            Some(delay)
        } else {
            (!ended_well).then_some(None)
        };
        match retry {
            None => settlement.acks.push(id.clone()),
            Some(delay) => {
                let own = delay.map(|delay| Duration::from_secs(delay.min(MAX_DELAY).into()));
                settlement.retries.push((id.clone(), own.unwrap_or(retry_delay)));
            }
        }
    }
    settlement
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut QueueOutcome), acks: &[&str], retries: &[(&str, u64)]) {
        let mut outcome = QueueOutcome::new(EventOutcome::Ok, "v1");
        change(&mut outcome);
        let ids = ["a", "b"].map(str::to_owned);
        let made = settlement(&ids, &outcome, Duration::from_secs(7));
        let seconds = made.retries.iter().map(|(id, delay)| (id.as_str(), delay.as_secs()));
        assert_eq!(made.acks, acks, "{outcome:?}");
        assert_eq!(seconds.collect::<Vec<_>>(), retries, "{outcome:?}");
    }

    #[test]
    fn what_is_said_of_one_message_counts_more_than_what_is_said_of_all() {
        let thrown = EventOutcome::Exception;
        check(|_| {}, &["a", "b"], &[]);
        check(|o| o.outcome = thrown.clone(), &[], &[("a", 7), ("b", 7)]);
        check(|o| o.retry_all = Some(None), &[], &[("a", 7), ("b", 7)]);
        check(|o| o.retry_all = Some(Some(0)), &[], &[("a", 0), ("b", 0)]);
        check(|o| o.retries.push(("a".into(), Some(9))), &["b"], &[("a", 9)]);
        check(|o| o.retries.push(("a".into(), Some(u32::MAX))), &["b"], &[("a", 86_400)]);
        check(|o| o.retries.push(("of another batch".into(), None)), &["a", "b"], &[]);
        check(
            |o| {
                o.outcome = thrown.clone();
                o.acks.push("a".into());
            },
            &["a"],
            &[("b", 7)],
        );
        check(
            |o| {
                o.outcome = thrown.clone();
                o.ack_all = true;
                o.retries.push(("b".into(), None));
            },
            &["a"],
            &[("b", 7)],
        );
        check(
            |o| {
                o.retry_all = Some(Some(3));
                o.acks.push("b".into());
            },
            &["b"],
            &[("a", 3)],
        );
    }
}
