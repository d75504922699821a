use crate::breaker::TripRule;
use std::time::Duration;
use tokio::time::Instant;

const SLICES: usize = 10;

/// The outcomes that a closed breaker remembers. Its size is fixed, whatever the traffic.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    in_a_row: u32,
    slices: [Slice; SLICES],
    /// The slice that counts now, and when it began.
    now: Option<(usize, Instant)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    good: u32,
    bad: u32,
}

impl Tally {
    /// Counts one outcome; true when the breaker is to open.
    pub(crate) fn count(&mut self, rule: &TripRule, failed: bool, now: Instant) -> bool {
        self.in_a_row = if failed { self.in_a_row.saturating_add(1) } else { 0 };
        match *rule {
            TripRule::InARow(most) => self.in_a_row >= most.max(1),
            TripRule::Ratio { percent, at_least, window } => {
                let slice = self.slice(window, now);
                let count = if failed { &mut slice.bad } else { &mut slice.good };
                *count = count.saturating_add(1);
                failed && self.ratio_reached(percent, at_least)
            }
        }
    }

    fn ratio_reached(&self, percent: u8, at_least: u32) -> bool {
        let sum = |of: fn(&Slice) -> u32| {
            self.slices.iter().map(|slice| u64::from(of(slice))).sum::<u64>()
        };
        let (good, bad) = (sum(|slice| slice.good), sum(|slice| slice.bad));
        good + bad >= u64::from(at_least) && bad * 100 >= u64::from(percent) * (good + bad)
    }

    /// The slice of this moment; those that the window has left behind are emptied.
    fn slice(&mut self, window: Duration, now: Instant) -> &mut Slice {
        let length = (window / SLICES as u32).max(Duration::from_millis(1));
        let (mut at, mut began) = *self.now.get_or_insert((0, now));
        let passed = now.saturating_duration_since(began).as_millis() / length.as_millis();
        let steps = usize::try_from(passed).unwrap_or(SLICES).min(SLICES);
        for _ in 0..steps {
            at = (at + 1) % SLICES;
            self.slices[at] = Slice::default();
        }
        if steps == SLICES {
            began = now;
        } else {
            began += length * u32::try_from(steps).unwrap_or(0);
        }
        self.now = Some((at, began));
        &mut self.slices[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const RULE: TripRule =
        TripRule::Ratio { percent: 50, at_least: 4, window: Duration::from_secs(10) };

    fn count(tally: &mut Tally, outcomes: &[bool]) -> bool {
        outcomes.iter().any(|failed| tally.count(&RULE, *failed, Instant::now()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_ratio_needs_enough_calls_and_enough_failures() {
        let mut tally = Tally::default();
        assert!(!count(&mut tally, &[true, true, true]), "three are too few to tell");
        assert!(count(&mut tally, &[true]));
        let mut tally = Tally::default();
        assert!(!count(&mut tally, &[false, false, false, true, true]));
        assert!(count(&mut tally, &[true]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_window_left_behind_counts_no_more() {
        let mut tally = Tally::default();
        assert!(!count(&mut tally, &[true, true, true]));
        advance(Duration::from_secs(11)).await;
        assert!(!count(&mut tally, &[true, true, true]));
        advance(Duration::from_secs(9)).await;
        assert!(count(&mut tally, &[true]), "nine seconds are within the window");
    }

    #[tokio::test(start_paused = true)]
    async fn odd_windows_neither_panic_nor_divide_by_zero() {
        for window in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let mut tally = Tally::default();
            let rule = TripRule::Ratio { percent: 200, at_least: 0, window };
            for _ in 0..3 {
                assert!(!tally.count(&rule, true, Instant::now()));
                advance(Duration::from_secs(3600)).await;
            }
        }
    }
}
