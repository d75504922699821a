//! Runs a scenario many times.

use crate::{
    rivals,
    rollout::{RollOut, Traffic, Version},
};
use clodo_judge::{Batch, Bounds, Judge, JudgeOptions, Verdict};
use std::thread;

/// What happens in each step of a roll-out.
pub(crate) struct Scenario {
    /// How often one looks.
    pub(crate) steps: u64,
    /// Traffic and versions in a step.
    pub(crate) step: Box<dyn Fn(u64) -> (Traffic, [Version; 2]) + Sync>,
}

/// How roll-outs ended: after how many requests to the canary, for those that did.
pub(crate) struct Ends {
    of: usize,
    after: Vec<u64>,
}

/// How a judge ended one.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    worse: Option<u64>,
    not_worse: Option<u64>,
}

impl Scenario {
    /// The same in every step.
    pub(crate) fn steady(steps: u64, traffic: Traffic, versions: [Version; 2]) -> Self {
        Self { steps, step: Box::new(move |_| (traffic, versions)) }
    }

    /// How many are called worse at some look, and how many are called not worse at some look.
    /// Looking goes on after the latter, as long as there are steps.
    pub(crate) fn judged(&self, sample: Sample, options: &JudgeOptions) -> [Ends; 2] {
        self.judged_until(sample, options, |verdict| matches!(verdict, Verdict::Worse(_)))
    }

    /// The same, but either verdict is acted on.
    pub(crate) fn decided(&self, sample: Sample, options: &JudgeOptions) -> [Ends; 2] {
        let open = |verdict: &Verdict| matches!(verdict, Verdict::Inconclusive { .. });
        self.judged_until(sample, options, |verdict| !open(verdict))
    }

    fn judged_until(
        &self,
        sample: Sample,
        options: &JudgeOptions,
        last: impl Fn(&Verdict) -> bool + Sync,
    ) -> [Ends; 2] {
        let ends = sample.each(|batches| {
            let mut judge = Judge::new(options.clone()).expect("options that make sense");
            let (mut end, mut seen) = (End::default(), 0);
            for batch in batches.take(self) {
                seen += batch.canary.requests;
                judge.observe(&batch).expect("a batch that can be true");
                let verdict = judge.verdict();
                match verdict {
                    Verdict::Worse(_) => end.worse = Some(seen),
                    Verdict::NotWorse => end.not_worse = end.not_worse.or(Some(seen)),
                    Verdict::Inconclusive { .. } => {}
                }
                if last(&verdict) {
                    break;
                }
            }
            end
        });
        let of = |end: fn(&End) -> Option<u64>| Ends::new(ends.iter().map(end));
        [of(|end| end.worse), of(|end| end.not_worse)]
    }

    /// How many each of the other rules takes back, by the index of the rule.
    pub(crate) fn by_rivals(&self, sample: Sample) -> Vec<Ends> {
        let ends = sample.each(|batches| {
            let mut rules = rivals::all();
            let mut ends = vec![None; rules.len()];
            let mut seen = 0;
            for batch in batches.take(self) {
                seen += batch.canary.requests;
                for (end, (_, rule)) in ends.iter_mut().zip(&mut rules) {
                    if end.is_none() && rule.rolls_back(&batch) {
                        *end = Some(seen);
                    }
                }
            }
            ends
        });
        let of = |index: usize| Ends::new(ends.iter().map(|ends| ends[index]));
        (0..rivals::all().len()).map(of).collect()
    }
}

/// How many roll-outs, from which seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) roll_outs: u64,
    pub(crate) seed: u64,
}

/// Draws what a scenario asks for.
struct Batches(RollOut);

impl Batches {
    fn take(mut self, scenario: &Scenario) -> impl Iterator<Item = Batch> {
        (0..scenario.steps).map(move |step| {
            let (traffic, versions) = (scenario.step)(step);
            self.0.batch(traffic, versions)
        })
    }
}

impl Sample {
    /// A tenth of the roll-outs, where no rare event is counted.
    pub(crate) fn tenth(self) -> Self {
        Self { roll_outs: self.roll_outs.div_ceil(10), ..self }
    }

    /// Runs all, on all processors; the order is that of their numbers.
    fn each<T: Send>(self, run: impl Fn(Batches) -> T + Sync) -> Vec<T> {
        let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
        let bounds = Bounds::default();
        let run = |number| run(Batches(RollOut::new(self.seed, number, &bounds)));
        let part = |thread: u64| {
            let numbers =
                self.roll_outs * thread / threads..self.roll_outs * (thread + 1) / threads;
            numbers.map(run).collect::<Vec<T>>()
        };
        thread::scope(|scope| {
            let part = &part;
            let threads: Vec<_> =
                (0..threads).map(|thread| scope.spawn(move || part(thread))).collect();
            let parts = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            parts.flatten().collect()
        })
    }
}

impl Ends {
    fn new(ends: impl ExactSizeIterator<Item = Option<u64>>) -> Self {
        let of = ends.len();
        let mut after: Vec<u64> = ends.flatten().collect();
        after.sort_unstable();
        Self { of, after }
    }

    /// The share that ended.
    pub(crate) fn share(&self) -> f64 {
        self.after.len() as f64 / self.of as f64
    }

    /// The share that ended within so many requests to the canary.
    pub(crate) fn share_within(&self, requests: u64) -> f64 {
        self.after.partition_point(|after| *after <= requests) as f64 / self.of as f64
    }

    /// After how many requests to the canary this part of *all* roll-outs had ended.
    pub(crate) fn quantile(&self, part: f64) -> Option<u64> {
        self.after.get((self.of as f64 * part) as usize).copied()
    }
}
