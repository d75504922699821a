use crate::{
    bets::ON_NOT_WORSE, criterion::Criterion, growth, null::Point, quantile::Quantile,
    wealth::FIRST_STAKE,
};
use serde::{Deserialize, Serialize};

/// How much worse the canary may be without being called worse than the baseline: its share may
/// be `baseline × (1 + relative) + absolute`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Margin {
    /// Added to the baseline's share: 0.01 is one request in a hundred.
    pub absolute: f64,
    /// A part of the baseline's share.
    pub relative: f64,
}

impl Default for Margin {
    /// One request in a hundred.
    fn default() -> Self {
        Self { absolute: 0.01, relative: 0.0 }
    }
}

/// How a [`Judge`](crate::Judge) judges. Numbers are kept to nine decimals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct JudgeOptions {
    /// How likely a canary that is as good as the baseline may be called worse, over its whole
    /// life and by any metric.
    pub alpha_worse: f64,
    /// How likely a canary that is worse by more than a margin may be called not worse, over its
    /// whole life.
    pub alpha_promote: f64,
    /// The part of the baseline's error ratio by which the canary's may be above it before that
    /// counts as worse, however much evidence there is.
    pub error_tolerance: f64,
    /// What difference in error ratios a promotion rules out.
    pub error_margin: Margin,
    /// Which quantiles of latency are judged; none for none.
    pub quantiles: Vec<Quantile>,
    /// The part by which the canary may be slower before that counts: 0.1 is a tenth.
    pub latency_tolerance: f64,
    /// What a promotion rules out: that the share of requests slower than the baseline's quantile
    /// has grown by more than this part of its nominal size, which is 0.05 for p95.
    pub latency_margin: f64,
    /// No promotion before each arm has answered this many requests.
    pub minimum_requests: u64,
}

impl Default for JudgeOptions {
    /// Worse: 1 %, no tolerance for errors, a tenth for latencies. Promote: 5 %, one error in a
    /// hundred requests, half of the slow share, 100 requests. Latencies: p50 and p95.
    fn default() -> Self {
        Self {
            alpha_worse: 0.01,
            alpha_promote: 0.05,
            error_tolerance: 0.0,
            error_margin: Margin::default(),
            quantiles: vec![Quantile::P50, Quantile::P95],
            latency_tolerance: 0.1,
            latency_margin: 0.5,
            minimum_requests: 100,
        }
    }
}

/// An option that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("`{option}` {must}")]
pub struct OptionsError {
    /// Which.
    pub option: &'static str,
    /// What it must be.
    pub must: &'static str,
}

impl JudgeOptions {
    /// Sets how likely a good canary may be called worse.
    #[must_use]
    pub fn with_alpha_worse(mut self, alpha: f64) -> Self {
        self.alpha_worse = alpha;
        self
    }

    /// Sets how likely a bad canary may be called not worse.
    #[must_use]
    pub fn with_alpha_promote(mut self, alpha: f64) -> Self {
        self.alpha_promote = alpha;
        self
    }

    /// Sets which part more errors do not count.
    #[must_use]
    pub fn with_error_tolerance(mut self, part: f64) -> Self {
        self.error_tolerance = part;
        self
    }

    /// Sets what difference in error ratios a promotion rules out.
    #[must_use]
    pub fn with_error_margin(mut self, margin: Margin) -> Self {
        self.error_margin = margin;
        self
    }

    /// Sets which quantiles of latency are judged.
    #[must_use]
    pub fn with_quantiles(mut self, quantiles: impl Into<Vec<Quantile>>) -> Self {
        self.quantiles = quantiles.into();
        self
    }

    /// Sets by which part a canary may be slower.
    #[must_use]
    pub fn with_latency_tolerance(mut self, part: f64) -> Self {
        self.latency_tolerance = part;
        self
    }

    /// Sets what growth of the slow share a promotion rules out.
    #[must_use]
    pub fn with_latency_margin(mut self, part: f64) -> Self {
        self.latency_margin = part;
        self
    }

    /// Sets how many requests each arm must have answered before a promotion.
    #[must_use]
    pub fn with_minimum_requests(mut self, requests: u64) -> Self {
        self.minimum_requests = requests;
        self
    }

    /// About how many requests to the canary a promotion takes by errors, when both versions fail
    /// at this ratio and the baseline answers so many requests for each of the canary's. None when
    /// it would never come.
    #[must_use]
    pub fn requests_to_promote(&self, error_ratio: f64, baseline_per_canary: f64) -> Option<u64> {
        let possible = (0.0..=1.0).contains(&error_ratio) && baseline_per_canary.is_finite();
        let options = self.clone().checked().ok().filter(|_| possible)?;
        let Criterion { not_worse, not_worse_needs, .. } = Criterion::errors(&options);
        // The money of the one gambler who is right.
        let staked = FIRST_STAKE * ON_NOT_WORSE[1];
        let truth = Point::new(error_ratio, error_ratio);
        let nats = not_worse_needs - staked.ln();
        let requests = growth::requests_for(nats, &not_worse, truth, baseline_per_canary)?;
        Some(requests.max(options.minimum_requests))
    }

