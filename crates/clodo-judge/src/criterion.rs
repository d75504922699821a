use crate::{
    batch::{Arm, Batch},
    bets::Prior,
    counts::{Counts, Pair},
    histogram::Bounds,
    metric::Metric,
    null::{Lies, Null},
    options::JudgeOptions,
    quantile::Quantile,
    verdict::{Missing, Thresholds},
};

/// A quantile is read from the baseline once this many requests are expected beyond it.
const BEYOND: f64 = 10.0;

/// One metric, and what its two tests must show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Criterion {
    pub(crate) metric: Metric,
    pub(crate) prior: Prior,
    /// The canary is not worse. Rejecting it shows that it is worse.
    pub(crate) worse: Null,
    /// How many nats that takes.
    pub(crate) worse_needs: f64,
    /// The canary is worse by the margin or more. Rejecting it shows that it is not worse.
    pub(crate) not_worse: Null,
    /// How many nats that takes.
    pub(crate) not_worse_needs: f64,
    /// How many times slower the canary may be.
    slower: f64,
}

/// What counts as a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Errors.
    Errors,
    /// Whatever is slower than these bounds.
    Slower { baseline: usize, canary: usize },
}

impl Criterion {
    /// All of them: errors first, then the quantiles in the order of the options.
    ///
    /// A canary is worse if it is by *any* metric, so `alpha_worse` is shared out among them
    /// (Bonferroni): half to errors, half to all quantiles. It is not worse only if it is by *no*
    /// metric, so `alpha_promote` need not be shared (an intersection-union test).
    pub(crate) fn all(options: &JudgeOptions) -> Vec<Self> {
        let quantiles = options.quantiles.len() as f64;
        let mut all = vec![Self::errors(options)];
        let latency = |quantile| Self::latency(options, quantile, 0.5 / quantiles);
        all.extend(options.quantiles.iter().copied().map(latency));
        all
    }

    pub(crate) fn errors(options: &JudgeOptions) -> Self {
        let part = if options.quantiles.is_empty() { 1.0 } else { 0.5 };
        let margin = options.error_margin;
        let slope = 1.0 + options.error_tolerance;
        Self {
            metric: Metric::Errors,
            // Half an error in a hundred requests: rather too few than too many.
            prior: Prior { hits: 0.5, total: 100.0 },
            worse: Null { lies: Lies::Below, absolute: 0.0, slope },
            worse_needs: nats(part * options.alpha_worse),
            not_worse: Null {
                lies: Lies::Above,
                absolute: margin.absolute,
                slope: 1.0 + margin.relative,
            },
            not_worse_needs: nats(options.alpha_promote),
            slower: 1.0,
        }
    }

    fn latency(options: &JudgeOptions, quantile: Quantile, part: f64) -> Self {
        let share = quantile.share_slower();
        let absolute = options.latency_margin * share;
        Self {
            metric: Metric::Latency(quantile),
            // As if ten requests had been as slow as the quantile says.
            prior: Prior { hits: 10.0 * share, total: 10.0 },
            worse: Null { lies: Lies::Below, absolute: 0.0, slope: 1.0 },
            worse_needs: nats(part * options.alpha_worse),
            not_worse: Null { lies: Lies::Above, absolute, slope: 1.0 },
            not_worse_needs: nats(options.alpha_promote),
            slower: 1.0 + options.latency_tolerance,
        }
    }

    /// What counts as a hit, as far as the past tells. It must not depend on the batch that is
    /// judged by it.
    pub(crate) fn sight(&self, past: &Batch) -> Result<Sight, Missing> {
        let Metric::Latency(quantile) = self.metric else {
            return Ok(Sight::Errors);
        };
        let share = quantile.share_slower();
        let need = (BEYOND / share).ceil() as u64;
        let latency = past.baseline.latency.as_ref();
        match latency.map_or(0, |latency| latency.total()) {
            have if have < need => Err(Missing::Latencies { quantile, have, need }),
            _ => latency
                .and_then(|latency| {
                    let baseline = latency.bound_with(share)?;
                    let canary = latency.bounds().above(baseline, self.slower)?;
                    Some(Sight::Slower { baseline, canary })
                })
                .ok_or(Missing::Bounds { quantile }),
        }
    }
}

/// How many nats show something at this level: an e-value of `1/alpha`. Rounded up to nine
/// decimals, as all that is stored.
fn nats(alpha: f64) -> f64 {
    (-alpha.ln() * 1e9).ceil() / 1e9
}

impl Sight {
    /// Counts hits in both arms.
    pub(crate) fn count(self, batch: &Batch) -> Pair {
        let of = |arm: &Arm, bound: Option<usize>| match (bound, &arm.latency) {
            (None, _) => Counts { hits: arm.errors, total: arm.requests },
            (Some(bound), Some(latency)) => {
                Counts { hits: latency.slower_than(bound), total: latency.total() }
            }
            (Some(_), None) => Counts::default(),
        };
        let (baseline, canary) = match self {
            Self::Errors => (None, None),
            Self::Slower { baseline, canary } => (Some(baseline), Some(canary)),
        };
        Pair { baseline: of(&batch.baseline, baseline), canary: of(&batch.canary, canary) }
    }

    /// The bounds by which it counts.
    pub(crate) fn thresholds(self, bounds: Option<&Bounds>) -> Option<Thresholds> {
        match (self, bounds) {
            (Self::Slower { baseline, canary }, Some(bounds)) => Some(Thresholds {
                baseline: bounds.micros(baseline),
                canary: bounds.micros(canary),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_of_all_metrics_add_up_to_the_whole() {
        let levels = |options: &JudgeOptions| -> f64 {
            Criterion::all(options).iter().map(|criterion| (-criterion.worse_needs).exp()).sum()
        };
        let three = [Quantile::P50, Quantile::P95, Quantile::P99];
        for quantiles in [&three[..0], &three[..1], &three] {
            let sum = levels(&JudgeOptions::default().with_quantiles(quantiles));
            assert!((sum - 0.01).abs() < 1e-9 && sum <= 0.01, "{quantiles:?}: {sum}");
        }
    }
}
