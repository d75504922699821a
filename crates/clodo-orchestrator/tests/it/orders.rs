//! The order of steps over random graphs of Workers, held against what the graphs say, not against
//! how the planner thinks.

use crate::world::{calls, database, desired, host, name, target, target_id};
use clodo_orchestrator::{
    AppliedMigration, BatchSize, Delivery, Desired, DesiredConsumer, DesiredDurableObject,
    DesiredQueue, DesiredTarget, Mark, Observed, ObservedAccount, ObservedDatabase, ObservedWorker,
    Plan, PlanError, PlanOptions, Rolling, Strategy as Way, Wave, plan,
};
use clodo_types::WorkerName;
use proptest::{
    prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest},
    test_runner::TestCaseError,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
};

/// How many random graphs each of the four ways to deploy them is tried on.
const GRAPHS: u32 = 1_250;
const FILES: [(&str, &str); 2] = [("1.sql", "CREATE TABLE a (x)"), ("2.sql", "CREATE TABLE b (x)")];

/// What is there of a Worker before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    Absent,
    Other,
    Same,
}

/// One service; indices of others are taken modulo their number.
#[derive(Clone, Debug)]
struct Node {
    past: Past,
    services: Vec<usize>,
    objects: Option<usize>,
    depends_on: Option<usize>,
    tails: Option<usize>,
    sends: Option<usize>,
    databases: [bool; 2],
    address: bool,
    wave: usize,
}

/// A portfolio, its rollout, and how many of the two files each database has applied.
#[derive(Clone, Debug)]
struct Graph {
    nodes: Vec<Node>,
    applied: [Option<usize>; 2],
    batch: Option<usize>,
    waves: usize,
    turn: usize,
}

fn node() -> impl Strategy<Value = Node> {
    let past = (0_u8..4).prop_map(|past| match past {
        0 | 1 => Past::Absent,
        2 => Past::Other,
        _ => Past::Same,
    });
    let others = (
        proptest::collection::vec(0_usize..9, 0..3),
        proptest::option::weighted(0.15, 0_usize..9),
        proptest::option::weighted(0.2, 0_usize..9),
        proptest::option::weighted(0.1, 0_usize..9),
        proptest::option::weighted(0.2, 0_usize..9),
    );
    let rest = (any::<[bool; 2]>(), any::<bool>(), 0_usize..4);
    (past, others, rest).prop_map(
        |(past, (services, objects, depends_on, tails, sends), (databases, address, wave))| Node {
            past,
            services,
            objects,
            depends_on,
            tails,
            sends,
            databases,
            address,
            wave,
        },
    )
}

/// Graphs that are deployed in batches or not, and in waves or not.
fn graph(batches: bool, waves: bool) -> impl Strategy<Value = Graph> {
    let applied = || proptest::option::of(0_usize..3);
    let rest = ([applied(), applied()], 1_usize..4, 1_usize..4, 0_usize..9);
    (proptest::collection::vec(node(), 1..9), rest).prop_map(
        move |(nodes, (applied, batch, many, turn))| {
            let batch = batches.then_some(batch);
            Graph { nodes, applied, batch, waves: if waves { many } else { 0 }, turn }
        },
    )
}

impl Graph {
    /// The services that one calls.
    fn services(&self, at: usize) -> BTreeSet<usize> {
        let to = self.nodes[at].services.iter().map(|to| to % self.nodes.len());
        to.filter(|to| *to != at).collect()
    }

    /// Whose Durable Objects it is bound to.
    fn objects(&self, at: usize) -> Option<usize> {
        self.nodes[at].objects.map(|to| to % self.nodes.len()).filter(|to| *to != at)
    }

    /// What must come first because somebody said so; without circles among these.
    fn depends_on(&self, at: usize) -> Option<usize> {
        self.nodes[at].depends_on.filter(|to| *to < at)
    }

    /// Who receives its events.
    fn tails(&self, at: usize) -> Option<usize> {
        self.nodes[at].tails.map(|to| to % self.nodes.len()).filter(|to| *to != at)
    }

