//! What GraphQL says, held against what was done.

use crate::{
    api_support::{Api, module},
    cloud::{call, deploy, started},
    support::client,
};
use axum::body::Body;
use clodo_local::LocalCloud;
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;

/// The rows of one node, of everything that happened.
async fn rows(api: &Api, node: &str, arguments: &str, fields: &str) -> Value {
    let query = format!(
        "query($tag: string) {{ viewer {{ accounts(filter: {{accountTag: $tag}}) {{ \
         {node}(limit: 100{arguments}) {{ {fields} }} }} }} }}"
    );
    let body = json!({ "query": query, "variables": { "tag": api.account } });
    let answer = api.json("POST", "/graphql", body).await.json();
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["viewer"]["accounts"][0][node].clone()
}

// conformance: analytics | `d1AnalyticsAdaptiveGroups`, `d1QueriesAdaptiveGroups`, `d1StorageAdaptiveGroups` | documented
#[tokio::test]
async fn every_query_of_d1_is_counted_with_the_rows_it_touched() {
    let api = Api::new().await;
    let made = api.json("POST", "{acc}/d1/database", json!({ "name": "shop" })).await.result();
    let id = made["uuid"].as_str().unwrap();
    let query = async |sql: &str| {
        let path = format!("{{acc}}/d1/database/{id}/query");
        api.json("POST", &path, json!({ "sql": sql })).await
    };
    query("CREATE TABLE t (a)").await.result();
    query("INSERT INTO t VALUES (1), (2), (3)").await.result();
    for _ in 0..4 {
        query("SELECT a FROM t").await.result();
    }
    query("SELECT nothing FROM nowhere").await.error();
    let sums = "sum { readQueries writeQueries rowsRead rowsWritten }";
    let filter = format!(", filter: {{databaseId: \"{id}\"}}");
    let all = rows(&api, "d1AnalyticsAdaptiveGroups", &filter, sums).await;
    assert_eq!(
        (&all[0]["sum"]["readQueries"], &all[0]["sum"]["rowsRead"]),
        (&4.into(), &12.into())
    );
    assert_eq!(all[0]["sum"]["writeQueries"], 2);
    assert!(all[0]["sum"]["rowsWritten"].as_u64().unwrap() >= 3, "{all}");
    let fields = "count sum { rowsRead rowsReturned } avg { rowsReturned } dimensions { query }";
    let order = ", orderBy: [count_DESC]";
    let texts = rows(&api, "d1QueriesAdaptiveGroups", order, fields).await;
    assert_eq!(texts.as_array().unwrap().len(), 3);
    let expected = json!({ "count": 4, "sum": { "rowsRead": 12, "rowsReturned": 12 },
        "avg": { "rowsReturned": 3 }, "dimensions": { "query": "SELECT a FROM t" } });
    assert_eq!(texts[0], expected);
    let size = rows(&api, "d1StorageAdaptiveGroups", "", "max { databaseSizeBytes }").await;
    let info = api.get(&format!("{{acc}}/d1/database/{id}")).await.result();
    assert_eq!(size[0]["max"]["databaseSizeBytes"], info["file_size"]);
    assert!(info["file_size"].as_u64().unwrap() > 0);
}

// conformance: analytics | `kvOperationsAdaptiveGroups`, `kvStorageAdaptiveGroups` | documented
#[tokio::test]
async fn every_operation_on_keys_is_counted_by_its_kind() {
    let api = Api::new().await;
    let path = "{acc}/storage/kv/namespaces";
    let made = api.json("POST", path, json!({ "title": "notes" })).await.result();
    let base = format!("{path}/{}", made["id"].as_str().unwrap());
    for (key, value) in [("a", "1"), ("b", "22"), ("c", "333")] {
        api.raw("PUT", &format!("{base}/values/{key}"), value).await.result();
    }
    api.delete(&format!("{base}/values/b")).await.result();
    assert_eq!(api.get(&format!("{base}/values/c")).await.bytes, b"333");
    assert_eq!(api.get(&format!("{base}/values/gone")).await.status, 404);
    api.get(&format!("{base}/keys")).await.result();
    let fields = "sum { requests } dimensions { actionType namespaceId }";
    let all = rows(&api, "kvOperationsAdaptiveGroups", "", fields).await;
    let all: Vec<_> = all.as_array().unwrap().iter().collect();
    let of = |row: &&Value| json!([row["dimensions"]["actionType"], row["sum"]["requests"]]);
    let expected = json!([["delete", 1], ["list", 1], ["read", 2], ["write", 3]]);
    assert_eq!(json!(all.iter().map(of).collect::<Vec<_>>()), expected);
    assert!(all.iter().all(|row| row["dimensions"]["namespaceId"] == made["id"]));
    let size = rows(&api, "kvStorageAdaptiveGroups", "", "max { keyCount byteCount }").await;
    assert_eq!(size, json!([{ "max": { "keyCount": 2, "byteCount": 6 } }]));
}

