use crate::world::{World, bundle, calls, desired, ids, target, worker};
use clodo_orchestrator::{
    BlueGreen, Canary, CanaryStep, DeployError, DeployEvent, DeployListener, Desired,
    DesiredTarget, Fault, Inconclusive, Outcome, Strategy, deploy,
};
use clodo_saga::{Event, Signal, SignalKind, SignalStore};
use clodo_types::{Clock, Severity, Timestamp};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Follows tokio's clock, which tests hold still.
#[derive(Debug)]
pub(crate) struct PausedClock(tokio::time::Instant);

impl PausedClock {
    pub(crate) fn on(world: &mut World) {
        world.cx.clock = Arc::new(Self(tokio::time::Instant::now()));
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        let since = i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(1_790_000_000_000 + since)
    }
}

fn canary() -> Canary {
    let mut canary = Canary::default();
    canary.steps = [5.0, 50.0].map(CanaryStep::new).into();
    canary.bake = Duration::from_mins(1);
    canary.limit = Duration::from_mins(30);
    canary
}

fn with(code: &str, strategy: Strategy) -> DesiredTarget {
    let mut web = target("web");
    web.bundle = bundle(code);
    web.strategy = strategy;
    web
}

fn canary_of(code: &str, canary: Canary) -> Desired {
    desired(vec![with(code, Strategy::Canary(canary))])
}

async fn serving(strategy: Strategy) -> World {
    let mut world = World::new();
    PausedClock::on(&mut world);
    let first = world.deploy(&desired(vec![with("one", strategy)])).await.unwrap();
    // What is created serves at once.
    assert_eq!(ids(&first.plan).len(), 4);
    world.platform.forget_writes();
    world.telemetry.set_baseline(1_800, 9);
    world
}

const STEPS: [&str; 8] = [
    "upload main/web",
    "traffic main/web 5%",
    "judge main/web 5%",
    "traffic main/web 50%",
    "judge main/web 50%",
    "traffic main/web",
    "verify main/web",
    "commit main/web",
];

