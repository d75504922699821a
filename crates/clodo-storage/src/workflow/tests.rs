use super::*;
use crate::workflow::{config::StepConfig, talk::Asking};
use clodo_types::{ManualClock, Timestamp};
use serde_json::json;

const START: i64 = 1_800_000_000_000;

/// A Workflow in a folder, and a clock that stands still.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    workflows: Workflows,
    at: WorkflowRef,
}

/// One run, as the code in workerd would have it.
struct Code<'a> {
    world: &'a World,
    run: InstanceRun,
    revoked: CancellationToken,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(START)));
        let at = WorkflowRef {
            account: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            id: "018f3c5e-0000-7000-8000-000000000001".parse().unwrap(),
        };
        let workflows =
            Workflows::new(folder.path(), Arc::clone(&clock) as _, PoolOptions::default());
        let mut world = Self { folder, clock, workflows, at };
        world.workflows.create(&world.at).await.unwrap();
        world.configure(WorkflowSettings::new("v1"));
        world.killed();
        world
    }

    fn configure(&self, settings: WorkflowSettings) {
        self.workflows.configure(&self.at, &"orders".parse().unwrap(), settings);
    }

    /// The same folder, opened by a new process as it were: the old one says no good-bye.
    fn killed(&mut self) {
        let clock = Arc::clone(&self.clock) as _;
        self.workflows = Workflows::new(self.folder.path(), clock, PoolOptions::default());
        self.configure(WorkflowSettings::new("v1"));
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn start(&self, id: &str) {
        let new = NewInstance::new(id.parse().unwrap(), json!({ "a": 1 }), InstanceTrigger::Api);
        self.workflows.start(&self.at, vec![new]).await.unwrap().remove(0).unwrap();
    }

    async fn due(&self) -> Vec<String> {
        self.workflows.due(&self.at).await.unwrap().ids
    }

    async fn begin(&self, id: &str) -> Code<'_> {
        let (run, revoked) = self.workflows.begin(&self.at, id).await.unwrap().unwrap();
        Code { world: self, run, revoked }
    }

    /// Runs whatever is due, which must be this one.
    async fn next(&self, id: &str) -> Code<'_> {
        assert_eq!(self.due().await, [id]);
        self.begin(id).await
    }

    async fn status(&self, id: &str) -> InstanceStatus {
        self.workflows.instance(&self.at, id).await.unwrap().status
    }

    async fn order(
        &self,
        id: &str,
        order: InstanceOrder,
    ) -> Result<InstanceStatus, WorkflowErrorKind> {
        self.workflows.order(&self.at, id, order).await.map_err(|error| error.kind())
    }

    async fn send(&self, id: &str, kind: &str) -> Result<(), WorkflowErrorKind> {
        let sent = self.workflows.send_event(&self.at, id, (kind, json!({ "of": kind }))).await;
        sent.map_err(|error| error.kind())
    }

    async fn steps(&self, id: &str) -> Vec<StepRecord> {
        self.workflows.history(&self.at, id).await.unwrap().1
    }
}

impl Code<'_> {
    fn asking(&self) -> Asking {
        Asking {
            at: self.world.at.clone(),
            instance: self.run.id.clone(),
            run: self.run.token.clone(),
        }
    }

    async fn reach(&self, call: Value) -> Told<StepAnswer> {
        let call = serde_json::from_value(call).unwrap();
        self.world.workflows.reach(&self.asking(), call).await.unwrap()
    }

    async fn step(&self, name: &str) -> Told<StepAnswer> {
        let retries = json!({ "limit": 1, "delay": "5 seconds", "backoff": "constant" });
        let config = json!({ "retries": retries });
        self.reach(json!({ "kind": "do", "name": name, "count": 1, "config": config })).await
    }

    async fn sleep(&self, name: &str, duration: &str) -> Told<StepAnswer> {
        self.reach(json!({ "kind": "sleep", "name": name, "count": 1, "duration": duration })).await
    }

    async fn event(&self, name: &str, kind: &str) -> Told<StepAnswer> {
        let call = json!({
            "kind": "waitForEvent", "name": name, "count": 1, "event": kind, "duration": "1 hour",
        });
        self.reach(call).await
    }

    async fn ended(&self, name: &str, number: u32, rest: Value) -> Told<StepAnswer> {
        let mut end = json!({ "kind": "do", "name": name, "count": 1, "number": number });
        end.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let end = serde_json::from_value(end).unwrap();
        self.world.workflows.attempted(&self.asking(), end).await.unwrap()
    }

    async fn done(&self, name: &str, number: u32) -> Told<StepAnswer> {
        self.ended(name, number, json!({ "output": name })).await
    }

    async fn failed(&self, name: &str, number: u32) -> Told<StepAnswer> {
        self.ended(name, number, json!({ "error": { "name": "Error", "message": "no" } })).await
    }

    async fn end(self, end: RunEnd) {
        self.world.workflows.end(&self.world.at, &self.run, end).await.unwrap();
    }
}

