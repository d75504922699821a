use serde::{Deserialize, Serialize};
use std::{iter, sync::Arc, time::Duration};

/// The most bounds that a histogram may have; all of them are stored with the judge.
const MOST: usize = 512;

/// Upper bounds of the buckets of a histogram, in rising order; both arms share them.
///
/// A latency that equals a bound is within it, as with Prometheus' `le`. What is slower than the
/// last bound is counted in a bucket of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u64>", into = "Vec<u64>")]
pub struct Bounds(Arc<[u64]>);

/// How many requests took how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawHistogram", into = "RawHistogram")]
pub struct Histogram {
    bounds: Bounds,
    /// One more than there are bounds.
    counts: Vec<u64>,
    /// Their sum.
    total: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHistogram {
    bounds: Bounds,
    counts: Vec<u64>,
}

/// What makes no histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// No bounds, or more than 512.
    #[error("a histogram has 1 to 512 bounds, not {0}")]
    NumberOfBounds(usize),
    /// They do not rise.
    #[error("bound {0} of the histogram is not above the one before, counted in microseconds")]
    BoundsDoNotRise(usize),
    /// Not one count for each bound and one for what is slower than all.
    #[error("{bounds} bounds need {} counts, not {counts}", bounds + 1)]
    NumberOfCounts {
        /// How many bounds there are.
        bounds: usize,
        /// How many counts came.
        counts: usize,
    },
}

impl Bounds {
    /// Takes bounds, of which microseconds count.
    ///
    /// # Errors
    /// When there is none, when there are more than 512, or when they do not rise.
    pub fn new(bounds: impl IntoIterator<Item = Duration>) -> Result<Self, HistogramError> {
        let micros = |bound: Duration| u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        bounds.into_iter().map(micros).collect::<Vec<_>>().try_into()
    }

    /// The bounds.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Duration> {
        self.0.iter().map(|micros| Duration::from_micros(*micros))
    }

    pub(crate) fn micros(&self, index: usize) -> u64 {
        self.0[index]
    }

    /// The first bound that is at least this many times the one at `index`.
    pub(crate) fn above(&self, index: usize, times: f64) -> Option<usize> {
        // 11 ms is a tenth above 10 ms, though not in binary fractions.
        let least = self.0[index] as f64 * times * (1.0 - 1e-9);
        let mut from_here = self.0.iter().skip(index);
        from_here.position(|bound| *bound as f64 >= least).map(|further| index + further)
    }
}

impl Default for Bounds {
    /// From 1 ms to 63 s, each a tenth above the one before: as fine as the tolerance that
    /// [`JudgeOptions`](crate::JudgeOptions) has for latencies.
    fn default() -> Self {
        let next = |micros: &u64| Some((micros * 11).div_ceil(10));
        Self(iter::successors(Some(1000), next).take(117).collect())
    }
}

impl TryFrom<Vec<u64>> for Bounds {
    type Error = HistogramError;

    fn try_from(micros: Vec<u64>) -> Result<Self, Self::Error> {
        if micros.is_empty() || micros.len() > MOST {
            return Err(HistogramError::NumberOfBounds(micros.len()));
        }
        match micros.windows(2).position(|pair| pair[0] >= pair[1]) {
            Some(index) => Err(HistogramError::BoundsDoNotRise(index + 2)),
            None => Ok(Self(micros.into())),
        }
    }
}

impl From<Bounds> for Vec<u64> {
    fn from(bounds: Bounds) -> Self {
        bounds.0.to_vec()
    }
}

