//! Queues over the REST API.

use crate::api_support::{Api, module};
use serde_json::{Value, json};
use std::time::Duration;

const CONSUMER: &str = "export default { queue() {}, fetch() {} }";

/// A queue's id.
async fn queue(api: &Api, name: &str) -> String {
    let made = api.json("POST", "{acc}/queues", json!({ "queue_name": name })).await.result();
    made["queue_id"].as_str().unwrap().to_owned()
}

// conformance: queues | POST /accounts/{account}/queues | documented
// conformance: queues | GET /accounts/{account}/queues | documented
// conformance: queues | GET /accounts/{account}/queues/{queue} | documented
// conformance: queues | PUT /accounts/{account}/queues/{queue} | documented
// conformance: queues | PATCH /accounts/{account}/queues/{queue} | documented
// conformance: queues | DELETE /accounts/{account}/queues/{queue} | documented
#[tokio::test]
async fn a_queue_is_made_listed_changed_and_deleted() {
    let api = Api::new().await;
    let body = json!({ "queue_name": "jobs", "settings": { "delivery_delay": 5 } });
    let made = api.json("POST", "{acc}/queues", body).await.result();
    assert_eq!(made["queue_name"], "jobs");
    assert_eq!(
        made["settings"],
        json!({ "delivery_delay": 5, "delivery_paused": false, "message_retention_period": 345_600 })
    );
    let id = made["queue_id"].as_str().unwrap();
    let _ = queue(&api, "mails").await;
    let names = |listed: Value| {
        let names = listed.as_array().unwrap().iter().map(|one| one["queue_name"].clone());
        Value::from(names.collect::<Vec<_>>())
    };
    assert_eq!(names(api.get("{acc}/queues").await.result()), json!(["jobs", "mails"]));
    let two = api.get("{acc}/queues?page=1&name=mails&name=nothing").await.result();
    assert_eq!(names(two), json!(["mails"]));
    assert_eq!(api.get("{acc}/queues?page=9").await.result(), json!([]));

    let path = format!("{{acc}}/queues/{id}");
    let paused = json!({ "settings": { "delivery_paused": true } });
    let edited = api.json("PATCH", &path, paused).await.result();
    assert_eq!(edited["settings"]["delivery_paused"], true);
    assert_eq!(edited["settings"]["delivery_delay"], 5, "what is not named stays");
    let renamed = json!({ "queue_name": "work" });
    let replaced = api.json("PUT", &path, renamed).await.result();
    assert_eq!(replaced["queue_name"], "work");
    assert_eq!(replaced["settings"]["delivery_delay"], 0, "what is not named is the default");
    let api = api.restarted().await;
    assert_eq!(api.get(&path).await.result()["queue_name"], "work");
    assert_eq!(api.delete(&path).await.result(), Value::Null);
    assert_eq!(api.get(&path).await.error(), (404, 11000));
}

// conformance: queues | a taken name (11009), bad settings (100128), an unknown queue (11000) | accepted by wrangler
// conformance: queues | a bad queue name (11003) | guessed: code 11003 stands beside those that are known, since the documentation lists none
#[tokio::test]
async fn bad_queues_are_refused() {
    let api = Api::new().await;
    let id = queue(&api, "jobs").await;
    let _ = queue(&api, "mails").await;
    let made = |body: Value| {
        let api = &api;
        async move { api.json("POST", "{acc}/queues", body).await.error() }
    };
    assert_eq!(made(json!({ "queue_name": "jobs" })).await, (409, 11009));
    for name in ["", "a b", "-a", "ä", &"a".repeat(64), "../x"] {
        assert_eq!(made(json!({ "queue_name": name })).await, (400, 11003), "{name}");
    }
    assert_eq!(made(json!({ "queue_name": 7 })).await, (400, 10026));
    for settings in [
        json!({ "delivery_delay": 86_401 }),
        json!({ "delivery_delay": -1 }),
        json!({ "delivery_delay": 0.5 }),
        json!({ "message_retention_period": 59 }),
        json!({ "message_retention_period": 1_209_601 }),
    ] {
        let body = json!({ "queue_name": "other", "settings": settings });
        assert_eq!(made(body).await, (400, 100_128), "{settings}");
    }
    let path = format!("{{acc}}/queues/{id}");
    let taken = api.json("PATCH", &path, json!({ "queue_name": "mails" })).await;
    assert_eq!(taken.error(), (409, 11009));
    for unknown in ["{acc}/queues/0", "{acc}/queues/0/metrics"] {
        assert_eq!(api.get(unknown).await.error(), (404, 11000), "{unknown}");
    }
    assert_eq!(api.get("{acc}/queues/..%2f..%2fx").await.error(), (404, 7003), "no name at all");
}

