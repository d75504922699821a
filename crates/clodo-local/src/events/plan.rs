//! When a queue delivers: a pure decision.

use clodo_storage::Ready;
use clodo_types::Timestamp;
use std::time::Duration;

/// How many invocations of one consumer run at once when its settings leave that open. Cloudflare
/// goes up to 250; one machine has other things to do.
pub(super) const CONCURRENCY: usize = 10;

/// What a decision rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) ready: Ready,
    /// Deliveries under way.
    pub(super) running: usize,
    pub(super) now: Timestamp,
}

/// How a consumer wants its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batching {
    pub(super) batch_size: usize,
    pub(super) max_wait: Duration,
    pub(super) concurrency: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Take a batch and deliver it.
    Deliver,
    /// Look again at this moment, or when something happens.
    Wait(Option<Timestamp>),
}

/// Decides. `since` is when the first message of an incomplete batch was seen.
pub(super) fn next(
    situation: Situation,
    batching: Batching,
    since: &mut Option<Timestamp>,
) -> Step {
    let Situation { ready, running, now } = situation;
    if ready.count == 0 {
        *since = None;
        return Step::Wait(ready.next);
    }
    if running >= batching.concurrency {
        return Step::Wait(None);
    }
    let waiting = *since.get_or_insert(now);
    let waited = now.since(waiting) >= batching.max_wait;
    if ready.count >= batching.batch_size || waited {
        *since = None;
        return Step::Deliver;
    }
    let wait = i64::try_from(batching.max_wait.as_millis()).unwrap_or(i64::MAX);
    let end = Timestamp::from_millis(waiting.as_millis().saturating_add(wait));
    Step::Wait(Some(ready.next.map_or(end, |next| next.min(end))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_batch_goes_when_it_is_full_or_old_enough() {
        let batching = Batching { batch_size: 3, max_wait: Duration::from_secs(5), concurrency: 2 };
        let step = |count, next: Option<i64>, running, now, since: &mut Option<Timestamp>| {
            let ready = Ready { count, next: next.map(at) };
            self::next(Situation { ready, running, now: at(now) }, batching, since)
        };
        let mut since = None;
        assert_eq!(step(0, None, 0, 0, &mut since), Step::Wait(None));
        assert_eq!(step(0, Some(9), 0, 0, &mut since), Step::Wait(Some(at(9))));
        assert_eq!(step(3, None, 0, 0, &mut since), Step::Deliver);
        assert_eq!(step(1, None, 0, 10, &mut since), Step::Wait(Some(at(15))));
        assert_eq!(step(2, Some(14), 0, 12, &mut since), Step::Wait(Some(at(14))));
        assert_eq!(step(2, None, 0, 15, &mut since), Step::Deliver);
        assert_eq!(since, None, "the next batch waits for itself");
        assert_eq!(step(3, None, 2, 16, &mut since), Step::Wait(None), "all hands are busy");
        // A clock that was set back must not make a batch wait for ever.
        let mut since = Some(at(100));
        assert_eq!(step(1, None, 0, 50, &mut since), Step::Wait(Some(at(105))));
    }
}
