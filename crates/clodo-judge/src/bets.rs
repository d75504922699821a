use crate::{
    counts::{Counts, Pair},
    null::{Null, Point},
};

/// How many times the canary's odds of a hit may be what the null allows: one idea of the truth
/// per lift, the money spread over them. The large ones find a canary that always fails within a
/// dozen requests, the small ones what only large traffic can show.
const LIFTS: [(f64, f64); 9] = [
    (1.15, 0.05),
    (1.4, 0.08),
    (2.0, 0.12),
    (3.0, 0.2),
    (5.0, 0.25),
    (8.0, 0.15),
    (20.0, 0.08),
    (100.0, 0.05),
    (1000.0, 0.02),
];

/// How those who bet that the canary is worse share their money: two for each lift.
pub(crate) const ON_WORSE: [f64; 2 * LIFTS.len()] = {
    let mut weights = [0.0; 2 * LIFTS.len()];
    let mut lift = 0;
    while lift < LIFTS.len() {
        weights[2 * lift] = LIFTS[lift].1 / 2.0;
        weights[2 * lift + 1] = LIFTS[lift].1 / 2.0;
        lift += 1;
    }
    weights
};

/// How those who bet that it is not worse share it: one believes each arm's past, the other
/// believes that both arms are the same.
pub(crate) const ON_NOT_WORSE: [f64; 2] = [0.25, 0.75];

/// What to believe of a share before anything is known, and for how long: as if so many of so
/// many requests had been hits already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prior {
    pub(crate) hits: f64,
    pub(crate) total: f64,
}

impl Prior {
    pub(crate) fn share(&self, seen: Counts) -> f64 {
        (seen.hits as f64 + self.hits) / (seen.total as f64 + self.total)
    }
}

/// What a batch brings, in nats, to those who bet against `null`, that the canary is not worse.
///
/// Of the two for each lift one relies on the baseline's past and makes the most of shares that
/// are large; were that past misleading, a large batch could ruin it. The other one needs no past.
/// Where shares are small the two are the same.
pub(crate) fn on_worse(
    null: &Null,
    prior: Prior,
    past: &Pair,
    batch: &Pair,
) -> [f64; 2 * LIFTS.len()] {
    let allowed = (null.slope * prior.share(past.baseline)).min(0.999);
    let odds = allowed / (1.0 - allowed);
    let mut gains = [0.0; 2 * LIFTS.len()];
    for ((lift, _), gains) in LIFTS.iter().zip(gains.chunks_exact_mut(2)) {
        let lifted = lift * odds / (1.0 + lift * odds);
        let alternative = Point::new(prior.share(past.baseline), lifted);
        gains[0] = null.log_e(batch, alternative);
        gains[1] = whose_hits(null, *lift, batch);
    }
    gains
}

/// The e-value of `lift` in the limit of small shares, where only counts which arm the hits fell
/// to: `lift^k_c / m^k` with `k` hits in all and `m = (n_b + s lift n_c) / (n_b + s n_c)`, where the
/// null is `θ_c <= s θ_b`. It is one at any shares: its expectation is at most
/// `exp(n_c θ_c (lift/m - 1) + n_b θ_b (1/m - 1))`, which is largest at `θ_c = s θ_b`, and 1 there.
fn whose_hits(null: &Null, lift: f64, batch: &Pair) -> f64 {
    let baseline = batch.baseline.total as f64;
    let canary = null.slope * batch.canary.total as f64;
    if baseline == 0.0 || canary == 0.0 {
        return 0.0;
    }
    let mean = (baseline + lift * canary) / (baseline + canary);
    let hits = batch.canary.hits as f64;
    hits * lift.ln() - (hits + batch.baseline.hits as f64) * mean.ln()
}

