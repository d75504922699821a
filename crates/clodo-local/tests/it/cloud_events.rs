//! Queues and cron triggers of a whole cloud: from `send()` to `queue()`, over kills and restarts.

use crate::{
    cloud::{call, deploy, started},
    support::client,
};
use bytes::Bytes;
use clodo_local::LocalCloud;
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;

async fn get(cloud: &LocalCloud, worker: &str, path: &str) -> Value {
    let host = format!("{worker}.acme.test.localhost:1");
    client::get(cloud.port(), &host, path).await.json()
}

/// Asks a Worker until it says what is expected.
async fn until(
    cloud: &LocalCloud,
    worker: &str,
    path: &str,
    fits: impl Fn(&Value) -> bool,
) -> Value {
    let mut last = Value::Null;
    let asking = async {
        loop {
            last = get(cloud, worker, path).await;
            if fits(&last) {
                return;
            }
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(30), asking).await;
    assert!(asked.is_ok(), "still {last}");
    last
}

async fn queue(cloud: &LocalCloud, name: &str) -> String {
    let made = call(cloud, "POST", "/queues", json!({ "queue_name": name }).to_string()).await;
    format!("/queues/{}", made["queue_id"].as_str().unwrap())
}

async fn consume(
    cloud: &LocalCloud,
    queue: &str,
    script: &str,
    dead: &str,
    settings: Value,
) -> String {
    let body = json!({
        "type": "worker", "script_name": script, "dead_letter_queue": dead, "settings": settings,
    });
    let made = call(cloud, "POST", &format!("{queue}/consumers"), body.to_string()).await;
    made["consumer_id"].as_str().unwrap().to_owned()
}

async fn backlog(cloud: &LocalCloud, queue: &str) -> Value {
    call(cloud, "GET", &format!("{queue}/metrics"), "").await["backlog_count"].clone()
}

/// Waits until a queue holds so many messages.
async fn holds(cloud: &LocalCloud, queue: &str, count: u64) {
    let waiting = async { while backlog(cloud, queue).await != count {} };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

/// Sends what its path says, and shows what its consumer wrote down in KV.
const SHOP: &str = r#"
    const log = async (env, entry) => {
      const seen = (await env.KV.get("seen", "json")) ?? [];
      await env.KV.put("seen", JSON.stringify([...seen, entry]));
    };
    export default {
      async fetch(request, env) {
        const url = new URL(request.url);
        if (url.pathname === "/seen") return Response.json((await env.KV.get("seen", "json")) ?? []);
        if (url.pathname === "/metrics") return Response.json(await env.JOBS.metrics());
        if (url.pathname === "/kinds") {
          await env.JOBS.send("text", { contentType: "text" });
          await env.JOBS.send(new Uint8Array([0, 255]), { contentType: "bytes" });
          await env.JOBS.send({ a: 1 });
          const sent = await env.JOBS.sendBatch([
            { body: new Map([["m", 1]]), contentType: "v8" },
            { body: [1, 2], contentType: "json" },
          ]);
          return Response.json(sent);
        }
        if (url.pathname === "/bad") {
          const tries = [
            () => env.JOBS.send("x".repeat(128_001), { contentType: "text" }),
            () => env.JOBS.send("x", { delaySeconds: 86_401 }),
            () => env.JOBS.sendBatch([{ body: 1 }], { delaySeconds: 86_401 }),
            () => env.JOBS.sendBatch(Array(101).fill({ body: 1 })),
            () => env.GONE.send("x"),
          ];
          const said = [];
          for (const attempt of tries) {
            try { await attempt(); said.push("sent"); } catch (error) { said.push(error.message); }
          }
          return Response.json(said);
        }
        await env.JOBS.send(url.pathname.slice(1));
        return Response.json("sent");
      },
      async queue(batch, env) {
        const show = (body) => body instanceof Map ? { map: [...body] }
          : body instanceof Uint8Array ? { bytes: [...body] } : body;
        const messages = batch.messages.map((message) => [show(message.body), message.attempts]);
        await log(env, [batch.queue, messages]);
        const bodies = batch.messages.map((message) => message.body);
        if (batch.queue === "jobs" && bodies.includes("poison")) throw new Error("no");
        while (batch.queue === "jobs" && bodies.includes("loop"));
        if (bodies.includes("slow")) await scheduler.wait(60_000);
      },
      async scheduled(controller, env) {
        await log(env, [controller.cron, controller.scheduledTime]);
        if (controller.cron === "13 13 13 * *") throw new Error("unlucky");
      },
    };"#;

/// A cloud with a queue `jobs` that the Worker `shop` sends to; returns the queue's path.
async fn shop(cloud: &LocalCloud) -> String {
    let jobs = queue(cloud, "jobs").await;
    let namespace = call(cloud, "POST", "/storage/kv/namespaces", r#"{"title":"kv"}"#).await;
    let bindings = json!([
        { "type": "queue", "name": "JOBS", "queue_name": "jobs" },
        { "type": "kv_namespace", "name": "KV", "namespace_id": namespace["id"] },
    ]);
    deploy(cloud, "shop", bindings, SHOP).await;
    jobs
}

/// Every message that `shop` saw, as `[queue, body, attempts]`.
fn messages(seen: &Value) -> Vec<Value> {
    let batches = seen.as_array().unwrap().iter();
    batches
        .flat_map(|batch| {
            let each = batch[1].as_array().unwrap().iter();
            each.map(|message| json!([batch[0], message[0], message[1]])).collect::<Vec<_>>()
        })
        .collect()
}

// conformance: runtime | queues: send(), sendBatch(), metrics() with every content type | documented
// conformance: queues | a consumer gets batches of batch_size, or what is there after max_wait_time_ms | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_sends_its_consumer_gets() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let jobs = shop(&cloud).await;
    let sent = get(&cloud, "shop", "/kinds").await;
    assert_eq!(sent["metadata"]["metrics"]["backlogCount"], 5);
    let metrics = get(&cloud, "shop", "/metrics").await;
    assert_eq!(metrics["backlogCount"], 5, "a queue without a consumer keeps its messages");
    let settings = json!({ "batch_size": 3, "max_wait_time_ms": 50, "max_concurrency": 1 });
    let consumer = consume(&cloud, &jobs, "shop", "", settings).await;
    let seen = until(&cloud, "shop", "/seen", |seen| messages(seen).len() == 5).await;
    assert_eq!(
        seen,
        json!([
            ["jobs", [["text", 1], [{ "bytes": [0, 255] }, 1], [{ "a": 1 }, 1]]],
            ["jobs", [[{ "map": [["m", 1]] }, 1], [[1, 2], 1]]],
        ])
    );
    holds(&cloud, &jobs, 0).await;
    // Without its consumer the queue keeps what comes in.
    call(&cloud, "DELETE", &format!("{jobs}/consumers/{consumer}"), "").await;
    get(&cloud, "shop", "/kept").await;
    assert_eq!(backlog(&cloud, &jobs).await, 1);
    cloud.stop().await;
}

// conformance: queues | failed messages are retried max_retries times and go to the dead letter queue | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_fails_is_retried_and_then_goes_to_the_dead_letter_queue() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let jobs = shop(&cloud).await;
    let settings = json!({
        "batch_size": 1, "max_wait_time_ms": 0, "max_retries": 2, "max_concurrency": 1,
    });
    consume(&cloud, &jobs, "shop", "graveyard", settings).await;
    get(&cloud, "shop", "/poison").await;
    get(&cloud, "shop", "/good").await;
    let dead = call(&cloud, "GET", "/queues?name=graveyard", "").await;
    let dead = format!("/queues/{}", dead[0]["queue_id"].as_str().unwrap());
    let seen = until(&cloud, "shop", "/seen", |seen| messages(seen).len() >= 4).await;
    let mut seen = messages(&seen);
    seen.sort_by_key(Value::to_string);
    let poison = |attempt| json!(["jobs", "poison", attempt]);
    assert_eq!(seen, [json!(["jobs", "good", 1]), poison(1), poison(2), poison(3)]);
    // The dead letter queue is a queue like any other.
    consume(&cloud, &dead, "shop", "", json!({ "max_wait_time_ms": 0 })).await;
    let buried = json!(["graveyard", "poison", 1]);
    until(&cloud, "shop", "/seen", |seen| messages(seen).contains(&buried)).await;
    cloud.stop().await;
}

// conformance: queues | a consumer that loops is killed and its messages are retried | guessed: the delivery counts like one that threw, since on Cloudflare the CPU limit ends the invocation with an exception
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_makes_its_consumer_loop_is_not_delivered_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let jobs = shop(&cloud).await;
    // With a neighbour in its process, a Worker may not compute for as long as it likes.
    let neighbour = "export default { fetch() { return Response.json(1); } };";
    deploy(&cloud, "neighbour", json!([]), neighbour).await;
    get(&cloud, "neighbour", "/").await;
    let settings = json!({ "batch_size": 1, "max_wait_time_ms": 0, "max_retries": 0 });
    consume(&cloud, &jobs, "shop", "graveyard", settings).await;
    let dead = call(&cloud, "GET", "/queues?name=graveyard", "").await;
    let dead = format!("/queues/{}", dead[0]["queue_id"].as_str().unwrap());
    let looping = json!({ "body": "loop", "content_type": "text" }).to_string();
    call(&cloud, "POST", &format!("{jobs}/messages"), looping).await;
    holds(&cloud, &dead, 1).await;
    holds(&cloud, &jobs, 0).await;
    // The runtime is there again for everybody else.
    get(&cloud, "shop", "/after").await;
    let after = json!(["jobs", "after", 1]);
    until(&cloud, "shop", "/seen", |seen| messages(seen).contains(&after)).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_on_its_way_survives_the_end_of_the_cloud() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let jobs = shop(&cloud).await;
    let settings = json!({ "batch_size": 1, "max_wait_time_ms": 0, "max_retries": 0 });
    consume(&cloud, &jobs, "shop", "", settings).await;
    get(&cloud, "shop", "/slow").await;
    let slow = json!(["jobs", "slow", 1]);
    until(&cloud, "shop", "/seen", |seen| messages(seen).contains(&slow)).await;
    // No good-bye: as if it were killed.
    drop(cloud);
    let cloud = again(folder.path()).await;
    // It was delivered, and nobody knows how that ended: so it is delivered once more, although it
    // may not be retried.
    until(&cloud, "shop", "/seen", |seen| messages(seen) == [slow.clone(), slow.clone()]).await;
    let stopped = tokio::time::timeout(Duration::from_secs(25), cloud.stop()).await;
    assert!(stopped.is_ok(), "a delivery that takes long does not keep the cloud from stopping");
}

