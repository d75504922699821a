//! Workflows of a whole cloud: from `create()` to the last step, over kills, restarts and new versions.

use crate::support::{client, live::Live};
use clodo_local::LocalCloud;
use clodo_types::{Clock, ManualClock, Timestamp};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Writes down in KV what runs; what an instance does is said by its parameters.
const SHOP: &str = r#"
    import { WorkflowEntrypoint } from "cloudflare:workers";
    import { NonRetryableError } from "cloudflare:workflows";

    const log = async (env, key, entry) => {
      const seen = (await env.KV.get(key, "json")) ?? [];
      await env.KV.put(key, JSON.stringify([...seen, entry]));
    };

    const KINDS = {
      async whole({ event, step, note }) {
        const made = await step.do("make", { retries: { limit: 3, delay: 20, backoff: "linear" } }, async (ctx) => {
          await note(`make ${ctx.attempt}`);
          if (ctx.attempt < 3) throw new TypeError(`not yet ${ctx.attempt}`);
          return { at: new Date(1000), map: new Map([["a", 1]]), bytes: new Uint8Array([1, 255]), big: 10n, none: undefined,
            ctx: { ...ctx.step, limit: ctx.config.retries.limit, timeout: ctx.config.timeout } };
        });
        const kinds = [made.at instanceof Date, made.map.get("a"), made.bytes[1], String(made.big), "none" in made];
        await step.sleep("nap", 30);
        let caught;
        try {
          await step.do("never", async () => {
            await note("never");
            throw new NonRetryableError("it is final");
          });
        } catch (error) {
          caught = error.message;
        }
        const both = await Promise.all([step.do("same", async () => "first"), step.do("same", async () => "second")]);
        return { kinds, caught, both, ctx: made.ctx, id: event.instanceId, name: event.workflowName, payload: event.payload };
      },
      async event({ event, step, note }) {
        await step.do("before", async () => note("before"));
        const told = await step.waitForEvent("approval", { type: "approved", timeout: "1 hour" });
        await step.do("after", async () => note("after"));
        return { version: VERSION, payload: told.payload, type: told.type, date: told.timestamp instanceof Date };
      },
      async late({ step }) {
        return step.waitForEvent("approval", { type: "approved", timeout: 50 });
      },
      async gate({ step, env, note }) {
        await note("outside");
        await step.do("one", async () => note("one"));
        await step.do("two", { retries: { limit: 5, delay: 0 } }, async () => {
          await note("two");
          while ((await env.KV.get("gate")) !== "open") await scheduler.wait(20);
          return "through";
        });
        await step.do("three", async () => note("three"));
        return VERSION;
      },
      async fails({ step }) {
        await step.do("hopeless", { retries: { limit: 1, delay: 10, backoff: "constant" } }, async () => {
          throw new RangeError("no way");
        });
      },
      async slow({ step }) {
        await step.do("slow", { retries: { limit: 0, delay: 0 }, timeout: 50 }, async () => scheduler.wait(60_000));
      },
      async returns({ event, step }) {
        switch (event.payload.what) {
          case "function": return step.do("bad", async () => () => 1);
          case "large": return step.do("bad", { retries: { limit: 0, delay: 0 } }, async () => "x".repeat(1024 * 1024));
          case "config": return step.do("bad", { retry: 1 }, async () => 1);
          case "name": return step.do("x".repeat(300), async () => 1);
          case "past": return step.sleepUntil("bad", new Date(0));
        }
      },
      async stream({ step, note }) {
        const text = "0123456789".repeat(60_000);
        const stream = await step.do("file", async () => {
          await note("file");
          return new Response(text).body;
        });
        const first = await new Response(stream).text();
        await step.waitForEvent("go on", { type: "go" });
        return first === text;
      },
      async undo({ event, step, note }) {
        for (const name of ["one", "two"]) {
          await step.do(name, async () => `made ${name}`, {
            rollback: async ({ output, error, ctx, stepName }) => note([stepName, output, error.message, ctx.step.name]),
          });
        }
        if (event.payload.wait) await step.waitForEvent("stop", { type: "stop" });
        throw new Error("broken");
      },
      async dynamic({ step, note }) {
        const delay = ({ ctx, error }) => `${ctx.attempt * 10} millisecond`;
        return step.do("moody", { retries: { limit: 4, delay } }, async (ctx) => {
          await note(ctx.attempt);
          if (ctx.attempt < 3) throw new Error("again");
          return ctx.config.retries;
        });
      },
      async loops({ step }) {
        await step.do("before", async () => 1);
        for (;;);
      },
      async rest({ step, note }) {
        await note("outside");
        await step.sleep("night", "1 hour");
        await note("outside again");
        return step.do("morning", async () => "good");
      },
    };

    export class Flow extends WorkflowEntrypoint {
      async run(event, step) {
        const note = (entry) => log(this.env, event.instanceId, entry);
        return KINDS[event.payload.kind]({ event, step, note, env: this.env });
      }
    }

    export class NoFlow {}

    export default {
      async fetch(request, env) {
        const url = new URL(request.url);
        if (url.pathname === "/notes") return Response.json((await env.KV.get(url.searchParams.get("of"), "json")) ?? []);
        if (url.pathname === "/open") return Response.json(await env.KV.put("gate", "open") ?? null);
        const calls = await request.json();
        const said = [];
        for (const [call, ...args] of calls) {
          try {
            let result;
            if (["create", "createBatch", "deleteBatch"].includes(call)) {
              result = await env.FLOW[call](...args);
            } else {
              const instance = await env.FLOW.get(args[0]);
              result = await instance[call](...args.slice(1));
            }
            said.push(result === undefined ? "done" : result);
          } catch (error) {
            said.push(error.message);
          }
        }
        return Response.json(said);
      },
    };"#;

