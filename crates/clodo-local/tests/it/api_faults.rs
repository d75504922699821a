//! Faults, on demand: what is done, and what the client is told.

use crate::api_support::{Answer, Api};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn add(api: &Api, fault: Value) {
    api.control("POST", "faults", fault).await.result();
}

async fn create(api: &Api, name: &str) -> Answer {
    api.json("POST", "{acc}/d1/database", json!({ "name": name })).await
}

async fn databases(api: &Api) -> usize {
    api.control("DELETE", "faults", Value::Null).await.result();
    api.get("{acc}/d1/database").await.result().as_array().unwrap().len()
}

// conformance: faults | 429 with and without `Retry-After` | documented
// conformance: faults | 5xx before and after the effect | documented
// conformance: faults | duplicate delivery | documented
// conformance: faults | HTML and malformed bodies | documented
#[tokio::test]
async fn each_fault_does_and_says_what_its_name_says() {
    let route = "POST /accounts/*/d1/database";
    for (fault, status, code, made) in [
        (json!({ "kind": "too-many-requests" }), 429, Some(971), 0),
        (json!({ "kind": "too-many-requests", "retry_after": 7 }), 429, Some(971), 0),
        (json!({ "kind": "error-before" }), 503, Some(10013), 0),
        (json!({ "kind": "error-before", "status": 500 }), 500, Some(10013), 0),
        (json!({ "kind": "error-after" }), 502, Some(10013), 1),
        (json!({ "kind": "html" }), 502, None, 0),
        (json!({ "kind": "malformed" }), 200, None, 1),
        (json!({ "kind": "duplicate" }), 400, Some(7502), 1),
        (json!({ "kind": "cut-before" }), 502, None, 0),
        (json!({ "kind": "cut-after" }), 502, None, 1),
    ] {
        let api = Api::new().await;
        let mut wire = fault.clone();
        wire["route"] = json!(route);
        add(&api, wire).await;
        assert_eq!(api.get("{acc}/d1/database").await.status, 200, "another method");
        let answer = create(&api, "shop").await;
        assert_eq!(answer.status, status, "{fault}");
        let json: Option<Value> = serde_json::from_slice(&answer.bytes).ok();
        let said = json.and_then(|json| json["errors"][0]["code"].as_u64());
        assert_eq!(said, code, "{fault}");
        let after = answer.headers.get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(after, fault["retry_after"].as_u64().map(|_| "7"), "{fault}");
        let list = api.control("GET", "faults", Value::Null).await.result();
        assert_eq!((&list[0]["seen"], &list[0]["hit"]), (&1.into(), &1.into()), "{fault}");
        assert_eq!(databases(&api).await, made, "{fault}");
    }
}

// conformance: faults | slow answers | documented
#[tokio::test]
async fn a_slow_call_is_late_and_then_done() {
    let api = Api::new().await;
    tokio::time::pause();
    add(&api, json!({ "kind": "slow", "delay": "90s", "times": 1 })).await;
    let began = tokio::time::Instant::now();
    create(&api, "shop").await.result();
    assert!(began.elapsed() >= Duration::from_secs(90));
    let began = tokio::time::Instant::now();
    assert_eq!(api.get("{acc}/d1/database").await.result().as_array().unwrap().len(), 1);
    assert!(began.elapsed() < Duration::from_secs(90));
}

// conformance: faults | by route, share from a seed, n-th call, count | documented
#[tokio::test]
async fn the_same_seed_and_the_same_calls_meet_the_same_faults() {
    let hits = async |seed: u64| {
        let api = Api::new().await;
        let fault = json!({ "kind": "error-before", "route": "GET /accounts/*/d1/**", "rate": 0.3, "seed": seed });
        add(&api, fault).await;
        let mut hits = Vec::new();
        for call in 0..100 {
            api.get("/zones").await.result();
            if api.get("{acc}/d1/database").await.status == 503 {
                hits.push(call);
            }
        }
        hits
    };
    let first = hits(7).await;
    assert!((15..45).contains(&first.len()), "{first:?}");
    assert_eq!(first, hits(7).await);
    assert_ne!(first, hits(8).await);
    let api = Api::new().await;
    add(&api, json!({ "kind": "error-before", "route": "/zones", "nth": 2 })).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(api.get("/zones").await.status);
    }
    assert_eq!(seen, [200, 503, 200, 200]);
}

#[tokio::test]
async fn faults_stand_in_the_log_and_never_reach_the_control_routes() {
    let api = Api::new().await;
    add(&api, json!({ "kind": "cut-before" })).await;
    assert_eq!(api.get("/zones").await.status, 502);
    let lines = api.control("GET", "requests?route=GET%20/zones", Value::Null).await.result();
    assert_eq!(
        (&lines[0]["fault"], &lines[0]["path"]),
        (&"cut-before".into(), &"/client/v4/zones".into())
    );
    assert_eq!(lines[0]["token"]["name"], "local");
    assert!(lines[0]["ray"].as_str().unwrap().ends_with("-LOC"));
    let status = api.control("GET", "status", Value::Null).await.result();
    assert_eq!(status["faults"], json!({ "in_force": 1, "hit": 1 }));
    assert_eq!(api.control("DELETE", "faults/1", Value::Null).await.result()["removed"], 1);
    assert_eq!(api.control("DELETE", "faults/1", Value::Null).await.error(), (404, 7003));
    assert_eq!(api.get("/zones").await.status, 200);
}

#[tokio::test]
async fn a_fault_that_cannot_be_is_refused() {
    let api = Api::new().await;
    for body in [
        json!({}),
        json!({ "kind": "boom" }),
        json!({ "kind": "error-after", "status": 200 }),
        json!({ "kind": "slow", "rate": "often" }),
        json!({ "kind": "slow", "nth": 0 }),
        json!({ "kind": "slow", "route": "GET zones" }),
        json!({ "kind": "slow", "unheard": 1 }),
        json!("slow"),
    ] {
        assert_eq!(
            api.control("POST", "faults", body.clone()).await.error(),
            (400, 10026),
            "{body}"
        );
    }
    assert_eq!(api.control("GET", "faults", Value::Null).await.result(), json!([]));
}

#[tokio::test]
async fn nobody_without_the_token_changes_or_reads_what_the_cloud_does_wrong() {
    let api = Api::new().await;
    for (method, path) in [
        (Method::GET, "faults"),
        (Method::POST, "faults"),
        (Method::DELETE, "faults"),
        (Method::DELETE, "faults/1"),
        (Method::GET, "limits"),
        (Method::PUT, "limits"),
        (Method::PUT, "seed"),
        (Method::GET, "requests"),
        (Method::GET, "requests/count?by=route"),
    ] {
        let request = http::Request::builder().method(&method).uri(format!("/clodo/{path}"));
        let answer = api.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.error(), (400, 9106), "{method} {path}");
    }
    let request = http::Request::builder().uri("/clodo/status");
    let status = api.send(request.body(axum::body::Body::empty()).unwrap()).await.result();
    assert!(status.get("accounts").is_none(), "{status}");
}