/// Waits until the last cloud has let go of the folder.
pub(crate) async fn again(folder: &std::path::Path) -> LocalCloud {
    let starting = async {
        while clodo_local::find(folder).await.is_some() {}
        loop {
            let options = crate::cloud::options(folder).await;
            match LocalCloud::start(options).await {
                Ok(cloud) => return cloud,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), starting).await.unwrap()
}

// conformance: queues | delivery_paused stops deliveries and keeps messages | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_queue_keeps_its_messages_until_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let jobs = shop(&cloud).await;
    consume(&cloud, &jobs, "shop", "", json!({ "max_wait_time_ms": 0 })).await;
    let paused = |paused: bool| json!({ "settings": { "delivery_paused": paused } }).to_string();
    call(&cloud, "PATCH", &jobs, paused(true)).await;
    // Sent while another queue delivers: had this one delivered too, it would have been first.
    get(&cloud, "shop", "/kept").await;
    let other = queue(&cloud, "other").await;
    consume(&cloud, &other, "shop", "", json!({ "max_wait_time_ms": 0 })).await;
    let hello = json!({ "body": "hello", "content_type": "text" }).to_string();
    call(&cloud, "POST", &format!("{other}/messages"), hello).await;
    let seen = until(&cloud, "shop", "/seen", |seen| !messages(seen).is_empty()).await;
    assert_eq!(messages(&seen), [json!(["other", "hello", 1])]);
    assert_eq!(backlog(&cloud, &jobs).await, 1);
    call(&cloud, "PATCH", &jobs, paused(false)).await;
    until(&cloud, "shop", "/seen", |seen| messages(seen).len() == 2).await;
    cloud.stop().await;
}

