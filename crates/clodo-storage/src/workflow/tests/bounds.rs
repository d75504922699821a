//! Limits, lists, and what lives how long.

use super::*;

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
