use crate::{
    batch::{Batch, BatchError},
    bets,
    criterion::Criterion,
    histogram::Bounds,
    options::{JudgeOptions, OptionsError},
    report::{JudgeReport, MetricReport, Progress},
    verdict::{Evidence, Missing, Verdict},
    wealth::Wealth,
};
use serde::{Deserialize, Serialize};

/// A batch with fewer requests than this in one arm waits for the next: of one arm alone nothing
/// follows, and of one request beside four less than of ten beside forty.
const TOGETHER: u64 = 4;
/// It waits no longer once one arm has this many.
const ENOUGH: u64 = 400;

/// Judges a canary against the baseline that serves beside it.
///
/// Feed it what both arms did since the last time, ask for the verdict as often as you like, act
/// when it is not inconclusive. It can be stored at any time (with the mark up to which telemetry
/// was fed) and goes on exactly where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Judge {
    options: JudgeOptions,
    batches: u64,
    /// What was judged, and what later thresholds and bets are read from.
    past: Batch,
    /// What is too small yet to be judged.
    waiting: Batch,
    tests: Vec<Tests>,
    worse: Option<Evidence>,
}

/// The two tests of one criterion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    worse: Wealth,
    not_worse: Wealth,
}

impl Judge {
    /// Nothing is known yet.
    ///
    /// # Errors
    /// When an option makes no sense.
    pub fn new(options: JudgeOptions) -> Result<Self, OptionsError> {
        let options = options.checked()?;
        let tests = Criterion::all(&options).iter().map(|_| Tests::new()).collect();
        let (past, waiting) = (Batch::default(), Batch::default());
        Ok(Self { options, batches: 0, past, waiting, tests, worse: None })
    }

    /// Its options, numbers rounded to nine decimals.
    #[must_use]
    pub fn options(&self) -> &JudgeOptions {
        &self.options
    }

    /// Takes in what both arms did since the batch before. Batches that come before the canary
    /// serves teach what the baseline is like.
    ///
    /// How long a batch lasts, and when one stops feeding, may depend on the clock, on traffic and
    /// on all verdicts before; not on what is in the batch.
    ///
    /// # Errors
    /// When the batch cannot be true; it is then not taken in.
    pub fn observe(&mut self, batch: &Batch) -> Result<(), BatchError> {
        batch.check(self.seen_bounds())?;
        self.batches = self.batches.saturating_add(1);
        self.waiting.add(batch);
        let (baseline, canary) = (self.waiting.baseline.requests, self.waiting.canary.requests);
        if baseline.min(canary) >= TOGETHER || baseline.max(canary) >= ENOUGH {
            let batch = std::mem::take(&mut self.waiting);
            self.weigh(&batch);
            self.past.add(&batch);
            if self.worse.is_none() {
                self.worse = self.find();
            }
        }
        Ok(())
    }

    /// What is known now. Asking changes nothing, and may be done as often as one likes.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.report().verdict
    }

    /// What is known now, by each metric, and what is still needed.
    #[must_use]
    pub fn report(&self) -> JudgeReport {
        let metrics = self.metrics();
        let verdict = match &self.worse {
            Some(evidence) => Verdict::Worse(evidence.clone()),
            None => match self.missing(&metrics) {
                missing if missing.is_empty() => Verdict::NotWorse,
                missing => Verdict::Inconclusive { missing },
            },
        };
        JudgeReport { verdict, batches: self.batches, metrics }
    }

    fn seen_bounds(&self) -> Option<&Bounds> {
        self.past.bounds().or_else(|| self.waiting.bounds())
    }

    /// Lets all gamblers bet on a batch, each by what the past taught.
    fn weigh(&mut self, batch: &Batch) {
        let past = &self.past;
        for (criterion, tests) in Criterion::all(&self.options).iter().zip(&mut self.tests) {
            let Ok(sight) = criterion.sight(past) else { continue };
            let (past, batch) = (sight.count(past), sight.count(batch));
            let Criterion { worse, not_worse, prior, .. } = criterion;
            tests.worse.absorb(&bets::on_worse(worse, *prior, &past, &batch));
            tests.not_worse.absorb(&bets::on_not_worse(not_worse, *prior, &past, &batch));
        }
    }

    fn metrics(&self) -> Vec<MetricReport> {
        let criteria = Criterion::all(&self.options);
        let report = |(criterion, tests): (&Criterion, &Tests)| {
            let worse = tests.worse.log_e(&bets::ON_WORSE);
            let not_worse = tests.not_worse.log_e(&bets::ON_NOT_WORSE);
            MetricReport::new(criterion, [&self.past, &self.waiting], worse, not_worse)
        };
        criteria.iter().zip(&self.tests).map(report).collect()
    }

    /// The first metric by which the canary is worse.
    fn find(&self) -> Option<Evidence> {
        let criteria = Criterion::all(&self.options);
        let mut tests = criteria.iter().zip(&self.tests);
        let index = tests.position(|(criterion, tests)| {
            tests.worse.log_e(&bets::ON_WORSE).nats() >= criterion.worse_needs
        })?;
        let found = self.metrics().swap_remove(index);
        let MetricReport { metric, baseline, canary, thresholds, .. } = found;
        let Progress { log_e, needed } = found.worse;
        Some(Evidence { metric, baseline, canary, thresholds, log_e, needed, batch: self.batches })
    }

    fn missing(&self, metrics: &[MetricReport]) -> Vec<Missing> {
        let need = self.options.minimum_requests;
        let arms = self.past.arms().into_iter().zip(self.waiting.arms());
        let requests = arms.filter_map(|((side, past), (_, waiting))| {
            let have = past.requests.saturating_add(waiting.requests);
            (have < need).then_some(Missing::Requests { side, have, need })
        });
        requests.chain(metrics.iter().filter_map(|metric| metric.missing.clone())).collect()
    }
}

impl Tests {
    fn new() -> Self {
        let worse = Wealth::new(bets::ON_WORSE.len());
        Self { worse, not_worse: Wealth::new(bets::ON_NOT_WORSE.len()) }
    }

    fn are_sound(&self) -> bool {
        self.worse.gamblers() == bets::ON_WORSE.len()
            && self.not_worse.gamblers() == bets::ON_NOT_WORSE.len()
    }
}

/// A judge as it was stored, not looked at yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    options: JudgeOptions,
    batches: u64,
    past: Batch,
    waiting: Batch,
    tests: Vec<Tests>,
    worse: Option<Evidence>,
}

#[derive(Debug, thiserror::Error)]
enum StoredError {
    #[error("the stored judge has options that make no sense")]
    Options(#[from] OptionsError),
    #[error("the stored judge has counts that cannot be true")]
    Counts(#[from] BatchError),
    #[error("the stored judge has other tests than its options ask for")]
    Tests,
}

impl TryFrom<Stored> for Judge {
    type Error = StoredError;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { options, batches, past, waiting, tests, worse } = stored;
        let options = options.checked()?;
        past.check(None)?;
        waiting.check(past.bounds())?;
        if tests.len() != Criterion::all(&options).len() || !tests.iter().all(Tests::are_sound) {
            return Err(StoredError::Tests);
        }
        Ok(Self { options, batches, past, waiting, tests, worse })
    }
}
