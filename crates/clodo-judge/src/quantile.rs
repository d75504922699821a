use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A quantile of latencies, such as `p95`: the latency that 95 of 100 requests keep within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantile {
    /// In hundredths of a percent, from 1 to 9,999.
    within: u32,
}

/// Not a quantile from `p0.01` to `p99.99`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no quantile: write it as p50, p95 or p99.9")]
pub struct QuantileError(String);

impl Quantile {
    /// The median.
    pub const P50: Self = Self { within: 5000 };
    /// 95 of 100 requests keep within it.
    pub const P95: Self = Self { within: 9500 };
    /// 99 of 100 requests keep within it.
    pub const P99: Self = Self { within: 9900 };

    /// The share of requests that are slower: 0.05 for `p95`.
    #[must_use]
    pub fn share_slower(self) -> f64 {
        f64::from(10_000 - self.within) / 10_000.0
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", f64::from(self.within) / 100.0)
    }
}

impl FromStr for Quantile {
    type Err = QuantileError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let percent = text.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok());
        let hundredths = percent.map(|percent| percent * 100.0);
        match hundredths.map(f64::round) {
            Some(within)
                if (1.0..=9_999.0).contains(&within)
                    && hundredths.is_some_and(|exact| (exact - within).abs() < 1e-6) =>
            {
                Ok(Self { within: within as u32 })
            }
            _ => Err(QuantileError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Quantile {
    type Error = QuantileError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Quantile> for String {
    fn from(quantile: Quantile) -> Self {
        quantile.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_reads_what_it_prints_and_nothing_else() {
        for text in ["p50", "p95", "p99", "p99.9", "p99.99", "p0.01"] {
            assert_eq!(text.parse::<Quantile>().unwrap().to_string(), text);
        }
        for text in ["", "95", "p", "p0", "p100", "p99.999", "pNaN", "p-5", "P95"] {
            assert!(text.parse::<Quantile>().is_err(), "{text}");
        }
        assert_eq!("p99.9".parse::<Quantile>().unwrap().share_slower(), 0.001);
    }
}
