use crate::{platform::PlatformError, trigger::Check};
use async_trait::async_trait;
use clodo_judge::{Arm, Batch, Histogram};
use clodo_types::{TargetId, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a canary is judged by: how two versions of a Worker, side by side, answered their requests.
///
/// # Contract
/// - Only reads the platform. Whoever has no telemetry to read may send requests of its own to the
///   target, as long as they change nothing there.
/// - Counts are of all requests since [`TelemetryQuestion::since`] that are known by now. Asked
///   again with the same question, they do not shrink, except as far as the source itself estimates.
/// - Both arms are of the same kind of requests in the same time. What is not known is not counted;
///   nothing is made up.
#[async_trait]
pub trait Telemetry: fmt::Debug + Send + Sync + 'static {
    /// Reads what is known.
    ///
    /// # Errors
    /// When the source cannot be read; the canary then stays where it is, and is asked about again.
    async fn read(&self, question: &TelemetryQuestion) -> Result<Reading, PlatformError>;

    /// Whether readings about a target hold latencies. Where they do not, a canary is judged by
    /// errors alone.
    fn knows_latency(&self, target: &TargetId) -> bool;
}

/// Which requests are asked about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TelemetryQuestion {
    /// The target and its addresses.
    pub check: Check,
    /// Where it answers, best first, without a path.
    pub urls: Vec<String>,
    /// The version that is judged.
    pub canary: VersionId,
    /// The version that it is compared with; it serves at the same time.
    pub baseline: VersionId,
    /// Only requests from this moment on.
    pub since: Timestamp,
}

impl TelemetryQuestion {
    /// Asks about two versions of the target that `check` looks at.
    #[must_use]
    pub fn new(check: Check, canary: VersionId, baseline: VersionId, since: Timestamp) -> Self {
        Self { check, urls: Vec::new(), canary, baseline, since }
    }

    /// Says where the target answers, best first.
    #[must_use]
    pub fn with_urls(mut self, urls: Vec<String>) -> Self {
        self.urls = urls;
        self
    }
}

/// What is known about both versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The version that serves already.
    pub baseline: Arm,
    /// The version that is judged.
    pub canary: Arm,
}

impl Default for Reading {
    /// Nothing.
    fn default() -> Self {
        Self { baseline: Arm::new(0, 0), canary: Arm::new(0, 0) }
    }
}

impl From<Batch> for Reading {
    fn from(batch: Batch) -> Self {
        Self { baseline: batch.baseline, canary: batch.canary }
    }
}

impl Reading {
    /// What came since an earlier reading with the same question.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Batch {
        Batch::new(more(&self.baseline, &earlier.baseline), more(&self.canary, &earlier.canary))
    }
}

/// Estimates may shrink a little; then nothing came.
fn more(now: &Arm, earlier: &Arm) -> Arm {
    let requests = now.requests.saturating_sub(earlier.requests);
    let errors = now.errors.saturating_sub(earlier.errors).min(requests);
    let arm = Arm::new(requests, errors);
    let latency = now.latency.as_ref().and_then(|now| match &earlier.latency {
        None => Some(now.clone()),
        Some(earlier) => difference(now, earlier),
    });
    // Where two metrics of one source disagree, the latencies are not known.
    let latency = latency.filter(|latency| latency.total() <= requests);
    match latency {
        Some(latency) => arm.with_latency(latency),
        None => arm,
    }
}

fn difference(now: &Histogram, earlier: &Histogram) -> Option<Histogram> {
    if now.bounds() != earlier.bounds() {
        return None;
    }
    let counts = now.counts().iter().zip(earlier.counts());
    let counts = counts.map(|(now, earlier)| now.saturating_sub(*earlier)).collect();
    Histogram::of_counts(now.bounds().clone(), counts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_judge::Bounds;
    use std::time::Duration;

    #[test]
    fn what_came_since_is_the_difference_and_estimates_may_shrink() {
        let mut latency = Histogram::new(Bounds::default());
        latency.record(Duration::from_millis(3));
        let earlier = Reading {
            baseline: Arm::new(900, 9).with_latency(latency.clone()),
            canary: Arm::new(100, 1),
        };
        latency.record(Duration::from_millis(30));
        let now = Reading {
            baseline: Arm::new(1_000, 11).with_latency(latency),
            canary: Arm::new(90, 4),
        };
        let batch = now.since(&earlier);
        assert_eq!((batch.baseline.requests, batch.baseline.errors), (100, 2));
        assert_eq!((batch.canary.requests, batch.canary.errors), (0, 0));
        assert_eq!(batch.baseline.latency.unwrap().counts().iter().sum::<u64>(), 1);
    }
}