// conformance: queues | GET /accounts/{account}/queues/{queue}/consumers | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/consumers | documented
// conformance: queues | GET /accounts/{account}/queues/{queue}/consumers/{consumer} | documented
// conformance: queues | PUT /accounts/{account}/queues/{queue}/consumers/{consumer} | documented
// conformance: queues | DELETE /accounts/{account}/queues/{queue}/consumers/{consumer} | documented
#[tokio::test]
async fn a_worker_becomes_the_consumer_of_a_queue() {
    let api = Api::new().await;
    let id = queue(&api, "jobs").await;
    let _ = api.deployed(CONSUMER, json!([])).await;
    let path = format!("{{acc}}/queues/{id}/consumers");
    let body = json!({
        "type": "worker",
        "script_name": "shop",
        "environment_name": "",
        "dead_letter_queue": "graveyard",
        "settings": { "batch_size": 7, "max_wait_time_ms": 1500, "max_concurrency": null },
    });
    let made = api.json("POST", &path, body.clone()).await.result();
    let settings = json!({
        "batch_size": 7, "max_retries": 3, "retry_delay": 0,
        "max_wait_time_ms": 1500, "max_concurrency": null,
    });
    assert_eq!(made["settings"], settings);
    assert_eq!((&made["script"], &made["script_name"]), (&json!("shop"), &json!("shop")));
    assert_eq!(api.json("POST", &path, body).await.error(), (400, 11004));
    let graveyard = api.get("{acc}/queues?name=graveyard").await.result();
    assert_eq!(graveyard[0]["queue_name"], "graveyard", "it is made when it is not there");

    let one = format!("{path}/{}", made["consumer_id"].as_str().unwrap());
    let body = json!({ "type": "worker", "script_name": "shop", "settings": { "max_retries": 0 } });
    let changed = api.json("PUT", &one, body).await.result();
    assert_eq!(changed["settings"]["max_retries"], 0);
    assert_eq!(
        (&changed["settings"]["batch_size"], &changed["dead_letter_queue"]),
        (&json!(10), &json!(""))
    );
    assert_eq!(api.get(&one).await.result(), changed);
    let shown = api.get(&format!("{{acc}}/queues/{id}")).await.result();
    assert_eq!((&shown["consumers"][0], &shown["consumers_total_count"]), (&changed, &json!(1)));

    // A Worker that is needed stays, and keeps its handler.
    assert_eq!(api.delete("S/").await.error(), (400, 10064));
    let deaf = api.upload("PUT", "S/", module(json!([])), "export default {}").await;
    assert_eq!(deaf.error(), (400, 11001));
    assert_eq!(api.delete(&one).await.result(), Value::Null);
    assert_eq!(api.get(&path).await.result(), json!([]));
    assert_eq!(api.delete(&one).await.error(), (404, 11002));
    assert_eq!(api.delete("S/").await.result(), Value::Null);
}

