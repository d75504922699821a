use crate::quantile::{Quantile, QuantileError};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What the arms are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Metric {
    /// The share of requests that failed.
    Errors,
    /// The share of requests slower than the baseline's quantile.
    Latency(Quantile),
}

/// Neither `errors` nor `latency-` with a quantile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no metric: it is `errors` or such as `latency-p95`")]
pub struct MetricError {
    text: String,
    #[source]
    quantile: Option<QuantileError>,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors => f.write_str("errors"),
            Self::Latency(quantile) => write!(f, "latency-{quantile}"),
        }
    }
}

impl FromStr for Metric {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |quantile| MetricError { text: text.to_owned(), quantile };
        match text.strip_prefix("latency-") {
            Some(quantile) => {
                quantile.parse().map(Self::Latency).map_err(|quantile| error(Some(quantile)))
            }
            None if text == "errors" => Ok(Self::Errors),
            None => Err(error(None)),
        }
    }
}

impl TryFrom<String> for Metric {
    type Error = MetricError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}
