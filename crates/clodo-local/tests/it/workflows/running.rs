//! What the instances of a Workflow do.

use super::*;

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
    // Nothing of it runs for long, so that a pause need not wait for a step.
    let rest = json!({ "kind": "rest" });
    let calls = json!([
        ["create", { "id": "a", "params": event }],
        ["create", { "id": "a", "params": event }],
        ["create", { "id": "not valid" }],
        ["createBatch", [{ "id": "a" }, { "id": "b", "params": event }]],
        ["createBatch", { "instances": [{ "id": "a" }, { "id": "c", "params": rest }, { "id": "c" }] }],
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
