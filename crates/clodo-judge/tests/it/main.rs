//! The public API, and roll-outs that are simulated.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

mod judging;
mod latency;
mod properties;
#[path = "../../examples/simulate/rivals.rs"]
mod rivals;
#[path = "../../examples/simulate/rollout.rs"]
mod rollout;
#[path = "../../examples/simulate/run.rs"]
mod run;
mod simulation;
mod stored;

use clodo_judge::{Arm, Batch, Judge, JudgeOptions, Verdict};

/// A judge of errors alone.
fn of_errors() -> Judge {
    Judge::new(JudgeOptions::default().with_quantiles([])).unwrap()
}

/// Requests and errors of both arms.
fn batch(baseline: (u64, u64), canary: (u64, u64)) -> Batch {
    Batch::new(Arm::new(baseline.0, baseline.1), Arm::new(canary.0, canary.1))
}

/// Feeds one batch again and again until the verdict is clear; how often, and what it is.
fn decide(judge: &mut Judge, batch: &Batch, most: usize) -> (usize, Verdict) {
    for times in 1..=most {
        judge.observe(batch).unwrap();
        match judge.verdict() {
            Verdict::Inconclusive { .. } => {}
            verdict => return (times, verdict),
        }
    }
    (most, judge.verdict())
}
