use crate::{batch, decide, of_errors};
use clodo_judge::{
    BatchError, Counts, Judge, JudgeOptions, Margin, Metric, Missing, Side, Verdict,
};

fn missing(judge: &Judge) -> Vec<Missing> {
    match judge.verdict() {
        Verdict::Inconclusive { missing } => missing,
        verdict => panic!("{verdict}"),
    }
}

#[test]
fn no_data_never_promotes() {
    let mut judge = of_errors();
    for _ in 0..1000 {
        judge.observe(&batch((0, 0), (0, 0))).unwrap();
    }
    let missing = missing(&judge);
    let need = 100;
    assert_eq!(missing[0], Missing::Requests { side: Side::Baseline, have: 0, need });
    assert_eq!(missing[1], Missing::Requests { side: Side::Canary, have: 0, need });
    assert!(matches!(missing[2], Missing::Evidence { metric: Metric::Errors, .. }));
}

#[test]
fn one_arm_alone_shows_nothing_however_it_fails() {
    for (baseline, canary) in [((1000, 0), (0, 0)), ((0, 0), (1000, 1000)), ((1000, 1000), (0, 0))]
    {
        let mut judge = of_errors();
        let (_, verdict) = decide(&mut judge, &batch(baseline, canary), 100);
        assert!(matches!(verdict, Verdict::Inconclusive { .. }), "{verdict}");
    }
}

#[test]
fn a_canary_that_always_fails_is_found_within_a_dozen_requests() {
    for baseline in [1, 9] {
        let mut judge = of_errors();
        let (times, verdict) = decide(&mut judge, &batch((baseline, 0), (1, 1)), 100);
        assert!(times <= 12, "{times} with {baseline}");
        let Verdict::Worse(evidence) = verdict else { panic!("{verdict}") };
        let times = times as u64;
        assert_eq!(evidence.metric, Metric::Errors);
        assert_eq!(evidence.canary, Counts { hits: times, total: times });
        assert_eq!((evidence.baseline.hits, evidence.batch), (0, times));
        assert!(evidence.log_e >= evidence.needed && evidence.needed > 4.6);
    }
}

#[test]
fn evidence_of_worse_needs_no_minimum_of_requests() {
    let options = JudgeOptions::default().with_quantiles([]).with_minimum_requests(1_000_000);
    let (times, verdict) = decide(&mut Judge::new(options).unwrap(), &batch((9, 0), (1, 1)), 100);
    assert!(matches!(verdict, Verdict::Worse(_)) && times < 12);
}

#[test]
fn a_canary_that_fails_as_the_baseline_does_is_promoted() {
    let mut judge = of_errors();
    let (times, verdict) = decide(&mut judge, &batch((1800, 9), (200, 1)), 100);
    assert_eq!(verdict, Verdict::NotWorse);
    assert!((2..=6).contains(&times), "after {times} batches of 200");
}

#[test]
fn no_promotion_before_the_minimum_of_requests() {
    let options = JudgeOptions::default().with_quantiles([]).with_minimum_requests(5000);
    let (times, verdict) =
        decide(&mut Judge::new(options).unwrap(), &batch((1800, 9), (200, 1)), 100);
    assert_eq!((times, verdict), (25, Verdict::NotWorse));
}

#[test]
fn a_canary_worse_than_the_margin_is_not_promoted_and_one_within_it_is() {
    // The same figures: 0.5 % beside 1 %. How much of that counts is the margin's to say.
    let figures = batch((10_000, 50), (10_000, 100));
    let small = Margin { absolute: 0.001, relative: 0.0 };
    let (_, verdict) = decide(&mut of_errors(), &figures, 1);
    assert!(matches!(verdict, Verdict::Worse(_)));
    // With a tolerance of the same size it is not worse, and with the margin promoted.
    let tolerant = || JudgeOptions::default().with_quantiles([]);
    let wide = Margin { absolute: 0.01, relative: 1.5 };
    let options = tolerant().with_error_tolerance(1.5).with_error_margin(wide);
    let (_, verdict) = decide(&mut Judge::new(options).unwrap(), &figures, 3);
    assert_eq!(verdict, Verdict::NotWorse);
    // One that tolerates nothing rolls back long before it could promote.
    let strict = tolerant().with_error_margin(small);
    let (_, verdict) = decide(&mut Judge::new(strict).unwrap(), &figures, 100);
    assert!(matches!(verdict, Verdict::Worse(_)));
}

#[test]
fn worse_stands_whatever_comes_later() {
    let mut judge = of_errors();
    let (_, verdict) = decide(&mut judge, &batch((9, 0), (1, 1)), 100);
    for _ in 0..50 {
        judge.observe(&batch((9000, 90), (1000, 0))).unwrap();
    }
    assert_eq!(judge.verdict(), verdict);
}

