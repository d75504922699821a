use crate::decide;
use clodo_judge::{
    Arm, Batch, BatchError, Bounds, Histogram, Judge, JudgeOptions, Metric, Missing, Quantile,
    Side, Thresholds, Verdict,
};
use std::time::Duration;

/// Twenty requests in each row of ten latencies: `scale` times 10, 20 … 100 ms.
fn arm(bounds: &Bounds, times: u64, scale: f64) -> Arm {
    let mut latency = Histogram::new(bounds.clone());
    for _ in 0..times {
        for step in 1..=10 {
            latency.record(Duration::from_secs_f64(f64::from(step) * scale / 100.0));
        }
    }
    Arm::new(10 * times, 0).with_latency(latency)
}

fn millis(bounds: &[u64]) -> Bounds {
    Bounds::new(bounds.iter().map(|bound| Duration::from_millis(*bound))).unwrap()
}

fn judge() -> Judge {
    Judge::new(JudgeOptions::default()).unwrap()
}

#[test]
fn equal_latencies_promote_and_are_named_until_then() {
    let bounds = Bounds::default();
    let equal = Batch::new(arm(&bounds, 9, 1.0), arm(&bounds, 1, 1.0));
    let mut judge = judge();
    judge.observe(&equal).unwrap();
    let Verdict::Inconclusive { missing } = judge.verdict() else { panic!("{}", judge.verdict()) };
    let quantile = Quantile::P95;
    let lacks = Missing::Latencies { quantile, have: 90, need: 200 };
    assert!(missing.contains(&lacks), "{missing:?}");
    let (times, verdict) = decide(&mut judge, &equal, 200);
    assert_eq!(verdict, Verdict::NotWorse);
    assert!(times < 60, "after {times} batches of 10");
    let report = judge.report();
    let names: Vec<String> = report.metrics.iter().map(|all| all.metric.to_string()).collect();
    assert_eq!(names, ["errors", "latency-p50", "latency-p95"]);
}

#[test]
fn a_slower_canary_is_worse_by_a_quantile_and_says_what_slow_is() {
    let bounds = Bounds::default();
    let slower = Batch::new(arm(&bounds, 9, 1.0), arm(&bounds, 1, 2.0));
    let (times, verdict) = decide(&mut judge(), &slower, 200);
    let Verdict::Worse(evidence) = verdict else { panic!("{verdict}") };
    assert!(times < 20, "after {times} batches of 10");
    assert!(matches!(evidence.metric, Metric::Latency(_)));
    let Thresholds { baseline, canary } = evidence.thresholds.unwrap();
    assert!(
        canary as f64 >= 1.1 * baseline as f64 * 0.999 && canary as f64 <= 1.22 * baseline as f64
    );
}

#[test]
fn what_is_within_the_tolerance_is_never_worse() {
    let bounds = Bounds::default();
    let slightly = Batch::new(arm(&bounds, 900, 1.0), arm(&bounds, 900, 1.09));
    let mut judge = judge();
    for _ in 0..200 {
        judge.observe(&slightly).unwrap();
    }
    assert!(!matches!(judge.verdict(), Verdict::Worse(_)), "{}", judge.verdict());
    let strict = JudgeOptions::default().with_latency_tolerance(0.0);
    let (_, verdict) = decide(&mut Judge::new(strict).unwrap(), &slightly, 10);
    assert!(matches!(verdict, Verdict::Worse(_)), "{verdict}");
}

#[test]
fn errors_alone_do_not_promote_when_latencies_are_to_be_judged() {
    let errors = Batch::new(Arm::new(9000, 45), Arm::new(1000, 5));
    let (_, verdict) = decide(&mut judge(), &errors, 50);
    let Verdict::Inconclusive { missing } = verdict else { panic!("{verdict}") };
    let lacks = |quantile, need| Missing::Latencies { quantile, have: 0, need };
    assert_eq!(missing, [lacks(Quantile::P50, 20), lacks(Quantile::P95, 200)]);
}

#[test]
fn latencies_of_the_baseline_before_the_canary_serves_teach_what_slow_is() {
    let bounds = Bounds::default();
    let mut judge = judge();
    let nobody = Arm::new(0, 0);
    judge.observe(&Batch::new(arm(&bounds, 100, 1.0), nobody)).unwrap();
    judge.observe(&Batch::new(arm(&bounds, 9, 1.0), arm(&bounds, 1, 3.0))).unwrap();
    let report = judge.report();
    assert!(report.metrics[2].worse.log_e > 1.0, "{report:?}");
    assert!(report.metrics.iter().all(|all| all.baseline.total == 1090));
}

#[test]
fn a_quantile_beyond_the_bounds_is_not_judged() {
    let bounds = millis(&[10, 20, 60]);
    let equal = Batch::new(arm(&bounds, 9, 1.0), arm(&bounds, 1, 1.0));
    let mut judge = judge();
    let (_, verdict) = decide(&mut judge, &equal, 200);
    let Verdict::Inconclusive { missing } = verdict else { panic!("{verdict}") };
    assert_eq!(
        missing[1..],
        [Missing::Bounds { quantile: Quantile::P95 }],
        "p50 has 60 ms, and nothing above"
    );
    assert_eq!(missing.len(), 2);
}

#[test]
fn other_bounds_and_too_many_latencies_are_refused() {
    let (fine, coarse) = (Bounds::default(), millis(&[10, 100]));
    let mut judge = judge();
    let mixed = Batch::new(arm(&fine, 1, 1.0), arm(&coarse, 1, 1.0));
    assert_eq!(judge.observe(&mixed), Err(BatchError::OtherBounds(Side::Canary)));
    judge.observe(&Batch::new(arm(&fine, 1, 1.0), arm(&fine, 1, 1.0))).unwrap();
    let other = Batch::new(arm(&coarse, 1, 1.0), Arm::new(0, 0));
    assert_eq!(judge.observe(&other), Err(BatchError::OtherBounds(Side::Baseline)));
    let mut many = arm(&fine, 1, 1.0);
    many.requests = 9;
    let error = BatchError::TooManyLatencies { side: Side::Baseline, latencies: 10, requests: 9 };
    assert_eq!(judge.observe(&Batch::new(many, Arm::new(0, 0))), Err(error));
}