/// A cloud with the Worker `shop` and its Workflow `flow`.
struct Shop {
    live: Live,
}

impl Shop {
    async fn new() -> Self {
        let shop = Self { live: Live::new().await };
        let kv = shop.live.call("POST", "/storage/kv/namespaces", r#"{"title":"kv"}"#).await;
        shop.deploy(&kv["id"], "one").await;
        shop
    }

    async fn deploy(&self, kv: &Value, version: &str) {
        let bindings = json!([
            { "type": "kv_namespace", "name": "KV", "namespace_id": kv },
            { "type": "workflow", "name": "FLOW", "workflow_name": "flow", "class_name": "Flow" },
        ]);
        let source = format!("const VERSION = {version:?};\n{SHOP}");
        crate::cloud::deploy(&self.live.cloud, "shop", bindings, &source).await;
        self.register(json!({})).await;
    }

    async fn register(&self, more: Value) -> Value {
        let mut body = json!({ "script_name": "shop", "class_name": "Flow" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.live.call("PUT", "/workflows/flow", body.to_string()).await
    }

    /// `clodo-local down` and `up`, or, as it were, `kill -9`.
    async fn again(self, kill: bool) -> Self {
        let Live { cloud, folder } = self.live;
        if kill {
            drop(cloud);
        } else {
            cloud.stop().await;
        }
        let cloud = crate::cloud_events::again(folder.path()).await;
        Self { live: Live { cloud, folder } }
    }

    /// Calls of the binding, one after the other, and what each said.
    async fn bound(&self, calls: Value) -> Value {
        let request = http::Request::post("/").header("host", "shop.acme.test");
        client::send(self.live.cloud.port(), request, calls.to_string()).await.json()
    }

    async fn get(&self, path: &str) -> Value {
        client::get(self.live.cloud.port(), "shop.acme.test", path).await.json()
    }

    async fn notes(&self, id: &str) -> Value {
        self.get(&format!("/notes?of={id}")).await
    }

    async fn start(&self, id: &str, params: Value) {
        let body = json!({ "instance_id": id, "params": params });
        let made = self.live.call("POST", "/workflows/flow/instances", body.to_string()).await;
        assert_eq!((&made["id"], &made["trigger_source"]), (&json!(id), &json!("api")));
    }

    async fn logs(&self, id: &str) -> Value {
        self.live.call("GET", &format!("/workflows/flow/instances/{id}"), "").await
    }

    /// Waits until an instance is doing something, and returns its logs.
    async fn until(&self, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let asking = async {
            loop {
                last = self.logs(id).await;
                if fits(&last) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let asked = tokio::time::timeout(Duration::from_secs(40), asking).await;
        assert!(asked.is_ok(), "still {last:#}");
        last
    }

    async fn status(&self, id: &str, status: &str) -> Value {
        self.until(id, |logs| logs["status"] == status).await
    }

    /// Waits until an instance has written down so many notes.
    async fn noted(&self, id: &str, count: usize) -> Value {
        let mut last = Value::Null;
        let asking = async {
            while last.as_array().is_none_or(|notes| notes.len() < count) {
                last = self.notes(id).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(40), asking).await.is_ok(), "{id}");
        last
    }

    async fn order(&self, id: &str, body: Value) -> Value {
        let path = format!("/workflows/flow/instances/{id}/status");
        self.live.call("PATCH", &path, body.to_string()).await["status"].clone()
    }

    async fn send(&self, id: &str, kind: &str, payload: Value) {
        let path = format!("/workflows/flow/instances/{id}/events/{kind}");
        let sent = self.live.call("POST", &path, payload.to_string()).await;
        assert_eq!(sent["instanceId"], id);
    }

    fn cloud(&self) -> &LocalCloud {
        &self.live.cloud
    }
}

// conformance: workflows | step.do with retries and backoff, step.sleep, NonRetryableError, run()'s result | documented
// conformance: workflows | results of steps keep their type: dates, maps, sets, bytes, bigint | documented
// conformance: workflows | GET instances/{id}: steps with attempts, config, output and errors | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_runs_its_steps_and_tells_what_became_of_them() {
    let shop = Shop::new().await;
    shop.start("a", json!({ "kind": "whole", "x": [1] })).await;
    let logs = shop.status("a", "complete").await;
    assert_eq!(
        logs["output"],
        json!({
            "kinds": [true, 1, 255, "10", true],
            "caught": "NonRetryableError: it is final",
            "both": ["first", "second"],
            "ctx": { "name": "make", "count": 1, "limit": 3, "timeout": "10 minutes" },
            "id": "a", "name": "flow", "payload": { "kind": "whole", "x": [1] },
        })
    );
    assert_eq!(shop.notes("a").await, json!(["make 1", "make 2", "make 3", "never"]));
    let told =
        json!([logs["success"], logs["error"], logs["step_count"], logs["trigger"]["source"]]);
    assert_eq!(told, json!([true, null, 5, "api"]));
    for key in ["queued", "start", "end", "versionId"] {
        assert!(logs[key].is_string(), "{key}: {logs:#}");
    }
    let steps = logs["steps"].as_array().unwrap();
    let mut names: Vec<_> = steps.iter().map(|s| format!("{}:{}", s["type"], s["name"])).collect();
    // Two begin at the same time.
    names[3..].sort();
    let expected = [
        r#""step":"make-1""#,
        r#""sleep":"nap-1""#,
        r#""step":"never-1""#,
        r#""step":"same-1""#,
        r#""step":"same-2""#,
    ];
    assert_eq!(names, expected);
    let make = &steps[0];
    let attempts: Vec<_> = make["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| json!([a["success"], a["error"]]))
        .collect();
    let error = |n| json!([false, { "name": "TypeError", "message": format!("not yet {n}") }]);
    assert_eq!(attempts, [error(1), error(2), json!([true, null])]);
    assert_eq!(make["config"]["retries"], json!({ "limit": 3, "delay": 20, "backoff": "linear" }));
    assert!(make["output"].as_str().unwrap().contains("1970-01-01T00:00:01.000Z"), "{make:#}");
    assert_eq!((&steps[1]["finished"], &steps[2]["success"]), (&json!(true), &json!(false)));
    let path = "/workflows/flow/instances/a/step?type=step&name=same-2";
    let step = shop.live.call("GET", path, "").await;
    assert_eq!(step, json!({ "status": "complete", "error": null, "output": "second" }));
    let step =
        shop.live.call("GET", "/workflows/flow/instances/a/step?name=make-1&attempt=2", "").await;
    assert_eq!(step["error"]["message"], "not yet 2");
    let simple = shop.live.call("GET", "/workflows/flow/instances/a?simple=true", "").await;
    assert_eq!((&simple["steps"], &simple["step_count"]), (&json!([]), &json!(5)));
    let newest = shop.live.call("GET", "/workflows/flow/instances/a?order=desc", "").await;
    assert_eq!(newest["steps"][0]["name"], steps[4]["name"]);
    shop.live.cloud.stop().await;
}

// conformance: workflows | an instance goes on after a kill; what is done does not run again | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_that_is_killed_or_restarted_goes_on_with_its_instances_where_they_were() {
    let mut shop = Shop::new().await;
    for (id, kill) in [("killed", true), ("restarted", false)] {
        shop.start(id, json!({ "kind": "gate" })).await;
        shop.noted(id, 3).await;
        shop = shop.again(kill).await;
    }
    shop.noted("restarted", 5).await;
    shop.noted("killed", 5).await;
    shop.get("/open").await;
    for id in ["killed", "restarted"] {
        let logs = shop.status(id, "complete").await;
        assert_eq!(logs["output"], "one");
        let notes = shop.notes(id).await;
        let count = |what: &str| notes.as_array().unwrap().iter().filter(|n| *n == what).count();
        assert_eq!((count("one"), count("three")), (1, 1), "{notes}");
        assert!(count("two") > 1, "{notes}");
    }
    // Who was killed is not to blame, but nobody can tell; who was stopped is known not to be.
    let attempts = shop.logs("restarted").await["steps"][1]["attempts"].as_array().unwrap().len();
    assert_eq!(attempts, 1);
    shop.live.cloud.stop().await;
}

// conformance: workflows | step.waitForEvent and sendEvent, of the binding and of the API | documented
// conformance: workflows | instances finish in the version of the Worker in which they began | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_lets_an_instance_go_on_in_the_version_in_which_it_began() {
    let shop = Shop::new().await;
    for id in ["old", "again"] {
        shop.start(id, json!({ "kind": "event" })).await;
        shop.status(id, "waiting").await;
    }
    let kv = shop.live.call("GET", "/storage/kv/namespaces", "").await[0]["id"].clone();
    shop.deploy(&kv, "two").await;
    shop.start("new", json!({ "kind": "event" })).await;
    shop.status("new", "waiting").await;
    let shop = shop.again(true).await;
    shop.send("old", "approved", json!({ "by": "me" })).await;
    let sent = json!([["sendEvent", "new", { "type": "approved", "payload": { "by": "you" } }]]);
    assert_eq!(shop.bound(sent).await, json!(["done"]));
    for (id, version, by) in [("old", "one", "me"), ("new", "two", "you")] {
        let logs = shop.status(id, "complete").await;
        let output = json!({ "version": version, "payload": { "by": by }, "type": "approved", "date": true });
        assert_eq!(logs["output"], output);
        assert_eq!(shop.notes(id).await, json!(["before", "after"]));
        assert_eq!(logs["steps"][1]["event_type"], "approved");
    }
    assert_eq!(shop.order("again", json!({ "status": "restart" })).await, "queued");
    shop.send("again", "approved", json!(null)).await;
    let logs = shop.status("again", "complete").await;
    assert_eq!(logs["output"]["version"], "two", "a restart begins anew");
    shop.live.cloud.stop().await;
}

// conformance: workflows | pause, resume, terminate, restart (from a step) of an instance | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_paused_resumed_terminated_and_restarted() {
    let shop = Shop::new().await;
    shop.start("a", json!({ "kind": "gate" })).await;
    shop.noted("a", 3).await;
    assert_eq!(shop.order("a", json!({ "status": "pause" })).await, "waitingForPause");
    shop.get("/open").await;
    shop.status("a", "paused").await;
    assert_eq!(shop.notes("a").await, json!(["outside", "one", "two"]));
    assert_eq!(shop.order("a", json!({ "status": "resume" })).await, "waiting");
    shop.status("a", "complete").await;
    assert_eq!(shop.notes("a").await, json!(["outside", "one", "two", "outside", "three"]));
    let from = json!({ "status": "restart", "from": { "name": "two" } });
    assert_eq!(shop.order("a", from).await, "queued");
    shop.status("a", "complete").await;
    let notes = shop.notes("a").await;
    assert_eq!(notes.as_array().unwrap()[5..], ["outside", "two", "three"]);

    shop.start("b", json!({ "kind": "event" })).await;
    shop.status("b", "waiting").await;
    assert_eq!(shop.order("b", json!({ "status": "terminate" })).await, "terminated");
    let logs = shop.logs("b").await;
    assert_eq!(
        (&logs["success"], &logs["steps"][2]["type"]),
        (&json!(false), &json!("termination"))
    );
    // Code that never ends is ended with its process.
    shop.start("c", json!({ "kind": "loops" })).await;
    shop.until("c", |logs| logs["step_count"] == 1).await;
    shop.order("c", json!({ "status": "terminate" })).await;
    shop.status("c", "terminated").await;
    shop.live.cloud.stop().await;
}

// conformance: workflows | a step that fails for good, times out, or returns what cannot be kept | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_fails_says_why() {
    let shop = Shop::new().await;
    let returns = |what: &str| json!({ "kind": "returns", "what": what });
    let cases = [
        ("fails", json!({ "kind": "fails" }), "RangeError", "no way"),
        ("slow", json!({ "kind": "slow" }), "WorkflowTimeoutError", "timed out after 50ms"),
        ("late", json!({ "kind": "late" }), "WorkflowTimeoutError", "timed out after 50ms"),
        ("function", returns("function"), "WorkflowFatalError", "not serialisable"),
        ("large", returns("large"), "WorkflowInternalError", "Maximum allowed size is 1MiB"),
        ("config", returns("config"), "WorkflowFatalError", "invalid format"),
        ("name", returns("name"), "WorkflowFatalError", "exceeds max length"),
        ("past", returns("past"), "Error", "time-traveler"),
        ("unknown", json!({ "kind": "nothing" }), "TypeError", "not a function"),
    ];
    for (id, params, _, _) in &cases {
        shop.start(id, params.clone()).await;
    }
    for (id, _, name, message) in cases {
        let logs = shop.status(id, "errored").await;
        assert_eq!(
            (&logs["error"]["name"], &logs["success"]),
            (&json!(name), &json!(false)),
            "{logs:#}"
        );
        assert!(logs["error"]["message"].as_str().unwrap().contains(message), "{logs:#}");
    }
    let attempts = shop.logs("fails").await["steps"][0]["attempts"].as_array().unwrap().len();
    assert_eq!(attempts, 2);
    shop.live.cloud.stop().await;
}

// conformance: workflows | rollback of steps, when an instance fails and on terminate | documented
// conformance: workflows | a step that returns a ReadableStream | documented
// conformance: workflows | a delay between attempts that a function decides | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_are_undone_streams_kept_and_delays_decided_by_the_code() {
    let mut shop = Shop::new().await;
    shop.start("undone", json!({ "kind": "undo" })).await;
    shop.start("ended", json!({ "kind": "undo", "wait": true })).await;
    shop.start("moody", json!({ "kind": "dynamic" })).await;
    shop.start("file", json!({ "kind": "stream" })).await;
    let logs = shop.status("undone", "errored").await;
    assert_eq!(logs["error"], json!({ "name": "Error", "message": "broken" }));
    assert_eq!(logs["rollback"]["outcome"], "complete", "{logs:#}");
    let undone =
        |why: &str| json!([["two-1", "made two", why, "two"], ["one-1", "made one", why, "one"]]);
    assert_eq!(shop.notes("undone").await, undone("broken"));
    shop.status("ended", "waiting").await;
    assert_eq!(
        shop.order("ended", json!({ "status": "terminate", "rollback": true })).await,
        "rollingBack"
    );
    let logs = shop.status("ended", "terminated").await;
    assert_eq!(logs["rollback"]["outcome"], "complete", "{logs:#}");
    assert_eq!(shop.notes("ended").await, undone("Instance terminated during rollback"));
    let logs = shop.status("moody", "complete").await;
    assert_eq!(logs["output"], json!({ "limit": 4, "backoff": "exponential" }));
    assert_eq!(logs["steps"][0]["config"]["retries"]["delay"], "[dynamic]");
    assert_eq!(shop.notes("moody").await, json!([1, 2, 3]));
    shop.status("file", "waiting").await;
    shop = shop.again(true).await;
    let whole = shop.live.text("GET", "/workflows/flow/instances/file/step?name=file-1", "").await;
    assert_eq!(whole, "0123456789".repeat(60_000));
    shop.send("file", "go", json!(null)).await;
    assert_eq!(shop.status("file", "complete").await["output"], true);
    assert_eq!(shop.notes("file").await, json!(["file"]), "the stream was kept");
    shop.live.cloud.stop().await;
}

