//! Sums and distributions that can be merged.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What of a minute (or of many) is kept about one set of dimensions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// How many events.
    pub(crate) count: u64,
    /// One per measure of the dataset.
    pub(crate) measures: Vec<Measure>,
}

/// One measure over many events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measure {
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    #[serde(default, skip_serializing_if = "Sketch::is_empty")]
    pub(crate) sketch: Sketch,
}

/// What one event adds to a measure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Plain(f64),
    /// Its distribution is asked for as well.
    Spread(f64),
}

impl Cell {
    /// `count` events, of which these are the measures in sum.
    pub(crate) fn add(&mut self, count: u64, values: &[Value]) {
        let fresh = self.count == 0;
        self.count += count;
        self.measures.resize_with(values.len().max(self.measures.len()), Measure::default);
        for (measure, value) in self.measures.iter_mut().zip(values) {
            let (Value::Plain(value) | Value::Spread(value)) = *value;
            measure.add(value, fresh);
        }
        for (measure, value) in self.measures.iter_mut().zip(values) {
            if let Value::Spread(value) = value {
                measure.sketch.add(*value, count);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let fresh = self.count == 0;
        self.count += other.count;
        self.measures.resize_with(other.measures.len().max(self.measures.len()), Measure::default);
        for (own, other) in self.measures.iter_mut().zip(&other.measures) {
            own.sum += other.sum;
            own.min = if fresh { other.min } else { own.min.min(other.min) };
            own.max = if fresh { other.max } else { own.max.max(other.max) };
            own.sketch.merge(&other.sketch);
        }
    }
}

impl Measure {
    fn add(&mut self, value: f64, fresh: bool) {
        self.sum += value;
        self.min = if fresh { value } else { self.min.min(value) };
        self.max = if fresh { value } else { self.max.max(value) };
    }
}

/// A distribution: how many values lie in each of a row of ranges, each 4 % wider than the one
/// before. A quantile is right within 2 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sketch(BTreeMap<i32, u64>);

const GAMMA: f64 = 1.04;
/// Values below 1 share this range.
const ZERO: i32 = -1;

impl Sketch {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, value: f64, count: u64) {
        // The cast saturates, and NaN becomes 0: no value is out of range.
        let range = if value < 1.0 { ZERO } else { (value.ln() / GAMMA.ln()).floor() as i32 };
        *self.0.entry(range).or_default() += count;
    }

    fn merge(&mut self, other: &Self) {
        for (range, count) in &other.0 {
            *self.0.entry(*range).or_default() += count;
        }
    }

    /// The value below which the share `q` of all values lies; 0 when there are none.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let total: u64 = self.0.values().sum();
        let rank = q.clamp(0.0, 1.0) * total.saturating_sub(1) as f64;
        let mut seen = 0;
        for (range, count) in &self.0 {
            seen += count;
            if seen as f64 > rank {
                return if *range == ZERO { 0.0 } else { GAMMA.powf(f64::from(*range) + 0.5) };
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_two_percent_also_after_a_merge() {
        let (mut low, mut high) = (Cell::default(), Cell::default());
        for n in 1..=1_000_u32 {
            let cell = if n <= 300 { &mut low } else { &mut high };
            cell.add(1, &[Value::Spread(f64::from(n) * 100.0), Value::Plain(1.0)]);
        }
        let mut both = Cell::default();
        both.merge(&low);
        both.merge(&high);
        let text = serde_json::to_string(&both).unwrap();
        let both: Cell = serde_json::from_str(&text).unwrap();
        let measure = &both.measures[0];
        for (q, expected) in [(0.0, 100.0), (0.5, 50_000.0), (0.99, 99_000.0), (1.0, 100_000.0)] {
            let found = measure.sketch.quantile(q);
            assert!((found / expected - 1.0).abs() < 0.025, "{q}: {found} for {expected}");
        }
        assert_eq!((measure.min, measure.max), (100.0, 100_000.0));
        assert_eq!((both.count, both.measures[1].sum), (1_000, 1_000.0));
    }

    #[test]
    fn nothing_and_oddities_have_quantiles_too() {
        assert_eq!(Sketch::default().quantile(0.5), 0.0);
        let mut sketch = Sketch::default();
        for odd in [0.0, -5.0, 0.5, f64::NAN, f64::INFINITY] {
            sketch.add(odd, 1);
        }
        assert_eq!(sketch.quantile(0.1), 0.0);
        assert!(sketch.quantile(1.0) > 1e6);
    }
}