fn attempt(number: u32) -> Told<StepAnswer> {
    let retries = json!({ "limit": 1, "delay": "5 seconds", "backoff": "constant" });
    let config = StepConfig::of(&json!({ "retries": retries })).unwrap().shown;
    Told::Answer(StepAnswer::Attempt { number, timeout: 600_000, config })
}

fn complete(output: Value) -> Told<StepAnswer> {
    Told::Answer(StepAnswer::Complete { output })
}

fn errored(name: &str, message: &str) -> Told<StepAnswer> {
    Told::Answer(StepAnswer::Errored { error: Failure::new(name, message) })
}

const WAITING: Told<StepAnswer> = Told::Answer(StepAnswer::Waiting);

#[tokio::test]
async fn a_killed_process_loses_no_result_and_makes_the_attempt_it_was_at_again() {
    let mut world = World::new().await;
    world.start("a").await;
    {
        let code = world.next("a").await;
        assert_eq!(code.step("one").await, attempt(1));
        assert_eq!(code.done("one", 1).await, complete(json!("one")));
        assert_eq!(code.step("two").await, attempt(1));
    }
    world.killed();
    let code = world.next("a").await;
    assert_eq!(code.step("one").await, complete(json!("one")), "it does not run again");
    assert_eq!(code.step("two").await, attempt(2));
    assert_eq!(code.done("two", 2).await, complete(json!("two")));
    code.end(RunEnd::Complete(json!({ "ok": true }))).await;
    let instance = world.workflows.instance(&world.at, "a").await.unwrap();
    assert_eq!(
        (instance.status, instance.output),
        (InstanceStatus::Complete, Some(json!({ "ok": true })))
    );
    let steps = world.steps("a").await;
    let lost = steps[1].attempts[0].error.as_ref().unwrap();
    assert_eq!((lost.name.as_str(), steps[1].attempts.len()), ("WorkflowInternalError", 2));
    assert_eq!(world.due().await, [""; 0]);
}

#[tokio::test]
async fn an_attempt_that_was_lost_too_often_fails_and_one_whose_process_was_replaced_does_not_count()
 {
    let world = World::new().await;
    world.start("a").await;
    for number in 1..=2 {
        let code = world.next("a").await;
        assert_eq!(code.step("one").await, attempt(number));
        code.end(RunEnd::Lost).await;
        world.pass(60);
    }
    let code = world.next("a").await;
    let lost = errored("WorkflowInternalError", "Attempt failed due to internal workflows error");
    assert_eq!(code.step("one").await, lost);
    assert_eq!(code.step("two").await, attempt(1));
    code.end(RunEnd::Replaced).await;
    let code = world.next("a").await;
    assert_eq!(code.step("two").await, attempt(1), "that one did not count");
}

#[tokio::test]
async fn a_step_that_fails_is_tried_again_after_its_delay_and_then_fails_for_good() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    assert_eq!(code.step("one").await, attempt(1));
    assert_eq!(world.status("a").await, InstanceStatus::Running);
    assert_eq!(code.failed("one", 1).await, WAITING);
    assert_eq!(world.status("a").await, InstanceStatus::Waiting);
    assert_eq!(code.step("one").await, WAITING, "its time has not come");
    world.pass(5);
    assert_eq!(code.wait().await, Told::Answer(Woken::Again));
    assert_eq!(code.step("one").await, attempt(2));
    assert_eq!(code.failed("one", 1).await, Told::Over, "that attempt has ended");
    assert_eq!(code.failed("one", 2).await, errored("Error", "no"));
    assert_eq!(code.step("one").await, errored("Error", "no"));
    assert_eq!(code.step("two").await, attempt(1));
    let last = json!({ "error": { "name": "X", "message": "y" }, "last": true });
    assert_eq!(code.ended("two", 1, last).await, errored("X", "y"), "it said that it is the last");
    code.end(RunEnd::Errored(Failure::new("X", "y"))).await;
    let instance = world.workflows.instance(&world.at, "a").await.unwrap();
    assert_eq!(instance.error, Some(Failure::new("X", "y")));
}

