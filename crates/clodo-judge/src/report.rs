use crate::{
    batch::Batch,
    counts::{Counts, Pair},
    criterion::Criterion,
    growth,
    metric::Metric,
    verdict::{Missing, Thresholds, Verdict},
    wealth::LogE,
};
use serde::{Deserialize, Serialize};

/// All that a judge knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JudgeReport {
    /// What it says.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How many batches it was fed.
    pub batches: u64,
    /// By each metric: errors first, then the quantiles.
    pub metrics: Vec<MetricReport>,
}

/// What is known by one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricReport {
    /// Which.
    pub metric: Metric,
    /// What counts as slow now, if it is about latency and the baseline is known well enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholds>,
    /// The baseline's counts so far.
    pub baseline: Counts,
    /// The canary's counts so far.
    pub canary: Counts,
    /// The share that a promotion rules out for the canary, beside the baseline's so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruled_out: Option<f64>,
    /// How far it is shown that the canary is worse.
    pub worse: Progress,
    /// How far it is shown that it is not worse by the margin.
    pub not_worse: Progress,
    /// What stands between this metric and a promotion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// How far something is shown: logarithms of an e-value and of what it must reach, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What there is now.
    pub log_e: f64,
    /// What shows it.
    pub needed: f64,
}

impl Progress {
    /// Whether it is shown.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.log_e >= self.needed
    }
}

impl MetricReport {
    pub(crate) fn new(
        criterion: &Criterion,
        [past, waiting]: [&Batch; 2],
        worse: LogE,
        not_worse: LogE,
    ) -> Self {
        let sight = criterion.sight(past);
        let counts = sight
            .as_ref()
            .map_or_else(|_| Pair::default(), |sight| sight.count(past).plus(sight.count(waiting)));
        let worse = Progress { log_e: worse.nats(), needed: criterion.worse_needs };
        let not_worse = Progress { log_e: not_worse.nats(), needed: criterion.not_worse_needs };
        let ruled_out = counts.baseline.share().map(|share| criterion.not_worse.edge(share));
        Self {
            metric: criterion.metric,
            thresholds: sight.as_ref().ok().and_then(|sight| sight.thresholds(past.bounds())),
            baseline: counts.baseline,
            canary: counts.canary,
            ruled_out: ruled_out.map(|share| (share.min(1.0) * 1e9).round() / 1e9),
            worse,
            not_worse,
            missing: sight.err().or_else(|| evidence(criterion, not_worse, &counts)),
        }
    }
}

fn evidence(criterion: &Criterion, shown: Progress, counts: &Pair) -> Option<Missing> {
    if shown.is_reached() {
        return None;
    }
    let Progress { log_e, needed } = shown;
    let per_canary = counts.baseline.total as f64 / counts.canary.total.max(1) as f64;
    let likely = growth::likely(counts, criterion.prior);
    let nats = needed - log_e;
    let canary_requests = growth::requests_for(nats, &criterion.not_worse, likely, per_canary);
    Some(Missing::Evidence { metric: criterion.metric, log_e, needed, canary_requests })
}
