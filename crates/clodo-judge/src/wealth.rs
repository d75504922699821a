use serde::{Deserialize, Serialize};
use std::num::NonZero;

/// The logarithm of an e-value in billionths of a nat, always rounded down, which never flatters.
/// Being a whole number it survives every text format, so that a judge that was stored goes on
/// exactly where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct LogE(i64);

impl LogE {
    const PER_NAT: f64 = 1e9;
    /// More than this is not told apart: 100,000 nats.
    const MOST: Self = Self(100_000_000_000_000);

    pub(crate) fn of_nats(nats: f64) -> Self {
        Self((nats * Self::PER_NAT).floor() as i64)
    }

    pub(crate) fn nats(self) -> f64 {
        self.0 as f64 / Self::PER_NAT
    }

    fn plus(self, nats: f64) -> Self {
        Self(self.0.saturating_add(Self::of_nats(nats).0))
    }
}

/// Evidence against one null, as the wealth of gamblers who bet against it and have 1 together at
/// first: each has one idea of the truth, and a part of the money. Under the null it is a test
/// supermartingale, so that it ever reaches `1/α` with a probability of at most `α`, however often
/// one looks (Ville's inequality).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Wealth(Vec<Gambler>);

/// One who has lost nearly all would need as long to recover, and a canary that turns bad late
/// would be found late. So each stakes only most of the money at first; when that is lost, a part
/// of what was held back is staked in a new run. All stakes together are what there was at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gambler {
    /// Counts from one.
    run: NonZero<u64>,
    /// What became of 1 that was staked in this run.
    log_e: LogE,
}

/// What is staked in the first run.
pub(crate) const FIRST_STAKE: f64 = 0.8;
/// A run ends when less than this is left, in nats.
const LOST: f64 = -4.0;

impl Wealth {
    pub(crate) fn new(gamblers: usize) -> Self {
        Self(vec![Gambler { run: NonZero::<u64>::MIN, log_e: LogE::default() }; gamblers])
    }

    pub(crate) fn gamblers(&self) -> usize {
        self.0.len()
    }

    /// Takes in what one batch brought each gambler, in nats.
    pub(crate) fn absorb(&mut self, gains: &[f64]) {
        for (gambler, gain) in self.0.iter_mut().zip(gains) {
            gambler.log_e = gambler.log_e.plus(*gain);
            if gambler.log_e.nats() < LOST {
                *gambler = Gambler { run: gambler.run.saturating_add(1), log_e: LogE::default() };
            }
        }
    }

    /// What all have together, when the money was shared like this at first. What ended runs left
    /// is given away.
    pub(crate) fn log_e(&self, shares: &[f64]) -> LogE {
        let most = self.0.iter().map(|gambler| gambler.log_e).max().unwrap_or_default();
        let most = most.max(LogE::default()).nats();
        let each = self.0.iter().zip(shares).map(|(gambler, share)| {
            let (before, after) = (held_back(gambler.run.get() - 1), held_back(gambler.run.get()));
            share * ((before - after) * (gambler.log_e.nats() - most).exp() + after * (-most).exp())
        });
        LogE::of_nats(most + each.sum::<f64>().ln()).min(LogE::MOST)
    }
}

/// What is left for later runs.
fn held_back(run: u64) -> f64 {
    match run {
        0 => 1.0,
        run => (1.0 - FIRST_STAKE) / run as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(gains: &[f64]) -> f64 {
        let mut wealth = Wealth::new(1);
        for gain in gains {
            wealth.absorb(&[*gain]);
        }
        wealth.log_e(&[1.0]).nats()
    }

    #[test]
    fn nobody_starts_with_more_than_one() {
        let start = Wealth::new(3).log_e(&[0.5, 0.3, 0.2]).nats();
        assert!((-1e-8..=0.0).contains(&start), "{start}");
    }

    #[test]
    fn what_is_won_is_what_was_staked() {
        let won = (0.8 * 5_f64.exp() + 0.2).ln();
        assert!((after(&[2.0, 3.0]) - won).abs() < 1e-8);
    }

    #[test]
    fn a_lost_run_ends_and_the_next_one_has_a_smaller_stake() {
        // Half of what was held back is staked, half of it still held back.
        assert!((after(&[-1000.0]) - 0.2_f64.ln()).abs() < 1e-8);
        assert!((after(&[-1000.0, 6.0]) - (0.1 * 6_f64.exp() + 0.1).ln()).abs() < 1e-8);
        assert!((after(&[-3.9, 3.9])).abs() < 1e-8, "this one was not lost yet");
    }

    #[test]
    fn ending_a_run_never_adds_wealth() {
        for run in 1..50 {
            let lost = vec![-5.0; run];
            let barely = [&lost[..], &[LOST + 0.01]].concat();
            let ended = [&lost[..], &[LOST - 0.01]].concat();
            assert!(after(&ended) < after(&barely));
        }
    }

    #[test]
    fn the_largest_and_the_smallest_gains_do_not_overflow() {
        assert_eq!(after(&[1e300]), 100_000.0);
        assert!((after(&[-1e300]) - 0.2_f64.ln()).abs() < 1e-8);
    }
}
