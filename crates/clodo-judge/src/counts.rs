use serde::{Deserialize, Serialize};
use std::fmt;

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Those that failed, or were too slow.
    pub hits: u64,
    /// All of them.
    pub total: u64,
}

impl Counts {
    /// The share of hits; none of nothing.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| self.hits as f64 / self.total as f64)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            hits: self.hits.saturating_add(other.hits),
            total: self.total.saturating_add(other.total),
        }
    }
}

/// The counts of both arms over the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) baseline: Counts,
    pub(crate) canary: Counts,
}

impl Pair {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            baseline: self.baseline.plus(other.baseline),
            canary: self.canary.plus(other.canary),
        }
    }

    pub(crate) fn together(&self) -> Counts {
        self.baseline.plus(self.canary)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.hits, self.total)
    }
}
