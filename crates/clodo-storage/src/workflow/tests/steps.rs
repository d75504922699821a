//! Steps, runs and orders.

use super::*;

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
