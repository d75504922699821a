//! The bounds that the documentation states, on fewer roll-outs than the example runs.

use crate::{
    rollout::{Traffic, Version},
    run::{Ends, Sample, Scenario},
};
use clodo_judge::JudgeOptions;

const SAMPLE: Sample = Sample { roll_outs: 2000, seed: 1 };
/// Requests in a step, and how many steps are looked at.
const STEPS: [(u64, u64); 4] = [(5, 200), (50, 100), (500, 40), (50_000, 8)];

fn scenario(step: u64, steps: u64, to_canary: f64, errors: [f64; 2]) -> Scenario {
    let version = |errors| Version { errors, median: None };
    Scenario::steady(steps, Traffic { step, to_canary }, errors.map(version))
}

fn errors_only() -> JudgeOptions {
    JudgeOptions::default().with_quantiles([])
}

/// What is exceeded by chance in one of 30,000 runs if the bound is met: four deviations.
fn with_noise(bound: f64) -> f64 {
    bound + 4.0 * (bound * (1.0 - bound) / SAMPLE.roll_outs as f64).sqrt()
}

fn equal_versions_are_called_worse_in_at_most_one_of_a_hundred(to_canary: f64) {
    let at = STEPS.map(|(step, steps)| (step, steps, 0.005));
    for (step, steps, errors) in at.into_iter().chain([(50, 100, 0.1)]) {
        let equal = scenario(step, steps, to_canary, [errors; 2]);
        let [worse, _] = equal.judged(SAMPLE, &errors_only());
        let share = worse.share();
        assert!(share <= with_noise(0.01), "{share} at {step} a step, {errors}");
    }
}

#[test]
fn equal_versions_are_rarely_called_worse_at_nine_to_one() {
    equal_versions_are_called_worse_in_at_most_one_of_a_hundred(0.1);
}

#[test]
fn equal_versions_are_rarely_called_worse_at_one_to_one() {
    equal_versions_are_called_worse_in_at_most_one_of_a_hundred(0.5);
}

#[test]
fn equal_latencies_are_rarely_called_worse_either() {
    let version = Version { errors: 0.005, median: Some(50.0) };
    let traffic = Traffic { step: 500, to_canary: 0.2 };
    let [worse, _] =
        Scenario::steady(20, traffic, [version; 2]).judged(SAMPLE, &JudgeOptions::default());
    assert!(worse.share() <= with_noise(0.01), "{}", worse.share());
}

/// The medians hold by the default options, which judge two quantiles too.
fn caught(step: u64, steps: u64, to_canary: f64) -> Ends {
    let [worse, _] = scenario(step, steps, to_canary, [0.005, 0.03])
        .decided(SAMPLE.tenth(), &JudgeOptions::default());
    worse
}

#[test]
fn three_percent_are_caught_within_400_requests_at_nine_to_one() {
    for (step, steps) in [(5, 2000), (50, 400), (500, 40)] {
        let median = caught(step, steps, 0.1).quantile(0.5);
        assert!(median.is_some_and(|median| median <= 400), "{median:?} at {step} a step");
    }
}

#[test]
fn three_percent_are_caught_within_700_requests_at_one_to_one() {
    for (step, steps) in [(5, 1000), (50, 100)] {
        let median = caught(step, steps, 0.5).quantile(0.5);
        assert!(median.is_some_and(|median| median <= 700), "{median:?} at {step} a step");
    }
}

#[test]
fn large_steps_are_caught_at_the_first_look() {
    let worse = caught(50_000, 1, 0.1);
    assert_eq!(worse.share(), 1.0);
}

#[test]
fn a_canary_at_the_margin_is_promoted_in_at_most_one_of_twenty() {
    for (step, steps) in STEPS {
        let worse = scenario(step, steps, 0.5, [0.005, 0.015]);
        let [_, promoted] = worse.decided(SAMPLE, &errors_only());
        let share = promoted.share();
        assert!(share <= with_noise(0.05), "{share} at {step} a step");
    }
}

#[test]
fn a_good_canary_is_promoted_about_when_it_was_forecast() {
    let equal = scenario(50, 400, 0.5, [0.005; 2]);
    let [_, promoted] = equal.decided(SAMPLE.tenth(), &errors_only());
    assert!(promoted.share() > 0.95, "{}", promoted.share());
    let median = promoted.quantile(0.5).unwrap();
    let forecast = errors_only().requests_to_promote(0.005, 1.0).unwrap();
    assert!((forecast / 2..=forecast * 2).contains(&median), "{forecast} forecast, {median}");
}

/// Shows that these roll-outs would tell if looking often did harm.
#[test]
fn the_same_roll_outs_undo_a_test_for_one_look() {
    let equal = scenario(50, 100, 0.1, [0.005; 2]).by_rivals(SAMPLE);
    let names = crate::rivals::all();
    let share = |name: &str| {
        let index = names.iter().position(|(rule, _)| rule.starts_with(name)).unwrap();
        equal[index].share()
    };
    assert!(share("z-test") > 0.1, "{}", share("z-test"));
    assert!(share("> 1 %, first") > 0.8, "{}", share("> 1 %, first"));
}

#[test]
fn a_canary_that_turns_bad_late_is_found_soon() {
    let turns = 400;
    let at = move |step| {
        let version = |errors| Version { errors, median: None };
        let canary = version(if step < turns { 0.005 } else { 0.03 });
        (Traffic { step: 50, to_canary: 0.5 }, [version(0.005), canary])
    };
    let late = Scenario { steps: turns + 200, step: Box::new(at) };
    let [worse, _] = late.judged(SAMPLE.tenth(), &errors_only());
    let good = 25 * turns;
    let before = worse.share_within(good);
    assert!(before <= 0.05, "{before} were called worse while they were good");
    let median = worse.quantile(0.5);
    assert!(median.is_some_and(|median| median <= good + 1500), "{median:?}");
}
