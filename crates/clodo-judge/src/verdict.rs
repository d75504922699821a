use crate::{batch::Side, counts::Counts, metric::Metric, quantile::Quantile};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a judge says when it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The canary is worse than the baseline: take it back. Once said, this stands.
    Worse(Evidence),
    /// By no metric is the canary worse by more than the margin: promote it. This says what is
    /// known now; later batches can take it back.
    NotWorse,
    /// Neither is shown yet.
    Inconclusive {
        /// What stands between this and [`Verdict::NotWorse`].
        missing: Vec<Missing>,
    },
}

/// What showed that a canary is worse, at the moment when it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// By which metric.
    pub metric: Metric,
    /// The baseline's counts.
    pub baseline: Counts,
    /// The canary's counts.
    pub canary: Counts,
    /// What counted as slow, if it is about latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholds>,
    /// The logarithm of the e-value, in nats. A canary as good as the baseline ever comes so far
    /// with a probability of at most `exp(-log_e)`.
    pub log_e: f64,
    /// What was needed.
    pub needed: f64,
    /// In which batch it was shown, counted from one.
    pub batch: u64,
}

/// What counts as slow, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// For the baseline: the bound at its quantile.
    pub baseline: u64,
    /// For the canary: the first bound that is above it by the tolerance.
    pub canary: u64,
}

/// What a judge lacks to say that a canary is not worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "missing", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Missing {
    /// Requests to one of the arms.
    Requests {
        /// Which.
        side: Side,
        /// How many it answered.
        have: u64,
        /// How many it must answer.
        need: u64,
    },
    /// Latencies of the baseline, from which to learn what slow is.
    Latencies {
        /// For which quantile.
        quantile: Quantile,
        /// How many there are.
        have: u64,
        /// How many there must be.
        need: u64,
    },
    /// Bounds of the histogram above the quantile and the tolerance.
    Bounds {
        /// Which quantile lies beyond them.
        quantile: Quantile,
    },
    /// Evidence.
    Evidence {
        /// By which metric.
        metric: Metric,
        /// How much there is, in nats.
        log_e: f64,
        /// How much there must be.
        needed: f64,
        /// About how many more requests to the canary that takes, beside as many to the baseline as
        /// so far; none if it does not get there the way it is.
        canary_requests: Option<u64>,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worse(evidence) => write!(f, "worse: {evidence}"),
            Self::NotWorse => f.write_str("not worse"),
            Self::Inconclusive { missing } => {
                f.write_str("inconclusive")?;
                for (index, missing) in missing.iter().enumerate() {
                    write!(f, "{} {missing}", if index == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, baseline, canary, thresholds, log_e, .. } = self;
        write!(f, "{metric}, {canary} beside {baseline}")?;
        if let Some(Thresholds { baseline, canary }) = thresholds {
            let millis = |micros: u64| micros as f64 / 1000.0;
            write!(f, " slower than {} ms and {} ms", millis(*canary), millis(*baseline))?;
        }
        write!(f, " (by chance with a probability of at most {:.1e})", (-log_e).exp())
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests { side, have, need } => {
                write!(f, "the {side} has answered {have} of {need} requests")
            }
            Self::Latencies { quantile, have, need } => {
                write!(f, "{have} of {need} latencies of the baseline to tell {quantile} from")
            }
            Self::Bounds { quantile } => {
                write!(f, "{quantile} lies beyond the bounds of the histogram")
            }
            Self::Evidence { metric, log_e, needed, canary_requests: None } => {
                write!(f, "{metric} at {log_e:.1} of {needed:.1} nats, and not rising")
            }
            Self::Evidence { metric, log_e, needed, canary_requests: Some(requests) } => write!(
                f,
                "{metric} at {log_e:.1} of {needed:.1} nats, about {requests} more requests to the \
                 canary"
            ),
        }
    }
}
