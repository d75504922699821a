//! What is done elsewhere: thresholds on the figures of each step, and tests for one look that
//! are repeated at every step.

use clodo_judge::{Arm, Batch, Counts};

/// A rule that rolls back.
pub(crate) trait Rival {
    /// Takes in a step; true when it would roll back now.
    fn rolls_back(&mut self, step: &Batch) -> bool;
}

/// All rules, each with its name.
pub(crate) fn all() -> Vec<(&'static str, Box<dyn Rival>)> {
    let over = |arm: &Arm| share(arm) > 0.01;
    vec![
        ("> 1 %, first failed check", Box::new(Checks::new(1, move |step| over(&step.canary)))),
        ("> 1 %, fifth failed check", Box::new(Checks::new(5, move |step| over(&step.canary)))),
        (
            "> 2 × baseline, fifth failed check",
            Box::new(Checks::new(5, |step| share(&step.canary) > 2.0 * share(&step.baseline))),
        ),
        ("z-test, p < 0.01", Box::new(Repeated::new(z_test))),
        ("Fisher, p < 0.01", Box::new(Repeated::new(fisher))),
    ]
}

/// Rolls back after so many steps that fail a check. Steps without requests to the canary are not
/// checked.
struct Checks<F> {
    left: u32,
    fails: F,
}

impl<F: Fn(&Batch) -> bool> Checks<F> {
    fn new(failures: u32, fails: F) -> Self {
        Self { left: failures, fails }
    }
}

impl<F: Fn(&Batch) -> bool> Rival for Checks<F> {
    fn rolls_back(&mut self, step: &Batch) -> bool {
        if step.canary.requests > 0 && (self.fails)(step) {
            self.left = self.left.saturating_sub(1);
        }
        self.left == 0
    }
}

/// Repeats a test for one look on all counts so far.
struct Repeated {
    baseline: Counts,
    canary: Counts,
    p_value: fn(Counts, Counts) -> f64,
}

impl Repeated {
    fn new(p_value: fn(Counts, Counts) -> f64) -> Self {
        Self { baseline: Counts::default(), canary: Counts::default(), p_value }
    }
}

impl Rival for Repeated {
    fn rolls_back(&mut self, step: &Batch) -> bool {
        for (counts, arm) in
            [(&mut self.baseline, &step.baseline), (&mut self.canary, &step.canary)]
        {
            counts.hits += arm.errors;
            counts.total += arm.requests;
        }
        (self.p_value)(self.baseline, self.canary) < 0.01
    }
}

fn share(arm: &Arm) -> f64 {
    arm.errors as f64 / arm.requests.max(1) as f64
}

/// Two proportions, pooled, one-sided.
fn z_test(baseline: Counts, canary: Counts) -> f64 {
    let (Some(left), Some(right)) = (baseline.share(), canary.share()) else { return 1.0 };
    let (left_total, right_total) = (baseline.total as f64, canary.total as f64);
    let pooled = (baseline.hits + canary.hits) as f64 / (left_total + right_total);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / left_total + 1.0 / right_total)).sqrt();
    if deviation == 0.0 {
        return 1.0;
    }
    // Only whether it is below 0.01 is asked.
    if (right - left) / deviation > 2.326_347_874 { 0.0 } else { 1.0 }
}

/// One-sided: as many hits of the canary or more, given all hits.
fn fisher(baseline: Counts, canary: Counts) -> f64 {
    if canary.share() <= baseline.share() {
        return 1.0;
    }
    let hits = baseline.hits + canary.hits;
    let log = log_choose(canary.total, canary.hits) + log_choose(baseline.total, baseline.hits)
        - log_choose(canary.total + baseline.total, hits);
    let (baseline, canary, hits, mut at) =
        (baseline.total as f64, canary.total as f64, hits as f64, canary.hits as f64);
    let (mut sum, mut term) = (0.0, log.exp());
    while term > 1e-9 {
        sum += term;
        term *= (canary - at) * (hits - at) / ((at + 1.0) * (baseline - hits + at + 1.0));
        at += 1.0;
    }
    sum
}

fn log_choose(of: u64, take: u64) -> f64 {
    log_factorial(of) - log_factorial(take) - log_factorial(of - take)
}

/// Stirling's series; exact to 1e-10 from 10 on, below that added up.
fn log_factorial(of: u64) -> f64 {
    if of < 10 {
        return (2..=of).map(|factor| (factor as f64).ln()).sum();
    }
    let n = of as f64;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}
