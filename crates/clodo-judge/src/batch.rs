use crate::histogram::{Bounds, Histogram};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What one arm did in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// How many requests it answered. Where telemetry is sampled: those in the sample, not what is
    /// extrapolated from them, which would count one observation many times.
    pub requests: u64,
    /// How many of them failed.
    pub errors: u64,
    /// How long they took, as far as it is known; of at most as many as there are requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Histogram>,
}

/// What both arms did in the same time: what happened since the batch before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The version that serves already.
    pub baseline: Arm,
    /// The new version.
    pub canary: Arm,
}

/// One of the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The version that serves already.
    Baseline,
    /// The new version.
    Canary,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "baseline",
            Self::Canary => "canary",
        })
    }
}

/// A batch that cannot be true. It was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// More errors than requests.
    #[error("the {side} has {errors} errors in {requests} requests")]
    TooManyErrors {
        /// Which arm.
        side: Side,
        /// Its errors.
        errors: u64,
        /// Its requests.
        requests: u64,
    },
    /// More latencies than requests.
    #[error("the {side} has {latencies} latencies of {requests} requests")]
    TooManyLatencies {
        /// Which arm.
        side: Side,
        /// How many latencies.
        latencies: u64,
        /// Its requests.
        requests: u64,
    },
    /// The bounds are not those of the first histogram, so that nothing can be added up.
    #[error("the histogram of the {0} has other bounds than those before")]
    OtherBounds(Side),
}

impl Arm {
    /// Takes counts.
    #[must_use]
    pub fn new(requests: u64, errors: u64) -> Self {
        Self { requests, errors, latency: None }
    }

    /// Adds latencies.
    #[must_use]
    pub fn with_latency(mut self, latency: Histogram) -> Self {
        self.latency = Some(latency);
        self
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        match (&mut self.latency, &other.latency) {
            (Some(all), Some(more)) => all.add(more),
            (None, Some(more)) => self.latency = Some(more.clone()),
            (_, None) => {}
        }
    }
}

impl Batch {
    /// Takes what both arms did in the same time.
    #[must_use]
    pub fn new(baseline: Arm, canary: Arm) -> Self {
        Self { baseline, canary }
    }

    pub(crate) fn arms(&self) -> [(Side, &Arm); 2] {
        [(Side::Baseline, &self.baseline), (Side::Canary, &self.canary)]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.baseline.add(&other.baseline);
        self.canary.add(&other.canary);
    }

    /// The bounds of its histograms; those of one arm, if it has any.
    pub(crate) fn bounds(&self) -> Option<&Bounds> {
        let latencies = self.arms().into_iter().filter_map(|(_, arm)| arm.latency.as_ref());
        latencies.map(Histogram::bounds).next()
    }

    /// Refuses what cannot be true, and other bounds than those known.
    pub(crate) fn check(&self, known: Option<&Bounds>) -> Result<(), BatchError> {
        let bounds = known.or_else(|| self.bounds());
        for (side, arm) in self.arms() {
            let (requests, errors) = (arm.requests, arm.errors);
            if errors > requests {
                return Err(BatchError::TooManyErrors { side, errors, requests });
            }
            let Some(latency) = &arm.latency else { continue };
            if Some(latency.bounds()) != bounds {
                return Err(BatchError::OtherBounds(side));
            }
            let latencies = latency.total();
            if latencies > requests {
                return Err(BatchError::TooManyLatencies { side, latencies, requests });
            }
        }
        Ok(())
    }
}