impl Histogram {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let counts = vec![0; bounds.0.len() + 1];
        Self { bounds, counts, total: 0 }
    }

    /// Takes counts, one for each bound and one for what is slower than all of them. They are not
    /// cumulative.
    ///
    /// # Errors
    /// When their number does not fit.
    pub fn of_counts(bounds: Bounds, counts: Vec<u64>) -> Result<Self, HistogramError> {
        match (bounds.0.len(), counts.len()) {
            (bounds, counts) if counts != bounds + 1 => {
                Err(HistogramError::NumberOfCounts { bounds, counts })
            }
            _ => {
                let total = sum(&counts);
                Ok(Self { bounds, counts, total })
            }
        }
    }

    /// Counts one request, to the microsecond.
    pub fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.bounds.0.partition_point(|bound| *bound < micros);
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.total = self.total.saturating_add(1);
    }

    /// How many requests there are in each bucket; the last is for what is slower than all bounds.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Its bounds.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// How many requests it counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many requests were slower than the bound at `index`.
    pub(crate) fn slower_than(&self, index: usize) -> u64 {
        sum(&self.counts[index + 1..])
    }

    /// The first bound that at most this share of the requests exceeds.
    pub(crate) fn bound_with(&self, share_slower: f64) -> Option<usize> {
        let most = self.total as f64 * share_slower;
        let mut slower = self.total;
        let within = &self.counts[..self.bounds.0.len()];
        within.iter().position(|count| {
            slower = slower.saturating_sub(*count);
            slower as f64 <= most
        })
    }

    /// Adds what another of the same bounds has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.total = self.total.saturating_add(other.total);
    }
}

impl TryFrom<RawHistogram> for Histogram {
    type Error = HistogramError;

    fn try_from(raw: RawHistogram) -> Result<Self, Self::Error> {
        Self::of_counts(raw.bounds, raw.counts)
    }
}

impl From<Histogram> for RawHistogram {
    fn from(histogram: Histogram) -> Self {
        Self { bounds: histogram.bounds, counts: histogram.counts }
    }
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().copied().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(bounds: &[u64]) -> Bounds {
        Bounds::new(bounds.iter().map(|bound| Duration::from_millis(*bound))).unwrap()
    }

    #[test]
    fn a_latency_on_a_bound_is_within_it() {
        let mut histogram = Histogram::new(millis(&[10, 20]));
        for micros in [0, 10_000, 10_001, 20_000, 20_001, 9_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        assert_eq!(histogram.counts, [2, 2, 2]);
        assert_eq!((histogram.slower_than(0), histogram.slower_than(1)), (4, 2));
    }

    #[test]
    fn a_quantile_is_the_first_bound_that_few_enough_exceed() {
        let of = |counts: [u64; 4], share| {
            Histogram::of_counts(millis(&[10, 20, 30]), counts.into()).unwrap().bound_with(share)
        };
        assert_eq!(of([90, 5, 5, 0], 0.1), Some(0));
        assert_eq!(of([90, 5, 5, 0], 0.05), Some(1));
        assert_eq!(of([90, 5, 5, 0], 0.04), Some(2));
        assert_eq!(of([90, 0, 0, 10], 0.05), None, "it lies beyond the last bound");
    }

    #[test]
    fn the_bound_above_is_the_first_that_is_far_enough() {
        let bounds = millis(&[10, 11, 15, 30]);
        assert_eq!(bounds.above(0, 1.0), Some(0));
        assert_eq!(bounds.above(0, 1.1), Some(1));
        assert_eq!(bounds.above(1, 1.1), Some(2));
        assert_eq!(bounds.above(3, 1.1), None);
        let fine = Bounds::default();
        assert!((0..116).all(|index| fine.above(index, 1.1) == Some(index + 1)));
        assert_eq!((fine.iter().len(), fine.micros(0), fine.micros(116)), (117, 1000, 63_560_299));
    }

    #[test]
    fn nonsense_is_refused() {
        let bounds = |micros: &[u64]| Bounds::try_from(micros.to_vec());
        assert_eq!(bounds(&[]), Err(HistogramError::NumberOfBounds(0)));
        assert_eq!(bounds(&vec![0; 513]), Err(HistogramError::NumberOfBounds(513)));
        assert_eq!(bounds(&[1, 5, 5]), Err(HistogramError::BoundsDoNotRise(3)));
        let counts = Histogram::of_counts(millis(&[10]), vec![1, 2, 3]);
        assert_eq!(counts, Err(HistogramError::NumberOfCounts { bounds: 1, counts: 3 }));
        let stored = r#"{"bounds":[10,20],"counts":[1,2]}"#;
        assert!(serde_json::from_str::<Histogram>(stored).is_err());
    }
}