// conformance: queues | a consumer that exists (11004), without queue() (11001), with bad settings (100127) | accepted by wrangler
// conformance: queues | an unknown consumer (11002) | guessed: code 11002 stands beside those that are known, since the documentation lists none
#[tokio::test]
async fn bad_consumers_are_refused() {
    let api = Api::new().await;
    let id = queue(&api, "jobs").await;
    let path = format!("{{acc}}/queues/{id}/consumers");
    let made = |body: Value| {
        let (api, path) = (&api, &path);
        async move { api.json("POST", path, body).await.error() }
    };
    let worker =
        |settings: Value| json!({ "type": "worker", "script_name": "shop", "settings": settings });
    assert_eq!(made(worker(json!({}))).await, (404, 10007));
    let _ = api.deployed("export default { fetch() {} }", json!([])).await;
    assert_eq!(made(worker(json!({}))).await, (400, 11001));
    let _ = api.deployed(CONSUMER, json!([])).await;
    for settings in [
        json!({ "batch_size": 0 }),
        json!({ "batch_size": 101 }),
        json!({ "max_retries": 101 }),
        json!({ "max_wait_time_ms": 60_001 }),
        json!({ "max_concurrency": 251 }),
        json!({ "max_concurrency": 0 }),
        json!({ "retry_delay": 86_401 }),
        json!({ "retry_delay": 1e300 }),
    ] {
        assert_eq!(made(worker(settings.clone())).await, (400, 100_127), "{settings}");
    }
    assert_eq!(made(json!({ "type": "r2_bucket" })).await, (400, 100_127));
    let own = json!({ "type": "http_pull", "dead_letter_queue": "jobs" });
    assert_eq!(made(own).await, (400, 100_127));
    let odd = json!({ "type": "http_pull", "dead_letter_queue": "no/queue" });
    assert_eq!(made(odd).await, (400, 11003));
    assert_eq!(made(json!([])).await, (400, 10026));
    assert_eq!(api.get(&path).await.result(), json!([]));
}

// conformance: queues | a consumer whose `queue()` is in the version with traffic only, as after a rollback | guessed: it is taken, since that version receives; nothing is documented
#[tokio::test]
async fn what_serves_may_receive_whatever_was_uploaded_since() {
    let api = Api::new().await;
    let id = queue(&api, "jobs").await;
    let able = api.deployed(CONSUMER, json!([])).await;
    let _ = api.deployed("export default { fetch() {} }", json!([])).await;
    let back = json!({ "strategy": "percentage",
        "versions": [{ "version_id": able, "percentage": 100 }] });
    api.json("POST", "S/deployments", back).await.result();
    let consumer = json!({ "type": "worker", "script_name": "shop" });
    api.json("POST", &format!("{{acc}}/queues/{id}/consumers"), consumer).await.result();
}

// conformance: queues | bindings of type queue with delivery_delay; producers of a queue | documented
// conformance: queues | deleting a queue that a Worker is bound to (11005) | accepted by wrangler
// conformance: queues | a binding to an unknown queue (11000) | guessed: the code is 11000, since that is what the queue itself answers; wrangler looks first
#[tokio::test]
async fn a_binding_makes_a_worker_a_producer() {
    let api = Api::new().await;
    let binding =
        json!([{ "type": "queue", "name": "JOBS", "queue_name": "jobs", "delivery_delay": 9 }]);
    let refused = api.upload("PUT", "S/", module(binding.clone()), "export default {}").await;
    assert_eq!(refused.error(), (400, 11000));
    let nameless = module(json!([{ "type": "queue", "name": "JOBS", "queue_name": "" }]));
    let refused = api.upload("PUT", "S/", nameless, "export default {}").await;
    assert_eq!(refused.error(), (400, 10021));
    let id = queue(&api, "jobs").await;
    let _ = api.deployed("export default { fetch() {} }", binding.clone()).await;
    assert_eq!(api.get("S/settings").await.result()["bindings"], binding, "no id leaks");
    let path = format!("{{acc}}/queues/{id}");
    let shown = api.get(&path).await.result();
    assert_eq!(shown["producers"], json!([{ "type": "worker", "script": "shop" }]));
    assert_eq!(api.delete(&path).await.error(), (400, 11005));
    let _ = api.deployed("export default { fetch() {} }", json!([])).await;
    assert_eq!(api.delete(&path).await.result(), Value::Null);
}