impl Code<'_> {
    async fn wait(&self) -> Told<Woken> {
        self.world.workflows.wait(&self.asking()).await.unwrap()
    }
}

#[tokio::test]
async fn an_instance_that_rests_runs_again_when_it_is_due_or_when_its_event_comes() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    assert_eq!(code.sleep("night", "1 hour").await, WAITING);
    code.end(RunEnd::Rest).await;
    assert_eq!(world.status("a").await, InstanceStatus::Waiting);
    assert_eq!(world.due().await, [""; 0]);
    let next = world.workflows.due(&world.at).await.unwrap().next;
    assert_eq!(next, Some(Timestamp::from_millis(START + 3_600_000)));
    world.pass(3_600);
    let code = world.next("a").await;
    assert_eq!(code.sleep("night", "1 hour").await, complete(Value::Null));
    assert_eq!(code.event("paid", "payment").await, WAITING);
    code.end(RunEnd::Rest).await;
    world.send("a", "other").await.unwrap();
    assert_eq!(world.due().await, [""; 0], "nobody waits for that");
    world.send("a", "payment").await.unwrap();
    world.send("a", "payment").await.unwrap();
    let code = world.next("a").await;
    assert_eq!(code.sleep("night", "1 hour").await, complete(Value::Null));
    let told = json!({
        "type": "payment",
        "payload": { "of": "payment" },
        "timestamp": { "$date": START + 3_600_000 },
    });
    assert_eq!(code.event("paid", "payment").await, complete(told.clone()));
    assert_eq!(code.event("paid", "payment").await, complete(told.clone()), "and keeps it");
    assert_eq!(code.event("paid again", "payment").await, complete(told), "the second one");
    assert_eq!(code.event("never", "payment").await, WAITING);
    world.pass(3_600);
    let late = errored("WorkflowTimeoutError", "Execution timed out after 3600000ms");
    assert_eq!(code.event("never", "payment").await, late);
}

#[tokio::test]
async fn an_event_that_comes_while_the_instance_is_put_away_is_not_missed() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    assert_eq!(code.event("paid", "payment").await, WAITING);
    world.send("a", "payment").await.unwrap();
    code.end(RunEnd::Rest).await;
    assert_eq!(world.due().await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_put_away_when_nothing_happens_for_a_while() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    assert_eq!(code.event("paid", "payment").await, WAITING);
    assert_eq!(code.wait().await, Told::Answer(Woken::Rest));
}

#[tokio::test]
async fn a_run_that_waits_is_woken_by_its_event_and_by_its_end() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    assert_eq!(code.event("paid", "payment").await, WAITING);
    let (woken, sent) = tokio::join!(code.wait(), world.send("a", "payment"));
    assert_eq!((woken, sent), (Told::Answer(Woken::Again), Ok(())));
    assert!(matches!(
        code.event("paid", "payment").await,
        Told::Answer(StepAnswer::Complete { .. })
    ));
    assert_eq!(code.event("paid again", "payment").await, WAITING);
    let (woken, ended) =
        tokio::join!(code.wait(), world.order("a", InstanceOrder::Terminate { rollback: false }));
    assert_eq!((woken, ended), (Told::Over, Ok(InstanceStatus::Terminated)));
}

#[tokio::test]
async fn what_an_earlier_run_waited_for_does_not_wake_one_that_has_not_come_so_far() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    assert_eq!(code.sleep("short", "1 second").await, WAITING);
    code.end(RunEnd::Rest).await;
    world.pass(1);
    let code = world.next("a").await;
    assert_eq!(code.sleep("another way", "1 hour").await, WAITING);
    code.end(RunEnd::Rest).await;
    assert_eq!(world.due().await, [""; 0]);
}

