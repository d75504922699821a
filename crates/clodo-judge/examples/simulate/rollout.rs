//! Roll-outs that never happened: what two versions of a known kind would answer.

use clodo_judge::{Arm, Batch, Bounds, Histogram};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Binomial, Distribution};
use std::time::Duration;

/// What one version is like.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// The probability that a request fails.
    pub errors: f64,
    /// The median latency in milliseconds.
    pub median: f64,
}

/// How requests reach both.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Requests in each step, to both arms together.
    pub step: u64,
    /// The probability that a request goes to the canary.
    pub to_canary: f64,
}

/// Draws the batches of one roll-out, from a seed.
pub struct RollOut {
    random: ChaCha8Rng,
    traffic: Traffic,
    bounds: Bounds,
}

impl RollOut {
    /// Its batches depend on the seed and the number alone.
    pub fn new(seed: u64, number: u64, traffic: Traffic, bounds: &Bounds) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        Self { random, traffic, bounds: bounds.clone() }
    }

    /// Draws the next batch: each request goes to one of the arms at random.
    pub fn batch(&mut self, baseline: Version, canary: Version) -> Batch {
        let to_canary = self.draw(self.traffic.step, self.traffic.to_canary);
        let to_baseline = self.traffic.step - to_canary;
        Batch::new(self.arm(to_baseline, baseline), self.arm(to_canary, canary))
    }

    fn arm(&mut self, requests: u64, version: Version) -> Arm {
        let errors = self.draw(requests, version.errors);
        let latency = self.latencies(requests, version.median);
        Arm::new(requests, errors).with_latency(latency)
    }

    /// Log-logistic latencies: p95 is 2.1 times the median, p99 3.2 times.
    fn latencies(&mut self, requests: u64, median: f64) -> Histogram {
        let within =
            |bound: Duration| 1.0 / (1.0 + (bound.as_secs_f64() * 1000.0 / median).powi(-4));
        let (mut left, mut beyond) = (requests, 1.0);
        let bounds: Vec<Duration> = self.bounds.iter().collect();
        let mut counts = Vec::with_capacity(bounds.len() + 1);
        for bound in bounds {
            let slower = 1.0 - within(bound);
            let here = self.draw(left, (1.0 - slower / beyond).clamp(0.0, 1.0));
            (left, beyond) = (left - here, slower);
            counts.push(here);
        }
        counts.push(left);
        Histogram::of_counts(self.bounds.clone(), counts).expect("one count more than bounds")
    }

    fn draw(&mut self, requests: u64, probability: f64) -> u64 {
        if requests == 0 {
            return 0;
        }
        let binomial = Binomial::new(requests, probability).expect("a probability");
        binomial.sample(&mut self.random)
    }
}
