//! What is interrupted, and what has to hold afterwards.

use crate::{
    fleet::Edition,
    killer::{Call, Killer, Point, When},
    world::{Errand, Files, Place, Stopped, World, load},
};
use clodo_orchestrator::{DeployReport, Outcome};
use std::{collections::BTreeMap, sync::Arc, thread};

/// The work in the middle of which a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Twenty Workers on an empty account.
    First,
    /// A change of everything that can change.
    Update,
    /// The same with a Worker that turns out to be sick: all is taken back.
    Unwind,
    /// Takes the update back.
    Rollback,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Update => "update",
            Self::Unwind => "unwind",
            Self::Rollback => "rollback",
        }
    }
}

/// How an undisturbed run goes.
pub(crate) struct Scenario {
    pub(crate) work: Work,
    base: Option<Arc<Stopped>>,
    files: Files,
    errand: Errand,
    goal: Stopped,
    /// The points that are of interest, by their numbers.
    pub(crate) points: Vec<(usize, Point)>,
}

/// What became of a deployment that was killed once.
#[derive(Debug)]
pub(crate) struct Survived {
    pub(crate) point: Point,
    /// Versions without a deployment, beyond those of an undisturbed run.
    pub(crate) unreferenced: usize,
    /// Writes whose answer the killed process never saw.
    pub(crate) lost: usize,
    /// Writes beyond those of an undisturbed run.
    pub(crate) repeated: usize,
}

/// Makes all scenarios, each on the state in which another one ends.
pub(crate) fn scenarios(concurrency: usize) -> Vec<Scenario> {
    let [first, second, sick] = [Edition::First, Edition::Second, Edition::Sick].map(load);
    let (one, two) = (Errand::Deploy, Errand::RollBack(2));
    let first = Scenario::new(Work::First, None, first, one, concurrency);
    let base = first.ends_in();
    let update =
        Scenario::new(Work::Update, Some(Arc::clone(&base)), second.clone(), one, concurrency);
    let unwind = Scenario::new(Work::Unwind, Some(base), sick, one, concurrency);
    let updated = update.ends_in();
    let rollback = Scenario::new(Work::Rollback, Some(updated), second, two, concurrency);
    vec![first, update, unwind, rollback]
}

impl Scenario {
    fn new(
        work: Work,
        base: Option<Arc<Stopped>>,
        files: Files,
        errand: Errand,
        concurrency: usize,
    ) -> Self {
        let mut world = World::new(base.as_deref(), &files);
        world.concurrency = concurrency;
        let killer = Killer::at(None);
        let report = world.process(errand, Place::Here, &killer).expect("nobody kills it");
        let report = report.unwrap_or_else(|error| panic!("{}: {error}", work.name()));
        assert!(
            work.ends_with(&report),
            "{}: {:?} {:?}",
            work.name(),
            report.outcome,
            report.failure
        );
        assert_eq!(world.unfinished(), 0);
        let points = killer.passed().into_iter().enumerate().collect();
        Self { work, base, files, errand, goal: world.stop(), points }
    }

    fn ends_in(&self) -> Arc<Stopped> {
        Arc::new(self.goal.copied())
    }

    /// The point of this number, as an undisturbed run has it.
    pub(crate) fn point(&self, at: usize) -> &Point {
        let found = self.points.iter().find(|(number, _)| *number == at);
        &found.expect("the scenario has it").1
    }

    /// Stops a process at a point; another takes over and deploys what was there before. Then the
    /// first goes on: it may write nothing more.
    pub(crate) fn take_over(&self, at: usize, before: &Scenario) -> Result<(), String> {
        let mut world = World::new(self.base.as_deref(), &self.files);
        world.other = Some(before.files.clone());
        let killer = Killer::stopping_at(at);
        let (first, second, late) = thread::scope(|scope| {
            let first = scope.spawn(|| world.process(self.errand, Place::Here, &killer));
            killer.stopped();
            let second = world.process(Errand::DeployOther, Place::Elsewhere, &Killer::at(None));
            let written = world.cloud().requests().writes;
            killer.wake();
            let first = first.join().expect("it does not panic");
            (first, second, world.cloud().requests().writes - written)
        });
        let point = self.point(at);
        let second =
            second.expect("nobody kills it").map_err(|error| format!("{point}: {error}"))?;
        let first = first.expect("nobody kills it");
        let lost = first.as_ref().is_err_and(|error| error.contains("lock"));
        if !lost || !matches!(second.outcome, Outcome::Done | Outcome::NothingToDo) || late > 0 {
            return Err(format!(
                "{point}: the stopped process wrote {late} times and ended {first:?}, the other {:?}",
                second.outcome
            ));
        }
        let differences = before.goal.view.differences(&world.stop().view);
        // What a migration did stays.
        let odd: Vec<String> =
            differences.into_iter().filter(|line| !line.starts_with("data/")).collect();
        if odd.is_empty() { Ok(()) } else { Err(format!("{point}: {}", odd.join("\n"))) }
    }

