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
