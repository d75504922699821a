use crate::counts::Pair;

/// Probabilities are kept this far from 0 and 1, so that no outcome is impossible.
const CLOSEST: f64 = 1e-9;

/// What a pair of arms may be like: the probability of a hit in each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) baseline: f64,
    pub(crate) canary: f64,
}

impl Point {
    pub(crate) fn new(baseline: f64, canary: f64) -> Self {
        let inside = |share: f64| share.clamp(CLOSEST, 1.0 - CLOSEST);
        Self { baseline: inside(baseline), canary: inside(canary) }
    }
}

/// On which side of its edge a null hypothesis lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lies {
    /// The canary's share is at most what the edge says.
    Below,
    /// It is at least that.
    Above,
}

/// A null hypothesis: all points on one side of the line `canary = absolute + slope × baseline`,
/// the line included. It is convex, on which everything here rests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Null {
    pub(crate) lies: Lies,
    pub(crate) absolute: f64,
    pub(crate) slope: f64,
}

impl Null {
    /// What the canary may have at most, or at least, beside this baseline.
    pub(crate) fn edge(&self, baseline: f64) -> f64 {
        self.absolute + self.slope * baseline
    }

    pub(crate) fn contains(&self, point: Point) -> bool {
        match self.lies {
            Lies::Below => point.canary <= self.edge(point.baseline),
            Lies::Above => point.canary >= self.edge(point.baseline),
        }
    }

    /// The logarithm of the e-value of one batch against this null, in nats.
    ///
    /// With θ′ the alternative, chosen before the batch, and θ° the point of the null from which a
    /// batch of these sizes is hardest to tell from θ′ (it minimises `n_b KL(θ′_b‖θ°_b) + n_c
    /// KL(θ′_c‖θ°_c)`), the e-value is the likelihood ratio of θ′ to θ°. Under any θ of the null
    /// its expectation is `Π (1 + (θ_i-θ°_i)(θ′_i-θ°_i)/V_i)^n_i <= exp(v·(θ-θ°))`, where
    /// `V_i = θ°_i(1-θ°_i)` and `v_i = n_i(θ′_i-θ°_i)/V_i`; as θ° is a minimum and the null is
    /// convex, `v·(θ-θ°) <= 0`.
    pub(crate) fn log_e(&self, batch: &Pair, alternative: Point) -> f64 {
        let sizes = [batch.baseline.total as f64, batch.canary.total as f64];
        // Of one arm alone nothing follows: the other one may be whatever the null likes.
        if sizes[0] == 0.0 || sizes[1] == 0.0 || self.contains(alternative) {
            return 0.0;
        }
        let nearest = self.nearest(sizes, alternative);
        let ratio = |hits: u64, size: f64, alternative: f64, nearest: f64| {
            let hits = hits as f64;
            let misses = (-alternative).ln_1p() - (-nearest).ln_1p();
            hits * (alternative / nearest).ln() + (size - hits) * misses
        };
        let baseline = ratio(batch.baseline.hits, sizes[0], alternative.baseline, nearest.baseline);
        let canary = ratio(batch.canary.hits, sizes[1], alternative.canary, nearest.canary);
        baseline + canary - self.slack(sizes, alternative, nearest)
    }

    /// The point of the null that is hardest to tell from an alternative outside of it.
    pub(crate) fn nearest(&self, sizes: [f64; 2], alternative: Point) -> Point {
        let on_edge = |baseline: f64| Point { baseline, canary: self.edge(baseline) };
        if self.absolute == 0.0 && self.slope == 1.0 {
            let hits = sizes[0] * alternative.baseline + sizes[1] * alternative.canary;
            return on_edge(hits / (sizes[0] + sizes[1]));
        }
        // Along the edge the distance is convex, and its slope changes sign between the two places
        // where one of the arms fits exactly.
        let end = |share: f64| (share - self.absolute) / self.slope;
        let fits = end(alternative.canary);
        let mut low = alternative.baseline.min(fits).max(0.0);
        let mut high = alternative.baseline.max(fits).min(1.0).min(end(1.0));
        let mut at = f64::midpoint(low, high);
        for _ in 0..100 {
            let (pull, stiffness) = self.pull_without_poles(sizes, alternative, on_edge(at));
            match pull > 0.0 {
                true => low = at,
                false => high = at,
            }
            let newton = at - pull / stiffness;
            let next =
                if low < newton && newton < high { newton } else { f64::midpoint(low, high) };
            if (next - at).abs() <= f64::EPSILON * at {
                break;
            }
            at = next;
        }
        on_edge(at)
    }