    /// Refuses nonsense, and rounds to nine decimals: a number that short survives every text
    /// format to the last bit.
    pub(crate) fn checked(mut self) -> Result<Self, OptionsError> {
        let margin = &mut self.error_margin;
        for number in [
            &mut self.alpha_worse,
            &mut self.alpha_promote,
            &mut self.error_tolerance,
            &mut margin.absolute,
            &mut margin.relative,
            &mut self.latency_tolerance,
            &mut self.latency_margin,
        ] {
            *number = (*number * 1e9).round() / 1e9;
        }
        let found = self.rules().into_iter().find(|(holds, _, _)| !holds);
        found.map_or(Ok(self), |(_, option, must)| Err(OptionsError { option, must }))
    }

    fn rules(&self) -> [(bool, &'static str, &'static str); 9] {
        let alpha = "must be between 0.000001 and 0.5";
        let part = "must be between 0 and 10";
        let is_alpha = |alpha: f64| (1e-6..=0.5).contains(&alpha);
        let is_part = |part: f64| (0.0..=10.0).contains(&part);
        let Margin { absolute, relative } = self.error_margin;
        let mut quantiles = self.quantiles.clone();
        quantiles.sort_unstable();
        quantiles.dedup();
        let distinct = quantiles.len() == self.quantiles.len() && quantiles.len() <= 8;
        let within = is_part(self.error_tolerance) && self.error_tolerance <= relative + absolute;
        let is_margin = (1e-6..=1.0).contains(&self.latency_margin);
        [
            (is_alpha(self.alpha_worse), "alpha_worse", alpha),
            (is_alpha(self.alpha_promote), "alpha_promote", alpha),
            ((0.0..=0.5).contains(&absolute), "error_margin.absolute", "must be between 0 and 0.5"),
            (is_part(relative), "error_margin.relative", part),
            (absolute + relative >= 1e-6, "error_margin", "must allow some difference"),
            (within, "error_tolerance", "must be at least 0 and within the margin"),
            (distinct, "quantiles", "must be at most eight, each once"),
            (is_part(self.latency_tolerance), "latency_tolerance", part),
            (is_margin, "latency_margin", "must be between 0.000001 and 1"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_by_the_name_of_the_option() {
        let options = JudgeOptions::default;
        let margin = |absolute, relative| Margin { absolute, relative };
        let cases = [
            (options().with_alpha_worse(0.0), "alpha_worse"),
            (options().with_alpha_worse(f64::NAN), "alpha_worse"),
            (options().with_alpha_promote(0.6), "alpha_promote"),
            (options().with_error_margin(margin(-0.1, 1.0)), "error_margin.absolute"),
            (options().with_error_margin(margin(0.0, f64::INFINITY)), "error_margin.relative"),
            (options().with_error_margin(margin(0.0, 0.0)), "error_margin"),
            (options().with_error_tolerance(0.02), "error_tolerance"),
            (options().with_error_tolerance(-0.1), "error_tolerance"),
            (options().with_quantiles([Quantile::P50, Quantile::P50]), "quantiles"),
            (options().with_latency_tolerance(-0.1), "latency_tolerance"),
            (options().with_latency_margin(1.5), "latency_margin"),
        ];
        for (options, named) in cases {
            assert_eq!(options.checked().unwrap_err().option, named);
        }
    }

    #[test]
    fn a_forecast_needs_figures_that_can_be() {
        let forecast =
            |ratio, per_canary| JudgeOptions::default().requests_to_promote(ratio, per_canary);
        assert_eq!(forecast(0.0, 9.0), Some(349));
        assert!(forecast(0.005, 1.0) > forecast(0.005, 9.0), "the baseline is known less well");
        for (ratio, per_canary) in [(f64::NAN, 9.0), (1.1, 9.0), (0.1, 0.0), (0.1, f64::INFINITY)] {
            assert_eq!(forecast(ratio, per_canary), None, "{ratio} {per_canary}");
        }
        let often = JudgeOptions::default().with_minimum_requests(5000);
        assert_eq!(often.requests_to_promote(0.0, 9.0), Some(5000));
        assert_eq!(often.with_alpha_promote(0.0).requests_to_promote(0.0, 9.0), None);
    }

    #[test]
    fn numbers_are_kept_to_nine_decimals() {
        let kept = JudgeOptions::default().with_alpha_worse(0.1 + 0.2).checked().unwrap();
        assert_eq!(kept.alpha_worse, 0.3);
    }
}