    /// Who receives what it sends to that one's queue.
    fn sends(&self, at: usize) -> Option<usize> {
        self.nodes[at].sends.map(|to| to % self.nodes.len()).filter(|to| *to != at)
    }

    fn binds(&self, at: usize) -> BTreeSet<usize> {
        self.services(at).into_iter().chain(self.objects(at)).chain(self.tails(at)).collect()
    }

    fn waits(&self, at: usize) -> BTreeSet<usize> {
        let more = self.depends_on(at).into_iter().chain(self.sends(at));
        self.binds(at).into_iter().chain(more).collect()
    }

    /// Whether nothing may be put in the other's place for a while.
    fn is_firm(&self, at: usize, to: usize) -> bool {
        let brings = self.objects(at) == Some(to) && self.nodes[to].past == Past::Absent;
        brings || self.depends_on(at) == Some(to)
    }

    /// All that is waited for, by way of others as well.
    fn reaches(&self, at: usize) -> BTreeSet<usize> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![at]);
        while let Some(next) = open.pop() {
            open.extend(self.waits(next).into_iter().filter(|to| seen.insert(*to)));
        }
        seen
    }

    fn in_circle(&self, at: usize, to: usize) -> bool {
        self.reaches(at).contains(&to) && self.reaches(to).contains(&at)
    }

    fn target(&self, at: usize) -> DesiredTarget {
        let mut own = target(&service(at));
        own.adopt = true;
        if !self.nodes[at].address {
            own.domains.clear();
            own.workers_dev.enabled = false;
        } else {
            own.domains = [host(&service(at))].into();
        }
        for to in self.services(at) {
            calls(&mut own, &service(to));
        }
        if let Some(to) = self.objects(at) {
            own.durable_objects.push(DesiredDurableObject {
                binding: name("ROOMS"),
                class_name: "Room".into(),
                worker: Some(name(&service(to))),
            });
        }
        own.tails.extend(self.tails(at).map(|to| name::<WorkerName>(&service(to))));
        own.queues.extend(
            self.sends(at)
                .map(|to| DesiredQueue { binding: name("SENDS"), name: name(&format!("q{to}")) }),
        );
        if (0..self.nodes.len()).any(|from| self.sends(from) == Some(at)) {
            let queue = name(&format!("q{at}"));
            own.consumers.push(DesiredConsumer { queue, delivery: Delivery::default() });
        }
        own.depends_on.extend(self.depends_on(at).map(|to| target_id(&service(to))));
        for (number, _) in self.nodes[at].databases.iter().enumerate().filter(|(_, on)| **on) {
            database(&mut own, &format!("db{number}"), &FILES);
            own.databases.last_mut().unwrap().binding = name(&format!("DB{number}"));
        }
        if let Some(batch) = self.batch {
            let mut rolling = Rolling::default();
            rolling.batch = BatchSize::Count(NonZeroUsize::new(batch).unwrap());
            own.strategy = Way::Rolling(rolling);
        }
        own
    }

    fn desired(&self) -> Desired {
        let mut all = desired((0..self.nodes.len()).map(|at| self.target(at)).collect());
        for wave in 0..self.waves {
            let own = (0..self.nodes.len()).filter(|at| self.nodes[*at].wave == wave);
            let mut described = Wave::default();
            described.name = format!("wave {wave}");
            described.targets = own.map(|at| target_id(&service(at))).collect();
            all.rollout.waves.push(described);
        }
        all
    }

    fn observed(&self) -> Observed {
        let mut account = ObservedAccount::default();
        account.zones.insert(name("acme.test"));
        for (number, applied) in self.applied.iter().enumerate() {
            let Some(applied) = applied else { continue };
            let id = format!("018f3c5e-0000-7000-8000-00000000000{number}");
            let mut known = ObservedDatabase::new(name(&id));
            known.applied = FILES[..*applied]
                .iter()
                .map(|(name, _)| AppliedMigration {
                    name: (*name).into(),
                    checksum: None,
                    applied_at: None,
                })
                .collect();
            account.databases.insert(name(&format!("db{number}")), known);
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let hashes = match node.past {
                Past::Absent => continue,
                Past::Other => target("other").hashes(),
                Past::Same => self.target(at).hashes(),
            };
            let mark = Mark { owner: Some(name("shop")), hashes: Some(hashes), preview: None };
            let mut live = ObservedWorker::default();
            live.tags = mark.to_tags::<String>(&[]);
            live.workers_dev = Some(self.target(at).workers_dev);
            let worker: WorkerName = name(&service(at));
            for domain in &self.target(at).domains {
                account.domains.insert(domain.clone(), worker.clone());
            }
            account.workers.insert(worker, live);
        }
        let mut observed = Observed::default();
        observed.accounts.insert(name("main"), account);
        observed
    }

    /// The wave in which it comes: its own, or that of whoever waits for it.
    fn wave(&self, at: usize) -> usize {
        self.nodes[at].wave.min(self.waves)
    }
}

