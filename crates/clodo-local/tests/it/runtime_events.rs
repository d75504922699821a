//! `scheduled()` and `queue()`, on real workerd.

use crate::support::{ACCOUNT, World, version};
use bytes::Bytes;
use clodo_types::Timestamp;
use clodo_workerd::{
    DispatchError, EventOutcome, MessageFormat, QueueBacklog, QueueBatch, QueueMessage,
    ScheduledEvent,
};
use std::time::Duration;

fn noon() -> ScheduledEvent {
    let scheduled_time = Timestamp::from_millis(1_790_000_040_000);
    ScheduledEvent { cron: "*/5 * * * *".into(), scheduled_time }
}

fn message(id: &str, format: MessageFormat, body: impl Into<Bytes>) -> QueueMessage {
    let timestamp = Timestamp::from_millis(1_790_000_000_123);
    QueueMessage { id: id.into(), timestamp, format, body: body.into(), attempts: 3 }
}

fn batch(messages: Vec<QueueMessage>) -> QueueBatch {
    let oldest = Some(Timestamp::from_millis(1_790_000_000_001));
    let backlog = QueueBacklog { count: 7, bytes: 70, oldest };
    QueueBatch { queue: "jobs".into(), messages, backlog }
}

/// A Worker that answers with what the last event left behind.
const WITNESS: &str = r#"
    let seen = [];
    const show = (value) => value instanceof Uint8Array ? { bytes: [...value] }
      : value instanceof Map ? { map: [...value] } : value;
    export default {
      fetch() { return Response.json(seen); },
      async scheduled(controller, env, ctx) {
        seen.push([controller.cron, controller.scheduledTime]);
        if (controller.cron === "once") controller.noRetry();
        if (controller.cron === "bad") throw new Error("no");
      },
      async queue(batch, env, ctx) {
        seen.push([batch.queue, batch.metadata, batch.messages.map((message) =>
          [message.id, message.timestamp.getTime(), message.attempts, show(message.body)])]);
        const first = batch.messages[0].body;
        if (first === "throw") throw new Error("no");
        if (first === "ack all") batch.ackAll();
        if (first === "retry all") batch.retryAll({ delaySeconds: 9 });
        if (first === "each") {
          batch.messages[0].ack();
          batch.messages[1].retry({ delaySeconds: 5 });
          batch.messages[2].retry();
        }
      },
    };"#;

// conformance: runtime | cron triggers: scheduled() with cron, scheduledTime and noRetry | documented
#[tokio::test]
async fn a_cron_trigger_runs_the_handler_and_tells_its_outcome() {
    let world = World::new().await;
    world.deploy_for_events([version("clock", "v1", WITNESS)]);
    let dispatch = world.engine.dispatch();
    let ran = dispatch.scheduled(ACCOUNT, "clock", &noon()).await.unwrap();
    assert_eq!((ran.outcome, ran.no_retry), (EventOutcome::Ok, false));
    assert_eq!(ran.version_id, "v1");
    let once = ScheduledEvent { cron: "once".into(), ..noon() };
    assert!(dispatch.scheduled(ACCOUNT, "clock", &once).await.unwrap().no_retry);
    let bad = ScheduledEvent { cron: "bad".into(), ..noon() };
    let ran = dispatch.scheduled(ACCOUNT, "clock", &bad).await.unwrap();
    assert_eq!(ran.outcome, EventOutcome::Exception);
    let seen = world.get("clock.test", "/").await.json();
    assert_eq!(seen[0], serde_json::json!(["*/5 * * * *", 1_790_000_040_000_i64]));
}

