//! Roll-outs that never happened: what two versions of a known kind would answer.

use clodo_judge::{Arm, Batch, Bounds, Histogram};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rand_distr::{Binomial, Distribution};
use std::time::Duration;

/// What one version is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    /// The probability that a request fails.
    pub(crate) errors: f64,
    /// The median latency in milliseconds, where latencies are measured. They are log-logistic: p95
    /// is 2.1 times the median, p99 3.2 times.
    pub(crate) median: Option<f64>,
}

/// How requests reach both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// Requests in each step, to both arms together.
    pub(crate) step: u64,
    /// The probability that a request goes to the canary.
    pub(crate) to_canary: f64,
}

/// Draws the batches of one roll-out.
pub(crate) struct RollOut {
    random: ChaCha8Rng,
    bounds: Bounds,
}

impl RollOut {
    /// Its batches depend on the seed and the number alone.
    pub(crate) fn new(seed: u64, number: u64, bounds: &Bounds) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        Self { random, bounds: bounds.clone() }
    }

    /// Draws the next batch: each request goes to one of the arms at random.
    pub(crate) fn batch(&mut self, traffic: Traffic, [old, new]: [Version; 2]) -> Batch {
        let to_canary = self.draw(traffic.step, traffic.to_canary);
        Batch::new(self.arm(traffic.step - to_canary, old), self.arm(to_canary, new))
    }

    fn arm(&mut self, requests: u64, version: Version) -> Arm {
        let arm = Arm::new(requests, self.draw(requests, version.errors));
        match version.median {
            Some(median) => arm.with_latency(self.latencies(requests, median)),
            None => arm,
        }
    }

    fn latencies(&mut self, requests: u64, median: f64) -> Histogram {
        if requests > 200 {
            return self.many_latencies(requests, median);
        }
        let mut histogram = Histogram::new(self.bounds.clone());
        for _ in 0..requests {
            let share = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            let millis = median * (share / (1.0 - share)).powf(0.25);
            histogram.record(Duration::from_secs_f64(millis / 1000.0));
        }
        histogram
    }

    /// The same, bucket by bucket.
    fn many_latencies(&mut self, requests: u64, median: f64) -> Histogram {
        let (mut left, mut beyond) = (requests, 1.0);
        let bounds = self.bounds.clone();
        let within = bounds.iter().map(|bound| {
            let slower = 1.0 / (1.0 + (bound.as_secs_f64() * 1000.0 / median).powi(4));
            let here = self.draw(left, (1.0 - slower / beyond).clamp(0.0, 1.0));
            (left, beyond) = (left - here, slower);
            here
        });
        let mut counts: Vec<u64> = within.collect();
        counts.push(left);
        Histogram::of_counts(bounds, counts).expect("one count more than bounds")
    }

    fn draw(&mut self, requests: u64, probability: f64) -> u64 {
        if requests == 0 || probability == 0.0 {
            return 0;
        }
        let binomial = Binomial::new(requests, probability).expect("a probability");
        binomial.sample(&mut self.random)
    }
}
