//! What one process knows of the calls that it took.

use clodo_saga::{BudgetGrant, BudgetReport, BudgetWord, Settled};
use clodo_types::Timestamp;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// A call that nobody tells the end of has ended after this long.
const LOST: Duration = Duration::from_secs(120);

/// What whoever wants to make a call does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Makes the call.
    Go,
    /// Waits.
    Wait(Duration),
    /// Asks the store.
    Ask,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    block: Option<Block>,
    /// The store has nothing until then.
    closed_until: Option<Timestamp>,
    /// Calls under way: the window that they were taken from, and since when.
    under_way: VecDeque<(u64, Timestamp)>,
    /// What the store was not told yet.
    settled: BTreeMap<u64, Settled>,
    word: Option<BudgetWord>,
    used_at: Option<Timestamp>,
}

/// Calls that were taken and not made yet.
#[derive(Debug)]
struct Block {
    window: u64,
    left: u64,
    until: Timestamp,
    /// The server has not spoken of the window yet.
    first: bool,
}

impl Tally {
    /// Whether a call may be made now; then it is under way.
    pub(super) fn next(&mut self, now: Timestamp) -> Next {
        if let Some(until) = self.closed_until.filter(|until| now < *until) {
            return Next::Wait(until.since(now));
        }
        self.closed_until = None;
        match &mut self.block {
            Some(block) if now < block.until && block.left > 0 => {
                block.left -= 1;
                self.under_way.push_back((block.window, now));
                self.used_at = Some(now);
                Next::Go
            }
            _ => Next::Ask,
        }
    }

    /// The store's answer.
    pub(super) fn granted(&mut self, grant: BudgetGrant) {
        self.drop_block();
        match grant {
            BudgetGrant::Granted { calls, window, until, first } => {
                self.block = Some(Block { window, left: calls, until, first });
            }
            BudgetGrant::Wait { until } => self.closed_until = Some(until),
            _ => {}
        }
    }

    /// A call has ended. What must not wait is to be told at once.
    pub(super) fn ended(&mut self, word: BudgetWord) -> Option<BudgetReport> {
        let silent = u64::from(word.remaining.is_none());
        if let Some((window, _)) = self.under_way.pop_front() {
            self.settle(window, |settled| {
                settled.ended += 1;
                settled.silent += silent;
            });
        }
        if word.remaining.is_none() && word.refused_until.is_none() {
            return None;
        }
        let mut urgent = word.refused_until.is_some() || self.block.is_none();
        if let Some(block) = &mut self.block {
            urgent |= std::mem::take(&mut block.first);
        }
        if word.refused_until.is_some() {
            self.closed_until = self.closed_until.max(word.refused_until);
            self.drop_block();
        }
        urgent |= self.keep_no_more_than(word.remaining);
        self.word = Some(self.word.map_or(word, |known| newest(known, word)));
        urgent.then(|| self.report(word.at))
    }

    /// What is to be told; it counts as told from then on.
    pub(super) fn report(&mut self, now: Timestamp) -> BudgetReport {
        if self.block.as_ref().is_some_and(|block| block.until <= now) {
            self.drop_block();
        }
        while let Some((window, began)) = self.under_way.front().copied()
            && now.since(began) >= LOST
        {
            self.under_way.pop_front();
            self.settle(window, |settled| {
                settled.ended += 1;
                settled.silent += 1;
            });
        }
        let settled = std::mem::take(&mut self.settled).into_values().collect();
        let word = self.word.take();
        BudgetReport { settled, word, ..BudgetReport::new("", now) }
    }

    /// Gives back what is not used.
    pub(super) fn give_up(&mut self, now: Timestamp) -> Option<BudgetReport> {
        self.drop_block();
        let report = self.report(now);
        let empty = report.settled.is_empty() && report.word.is_none();
        (!empty).then_some(report)
    }

    /// The same, if no call was made for that long.
    pub(super) fn idle_for(&mut self, time: Duration, now: Timestamp) -> Option<BudgetReport> {
        let idle = self.used_at.is_none_or(|used| now.since(used) >= time);
        if idle { self.give_up(now) } else { None }
    }

    /// Whether the store knows everything.
    pub(super) fn is_settled(&self) -> bool {
        self.block.is_none()
            && self.under_way.is_empty()
            && self.settled.is_empty()
            && self.word.is_none()
    }

    fn drop_block(&mut self) {
        if let Some(block) = self.block.take().filter(|block| block.left > 0) {
            self.settle(block.window, |settled| settled.unused += block.left);
        }
    }

    /// The server has fewer calls left than we hold: others use the token too.
    fn keep_no_more_than(&mut self, remaining: Option<u64>) -> bool {
        let (Some(remaining), Some(block)) = (remaining, &mut self.block) else { return false };
        let Some(excess @ 1..) = block.left.checked_sub(remaining) else { return false };
        block.left = remaining;
        let window = block.window;
        self.settle(window, |settled| settled.unused += excess);
        true
    }

    fn settle(&mut self, window: u64, change: impl FnOnce(&mut Settled)) {
        let fresh = Settled { window, ..Settled::default() };
        change(self.settled.entry(window).or_insert(fresh));
    }
}