// conformance: runtime | queues: what send() and sendBatch() throw | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_hears_what_is_wrong_with_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let jobs = queue(&cloud, "jobs").await;
    queue(&cloud, "gone").await;
    let bindings = json!([
        { "type": "queue", "name": "JOBS", "queue_name": "jobs" },
        { "type": "queue", "name": "GONE", "queue_name": "gone" },
    ]);
    deploy(&cloud, "shop", bindings, SHOP).await;
    let gone = call(&cloud, "GET", "/queues?name=gone", "").await[0]["queue_id"].clone();
    let gone = clodo_storage::QueueRef {
        account: cloud.accounts()[0].id.clone(),
        id: gone.as_str().unwrap().parse().unwrap(),
    };
    cloud.data().queues.drop_queue(&gone).await.unwrap();
    let said = get(&cloud, "shop", "/bad").await;
    let said: Vec<&str> =
        said.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    for (said, expected) in said.iter().zip([
        "message length of 128001 bytes exceeds limit of 128000",
        "message delay of 86401 seconds exceeds limit of 86400",
        "delay of 86401 seconds exceeds limit of 86400",
        "batch message count of 101 is not between 1 and 100",
        "queue not found",
    ]) {
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(backlog(&cloud, &jobs).await, 0);
    cloud.stop().await;
}

