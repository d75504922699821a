//! A process that deploys twenty Workers is killed before and after each of its API calls and each
//! write to its journal; another goes on, and the cloud ends as if nobody had been killed.
//!
//! `cargo xtask kill-points` tries every point, `cargo xtask kill-points update:17` one of them.

#![expect(clippy::print_stdout, reason = "the report is printed")]

mod data;
mod faults;
mod fleet;
mod killer;
mod report;
mod scenario;
mod view;
mod world;

use clodo_local::FaultKind;
use clodo_orchestrator::Outcome;
use clodo_types::{Clock as _, SystemClock};
use fleet::Edition;
use killer::{Call, Killer, Point, When};
use report::Table;
use scenario::{Scenario, Work, scenarios};
use std::{
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use world::{Errand, Place, World};

/// The seed of the sample, unless `CLODO_KILL_SEED` names another.
const SEED: u64 = 20_261_128;
/// How many points of each kind of work the sample has. A point takes about three seconds of a
/// processor.
const SAMPLE: [(Work, usize); 4] =
    [(Work::First, 8), (Work::Update, 4), (Work::Unwind, 4), (Work::Rollback, 4)];
/// At how many points a process is stopped.
const STOPPED: usize = 6;
/// Steps of a deployment that run side by side in the sample: which step is killed is a matter of
/// chance then, and others are under way.
const SIDE_BY_SIDE: usize = 4;
/// One after the other the same points come in each run, so that all of them are tried.
const IN_TURN: usize = 1;

#[test]
fn killed_at_some_points_the_next_process_ends_in_the_same_state() {
    let seed = setting("CLODO_KILL_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    println!("CLODO_KILL_SEED={seed}");
    let mut random = Random(seed);
    let scenarios = scenarios(SIDE_BY_SIDE);
    let mut chosen = Vec::new();
    for (work, count) in SAMPLE {
        let scenario = of(&scenarios, work);
        for _ in 0..count {
            let (at, _) = scenario.points[random.below(scenario.points.len())];
            chosen.push((scenario, at));
        }
    }
    try_all(&chosen, SIDE_BY_SIDE);
}

#[test]
#[ignore = "takes many minutes: `cargo xtask kill-points`"]
fn killed_at_every_point_the_next_process_ends_in_the_same_state() {
    let scenarios = scenarios(IN_TURN);
    let wanted = setting("CLODO_KILL_POINTS").unwrap_or_default();
    let mut words = wanted.splitn(2, ':');
    let work = words.next().unwrap_or_default();
    let only: Option<usize> = words.next().map(|number| number.parse().expect("a number"));
    let mut chosen = Vec::new();
    for scenario in &scenarios {
        if work.is_empty() || work == scenario.work.name() {
            let points = scenario.points.iter().map(|(at, _)| *at);
            let points = points.filter(|at| only.is_none_or(|only| only == *at));
            chosen.extend(points.map(|at| (scenario, at)));
        }
    }
    assert!(!chosen.is_empty(), "there is no point {wanted}");
    try_all(&chosen, IN_TURN);
}

#[test]
fn a_process_that_was_stopped_while_another_took_over_writes_nothing_more() {
    let scenarios = scenarios(IN_TURN);
    let (first, update) = (of(&scenarios, Work::First), of(&scenarios, Work::Update));
    // A call that is on its way when the process is stopped cannot be held back by anybody.
    let can_be_held = |point: &Point| match &point.call {
        Call::Api(method, _) => *method == http::Method::GET || point.when == When::After,
        Call::Lease(_) => false,
        Call::Journal(what, _) => !matches!(*what, "open" | "close"),
    };
    let points: Vec<usize> =
        update.points.iter().filter(|(_, point)| can_be_held(point)).map(|(at, _)| *at).collect();
    let mut random = Random(SEED);
    let chosen: Vec<usize> = (0..STOPPED).map(|_| points[random.below(points.len())]).collect();
    let told = side_by_side(&chosen, |at| {
        update.take_over(*at, first).map_err(|why| format!("{at} {why}"))
    });
    let failed: Vec<String> = told.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Services that make each kind of call, and no more of them than that takes.
const FEW: [&str; 8] =
    ["catalog-0", "files", "left", "right", "orders-0", "web-0", "web-2", "web-5"];

#[test]
fn each_fault_at_each_kind_of_call_ends_done_or_taken_back_and_doubles_nothing() {
    let files = world::load(Edition::First).only(&FEW);
    let world = World::new(None, &files);
    let report = world.process(Errand::Deploy, Place::Here, &Killer::at(None));
    assert_eq!(report.expect("nobody kills it").map(|report| report.outcome), Ok(Outcome::Done));
    let goal = world.stop();
    let outcome = |kind: &FaultKind| (kind.name(), faults::survive(*kind, &files, &goal));
    let told = side_by_side(&faults::kinds(), outcome);
    let failed = told.iter().filter(|(_, outcome)| outcome.is_err()).count();
    for (kind, outcome) in told {
        println!("{kind}: {}", outcome.map_or_else(|why| why, |told| format!("{told:?}")));
    }
    assert_eq!(failed, 0, "kinds of faults ended otherwise");
}

/// Does one thing after the other, as many side by side as the machine has processors.
fn side_by_side<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let run = || {
        while let Some(one) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
            let result = work(one);
            done.lock().expect("no panic").push(result);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(run);
        }
    });
    done.into_inner().expect("ended")
}

fn of(scenarios: &[Scenario], work: Work) -> &Scenario {
    let found = scenarios.iter().find(|scenario| scenario.work == work);
    found.expect("each kind of work has a scenario")
}

/// Tries points and prints what came of it.
fn try_all(chosen: &[(&Scenario, usize)], concurrency: usize) {
    let began = SystemClock.now();
    let told = side_by_side(chosen, |(scenario, at)| {
        let outcome = scenario.survive(*at, concurrency);
        let outcome = outcome.map_err(|why| format!("{}:{at} {why}", scenario.work.name()));
        match &outcome {
            Ok(survived) => println!("{}:{at} {}", scenario.work.name(), survived.point),
            Err(what) => println!("FAILED {what}"),
        }
        let point = match &outcome {
            Ok(survived) => &survived.point,
            Err(_) => scenario.point(*at),
        };
        (scenario.work.name(), point.clone(), outcome)
    });
    let (mut table, mut failed) = (Table::default(), Vec::new());
    for (work, point, outcome) in told {
        table.add(work, &point, outcome.as_ref().ok());
        failed.extend(outcome.err());
    }
    println!("{table}");
    println!("{} points in {} s", chosen.len(), SystemClock.now().since(began).as_secs());
    assert!(failed.is_empty(), "{} points ended otherwise:\n{}", failed.len(), failed.join("\n"));
}

/// A small generator: the same numbers for the same seed everywhere (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = u128::from(z ^ (z >> 31)) * u128::try_from(most).expect("it fits");
        usize::try_from(wide >> 64).expect("below `most`")
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is a program")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
