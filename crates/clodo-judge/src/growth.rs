use crate::{
    bets::Prior,
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
pub(crate) fn likely(seen: &Pair, prior: Prior) -> Point {
    let canary = prior.share(seen.canary).max(prior.share(seen.together()));
    Point::new(prior.share(seen.baseline), canary)
}

/// The Kullback-Leibler divergence of one share from another, in nats per request.
fn divergence(share: f64, from: f64) -> f64 {
    share * (share / from).ln() + (1.0 - share) * ((-share).ln_1p() - (-from).ln_1p())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::null::Lies;

    const WORSE: Null = Null { lies: Lies::Above, absolute: 0.01, slope: 1.0 };

    #[test]
    fn with_no_errors_at_all_a_margin_of_one_percent_takes_its_logarithm() {
        // Beside a baseline that is known, 0 of n is `(1 - 0.01)^-n` times as likely.
        let requests = requests_for(3.0, &WORSE, Point::new(0.0, 0.0), 1e9);
        assert_eq!(requests, Some(299));
    }

    #[test]
    fn a_canary_beyond_the_margin_never_gets_there() {
        assert_eq!(requests_for(3.0, &WORSE, Point::new(0.01, 0.03), 9.0), None);
        assert_eq!(requests_for(3.0, &WORSE, Point::new(0.01, 0.01), 0.0), None);
        assert_eq!(requests_for(0.0, &WORSE, Point::new(0.01, 0.03), 9.0), Some(0));
    }
}