#[tokio::test]
async fn only_the_run_that_has_an_instance_can_speak_for_it() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    assert!(world.workflows.begin(&world.at, "a").await.unwrap().is_none(), "it has a run");
    assert_eq!(code.step("one").await, attempt(1));
    world.order("a", InstanceOrder::Restart { from: None }).await.unwrap();
    assert!(code.revoked.is_cancelled());
    assert_eq!(code.done("one", 1).await, Told::Over);
    assert_eq!(code.step("two").await, Told::Over);
    assert_eq!(code.wait().await, Told::Over);
    let next = world.next("a").await;
    code.end(RunEnd::Complete(json!("too late"))).await;
    assert_eq!(world.status("a").await, InstanceStatus::Running);
    assert_eq!(next.step("one").await, attempt(1), "from the beginning");
    assert!(!next.revoked.is_cancelled());
}

#[tokio::test]
async fn a_pause_lets_the_step_that_runs_end_and_stops_the_clock_for_what_waits() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    assert_eq!(code.step("one").await, attempt(1));
    assert_eq!(world.order("a", InstanceOrder::Pause).await, Ok(InstanceStatus::WaitingForPause));
    assert!(!code.revoked.is_cancelled());
    assert_eq!(code.done("one", 1).await, Told::Over, "its result is kept all the same");
    assert!(code.revoked.is_cancelled());
    assert_eq!(world.status("a").await, InstanceStatus::Paused);
    assert_eq!(world.due().await, [""; 0]);
    assert_eq!(world.order("a", InstanceOrder::Resume).await, Ok(InstanceStatus::Waiting));
    let code = world.next("a").await;
    assert_eq!(code.step("one").await, complete(json!("one")));
    assert_eq!(code.sleep("night", "1 hour").await, WAITING);
    world.pass(1_800);
    assert_eq!(world.order("a", InstanceOrder::Pause).await, Ok(InstanceStatus::Paused));
    world.pass(100_000);
    world.order("a", InstanceOrder::Resume).await.unwrap();
    let code = world.next("a").await;
    assert_eq!(code.sleep("night", "1 hour").await, WAITING, "half an hour is left");
    world.pass(1_800);
    assert_eq!(code.sleep("night", "1 hour").await, complete(Value::Null));
    assert_eq!(world.order("a", InstanceOrder::Pause).await, Ok(InstanceStatus::Paused));
    drop(code);
    assert_eq!(world.order("a", InstanceOrder::Pause).await, Ok(InstanceStatus::Paused), "twice");
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused() {
    let world = World::new().await;
    let terminate = InstanceOrder::Terminate { rollback: false };
    let missing = Err(WorkflowErrorKind::NotFound);
    assert_eq!(world.order("nobody", InstanceOrder::Pause).await, missing);
    assert_eq!(world.send("nobody", "x").await, Err(WorkflowErrorKind::NotFound));
    world.start("a").await;
    let refused = Err(WorkflowErrorKind::Conflict);
    assert_eq!(world.order("a", InstanceOrder::Resume).await, refused);
    assert_eq!(world.send("a", "not a type").await, Err(WorkflowErrorKind::Body));
    assert_eq!(world.order("a", terminate.clone()).await, Ok(InstanceStatus::Terminated));
    assert_eq!(world.order("a", terminate).await, refused);
    assert_eq!(world.order("a", InstanceOrder::Pause).await, refused);
    assert_eq!(world.order("a", InstanceOrder::Resume).await, refused);
    assert_eq!(world.send("a", "x").await, Err(WorkflowErrorKind::Conflict));
    let from = RestartFrom { kind: StepKind::Do, name: "x".into(), count: 1 };
    assert_eq!(world.order("a", InstanceOrder::Restart { from: Some(from) }).await, refused);
    let restart = InstanceOrder::Restart { from: None };
    assert_eq!(world.order("a", restart).await, Ok(InstanceStatus::Queued));
}

