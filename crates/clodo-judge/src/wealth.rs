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

/// Evidence against one null, as the wealth of gamblers who bet against it and start with 1
/// together: each has one idea of the truth, and a weight. Under the null it is a test
/// supermartingale, so that it ever reaches `1/α` with a probability of at most `α`, however often
/// one looks (Ville's inequality).
///
/// Gamblers who have lost nearly all would need as long to recover; a canary that turns bad late
/// would then be found late. So only most of the money is staked at first: when it is lost, a part
/// of what was held back is staked in a new run. What was staked and what was held back never
/// exceed 1 together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wealth {
    /// Counts from one.
    run: NonZero<u64>,
    gamblers: Vec<LogE>,
}

/// What is staked in the first run.
const FIRST_STAKE: f64 = 0.8;
/// A run ends when its wealth has fallen below this many nats.
const LOST: f64 = -4.0;

impl Wealth {
    pub(crate) fn new(gamblers: usize) -> Self {
        Self { run: NonZero::<u64>::MIN, gamblers: vec![LogE::default(); gamblers] }
    }

    pub(crate) fn gamblers(&self) -> usize {
        self.gamblers.len()
    }

    /// Takes in what one batch brought each gambler, in nats.
    pub(crate) fn absorb(&mut self, weights: &[f64], gains: &[f64]) {
        for (gambler, gain) in self.gamblers.iter_mut().zip(gains) {
            *gambler = gambler.plus(*gain);
        }
        if self.of_run(weights) < LOST {
            self.run = self.run.saturating_add(1);
            self.gamblers.fill(LogE::default());
        }
    }

    /// All wealth: that of this run, and what is held back. What ended runs left is given away.
    pub(crate) fn log_e(&self, weights: &[f64]) -> LogE {
        let run = self.run.get();
        let staked = self.of_run(weights) + (held_back(run - 1) - held_back(run)).ln();
        let held = held_back(run).ln();
        let most = staked.max(held);
        LogE::of_nats(most + ((staked - most).exp() + (held - most).exp()).ln()).min(LogE::MOST)
    }

    /// The logarithm of what all gamblers of this run have together, for 1 staked.
    fn of_run(&self, weights: &[f64]) -> f64 {
        let most = self.gamblers.iter().max().map_or(0.0, |most| most.nats());
        let each = self.gamblers.iter().zip(weights);
        let sum: f64 = each.map(|(gambler, weight)| weight * (gambler.nats() - most).exp()).sum();
        most + sum.ln()
    }
}

/// What is left for runs after this one.
fn held_back(run: u64) -> f64 {
    match run {
        0 => 1.0,
        run => (1.0 - FIRST_STAKE) / run as f64,
    }
}