// conformance: workflows | the binding: create, createBatch, get, status, pause, resume, restart, terminate, delete, deleteBatch | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_makes_and_steers_instances_through_its_binding() {
    let shop = Shop::new().await;
    let event = json!({ "kind": "event" });
    let calls = json!([
        ["create", { "id": "a", "params": event }],
        ["create", { "id": "a", "params": event }],
        ["create", { "id": "not valid" }],
        ["createBatch", [{ "id": "a" }, { "id": "b", "params": event }]],
        ["createBatch", { "instances": [{ "id": "a" }, { "id": "c", "params": event }, { "id": "c" }] }],
        ["createBatch", []],
        ["pause", "nobody"],
        ["status", "nobody"],
        ["resume", "c"],
        ["pause", "c"],
        ["status", "c"],
        ["resume", "c"],
        ["terminate", "c"],
        ["terminate", "c"],
        ["status", "c"],
        ["restart", "c"],
        ["deleteBatch", ["c", "nobody"]],
        ["delete", "b"],
        ["delete", "b"],
        ["subscribe", "a"],
    ]);
    let said = shop.bound(calls).await;
    let said = said.as_array().unwrap();
    assert_eq!(said[0]["id"], "a");
    assert_eq!(said[1], "instance.already_exists");
    assert_eq!(said[2], "Instance ID is invalid");
    assert_eq!(said[3], json!([{ "id": "b" }]));
    assert_eq!(said[4]["created"], json!([{ "id": "c" }]));
    let errors: Vec<_> = said[4]["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| json!([e["index"], e["code"]]))
        .collect();
    assert_eq!(errors, [json!([0, 10405]), json!([2, 10415])]);
    assert_eq!(said[5], "between 1 and 100 instances are made at a time");
    assert_eq!((&said[6], &said[7]), (&json!("instance.not_found"), &json!("instance.not_found")));
    assert_eq!((&said[8], &said[9]), (&json!("instance.cannot_resume"), &json!("done")));
    assert_eq!(said[10], json!({ "status": "paused", "output": null }));
    assert_eq!((&said[11], &said[12]), (&json!("done"), &json!("done")));
    assert_eq!(said[13], "instance.cannot_terminate");
    assert_eq!((&said[14]["status"], &said[15]), (&json!("terminated"), &json!("done")));
    assert_eq!(said[16]["deleted"], json!([{ "id": "c" }]));
    assert_eq!(said[16]["errors"][0]["code"], 10400);
    assert_eq!((&said[17], &said[18]), (&json!("done"), &json!("instance.not_found")));
    assert!(said[19].as_str().unwrap().contains("subscribe"), "{}", said[19]);
    let logs = shop.status("a", "waiting").await;
    assert_eq!(logs["trigger"]["source"], "binding");
    shop.live.cloud.stop().await;
}

