use crate::{
    counts::Pair,
    null::{Null, Point},
};

/// About how many requests to the canary bring this many nats against `null`, if the arms are what
/// `seen` says and so many requests to the baseline come with each; none if they never do.
pub(crate) fn requests_for(nats: f64, null: &Null, truth: Point, per_canary: f64) -> Option<u64> {
    if nats <= 0.0 {
        return Some(0);
    }
    if null.contains(truth) || per_canary <= 0.0 {
        return None;
    }
    let nearest = null.nearest([per_canary, 1.0], truth);
    let per_request = per_canary * divergence(truth.baseline, nearest.baseline)
        + divergence(truth.canary, nearest.canary);
    Some((nats / per_request).ceil() as u64)
}

/// What the arms seem to be like, with no credit for a canary that so far only seems better.
pub(crate) fn likely(seen: &Pair, prior: crate::bets::Prior) -> Point {
    let canary = prior.share(seen.canary).max(prior.share(seen.together()));
    Point::new(prior.share(seen.baseline), canary)
}

/// The Kullback-Leibler divergence of one share from another, in nats per request.
fn divergence(share: f64, from: f64) -> f64 {
    share * (share / from).ln() + (1.0 - share) * ((-share).ln_1p() - (-from).ln_1p())
}