// conformance: queues | POST /accounts/{account}/queues/{queue}/messages | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/messages/batch | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/messages/pull | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/messages/ack | documented
// conformance: queues | GET /accounts/{account}/queues/{queue}/metrics | documented
#[tokio::test]
async fn messages_are_pushed_pulled_and_acknowledged_over_http() {
    let api = Api::new().await;
    let id = queue(&api, "jobs").await;
    let path = |rest: &str| format!("{{acc}}/queues/{id}/{rest}");
    let pull = json!({ "type": "http_pull", "settings": { "max_retries": 1, "retry_delay": 3 } });
    let _ = api.json("POST", &path("consumers"), pull).await.result();
    let text = json!({ "body": "hello", "content_type": "text" });
    let sent = api.json("POST", &path("messages"), text).await.result();
    assert_eq!(sent["metadata"]["metrics"]["backlog_count"], 1);
    let batch = json!({
        "messages": [{ "body": { "a": 1 } }, { "body": "later", "delay_seconds": 5 }],
    });
    let _ = api.json("POST", &path("messages/batch"), batch).await.result();
    let pulled =
        api.json("POST", &path("messages/pull"), json!({ "batch_size": 10 })).await.result();
    assert_eq!(pulled["message_backlog_count"], 3);
    let bodies: Vec<&Value> =
        pulled["messages"].as_array().unwrap().iter().map(|one| &one["body"]).collect();
    assert_eq!(bodies, ["hello", r#"{"a":1}"#]);
    let (first, second) = (&pulled["messages"][0], &pulled["messages"][1]);
    assert_eq!(
        (&first["attempts"], &first["timestamp_ms"]),
        (&json!(1), &json!(1_763_640_000_000_i64))
    );
    assert_eq!(second["metadata"]["CF-Content-Type"], "json");

    let answer = json!({
        "acks": [{ "lease_id": first["lease_id"] }, { "lease_id": "unknown" }],
        "retries": [{ "lease_id": second["lease_id"] }],
    });
    let acked = api.json("POST", &path("messages/ack"), answer).await.result();
    assert_eq!((&acked["ackCount"], &acked["retryCount"]), (&json!(1), &json!(1)));
    assert!(acked["warnings"]["unknown"].is_string(), "{acked}");
    let again = async || api.raw("POST", &path("messages/pull"), "").await;
    assert_eq!(again().await.result()["messages"], json!([]));
    api.clock.advance(Duration::from_secs(3));
    assert_eq!(again().await.result()["messages"][0]["attempts"], 2);
    api.clock.advance(Duration::from_secs(30));
    let last = again().await.result();
    assert_eq!(last["messages"][0]["body"], r#""later""#, "the other one was pulled too often");
    let metrics = api.get(&path("metrics")).await.result();
    assert_eq!((&metrics["backlog_count"], &metrics["backlog_bytes"]), (&json!(1), &json!(7)));
}

// conformance: queues | POST /accounts/{account}/queues/{queue}/messages/peek | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/messages/purge | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/purge | documented
// conformance: queues | GET /accounts/{account}/queues/{queue}/purge | documented
#[tokio::test]
async fn a_queue_is_looked_into_and_purged() {
    let api = Api::new().await;
    let id = queue(&api, "jobs").await;
    let path = |rest: &str| format!("{{acc}}/queues/{id}/{rest}");
    let batch = json!({ "messages": [{ "body": 1 }, { "body": 2 }, { "body": 3 }] });
    let _ = api.json("POST", &path("messages/batch"), batch).await.result();
    let seen = api.json("POST", &path("messages/peek"), json!({ "batch_size": 1 })).await.result();
    assert_eq!(
        (&seen["messages"][0]["body"], &seen["messages"][0]["attempts"]),
        (&json!("1"), &json!(0))
    );
    let refs = json!({ "refs": [{ "ref": seen["messages"][0]["ref"] }, { "ref": "gone" }] });
    let purged = api.json("POST", &path("messages/purge"), refs).await.result();
    assert!(purged["warnings"]["gone"].is_string(), "{purged}");
    let count = || async { api.get(&path("metrics")).await.result()["backlog_count"].clone() };
    assert_eq!(count().await, 2);
    assert_eq!(api.get(&path("purge")).await.result()["started_at"], Value::Null);
    let unsure = json!({ "delete_messages_permanently": false });
    assert_eq!(api.json("POST", &path("purge"), unsure).await.error(), (400, 10207));
    let sure = json!({ "delete_messages_permanently": true });
    assert_eq!(api.json("POST", &path("purge"), sure).await.result()["queue_name"], "jobs");
    assert_eq!(count().await, 0);
    assert!(api.get(&path("purge")).await.result()["started_at"].is_string());
}

// conformance: queues | refused messages: 10202 to 10208 | documented
// conformance: queues | pulling from a queue without a pull consumer (10405) | guessed: code 10405 stands beside those that are known, since the documentation lists none
#[tokio::test]
async fn bad_messages_are_refused_each_with_its_code() {
    let api = Api::new().await;
    let id = queue(&api, "jobs").await;
    let path = |rest: &str| format!("{{acc}}/queues/{id}/{rest}");
    let long = "x".repeat(128_001);
    for (rest, body, code) in [
        ("messages", json!({ "body": "x", "content_type": "v8" }), 10203),
        ("messages", json!({ "body": 1, "content_type": "text" }), 10207),
        ("messages", json!({ "content_type": "text" }), 10207),
        ("messages", json!({ "body": "x", "delay_seconds": 86_401 }), 10203),
        ("messages", json!({ "body": long, "content_type": "text" }), 10204),
        ("messages/batch", json!({ "messages": [] }), 10206),
        ("messages/batch", json!({ "messages": "x" }), 10207),
        ("messages/batch", json!({ "messages": [{ "body": 1 }], "delay_seconds": -1 }), 10202),
        ("messages/batch", json!({ "messages": vec![json!({ "body": 1 }); 101] }), 10206),
        (
            "messages/batch",
            json!({ "messages": vec![json!({ "body": "x".repeat(90_000) }); 3] }),
            10205,
        ),
        ("messages/peek", json!({ "batch_size": 101 }), 10207),
        ("messages/pull", json!({}), 10405),
        ("messages/ack", json!({}), 10405),
    ] {
        let error = api.json("POST", &path(rest), body).await.error();
        assert_eq!(error.1, code, "{rest}");
    }
    for text in ["", "{", "\u{0}", "[[[[[["] {
        assert_eq!(api.raw("POST", &path("messages"), text).await.error(), (400, 10208), "{text}");
    }
    assert_eq!(api.get(&path("metrics")).await.result()["backlog_count"], 0);
}

#[tokio::test]
async fn an_account_sees_only_its_own_queues() {
    let api = Api::new().await;
    let id = queue(&api, "jobs").await;
    let own = api.get("{acc}/queues").await.result();
    assert_eq!(own.as_array().unwrap().len(), 1);
    let accounts = api.get("/accounts").await.result();
    let other = accounts.as_array().unwrap().iter().find(|one| one["id"] != api.account.as_str());
    let other = other.unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(api.get(&format!("/accounts/{other}/queues")).await.result(), json!([]));
    let path = format!("/accounts/{other}/queues/{id}/messages");
    assert_eq!(api.json("POST", &path, json!({ "body": 1 })).await.error(), (404, 11000));
}