#[tokio::test]
async fn a_restart_from_a_step_keeps_what_was_before_it() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    for name in ["one", "two"] {
        code.step(name).await;
        code.done(name, 1).await;
    }
    code.end(RunEnd::Complete(Value::Null)).await;
    let from = RestartFrom { kind: StepKind::Do, name: "two".into(), count: 1 };
    world.order("a", InstanceOrder::Restart { from: Some(from) }).await.unwrap();
    let code = world.next("a").await;
    assert_eq!(code.step("one").await, complete(json!("one")));
    assert_eq!(code.step("two").await, attempt(1));
}

#[tokio::test]
async fn steps_are_undone_the_last_one_first_also_after_the_process_was_killed() {
    let mut world = World::new().await;
    world.start("a").await;
    let undoable = |name: &str| json!({ "kind": "do", "name": name, "count": 1, "undo": true });
    {
        let code = world.next("a").await;
        for name in ["one", "two"] {
            code.reach(undoable(name)).await;
            code.done(name, 1).await;
        }
        code.step("not undoable").await;
        let steps =
            world.workflows.undo(&code.asking(), Some(Failure::new("E", "m"))).await.unwrap();
        let Told::Answer(steps) = steps else { panic!("the run has the instance") };
        assert_eq!(steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["two", "one"]);
        assert_eq!(steps[0].output, Some(json!("two")));
        assert_eq!(world.status("a").await, InstanceStatus::RollingBack);
    }
    world.killed();
    let code = world.next("a").await;
    assert_eq!(code.run.undoing, Some(Failure::new("E", "m")));
    code.end(RunEnd::RolledBack(true)).await;
    let instance = world.workflows.instance(&world.at, "a").await.unwrap();
    assert_eq!(instance.status, InstanceStatus::Errored);
    assert_eq!((instance.error, instance.rolled_back), (Some(Failure::new("E", "m")), Some(true)));
    world.start("b").await;
    let code = world.next("b").await;
    code.reach(undoable("one")).await;
    let terminate = InstanceOrder::Terminate { rollback: true };
    assert_eq!(world.order("b", terminate).await, Ok(InstanceStatus::RollingBack));
    assert!(code.revoked.is_cancelled());
    let code = world.next("b").await;
    assert!(code.run.undoing.is_some());
    code.end(RunEnd::RolledBack(false)).await;
    let instance = world.workflows.instance(&world.at, "b").await.unwrap();
    assert_eq!((instance.status, instance.rolled_back), (InstanceStatus::Terminated, Some(false)));
}

#[tokio::test]
async fn limits_are_the_documented_ones() {
    let world = World::new().await;
    let params = |size: usize| {
        NewInstance::new("a".parse().unwrap(), json!("x".repeat(size)), InstanceTrigger::Api)
    };
    let kind = |made: Result<_, WorkflowError>| made.map(|_: Vec<_>| ()).map_err(|e| e.kind());
    let limit = limits::VALUE - 2;
    let start = |new| world.workflows.start(&world.at, vec![new]);
    assert_eq!(kind(start(params(limit + 1)).await), Err(WorkflowErrorKind::TooLarge));
    assert_eq!(kind(start(params(limit)).await), Ok(()));
    let many = (0..101).map(|n| {
        NewInstance::new(format!("i{n}").parse().unwrap(), Value::Null, InstanceTrigger::Api)
    });
    assert_eq!(
        kind(world.workflows.start(&world.at, many.collect()).await),
        Err(WorkflowErrorKind::Body)
    );
    let large = (("x"), json!("x".repeat(limit + 1)));
    let sent = world.workflows.send_event(&world.at, "a", large).await.map_err(|e| e.kind());
    assert_eq!(sent, Err(WorkflowErrorKind::TooLarge));
    world.configure(WorkflowSettings { steps: 2, ..WorkflowSettings::new("v1") });
    let code = world.next("a").await;
    assert_eq!(code.step("one").await, attempt(1));
    let large = json!({ "output": "x".repeat(limit + 1), "last": true });
    let told = errored(
        "WorkflowInternalError",
        "Step one-1 output is too large. Maximum allowed size is 1MiB.",
    );
    assert_eq!(code.ended("one", 1, large).await, told);
    assert_eq!(code.step("two").await, attempt(1));
    let told = code.step("three").await;
    assert!(matches!(told, Told::Answer(StepAnswer::Errored { .. })), "{told:?}");
    assert_eq!(code.sleep("sleeps do not count", "1 hour").await, WAITING);
    for name in ["x".repeat(257).as_str(), "tab\there"] {
        let told = code.sleep(name, "1 hour").await;
        assert!(matches!(told, Told::Answer(StepAnswer::Errored { .. })), "{told:?}");
    }
    let told = code.sleep("too long", "2 years").await;
    assert!(matches!(told, Told::Answer(StepAnswer::Errored { .. })), "{told:?}");
    code.end(RunEnd::Complete(json!("x".repeat(limit + 1)))).await;
    assert_eq!(world.status("a").await, InstanceStatus::Errored);
}