    /// [`Self::pull`] times both variances, a cubic along the edge, and its derivative there.
    fn pull_without_poles(&self, sizes: [f64; 2], alternative: Point, at: Point) -> (f64, f64) {
        let Point { baseline, canary } = at;
        let variances = [baseline * (1.0 - baseline), canary * (1.0 - canary)];
        let turns = [1.0 - 2.0 * baseline, self.slope * (1.0 - 2.0 * canary)];
        let sizes = [sizes[0], self.slope * sizes[1]];
        let (left, right) = (alternative.baseline - baseline, alternative.canary - canary);
        let pull = sizes[0] * left * variances[1] + sizes[1] * right * variances[0];
        let stiffness = sizes[0] * (left * turns[1] - variances[1])
            + sizes[1] * (right * turns[0] - self.slope * variances[0]);
        (pull, stiffness)
    }

    /// How strongly the alternative pulls a point along the edge: zero at the nearest.
    fn pull(&self, sizes: [f64; 2], alternative: Point, at: Point) -> f64 {
        let pull =
            |size: f64, alternative: f64, at: f64| size * (alternative - at) / (at * (1.0 - at));
        pull(sizes[0], alternative.baseline, at.baseline)
            + self.slope * pull(sizes[1], alternative.canary, at.canary)
    }

