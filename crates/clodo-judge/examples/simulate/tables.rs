//! The tables, and the loops that fill them.

use crate::{
    rivals,
    rollout::{RollOut, Traffic, Version},
};
use clodo_judge::{Bounds, Judge, JudgeOptions, Verdict};
use std::{error::Error, thread};

type Outcome = Result<(), Box<dyn Error>>;

pub struct Run {
    pub roll_outs: u64,
    pub seed: u64,
}

#[derive(Clone, Copy, Default)]
struct Ended {
    worse: Option<u64>,
    promoted: Option<u64>,
}

impl Run {
    fn each<T: Send>(&self, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
        let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
        let one = &one;
        thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|t| {
                    scope.spawn(move || {
                        (0..self.roll_outs)
                            .filter(|n| n % threads == t)
                            .map(one)
                            .collect::<Vec<T>>()
                    })
                })
                .collect();
            handles.into_iter().flat_map(|h| h.join().unwrap()).collect()
        })
    }
    pub fn print_errors(&self) -> Outcome {
        for (b, c) in [(0.005, 0.005), (0.005, 0.03)] {
            for to_canary in [0.1, 0.5] {
                for (step, steps) in [(5u64, 4000u64), (50, 2000), (500, 500), (50000, 20)] {
                    let bounds = Bounds::default();
                    let start = std::time::Instant::now();
                    let ended = self.each(|n| {
                        let mut r =
                            RollOut::new(self.seed, n, Traffic { step, to_canary }, &bounds);
                        let mut judge = Judge::new(JudgeOptions::default()).unwrap();
                        let mut e = Ended::default();
                        let mut seen = 0;
                        for _ in 0..steps {
                            let batch = r.batch(
                                Version { errors: b, median: 50.0 },
                                Version { errors: c, median: 50.0 },
                            );
                            seen += batch.canary.requests;
                            judge.observe(&batch).unwrap();
                            match judge.verdict() {
                                Verdict::Worse(_) => {
                                    e.worse = Some(seen);
                                    break;
                                }
                                Verdict::NotWorse if e.promoted.is_none() => {
                                    e.promoted = Some(seen)
                                }
                                _ => {}
                            }
                        }
                        e
                    });
                    let mut w: Vec<u64> = ended.iter().filter_map(|e| e.worse).collect();
                    w.sort();
                    let mut p: Vec<u64> = ended.iter().filter_map(|e| e.promoted).collect();
                    p.sort();
                    println!(
                        "{b} {c} {to_canary} {step}: worse {} of {} median {:?}; promoted {} median {:?}; {:?}",
                        w.len(),
                        ended.len(),
                        w.get(w.len() / 2),
                        p.len(),
                        p.get(p.len() / 2),
                        start.elapsed()
                    );
                }
            }
        }
        Ok(())
    }
    pub fn print_rivals(&self) -> Outcome {
        let _ = rivals::all();
        Ok(())
    }
    pub fn print_promotions(&self) -> Outcome {
        Ok(())
    }
    pub fn print_latencies(&self) -> Outcome {
        Ok(())
    }
    pub fn print_late(&self) -> Outcome {
        Ok(())
    }
}