// conformance: analytics | `r2OperationsAdaptiveGroups`, `r2StorageAdaptiveGroups` | accepted by wrangler
#[tokio::test]
async fn every_operation_on_objects_is_counted_and_the_newest_size_is_the_present_one() {
    let api = Api::new().await;
    api.json("POST", "{acc}/r2/buckets", json!({ "name": "files" })).await.result();
    let object = "{acc}/r2/buckets/files/objects/a.txt";
    api.raw("PUT", object, "hello").await.result();
    assert_eq!(api.get(object).await.bytes, b"hello");
    let newest = ", orderBy: [datetime_DESC]";
    let fields = "max { objectCount payloadSize } dimensions { bucketName datetime }";
    let size = rows(&api, "r2StorageAdaptiveGroups", newest, fields).await;
    assert_eq!(size[0]["max"], json!({ "objectCount": 1, "payloadSize": 5 }));
    assert_eq!(size[0]["dimensions"]["bucketName"], "files");
    api.delete(object).await.result();
    let size = rows(&api, "r2StorageAdaptiveGroups", newest, fields).await;
    assert_eq!(size[0]["max"], json!({ "objectCount": 0, "payloadSize": 0 }));
    api.clock.advance(Duration::from_secs(60));
    api.raw("PUT", object, "hello again").await.result();
    let size = rows(&api, "r2StorageAdaptiveGroups", newest, fields).await;
    assert_eq!(size[0]["max"]["payloadSize"], 11);
    let fields = "sum { requests responseObjectSize } dimensions { actionType actionStatus }";
    let all = rows(&api, "r2OperationsAdaptiveGroups", "", fields).await;
    let of = |row: &Value| {
        json!([
            row["dimensions"]["actionType"],
            row["dimensions"]["actionStatus"],
            row["sum"]["requests"],
            row["sum"]["responseObjectSize"]
        ])
    };
    let all: Vec<_> = all.as_array().unwrap().iter().map(of).collect();
    for expected in [
        json!(["DeleteObject", "success", 1, 0]),
        json!(["GetObject", "success", 1, 5]),
        json!(["PutObject", "success", 2, 0]),
    ] {
        assert!(all.contains(&expected), "{expected} in {all:?}");
    }
}

// conformance: analytics | `POST /graphql` | documented
#[tokio::test]
async fn only_a_token_for_the_account_sees_its_figures_and_figures_survive_a_restart() {
    let api = Api::new().await;
    api.json("POST", "{acc}/r2/buckets", json!({ "name": "files" })).await.result();
    api.raw("PUT", "{acc}/r2/buckets/files/objects/a", "x").await.result();
    let count = async |api: &Api| rows(api, "r2OperationsAdaptiveGroups", "", "count").await;
    assert_eq!(count(&api).await, json!([{ "count": 1 }]));
    let query = format!(
        "{{ viewer {{ accounts(filter: {{accountTag: \"{}\"}}) {{ accountTag }} }} }}",
        api.account
    );
    let ask = async |token: &str, body: String| {
        let request = Request::post("/client/v4/graphql")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body))
            .unwrap();
        api.send(request).await
    };
    let other = ask("for-other", json!({ "query": query }).to_string()).await;
    assert_eq!((other.status, &other.json()["data"]), (200, &Value::Null));
    assert_eq!(other.json()["errors"][0]["extensions"]["code"], "authz");
    let stranger = ask("wrong", json!({ "query": query }).to_string()).await;
    assert_eq!(stranger.status, 403);
    for bad in ["", "{", "[]", "{}", r#"{"query":7}"#, r#"{"query":"{a}","variables":[]}"#] {
        let answer = ask("local-token", bad.to_owned()).await;
        assert_eq!((answer.status, &answer.json()["data"]), (400, &Value::Null), "{bad}");
    }
    let again = api.restarted().await;
    assert_eq!(count(&again).await, json!([{ "count": 1 }]));
}

