//! The tables.

use crate::{
    rivals,
    rollout::{Traffic, Version},
    run::{Ends, Sample, Scenario},
};
use clodo_judge::{JudgeOptions, Margin, Quantile};

/// Requests in a step, to both arms together, and how many steps are looked at.
const STEPS: [(u64, u64); 4] = [(5, 4000), (50, 1000), (500, 500), (50_000, 100)];
/// Nine requests to the baseline for each to the canary, and one.
const ARMS: [(&str, f64); 2] = [("9 : 1", 0.1), ("1 : 1", 0.5)];

/// Equal versions and worse ones, by all that the default options judge.
pub(crate) fn equal_and_worse(sample: Sample) {
    head(
        "Equal, worse, and worse by the margin",
        "baseline : canary | requests a step | looks | equal: called worse | called not worse \
         | after (median) | 0.5 % and 3 %: called worse | after (median) | after (90 %) \
         | 0.5 % and 1.5 %, errors only: called not worse",
    );
    let (all, errors) = (JudgeOptions::default(), errors_only());
    for (arms, to_canary) in ARMS {
        for (step, steps) in STEPS {
            let traffic = Traffic { step, to_canary };
            let scenario = |versions| Scenario::steady(steps, traffic, versions);
            let [false_alarms, promoted] = scenario([version(0.005); 2]).judged(sample, &all);
            let [caught, _] = scenario([version(0.005), version(0.03)]).judged(sample, &all);
            let [_, escaped] = scenario([bare(0.005), bare(0.015)]).decided(sample, &errors);
            row(&[
                arms.to_owned(),
                step.to_string(),
                steps.to_string(),
                percent(&false_alarms),
                percent(&promoted),
                after(&promoted, 0.5),
                percent(&caught),
                after(&caught, 0.5),
                after(&caught, 0.9),
                percent(&escaped),
            ]);
        }
    }
}

/// Error ratios by rules that are used elsewhere.
pub(crate) fn elsewhere(sample: Sample) {
    head(
        "What is done elsewhere (9 : 1, errors only)",
        "requests a step | rule | equal: rolled back in 20 looks | in all looks \
         | 0.5 % and 3 %: rolled back in 20 looks | in all looks | after (median) \
         | incident of both: rolled back",
    );
    for (step, steps) in STEPS {
        let traffic = Traffic { step, to_canary: 0.1 };
        let scenario =
            |looks, canary| Scenario::steady(looks, traffic, [bare(0.005), bare(canary)]);
        let scenarios = [
            scenario(20, 0.005),
            scenario(steps, 0.005),
            scenario(20, 0.03),
            scenario(steps, 0.03),
            incident(step, steps),
        ];
        let line = |rule: &str, ends: [&Ends; 5]| {
            let mut cells = vec![step.to_string(), rule.to_owned()];
            cells.extend(ends.map(percent));
            cells.insert(6, after(ends[3], 0.5));
            row(&cells);
        };
        let by_rule = scenarios.each_ref().map(|scenario| scenario.by_rivals(sample));
        for (index, (rule, _)) in rivals::all().iter().enumerate() {
            line(rule, by_rule.each_ref().map(|ends| &ends[index]));
        }
        let judged = scenarios.each_ref().map(|scenario| {
            let [worse, _] = scenario.judged(sample, &errors_only());
            worse
        });
        line("**this judge**", judged.each_ref());
    }
}

/// How much traffic a promotion needs.
pub(crate) fn promotions(sample: Sample) {
    head(
        "What a promotion needs: requests to the canary (steps of 50)",
        "both fail | ruled out | judged by | 9 : 1, forecast | median | 90 % | 1 : 1, forecast \
         | median | 90 %",
    );
    let half = Margin { absolute: 0.005, relative: 0.0 };
    let wide = Margin { absolute: 0.01, relative: 0.5 };
    for share in [0.0, 0.001, 0.005, 0.01, 0.03, 0.1] {
        promotion(sample, share, "+ 1 %", "errors", &errors_only());
        promotion(sample, share, "+ 0.5 %", "errors", &errors_only().with_error_margin(half));
        promotion(sample, share, "× 1.5 + 1 %", "errors", &errors_only().with_error_margin(wide));
    }
    let tail = [Quantile::P50, Quantile::P95, Quantile::P99];
    let options = JudgeOptions::default();
    promotion(sample, 0.005, "+ 1 %", "errors, p50, p95", &options);
    promotion(sample, 0.005, "+ 1 %", "errors, p50, p95, p99", &options.with_quantiles(tail));
}