// conformance: runtime | queues: bodies of type text, bytes, json and v8; id, timestamp, attempts, metadata | documented
#[tokio::test]
async fn messages_arrive_as_they_were_sent() {
    let world = World::new().await;
    world.deploy_for_events([version("worker", "v1", WITNESS)]);
    // What V8 makes of `new Map([["a", 1]])`.
    let map = [0xff, 0x0f, b';', b'"', 1, b'a', b'I', 2, b':', 2];
    let messages = vec![
        message("m1", MessageFormat::Text, "grün 🦀"),
        message("m2", MessageFormat::Bytes, vec![0, 255, 10]),
        message("m3", MessageFormat::Json, r#"{"a":[1,null,"x"]}"#),
        message("m4", MessageFormat::V8, map.to_vec()),
    ];
    let ran = world.engine.dispatch().queue(ACCOUNT, "worker", &batch(messages)).await.unwrap();
    assert_eq!(ran.outcome, EventOutcome::Ok);
    let seen = world.get("worker.test", "/").await.json();
    let head = |id: &str, body| serde_json::json!([id, 1_790_000_000_123_i64, 3, body]);
    assert_eq!(seen[0][0], "jobs");
    assert_eq!(seen[0][1]["metrics"]["backlogCount"], 7);
    assert_eq!(seen[0][1]["metrics"]["oldestMessageTimestamp"], "2026-09-21T14:13:20.001Z");
    assert_eq!(
        seen[0][2],
        serde_json::json!([
            head("m1", serde_json::json!("grün 🦀")),
            head("m2", serde_json::json!({ "bytes": [0, 255, 10] })),
            head("m3", serde_json::json!({ "a": [1, null, "x"] })),
            head("m4", serde_json::json!({ "map": [["a", 1]] })),
        ])
    );
}

// conformance: runtime | queues: ack(), retry(), ackAll(), retryAll() with delaySeconds | documented
#[tokio::test]
async fn a_worker_decides_message_by_message() {
    let world = World::new().await;
    world.deploy_for_events([version("worker", "v1", WITNESS)]);
    let dispatch = world.engine.dispatch();
    let send = |first: &str| {
        let first = first.to_owned();
        let text = |id: &str, body: &str| message(id, MessageFormat::Text, body.to_owned());
        let batch = batch(vec![text("m1", &first), text("m2", "b"), text("m3", "c")]);
        let dispatch = &dispatch;
        async move { dispatch.queue(ACCOUNT, "worker", &batch).await.unwrap() }
    };
    let each = send("each").await;
    assert_eq!((each.acks, each.retry_all), (vec!["m1".to_owned()], None));
    let mut retries = each.retries;
    retries.sort();
    assert_eq!(retries, [("m2".to_owned(), Some(5)), ("m3".to_owned(), None)]);
    assert!(send("ack all").await.ack_all);
    assert_eq!(send("retry all").await.retry_all, Some(Some(9)));
    let thrown = send("throw").await;
    assert_eq!((thrown.outcome, thrown.ack_all), (EventOutcome::Exception, false));
}

#[tokio::test]
async fn an_event_that_no_code_can_take_says_so() {
    let world = World::new().await;
    let dispatch = world.engine.dispatch();
    let to = |script: &'static str| {
        let dispatch = &dispatch;
        async move { dispatch.scheduled(ACCOUNT, script, &noon()).await.unwrap_err() }
    };
    assert_eq!(to("nobody").await, DispatchError::NotDeployed);
    world.deploy([version("deaf", "v1", "export default { fetch() { return new Response(); } };")]);
    assert_eq!(to("deaf").await, DispatchError::NoHandler);
    // It takes events, but not this one.
    let only_queue = "export default { queue() {} };";
    world.deploy_for_events([version("half", "v2", only_queue)]);
    let ran = dispatch.scheduled(ACCOUNT, "half", &noon()).await.unwrap();
    assert_eq!(ran.outcome, EventOutcome::Exception);
    // What V8 never wrote.
    let junk = vec![message("m1", MessageFormat::V8, vec![1, 2, 3])];
    let ran = dispatch.queue(ACCOUNT, "half", &batch(junk)).await.unwrap();
    assert_eq!(ran.outcome, EventOutcome::Exception);
}

#[tokio::test]
async fn an_event_waits_for_a_worker_that_is_being_swapped() {
    let world = World::new().await;
    for id in 0..4 {
        let id = format!("v{id}");
        world.deploy_for_events([version("clock", &id, WITNESS)]);
        let ran = world.engine.dispatch().scheduled(ACCOUNT, "clock", &noon()).await.unwrap();
        assert_eq!((ran.outcome, ran.version_id), (EventOutcome::Ok, id));
    }
}

#[tokio::test]
async fn an_event_that_loops_is_killed_and_the_next_one_runs() {
    let world = World::with(|options| options.cpu_limit = Duration::from_secs(1)).await;
    let looping = r#"export default {
        scheduled(controller) { while (controller.cron === "loop"); },
    };"#;
    world.deploy_for_events([version("clock", "v1", looping)]);
    let dispatch = world.engine.dispatch();
    let event = ScheduledEvent { cron: "loop".into(), ..noon() };
    let run = dispatch.scheduled(ACCOUNT, "clock", &event);
    let ran = tokio::time::timeout(Duration::from_secs(15), run).await.unwrap().unwrap();
    assert_ne!(ran.outcome, EventOutcome::Ok);
    let ran = dispatch.scheduled(ACCOUNT, "clock", &noon()).await.unwrap();
    assert_eq!(ran.outcome, EventOutcome::Ok);
}