// conformance: workflows | an instance that waits for long is put away, and runs again at its time | documented
// conformance: workflows | schedules of a Workflow make instances | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_wakes_what_sleeps_and_makes_what_is_scheduled() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_795_190_430_000)));
    let live = Live::with_clock(Arc::clone(&clock) as Arc<dyn Clock>).await;
    let shop = Shop { live };
    let kv = shop.live.call("POST", "/storage/kv/namespaces", r#"{"title":"kv"}"#).await;
    shop.deploy(&kv["id"], "one").await;
    shop.start("sleeper", json!({ "kind": "rest" })).await;
    let logs = shop.status("sleeper", "waiting").await;
    assert_eq!(logs["steps"][0]["end"], "2026-11-20T17:00:30.000000Z");
    // It is put away once nothing happened for a few seconds; then no process has it.
    let made = shop.register(json!({ "schedules": [{ "cron": "2 16 * * *" }] })).await;
    assert_eq!(made["schedules"][0]["next_instance"], "2026-11-20T16:02:00.000000Z");
    clock.advance(Duration::from_secs(90));
    let list = async || shop.live.call("GET", "/workflows/flow/instances", "").await;
    let mut all = list().await;
    while all.as_array().unwrap().len() < 2 {
        all = list().await;
    }
    let scheduled = all[0]["id"].as_str().unwrap().to_owned();
    assert!(scheduled.starts_with("cf_") && all[0]["trigger_source"] == "cron", "{all}");
    let logs = shop.status(&scheduled, "errored").await;
    let schedule = json!({ "cron": "2 16 * * *", "scheduledTime": 1_795_190_520_000_i64 });
    assert_eq!(logs["schedule"], schedule);
    shop.until_put_away().await;
    clock.advance(Duration::from_secs(3_600));
    let logs = shop.status("sleeper", "complete").await;
    assert_eq!(logs["output"], "good");
    assert_eq!(shop.notes("sleeper").await, json!(["outside", "outside", "outside again"]));
    shop.live.cloud.stop().await;
}

