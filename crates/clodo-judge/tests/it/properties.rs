use crate::{batch, of_errors};
use clodo_judge::{Arm, Batch, Bounds, Histogram, Judge, JudgeOptions, Verdict};
use proptest::prelude::*;
use std::time::Duration;

fn bounds() -> Bounds {
    Bounds::new([5, 10, 12, 50, 100].map(Duration::from_millis)).unwrap()
}

/// Any arm that can be true; where latencies are known, of some of its requests.
fn arm() -> impl Strategy<Value = Arm> {
    let sizes = prop_oneof![0_u64..6, 0_u64..300, 0_u64..1_000_000_000];
    (sizes, 0.0..=1.0, prop::option::of(prop::collection::vec(0.0..=1.0, 6))).prop_map(
        |(requests, failing, parts)| {
            let of = |part: f64, whole: u64| ((whole as f64 * part) as u64).min(whole);
            let arm = Arm::new(requests, of(failing, requests));
            let Some(parts) = parts else { return arm };
            let mut left = requests;
            let counts = parts.into_iter().map(|part| {
                let here = of(part, left);
                left -= here;
                here
            });
            arm.with_latency(Histogram::of_counts(bounds(), counts.collect()).unwrap())
        },
    )
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let one = (arm(), arm()).prop_map(|(baseline, canary)| Batch::new(baseline, canary));
    prop::collection::vec(one, 1..40)
}

fn small() -> impl Strategy<Value = Batch> {
    (0_u64..4, 0_u64..4, 0.0..=1.0, 0.0..=1.0).prop_map(|(left, right, first, second)| {
        let part = |of: u64, part: f64| (of as f64 * part) as u64;
        batch((left, part(left, first)), (right, part(right, second)))
    })
}

fn sum(batches: &[Batch]) -> Batch {
    let total = |of: fn(&Batch) -> u64| batches.iter().map(of).sum::<u64>();
    batch(
        (total(|one| one.baseline.requests), total(|one| one.baseline.errors)),
        (total(|one| one.canary.requests), total(|one| one.canary.errors)),
    )
}

proptest! {
    /// Stored and read at any moment, in the middle of anything.
    #[test]
    fn a_stored_judge_goes_on_exactly_where_it_was(batches in batches(), at in 0_usize..40) {
        let mut kept = Judge::new(JudgeOptions::default().with_alpha_worse(0.1 + 0.2)).unwrap();
        let mut stored = kept.clone();
        for (index, batch) in batches.iter().enumerate() {
            prop_assert_eq!(kept.observe(batch), stored.observe(batch));
            if index >= at {
                stored = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
                prop_assert_eq!(&stored, &kept);
            }
            let report = kept.report();
            prop_assert_eq!(&stored.report(), &report);
            let text = serde_json::to_string(&report).unwrap();
            prop_assert_eq!(serde_json::from_str::<clodo_judge::JudgeReport>(&text).unwrap(), report);
        }
    }

    /// Whatever is fed, a number comes out; what says worse goes on saying it; and what lacks
    /// requests does not promote.
    #[test]
    fn a_verdict_is_always_sound(batches in batches()) {
        let mut judge = Judge::new(JudgeOptions::default()).unwrap();
        let mut first: Option<Verdict> = None;
        let (mut baseline, mut canary) = (0_u64, 0_u64);
        for batch in &batches {
            judge.observe(batch).unwrap();
            baseline += batch.baseline.requests;
            canary += batch.canary.requests;
            let report = judge.report();
            for metric in &report.metrics {
                let both = [metric.worse, metric.not_worse];
                prop_assert!(both.iter().all(|one| one.log_e.is_finite() && one.needed > 0.0));
            }
            match (&first, report.verdict) {
                (Some(first), verdict) => prop_assert_eq!(&verdict, first),
                (None, Verdict::NotWorse) => prop_assert!(baseline.min(canary) >= 100),
                (None, verdict @ Verdict::Worse(_)) => first = Some(verdict),
                (None, Verdict::Inconclusive { missing }) => prop_assert!(!missing.is_empty()),
            }
        }
    }

    /// Small batches wait for each other, so it does not matter how they were cut.
    #[test]
    fn batches_that_wait_are_judged_as_one(batches in prop::collection::vec(small(), 1..5)) {
        let cut = {
            let mut judge = of_errors();
            batches.iter().for_each(|batch| judge.observe(batch).unwrap());
            judge
        };
        let waited = (1..batches.len()).all(|many| {
            let before = sum(&batches[..many]);
            before.baseline.requests.min(before.canary.requests) < 4
        });
        prop_assume!(waited);
        let mut whole = of_errors();
        whole.observe(&sum(&batches)).unwrap();
        prop_assert_eq!(cut.report().metrics, whole.report().metrics);
    }

    /// Another error of the canary never speaks for it, and another of the baseline never against.
    #[test]
    fn more_errors_of_the_canary_are_more_evidence_that_it_is_worse(
        before in prop::collection::vec((0_u64..500, 0.0..0.2, 0_u64..500, 0.0..0.2), 0..5),
        sizes in (4_u64..500, 4_u64..500),
        errors in (0.0..1.0, 0.0..1.0),
    ) {
        let part = |of: u64, part: f64| (of as f64 * part) as u64;
        let mut judge = of_errors();
        for (left, first, right, second) in before {
            judge.observe(&batch((left, part(left, first)), (right, part(right, second)))).unwrap();
        }
        let after = |baseline: u64, canary: u64| {
            let mut judge = judge.clone();
            judge.observe(&batch((sizes.0, baseline), (sizes.1, canary))).unwrap();
            judge.report().metrics[0].worse.log_e
        };
        let (left, right) = (part(sizes.0, errors.0), part(sizes.1, errors.1));
        prop_assert!(after(left, right + 1) >= after(left, right) - 1e-6);
        prop_assert!(after(left + 1, right) <= after(left, right) + 1e-6);
    }
}
