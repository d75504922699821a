//! Each fault of the cloud at each kind of call that a deployment makes.

use crate::{
    killer::Killer,
    world::{Errand, Files, Place, Stopped, World},
};
use clodo_local::{Fault, FaultKind};
use clodo_orchestrator::{DeployReport, Outcome};
use std::{collections::BTreeSet, time::Duration};

/// All that the first deployment of the fleet calls.
const CALLS: [&str; 26] = [
    "GET /accounts/*/workers/workers",
    "GET /accounts/*/d1/database",
    "GET /accounts/*/storage/kv/namespaces",
    "GET /accounts/*/r2/buckets",
    "GET /accounts/*/queues",
    "POST /accounts/*/queues",
    "GET /accounts/*/workflows",
    "PUT /accounts/*/workflows/*",
    "POST /accounts/*/queues/*/consumers",
    "GET /accounts/*/r2/buckets/*",
    "GET /zones",
    "GET /accounts/*/workers/subdomain",
    "GET /accounts/*/workers/scripts/*/versions",
    "GET /accounts/*/workers/scripts/*/deployments",
    "POST /accounts/*/d1/database",
    "POST /accounts/*/d1/database/*/query",
    "POST /accounts/*/storage/kv/namespaces",
    "POST /accounts/*/r2/buckets",
    "PUT /accounts/*/workers/scripts/*",
    "POST /accounts/*/workers/scripts/*/versions",
    "POST /accounts/*/workers/scripts/*/deployments",
    "PUT /accounts/*/workers/scripts/*/schedules",
    "PUT /accounts/*/workers/domains",
    "PUT /accounts/*/workers/scripts/*/routes",
    "POST /accounts/*/workers/scripts/*/subdomain",
    "PATCH /accounts/*/workers/workers/*",
];

/// The kinds of faults. What is slow is so by less than anybody's patience.
pub(crate) fn kinds() -> Vec<FaultKind> {
    let kind = |name: &&str| match name.parse().expect("a kind of fault") {
        FaultKind::Slow { .. } => FaultKind::Slow { delay: Duration::from_millis(50) },
        kind => kind,
    };
    FaultKind::NAMES.iter().map(kind).collect()
}

/// What came of a kind of fault.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) attempts: usize,
    pub(crate) refused: usize,
    pub(crate) taken_back: usize,
    pub(crate) unused_versions: usize,
}

/// Deploys on a cloud where the first call of each kind meets a fault, again and again until it is
/// done: each attempt ends done or taken back, and the end is as if there had been no fault.
pub(crate) fn survive(kind: FaultKind, files: &Files, goal: &Stopped) -> Result<Told, String> {
    let mut world = World::new(None, files);
    world.concurrency = 4;
    for call in CALLS {
        let fault = Fault::new(kind).on(call).expect("a route").only_nth(1);
        world.cloud().add_fault(fault);
    }
    let mut told = Told::default();
    loop {
        told.attempts += 1;
        if told.attempts > 2 * CALLS.len() {
            return Err("it never comes to an end".to_owned());
        }
        let ended = world.process(Errand::Deploy, Place::Here, &Killer::at(None));
        match ended.expect("nobody kills it") {
            // It could not look around, so it did not begin.
            Err(_) => told.refused += 1,
            Ok(report) if report.outcome == Outcome::Done => break,
            Ok(report) => {
                told.taken_back += 1;
                is_taken_back(&world, &report)?;
            }
        }
    }
    let again = world.process(Errand::Deploy, Place::Here, &Killer::at(None));
    let again = again.expect("nobody kills it")?;
    if again.outcome != Outcome::NothingToDo || world.unfinished() != 0 {
        return Err(format!("something is left to do: {:?}", again.plan));
    }
    let after = world.stop();
    let met: BTreeSet<&String> = after.spoiled.iter().collect();
    if met.len() < CALLS.len() {
        return Err(format!("only these met the fault: {met:?}"));
    }
    let differences = goal.view.differences(&after.view);
    told.unused_versions = after.view.unreferenced.saturating_sub(goal.view.unreferenced);
    // Each of the two ways to upload makes a version without use when its answer is lost, or when it
    // arrives twice.
    if !differences.is_empty() || told.unused_versions > 2 {
        let versions = told.unused_versions;
        return Err(format!("{versions} versions too many, and:\n{}", differences.join("\n")));
    }
    Ok(told)
}

/// What a failed deployment leaves is data, or is named.
fn is_taken_back(world: &World, report: &DeployReport) -> Result<(), String> {
    let Some(failure) = &report.failure else {
        return Err(format!("it ended {:?} and says nothing", report.outcome));
    };
    if !report.stuck.is_empty() {
        return Ok(());
    }
    let data = ["create-database", "migrate", "create-namespace", "create-bucket", "create-queue"];
    let is_data = |step: &str| data.iter().any(|kind| step.starts_with(kind));
    let odd = report.kept.iter().find(|left| !is_data(left.step.as_str()));
    let left = world.workers();
    match (odd, left.is_empty()) {
        (None, true) => Ok(()),
        _ => Err(format!("after {failure:?} there is {odd:?} and {left:?}")),
    }
}