#[test]
fn an_id_is_checked_and_what_routes_and_schedules_use_is_kept_free() {
    for good in ["a", "_a", "A-1_b", &"x".repeat(100), "cf_short"] {
        assert!(good.parse::<InstanceId>().is_ok(), "{good}");
    }
    let made = InstanceId::of_schedule("* * * * *", Timestamp::from_millis(0));
    for bad in ["", "-a", "a b", "a/b", "ä", &"x".repeat(101), "batch", "terminate", made.as_str()]
    {
        assert!(bad.parse::<InstanceId>().is_err(), "{bad}");
    }
    assert_eq!(made, InstanceId::of_schedule("* * * * *", Timestamp::from_millis(0)));
}

#[tokio::test]
async fn an_id_is_given_once_and_lists_are_filtered_and_paged() {
    let world = World::new().await;
    for id in ["a", "b", "c"] {
        world.start(id).await;
        world.pass(10);
    }
    let new = NewInstance::new("b".parse().unwrap(), Value::Null, InstanceTrigger::Api);
    let taken = world.workflows.start(&world.at, vec![new]).await.unwrap().remove(0);
    assert_eq!(taken.unwrap_err().kind(), WorkflowErrorKind::Exists);
    world.order("b", InstanceOrder::Pause).await.unwrap();
    let list = async |filter: InstanceFilter| {
        let page = world.workflows.list(&world.at, filter).await.unwrap();
        let ids: Vec<_> = page.instances.into_iter().map(|one| one.id).collect();
        (ids.join(","), page.total, page.next)
    };
    let all = InstanceFilter { limit: 2, ..InstanceFilter::default() };
    let (ids, total, next) = list(all.clone()).await;
    assert_eq!((ids.as_str(), total), ("c,b", 3));
    assert_eq!(list(InstanceFilter { after: next, ..all.clone() }).await, ("a".into(), 3, None));
    assert_eq!(list(InstanceFilter { skip: 2, ..all.clone() }).await, ("a".into(), 3, None));
    let paused = InstanceFilter { status: Some(InstanceStatus::Paused), ..all.clone() };
    assert_eq!(list(paused).await, ("b".into(), 1, None));
    let later = Some(Timestamp::from_millis(START + 10_000));
    let later = InstanceFilter { from: later, ascending: true, ..all.clone() };
    assert_eq!(list(later).await, ("b,c".into(), 2, None));
    let until = InstanceFilter { until: Some(Timestamp::from_millis(START)), ..all };
    assert_eq!(list(until).await, ("a".into(), 1, None));
    let totals = world.workflows.totals(&world.at).await.unwrap();
    let counts = [(InstanceStatus::Queued, 2), (InstanceStatus::Paused, 1)].into();
    assert_eq!(
        (totals.by_status, totals.newest),
        (counts, Some(Timestamp::from_millis(START + 20_000)))
    );
}

#[tokio::test]
async fn no_more_instances_run_than_may_and_what_has_begun_goes_first() {
    let world = World::new().await;
    world.configure(WorkflowSettings { concurrency: 1, ..WorkflowSettings::new("v1") });
    for id in ["a", "b", "c"] {
        world.start(id).await;
    }
    let code = world.next("a").await;
    assert_eq!(code.step("one").await, attempt(1));
    assert_eq!(world.due().await, [""; 0]);
    code.done("one", 1).await;
    assert_eq!(code.sleep("short", "1 second").await, WAITING);
    assert_eq!(world.due().await, ["b"], "one that waits takes no place");
    code.end(RunEnd::Rest).await;
    world.pass(1);
    assert_eq!(world.due().await, ["a"]);
    let woken = world.begin("a").await;
    assert_eq!(world.status("a").await, InstanceStatus::Running);
    assert_eq!(world.due().await, [""; 0], "one that was woken takes a place before its next step");
    woken.end(RunEnd::Complete(json!(1))).await;
    assert_eq!(world.due().await, ["b"]);
}

