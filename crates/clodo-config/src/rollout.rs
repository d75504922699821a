use crate::{
    choices::{Approval, Inconclusive, TelemetrySource},
    placed::Placed,
};
use clodo_types::{CustomerName, EnvironmentName, ServiceName, TargetId};
use serde::Serialize;
use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// Settings of which each may be missing at each level; for each the strongest level counts.
macro_rules! settings {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$field_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )+
        }

        impl $name {
            pub(crate) fn or(&self, weaker: &Self) -> Self {
                Self { $($field: self.$field.clone().or_else(|| weaker.$field.clone()),)+ }
            }
        }
    };
}

/// What one level, or all levels together, say about roll-outs besides the strategy's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RolloutSettings {
    /// What canaries are judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<Placed<TelemetrySource>>,
    /// Of the strategy `rolling`.
    pub rolling: RollingSettings,
    /// Of the strategy `canary`.
    pub canary: CanarySettings,
    /// Of the strategy `blue-green`.
    pub blue_green: BlueGreenSettings,
    /// Of the telemetry `probes`.
    pub probes: ProbeSettings,
    /// Of the telemetry `prometheus`.
    pub prometheus: PrometheusSettings,
}

impl RolloutSettings {
    /// What counts when a weaker level speaks too: key by key.
    pub(crate) fn or(&self, weaker: &Self) -> Self {
        Self {
            telemetry: self.telemetry.clone().or_else(|| weaker.telemetry.clone()),
            rolling: self.rolling.or(&weaker.rolling),
            canary: self.canary.or(&weaker.canary),
            blue_green: self.blue_green.or(&weaker.blue_green),
            probes: self.probes.or(&weaker.probes),
            prometheus: self.prometheus.or(&weaker.prometheus),
        }
    }
}

settings! {
    /// How targets are rolled out in batches.
    RollingSettings {
        /// How many targets a batch has.
        batch: Batch,
        /// How many targets of a batch may have a new version that has not answered yet.
        max_unavailable: NonZeroU32,
        /// How long a batch must stay healthy.
        bake: Duration,
    }
}

settings! {
    /// How a canary is rolled out and judged.
    CanarySettings {
        /// The shares of the traffic, rising, below 100; never empty.
        steps: Vec<CanaryStep>,
        /// How long each step lasts at least; never zero.
        bake: Duration,
        /// How long a step may stay without a verdict.
        limit: Duration,
        /// What happens then.
        inconclusive: Inconclusive,
        /// How often telemetry is read; never zero.
        interval: Duration,
        /// No promotion before each version has answered so many requests.
        minimum_requests: NonZeroU32,
        /// What difference in error ratios a promotion rules out: 0 to 0.5.
        error_margin: f64,
        /// The same as a part of the old version's error ratio: 0 to 10.
        error_margin_relative: f64,
        /// By which part of the old version's error ratio more errors do not count: 0 to 10.
        error_tolerance: f64,
        /// Which quantiles of latency are judged: `p95`.
        latency: Vec<LatencyQuantile>,
        /// By which part the new version may be slower: 0 to 10.
        latency_tolerance: f64,
        /// By which part of its nominal size the share of slow requests may grow: 0.000001 to 1.
        latency_margin: f64,
        /// How likely a good version may be called worse: 0.000001 to 0.5.
        alpha_worse: f64,
        /// How likely a bad version may be promoted: 0.000001 to 0.5.
        alpha_promote: f64,
    }
}

settings! {
    /// How a blue-green deployment is rolled out.
    BlueGreenSettings {
        /// How long the new version must stay healthy under all traffic.
        bake: Duration,
    }
}

settings! {
    /// The requests that probes send.
    ProbeSettings {
        /// How many go to each version whenever telemetry is read.
        requests: NonZeroU32,
        /// The path that is asked.
        path: String,
    }
}

settings! {
    /// What Prometheus is asked.
    PrometheusSettings {
        /// Where it is.
        url: String,
        /// The query for the number of requests.
        requests: String,
        /// The query for how many of them failed.
        errors: String,
        /// The query for their latencies, by bucket.
        latency: String,
        /// The environment variable that holds a bearer token.
        token_env: String,
    }
}

/// How many targets a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// So many.
    Count(NonZeroU32),
    /// So many percent of all that change: above 0, at most 100.
    Percent(f64),
}

/// One step of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CanaryStep {
    /// The share of the traffic, in percent: above 0, below 100.
    pub percentage: f64,
    /// How long it lasts at least, when it is not what all steps last.
    pub bake: Option<Duration>,
}

/// A quantile of latency from `p0.01` to `p99.99`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LatencyQuantile(u32);

/// A text is no quantile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no quantile: write it as p50, p95 or p99.9")]
pub struct LatencyQuantileError(String);

impl FromStr for LatencyQuantile {
    type Err = LatencyQuantileError;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and within 1 to 9,999"
    )]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let percent = text.strip_prefix('p').and_then(|digits| digits.parse::<f64>().ok());
        let hundredths = percent.map(|percent| percent * 100.0);
        let whole = |exact: &f64| (exact - exact.round()).abs() < 1e-6;
        let fits = hundredths.filter(whole).map(f64::round);
        let fits = fits.filter(|hundredths| (1.0..=9_999.0).contains(hundredths));
        let wrong = || LatencyQuantileError(crate::fields::shortened(text));
        fits.map(|hundredths| Self(hundredths as u32)).ok_or_else(wrong)
    }
}

impl fmt::Display for LatencyQuantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", f64::from(self.0) / 100.0)
    }
}

/// Targets that are rolled out together, before those of later waves and those of none. A list that
/// is empty leaves nothing out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Wave {
    /// What it is called.
    pub name: String,
    /// Only targets in these environments.
    pub environments: Vec<Placed<EnvironmentName>>,
    /// Only targets of these customers.
    pub customers: Vec<Placed<CustomerName>>,
    /// Only targets of these services.
    pub services: Vec<Placed<ServiceName>>,
    /// How long they must stay healthy before the next wave begins.
    pub bake: Duration,
    /// Whose yes is needed before the next wave begins.
    pub approval: Option<Approval>,
}

impl Wave {
    /// Whether a target belongs to it.
    #[must_use]
    pub fn has(&self, target: &TargetId) -> bool {
        fn within<T: PartialEq>(names: &[Placed<T>], name: Option<&T>) -> bool {
            names.is_empty() || names.iter().any(|placed| Some(&placed.value) == name)
        }
        within(&self.environments, Some(&target.environment))
            && within(&self.customers, target.customer.as_ref())
            && within(&self.services, Some(&target.service))
    }
}