fn promotion(sample: Sample, share: f64, ruled_out: &str, by: &str, options: &JudgeOptions) {
    let mut cells = vec![format!("{} %", share * 100.0), ruled_out.to_owned(), by.to_owned()];
    for (_, to_canary) in ARMS {
        let versions = if options.quantiles.is_empty() { bare(share) } else { version(share) };
        let scenario = Scenario::steady(10_000, Traffic { step: 50, to_canary }, [versions; 2]);
        let [_, promoted] = scenario.decided(sample.tenth(), options);
        let forecast = options.requests_to_promote(share, (1.0 - to_canary) / to_canary);
        let forecast = forecast.map_or("never".to_owned(), |requests| requests.to_string());
        cells.extend([forecast, after(&promoted, 0.5), after(&promoted, 0.9)]);
    }
    row(&cells);
}

/// A canary that is slower, at steps of 50.
pub(crate) fn slower(sample: Sample) {
    head(
        "Slower, with equal errors (steps of 50, 1,000 looks)",
        "the canary is slower by | baseline : canary | called worse | after (median) \
         | called not worse first",
    );
    let options = JudgeOptions::default();
    for times in [1.0, 1.1, 1.2, 1.3, 1.5, 2.0, 4.0] {
        for (arms, to_canary) in ARMS {
            let slow = Version { median: Some(50.0 * times), ..version(0.005) };
            let traffic = Traffic { step: 50, to_canary };
            let scenario = Scenario::steady(1000, traffic, [version(0.005), slow]);
            let [worse, _] = scenario.judged(sample.tenth(), &options);
            let [_, promoted] = scenario.decided(sample.tenth(), &options);
            row(&[
                format!("× {times}"),
                arms.to_owned(),
                percent(&worse),
                after(&worse, 0.5),
                percent(&promoted),
            ]);
        }
    }
}

/// A canary that turns bad only after a while.
pub(crate) fn changes(sample: Sample) {
    head(
        "From 0.5 % to 3 % only after a while (1 : 1, steps of 50)",
        "good requests to the canary before | called worse before | called worse \
         | after so many bad ones (median)",
    );
    for good in [0, 1_000, 10_000, 100_000] {
        let traffic = Traffic { step: 50, to_canary: 0.5 };
        let turns = good / 25;
        let step = move |step| {
            let canary = if step < turns { 0.005 } else { 0.03 };
            (traffic, [bare(0.005), bare(canary)])
        };
        let scenario = Scenario { steps: turns + 400, step: Box::new(step) };
        let [worse, _] = scenario.judged(sample.tenth(), &JudgeOptions::default());
        let median = worse.quantile(0.5).map_or(0, |median| median.saturating_sub(good));
        let before = format!("{:.2} %", 100.0 * worse.share_within(good));
        row(&[good.to_string(), before, percent(&worse), median.to_string()]);
    }
}

/// Both versions fail at 0.5 % and, once a third of the steps is over, at 5 %, as the canary's
/// share of the traffic grows from 5 % to 50 %.
fn incident(step: u64, steps: u64) -> Scenario {
    let at = move |now| {
        let late = now >= steps / 3;
        let traffic = Traffic { step, to_canary: if late { 0.5 } else { 0.05 } };
        (traffic, [bare(if late { 0.05 } else { 0.005 }); 2])
    };
    Scenario { steps, step: Box::new(at) }
}

/// A version whose latencies are known.
fn version(errors: f64) -> Version {
    Version { errors, median: Some(50.0) }
}

/// One of which only errors are known.
fn bare(errors: f64) -> Version {
    Version { errors, median: None }
}

fn errors_only() -> JudgeOptions {
    JudgeOptions::default().with_quantiles([])
}

fn head(title: &str, columns: &str) {
    println!("\n### {title}\n\n| {columns} |");
    println!("|{}", "---|".repeat(columns.split('|').count()));
}

fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn percent(ends: &Ends) -> String {
    format!("{:.2} %", 100.0 * ends.share())
}

fn after(ends: &Ends, part: f64) -> String {
    ends.quantile(part).map_or("never".to_owned(), |requests| requests.to_string())
}