impl Shop {
    /// Waits until no run is in memory: then another one can begin.
    async fn until_put_away(&self) {
        let account = self.cloud().accounts()[0].id.clone();
        let at = self.cloud().data().workflows.named(&account, &"flow".parse().unwrap()).unwrap();
        let waiting = async {
            while self.cloud().data().workflows.running(&at).await.unwrap() > 0 {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok());
    }
}

// conformance: workflows | GET, PUT, DELETE workflows/{name}, versions, instances with filters, batch, terminate all | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workflows_are_registered_listed_and_deleted_with_their_instances() {
    let shop = Shop::new().await;
    let live = &shop.live;
    let first = live.call("GET", "/workflows/flow", "").await;
    let again = shop
        .register(json!({
            "limits": { "steps": 7 },
            "concurrency": { "limit": 3 },
            "default_retention": { "success_retention": "1 hour", "error_retention": 5 },
        }))
        .await;
    assert_eq!((&again["id"], &again["class_name"]), (&first["id"], &json!("Flow")));
    let versions = live.call("GET", "/workflows/flow/versions", "").await;
    assert_eq!((versions.as_array().unwrap().len(), &versions[0]["id"]), (2, &again["version_id"]));
    assert_eq!(versions[0]["limits"], json!({ "steps": 7 }));
    assert_eq!(versions[0]["default_retention"]["success_retention"], 3_600_000);
    let path = format!("/workflows/flow/versions/{}", versions[1]["id"].as_str().unwrap());
    assert_eq!(live.call("GET", &path, "").await, versions[1]);
    assert_eq!(live.call("GET", &format!("{path}/graph"), "").await["graph"], Value::Null);
    list_and_end(&shop, &again["version_id"]).await;
    assert_eq!(live.call("DELETE", "/workflows/flow", "").await["status"], "ok");
    let missing = live.answer("GET", "/workflows/flow", "").await;
    assert_eq!(missing["errors"][0]["code"], 10200);
    assert_eq!(shop.bound(json!([["create", {}]])).await, json!(["workflow.not_found"]));
    shop.live.cloud.stop().await;
}