#[tokio::test(start_paused = true)]
async fn a_good_canary_gets_all_traffic_step_by_step() {
    let world = serving(Strategy::Canary(canary())).await;
    world.telemetry.set_canary(200, 1);
    let began = tokio::time::Instant::now();
    let report = world.deploy(&canary_of("two", canary())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    assert_eq!(ids(&report.plan), STEPS);
    assert!(began.elapsed() >= Duration::from_mins(2), "each step is baked for a minute");
    let traffic = &world.platform.picture()["main"]["workers"]["web"]["traffic"];
    assert_eq!(traffic.as_array().unwrap().len(), 1);
    assert_eq!(traffic[0]["percentage"], 100.0);
}

#[tokio::test(start_paused = true)]
async fn a_bad_canary_is_taken_back_at_once_and_nobody_else_sees_it() {
    let world = serving(Strategy::Canary(canary())).await;
    let before = world.platform.picture();
    world.telemetry.set_canary(200, 20);
    let report = world.deploy(&canary_of("two", canary())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    let failure = report.failure.unwrap();
    assert_eq!(failure.step.as_str(), "judge main/web 5%");
    assert!(failure.messages[0].starts_with("the canary is worse by"), "{:?}", failure.messages);
    assert_eq!(world.platform.picture(), before);
    let writes = world.platform.writes();
    assert!(!writes.iter().any(|write| write.contains("50%")), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_migrates_durable_objects_gets_all_traffic_and_says_so() {
    for strategy in [Strategy::Canary(canary()), Strategy::BlueGreen(BlueGreen::default())] {
        let world = serving(strategy.clone()).await;
        world.telemetry.set_canary(200, 1);
        let mut web = with("two", strategy.clone());
        web.object_migrations = vec![json!({ "tag": "v1", "new_sqlite_classes": ["Counter"] })];
        let report = world.deploy(&desired(vec![web.clone()])).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
        let steps = ["upload main/web", "traffic main/web", "verify main/web", "commit main/web"];
        assert_eq!(ids(&report.plan), steps);
        let [note] = &report.findings[..] else { panic!("{:?}", report.findings) };
        assert_eq!((note.rule.as_str(), note.severity), ("migrations-at-once", Severity::Note));
        // What is migrated already stands in nobody's way.
        web.bundle = bundle("three");
        let next = world.plan(&desired(vec![web])).await;
        assert!(next.findings().is_empty(), "{:?}", next.findings());
        assert!(ids(&next).len() > 4, "{:?}", ids(&next));
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_no_way_back_from_migrated_durable_objects() {
    let world = serving(Strategy::Canary(canary())).await;
    let mut web = with("two", Strategy::Canary(canary()));
    web.object_migrations = vec![json!({ "tag": "v1", "new_sqlite_classes": ["Counter"] })];
    world.platform.fail_at("commit main/web", Fault::Refuse);
    let report = world.deploy(&desired(vec![web])).await.unwrap();
    assert_eq!(report.outcome, Outcome::PartlyDone);
    let [kept] = &report.kept[..] else { panic!("{:?}", report.kept) };
    assert_eq!(kept.step.as_str(), "upload main/web");
    assert!(kept.why.contains("Durable Objects"), "{}", kept.why);
}

#[tokio::test(start_paused = true)]
async fn without_data_a_canary_is_never_promoted() {
    for (inconclusive, step) in [(Inconclusive::RollBack, "judge main/web 5%")] {
        let mut rules = canary();
        rules.inconclusive = inconclusive;
        let world = serving(Strategy::Canary(rules.clone())).await;
        let before = world.platform.picture();
        let report = world.deploy(&canary_of("two", rules)).await.unwrap();
        assert_eq!(report.failure.unwrap().step.as_str(), step);
        assert_eq!(world.platform.picture(), before);
    }
}

/// Says something as soon as a step begins.
#[derive(Debug)]
struct SayWhen {
    step: &'static str,
    after: Duration,
    signal: Signal,
    store: Arc<clodo_saga::MemoryStore>,
    clock: Arc<dyn Clock>,
    run: Mutex<Option<clodo_types::DeploymentId>>,
}

impl SayWhen {
    fn on(world: &mut World, step: &'static str, after: Duration, kind: SignalKind, by: &str) {
        let signal =
            Signal { kind, step: None, by: by.to_owned(), why: None, at: world.cx.clock.now() };
        let store = Arc::clone(&world.store);
        let (run, clock) = (Mutex::default(), Arc::clone(&world.cx.clock));
        world.cx.listener = Arc::new(Self { step, after, signal, store, clock, run });
    }
}

impl DeployListener for SayWhen {
    fn hear(&self, event: &DeployEvent) {
        match event {
            DeployEvent::Run(Event::RunOpened(run)) => {
                *self.run.lock().unwrap() = Some(run.clone());
            }
            DeployEvent::Run(Event::StepStarted(step)) if step.as_str() == self.step => {
                let run = self.run.lock().unwrap().clone().unwrap();
                let (store, mut signal, after) =
                    (Arc::clone(&self.store), self.signal.clone(), self.after);
                let clock = Arc::clone(&self.clock);
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    signal.at = clock.now();
                    store.send(&run, &signal).await.unwrap();
                });
            }
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_canary_waits_until_somebody_moves_it_on() {
    let mut world = serving(Strategy::Canary(canary())).await;
    let later = Duration::from_hours(5);
    SayWhen::on(&mut world, "judge main/web 5%", later, SignalKind::Continue, "ada");
    let began = tokio::time::Instant::now();
    let wanted = canary_of("two", canary());
    let deployed = world.deploy(&wanted);
    // The second step finds nobody, and is held for good.
    let ended = tokio::time::timeout(Duration::from_hours(10), deployed).await;
    assert!(ended.is_err(), "{ended:?}");
    assert!(began.elapsed() >= later);
    let writes = world.platform.writes();
    assert_eq!(writes.last().unwrap(), "traffic main/web 50%", "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn an_abort_from_another_terminal_takes_everything_back() {
    let mut world = serving(Strategy::Canary(canary())).await;
    let before = world.platform.picture();
    let soon = Duration::from_secs(90);
    SayWhen::on(&mut world, "judge main/web 5%", soon, SignalKind::Abort, "ada");
    let report = world.deploy(&canary_of("two", canary())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.failure.unwrap().messages, ["aborted by ada"]);
    assert_eq!(world.platform.picture(), before);
}

#[tokio::test(start_paused = true)]
async fn a_canary_left_for_a_person_goes_on_in_another_process_with_what_it_knew() {
    let mut rules = canary();
    rules.inconclusive = Inconclusive::Ask;
    let world = serving(Strategy::Canary(rules.clone())).await;
    world.telemetry.set_canary(1, 0);
    let left = world.deploy(&canary_of("two", rules.clone())).await.unwrap_err();
    assert!(matches!(left, DeployError::Suspended(_)), "{left}");
    let readings = world.telemetry.readings();
    assert!(readings > 100);
    // The next run finds the version, the share and what was known about it.
    world.telemetry.set_canary(2_000, 10);
    let report = world.deploy(&canary_of("two", rules)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    assert_eq!(report.superseded.len(), 1);
    assert_eq!(world.platform.version_count(&worker("web")), 2, "it was uploaded once");
    let writes = world.platform.writes();
    let shifts = writes.iter().filter(|write| *write == "traffic main/web 5%").count();
    assert_eq!(shifts, 1, "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_killed_canary_is_judged_no_second_time_where_it_was_good() {
    let world = serving(Strategy::Canary(canary())).await;
    world.telemetry.set_canary(200, 1);
    world.platform.fail_at("traffic main/web 50%", Fault::HangBefore);
    let wanted = canary_of("two", canary());
    let options = world.options();
    let killed =
        tokio::time::timeout(Duration::from_mins(10), deploy(&world.cx, &wanted, &options));
    assert!(killed.await.is_err());
    world.platform.mend();
    let readings = world.telemetry.readings();
    world.telemetry.set_canary(200, 20);
    let report = world.deploy(&wanted).await.unwrap();
    // At half of the traffic it is bad: then it is taken back, to where the first run began.
    assert_eq!(report.failure.unwrap().step.as_str(), "judge main/web 50%");
    assert!(world.telemetry.readings() > readings);
    let traffic = &world.platform.picture()["main"]["workers"]["web"]["traffic"];
    assert_eq!(traffic[0]["percentage"], 100.0);
    assert_eq!(traffic.as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn blue_green_proves_the_version_before_it_serves_and_keeps_the_old_one() {
    let mut rules = BlueGreen::default();
    rules.bake = Duration::from_secs(30);
    let strategy = Strategy::BlueGreen(rules);
    let world = serving(strategy.clone()).await;
    let report = world.deploy(&desired(vec![with("two", strategy.clone())])).await.unwrap();
    assert_eq!(
        ids(&report.plan),
        [
            "upload main/web",
            "traffic main/web 0%",
            "verify main/web beside the old version",
            "traffic main/web",
            "verify main/web",
            "hold main/web",
            "commit main/web",
        ]
    );
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    let traffic = &world.platform.picture()["main"]["workers"]["web"]["traffic"];
    let shares: Vec<_> = traffic.as_array().unwrap().iter().map(|row| &row["percentage"]).collect();
    assert_eq!(shares, [0.0, 100.0]);
    // A third version is compared with the second.
    let report = world.deploy(&desired(vec![with("three", strategy)])).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn workers_that_call_each_other_are_made_with_a_stub_first() {
    let world = World::new();
    let mut targets = vec![target("a"), target("b"), target("c")];
    calls(&mut targets[0], "b");
    calls(&mut targets[1], "c");
    calls(&mut targets[2], "a");
    let report = world.deploy(&desired(targets.clone())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    let stubs = |id: &&str| id.starts_with("stub");
    assert_eq!(ids(&report.plan).into_iter().filter(stubs).count(), 1);
    assert_eq!(world.deploy(&desired(targets)).await.unwrap().outcome, Outcome::NothingToDo);
}