/// Waits until the Worker has that many requests in the figures, and returns the rows.
async fn invocations(cloud: &LocalCloud, requests: u64, fields: &str) -> Value {
    let query = |fields: &str| {
        let query = format!(
            "{{ viewer {{ accounts {{ workersInvocationsAdaptive(limit: 100, \
             filter: {{scriptName: \"shop\"}}) {{ {fields} }} }} }} }}"
        );
        json!({ "query": query }).to_string()
    };
    let ask = async |fields: &str| {
        let request = Request::post("/client/v4/graphql")
            .header("host", "127.0.0.1")
            .header("authorization", format!("Bearer {}", cloud.token().expose()));
        let answer = client::send(cloud.port(), request, query(fields)).await.json();
        answer["data"]["viewer"]["accounts"][0]["workersInvocationsAdaptive"].clone()
    };
    let waiting = async {
        while ask("sum { requests }").await[0]["sum"]["requests"].as_u64().unwrap_or(0) < requests {
        }
        ask(fields).await
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("all requests counted")
}

// conformance: analytics | `workersInvocationsAdaptive` by version, status and time | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_that_reached_a_worker_is_counted_by_version_and_status() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let code = |text: &str| {
        format!(
            "export default {{ async fetch(request) {{ const path = new URL(request.url).pathname; \
             if (path === '/throw') throw new Error('no'); \
             if (path === '/out') await fetch('https://nowhere.test/'); \
             return new Response('{text}', {{ status: path === '/404' ? 404 : 200 }}) }} }};"
        )
    };
    for text in ["first", "second!"] {
        deploy(&cloud, "shop", json!([]), &code(text)).await;
        for path in ["/", "/404", "/throw", "/out"] {
            let _ = client::get(cloud.port(), "shop.acme.test", path).await;
        }
    }
    let _ = client::get(cloud.port(), "nobody.acme.test", "/").await;
    let fields = "sum { requests errors subrequests responseBodySize } quantiles { wallTimeP99 } \
                  dimensions { scriptVersion status }";
    let rows = invocations(&cloud, 8, fields).await;
    let versions = call(&cloud, "GET", "/workers/scripts/shop/versions", "").await;
    let (new, old) = (&versions["items"][0]["id"], &versions["items"][1]["id"]);
    let row = |version: &Value, status: &str| {
        let is = |row: &&Value| {
            row["dimensions"]["scriptVersion"] == *version && row["dimensions"]["status"] == status
        };
        rows.as_array().unwrap().iter().find(is).unwrap_or_else(|| panic!("{rows}")).clone()
    };
    let sum = |requests: u64, errors: u64, subrequests: u64, bytes: u64| {
        json!({ "requests": requests, "errors": errors, "subrequests": subrequests,
            "responseBodySize": bytes })
    };
    assert_eq!(row(old, "success")["sum"], sum(3, 0, 1, 15));
    assert_eq!(row(old, "scriptThrewException")["sum"], sum(1, 1, 0, 0));
    assert_eq!(row(new, "success")["sum"], sum(3, 0, 1, 21));
    assert!(row(new, "success")["quantiles"]["wallTimeP99"].as_f64().unwrap() > 0.0);
    cloud.stop().await;
    let again = started(folder.path()).await;
    let rows = invocations(&again, 8, "sum { requests }").await;
    assert_eq!(rows, json!([{ "sum": { "requests": 8 } }]), "it was written before it stopped");
    again.stop().await;
}

#[tokio::test]
async fn a_worker_that_nobody_asked_has_no_figures() {
    let api = Api::new().await;
    api.upload("PUT", "S/", module(json!([])), "export default {}").await.result();
    let none = rows(&api, "workersInvocationsAdaptive", "", "sum { requests }").await;
    assert_eq!(none, json!([]));
}