fn service(at: usize) -> String {
    format!("s{at}")
}

/// A plan, and for each step all that comes before it.
struct Told<'a> {
    plan: &'a Plan,
    before: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Told<'a> {
    /// `None` when a step is listed before one that it needs.
    fn of(plan: &'a Plan) -> Option<Self> {
        let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for step in plan.steps() {
            let mut all = BTreeSet::new();
            for need in &step.needs {
                all.extend(before.get(need.as_str())?.iter().copied());
                all.insert(need.as_str());
            }
            before.insert(step.id.as_str(), all);
        }
        Some(Self { plan, before })
    }

    fn step(&self, kind: &str, at: usize) -> Option<&'a str> {
        let id = format!("{kind} main/{}", service(at));
        self.before.get_key_value(id.as_str()).map(|(id, _)| *id)
    }

    /// The step that puts the new version live.
    fn live(&self, at: usize) -> Option<&'a str> {
        self.step("traffic", at).or_else(|| self.step("upload", at))
    }

    fn comes_first(&self, first: &str, then: &str) -> bool {
        self.before[then].contains(first)
    }
}

/// What is wrong with the order of one target's steps.
fn wrong(graph: &Graph, told: &Told<'_>, at: usize) -> Option<String> {
    let (Some(upload), Some(live)) = (told.step("upload", at), told.live(at)) else { return None };
    for to in graph.binds(at) {
        if graph.nodes[to].past == Past::Absent {
            let maker = told.step("stub", to).or_else(|| told.step("upload", to));
            if !maker.is_some_and(|maker| told.comes_first(maker, upload)) {
                return Some(format!("s{at} is bound to s{to} before that exists"));
            }
        }
    }
    for to in graph.waits(at) {
        let circle = graph.in_circle(at, to);
        if circle && !graph.is_firm(at, to) {
            continue;
        }
        let proof = if circle { None } else { told.step("verify", to) };
        // Who calls another too early is not waited for until it answers.
        let late = graph.reaches(to).contains(&to);
        let steps = told.live(to).into_iter().chain(proof.filter(|_| !late));
        for step in steps {
            if !told.comes_first(step, live) {
                return Some(format!("s{at} is live before `{step}`"));
            }
        }
    }
    if let Some(to) = graph.sends(at) {
        let queue = format!("create-queue main/q{to}");
        if !told.comes_first(&queue, upload) {
            return Some(format!("s{at} is uploaded before `{queue}`"));
        }
    }
    if let Some(receives) = told.step("consumers", at) {
        for first in [live, &format!("create-queue main/q{at}")] {
            if !told.comes_first(first, receives) {
                return Some(format!("s{at} receives before `{first}`"));
            }
        }
    }
    migrations(graph, told, at, upload)
}