async fn list_and_end(shop: &Shop, version: &Value) {
    let live = &shop.live;
    let event = json!({ "kind": "event" });
    let batch = json!([{ "instance_id": "a", "params": event }, { "instance_id": "b", "params": event.to_string() }]);
    let made = live.call("POST", "/workflows/flow/instances/batch", batch.to_string()).await;
    assert_eq!(made.as_array().unwrap().len(), 2);
    assert_eq!(made[0]["version_id"], *version);
    for id in ["a", "b"] {
        shop.status(id, "waiting").await;
    }
    let listed = live.answer("GET", "/workflows/flow/instances/?per_page=1", "").await;
    assert_eq!(listed["result"][0]["id"], "b");
    assert_eq!(listed["result_info"]["total_count"], 2);
    let cursor = listed["result_info"]["cursor"].as_str().unwrap();
    for path in [
        format!("/workflows/flow/instances?per_page=1&cursor={cursor}"),
        "/workflows/flow/instances?per_page=1&page=2".to_owned(),
        "/workflows/flow/instances?direction=asc&per_page=1&status=waiting".to_owned(),
        "/workflows/flow/instances?direction=asc&per_page=1&date_start=2020-01-01".to_owned(),
    ] {
        assert_eq!(live.call("GET", &path, "").await[0]["id"], "a", "{path}");
    }
    let none =
        live.call("GET", "/workflows/flow/instances?date_end=2020-01-01T00:00:00Z", "").await;
    assert_eq!(none, json!([]));
    let flow = live.call("GET", "/workflows/flow", "").await;
    assert_eq!(
        (&flow["instances"]["waiting"], &flow["instances"]["queued"]),
        (&json!(2), &json!(0))
    );
    assert!(flow["triggered_on"].is_string() && flow["script_deleted"] == false, "{flow}");
    let all = live.call("GET", "/workflows?search=FLO", "").await;
    assert_eq!(all, json!([flow]));
    assert_eq!(live.call("GET", "/workflows?search=other", "").await, json!([]));
    let ended = live.call("PUT", "/workflows/flow/instances/terminate?status=waiting", "").await;
    assert_eq!(ended, json!({ "status": "ok", "instancesTerminated": 2 }));
    let gone = json!({ "instances": ["a", "nobody"] });
    let gone = live.call("POST", "/workflows/flow/instances/batch/delete", gone.to_string()).await;
    assert_eq!(
        (&gone["deleted"], &gone["errors"][0]["code"]),
        (&json!([{ "id": "a" }]), &json!(10400))
    );
}