/// Answers arrive out of order: of two that speak of the same window the smaller number is newer.
fn newest(known: BudgetWord, word: BudgetWord) -> BudgetWord {
    let apart = match (known.resets_at, word.resets_at) {
        (Some(known), Some(word)) => Some(word.since(known).max(known.since(word))),
        _ => None,
    };
    let window = word.window.unwrap_or(Duration::from_secs(60));
    let same_window = apart.is_some_and(|apart| apart <= window / 2);
    let mut newest = word;
    newest.refused_until = known.refused_until.max(word.refused_until);
    if same_window {
        newest.remaining = match (known.remaining, word.remaining) {
            (Some(known), Some(word)) => Some(known.min(word)),
            (known, word) => known.or(word),
        };
        newest.resets_at = known.resets_at.min(word.resets_at);
    } else if word.remaining.is_none() {
        (newest.remaining, newest.resets_at) = (known.remaining, known.resets_at);
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    /// Five calls of a window that ends after 300 s.
    fn block(window: u64) -> BudgetGrant {
        BudgetGrant::Granted { calls: 5, window, until: second(300), first: false }
    }

    fn word(at: i64, remaining: u64) -> BudgetWord {
        let (remaining, resets_at) = (Some(remaining), Some(second(300)));
        BudgetWord { remaining, resets_at, ..BudgetWord::at(second(at)) }
    }

    fn with_calls(window: u64, made: u64) -> Tally {
        let mut tally = Tally::default();
        assert_eq!(tally.next(second(0)), Next::Ask);
        tally.granted(block(window));
        for _ in 0..made {
            assert_eq!(tally.next(second(1)), Next::Go);
        }
        tally
    }

    #[test]
    fn what_became_of_a_block_is_told_with_the_next_question() {
        let mut tally = with_calls(7, 5);
        assert_eq!(tally.next(second(1)), Next::Ask, "five were made");
        assert_eq!(tally.ended(word(2, 90)), None);
        assert_eq!(tally.ended(BudgetWord::at(second(2))), None);
        assert_eq!(tally.ended(word(2, 91)), None);
        let report = tally.report(second(3));
        let expected = Settled { window: 7, ended: 3, silent: 1, unused: 0 };
        assert_eq!(report.settled, [expected]);
        assert_eq!(report.word.unwrap().remaining, Some(90), "the smaller number is the newer");
        assert_eq!(tally.report(second(3)).settled, [], "told once");
        assert!(!tally.is_settled(), "two are under way");
    }

    #[test]
    fn what_is_not_used_is_given_back() {
        let mut tally = with_calls(7, 2);
        assert_eq!(tally.idle_for(Duration::from_secs(2), second(2)), None, "used a second ago");
        let report = tally.idle_for(Duration::from_secs(2), second(3)).unwrap();
        assert_eq!(report.settled, [Settled { window: 7, unused: 3, ..Settled::default() }]);
        assert_eq!(tally.next(second(3)), Next::Ask);
        assert_eq!(tally.give_up(second(3)), None, "nothing is left to tell");
    }

    #[test]
    fn calls_are_not_made_after_their_window_ended() {
        let mut tally = with_calls(7, 0);
        assert_eq!(tally.next(second(300)), Next::Ask);
        let report = tally.report(second(300));
        assert_eq!(report.settled, [Settled { window: 7, unused: 5, ..Settled::default() }]);
    }

    #[test]
    fn a_refusal_is_told_at_once_and_keeps_what_is_left_from_being_made() {
        let mut tally = with_calls(7, 1);
        let refused_until = Some(second(40));
        let report = tally.ended(BudgetWord { refused_until, ..word(2, 0) }).unwrap();
        assert_eq!(report.settled, [Settled { window: 7, ended: 1, silent: 0, unused: 4 }]);
        assert_eq!(report.word.unwrap().refused_until, refused_until);
        assert_eq!(tally.next(second(10)), Next::Wait(Duration::from_secs(30)));
        assert_eq!(tally.next(second(40)), Next::Ask);
    }

    #[test]
    fn calls_that_others_used_up_are_not_made() {
        let mut tally = with_calls(7, 1);
        let report = tally.ended(word(2, 1)).unwrap();
        assert_eq!(report.settled, [Settled { window: 7, ended: 1, silent: 0, unused: 3 }]);
        assert_eq!(tally.next(second(2)), Next::Go);
        assert_eq!(tally.next(second(2)), Next::Ask);
    }

    #[test]
    fn the_first_word_of_a_window_is_told_at_once() {
        let mut tally = Tally::default();
        tally.granted(BudgetGrant::Granted {
            calls: 5,
            window: 8,
            until: second(300),
            first: true,
        });
        tally.next(second(0));
        tally.next(second(0));
        assert!(tally.ended(word(1, 99)).is_some());
        assert_eq!(tally.ended(word(1, 98)), None);
    }

    #[test]
    fn a_call_that_nobody_tells_the_end_of_ends_after_a_while() {
        let mut tally = with_calls(7, 5);
        assert_eq!(tally.report(second(120)).settled, []);
        let report = tally.report(second(121));
        assert_eq!(report.settled, [Settled { window: 7, ended: 5, silent: 5, unused: 0 }]);
        assert_eq!(tally.ended(BudgetWord::at(second(122))), None, "too late to count again");
    }
}
