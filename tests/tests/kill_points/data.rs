//! Rollbacks that put a database back, killed around that, while others go on writing.

use crate::{
    faults,
    fleet::Edition,
    killer::{Call, Killer, Point, When},
    side_by_side,
    world::{Errand, Files, Place, Stopped, World, load},
};
use clodo_local::{Fault, FaultKind};
use clodo_orchestrator::{DeployReport, Outcome};

const RESTORE: &str = "POST /accounts/*/d1/database/*/time_travel/restore";

/// A Worker whose database has been migrated by its second deployment.
struct Migrated {
    files: Files,
    state: Stopped,
}

impl Migrated {
    fn new() -> Self {
        let only = |edition| load(edition).only(&["catalog-0"]);
        let first = World::new(None, &only(Edition::First));
        done(&first, Errand::Deploy);
        let files = only(Edition::Second);
        let second = World::new(Some(&first.stop()), &files);
        done(&second, Errand::Deploy);
        Self { files, state: second.stop() }
    }

    fn world(&self) -> World {
        World::new(Some(&self.state), &self.files)
    }
}

const BACK: Errand = Errand::RollBackWithData(2);

fn done(world: &World, errand: Errand) -> DeployReport {
    let report = world.process(errand, Place::Here, &Killer::at(None)).expect("nobody kills it");
    let report = report.expect("it begins");
    assert_eq!(report.outcome, Outcome::Done, "{:?} {:?}", report.failure, report.findings);
    report
}

/// From the look at the database to the last word about it.
fn points(migrated: &Migrated) -> Vec<usize> {
    let (world, killer) = (migrated.world(), Killer::at(None));
    let report = world.process(BACK, Place::Here, &killer).expect("nobody kills it");
    assert_eq!(report.map(|report| report.outcome), Ok(Outcome::Done));
    let concerns = |point: &Point| match &point.call {
        Call::Api(_, path) => path.contains("/time_travel/"),
        Call::Journal(_, step) => step.starts_with("restore-database"),
        Call::Lease(_) => false,
    };
    let passed = killer.passed();
    let first = passed.iter().position(concerns).expect("it looks");
    let last = passed.iter().rposition(concerns).expect("it notes");
    (first..=last).collect()
}

/// Kills a rollback at a point, writes a row, and lets others go on.
fn survive(migrated: &Migrated, at: usize) -> Result<(), String> {
    let (world, killer) = (migrated.world(), Killer::at(Some(at)));
    if world.process(BACK, Place::Here, &killer).is_some() {
        return Err("the process ended before the point was reached".to_owned());
    }
    let passed = killer.passed();
    let point = passed.last().expect("it was killed at one").to_string();
    let restores = |point: &&Point| match &point.call {
        Call::Api(_, path) => path.ends_with("/time_travel/restore"),
        _ => false,
    };
    let was_put_back = passed.iter().filter(restores).any(|restore| restore.when == When::After);
    world.sql("catalog-0", "INSERT INTO item (name) VALUES ('late')");
    let report = world.process(BACK, Place::Here, &Killer::at(None)).expect("nobody kills it");
    let report = report.map_err(|error| format!("{point}: {error}"))?;
    let rows = world.sql("catalog-0", "SELECT count(*) AS n FROM item WHERE name = 'late'");
    let (survived, prices) = (rows[0]["n"] == 1, "SELECT price FROM item");
    let has_prices = world.tries("catalog-0", prices);
    let unfinished = world.unfinished();
    let writes = world.stop().writes;
    let restored = writes.iter().filter(|write| write.ends_with("/time_travel/restore")).count();
    let found = (report.outcome, survived, has_prices, restored, unfinished);
    // Writes are those since the world was made: by both processes.
    let wanted = (Outcome::Done, was_put_back, false, 1, 0);
    if found == wanted { Ok(()) } else { Err(format!("{point}: {found:?}, and not {wanted:?}")) }
}

#[test]
fn a_database_is_put_back_once_and_what_was_written_afterwards_stays() {
    let migrated = Migrated::new();
    let points = points(&migrated);
    assert!(points.len() >= 8, "{points:?}");
    let told = side_by_side(&points, |at| survive(&migrated, *at));
    let failed: Vec<String> = told.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What a rollback says when its call to put the database back meets a fault, and what is true.
fn with_fault(migrated: &Migrated, kind: FaultKind) -> Result<(), String> {
    let world = migrated.world();
    world.cloud().add_fault(Fault::new(kind).on(RESTORE).expect("a route").only_nth(1));
    let report = world.process(BACK, Place::Here, &Killer::at(None)).expect("nobody kills it");
    let report = report.map_err(|error| format!("{}: {error}", kind.name()))?;
    let is_back = !world.tries("catalog-0", "SELECT price FROM item");
    let said = report.kept.iter().any(|left| left.why.contains("time-travel restore catalog-0"));
    let honest = match report.outcome {
        Outcome::Done => is_back,
        Outcome::PartlyDone => said && !is_back,
        _ => false,
    };
    let found = format!("{}: {:?}, back {is_back}, {:?}", kind.name(), report.outcome, report.kept);
    if honest { Ok(()) } else { Err(found) }
}

#[test]
fn whatever_becomes_of_the_answer_a_rollback_says_whether_the_database_was_put_back() {
    let migrated = Migrated::new();
    let told = side_by_side(&faults::kinds(), |kind| with_fault(&migrated, *kind));
    let failed: Vec<String> = told.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