// conformance: workflows | bad input: classes, names, ids, sizes, orders | guessed: codes near in meaning, since those beyond 10001, 10200, 10208, 10400, 10405 and 10415 are not documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_makes_no_sense_is_refused() {
    let shop = Shop::new().await;
    let register =
        |class: &str, script: &str| json!({ "script_name": script, "class_name": class });
    let with = |key: &str, value: Value| {
        let mut body = register("Flow", "shop");
        body[key] = value;
        body
    };
    let large = json!({ "params": "x".repeat(1024 * 1024) });
    let many: Vec<Value> = (0..101).map(|_| json!({})).collect();
    let instances = "/workflows/flow/instances";
    let status = format!("{instances}/nobody/status");
    shop.start("a", json!({ "kind": "fails" })).await;
    shop.status("a", "errored").await;
    for (method, path, body, code) in [
        ("PUT", "/workflows/flow", register("Gone", "shop"), 10_021),
        ("PUT", "/workflows/flow", register("NoFlow", "shop"), 10_021),
        ("PUT", "/workflows/flow", register("Flow", "nobody"), 10_007),
        ("PUT", "/workflows/flow", json!({}), 10_007),
        ("PUT", "/workflows/-flow", register("Flow", "shop"), 10_001),
        ("PUT", &format!("/workflows/{}", "x".repeat(65)), register("Flow", "shop"), 10_001),
        ("PUT", "/workflows/flow", with("limits", json!({ "steps": 25_001 })), 10_001),
        ("PUT", "/workflows/flow", with("limits", json!({ "steps": 0 })), 10_001),
        ("PUT", "/workflows/flow", with("concurrency", json!({ "limit": 0 })), 10_001),
        ("PUT", "/workflows/flow", with("schedules", json!([{ "cron": "soon" }])), 10_100),
        (
            "PUT",
            "/workflows/flow",
            with("default_retention", json!({ "error_retention": "ever" })),
            10_001,
        ),
        ("PUT", "/workflows/flow", with("jurisdiction", json!("eu")), 10_209),
        ("PUT", "/workflows/flow", json!([]), 10_026),
        ("GET", "/workflows/nobody", Value::Null, 10_200),
        ("DELETE", "/workflows/nobody", Value::Null, 10_200),
        ("GET", "/workflows/nobody/instances", Value::Null, 10_200),
        ("GET", "/workflows/flow/versions/nothing", Value::Null, 10_300),
        ("POST", instances, json!({ "instance_id": "a" }), 10_405),
        ("POST", instances, json!({ "instance_id": "not valid" }), 10_401),
        ("POST", instances, json!({ "instance_id": "x".repeat(101) }), 10_401),
        ("POST", instances, json!({ "instance_retention": { "success_retention": -1 } }), 10_001),
        ("POST", instances, large, 10_403),
        ("POST", &format!("{instances}/batch"), json!(many), 10_001),
        ("POST", &format!("{instances}/batch"), json!([]), 10_001),
        ("GET", &format!("{instances}?status=busy"), Value::Null, 10_001),
        ("GET", &format!("{instances}?date_start=noon"), Value::Null, 10_001),
        ("GET", &format!("{instances}?cursor=x"), Value::Null, 10_001),
        ("GET", &format!("{instances}/nobody"), Value::Null, 10_400),
        ("GET", &format!("{instances}/a/step"), Value::Null, 10_001),
        ("GET", &format!("{instances}/a/step?name=x-1"), Value::Null, 10_500),
        ("GET", &format!("{instances}/a/step?name=hopeless-1&attempt=3"), Value::Null, 10_501),
        ("PATCH", &status, json!({ "status": "pause" }), 10_400),
        ("PATCH", &status, json!({ "status": "explode" }), 10_001),
        ("PATCH", &format!("{instances}/a/status"), json!({ "status": "resume" }), 10_402),
        ("PATCH", &format!("{instances}/a/status"), json!({ "status": "terminate" }), 10_402),
        ("POST", &format!("{instances}/nobody/events/x"), json!(1), 10_400),
        ("POST", &format!("{instances}/a/events/x"), json!(1), 10_402),
        ("POST", &format!("{instances}/a/events/not%20valid"), json!(1), 10_001),
        ("PUT", &format!("{instances}/terminate?status=complete"), Value::Null, 10_001),
        ("POST", &format!("{instances}/batch/delete"), json!({ "instances": [] }), 10_001),
    ] {
        let answer = shop.live.answer(method, path, body.to_string()).await;
        let said = answer["errors"][0]["code"].clone();
        assert_eq!(said, code, "{method} {path}: {answer}");
    }
    shop.live.cloud.stop().await;
}