    /// What rounding may have added: the nearest point is found to the last bit or two, and what
    /// is left of the pull, times the longest way along the edge, bounds `v·(θ-θ°)`.
    fn slack(&self, sizes: [f64; 2], alternative: Point, nearest: Point) -> f64 {
        self.pull(sizes, alternative, nearest).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Counts;

    const NULLS: [Null; 6] = [
        Null { lies: Lies::Below, absolute: 0.0, slope: 1.0 },
        Null { lies: Lies::Below, absolute: 0.0, slope: 1.25 },
        Null { lies: Lies::Above, absolute: 0.01, slope: 1.0 },
        Null { lies: Lies::Above, absolute: 0.25, slope: 1.0 },
        Null { lies: Lies::Above, absolute: 0.01, slope: 1.5 },
        Null { lies: Lies::Above, absolute: 0.0, slope: 1.5 },
    ];
    const SHARES: [f64; 9] = [0.0, 1e-6, 0.003, 0.02, 0.1, 0.5, 0.8, 0.99, 1.0];

    fn points() -> impl Iterator<Item = Point> {
        let pairs = SHARES.into_iter().flat_map(|left| SHARES.map(|right| (left, right)));
        pairs.map(|(baseline, canary)| Point { baseline, canary })
    }

    /// The points of a null on a grid, its edge among them.
    fn members(null: Null) -> impl Iterator<Item = Point> {
        let edge = SHARES.map(|baseline| Point { baseline, canary: null.edge(baseline) });
        points().chain(edge).filter(move |point| point.canary <= 1.0 && null.contains(*point))
    }

    /// The probability of so many hits.
    fn binomial(total: u64, hits: u64, share: f64) -> f64 {
        let ways: f64 = (0..hits).map(|at| (total - at) as f64 / (at + 1) as f64).product();
        ways * share.powi(hits as i32) * (1.0 - share).powi((total - hits) as i32)
    }

    #[test]
    fn under_no_point_of_a_null_is_more_than_one_expected() {
        let mut looked_at = 0;
        for null in NULLS {
            for alternative in points().map(|point| Point::new(point.baseline, point.canary)) {
                for (left, right) in [(1, 1), (4, 1), (1, 4), (3, 3), (7, 2)] {
                    let e = |hits: [u64; 2]| {
                        let baseline = Counts { hits: hits[0], total: left };
                        let canary = Counts { hits: hits[1], total: right };
                        null.log_e(&Pair { baseline, canary }, alternative).exp()
                    };
                    let outcomes: Vec<([u64; 2], f64)> = (0..=left)
                        .flat_map(|k| (0..=right).map(move |l| [k, l]))
                        .map(|hits| (hits, e(hits)))
                        .collect();
                    for truth in members(null) {
                        let expected: f64 = outcomes
                            .iter()
                            .map(|(hits, e)| {
                                binomial(left, hits[0], truth.baseline)
                                    * binomial(right, hits[1], truth.canary)
                                    * e
                            })
                            .sum();
                        assert!(
                            expected <= 1.0 + 1e-9,
                            "{null:?} {alternative:?} {left}+{right} {truth:?}: {expected}"
                        );
                        looked_at += 1;
                    }
                }
            }
        }
        assert!(looked_at > 50_000, "{looked_at}");
    }

    #[test]
    fn nor_is_it_in_batches_of_a_thousand_million() {
        for null in NULLS {
            for alternative in points().map(|point| Point::new(point.baseline, point.canary)) {
                for sizes in [[1e9, 1e9], [1e9, 3.0], [9e5, 1e5]] {
                    if null.contains(alternative) {
                        continue;
                    }
                    let nearest = null.nearest(sizes, alternative);
                    let slack = null.slack(sizes, alternative, nearest);
                    // The logarithm of what is expected.
                    let expected = |truth: Point| {
                        let factor = |size: f64, truth: f64, alternative: f64, nearest: f64| {
                            let variance = nearest * (1.0 - nearest);
                            size * ((truth - nearest) * (alternative - nearest) / variance).ln_1p()
                        };
                        factor(sizes[0], truth.baseline, alternative.baseline, nearest.baseline)
                            + factor(sizes[1], truth.canary, alternative.canary, nearest.canary)
                    };
                    for truth in members(null) {
                        let log = expected(truth);
                        assert!(log <= slack + 1e-6, "{null:?} {alternative:?} {truth:?} {log}");
                    }
                    // It costs next to nothing, but so close to 1 that rounding counts.
                    let close = nearest.canary > 0.999;
                    assert!(close || slack < 1e-3, "{null:?} {sizes:?} {alternative:?}: {slack}");
                }
            }
        }
    }

    #[test]
    fn the_nearest_point_is_the_nearest_on_the_edge() {
        let divergence = |share: f64, from: f64| {
            share * (share / from).ln() + (1.0 - share) * ((1.0 - share) / (1.0 - from)).ln()
        };
        for null in NULLS {
            for alternative in points().map(|point| Point::new(point.baseline, point.canary)) {
                if null.contains(alternative) {
                    continue;
                }
                let distance = |baseline: f64| {
                    let canary = null.edge(baseline);
                    9.0 * divergence(alternative.baseline, baseline)
                        + divergence(alternative.canary, canary)
                };
                let found = distance(null.nearest([9.0, 1.0], alternative).baseline);
                for step in 1..2000 {
                    let baseline = f64::from(step) / 2000.0;
                    if null.edge(baseline) < 1.0 {
                        assert!(found <= distance(baseline) + 1e-9, "{null:?} {alternative:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn one_arm_alone_shows_nothing() {
        let alternative = Point::new(0.01, 0.5);
        for (left, right) in [(0, 0), (1000, 0), (0, 1000)] {
            let baseline = Counts { hits: left / 2, total: left };
            let canary = Counts { hits: right, total: right };
            assert_eq!(NULLS[0].log_e(&Pair { baseline, canary }, alternative), 0.0);
        }
    }
}