async fn trigger(cloud: &LocalCloud, token: &str, body: Value) -> (u16, Value) {
    let request = Request::post("/clodo/cron")
        .header("host", "127.0.0.1")
        .header("authorization", format!("Bearer {token}"));
    let answer = client::send(cloud.port(), request, Bytes::from(body.to_string())).await;
    (answer.status.as_u16(), answer.json())
}

// conformance: triggers | POST /clodo/cron: a cron trigger on demand | documented
// conformance: triggers | scheduled() runs with its cron and scheduledTime; an exception is the outcome | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cron_trigger_runs_on_demand_and_tells_its_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    shop(&cloud).await;
    let crons = json!([{ "cron": "*/5 * * * MON-FRI" }, { "cron": "13 13 13 * *" }]);
    let path = "/workers/scripts/shop/schedules";
    let kept = call(&cloud, "PUT", path, crons.to_string()).await;
    assert_eq!(call(&cloud, "GET", path, "").await, kept);
    let token = cloud.token().expose().to_owned();
    let (_, ran) = trigger(&cloud, &token, json!({ "script": "shop" })).await;
    assert_eq!(ran["result"]["outcome"], "ok", "{ran}");
    assert_eq!(ran["result"]["cron"], "*/5 * * * MON-FRI", "the first is the default");
    let body = json!({
        "script": "shop", "account": "main", "cron": "13 13 13 * *",
        "scheduled_time": "2026-11-13T13:13:00Z",
    });
    let (_, ran) = trigger(&cloud, &token, body).await;
    assert_eq!(ran["result"]["outcome"], "exception");
    assert_eq!(ran["result"]["scheduled_time"], 1_794_575_580_000_i64);
    let seen = get(&cloud, "shop", "/seen").await;
    assert_eq!(seen[1], json!(["13 13 13 * *", 1_794_575_580_000_i64]));

    deploy(&cloud, "deaf", json!([]), "export default { fetch() {} };").await;
    for (token, body, status, code) in [
        ("wrong", json!({ "script": "shop" }), 403, 9109),
        (&*token, json!({ "script": "nobody" }), 404, 10007),
        (&*token, json!({ "script": "shop", "account": "nobody" }), 403, 10000),
        (&*token, json!({ "script": "shop", "cron": "* * * *" }), 400, 10100),
        (&*token, json!({ "script": "shop", "scheduled_time": "noon" }), 400, 10026),
        (&*token, json!({ "script": "deaf" }), 400, 10068),
        (&*token, json!({}), 400, 10026),
    ] {
        let (seen, answer) = trigger(&cloud, token, body.clone()).await;
        assert_eq!((seen, &answer["errors"][0]["code"]), (status, &json!(code)), "{body}");
    }
    cloud.stop().await;
}