    /// Kills a process at a point, lets others go on, and compares.
    pub(crate) fn survive(&self, at: usize, concurrency: usize) -> Result<Survived, String> {
        let mut world = World::new(self.base.as_deref(), &self.files);
        world.concurrency = concurrency;
        let killer = Killer::at(Some(at));
        if world.process(self.errand, Place::Here, &killer).is_some() {
            return Err("the process ended before the point was reached".to_owned());
        }
        let passed = killer.passed();
        let point = passed.last().expect("it was killed at one").clone();
        let place = if at.is_multiple_of(2) { Place::Here } else { Place::Elsewhere };
        let within = |error: String| format!("{point}: {error}");
        self.go_on(&world, place).map_err(within)?;
        if world.unfinished() != 0 {
            return Err(within("a deployment is left unfinished".to_owned()));
        }
        self.compare(&passed, &world.stop()).map_err(within)
    }

    fn go_on(&self, world: &World, place: Place) -> Result<(), String> {
        let report = world.process(self.errand, place, &Killer::at(None)).expect("nobody kills it");
        let report = match (self.work, report) {
            // Killed when all was done: there is nothing left to take back.
            (Work::Rollback, Err(error)) if error.contains("nothing to roll back") => return Ok(()),
            (_, report) => report?,
        };
        if !self.work.ends_with(&report) {
            return Err(format!(
                "the next process ended {:?}: {:?} {:?}",
                report.outcome, report.failure, report.findings
            ));
        }
        if matches!(self.work, Work::First | Work::Update) {
            let again =
                world.process(self.errand, place, &Killer::at(None)).expect("nobody kills it")?;
            if again.outcome != Outcome::NothingToDo {
                return Err(format!(
                    "a third process still found something to do: {:?}",
                    again.plan
                ));
            }
        }
        Ok(())
    }

    fn compare(&self, passed: &[Point], after: &Stopped) -> Result<Survived, String> {
        let differences = self.goal.view.differences(&after.view);
        if !differences.is_empty() {
            return Err(format!("the state differs:\n{}", differences.join("\n")));
        }
        let lost = lost(passed);
        let unreferenced = after.view.unreferenced.saturating_sub(self.goal.view.unreferenced);
        let uploads = lost.iter().filter(|call| is_upload(call)).count();
        // Whoever takes back what it did, and then does it again, uploads again.
        if self.work != Work::Unwind && unreferenced > uploads {
            return Err(format!("{unreferenced} versions too many; {uploads} answers were lost"));
        }
        let repeated = self.repeated(&lost, after)?;
        let point = passed.last().expect("it was killed at one").clone();
        Ok(Survived { point, unreferenced, lost: lost.len(), repeated })
    }

    /// How many writes were made that an undisturbed run does not make; each must be one whose answer
    /// was lost.
    fn repeated(&self, lost: &[String], after: &Stopped) -> Result<usize, String> {
        if self.work == Work::Unwind {
            return Ok(0);
        }
        let mut allowed: BTreeMap<String, usize> = self.goal.counted();
        for call in lost {
            *allowed.entry(after.view.named(call)).or_default() += 1;
        }
        let usual: usize = self.goal.writes.len();
        for (write, count) in after.counted() {
            let most = allowed.get(&write).copied().unwrap_or(0);
            if count > most {
                return Err(format!("`{write}` was made {count} times, and not {most}"));
            }
        }
        Ok(after.writes.len().saturating_sub(usual))
    }
}

impl Work {
    fn ends_with(self, report: &DeployReport) -> bool {
        match self {
            Self::Unwind => matches!(report.outcome, Outcome::Failed | Outcome::PartlyDone),
            _ => matches!(report.outcome, Outcome::Done | Outcome::NothingToDo),
        }
    }
}

/// Whether a call makes a version.
fn is_upload(call: &str) -> bool {
    let path = call.rsplit("/workers/scripts/").next().unwrap_or_default();
    call.contains("/workers/scripts/") && (!path.contains('/') || path.ends_with("/versions"))
}

/// Calls that were sent and whose answers the process never saw, as the cloud's log has them.
fn lost(passed: &[Point]) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let last = passed.len() - 1;
    for (at, point) in passed.iter().enumerate() {
        let Call::Api(method, path) = &point.call else { continue };
        let call = format!("{method} {path}");
        match point.when {
            // Killed before it was sent.
            When::Before if at == last => {}
            When::Before => open.push(call),
            // Killed before the answer was seen.
            When::After if at == last => {}
            When::After => {
                let sent = open.iter().position(|one| *one == call).expect("it was sent");
                open.swap_remove(sent);
            }
        }
    }
    open
}