/// What is wrong with the databases of one target.
fn migrations(graph: &Graph, told: &Told<'_>, at: usize, upload: &str) -> Option<String> {
    for (number, applied) in graph.applied.iter().enumerate() {
        if !graph.nodes[at].databases[number] {
            continue;
        }
        let mut last = applied.is_none().then(|| format!("create-database main/db{number}"));
        let left = FILES[applied.unwrap_or(0)..].iter();
        for id in left.map(|(file, _)| format!("migrate main/db{number} {file}")) {
            let Some(before) = told.before.get(id.as_str()) else {
                return Some(format!("`{id}` is not planned"));
            };
            if !told.comes_first(&id, upload) {
                return Some(format!("s{at} is uploaded before `{id}`"));
            }
            if last.is_some_and(|last| !before.contains(last.as_str())) {
                return Some(format!("`{id}` comes too early"));
            }
            last = Some(id);
        }
    }
    None
}

/// What is wrong with the waves: who comes in a later one is live after all of the earlier ones,
/// unless somebody of an earlier one waits for it.
fn out_of_wave(graph: &Graph, told: &Told<'_>) -> Option<String> {
    let all = 0..graph.nodes.len();
    let wave = |at: usize| {
        let waiting = all.clone().filter(|from| graph.reaches(*from).contains(&at));
        waiting.map(|from| graph.wave(from)).min().unwrap_or(usize::MAX).min(graph.wave(at))
    };
    for later in all.clone() {
        for earlier in all.clone().filter(|earlier| graph.wave(*earlier) < wave(later)) {
            let (Some(first), Some(then)) = (told.live(earlier), told.live(later)) else {
                continue;
            };
            if !told.comes_first(first, then) {
                return Some(format!("s{later} is live before s{earlier} of an earlier wave"));
            }
        }
    }
    None
}

/// Whether a circle that a plan is refused for is one, and cannot be broken.
fn is_firm_circle(graph: &Graph, circle: &[clodo_types::TargetId]) -> bool {
    let at = |id: &clodo_types::TargetId| id.service.as_str()[1..].parse::<usize>().unwrap();
    let mut pairs = circle.windows(2).map(|pair| (at(&pair[0]), at(&pair[1])));
    circle.first() == circle.last() && pairs.all(|(from, to)| graph.is_firm(from, to))
}

fn check(graph: &Graph) -> Result<(), TestCaseError> {
    let (mut desired, observed) = (graph.desired(), graph.observed());
    let options = PlanOptions::default();
    let first = match plan(&desired, &observed, &options) {
        Ok(plan) => plan,
        Err(PlanError::Cycle(circle)) => {
            prop_assert!(is_firm_circle(graph, &circle), "{circle:?}");
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let told = Told::of(&first);
    prop_assert!(told.is_some(), "a step is listed before one that it needs");
    let told = told.unwrap();
    for at in 0..graph.nodes.len() {
        prop_assert_eq!(wrong(graph, &told, at), None, "{:#?}", told.plan.steps());
    }
    prop_assert_eq!(out_of_wave(graph, &told), None);
    // The same plan in whatever order the targets come.
    let turn = graph.turn % desired.targets.len();
    desired.targets.rotate_left(turn);
    desired.targets.reverse();
    let second = plan(&desired, &observed, &options).unwrap();
    prop_assert_eq!(first.steps(), second.steps());
    let ids: Vec<_> = desired.targets.iter().map(|target| &target.id).collect();
    let planned: Vec<_> = second.targets().iter().map(|target| &target.id).collect();
    prop_assert_eq!(ids, planned);
    Ok(())
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(GRAPHS))]

    #[test]
    fn nothing_is_live_before_what_it_binds(graph in graph(false, false)) {
        check(&graph)?;
    }

    #[test]
    fn nor_is_it_in_batches(graph in graph(true, false)) {
        check(&graph)?;
    }

    #[test]
    fn nor_in_waves(graph in graph(false, true)) {
        check(&graph)?;
    }

    #[test]
    fn nor_in_waves_of_batches(graph in graph(true, true)) {
        check(&graph)?;
    }
}