#[tokio::test]
async fn a_rollback_that_keeps_dying_ends_as_what_it_was_for() {
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    code.reach(json!({ "kind": "do", "name": "one", "count": 1, "undo": true })).await;
    code.done("one", 1).await;
    let terminate = InstanceOrder::Terminate { rollback: true };
    assert_eq!(world.order("a", terminate).await, Ok(InstanceStatus::RollingBack));
    for _ in 0..11 {
        world.next("a").await.end(RunEnd::Lost).await;
        world.pass(60);
    }
    let instance = world.workflows.instance(&world.at, "a").await.unwrap();
    assert_eq!((instance.status, instance.rolled_back), (InstanceStatus::Terminated, Some(false)));
}

#[tokio::test]
async fn an_instance_that_keeps_dying_outside_of_its_steps_fails_in_the_end() {
    let world = World::new().await;
    world.start("a").await;
    let mut losses = 0;
    while world.status("a").await != InstanceStatus::Errored {
        let code = world.next("a").await;
        code.end(RunEnd::Lost).await;
        losses += 1;
        world.pass(60);
        assert!(losses < 100);
    }
    assert_eq!(losses, 11);
}

#[tokio::test]
async fn an_instance_is_kept_for_as_long_as_was_said_and_then_gone() {
    let world = World::new().await;
    let mut new = NewInstance::new("a".parse().unwrap(), Value::Null, InstanceTrigger::Api);
    new.keep_success = Some(Duration::from_secs(60));
    world.workflows.start(&world.at, vec![new]).await.unwrap().remove(0).unwrap();
    world.start("b").await;
    for id in ["a", "b"] {
        world.order(id, InstanceOrder::Terminate { rollback: false }).await.unwrap();
    }
    world.pass(59);
    assert_eq!(world.status("a").await, InstanceStatus::Terminated);
    world.pass(1);
    let gone = world.workflows.instance(&world.at, "a").await.unwrap_err();
    assert_eq!(gone.kind(), WorkflowErrorKind::NotFound);
    assert_eq!(world.status("b").await, InstanceStatus::Terminated);
    world.start("a").await;
    world.workflows.delete(&world.at, "a").await.unwrap();
    let gone = world.workflows.delete(&world.at, "a").await.unwrap_err();
    assert_eq!(gone.kind(), WorkflowErrorKind::NotFound);
    assert!(world.workflows.drop_workflow(&world.at).await.unwrap());
    let gone = world.workflows.instance(&world.at, "b").await.unwrap_err();
    assert_eq!(gone.kind(), WorkflowErrorKind::WorkflowNotFound);
}

#[tokio::test]
async fn a_stream_comes_back_as_it_was_given() {
    use crate::workflow::{Pieces, StreamOf};
    let world = World::new().await;
    world.start("a").await;
    let code = world.next("a").await;
    code.step("file").await;
    let of = StreamOf { name: "file".into(), count: 1, attempt: 1 };
    let bytes: Vec<u8> = (0..600_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut pieces = Pieces::default();
    let mut all = Vec::new();
    for part in bytes.chunks(70_001) {
        all.extend(pieces.push(part).unwrap());
    }
    let length = pieces.length;
    all.extend(pieces.finish());
    for (number, piece) in (0..).zip(all) {
        let kept = world.workflows.keep_chunk(&code.asking(), &of, (number, piece)).await.unwrap();
        assert_eq!(kept, Told::Answer(()));
    }
    let told = code.ended("file", 1, json!({ "stream": length })).await;
    assert_eq!(told, Told::Answer(StepAnswer::Stream { attempt: 1 }));
    let mut back = Vec::new();
    let mut number = 0;
    while let Some(piece) =
        world.workflows.chunk(&world.at, ("a", "file", 1), number).await.unwrap()
    {
        back.extend_from_slice(&piece);
        number += 1;
    }
    assert!(back == bytes);
    assert_eq!(world.steps("a").await[0].stream, Some(600_000));
}