/// What a batch brings to those who bet against `null`, that the canary is worse by a margin.
pub(crate) fn on_not_worse(null: &Null, prior: Prior, past: &Pair, batch: &Pair) -> [f64; 2] {
    let each = Point::new(prior.share(past.baseline), prior.share(past.canary));
    let both = prior.share(past.together());
    [null.log_e(batch, each), null.log_e(batch, Point::new(both, both))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::null::Lies;

    const PRIOR: Prior = Prior { hits: 0.5, total: 100.0 };
    const NOT_WORSE: Null = Null { lies: Lies::Below, absolute: 0.0, slope: 1.0 };
    const WORSE: Null = Null { lies: Lies::Above, absolute: 0.01, slope: 1.0 };

    fn pair(baseline: (u64, u64), canary: (u64, u64)) -> Pair {
        let counts = |(hits, total)| Counts { hits, total };
        Pair { baseline: counts(baseline), canary: counts(canary) }
    }

    /// What is expected of each gambler when the arms are like this.
    fn expected<const N: usize>(
        sizes: (u64, u64),
        truth: (f64, f64),
        gains: impl Fn(&Pair) -> [f64; N],
    ) -> [f64; N] {
        let mut sums = [0.0; N];
        for left in 0..=sizes.0 {
            for right in 0..=sizes.1 {
                let weight = binomial(sizes.0, left, truth.0) * binomial(sizes.1, right, truth.1);
                let gains = gains(&pair((left, sizes.0), (right, sizes.1)));
                for (sum, gain) in sums.iter_mut().zip(gains) {
                    *sum += weight * gain.exp();
                }
            }
        }
        sums
    }

    fn binomial(total: u64, hits: u64, share: f64) -> f64 {
        let ways: f64 = (0..hits).map(|at| (total - at) as f64 / (at + 1) as f64).product();
        ways * share.powi(hits as i32) * (1.0 - share).powi((total - hits) as i32)
    }

    #[test]
    fn no_bet_pays_on_average_while_its_null_holds_whatever_the_past() {
        let shares = [0.0, 0.001, 0.05, 0.3, 0.9, 1.0];
        let pasts = [
            pair((0, 0), (0, 0)),
            pair((3, 20), (0, 2)),
            pair((0, 10_000), (900, 1000)),
            pair((500, 500), (0, 500)),
        ];
        for past in pasts {
            for (sizes, truth) in [(4, 4), (9, 1), (1, 9), (12, 5)]
                .into_iter()
                .flat_map(|sizes| {
                    shares.map(move |left| shares.map(move |right| (sizes, (left, right))))
                })
                .flatten()
            {
                let at_most_one = |all: &[f64]| {
                    assert!(
                        all.iter().all(|one| *one <= 1.0 + 1e-9),
                        "{past:?} {sizes:?} {truth:?}"
                    );
                };
                if truth.1 <= truth.0 {
                    at_most_one(&expected(sizes, truth, |batch| {
                        on_worse(&NOT_WORSE, PRIOR, &past, batch)
                    }));
                }
                if truth.1 <= 1.25 * truth.0 {
                    let null = Null { slope: 1.25, ..NOT_WORSE };
                    at_most_one(&expected(sizes, truth, |batch| {
                        on_worse(&null, PRIOR, &past, batch)
                    }));
                }
                if truth.1 >= truth.0 + 0.01 {
                    at_most_one(&expected(sizes, truth, |batch| {
                        on_not_worse(&WORSE, PRIOR, &past, batch)
                    }));
                }
            }
        }
    }

    #[test]
    fn a_misleading_past_cannot_ruin_those_who_need_none() {
        // By chance 3 of the first 20 failed; then it is 2 % beside 6 %.
        let past = pair((3, 20), (0, 2));
        let gains = on_worse(&NOT_WORSE, PRIOR, &past, &pair((500, 25_000), (1500, 25_000)));
        let best = |from: usize| {
            gains.iter().skip(from).step_by(2).copied().fold(f64::NEG_INFINITY, f64::max)
        };
        assert!(best(1) > 250.0, "{gains:?}");
    }

    #[test]
    fn all_money_is_shared_out() {
        assert!((ON_WORSE.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((ON_NOT_WORSE.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
