//! Workflows as things that are registered, listed and deleted; and bad input.

use super::*;

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