#[test]
fn not_worse_is_taken_back_when_the_canary_turns_bad() {
    let mut judge = of_errors();
    let (_, verdict) = decide(&mut judge, &batch((1800, 9), (200, 1)), 100);
    assert_eq!(verdict, Verdict::NotWorse);
    let mut seen = Vec::new();
    while !matches!(judge.verdict(), Verdict::Worse(_)) {
        judge.observe(&batch((180, 1), (20, 1))).unwrap();
        seen.push(judge.verdict());
        assert!(seen.len() < 50, "20 requests of which one fails, and again");
    }
    assert!(seen.iter().any(|verdict| matches!(verdict, Verdict::Inconclusive { .. })));
}

#[test]
fn an_incident_of_both_is_not_the_canarys_fault_even_when_its_share_grows() {
    let mut judge = of_errors();
    for _ in 0..20 {
        judge.observe(&batch((9500, 47), (500, 3))).unwrap();
    }
    for _ in 0..20 {
        // One in ten fails everywhere, and half of the traffic goes to the canary now. All counts
        // together: 3.5 % of the baseline's requests, 9.1 % of the canary's.
        judge.observe(&batch((5000, 500), (5000, 500))).unwrap();
        assert!(!matches!(judge.verdict(), Verdict::Worse(_)), "{}", judge.verdict());
    }
}

#[test]
fn the_largest_counts_are_judged() {
    let million = 1_000_000_000;
    let (times, verdict) =
        decide(&mut of_errors(), &batch((million, million / 200), (million, million / 150)), 3);
    let Verdict::Worse(evidence) = verdict else { panic!("{verdict}") };
    assert!(times == 1 && evidence.log_e.is_finite());
    let mut equal = of_errors();
    let (_, verdict) =
        decide(&mut equal, &batch((million, million / 200), (million, million / 200)), 3);
    assert_eq!(verdict, Verdict::NotWorse);
    let mut most = of_errors();
    most.observe(&batch((u64::MAX, 0), (u64::MAX, u64::MAX))).unwrap();
    most.observe(&batch((u64::MAX, 0), (u64::MAX, u64::MAX))).unwrap();
    assert!(matches!(most.verdict(), Verdict::Worse(_)));
}

#[test]
fn everything_failing_and_nothing_failing_are_equal() {
    for errors in [0, 1000] {
        let (_, verdict) = decide(&mut of_errors(), &batch((1000, errors), (1000, errors)), 50);
        assert_eq!(verdict, Verdict::NotWorse, "{errors} of 1000");
    }
}

#[test]
fn a_report_says_how_far_it_is_and_the_forecast_is_about_right() {
    let mut judge = of_errors();
    let step = batch((900, 4), (100, 0));
    judge.observe(&step).unwrap();
    judge.observe(&batch((900, 5), (100, 1))).unwrap();
    let Missing::Evidence { log_e, needed, canary_requests, .. } = missing(&judge)[0].clone()
    else {
        panic!("{}", judge.verdict());
    };
    assert!(log_e < needed);
    let forecast = canary_requests.unwrap();
    let average = batch((1800, 9), (200, 1));
    let (times, verdict) = decide(&mut judge, &average, 100);
    assert_eq!(verdict, Verdict::NotWorse);
    let taken = 200 * times as u64;
    assert!(taken <= 2 * forecast && forecast <= 2 * taken, "{forecast} forecast, {taken} taken");

    let report = judge.report();
    let errors = &report.metrics[0];
    assert_eq!(errors.baseline.total, 1800 + 1800 * times as u64);
    assert_eq!((errors.ruled_out, &errors.missing), (Some(0.015), &None));
    assert!(errors.not_worse.is_reached() && !errors.worse.is_reached());
}

#[test]
fn a_canary_that_will_not_get_there_has_no_forecast() {
    let mut judge = of_errors();
    judge.observe(&batch((400, 2), (100, 3))).unwrap();
    let missing = missing(&judge);
    assert!(
        matches!(missing[..], [Missing::Evidence { canary_requests: None, .. }]),
        "{missing:?}"
    );
}

#[test]
fn a_batch_that_cannot_be_true_is_refused_and_leaves_no_trace() {
    let mut judge = of_errors();
    judge.observe(&batch((100, 1), (10, 0))).unwrap();
    let before = judge.clone();
    let refused = judge.observe(&batch((100, 1), (10, 11)));
    let error = BatchError::TooManyErrors { side: Side::Canary, errors: 11, requests: 10 };
    assert_eq!(refused, Err(error));
    assert_eq!(error.to_string(), "the canary has 11 errors in 10 requests");
    assert_eq!(judge, before);
}

#[test]
fn verdicts_read_as_sentences() {
    let mut judge = of_errors();
    judge.observe(&batch((20, 0), (10, 0))).unwrap();
    let text = judge.verdict().to_string();
    assert!(
        text.starts_with(
            "inconclusive: the baseline has answered 20 of 100 requests; the canary has answered \
             10 of 100 requests; errors at 0.1 of 3.0 nats, about "
        ) && text.ends_with(" more requests to the canary"),
        "{text}"
    );
    judge.observe(&batch((20, 0), (10, 10))).unwrap();
    let text = judge.verdict().to_string();
    assert!(
        text.starts_with("worse: errors, 10 of 20 beside 0 of 40 (by chance with a probability"),
        "{text}"
    );
}
